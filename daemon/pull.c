/* models pull (pull.h). On the main thread; hub.c says what there is, fetch.c brings it. */
#include "pull.h"
#include "hub.h"
#include "pull_file.h"
#include "token.h"
#include "tm_folders.h"
#include "tm_pipeline.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 4096 };

static const char default_endpoint[] = "https://huggingface.co";

struct pull {
    struct tm_arena *arena;
    struct hub hub;
    struct hub_listing listing;
    struct fetch *fetch;
    char dest[PATH_ROOM], parts_path[PATH_ROOM]; /* the model's folder; where its files gather */
    struct tm_folders *have, *parts;             /* have: NULL when the model is not there yet */
    bool *kept;                                  /* by file: the model's folder has it already */
    struct pull_progress progress;
};

/* ---- what the user says ---- */

/* Into out, without the line's end; "" when there is no file to read it from. */
static enum tm_status read_token(const struct args *a, char out[TOKEN_MOST], struct tm_err *err)
{
    const char *path = args_get(a, "token-file");
    out[0] = '\0';
    if (path == NULL)
        path = getenv("HF_TOKEN_PATH");
    if (path == NULL || *path == '\0')
        return TM_OK;
    return token_read(path, out, err);
}

static bool is_offline(void)
{
    const char *value = getenv("HF_HUB_OFFLINE");
    return value != NULL && *value != '\0' && strcmp(value, "0") != 0;
}

/* HF_ENDPOINT or the public hub, without slashes at its end. */
static const char *endpoint(struct tm_arena *arena)
{
    const char *value = getenv("HF_ENDPOINT");
    if (value == NULL || *value == '\0')
        return default_endpoint;
    size_t n = strlen(value);
    while (n > 0 && value[n - 1] == '/')
        n--;
    return tm_arena_strndup(arena, value, n);
}

/* The model's folder: --local-dir, else NAME in the first folder of the model path. */
static enum tm_status choose_folder(const struct args *a, struct pull *p, struct tm_err *err)
{
    const char *local = args_get(a, "local-dir");
    const char *name = hub_model_name(p->hub.repo, p->arena);
    char path[3 * PATH_ROOM], parent[PATH_ROOM];
    if (name == NULL)
        return tm_err_set(err, TM_CONFIG,
                          "%s is no repository: give ORG/NAME or the URL of a folder", p->hub.repo);
    tm_model_path(path, sizeof path);
    path[strcspn(path, ":")] = '\0';
    size_t n = local != NULL ? (size_t)snprintf(p->dest, PATH_ROOM, "%s", local)
                             : (size_t)snprintf(p->dest, PATH_ROOM, "%s/%s", path, name);
    while (n > 1 && n < PATH_ROOM && p->dest[n - 1] == '/')
        p->dest[--n] = '\0';
    const char *slash = n < PATH_ROOM ? strrchr(p->dest, '/') : NULL;
    const char *last = slash != NULL ? slash + 1 : p->dest;
    snprintf(parent, sizeof parent, "%.*s", (int)(last - p->dest), p->dest);
    if (n >= PATH_ROOM ||
        (size_t)snprintf(p->parts_path, PATH_ROOM, "%s.%s.part", parent, last) >= PATH_ROOM)
        return tm_err_set(err, TM_TOOLARGE, "the path of the model's folder is too long");
    return *last == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0
               ? tm_err_set(err, TM_CONFIG, "--local-dir %s: name the model's folder itself", local)
               : TM_OK;
}

/* Opens both folders. One pull of a model at a time. */
static enum tm_status open_folders(struct pull *p, struct tm_err *err)
{
    struct tm_folder *root;
    struct stat st;
    enum tm_status s = tm_folders_create(p->parts_path, &p->parts, err);
    if (s == TM_OK)
        s = tm_folders_get(p->parts, "", false, &root, err);
    if (s == TM_OK && flock(root->fd, LOCK_EX | LOCK_NB) != 0)
        s = tm_err_set(err, TM_AGAIN, "%s: another pull of this model is under way", p->parts_path);
    if (s == TM_OK && stat(p->dest, &st) == 0)
        s = tm_folders_create(p->dest, &p->have, err);
    return s;
}

