/* Inside of a tokenizer: its parts as they are read from tokenizer.json, and the text on its way.
 *
 * Each kind of part (normalizer, pre-tokenizer, model, post-processor, decoder) is a closed table
 * of rows in the file of that name: a row has the names files use, the fields to read and what to
 * run. A row without fields is known but not built. Sequences are flattened when they are read. */
#ifndef TOKENIZE_TOKENIZE_H
#define TOKENIZE_TOKENIZE_H

#include "tm_tokenizer.h"
#include "trie.h"
#include <string.h>

enum {
    STEPS_MOST = 64,       /* normalizers, pre-tokenizers, decoders: each */
    TEMPLATE_MOST = 256,   /* items of a post-processor's template */
    ID_MOST = 1 << 24,     /* ids are below */
    PREFIX_MOST = 1 << 10, /* items of ids before or after a text */
};

struct str {
    const char *s; /* NUL-terminated, in the tokenizer's arena */
    size_t n;
};

/* A code point under way, and the code points [from, to) of the text given that it stands for. */
struct cell {
    uint32_t cp, from, to;
};

/* Cells in two buffers: a pass reads `now` and either edits it or writes `next` and swaps. */
struct cells {
    struct tm_buf *now, *next;
};

static inline struct cell *cells_of(const struct tm_buf *b)
{
    return (struct cell *)(void *)b->data;
}

static inline size_t cells_n(const struct tm_buf *b)
{
    return b->len / sizeof(struct cell);
}

/* Where the next `more` cells go; NULL when memory is short. The caller adds to b->len. */
static inline struct cell *cells_room(struct tm_buf *b, size_t more)
{
    size_t bytes = more * sizeof(struct cell);
    if (b->room - b->len <= bytes && !tm_buf_reserve(b, bytes))
        return NULL;
    return (struct cell *)(void *)(b->data + b->len);
}

/* A stretch of cells: text when id is -1, else an added token. */
struct piece {
    uint32_t begin, end;
    int32_t id;
};

static inline struct piece *pieces_of(const struct tm_buf *b)
{
    return (struct piece *)(void *)b->data;
}

static inline size_t pieces_n(const struct tm_buf *b)
{
    return b->len / sizeof(struct piece);
}

static inline bool piece_add(struct tm_buf *b, const struct piece *p)
{
    return p->begin == p->end || tm_buf_append(b, p, sizeof *p);
}

/* One step of normalization; which members count depends on the row. */
struct normalizer {
    bool (*apply)(const struct normalizer *n, struct cells *x); /* false: no memory */
    bool clean, cjk, lower;                                     /* BertNormalizer */
    int8_t accents;                                             /* BertNormalizer: -1 is as lower */
    bool left, right;                                           /* Strip */
    struct str pattern;                                         /* Replace */
    struct str content;                                         /* Replace, Prepend */
};

enum split { SPLIT_REMOVED, SPLIT_ISOLATED, SPLIT_PREVIOUS, SPLIT_NEXT, SPLIT_CONTIGUOUS };

struct pre_tokenizer {
    /* Cuts the cells [begin, end) into pieces; false: no memory. */
    bool (*split)(const struct pre_tokenizer *p, const struct cell *cells, uint32_t begin,
                  uint32_t end, struct tm_buf *out);
    enum split behavior;
    unsigned flags;     /* what is cut at; 0: delimiter */
    uint32_t delimiter; /* CharDelimiterSplit */
};

struct vocab {
    struct trie trie;
    const char **tokens; /* by id, NULL: no such token; n_ids of them */
    uint32_t *lens;
    uint32_t n_ids, n_tokens;
};

struct model {
    /* Appends the tokens of one word, offsets in bytes of the word. */
    enum tm_status (*encode)(const struct model *m, const char *word, size_t n, size_t n_chars,
                             struct tm_encoding *e, struct tm_err *err);
    struct vocab vocab;
    struct str unk_token;
    struct str prefix;   /* WordPiece: continuing_subword_prefix */
    uint64_t max_chars;  /* WordPiece: max_input_chars_per_word */
    int32_t unk_id;      /* -1: not in the vocabulary */
    uint32_t continuing; /* node that prefix leads to, TRIE_NONE: no token begins with it */
};

struct added_token {
    struct str content;
    int64_t file_id;
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
    size_t at; /* in the file, for messages */
};

