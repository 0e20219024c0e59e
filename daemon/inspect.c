/* models inspect (inspect.h). On the main thread.
 *
 * Three looks that fail apart: the weights' directories, the tokenizer, and the model opened as a
 * pipeline would. */
#include "inspect.h"
#include "model_options.h"
#include "tm_engine.h"
#include "tm_pipeline.h"
#include "tm_tokenizer.h"
#include "tm_weights.h"

#include <stdio.h>
#include <string.h>

enum { DTYPES_MOST = 8 };

static const char *const head_names[TM_HEAD_COUNT] = {
    [TM_HEAD_EMBEDDING] = "embedding",        [TM_HEAD_SEQUENCE] = "sequence-classification",
    [TM_HEAD_TOKEN] = "token-classification", [TM_HEAD_SPAN] = "question-answering",
    [TM_HEAD_GENERATE] = "generation",
};

struct dtype {
    char name[16];
    bool read;
    int64_t elements;
};

struct facts {
    char folder[4096];
    char format[32];
    struct dtype dtypes[DTYPES_MOST]; /* by first appearance */
    size_t n_dtypes;
    int64_t n_tensors;
    struct tm_err weights, tokenizer, model; /* why a look failed; TM_OK: it did not */
    struct tm_tokenizer *tok;
    struct tm_model *m;
};

/* ---- looking ---- */

static bool count(void *arg, const struct tm_stored *t, int64_t first, const float *values,
                  size_t n)
{
    (void)first, (void)values, (void)n;
    struct facts *f = arg;
    size_t i = 0;
    snprintf(f->format, sizeof f->format, "%s", t->format);
    while (i < f->n_dtypes && strcmp(f->dtypes[i].name, t->dtype) != 0)
        i++;
    if (i < DTYPES_MOST) {
        f->n_dtypes = TM_MAX(f->n_dtypes, i + 1);
        snprintf(f->dtypes[i].name, sizeof f->dtypes[i].name, "%s", t->dtype);
        f->dtypes[i].read = t->read;
        f->dtypes[i].elements += t->elements;
    }
    f->n_tensors++;
    return true;
}

/* Positions and masks that some files keep as integers are no parameters. */
static int64_t parameters(const struct facts *f)
{
    int64_t n = 0;
    for (size_t i = 0; i < f->n_dtypes; i++)
        n += f->dtypes[i].read ? f->dtypes[i].elements : 0;
    return n;
}

static enum exit_code look(const struct args *a, const char *name, struct facts *f)
{
    struct model_options how;
    int64_t batch_tokens;
    enum exit_code code = model_options(a, &how);
    if (code == EXIT_OK)
        code = args_int(a, "batch-tokens", 1, 1 << 20, 2048, &batch_tokens);
    if (code != EXIT_OK)
        return code;
    if (tm_model_find(name, f->folder, sizeof f->folder, &f->model) != TM_OK)
        return verb_fail_err(a, &f->model);
    tm_weights_list(f->folder, count, f, &f->weights);
    tm_model_open(name, how.device, how.precision, how.threads, (int)batch_tokens, false, &f->m,
                  &f->model);
    /* A PEFT folder may leave the tokenizer to its base, which only the model knows. */
    if (f->m == NULL || f->m->tok == NULL)
        tm_tokenizer_open(f->folder, &f->tok, &f->tokenizer);
    return EXIT_OK;
}

static const struct tm_tokenizer *tokenizer(const struct facts *f)
{
    return f->m != NULL && f->m->tok != NULL ? f->m->tok : f->tok;
}

/* ---- JSON ---- */

static void put(struct tm_buf *b, const char *name, const char *value)
{
    tm_buf_printf(b, ",\"%s\":", name);
    if (value != NULL)
        tm_buf_json_string(b, value, strlen(value));
    else
        tm_buf_puts(b, "null");
}

static void put_model(struct tm_buf *b, const struct tm_model *m)
{
    const struct tm_engine_info *i = tm_engine_info(m->engine);
    put(b, "name", m->name);
    put(b, "architecture", i->architecture);
    put(b, "family", i->family);
    put(b, "head", head_names[i->head]);
    tm_buf_printf(b, ",\"hidden_size\":%d,\"max_length\":%d,\"vocab_size\":%d,\"labels\":[",
                  i->hidden_size, i->max_length, i->vocab_size);
    for (int32_t k = 0; k < i->n_labels; k++) {
        tm_buf_puts(b, k > 0 ? "," : "");
        tm_buf_json_string(b, i->labels[k], strlen(i->labels[k]));
    }
    tm_buf_printf(b, "],\"weight_bytes\":%zu,\"pool_bytes\":%zu,\"threads\":%d", i->weight_bytes,
                  i->pool_bytes, i->threads);
    put(b, "device", i->device);
    put(b, "precision", i->precision);
    put(b, "isa", i->isa);
    put(b, "sha256", m->sha256);
}

