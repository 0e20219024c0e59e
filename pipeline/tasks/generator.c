/* Options of a task entry to decoding parameters, and answers back to text (tm_generate.h). Opened
 * on the main thread; used by the tokenize and infer threads and by the verb infer. */
#include "tm_generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct tm_generator {
    const struct tm_model *model;
    struct tm_generation params;
    int32_t *bad, *suppress; /* owned lists of params */
    struct tm_vocabulary *vocabulary;
    struct tm_guide *guide;
};

/* ---- options ---- */

static void set_int(int32_t *field, int64_t value)
{
    if (value != TM_CONF_UNSET)
        *field = (int32_t)value;
}

static void set_real(float *field, double value)
{
    if (!isnan(value))
        *field = (float)value;
}

static void set_options(struct tm_generation *p, const struct tm_conf_task *c)
{
    set_int(&p->max_length, c->max_length);
    set_int(&p->max_new_tokens, c->max_new_tokens);
    set_int(&p->min_length, c->min_length);
    set_int(&p->min_new_tokens, c->min_new_tokens);
    set_int(&p->num_beams, c->num_beams);
    set_int(&p->num_return_sequences, c->num_return_sequences);
    set_int(&p->no_repeat_ngram_size, c->no_repeat_ngram_size);
    set_int(&p->encoder_no_repeat_ngram_size, c->encoder_no_repeat_ngram_size);
    set_int(&p->top_k, c->top_k);
    set_int(&p->forced_bos_token_id, c->forced_bos_token_id);
    set_int(&p->forced_eos_token_id, c->forced_eos_token_id);
    set_real(&p->length_penalty, c->length_penalty);
    set_real(&p->repetition_penalty, c->repetition_penalty);
    set_real(&p->encoder_repetition_penalty, c->encoder_repetition_penalty);
    set_real(&p->temperature, c->temperature);
    set_real(&p->top_p, c->top_p);
    set_real(&p->min_p, c->min_p);
    set_real(&p->typical_p, c->typical_p);
    if (strcmp(c->do_sample, "model") != 0)
        p->do_sample = strcmp(c->do_sample, "true") == 0;
    if (strcmp(c->early_stopping, "false") == 0)
        p->early_stopping = TM_STOP_BEST;
    else if (strcmp(c->early_stopping, "true") == 0)
        p->early_stopping = TM_STOP_FIRST;
    else if (strcmp(c->early_stopping, "never") == 0)
        p->early_stopping = TM_STOP_NEVER;
}

/* The ids up to the end of the array that has begun, appended to out. */
static enum tm_status read_ids(struct tm_json *j, struct tm_buf *out, struct tm_err *err)
{
    struct tm_json_event e;
    enum tm_status s;
    while ((s = tm_json_next(j, &e, err)) == TM_OK && e.type != TM_JSON_ARRAY_END) {
        int64_t id = -1;
        if (e.type != TM_JSON_NUMBER || !tm_json_number_i64(e.text, e.len, &id) || id < 0 ||
            id > INT32_MAX)
            return tm_json_fail(j, TM_CONFIG, err, "expected an id");
        const int32_t id32 = (int32_t)id;
        if (!tm_buf_append(out, &id32, sizeof id32))
            return tm_err_set(err, TM_NOMEM, "ids");
    }
    return s;
}

/* The arrays of ids up to the end of the array that has begun, each after its length. */
static enum tm_status read_runs(struct tm_json *j, struct tm_buf *out, struct tm_err *err)
{
    struct tm_json_event e;
    enum tm_status s;
    while ((s = tm_json_next(j, &e, err)) == TM_OK && e.type != TM_JSON_ARRAY_END) {
        size_t at = out->len;
        int32_t n = 0;
        if (e.type != TM_JSON_ARRAY)
            return tm_json_fail(j, TM_CONFIG, err, "expected an array of ids");
        if (!tm_buf_append(out, &n, sizeof n))
            return tm_err_set(err, TM_NOMEM, "ids");
        if ((s = read_ids(j, out, err)) != TM_OK)
            return s;
        n = (int32_t)((out->len - at) / sizeof n) - 1;
        if (n == 0)
            return tm_json_fail(j, TM_CONFIG, err, "an empty run of ids");
        memcpy(out->data + at, &n, sizeof n);
    }
    return s;
}

/* Reads a list option; the array is the generator's, as many numbers as *ret_n. */
static enum tm_status set_list(const char *key, const char *text, bool runs, int32_t **ret,
                               const int32_t **ret_list, int32_t *ret_n, struct tm_err *err)
{
    if (text[0] == '\0')
        return TM_OK;
    TM_CLEANUP(tm_buf_finish) struct tm_buf ids = {.cap = 16 << 20};
    struct tm_json j;
    struct tm_json_event e;
    tm_json_init(&j, key, text, strlen(text));
    enum tm_status s = tm_json_next(&j, &e, err);
    if (s == TM_OK && e.type != TM_JSON_ARRAY)
        s = tm_json_fail(&j, TM_CONFIG, err, "expected an array");
    if (s == TM_OK)
        s = runs ? read_runs(&j, &ids, err) : read_ids(&j, &ids, err);
    if (s == TM_OK && (s = tm_json_next(&j, &e, err)) == TM_OK && e.type != TM_JSON_END)
        s = tm_json_fail(&j, TM_CONFIG, err, "something follows the array");
    tm_json_finish(&j);
    if (s != TM_OK)
        return s == TM_BADINPUT ? TM_CONFIG : s;
    *ret = calloc(ids.len + 1, 1);
    if (*ret == NULL)
        return tm_err_set(err, TM_NOMEM, "%s", key);
    memcpy(*ret, ids.data != NULL ? ids.data : "", ids.len);
    *ret_list = *ret;
    *ret_n = (int32_t)(ids.len / sizeof(int32_t));
    return TM_OK;
}