/* Finds added tokens in a text: leftmost, longest. */
struct matcher {
    struct pattern {
        struct str text;
        const struct added_token *token;
    } * patterns; /* sorted by bytes, all different, none empty */
    uint32_t n;
    uint32_t first[257]; /* patterns that begin with byte c are [first[c], first[c + 1]) */
};

enum item_kind { ITEM_SPECIAL, ITEM_A, ITEM_B };
struct template_item {
    enum item_kind kind;
    int32_t id; /* ITEM_SPECIAL */
    uint8_t type;
};
struct template
{
    struct template_item items[TEMPLATE_MOST];
    size_t n;
};

struct post_processor {
    bool present;
    bool trim_offsets, add_prefix_space; /* RobertaProcessing */
    struct template single, pair;
};

/* Token texts on their way through the decoders: text i ends at ends[i] (size_t) of bytes. */
struct strings {
    struct tm_buf bytes, ends;
};

struct decoder {
    bool (*apply)(const struct decoder *d, const struct strings *in, struct strings *out);
    struct str prefix; /* WordPiece */
    bool cleanup;
};

struct tm_tokenizer {
    struct tm_arena *arena;
    struct normalizer normalizers[STEPS_MOST];
    struct pre_tokenizer pre_tokenizers[STEPS_MOST];
    struct decoder decoders[STEPS_MOST];
    size_t n_normalizers, n_pre_tokenizers, n_decoders;
    struct model model;
    struct added_token *added;
    size_t n_added;
    struct matcher raw, normalized; /* the two passes over added tokens */
    struct post_processor post;
    int32_t *frame; /* ids of post.single before the text, then those after */
    size_t n_prefix, n_suffix;
    const char **tokens; /* by id, with the added ones */
    uint32_t *token_lens;
    bool *special_ids; /* by id: the text is that of a special added token */
    int32_t n_ids;
    bool bert; /* encode_bert does what encode_any would */
};

/* Reading: read.c. */
struct reader {
    struct tm_json j;
    struct tm_tokenizer *t;
    unsigned depth; /* of sequences in sequences */
};

enum field_type {
    FIELD_BOOL,
    FIELD_BOOL_OR_NULL, /* int8_t, -1: null */
    FIELD_STR,          /* struct str */
    FIELD_CHAR,         /* uint32_t: a string of one code point */
    FIELD_U64,
    FIELD_CHOICE, /* an enum (unsigned) by its place in choices, which NULL ends */
    FIELD_READ,   /* by the function read */
};

struct field {
    const char *key; /* NULL ends a list */
    enum field_type type;
    bool required;
    size_t offset;
    const char *const *choices;
    enum tm_status (*read)(struct reader *r, void *base, struct tm_err *err);
};

/* What all rows begin with. */
struct component {
    const char *name, *short_name; /* values of "type"; short_name may be NULL */
    const struct field *fields;    /* NULL: known, not built */
};

/* How an object without "type" is told: by the fields it has. */
struct signs {
    struct {
        const char *field, *type;
    } rows[4];
    size_t n;
    const char *otherwise;
};

/* Reads an object's fields into base; keys it does not know are skipped, twice the same is an
 * error. what: "normalizer Strip", for messages. */
enum tm_status read_fields(struct reader *r, const char *what, const struct field *fields,
                           void *base, struct tm_err *err);
/* The row of the object that comes next, by its "type" or by signs (NULL: it must have a type); the
 * reader stays before the object. */
enum tm_status read_component(struct reader *r, const char *what, const void *rows, size_t n,
                              size_t size, const struct signs *signs,
                              const struct component **ret_row, struct tm_err *err);
/* Calls read for each element of the array that comes next. */
enum tm_status read_array(struct reader *r,
                          enum tm_status (*read)(struct reader *, void *, struct tm_err *),
                          void *base, struct tm_err *err);
/* As read_array, for sequences of components: with a cap on their nesting. */
enum tm_status read_sequence(struct reader *r,
                             enum tm_status (*read)(struct reader *, void *, struct tm_err *),
                             void *base, struct tm_err *err);
/* True when null comes next, which is then read. */
enum tm_status read_null(struct reader *r, bool *ret_null, struct tm_err *err);
enum tm_status read_is_object(struct reader *r, bool *ret_object, struct tm_err *err);
enum tm_status read_str(struct reader *r, struct str *ret, struct tm_err *err);
enum tm_status read_id(struct reader *r, int32_t *ret, struct tm_err *err);
enum tm_status read_nothing(struct reader *r, void *base, struct tm_err *err);
enum tm_status read_tokenizer_json(struct tm_tokenizer *t, const char *path, struct tm_err *err);
/* vocab.txt with tokenizer_config.json, as BERT's folders before tokenizer.json: vocab_txt.c. */
enum tm_status read_vocab_txt(struct tm_tokenizer *t, const char *folder, const char *path,
                              struct tm_err *err);

