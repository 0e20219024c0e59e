/* Sets of tensors: the table of formats, files and the index of shards.
 *
 * Used while a model is opened, on the opening thread. The formats read and check the directories
 * of their files; what is common to them is here. */
#include "tensor_file.h"
#include "json_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 4096, LIST_ROOM = 128, INDEX_MOST = 64 << 20 };

/* What is looked for, in this order. A name with * must match one file. */
static const struct format {
    const char *name, *stem, *file;
    bool index; /* file names shards, as Hugging Face's *.index.json do */
    tensor_directory_fn *directory;
    tensor_config_fn *config; /* NULL: the folder has a config.json */
    tensor_said_fn *said;     /* NULL: the files hold tensors alone */
} formats[] = {
    {"safetensors", "model", "model.safetensors", false, safetensors_directory, NULL, NULL},
    {"safetensors", "model", "model.safetensors.index.json", true, safetensors_directory, NULL,
     NULL},
    {"pytorch", "model", "pytorch_model.bin", false, pytorch_directory, NULL, NULL},
    {"pytorch", "model", "pytorch_model.bin.index.json", true, pytorch_directory, NULL, NULL},
    {"gguf", "model", "*.gguf", false, gguf_directory, gguf_config, gguf_said},
    {"marian", "model", "*.npz", false, marian_directory, marian_config, NULL},
    {"safetensors", "adapter_model", "adapter_model.safetensors", false, safetensors_directory,
     NULL, NULL},
    {"pytorch", "adapter_model", "adapter_model.bin", false, pytorch_directory, NULL, NULL},
};

void tensors_close(struct tensor_set *set)
{
    if (set == NULL)
        return;
    for (int32_t i = 0; i < set->n_files; i++)
        close(set->files[i].fd);
    free(set->tensors);
    tm_arena_destroy(set->arena);
    free(set);
}

void tensors_closep(struct tensor_set **set)
{
    tensors_close(*set);
}

size_t tensors_count(const struct tensor_set *set)
{
    return set->n;
}

const struct tensor *tensors_at(const struct tensor_set *set, size_t i)
{
    return &set->tensors[i];
}

const char *tensors_format(const struct tensor_set *set)
{
    return set->format->name;
}

const char *tensors_file(const struct tensor_set *set, const struct tensor *t)
{
    return set->files[t->file].name;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

const struct tensor *tensors_find(const struct tensor_set *set, const char *name)
{
    struct tensor key = {.name = name};
    return set->n == 0 ? NULL : bsearch(&key, set->tensors, set->n, sizeof *set->tensors, by_name);
}

/* ---- opening ---- */

/* What a clone leaves where Git LFS has not fetched the file: a few lines of text. */
static enum tm_status check_pointer(const struct tensor_file *f, struct tm_err *err)
{
    static const char pointer[] = "version https://git-lfs";
    char text[sizeof pointer - 1];
    if (f->size < sizeof text || f->size > 1024)
        return TM_OK;
    enum tm_status s = tensor_read_bytes(f, 0, text, sizeof text, err);
    if (s == TM_OK && memcmp(text, pointer, sizeof text) == 0)
        s = tm_err_set(err, TM_MODEL,
                       "%s: only Git LFS's pointer to the file, fetch the file itself", f->name);
    return s;
}

static enum tm_status add_file(struct tensor_set *set, const char *folder, const char *name,
                               struct tm_err *err)
{
    char path[PATH_ROOM];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return tm_err_set(err, TM_TOOLARGE, "%s: path is too long", name);
    if (set->n_files == TENSOR_FILES)
        return tm_err_set(err, TM_TOOLARGE, "more than %d files of weights", TENSOR_FILES);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tm_err_errno(err, errno, "%s", path);
    struct tensor_file *f = &set->files[set->n_files];
    *f = (struct tensor_file){.fd = fd, .name = tm_arena_strdup(set->arena, name)};
    set->n_files++; /* from here on tensors_close() closes it */
    struct stat st;
    if (f->name == NULL)
        return tm_err_set(err, TM_NOMEM, "%s", name);
    if (fstat(fd, &st) != 0)
        return tm_err_errno(err, errno, "%s", path);
    if (!S_ISREG(st.st_mode))
        return tm_err_set(err, TM_MODEL, "%s: not a regular file", name);
    f->size = (uint64_t)st.st_size;
    enum tm_status s = check_pointer(f, err);
    return s == TM_OK ? set->format->directory(set, set->n_files - 1, err) : s;
}

/* A shard lies beside its index: a name that leads elsewhere is refused. */
static bool is_plain_name(const char *name, size_t len)
{
    return len > 0 && strlen(name) == len && name[0] != '.' && strchr(name, '/') == NULL &&
           strstr(name, "..") == NULL;
}

static enum tm_status add_shard(struct tensor_set *set, const char *folder, struct tm_json *j,
                                const char *name, size_t len, struct tm_err *err)
{
    if (!is_plain_name(name, len))
        return tm_json_fail(j, TM_MODEL, err, "shard name \"%s\" is not a plain file name", name);
    for (int32_t i = 0; i < set->n_files; i++)
        if (strcmp(set->files[i].name, name) == 0)
            return TM_OK;
    return add_file(set, folder, name, err);
}

/* {"weight_map": {tensor: file}}. total_size and other metadata are not relied on. */
static enum tm_status read_weight_map(struct tensor_set *set, const char *folder, struct tm_json *j,
                                      struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_OBJECT)
        s = tm_json_fail(j, TM_MODEL, err, "weight_map is not an object");
    while (s == TM_OK && (s = tm_json_next(j, &ev, err)) == TM_OK && ev.type == TM_JSON_KEY) {
        const char *file;
        size_t len;
        s = tm_json_string(j, &file, &len, err);
        if (s == TM_OK)
            s = add_shard(set, folder, j, file, len, err);
    }
    return s;
}

