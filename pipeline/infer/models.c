/* Models of a pipeline: found by name or folder, opened with their tokenizers, shared between
 * tasks.
 *
 * Everything here happens before the first document is touched; afterwards models are read only.
 * A PEFT folder (adapter_config.json) is opened over its base model, which is looked up like any
 * other name; it may leave the tokenizer to the base. */
#include "tm_engine.h"
#include "tm_pipeline.h"
#include "tm_tokenizer.h"
#include "tm_weights.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 4096, MAX_HASHED = 64 };

struct tm_models {
    struct tm_model **model;
    size_t n_models;
    struct tm_task *task;
    size_t n_tasks;
};

/* ---- where models lie ---- */

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void tm_model_path(char *out, size_t out_size)
{
    const char *own = getenv("TEXTMILL_MODELS");
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    char user[PATH_ROOM] = "";
    if (data != NULL && *data == '/')
        snprintf(user, sizeof user, "%s/textmill/models:", data);
    else if (home != NULL && *home == '/')
        snprintf(user, sizeof user, "%s/.local/share/textmill/models:", home);
    snprintf(out, out_size,
             "%s%s%s/usr/local/share/textmill/models:/usr/share/textmill/models:"
             "/var/lib/textmill/models",
             own != NULL ? own : "", own != NULL && *own != '\0' ? ":" : "", user);
}

enum tm_status tm_model_find(const char *name, char *out, size_t out_size, struct tm_err *err)
{
    if (strchr(name, '/') != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        if (!is_folder(name))
            return tm_err_set(err, TM_NOTFOUND, "model folder %s does not exist", name);
        if ((size_t)snprintf(out, out_size, "%s", name) >= out_size)
            return tm_err_set(err, TM_TOOLARGE, "path of model %s is too long", name);
        return TM_OK;
    }
    char path[3 * PATH_ROOM];
    tm_model_path(path, sizeof path);
    char *rest = NULL;
    char searched[sizeof path];
    memcpy(searched, path, sizeof path);
    for (char *dir = strtok_r(path, ":", &rest); dir != NULL; dir = strtok_r(NULL, ":", &rest))
        if ((size_t)snprintf(out, out_size, "%s/%s", dir, name) < out_size && is_folder(out))
            return TM_OK;
    return tm_err_set(
        err, TM_NOTFOUND,
        "model %s is not in the model path (TEXTMILL_MODELS, then data directories): %s", name,
        searched);
}

/* ---- identity ---- */

/* What of a folder decides results. */
static bool is_hashed(const char *name)
{
    static const char *const suffixes[] = {".json", ".safetensors", ".txt", ".model", ".spm",
                                           ".bin",  ".gguf",        ".npz", ".yml"};
    size_t n = strlen(name);
    for (size_t i = 0; i < TM_COUNTOF(suffixes); i++) {
        size_t m = strlen(suffixes[i]);
        if (n > m && memcmp(name + n - m, suffixes[i], m) == 0)
            return true;
    }
    return false;
}

static int hashed_entry(const struct dirent *e)
{
    return is_hashed(e->d_name);
}

static enum tm_status hash_file(struct tm_sha256 *h, const char *folder, const char *name,
                                struct tm_err *err)
{
    char path[PATH_ROOM];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return tm_err_set(err, TM_TOOLARGE, "path of %s in %s is too long", name, folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tm_err_errno(err, errno, "%s", path);
    static _Thread_local char block[1 << 16];
    tm_sha256_update(h, name, strlen(name) + 1);
    ssize_t n;
    while ((n = read(fd, block, sizeof block)) > 0)
        tm_sha256_update(h, block, (size_t)n);
    int errnum = errno;
    close(fd);
    return n < 0 ? tm_err_errno(err, errnum, "%s", path) : TM_OK;
}

/* Adds the files of a folder that decide results, in name order. */
static enum tm_status hash_folder(struct tm_sha256 *h, const char *folder, struct tm_err *err)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, hashed_entry, alphasort);
    if (n < 0)
        return tm_err_errno(err, errno, "%s", folder);
    enum tm_status s = TM_OK;
    for (int i = 0; i < n; i++) {
        if (s == TM_OK)
            s = i < MAX_HASHED ? hash_file(h, folder, entries[i]->d_name, err)
                               : tm_err_set(err, TM_TOOLARGE, "%s: more than %d model files",
                                            folder, MAX_HASHED);
        free(entries[i]);
    }
    free(entries);
    return s;
}