/* ---- the files ---- */

static enum tm_status pull_files(struct pull *p, struct tm_err *err)
{
    const struct hub_listing *l = &p->listing;
    bool plain = hub_is_url(p->hub.repo);
    enum tm_status s = TM_OK;
    p->kept = tm_arena_array(p->arena, l->n, sizeof *p->kept);
    if (p->kept == NULL)
        return tm_err_set(err, TM_NOMEM, "models pull");
    pull_progress_begin(&p->progress, l);
    for (size_t i = 0; s == TM_OK && i < l->n; i++) {
        struct hub_file *f = &l->files[i];
        const char *url = hub_file_url(&p->hub, l, f->path, p->arena);
        pull_progress_file(&p->progress, i);
        if (url == NULL)
            return tm_err_set(err, TM_NOMEM, "models pull");
        p->kept[i] = p->have != NULL && pull_file_is(p->have, f->path, f);
        if (!p->kept[i])
            s = pull_file(p->fetch, url, p->parts, f, &p->progress, err);
        if (s == TM_NOTFOUND && plain && !f->needed) {
            f->path = NULL; /* the folder does without it */
            s = TM_OK;
        }
        pull_progress_done(&p->progress, f, p->kept[i]);
    }
    pull_progress_end(&p->progress);
    return s;
}

/* Into a folder that is there already: file by file, config.json last, without which the folder is
 * no model. */
static enum tm_status move_files(struct pull *p, struct tm_err *err)
{
    for (int config = 0; config < 2; config++)
        for (size_t i = 0; i < p->listing.n; i++) {
            const char *path = p->listing.files[i].path, *name = NULL;
            struct tm_folder *from, *to;
            if (path == NULL || p->kept[i] || (strcmp(path, "config.json") == 0) != (config == 1))
                continue;
            enum tm_status s = tm_folders_of(p->parts, path, false, &from, &name, err);
            if (s == TM_OK)
                s = tm_folders_of(p->have, path, true, &to, &name, err);
            if (s == TM_OK && renameat(from->fd, name, to->fd, name) != 0)
                s = tm_err_errno(err, errno, "%s/%s", p->dest, path);
            if (s != TM_OK)
                return s;
            to->dirty = true;
        }
    return tm_folders_sync(p->have, err);
}

/* What is left of the gathering folder: empty folders. */
static void remove_parts(struct pull *p)
{
    for (size_t i = 0; i < p->listing.n; i++) {
        char path[PATH_ROOM + 600];
        const char *file = p->listing.files[i].path;
        for (size_t n = file != NULL ? strlen(file) : 0; n > 0; n--)
            if (file[n] == '/') {
                snprintf(path, sizeof path, "%s/%.*s", p->parts_path, (int)n, file);
                rmdir(path);
            }
    }
    rmdir(p->parts_path);
}

static enum tm_status publish(struct pull *p, struct tm_err *err)
{
    enum tm_status s = tm_folders_sync(p->parts, err);
    if (s != TM_OK)
        return s;
    if (p->have != NULL) {
        s = move_files(p, err);
        if (s == TM_OK)
            remove_parts(p);
        return s;
    }
    if (rename(p->parts_path, p->dest) != 0)
        return tm_err_errno(err, errno, "%s", p->dest);
    return TM_OK;
}

/* ---- the verb ---- */

