/* Documents and pipelines for the tests of tasks (fake.h). */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CAP = 16 << 20 };

/* ---- documents ---- */

struct tm_doc *fake_doc(const struct fake_paragraph *paragraphs)
{
    struct tm_doc *d = tm_doc_create(CAP);
    struct tm_buf text = {.cap = 0};
    struct tm_span *sentences = tm_arena_array(d->arena, 1024, sizeof *sentences);
    struct tm_paragraph *ps = tm_arena_array(d->arena, 256, sizeof *ps);
    for (; paragraphs->sentences != NULL; paragraphs++) {
        if (text.len > 0)
            tm_buf_puts(&text, "\n\n");
        struct tm_paragraph *p = &ps[d->n_paragraphs++];
        p->kind = paragraphs->kind;
        p->span.start = p->span.cp_start = (uint32_t)text.len;
        for (const char *s = paragraphs->sentences; *s != '\0';) {
            size_t n = strcspn(s, "|");
            if (s != paragraphs->sentences)
                tm_buf_putc(&text, ' ');
            struct tm_span *sp = &sentences[d->n_sentences++];
            sp->start = sp->cp_start = (uint32_t)text.len;
            tm_buf_append(&text, s, n);
            sp->end = sp->cp_end = (uint32_t)text.len;
            s += n + (s[n] == '|');
        }
        p->span.end = p->span.cp_end = (uint32_t)text.len;
    }
    d->text = tm_arena_strndup(d->arena, text.data, text.len);
    d->text_len = text.len;
    d->text_chars = (uint32_t)text.len;
    d->sentences = sentences;
    d->paragraphs = ps;
    d->id = d->rec.path = d->rec.lane_name = "a.txt";
    d->rec.sha256 = "00";
    d->cleaning.confidence = -1;
    tm_buf_finish(&text);
    return d;
}

struct tm_doc *fake_text(const char *sentences)
{
    const struct fake_paragraph paragraphs[] = {{TM_BLOCK_P, sentences}, {TM_BLOCK_P, NULL}};
    return fake_doc(paragraphs);
}

/* ---- pipelines ---- */

enum tm_status fake_open(struct fake_pipeline *p, const char *const *entries, struct tm_err *err)
{
    *p = (struct fake_pipeline){.models = NULL};
    const char *tmp = getenv("TMPDIR");
    snprintf(p->folder, sizeof p->folder, "%s/textmill-tasks-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(p->folder));
    for (size_t i = 0; i < FAKE_MODELS && fake_models[i].name != NULL; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", p->folder, fake_models[i].name);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    setenv("TEXTMILL_MODELS", p->folder, 1);
    assert_int_equal(tm_conf_init(&p->conf, err), TM_OK);
    while (*entries != NULL) {
        struct tm_conf_task *t = tm_conf_add_task(&p->conf);
        for (; *entries != NULL; entries += 2) {
            const struct tm_conf_key *key = tm_conf_find(tm_conf_task_keys, entries[0]);
            assert_non_null(key);
            assert_int_equal(tm_conf_set(t, key, entries[1], NULL, err), TM_OK);
        }
        entries++;
    }
    enum tm_status s = tm_models_open(&p->conf, &p->models, err);
    if (s == TM_OK)
        p->n_tasks = tm_models_tasks(p->models, &p->task);
    return s;
}

void fake_close(struct fake_pipeline *p)
{
    tm_models_close(p->models);
    tm_conf_finish(&p->conf);
    for (size_t i = 0; i < FAKE_MODELS && fake_models[i].name != NULL; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", p->folder, fake_models[i].name);
        rmdir(path);
    }
    rmdir(p->folder);
}

void fake_plan(struct fake_pipeline *p, struct tm_doc *doc)
{
    void *self = NULL;
    struct tm_err err = {0};
    const struct tm_stage_ops *stage = &tm_stage_tokenize;
    assert_int_equal(stage->create(&self, &p->conf, p->models, &err), TM_OK);
    void *worker = stage->worker_create(self);
    struct tm_batch batch = {&doc, 1};
    assert_int_equal(stage->run(self, worker, &batch, &err), TM_OK);
    stage->worker_destroy(self, worker);
}

void fake_run(struct fake_pipeline *p, struct tm_doc **doc)
{
    struct tm_infer *in = NULL;
    struct tm_doc *out = NULL;
    struct tm_err err = {0};
    assert_int_equal(tm_infer_create(p->models, 4, &in, &err), TM_OK);
    fake_plan(p, *doc);
    assert_int_equal(tm_infer_submit(in, doc), TM_OK);
    assert_null(*doc);
    for (int i = 0; i < 10000 && tm_infer_poll(in, &out, 1) == 0; i++)
        tm_infer_step(in, 0, NULL, NULL, NULL);
    assert_non_null(out);
    assert_int_equal(tm_infer_inside(in), 0);
    tm_infer_destroy(in);
    *doc = out;
}

const json_t *fake_answer(struct fake_pipeline *p, const char *const *entries, struct tm_doc **doc)
{
    struct tm_err err = {0};
    assert_int_equal(fake_open(p, entries, &err), TM_OK);
    fake_run(p, doc);
    assert_int_equal((*doc)->task_runs[0].err.status, TM_OK);
    return (*doc)->task_runs[0].result;
}

void fake_end(struct fake_pipeline *p, struct tm_doc *doc)
{
    tm_doc_destroy(doc);
    fake_close(p);
}