/* Parts; each reads one component, of the file that has its name. */
enum tm_status normalizer_read(struct reader *r, void *unused, struct tm_err *err);
bool normalizer_bert(const struct normalizer *n, struct cells *x);
/* Every step, on x->now; false: no memory. */
bool normalize(const struct tm_tokenizer *t, struct cells *x);
bool normal_form(struct cells *x, bool compatible, bool compose); /* normal_forms.c */

enum tm_status pre_tokenizer_read(struct reader *r, void *unused, struct tm_err *err);
bool pre_tokenizer_bert(const struct pre_tokenizer *p, const struct cell *cells, uint32_t begin,
                        uint32_t end, struct tm_buf *out);

enum tm_status model_read(struct reader *r, void *unused, struct tm_err *err);
void model_finish_reading(struct model *m);
enum tm_status wordpiece_encode(const struct model *m, const char *word, size_t n, size_t n_chars,
                                struct tm_encoding *e, struct tm_err *err);
enum tm_status wordlevel_encode(const struct model *m, const char *word, size_t n, size_t n_chars,
                                struct tm_encoding *e, struct tm_err *err);

/* Tokens being collected; text is copied. finish_ sorts them into the trie. */
struct vocab_builder {
    struct tm_buf bytes, entries;
};
bool vocab_add(struct vocab_builder *b, const char *text, size_t n, int32_t id, size_t at);
int32_t *vocab_last_id(struct vocab_builder *b); /* of the token added last */
/* A token given twice is an error, with last_wins the later one counts. *ret_at: the `at` of what
 * an error is about. */
enum tm_status vocab_build(struct vocab_builder *b, struct vocab *v, struct tm_arena *arena,
                           bool last_wins, size_t *ret_at, struct tm_err *err);
void vocab_builder_finish(struct vocab_builder *b);

enum tm_status added_tokens_read(struct reader *r, void *unused, struct tm_err *err);
/* Gives ids, makes both matchers and the table of ids; after everything else is read. */
enum tm_status added_tokens_build(struct tm_tokenizer *t, struct tm_err *err);
struct match {
    size_t begin, end; /* bytes */
    const struct added_token *token;
};
/* The next accepted match at *pos or later; *last is the end of the one before (0 at first). */
bool matcher_next(const struct matcher *m, const char *s, size_t n, size_t *pos, size_t *last,
                  struct match *ret);

enum tm_status post_processor_read(struct reader *r, void *unused, struct tm_err *err);
/* The templates of BertProcessing. */
void post_processor_bert(struct post_processor *p, int32_t cls, int32_t sep);
enum tm_status post_processor_build(struct tm_tokenizer *t, struct tm_err *err);

enum tm_status decoder_read(struct reader *r, void *unused, struct tm_err *err);
bool decoder_wordpiece(const struct decoder *d, const struct strings *in, struct strings *out);

/* UTF-8 to x->now; pos: the code points before. */
enum tm_status cells_decode(struct cells *x, const char *s, size_t n, uint32_t pos,
                            struct tm_err *err);

/* Encoding of one text, from segment to segment. */
struct encoder {
    const struct tm_tokenizer *t;
    struct tm_encoding *e;
    struct tm_err *err;
    uint32_t pos; /* code points before the segment */
    int32_t word; /* pre-tokens before */
    size_t first; /* token where this text began */
};
/* Every step, on a text without raw added tokens: encode.c. */
enum tm_status encode_any(struct encoder *c, const char *s, size_t n);
/* The same for BERT's normalizer and pre-tokenizer, fast where the text is ASCII: encode_bert.c. */
enum tm_status encode_bert(struct encoder *c, const char *s, size_t n);
bool encode_bert_fits(const struct tm_tokenizer *t);
void finish_word(struct encoder *c, size_t first); /* of the tokens from first on */
bool encoding_grow(struct tm_encoding *e);

static inline bool encoding_append(struct tm_encoding *e, int32_t id, size_t begin, size_t end)
{
    if (e->n == e->room && !encoding_grow(e))
        return false;
    e->ids[e->n] = id;
    e->offsets[e->n][0] = (uint32_t)begin;
    e->offsets[e->n++][1] = (uint32_t)end;
    return true;
}

#endif