static enum tm_status read_index(struct tensor_set *set, const char *folder, const char *name,
                                 const struct tm_buf *text, struct tm_err *err)
{
    struct tm_json_event ev;
    TM_CLEANUP(tm_json_finish) struct tm_json j;
    tm_json_init(&j, name, text->data, text->len);
    enum tm_status s = tm_json_next(&j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_OBJECT)
        s = tm_json_fail(&j, TM_MODEL, err, "not an object");
    while (s == TM_OK && (s = tm_json_next(&j, &ev, err)) == TM_OK && ev.type == TM_JSON_KEY)
        s = strcmp(ev.text, "weight_map") == 0 ? read_weight_map(set, folder, &j, err)
                                               : tm_json_skip(&j, err);
    if (s == TM_OK)
        s = tm_json_next(&j, &ev, err); /* nothing may follow */
    if (s == TM_OK && set->n_files == 0)
        s = tm_err_set(err, TM_MODEL, "%s: no weight_map", name);
    return s;
}

static enum tm_status add_shards(struct tensor_set *set, const char *folder, const char *name,
                                 struct tm_err *err)
{
    char path[PATH_ROOM];
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return tm_err_set(err, TM_TOOLARGE, "%s: path is too long", name);
    enum tm_status s = tm_read_file(path, INDEX_MOST, &text, err);
    return s != TM_OK ? s : read_index(set, folder, name, &text, err);
}

enum tm_status tensors_add(struct tensor_set *set, const struct tensor *t, struct tm_err *err)
{
    if (set->n == set->room) {
        size_t room = TM_MAX((size_t)256, set->room * 2);
        struct tensor *more = realloc(set->tensors, room * sizeof *more);
        if (more == NULL)
            return tm_err_set(err, TM_NOMEM, "list of tensors");
        set->tensors = more;
        set->room = room;
    }
    set->tensors[set->n++] = *t;
    return TM_OK;
}

