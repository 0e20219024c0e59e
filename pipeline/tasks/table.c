/* The table of tasks, and the stage that plans them. A new task is a file here and a row.
 *
 * tm_stage_tokenize runs on the tokenize threads: it asks every task that the document wants for
 * its first round of sequences. A task that fails leaves the others alone: the result is partial.
 */
#include "tasks.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct tm_task_ops *const tm_task_table[] = {
    &sentiment_ops,      &summary_ops,    &translation_ops,
    &classification_ops, &entities_ops,   &answers_ops,
    &embedding_ops,      &generation_ops, NULL};

static enum tm_status stage_create(void **ret_self, const struct tm_conf *conf, void *arg,
                                   struct tm_err *err)
{
    (void)conf;
    (void)err;
    *ret_self = arg; /* tm_models */
    return TM_OK;
}

/* The models are the daemon's. */
static void stage_destroy(void *self)
{
    (void)self;
}

static void *worker_create(void *self)
{
    (void)self;
    return calloc(1, sizeof(struct tm_encoding));
}

static void worker_destroy(void *self, void *worker)
{
    (void)self;
    if (worker != NULL)
        tm_encoding_finish(worker);
    free(worker);
}

/* Does the envelope want this task? Without a list it wants all that are configured. */
static bool is_wanted(const struct tm_doc *doc, const char *name)
{
    for (size_t i = 0; i < doc->n_tasks; i++)
        if (strcmp(doc->tasks[i], name) == 0)
            return true;
    return doc->n_tasks == 0;
}

/* when.lang: en takes en and en-GB; a document whose language is not known is taken. */
static bool is_language(const struct tm_doc *doc, const struct tm_conf_list *langs)
{
    for (size_t i = 0; i < langs->n && doc->lang != NULL; i++) {
        size_t n = strlen(langs->item[i]);
        if (strncasecmp(doc->lang, langs->item[i], n) == 0 && strchr("-_", doc->lang[n]) != NULL)
            return true;
    }
    return langs->n == 0 || doc->lang == NULL;
}

/* What the envelope asks for and the configuration does not have: said, not silently left out. */
static void warn_unknown(struct tm_doc *doc, const struct tm_task *task, size_t n_tasks)
{
    for (size_t i = 0; i < doc->n_tasks; i++) {
        bool known = false;
        for (size_t t = 0; t < n_tasks && !known; t++)
            known = strcmp(task[t].ops->name, doc->tasks[i]) == 0;
        if (!known)
            tm_doc_warn(doc, "W_TASK_UNKNOWN", "tokenize", doc->tasks[i],
                        "the document asks for a task that is not configured");
    }
}

static void plan_doc(struct tm_doc *doc, const struct tm_task *task, size_t n_tasks,
                     struct tm_encoding *enc)
{
    doc->task_runs = tm_arena_array(doc->arena, n_tasks, sizeof *doc->task_runs);
    if (doc->task_runs == NULL && n_tasks > 0) {
        tm_doc_nomem(doc, "tokenize");
        return;
    }
    doc->n_task_runs = n_tasks;
    warn_unknown(doc, task, n_tasks);
    for (size_t i = 0; i < n_tasks; i++) {
        struct tm_task_run *run = &doc->task_runs[i];
        run->task = &task[i];
        run->skipped =
            !is_wanted(doc, task[i].ops->name) || !is_language(doc, &task[i].conf->when_lang);
        if (run->skipped)
            continue;
        struct tm_err err = {0};
        if (task[i].ops->plan(&task[i], doc, run, enc, &err) != TM_OK)
            run->err = err;
    }
}

static enum tm_status stage_run(void *self, void *worker, struct tm_batch *batch,
                                struct tm_err *err)
{
    const struct tm_task *task;
    size_t n_tasks = tm_models_tasks(self, &task);
    if (worker == NULL)
        return tm_err_set(err, TM_NOMEM, "tokenize worker");
    for (size_t i = 0; i < batch->n; i++)
        if (batch->docs[i]->err.status == TM_OK)
            plan_doc(batch->docs[i], task, n_tasks, worker);
    return TM_OK;
}

const struct tm_stage_ops tm_stage_tokenize = {
    .name = "tokenize",
    .create = stage_create,
    .worker_create = worker_create,
    .run = stage_run,
    .worker_destroy = worker_destroy,
    .destroy = stage_destroy,
};
