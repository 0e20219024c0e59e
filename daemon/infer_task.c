/* infer by the pipeline's own tasks, for what takes several sequences or a prompt: zero-shot
 * classification, question answering, chats. A line is a document whose answer is told in Hugging
 * Face's shape. Main thread; tm_drive brings the others. */
#include "infer.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256, DOC_MEMORY = 256 << 20 };

struct infer_task {
    struct tm_task task;
    struct tm_conf_task *conf;
    struct tm_encoding enc;
    struct tm_doc *docs[CHUNK];
    size_t n;
    uint64_t lines;
};

static const struct tm_task_ops *find_task(const char *name)
{
    size_t i = 0;
    while (strcmp(tm_task_table[i]->name, name) != 0)
        i++;
    return tm_task_table[i];
}

enum tm_status infer_task_open(const char *name, struct tm_model *m, struct tm_conf_task *conf,
                               struct infer_task **ret_task, struct tm_err *err)
{
    struct infer_task *t = calloc(1, sizeof *t);
    if (t == NULL)
        return tm_err_set(err, TM_NOMEM, "%s", name);
    t->conf = conf;
    t->task = (struct tm_task){.ops = find_task(name), .conf = conf, .model = m};
    enum tm_status s = t->task.ops->open != NULL ? t->task.ops->open(&t->task, err) : TM_OK;
    if (s == TM_OK)
        *ret_task = t;
    else
        free(t);
    return s;
}

static void drop_docs(struct infer_task *t)
{
    for (size_t i = 0; i < t->n; i++)
        tm_doc_destroy(t->docs[i]);
    t->n = 0;
}

void infer_task_close(struct infer_task *t)
{
    if (t == NULL)
        return;
    drop_docs(t);
    if (t->task.ops->close != NULL)
        t->task.ops->close(&t->task);
    tm_encoding_finish(&t->enc);
    free(t);
}

/* The text is its own only sentence: a line is not cleaned. */
static struct tm_doc *make_doc(const char *text, size_t n, const char *question)
{
    struct tm_doc *d = tm_doc_create(DOC_MEMORY);
    if (d == NULL)
        return NULL;
    const char **questions = tm_arena_alloc(d->arena, sizeof *questions);
    struct tm_span *sentence = tm_arena_alloc(d->arena, sizeof *sentence);
    d->task_runs = tm_arena_alloc(d->arena, sizeof *d->task_runs);
    d->text = tm_arena_strndup(d->arena, text, n);
    if (questions == NULL || sentence == NULL || d->task_runs == NULL || d->text == NULL ||
        (question != NULL && (questions[0] = tm_arena_strdup(d->arena, question)) == NULL)) {
        tm_doc_destroy(d);
        return NULL;
    }
    d->text_len = n;
    d->text_chars = (uint32_t)tm_utf8_count(text, n);
    *sentence = (struct tm_span){0, (uint32_t)n, 0, d->text_chars};
    d->sentences = sentence;
    d->n_sentences = 1;
    d->questions = questions;
    d->n_questions = question != NULL;
    d->n_task_runs = 1;
    return d;
}

enum tm_status infer_task_add(struct infer_task *t, const char *text, size_t n,
                              const char *question, struct tm_err *err)
{
    struct tm_doc *d = make_doc(text, n, question);
    if (d == NULL)
        return tm_err_set(err, TM_NOMEM, "a text of %zu bytes", n);
    t->docs[t->n++] = d;
    d->rec.seq = ++t->lines;
    d->task_runs[0].task = &t->task;
    return t->task.ops->plan(&t->task, d, &d->task_runs[0], &t->enc, err);
}

bool infer_task_full(const struct infer_task *t)
{
    return t->n == CHUNK;
}

/* ---- answers ---- */

static json_t *zero_shot_json(const struct tm_doc *d, const json_t *result)
{
    const json_t *list = json_object_get(result, "labels");
    json_t *labels = json_array(), *scores = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        json_array_append(labels, json_object_get(one, "label"));
        json_array_append(scores, json_object_get(one, "score"));
    }
    return json_pack("{s:s%, s:o, s:o}", "sequence", d->text, d->text_len, "labels", labels,
                     "scores", scores);
}

static json_t *answer_json(const json_t *result)
{
    const json_t *a = json_array_get(result, 0);
    bool none = json_is_null(json_object_get(a, "answer"));
    json_t *zero = json_integer(0), *empty = json_string("");
    json_t *json = json_pack("{s:O, s:O, s:O, s:O}", "score", json_object_get(a, "score"), "start",
                             none ? zero : json_object_get(a, "start"), "end",
                             none ? zero : json_object_get(a, "end"), "answer",
                             none ? empty : json_object_get(a, "answer"));
    json_decref(zero);
    json_decref(empty);
    return json;
}

static enum tm_status put_answer(const struct tm_task_ops *ops, const struct tm_doc *d,
                                 struct tm_buf *out, struct tm_err *err)
{
    const json_t *result = d->task_runs[0].result;
    json_t *json = ops->heads == 1u << TM_HEAD_SEQUENCE ? zero_shot_json(d, result)
                   : ops->heads == 1u << TM_HEAD_SPAN
                       ? answer_json(result)
                       : json_pack("{s:O}", "generated_text", json_object_get(result, "text"));
    char *line = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    if (line != NULL) {
        tm_buf_puts(out, line);
        tm_buf_putc(out, '\n');
    }
    bool ok = line != NULL && !out->failed;
    free(line);
    return ok ? TM_OK : tm_err_set(err, TM_NOMEM, "no memory for an answer");
}

/* One round of all documents that are not done. */
static enum tm_status run_round(struct infer_task *t, size_t n, struct tm_err *err)
{
    struct tm_seq *seqs = calloc(n, sizeof *seqs);
    if (seqs == NULL)
        return tm_err_set(err, TM_NOMEM, "%zu sequences", n);
    size_t at = 0;
    for (size_t i = 0; i < t->n; i++) {
        struct tm_task_run *run = &t->docs[i]->task_runs[0];
        for (size_t k = 0; k < run->n_seqs && !run->done; k++) {
            struct tm_seq *q = &run->seqs[k];
            q->key[0] = (uint64_t)t->conf->seed;
            q->key[1] = t->docs[i]->rec.seq << 20 | k;
            seqs[at++] = *q;
        }
    }
    enum tm_status s = tm_drive(t->task.model->engine, seqs, at, NULL, err);
    for (size_t i = 0; i < at && s == TM_OK; i++)
        if (seqs[i].status != TM_OK)
            s = tm_err_set(err, seqs[i].status, "the model gives no answer");
    free(seqs);
    for (size_t i = 0; i < t->n && s == TM_OK; i++) {
        struct tm_task_run *run = &t->docs[i]->task_runs[0];
        if (run->done)
            continue;
        run->n_seqs = 0;
        run->round++;
        s = t->task.ops->next(&t->task, t->docs[i], run, &t->enc, err);
    }
    return s;
}

enum tm_status infer_task_run(struct infer_task *t, struct tm_buf *out, struct tm_err *err)
{
    enum tm_status s = TM_OK;
    while (s == TM_OK) {
        size_t n = 0;
        for (size_t i = 0; i < t->n; i++)
            n += t->docs[i]->task_runs[0].done ? 0 : t->docs[i]->task_runs[0].n_seqs;
        if (n == 0)
            break;
        s = run_round(t, n, err);
    }
    for (size_t i = 0; i < t->n && s == TM_OK; i++)
        s = put_answer(t->task.ops, t->docs[i], out, err);
    drop_docs(t);
    return s;
}
