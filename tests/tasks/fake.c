/* The engine and the tokenizer of fake.h. One thread. */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

struct fake_model fake_models[FAKE_MODELS];
size_t fake_room = 64, fake_batch = 8;
bool fake_newest_first;
const char *fake_chat_template, *fake_source;
const char *const *fake_languages, *const *fake_added;
struct fake_seen *fake_seen;
size_t fake_n_seen;
size_t fake_opened;

/* ---- words ---- */

enum { MAX_WORDS = 4096, FIRST_WORD = 3 };
static char *words[MAX_WORDS];
static int32_t n_words;

static int32_t word_id(const char *s, size_t n)
{
    for (int32_t i = 0; i < n_words; i++)
        if (strlen(words[i]) == n && memcmp(words[i], s, n) == 0)
            return FIRST_WORD + i;
    assert_true(n_words < MAX_WORDS);
    words[n_words] = strndup(s, n);
    return FIRST_WORD + n_words++;
}

int32_t fake_word_id(const char *word)
{
    return word_id(word, strlen(word));
}

const char *fake_word(int32_t id)
{
    return id >= FIRST_WORD && id < FIRST_WORD + n_words ? words[id - FIRST_WORD] : NULL;
}

struct fake_model fake_generator(const char *name, int32_t max_length,
                                 const struct tm_generation *generation,
                                 enum tm_status (*generate)(const struct tm_sequence *seq))
{
    return (struct fake_model){.name = name,
                               .info = {.head = TM_HEAD_GENERATE,
                                        .threads = 1,
                                        .max_length = max_length,
                                        .encoder_decoder = true,
                                        .generation = generation,
                                        .device = "cpu",
                                        .precision = "float32"},
                               .generate = generate};
}

void fake_reset(void)
{
    for (int32_t i = 0; i < n_words; i++)
        free(words[i]);
    for (size_t i = 0; i < fake_n_seen; i++)
        free(fake_seen[i].ids);
    free(fake_seen);
    fake_seen = NULL;
    n_words = 0;
    fake_n_seen = fake_opened = 0;
    fake_room = 64;
    fake_batch = 8;
    fake_newest_first = false;
    fake_chat_template = fake_source = NULL;
    fake_languages = fake_added = NULL;
    memset(fake_models, 0, sizeof fake_models);
}

int fake_tear_down(void **state)
{
    (void)state;
    fake_reset();
    return 0;
}

/* ---- tokenizer ---- */

struct tm_tokenizer {
    int unused;
};

enum tm_status tm_tokenizer_open(const char *folder, struct tm_tokenizer **ret_tok,
                                 struct tm_err *err)
{
    (void)folder;
    (void)err;
    *ret_tok = calloc(1, sizeof **ret_tok);
    return TM_OK;
}

void tm_tokenizer_close(struct tm_tokenizer *t)
{
    free(t);
}

void tm_encoding_finish(struct tm_encoding *e)
{
    free(e->ids);
    free(e->offsets);
    free(e->words);
    free(e->types);
    *e = (struct tm_encoding){0};
}

static void add_token(struct tm_encoding *e, int32_t id, size_t start, size_t end, int32_t word,
                      uint8_t type)
{
    if (e->n == e->room) {
        e->room = 2 * e->room + 16;
        e->ids = realloc(e->ids, e->room * sizeof *e->ids);
        e->offsets = realloc(e->offsets, e->room * sizeof *e->offsets);
        e->words = realloc(e->words, e->room * sizeof *e->words);
        e->types = realloc(e->types, e->room * sizeof *e->types);
    }
    e->ids[e->n] = id;
    e->offsets[e->n][0] = (uint32_t)start;
    e->offsets[e->n][1] = (uint32_t)end;
    e->words[e->n] = word;
    e->types[e->n++] = type;
}

static void add_words(struct tm_encoding *e, const char *text, size_t n, uint8_t type)
{
    int32_t word = 0;
    for (size_t i = 0; i < n;) {
        size_t start = i;
        while (i < n && strchr(" \n", text[i]) == NULL)
            i++;
        if (i > start && text[start] != '~')
            add_token(e, word_id(text + start, i - start), start, i, word++, type);
        i += i < n;
    }
}

enum tm_status tm_tokenizer_encode(const struct tm_tokenizer *t, const char *text, size_t n,
                                   unsigned how, struct tm_encoding *e, struct tm_err *err)
{
    (void)t;
    (void)err;
    assert_false((how & TM_ENCODE_SPECIAL) != 0); /* tasks put their own frame around windows */
    e->n = 0;
    add_words(e, text, n, 0);
    return TM_OK;
}

