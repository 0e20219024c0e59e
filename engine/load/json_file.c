/* Walks the objects of small JSON files: config.json, adapter_config.json, modules.json.
 *
 * Called by the readers of those files while a model is opened. */
#include "json_file.h"
#include "tensors.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MOST = 16 << 20, PATH_ROOM = 4096 };

enum tm_status json_file_object(struct tm_json *j, json_visit_fn *visit, void *arg,
                                struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_OBJECT)
        s = tm_json_fail(j, TM_MODEL, err, "not an object");
    while (s == TM_OK && (s = tm_json_next(j, &ev, err)) == TM_OK && ev.type == TM_JSON_KEY)
        s = visit(arg, j, ev.text, err);
    return s;
}

enum tm_status json_file(const char *folder, const char *name, json_visit_fn *visit, void *arg,
                         struct tm_err *err)
{
    char path[PATH_ROOM];
    struct tm_json_event ev;
    TM_CLEANUP(tm_json_finish) struct tm_json j = {.name = name};
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return tm_err_set(err, TM_TOOLARGE, "path of %s is too long", name);
    /* Some formats of weights say what else config.json does. */
    bool made = strcmp(name, "config.json") == 0 && !folder_has(folder, name);
    enum tm_status s =
        made ? tensors_config(folder, &text, err) : tm_read_file(path, FILE_MOST, &text, err);
    if (s != TM_OK)
        return s;
    tm_json_init(&j, made ? "config.json made of the weights" : name, text.data, text.len);
    s = json_file_object(&j, visit, arg, err);
    return s == TM_OK ? tm_json_next(&j, &ev, err) : s; /* nothing may follow */
}

enum tm_status json_refuse(struct tm_json *j, const char *key, struct tm_err *err)
{
    struct tm_json_event ev;
    char name[64];
    snprintf(name, sizeof name, "%s", key); /* the reader may reuse key's memory */
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s != TM_OK || ev.type == TM_JSON_NULL || (ev.type == TM_JSON_BOOL && !ev.boolean))
        return s;
    if (ev.type == TM_JSON_OBJECT || ev.type == TM_JSON_ARRAY)
        s = tm_json_next(j, &ev, err);
    if (s == TM_OK && (ev.type == TM_JSON_OBJECT_END || ev.type == TM_JSON_ARRAY_END))
        return TM_OK;
    return tm_json_fail(j, TM_UNSUPPORTED, err, "models with %s are not supported", name);
}

bool folder_has(const char *folder, const char *name)
{
    char path[PATH_ROOM];
    return (size_t)snprintf(path, sizeof path, "%s/%s", folder, name) < sizeof path &&
           access(path, F_OK) == 0;
}