/* Sorted by name; the same name twice, in one file or two, is an error. */
static enum tm_status sort_names(struct tensor_set *set, struct tm_err *err)
{
    if (set->n > 0)
        qsort(set->tensors, set->n, sizeof *set->tensors, by_name);
    for (size_t i = 1; i < set->n; i++) {
        const struct tensor *a = &set->tensors[i - 1], *b = &set->tensors[i];
        if (strcmp(a->name, b->name) == 0)
            return tm_err_set(err, TM_MODEL, "%s: tensor %s twice%s%s", set->files[a->file].name,
                              a->name, a->file != b->file ? ", again in " : "",
                              a->file != b->file ? set->files[b->file].name : "");
    }
    return TM_OK;
}

/* ---- finding the files ---- */

/* The file that a row of the table means, into the arena; NULL: the folder has none. */
static enum tm_status find_file(struct tensor_set *set, const char *folder,
                                const struct format *format, const char **ret_name,
                                struct tm_err *err)
{
    *ret_name = folder_has(folder, format->file) ? format->file : NULL;
    if (strchr(format->file, '*') == NULL)
        return TM_OK;
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return errno == ENOENT ? TM_OK : tm_err_errno(err, errno, "%s", folder);
    enum tm_status s = TM_OK;
    for (const struct dirent *e; s == TM_OK && (e = readdir(dir)) != NULL;) {
        if (fnmatch(format->file, e->d_name, FNM_PERIOD) != 0)
            continue;
        if (*ret_name != NULL)
            s = tm_err_set(err, TM_MODEL, "%s and %s: there must be one %s in the folder",
                           *ret_name, e->d_name, format->file);
        else if ((*ret_name = tm_arena_strdup(set->arena, e->d_name)) == NULL)
            s = tm_err_set(err, TM_NOMEM, "%s", folder);
    }
    closedir(dir);
    return s;
}

static enum tm_status none_found(const char *folder, const char *stem, struct tm_err *err)
{
    char looked_for[LIST_ROOM] = "";
    for (size_t i = 0, at = 0; i < TM_COUNTOF(formats) && at < sizeof looked_for; i++)
        if (strcmp(formats[i].stem, stem) == 0 && !formats[i].index)
            at += (size_t)snprintf(looked_for + at, sizeof looked_for - at, "%s%s",
                                   at > 0 ? ", " : "", formats[i].file);
    return tm_err_set(err, TM_NOTFOUND, "no weights in %s: looked for %s", folder, looked_for);
}

enum tm_status tensors_open(const char *folder, const char *stem, struct tensor_set **ret_set,
                            struct tm_err *err)
{
    TM_CLEANUP(tensors_closep) struct tensor_set *set = calloc(1, sizeof *set);
    if (set == NULL || (set->arena = tm_arena_create((size_t)1 << 30)) == NULL)
        return tm_err_set(err, TM_NOMEM, "weights of %s", folder);
    const char *name = NULL;
    enum tm_status s = TM_OK;
    for (size_t i = 0; s == TM_OK && name == NULL && i < TM_COUNTOF(formats); i++) {
        if (strcmp(formats[i].stem, stem) != 0)
            continue;
        set->format = &formats[i];
        s = find_file(set, folder, set->format, &name, err);
    }
    if (s == TM_OK && name == NULL)
        s = none_found(folder, stem, err);
    if (s == TM_OK)
        s = set->format->index ? add_shards(set, folder, name, err)
                               : add_file(set, folder, name, err);
    if (s == TM_OK)
        s = sort_names(set, err);
    if (s == TM_OK)
        *ret_set = TM_TAKE(set);
    return s;
}

enum tm_status tensors_config(const char *folder, struct tm_buf *json, struct tm_err *err)
{
    TM_CLEANUP(tensors_closep) struct tensor_set *set = NULL;
    enum tm_status s = tensors_open(folder, "model", &set, err);
    if (s != TM_OK)
        return s;
    if (set->format->config == NULL)
        return tm_err_set(err, TM_NOTFOUND, "no config.json in %s", folder);
    return set->format->config(set, folder, json, err);
}

enum tm_status tensors_said(const struct tensor_set *set, tm_said_fn *visit, void *arg,
                            struct tm_err *err)
{
    if (set->format->said == NULL)
        return tm_err_set(err, TM_NOTFOUND, "%s holds tensors alone", set->files[0].name);
    return set->format->said(&set->files[0], visit, arg, err);
}
