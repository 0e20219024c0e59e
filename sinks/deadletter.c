/* Dead letters as JSON (deadletter.h). Called by the sinks on the delivery thread. */
#include "deadletter.h"
#include <inttypes.h>
#include <string.h>

static bool put_text(struct tm_buf *b, const char *key, const char *value)
{
    if (value == NULL)
        return true;
    tm_buf_printf(b, ",\"%s\":", key);
    return tm_buf_json_string(b, value, strlen(value));
}

/* The user's id, else the delivery identity of the record. */
static void put_id(struct tm_buf *b, const struct tm_doc *doc)
{
    const struct tm_record *rec = &doc->rec;
    if (doc->id != NULL) {
        put_text(b, "id", doc->id);
        return;
    }
    put_text(b, "id", rec->lane_name);
    if (rec->many && !b->failed) {
        b->len--; /* before the closing quote */
        tm_buf_printf(b, ":%" PRId64 "\"", rec->line);
    }
}

static void put_original(struct tm_buf *b, const struct tm_record *rec)
{
    const char *bytes = rec->original != NULL ? rec->original : rec->data;
    size_t len = rec->original != NULL ? rec->original_len : rec->len;
    if (len == 0)
        return;
    bool text = tm_utf8_valid(bytes, len) == len;
    tm_buf_puts(b, text ? ",\"original\":" : ",\"original_base64\":\"");
    if (text) {
        tm_buf_json_string(b, bytes, len);
    } else {
        tm_buf_base64(b, bytes, len);
        tm_buf_putc(b, '"');
    }
}

bool deadletter_put(struct tm_buf *b, const struct tm_doc *doc, const char *config_hash,
                    bool original)
{
    const struct tm_record *rec = &doc->rec;
    char time[32];
    tm_clock_iso(tm_clock_unix_ms(), time);
    tm_buf_puts(b, "{\"schema\":\"textmill.dead-letter/1\"");
    put_id(b, doc);
    put_text(b, "code", tm_status_code(doc->err.status));
    put_text(b, "stage", doc->err_stage);
    put_text(b, "message", doc->err.text);
    tm_buf_printf(b, ",\"attempts\":%" PRIu32, doc->attempts);
    put_text(b, "version", TM_VERSION);
    put_text(b, "config_hash", config_hash);
    tm_buf_puts(b, ",\"input\":{");
    if (rec->topic != NULL) {
        tm_buf_puts(b, "\"topic\":");
        tm_buf_json_string(b, rec->topic, strlen(rec->topic));
        tm_buf_printf(b, ",\"partition\":%" PRId32 ",\"offset\":%" PRIu64, rec->partition,
                      rec->seq);
    } else {
        tm_buf_puts(b, "\"file\":");
        tm_buf_json_string(b, rec->path, strlen(rec->path));
    }
    if (rec->line > 0)
        tm_buf_printf(b, ",\"line\":%" PRId64, rec->line);
    tm_buf_printf(b, ",\"bytes\":%zu", rec->len);
    if (rec->sha256 != NULL && rec->sha256[0] != '\0')
        put_text(b, "sha256", rec->sha256);
    tm_buf_putc(b, '}');
    put_text(b, "time", time);
    if (original)
        put_original(b, rec);
    return tm_buf_putc(b, '}');
}