/* ---- guides ---- */

enum { MAX_SCHEMA = 1 << 20 };

static enum tm_status open_guide(struct tm_generator *g, const struct tm_conf_task *c,
                                 struct tm_err *err)
{
    bool schema = c->schema[0] != '\0';
    if (!schema && c->choices.n == 0 && c->stop_strings.n == 0)
        return TM_OK;
    if (g->model->tok == NULL)
        return tm_err_set(err, TM_CONFIG, "stop_strings, choices and schema need a tokenizer");
    if ((schema || c->choices.n > 0) && c->stop_strings.n > 0)
        return tm_err_set(err, TM_CONFIG, "stop_strings go neither with choices nor with schema");
    enum tm_status s = tm_vocabulary_open(g->model, &g->vocabulary, err);
    if (s != TM_OK)
        return s;
    if (c->choices.n > 0)
        return tm_guide_choice(g->vocabulary, &c->choices, &g->guide, err);
    if (!schema)
        return tm_guide_stop(g->vocabulary, &c->stop_strings, &g->guide, err);
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {.cap = MAX_SCHEMA + 1};
    s = tm_read_file(c->schema, MAX_SCHEMA, &text, err);
    return s != TM_OK ? s : tm_guide_schema(g->vocabulary, text.data, text.len, &g->guide, err);
}

/* ---- the generator ---- */

void tm_generator_close(struct tm_generator *g)
{
    if (g == NULL)
        return;
    tm_guide_close(g->guide);
    tm_vocabulary_close(g->vocabulary);
    free(g->bad);
    free(g->suppress);
    free(g);
}

static void generator_closep(struct tm_generator **g)
{
    tm_generator_close(*g);
}

enum tm_status tm_generator_open(const struct tm_model *m, const struct tm_conf_task *c,
                                 struct tm_generator **ret_generator, struct tm_err *err)
{
    const struct tm_generation *defaults = tm_engine_info(m->engine)->generation;
    TM_CLEANUP(generator_closep) struct tm_generator *g = calloc(1, sizeof *g);
    if (g == NULL || defaults == NULL)
        return tm_err_set(err, g == NULL ? TM_NOMEM : TM_MODEL, "model %s does not generate",
                          m->name);
    g->model = m;
    g->params = *defaults;
    set_options(&g->params, c);
    enum tm_status s = set_list("bad_words_ids", c->bad_words_ids, true, &g->bad,
                                &g->params.bad_words_ids, &g->params.n_bad_words, err);
    if (s == TM_OK)
        s = set_list("suppress_tokens", c->suppress_tokens, false, &g->suppress,
                     &g->params.suppress_tokens, &g->params.n_suppress, err);
    if (s == TM_OK && g->params.num_return_sequences > g->params.num_beams && !g->params.do_sample)
        s = tm_err_set(err, TM_CONFIG, "num_return_sequences %d is more than num_beams %d",
                       g->params.num_return_sequences, g->params.num_beams);
    if (s == TM_OK)
        s = open_guide(g, c, err);
    if (s == TM_OK)
        *ret_generator = TM_TAKE(g);
    return s;
}

const struct tm_generation *tm_generator_params(const struct tm_generator *g)
{
    return &g->params;
}

enum tm_status tm_generator_prepare(const struct tm_generator *g, struct tm_arena *arena,
                                    struct tm_seq *q, struct tm_err *err)
{
    if (q->generation == NULL)
        q->generation = &g->params;
    q->guide = g->guide;
    struct tm_sequence seq = tm_seq_sequence(q);
    enum tm_status s = tm_engine_fits(g->model->engine, &seq, err);
    if (s != TM_OK)
        return s;
    size_t n = (size_t)TM_MAX(q->generation->num_return_sequences, 1);
    int32_t most = tm_engine_generated_most(g->model->engine, &seq);
    q->generated = tm_arena_array(arena, n, sizeof *q->generated);
    for (size_t i = 0; i < n && q->generated != NULL; i++) {
        q->generated[i].ids = tm_arena_array(arena, (size_t)most, sizeof(int32_t));
        if (q->generated[i].ids == NULL)
            q->generated = NULL;
    }
    return q->generated != NULL
               ? TM_OK
               : tm_err_set(err, TM_NOMEM, "no memory for %zu answers of %d tokens", n, most);
}

enum tm_status tm_generator_text(const struct tm_generator *g, const struct tm_seq *q, size_t i,
                                 struct tm_buf *out, struct tm_err *err)
{
    const struct tm_generated *a = &q->generated[i];
    bool prompt = !tm_engine_info(g->model->engine)->encoder_decoder;
    int32_t skip = prompt ? TM_MIN(q->n_ids, a->n_ids) : 0;
    return tm_tokenizer_decode(g->model->tok, a->ids + skip, (size_t)(a->n_ids - skip),
                               TM_DECODE_SKIP_SPECIAL, out, err);
}

const char *tm_finish_name(enum tm_finish f)
{
    static const char *const names[] = {
        [TM_FINISH_NONE] = "none", [TM_FINISH_STOP] = "stop", [TM_FINISH_LENGTH] = "length"};
    return names[f];
}
