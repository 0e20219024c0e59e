/* Checkpoints of many-document files (checkpoint.h). Called by the files sink, under its lock. */
#include "checkpoint.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

enum { SIZE_MOST = 4096 };

bool checkpoint_put(struct tm_buf *b, const struct checkpoint *c, const char *hash)
{
    tm_buf_puts(b, "{\"schema\":\"textmill.checkpoint/1\",\"hash\":");
    tm_buf_json_string(b, hash, strlen(hash));
    return tm_buf_printf(b,
                         ",\"next\":%" PRIu64 ",\"input_offset\":%" PRIu64
                         ",\"result_bytes\":%" PRIu64 ",\"dead_bytes\":%" PRIu64 ",\"ended\":%s}",
                         c->next, c->input_offset, c->result_bytes, c->dead_bytes,
                         c->ended ? "true" : "false");
}

static bool number(json_t *root, const char *key, uint64_t *ret)
{
    json_t *v = json_object_get(root, key);
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *ret = (uint64_t)json_integer_value(v);
    return true;
}

static bool parse(const char *text, size_t n, const char *hash, struct checkpoint *ret)
{
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    json_t *ended = json_object_get(root, "ended");
    const char *made_by = json_string_value(json_object_get(root, "hash"));
    struct checkpoint c = {.ended = json_is_true(ended)};
    bool good = made_by != NULL && strcmp(made_by, hash) == 0 && json_is_boolean(ended) &&
                number(root, "next", &c.next) && number(root, "input_offset", &c.input_offset) &&
                number(root, "result_bytes", &c.result_bytes) &&
                number(root, "dead_bytes", &c.dead_bytes);
    json_decref(root);
    if (good)
        *ret = c;
    return good;
}

enum tm_status checkpoint_load(struct tm_folders *fs, const char *path, const char *hash,
                               struct checkpoint *ret, struct tm_err *err)
{
    struct tm_folder *folder;
    const char *name;
    char text[SIZE_MOST];
    enum tm_status s = tm_folders_of(fs, path, false, &folder, &name, err);
    if (s != TM_OK)
        return s;
    TM_CLEANUP(tm_closep) int fd = openat(folder->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return tm_err_errno(err, errno, "cannot open checkpoint %s", path);
    ssize_t n = pread(fd, text, sizeof text, 0);
    if (n < 0)
        return tm_err_errno(err, errno, "cannot read checkpoint %s", path);
    return parse(text, (size_t)n, hash, ret)
               ? TM_OK
               : tm_err_set(err, TM_NOTFOUND, "checkpoint %s belongs to other settings", path);
}
