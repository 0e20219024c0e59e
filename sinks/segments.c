/* Files of results from topics (segments.h). Called by the files sink on the delivery thread.
 *
 * A release is taken up where the group's committed position is, and committed only when its files
 * are in place. So whatever is given again after a crash begins at the same record, has the same
 * name, and replaces the file: no record is ever in two files. */
#include "segments.h"
#include "deadletter.h"
#include "place.h"

static enum tm_status put_letter(struct output *o, const struct tm_doc *doc, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf path = {.cap = 0}, letter = {.cap = 0};
    if (!place_put(&path, doc->rec.lane_name, ".json", NULL) ||
        !deadletter_put(&letter, doc, o->config_hash, true))
        return tm_err_set(err, TM_NOMEM, "no memory for dead letter %s", doc->rec.lane_name);
    return group_put(o->group, o->dead, path.data, letter.data, letter.len, err);
}

/* n records of one partition. */
static enum tm_status put_segment(struct output *o, struct tm_doc *const *docs, size_t n,
                                  struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf path = {.cap = 0}, lines = {.cap = 0};
    enum tm_status s = TM_OK;
    for (size_t i = 0; s == TM_OK && i < n; i++) {
        const struct tm_doc *doc = docs[i];
        if (doc->err.status != TM_OK) {
            s = put_letter(o, doc, err);
        } else if (doc->rec.kind == TM_RECORD_DOCUMENT) {
            if (lines.len > 0)
                tm_buf_putc(&lines, '\n');
            tm_buf_append(&lines, doc->output, doc->output_len);
        }
    }
    if (s != TM_OK || (lines.len == 0 && !lines.failed))
        return s;
    if (!place_put(&path, docs[0]->rec.lane_name, ".jsonl", o->reserved) || lines.failed)
        return tm_err_set(err, TM_NOMEM, "no memory for output %s", docs[0]->rec.lane_name);
    return group_put(o->group, o->out, path.data, lines.data, lines.len, err);
}

enum tm_status segments_put(struct output *o, const struct tm_release *release, struct tm_err *err)
{
    struct tm_doc *const *docs = release->docs;
    enum tm_status s = TM_OK;
    for (size_t from = 0, to; s == TM_OK && from < release->n_docs; from = to) {
        for (to = from; to < release->n_docs && docs[to]->rec.lane == docs[from]->rec.lane;)
            to++;
        s = put_segment(o, docs + from, to - from, err);
    }
    return s;
}
