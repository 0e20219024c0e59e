/* The stdout sink: one line a result, for `once` in a pipe (tm_sink_ops). Not restartable.
 *
 * Dead letters go to their folder when one is configured, one file each (of a many-document file
 * NAME-SEQ.json); else to standard error, one line each. Runs on the delivery thread. */
#include "tm_sinks.h"
#include "deadletter.h"
#include "group.h"
#include "place.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct out {
    char *config_hash, *prefix;
    struct tm_folders *dead; /* NULL: standard error */
    struct group *group;
    /* A release that has to be tried again goes on where it stopped. */
    bool gathered;
    struct tm_buf lines, letters;
    size_t lines_sent, letters_sent;
};

static void out_destroy(void *self)
{
    struct out *o = self;
    if (o == NULL)
        return;
    group_destroy(o->group);
    tm_folders_destroy(o->dead);
    tm_buf_finish(&o->lines);
    tm_buf_finish(&o->letters);
    free(o->config_hash);
    free(o->prefix);
    free(o);
}

static void out_destroyp(struct out **o)
{
    out_destroy(*o);
}

static enum tm_status out_create(void **ret_self, const struct tm_conf *conf,
                                 const char *config_hash, struct tm_err *err)
{
    struct tm_buf prefix = {0};
    TM_CLEANUP(out_destroyp) struct out *o = calloc(1, sizeof *o);
    if (o == NULL || (o->config_hash = strdup(config_hash)) == NULL ||
        !tm_buf_printf(&prefix, ".tm-%s.", conf->state_instance))
        return tm_err_set(err, TM_NOMEM, "standard output");
    o->prefix = prefix.data;
    if ((o->group = group_create(o->prefix)) == NULL)
        return tm_err_set(err, TM_NOMEM, "standard output");
    if (conf->sink_dead_letters_path[0] != '\0') {
        enum tm_status s = tm_folders_create(conf->sink_dead_letters_path, &o->dead, err);
        if (s != TM_OK)
            return s;
    }
    *ret_self = TM_TAKE(o);
    return TM_OK;
}

static enum tm_status put_letter(struct out *o, const struct tm_doc *doc, struct tm_err *err)
{
    size_t from = o->letters.len;
    if (!deadletter_put(&o->letters, doc, o->config_hash, doc->rec.many || doc->rec.topic != NULL))
        return tm_err_set(err, TM_NOMEM, "no memory for dead letter %s", doc->rec.lane_name);
    if (o->dead == NULL) {
        tm_buf_putc(&o->letters, '\n');
        return TM_OK;
    }
    char suffix[40] = ".json";
    if (doc->rec.many)
        snprintf(suffix, sizeof suffix, "-%llu.json", (unsigned long long)doc->rec.seq);
    char *path = place_make(doc->rec.lane_name, suffix, NULL);
    enum tm_status s = path == NULL ? tm_err_set(err, TM_NOMEM, "no memory for dead letter")
                                    : group_put(o->group, o->dead, path, o->letters.data + from,
                                                o->letters.len - from, err);
    free(path);
    o->letters.len = from;
    return s;
}

static enum tm_status gather(struct out *o, const struct tm_release *release, struct tm_err *err)
{
    enum tm_status s = TM_OK;
    tm_buf_clear(&o->lines);
    tm_buf_clear(&o->letters);
    o->lines_sent = o->letters_sent = 0;
    for (size_t i = 0; s == TM_OK && i < release->n_docs; i++) {
        const struct tm_doc *doc = release->docs[i];
        if (doc->err.status != TM_OK) {
            s = put_letter(o, doc, err);
        } else if (doc->rec.kind == TM_RECORD_DOCUMENT) {
            tm_buf_append(&o->lines, doc->output, doc->output_len);
            tm_buf_putc(&o->lines, '\n');
        }
    }
    if (s == TM_OK && (o->lines.failed || o->letters.failed))
        s = tm_err_set(err, TM_NOMEM, "no memory for a release");
    if (s == TM_OK)
        s = group_publish(o->group, err);
    if (s != TM_OK)
        group_abandon(o->group);
    return s;
}

/* A descriptor that does not block (a terminal, a socket) is waited for. */
static enum tm_status send_all(int fd, const struct tm_buf *b, size_t *sent, const char *name,
                               struct tm_err *err)
{
    while (*sent < b->len) {
        ssize_t n = write(fd, b->data + *sent, b->len - *sent);
        if (n >= 0) {
            *sent += (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            poll(&p, 1, 1000);
        } else if (errno == EPIPE) {
            return tm_err_set(err, TM_CLOSED, "nobody reads %s any more", name);
        } else if (errno != EINTR) {
            return tm_err_errno(err, errno, "cannot write to %s", name);
        }
    }
    return TM_OK;
}

static enum tm_delivered out_deliver(void *self, const struct tm_release *release,
                                     struct tm_err *err)
{
    struct out *o = self;
    enum tm_status s = o->gathered ? TM_OK : gather(o, release, err);
    o->gathered = s == TM_OK;
    if (s == TM_OK)
        s = send_all(STDOUT_FILENO, &o->lines, &o->lines_sent, "standard output", err);
    if (s == TM_OK)
        s = send_all(STDERR_FILENO, &o->letters, &o->letters_sent, "standard error", err);
    if (s == TM_OK)
        o->gathered = false;
    if (s == TM_CLOSED)
        return TM_FENCED; /* no try will ever succeed: end */
    return s == TM_OK ? TM_STORED : TM_RETRY_LATER;
}

static enum tm_status out_resume(void *self, const char *name, bool many,
                                 struct tm_resume *ret_resume, struct tm_err *err)
{
    (void)self;
    (void)name;
    (void)many;
    (void)err;
    *ret_resume = (struct tm_resume){0};
    return TM_OK;
}

const struct tm_sink_ops tm_sink_stdout = {
    .name = "stdout",
    .create = out_create,
    .deliver = out_deliver,
    .resume = out_resume,
    .destroy = out_destroy,
};
