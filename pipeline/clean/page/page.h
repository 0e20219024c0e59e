/* A parsed page as arrays, shared by everything that looks for the article in it. */
#ifndef CLEAN_PAGE_H
#define CLEAN_PAGE_H

#include "words.h"

/* One element, in document order. */
struct tm_node {
    uint32_t parent;           /* of the root: itself, 0 */
    uint32_t end;              /* first element after its subtree */
    uint32_t piece, piece_end; /* the text of its subtree */
    uint32_t nth;              /* among its parent's children of the same name, from 1 */
    uint32_t name;             /* TM_TAG_OTHER: its name in page->strings */
    uint8_t tag;               /* enum tm_tag */
    uint8_t tiers;
    uint8_t rule;                  /* enum tm_rule that its name, class, id or style asks for */
    uint8_t kind;                  /* enum tm_block of text directly inside */
    bool link;                     /* inside <a> */
    bool hidden;                   /* by attribute or style */
    uint8_t class_hints, id_hints; /* HINT_* */
    uint8_t role;                  /* enum tm_role */
    uint32_t class_hash;           /* of the class attribute; 0: none */
};

/* What a role attribute, or an attribute like it, says. */
enum tm_role {
    TM_ROLE_NONE,
    TM_ROLE_UNLIKELY, /* a menu, a dialog, what stands beside the content */
    TM_ROLE_LAYOUT,   /* of a table: no data */
    TM_ROLE_AUTHOR,   /* names who wrote the page */
};

enum tm_piece_form {
    TM_PIECE_EXACT,   /* text equals source[source, source_end) */
    TM_PIECE_INEXACT, /* text stands for it: a character reference */
    TM_PIECE_BREAK,   /* <br> */
    TM_PIECE_CELL,    /* between two cells of a row */
};

/* A stretch of text inside one element. */
struct tm_piece {
    uint32_t text, len; /* in page->text */
    uint32_t source, source_end;
    uint32_t node;
    uint8_t form;
};

/* Numbers of a stretch of text; of several pieces: their sums. */
struct tm_stats {
    uint32_t chars; /* code points, a run of white space counts as one */
    uint32_t link_chars;
    uint32_t commas, ends; /* commas; marks that end a sentence */
};

/* Text between two paragraph boundaries. */
struct tm_block_range {
    uint32_t node; /* nearest element that separates paragraphs */
    uint32_t piece, piece_end;
    uint8_t kind; /* enum tm_block */
    bool stray;   /* directly in a div or the like, not in an element meant for text */
};

struct tm_meta_entry {
    uint32_t name, content;
}; /* in page->strings */
/* JSON-LD, or with JSON that a script fills the page from; in page->strings. */
struct tm_script {
    uint32_t text, len, source, source_end;
    bool state;
};

struct tm_page {
    const char *source; /* decoded, UTF-8 */
    size_t source_len;
    struct tm_buf text, strings;
    struct tm_buf nodes_, pieces_, stats_, blocks_, metas_, scripts_; /* arrays; see below */
    struct tm_buf scratch;
    struct tm_buf title;                     /* of <title> */
    uint32_t lang, canonical;                /* in strings; 0: none */
    uint32_t date_published, time_published; /* itemprop datePublished; <time datetime> */
    bool time_is_sure;                       /* it says that it is the publication's */
    uint32_t author_node;                    /* element + 1 */
    bool depth_capped;
};

struct tm_page_limits {
    size_t nodes, depth, attributes;
    uint64_t deadline_ns;
};

/* Fills p (cleared first, its memory reused) from source, which p borrows. xml: not HTML.
 * TM_TOOLARGE: too many nodes or attributes; TM_TIMEOUT: past the deadline; TM_NOMEM. */
enum tm_status tm_page_parse(struct tm_page *p, const struct tm_vocabulary *v, const char *source,
                             size_t len, bool xml, const struct tm_page_limits *limits,
                             struct tm_err *err);

/* state.c: where in a script the JSON of a page's state begins; n: it holds none. */
size_t tm_state_start(const char *s, size_t n);

/* page.c */
void tm_page_clear(struct tm_page *p); /* keeps the memory */
void tm_page_finish(struct tm_page *p);
struct tm_stats tm_page_measure(const char *s, size_t n, bool link);
/* Fills in every element's nth; false when memory is short. */
bool tm_page_number_siblings(struct tm_page *p);

static inline const struct tm_node *tm_page_nodes(const struct tm_page *p)
{
    return (const struct tm_node *)p->nodes_.data;
}
static inline size_t tm_page_n_nodes(const struct tm_page *p)
{
    return p->nodes_.len / sizeof(struct tm_node);
}
static inline const struct tm_piece *tm_page_pieces(const struct tm_page *p)
{
    return (const struct tm_piece *)p->pieces_.data;
}
static inline size_t tm_page_n_pieces(const struct tm_page *p)
{
    return p->pieces_.len / sizeof(struct tm_piece);
}
/* One a piece. */
static inline const struct tm_stats *tm_page_stats(const struct tm_page *p)
{
    return (const struct tm_stats *)p->stats_.data;
}
static inline const struct tm_block_range *tm_page_blocks(const struct tm_page *p)
{
    return (const struct tm_block_range *)p->blocks_.data;
}
static inline size_t tm_page_n_blocks(const struct tm_page *p)
{
    return p->blocks_.len / sizeof(struct tm_block_range);
}
static inline const char *tm_page_string(const struct tm_page *p, uint32_t at)
{
    return at == 0 ? NULL : p->strings.data + at;
}

#endif