static void print_result(const struct args *a, const struct pull *p)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf b = {.cap = 0};
    size_t n = 0;
    tm_buf_puts(&b, "{\"folder\":");
    tm_buf_json_string(&b, p->dest, strlen(p->dest));
    tm_buf_puts(&b, ",\"revision\":");
    tm_buf_json_string(&b, p->listing.commit, strlen(p->listing.commit));
    tm_buf_puts(&b, ",\"files\":[");
    for (size_t i = 0; i < p->listing.n; i++) {
        const struct hub_file *f = &p->listing.files[i];
        if (f->path == NULL)
            continue;
        tm_buf_puts(&b, n++ > 0 ? ",{\"path\":" : "{\"path\":");
        tm_buf_json_string(&b, f->path, strlen(f->path));
        tm_buf_printf(&b, ",\"bytes\":%lld,\"fetched\":%s}", (long long)f->size,
                      p->kept[i] ? "false" : "true");
    }
    if (args_has(a, "json") && tm_buf_puts(&b, "]}"))
        puts(b.data);
    else
        printf("%s: %zu files%s%s\n", p->dest, n, *p->listing.commit != '\0' ? ", revision " : "",
               p->listing.commit);
}

/* What to do about an answer, where the hub's own words do not say. */
static enum exit_code fail(const struct args *a, const struct tm_err *err)
{
    if (err->status == TM_PERM && strstr(err->text, "the server answers") != NULL)
        return verb_fail(
            a, exit_code_of(err->status),
            "%s: the repository is private, gated or misspelt; accept its terms on the "
            "hub and give a token that may read it with --token-file FILE",
            err->text);
    if (err->status == TM_NOTFOUND && strstr(err->text, "the server answers") != NULL)
        return verb_fail(a, exit_code_of(err->status), "%s: check the name ORG/NAME and --revision",
                         err->text);
    if (err->status == TM_UNAVAILABLE)
        return verb_fail(a, EXIT_UNAVAILABLE,
                         "%s; check the network, the proxy (https_proxy) and HF_ENDPOINT",
                         err->text);
    if (err->status == TM_AGAIN)
        return verb_fail(a, EXIT_AGAIN, "%s; run the same command again to go on from here",
                         err->text);
    return verb_fail_err(a, err);
}

static enum tm_status pull_all(const struct args *a, struct pull *p, struct tm_err *err)
{
    char token[TOKEN_MOST];
    const char *revision = args_get(a, "revision");
    p->hub = (struct hub){.endpoint = endpoint(p->arena),
                          .repo = a->operands[1],
                          .revision = revision != NULL ? revision : "main"};
    if (p->hub.endpoint == NULL)
        return tm_err_set(err, TM_NOMEM, "models pull");
    enum tm_status s = choose_folder(a, p, err);
    if (s == TM_OK)
        s = read_token(a, token, err);
    if (s == TM_OK)
        s = fetch_create(*token != '\0' ? token : NULL, &p->fetch, err);
    if (s == TM_OK)
        s = hub_list(&p->hub, p->fetch, args_get(a, "include"), p->arena, &p->listing, err);
    if (s == TM_OK)
        s = open_folders(p, err);
    if (s == TM_OK)
        s = pull_files(p, err);
    if (s == TM_OK)
        s = publish(p, err);
    return s;
}

enum exit_code pull_model(const struct args *a)
{
    struct pull p = {.arena = tm_arena_create((size_t)64 << 20)};
    struct tm_err err = {0};
    if (a->n_operands != 2)
        return verb_fail(a, EXIT_USAGE, "say which model: models pull ORG/NAME");
    if (is_offline())
        return verb_fail(
            a, EXIT_UNAVAILABLE,
            "HF_HUB_OFFLINE is set: copy the model's folder here by hand, or unset it");
    enum tm_status s =
        p.arena != NULL ? pull_all(a, &p, &err) : tm_err_set(&err, TM_NOMEM, "models pull");
    if (s == TM_OK)
        print_result(a, &p);
    fetch_destroy(p.fetch);
    tm_folders_destroy(p.have);
    tm_folders_destroy(p.parts);
    enum exit_code code = s == TM_OK ? EXIT_OK : fail(a, &err);
    tm_arena_destroy(p.arena);
    return code;
}