static void print_json(const struct facts *f)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf b = {.cap = 0};
    const struct tm_tokenizer *t = tokenizer(f);
    tm_buf_puts(&b, "{\"folder\":");
    tm_buf_json_string(&b, f->folder, strlen(f->folder));
    put(&b, "format", f->n_tensors > 0 ? f->format : NULL);
    tm_buf_printf(&b, ",\"parameters\":%lld,\"dtypes\":[", (long long)parameters(f));
    for (size_t i = 0; i < f->n_dtypes; i++) {
        tm_buf_puts(&b, i > 0 ? "," : "");
        tm_buf_json_string(&b, f->dtypes[i].name, strlen(f->dtypes[i].name));
    }
    tm_buf_puts(&b, "],\"tokenizer\":");
    if (t != NULL) {
        tm_buf_printf(&b, "{\"vocab_size\":%d", tm_tokenizer_vocab_size(t));
        put(&b, "kind", tm_tokenizer_kind(t));
        tm_buf_puts(&b, "}");
    } else {
        tm_buf_puts(&b, "null");
        put(&b, "tokenizer_error", f->tokenizer.text);
    }
    if (f->m != NULL)
        put_model(&b, f->m);
    tm_buf_printf(&b, ",\"runs\":%s", f->m != NULL ? "true" : "false");
    if (f->m == NULL)
        put(&b, "error", f->model.text);
    if (tm_buf_puts(&b, "}"))
        puts(b.data);
}

/* ---- text ---- */

static void print_weights(const struct facts *f)
{
    if (f->n_tensors == 0) {
        printf("weights:       %s\n", f->weights.text);
        return;
    }
    printf("weights:       %s, %lld tensors, %lld parameters (", f->format, (long long)f->n_tensors,
           (long long)parameters(f));
    for (size_t i = 0; i < f->n_dtypes; i++)
        printf("%s%s", i > 0 ? ", " : "", f->dtypes[i].name);
    puts(")");
}

static void print_model(const struct tm_model *m)
{
    const struct tm_engine_info *i = tm_engine_info(m->engine);
    printf("architecture:  %s\nfamily:        %s\nhead:          %s\nhidden size:   %d\nlongest "
           "input: %d tokens\nvocabulary:    %d\n",
           i->architecture, i->family, head_names[i->head], i->hidden_size, i->max_length,
           i->vocab_size);
    for (int32_t k = 0; k < i->n_labels; k++)
        printf("%s%s%s", k == 0 ? "labels:        " : ", ", i->labels[k],
               k + 1 == i->n_labels ? "\n" : "");
}

static void print_text(const struct facts *f)
{
    const struct tm_tokenizer *t = tokenizer(f);
    printf("folder:        %s\n", f->folder);
    print_weights(f);
    if (f->m != NULL)
        print_model(f->m);
    if (t != NULL)
        printf("tokenizer:     %s, %d tokens\n", tm_tokenizer_kind(t), tm_tokenizer_vocab_size(t));
    else
        printf("tokenizer:     %s; without one it takes ids, not text\n", f->tokenizer.text);
    if (f->m == NULL) {
        printf("runs:          no: %s\n", f->model.text);
        return;
    }
    const struct tm_engine_info *i = tm_engine_info(f->m->engine);
    printf("memory:        %.1f MiB weights, %.1f MiB for batches\nruns on:       %s, %s, %s, %d "
           "workers\nsha256:        %s\n",
           (double)i->weight_bytes / (1 << 20), (double)i->pool_bytes / (1 << 20), i->device,
           i->precision, i->isa, i->threads, f->m->sha256);
}

enum exit_code inspect_model(const struct args *a)
{
    const char *name = a->n_operands > 1 ? a->operands[1] : args_get(a, "model");
    struct facts f = {.n_dtypes = 0};
    if (name == NULL)
        return verb_fail(a, EXIT_USAGE, "say which model: models inspect DIR");
    enum exit_code code = look(a, name, &f);
    if (code != EXIT_OK)
        return code;
    if (args_has(a, "json"))
        print_json(&f);
    else
        print_text(&f);
    code = f.m != NULL ? EXIT_OK : exit_code_of(f.model.status);
    tm_tokenizer_close(f.tok);
    tm_model_close(f.m);
    return code;
}