enum tm_status tm_tokenizer_encode_pair(const struct tm_tokenizer *t, const char *text, size_t n,
                                        const char *pair, size_t n_pair, struct tm_encoding *e,
                                        struct tm_err *err)
{
    (void)t;
    (void)err;
    e->n = 0;
    add_token(e, FAKE_CLS, 0, 0, -1, 0);
    add_words(e, text, n, 0);
    add_token(e, FAKE_SEP, 0, 0, -1, 0);
    add_words(e, pair, n_pair, 1);
    add_token(e, FAKE_SEP, 0, 0, -1, 1);
    return TM_OK;
}

void tm_tokenizer_subwords(const struct tm_tokenizer *t, const char *text, size_t n,
                           const struct tm_encoding *e, uint8_t *ret_subword)
{
    (void)t;
    (void)text;
    (void)n;
    memset(ret_subword, 0, e->n);
}

void tm_tokenizer_frame(const struct tm_tokenizer *t, const int32_t **ret_prefix,
                        size_t *ret_n_prefix, const int32_t **ret_suffix, size_t *ret_n_suffix)
{
    static const int32_t cls = FAKE_CLS, sep = FAKE_SEP;
    (void)t;
    *ret_prefix = &cls;
    *ret_suffix = &sep;
    *ret_n_prefix = *ret_n_suffix = 1;
}

/* With the frame, as a translation model's tokenizer puts it. */
enum tm_status tm_tokenizer_encode_source(const struct tm_tokenizer *t, const char *language,
                                          const char *text, size_t n, struct tm_encoding *e,
                                          struct tm_err *err)
{
    fake_source = language;
    enum tm_status s = tm_tokenizer_encode(t, text, n, 0, e, err);
    add_token(e, FAKE_SEP, 0, 0, -1, 0);
    return s;
}

enum tm_status tm_tokenizer_decode(const struct tm_tokenizer *t, const int32_t *ids, size_t n,
                                   unsigned how, struct tm_buf *out, struct tm_err *err)
{
    (void)t;
    (void)how;
    (void)err;
    size_t from = out->len;
    for (size_t i = 0; i < n; i++)
        if (fake_word(ids[i]) != NULL) {
            tm_buf_puts(out, out->len > from ? " " : "");
            tm_buf_puts(out, fake_word(ids[i]));
        }
    return TM_OK;
}

/* The place in a NULL-ended list; -1: not in it. */
static int32_t place_in(const char *const *list, const char *what)
{
    for (int32_t i = 0; list != NULL && list[i] != NULL; i++)
        if (strcmp(list[i], what) == 0)
            return i;
    return -1;
}

const char *tm_tokenizer_language(const struct tm_tokenizer *t, size_t i)
{
    (void)t;
    return fake_languages != NULL ? fake_languages[i] : NULL;
}

int32_t tm_tokenizer_language_id(const struct tm_tokenizer *t, const char *language)
{
    int32_t i = place_in(fake_languages, language);
    (void)t;
    return i >= 0 ? FAKE_LANGUAGE + i : -1;
}

int32_t tm_tokenizer_id(const struct tm_tokenizer *t, const char *token)
{
    int32_t i = place_in(fake_added, token);
    (void)t;
    return i >= 0 ? FAKE_ADDED + i : -1;
}

int32_t tm_tokenizer_vocab_size(const struct tm_tokenizer *t)
{
    int32_t n = 0;
    (void)t;
    while (fake_added != NULL && fake_added[n] != NULL)
        n++;
    return FAKE_ADDED + n;
}

int32_t tm_tokenizer_special_id(const struct tm_tokenizer *t, enum tm_special which)
{
    (void)t;
    return which == TM_SPECIAL_CLS ? FAKE_CLS : -1;
}

const char *tm_tokenizer_chat_template(const struct tm_tokenizer *t, const char **ret_file)
{
    (void)t;
    *ret_file = "chat_template.jinja";
    return fake_chat_template;
}

const char *tm_tokenizer_token(const struct tm_tokenizer *t, int32_t id)
{
    (void)t;
    return id >= FAKE_ADDED ? fake_added[id - FAKE_ADDED] : fake_word(id);
}

enum tm_status tm_tokenizer_bytes(const struct tm_tokenizer *t, int32_t id, struct tm_buf *out,
                                  struct tm_err *err)
{
    (void)t;
    const char *word = fake_word(id);
    if (word == NULL)
        return tm_err_set(err, TM_NOTFOUND, "special");
    tm_buf_puts(out, word);
    return TM_OK;
}

/* ---- engine ---- */

struct entry {
    struct tm_sequence seq;
    uint64_t cookie;
    enum tm_status status;
};

struct tm_engine {
    const struct fake_model *model;
    struct entry *waiting, *done; /* room each */
    size_t room, n_waiting, n_done;
};

enum tm_status tm_engine_adapter_base(const char *folder, char *out, size_t out_size,
                                      struct tm_err *err)
{
    (void)out;
    (void)out_size;
    return tm_err_set(err, TM_NOTFOUND, "%s is no adapter", folder);
}