static enum tm_status hash_model(struct tm_model *m, const char *base, struct tm_err *err)
{
    struct tm_sha256 *h = tm_sha256_create();
    if (h == NULL)
        return tm_err_set(err, TM_NOMEM, "model %s", m->name);
    char own[PATH_ROOM];
    enum tm_status s = hash_folder(h, m->folder, err);
    if (s == TM_OK)
        s = tm_weights_folder(m->folder, own, sizeof own, err);
    if (s == TM_OK && strcmp(own, m->folder) != 0)
        s = hash_folder(h, own, err);
    if (s == TM_OK && base != NULL)
        s = hash_folder(h, base, err);
    tm_sha256_finish(h, m->sha256);
    return s;
}

/* ---- one model ---- */

void tm_model_close(struct tm_model *m)
{
    if (m == NULL)
        return;
    tm_engine_close(m->engine);
    tm_tokenizer_close(m->tok);
    free((char *)(uintptr_t)m->name);
    free((char *)(uintptr_t)m->folder);
    free(m);
}

static void model_closep(struct tm_model **m)
{
    tm_model_close(*m);
}

static enum tm_status open_tokenizer(struct tm_model *m, const char *base, bool required,
                                     struct tm_err *err)
{
    struct tm_err first = {0};
    enum tm_status s = tm_tokenizer_open(m->folder, &m->tok, &first);
    if (s == TM_NOTFOUND && base != NULL) {
        first = (struct tm_err){0};
        s = tm_tokenizer_open(base, &m->tok, &first);
    }
    if (s == TM_OK || (!required && s == TM_NOTFOUND))
        return TM_OK;
    /* What is wrong with a file of the model is the model's fault, not that of the input. */
    return tm_err_set(err, s == TM_BADINPUT ? TM_MODEL : s, "%s", first.text);
}