enum tm_status tm_engine_open(const char *folder, const char *base, const char *device,
                              const char *precision, const struct tm_engine_limits *limits,
                              struct tm_engine **ret_engine, struct tm_err *err)
{
    size_t n = strlen(folder);
    while (folder[n - 1] == '/')
        n--;
    (void)base;
    (void)device;
    (void)precision;
    (void)limits;
    for (size_t i = 0; i < FAKE_MODELS && fake_models[i].name != NULL; i++) {
        size_t name = strlen(fake_models[i].name);
        if (name >= n || folder[n - name - 1] != '/' ||
            memcmp(fake_models[i].name, folder + n - name, name) != 0)
            continue;
        struct tm_engine *e = calloc(1, sizeof *e);
        *e = (struct tm_engine){.model = &fake_models[i], .room = fake_room};
        e->waiting = calloc(e->room, sizeof *e->waiting);
        e->done = calloc(e->room, sizeof *e->done);
        fake_opened++;
        *ret_engine = e;
        return TM_OK;
    }
    return tm_err_set(err, TM_MODEL, "%s: no such fake", folder);
}

void tm_engine_close(struct tm_engine *e)
{
    if (e == NULL)
        return;
    assert_int_equal(e->n_waiting + e->n_done, 0); /* the contract: none may be inside */
    free(e->waiting);
    free(e->done);
    free(e);
}

const struct tm_engine_info *tm_engine_info(const struct tm_engine *e)
{
    return &e->model->info;
}

size_t tm_engine_output_size(const struct tm_engine *e, int32_t n_ids)
{
    const struct tm_engine_info *info = &e->model->info;
    switch (info->head) {
    case TM_HEAD_EMBEDDING:
        return (size_t)info->hidden_size;
    case TM_HEAD_TOKEN:
        return (size_t)(n_ids * info->n_labels);
    case TM_HEAD_SPAN:
        return 2 * (size_t)n_ids;
    default:
        return (size_t)info->n_labels;
    }
}

int32_t tm_engine_generated_most(const struct tm_engine *e, const struct tm_sequence *seq)
{
    (void)seq;
    return e->model->info.max_length;
}

enum tm_status tm_engine_fits(const struct tm_engine *e, const struct tm_sequence *seq,
                              struct tm_err *err)
{
    if (seq->n_ids > e->model->info.max_length)
        return tm_err_set(err, TM_TOOLARGE, "%d ids", seq->n_ids);
    return TM_OK;
}

enum tm_status tm_engine_submit(struct tm_engine *e, const struct tm_sequence *seq, uint64_t cookie)
{
    assert_int_equal(tm_engine_fits(e, seq, NULL), TM_OK);
    if (e->n_waiting + e->n_done == e->room)
        return TM_AGAIN;
    e->waiting[e->n_waiting++] = (struct entry){*seq, cookie, TM_OK};
    fake_seen = realloc(fake_seen, (fake_n_seen + 1) * sizeof *fake_seen);
    int32_t *ids = calloc((size_t)seq->n_ids, sizeof *ids);
    memcpy(ids, seq->ids, (size_t)seq->n_ids * sizeof *ids);
    fake_seen[fake_n_seen++] = (struct fake_seen){ids, seq->n_ids};
    return TM_OK;
}

enum tm_status tm_engine_step(struct tm_engine *e, int32_t worker, tm_engine_report_fn *report,
                              void *arg)
{
    (void)worker;
    size_t n = TM_MIN(fake_batch, e->n_waiting);
    if (n == 0)
        return TM_AGAIN;
    uint64_t *cookies = calloc(n, sizeof *cookies);
    size_t from = fake_newest_first ? e->n_waiting - n : 0;
    struct entry *batch = e->waiting + from;
    for (size_t i = 0; i < n; i++)
        cookies[i] = batch[i].cookie;
    if (report != NULL)
        report(arg, cookies, n, false);
    for (size_t i = 0; i < n; i++) {
        const struct tm_sequence *q = &batch[i].seq;
        batch[i].status = e->model->info.head == TM_HEAD_GENERATE
                              ? e->model->generate(q)
                              : e->model->answer(q->ids, q->n_ids, q->out);
        e->done[e->n_done++] = batch[i];
    }
    if (report != NULL)
        report(arg, cookies, n, true);
    memmove(batch, batch + n, (e->n_waiting - from - n) * sizeof *batch);
    e->n_waiting -= n;
    free(cookies);
    return TM_OK;
}

size_t tm_engine_collect(struct tm_engine *e, struct tm_answer *out, size_t max)
{
    size_t n = TM_MIN(max, e->n_done);
    for (size_t i = 0; i < n; i++)
        out[i] = (struct tm_answer){.cookie = e->done[i].cookie,
                                    .status = e->done[i].status,
                                    .n_ids = e->done[i].seq.n_ids};
    memmove(e->done, e->done + n, (e->n_done - n) * sizeof *e->done);
    e->n_done -= n;
    return n;
}