/* What people and results call it: the folder's own name, wherever it lies and links lead. */
static char *own_name(const char *folder)
{
    size_t end = strlen(folder);
    while (end > 1 && folder[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && folder[start - 1] != '/')
        start--;
    return strndup(folder + start, end - start);
}

enum tm_status tm_model_open(const char *name, const char *device, const char *precision,
                             int threads, int batch_tokens, bool tokenizer,
                             struct tm_model **ret_model, struct tm_err *err)
{
    char folder[PATH_ROOM], base_name[PATH_ROOM], base[PATH_ROOM];
    enum tm_status s = tm_model_find(name, folder, sizeof folder, err);
    if (s != TM_OK)
        return s;
    const char *base_folder = NULL;
    s = tm_engine_adapter_base(folder, base_name, sizeof base_name, err);
    if (s == TM_OK) {
        s = tm_model_find(base_name, base, sizeof base, err);
        base_folder = base;
    } else if (s == TM_NOTFOUND) {
        if (err != NULL)
            *err = (struct tm_err){0};
        s = TM_OK;
    }
    if (s != TM_OK)
        return s;
    TM_CLEANUP(model_closep) struct tm_model *m = calloc(1, sizeof *m);
    if (m == NULL || (m->name = own_name(folder)) == NULL || (m->folder = strdup(folder)) == NULL)
        return tm_err_set(err, TM_NOMEM, "model %s", name);
    const struct tm_engine_limits limits = {.threads = threads, .batch_tokens = batch_tokens};
    s = tm_engine_open(folder, base_folder, device, precision, &limits, &m->engine, err);
    if (s == TM_OK)
        s = open_tokenizer(m, base_folder, tokenizer, err);
    if (s == TM_OK)
        s = hash_model(m, base_folder, err);
    if (s == TM_OK)
        *ret_model = TM_TAKE(m);
    return s;
}

/* ---- those of a pipeline ---- */

void tm_models_close(struct tm_models *ms)
{
    if (ms == NULL)
        return;
    for (size_t i = 0; i < ms->n_tasks; i++)
        if (ms->task[i].ops->close != NULL)
            ms->task[i].ops->close(&ms->task[i]);
    for (size_t i = 0; i < ms->n_models; i++)
        tm_model_close(ms->model[i]);
    free(ms->model);
    free(ms->task);
    free(ms);
}

static void models_closep(struct tm_models **ms)
{
    tm_models_close(*ms);
}

size_t tm_models_count(const struct tm_models *ms)
{
    return ms->n_models;
}

struct tm_model *tm_models_get(struct tm_models *ms, size_t i)
{
    tm_assert(i < ms->n_models);
    return ms->model[i];
}

size_t tm_models_tasks(const struct tm_models *ms, const struct tm_task **ret_tasks)
{
    *ret_tasks = ms->task;
    return ms->n_tasks;
}

static const struct tm_task_ops *find_task(const char *name)
{
    for (size_t i = 0; tm_task_table[i] != NULL; i++)
        if (strcmp(tm_task_table[i]->name, name) == 0)
            return tm_task_table[i];
    return NULL;
}

/* Tasks that name the same folder share what was opened. */
static enum tm_status shared_model(struct tm_models *ms, const struct tm_conf *conf,
                                   const char *name, struct tm_model **ret_model,
                                   struct tm_err *err)
{
    char folder[PATH_ROOM];
    enum tm_status s = tm_model_find(name, folder, sizeof folder, err);
    if (s != TM_OK)
        return s;
    for (size_t i = 0; i < ms->n_models; i++)
        if (strcmp(ms->model[i]->folder, folder) == 0) {
            *ret_model = ms->model[i];
            return TM_OK;
        }
    s = tm_model_open(name, conf->engine_device, conf->engine_precision, (int)conf->engine_threads,
                      (int)conf->engine_batch_tokens, true, &ms->model[ms->n_models], err);
    if (s == TM_OK)
        *ret_model = ms->model[ms->n_models++];
    return s;
}

static const char *head_name(enum tm_head head)
{
    static const char *const names[TM_HEAD_COUNT] = {
        [TM_HEAD_EMBEDDING] = "sentence embeddings", [TM_HEAD_SEQUENCE] = "sequence classification",
        [TM_HEAD_TOKEN] = "token classification",    [TM_HEAD_SPAN] = "question answering",
        [TM_HEAD_GENERATE] = "generation",
    };
    return names[head];
}

/* The first of several is what the task's page calls for. */
static const char *head_names(unsigned heads)
{
    enum tm_head h = 0;
    while ((heads >> h & 1) == 0)
        h++;
    return head_name(h);
}

static enum tm_status open_task(struct tm_models *ms, const struct tm_conf *conf, size_t i,
                                struct tm_err *err)
{
    const struct tm_conf_task *c = &conf->tasks[i];
    struct tm_task *t = &ms->task[i];
    t->conf = c;
    t->ops = find_task(c->task);
    if (t->ops == NULL)
        return tm_err_set(err, TM_CONFIG, "tasks[%zu]: no task is called %s", i, c->task);
    const char *name = *c->model != '\0' ? c->model : t->ops->default_model;
    if (name == NULL)
        return tm_err_set(err, TM_CONFIG, "tasks[%zu] %s: say which model: model: FOLDER", i,
                          c->task);
    struct tm_err why = {0};
    enum tm_status s = shared_model(ms, conf, name, &t->model, &why);
    if (s != TM_OK)
        return tm_err_set(err, s, "tasks[%zu] %s: %s", i, c->task, why.text);
    enum tm_head head = tm_engine_info(t->model->engine)->head;
    if ((t->ops->heads >> head & 1) == 0)
        return tm_err_set(err, TM_MODEL, "tasks[%zu] %s: model %s is for %s, not for %s", i,
                          c->task, name, head_name(head), head_names(t->ops->heads));
    if (t->ops->open == NULL || (s = t->ops->open(t, &why)) == TM_OK)
        return TM_OK;
    return tm_err_set(err, s, "tasks[%zu] %s", i, why.text);
}

enum tm_status tm_models_open(const struct tm_conf *conf, struct tm_models **ret_models,
                              struct tm_err *err)
{
    TM_CLEANUP(models_closep) struct tm_models *ms = calloc(1, sizeof *ms);
    if (ms == NULL || (ms->model = calloc(conf->n_tasks + 1, sizeof(*ms->model))) == NULL ||
        (ms->task = calloc(conf->n_tasks + 1, sizeof *ms->task)) == NULL)
        return tm_err_set(err, TM_NOMEM, "models");
    for (size_t i = 0; i < conf->n_tasks; i++) {
        enum tm_status s = open_task(ms, conf, i, err);
        if (s != TM_OK)
            return s;
        ms->n_tasks++;
    }
    *ret_models = TM_TAKE(ms);
    return TM_OK;
}
