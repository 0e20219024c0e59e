/* Logging to stderr (tm_log.h): logfmt or JSON, journald's priorities, repeats limited.
 *
 * Called from any thread, mostly by daemon/. One lock guards the line buffer and the table of
 * repeats and is held while the line is written, so lines never mix. Works before tm_log_setup()
 * with the defaults, and without memory: then a line is the bare message. */
#include "tm_log.h"
#include "tm_mem.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLOTS = 64, PROBES = 4, LINE_MOST = 65536 };
static const uint64_t QUIET_NS = UINT64_C(10) * 1000000000u;

static const struct {
    const char *name, *priority;
} level_row[] = {
    [TM_LOG_ERROR] = {"error", "<3>"},   [TM_LOG_WARNING] = {"warning", "<4>"},
    [TM_LOG_NOTICE] = {"notice", "<5>"}, [TM_LOG_INFO] = {"info", "<6>"},
    [TM_LOG_DEBUG] = {"debug", "<7>"},
};

struct slot {
    uint64_t hash; /* 0: free */
    uint64_t written_ns;
    int64_t suppressed; /* since then */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards everything below */
static struct {
    enum tm_log_level most;
    enum tm_log_format format;
    bool ready, journal;
    struct tm_buf line;
    struct slot slots[SLOTS];
} state = {.most = TM_LOG_INFO, .line = {.cap = LINE_MOST}};

/* systemd names the journal's socket; stderr may have been redirected elsewhere since. */
static bool is_journal(void)
{
    const char *env = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat st;
    return env != NULL && sscanf(env, "%ju:%ju", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && device == (uintmax_t)st.st_dev &&
           inode == (uintmax_t)st.st_ino;
}

void tm_log_setup(enum tm_log_level most, enum tm_log_format format)
{
    pthread_mutex_lock(&lock);
    state.most = most;
    state.format = format;
    state.journal = is_journal();
    state.ready = true;
    memset(state.slots, 0, sizeof state.slots);
    pthread_mutex_unlock(&lock);
}

static bool needs_quotes(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c <= 0x20 || c == '=' || c == '"' || c == '\\' || c == 0x7f)
            return true;
    }
    return n == 0 || tm_utf8_valid(s, n) != n;
}

static void put_str(struct tm_buf *b, const char *s)
{
    size_t n = s != NULL ? strlen(s) : 0;
    if (state.format == TM_LOG_JSON && s == NULL)
        tm_buf_puts(b, "null");
    else if (state.format == TM_LOG_JSON || needs_quotes(s != NULL ? s : "", n))
        tm_buf_json_string(b, s != NULL ? s : "", n);
    else
        tm_buf_append(b, s, n);
}

static void put_f64(struct tm_buf *b, double v)
{
    char text[32];
    if (!isfinite(v)) { /* JSON has no number for it */
        put_str(b, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
        return;
    }
    snprintf(text, sizeof text, "%.6g", v);
    char *comma = strchr(text, ','); /* some locales */
    if (comma != NULL)
        *comma = '.';
    tm_buf_puts(b, text);
}

/* Separator and key; the value follows. */
static void put_key(struct tm_buf *b, const char *key)
{
    bool first = b->len == (state.journal ? strlen(level_row[0].priority) : 0);
    if (state.format == TM_LOG_JSON) {
        tm_buf_putc(b, first ? '{' : ',');
        tm_buf_json_string(b, key, strlen(key));
        tm_buf_putc(b, ':');
        return;
    }
    if (!first)
        tm_buf_putc(b, ' ');
    tm_buf_puts(b, key);
    tm_buf_putc(b, '=');
}

static void put_field(struct tm_buf *b, const struct tm_log_field *f)
{
    put_key(b, f->key);
    switch (f->type) {
    case TM_LOG_I64:
        tm_buf_printf(b, "%" PRId64, f->i64);
        break;
    case TM_LOG_F64:
        put_f64(b, f->f64);
        break;
    default:
        put_str(b, f->str);
        break;
    }
}

static void put_head(struct tm_buf *b, enum tm_log_level level, const char *msg)
{
    tm_buf_clear(b);
    if (state.journal) {
        tm_buf_puts(b, level_row[level].priority);
    } else {
        char now[32];
        tm_clock_iso(tm_clock_unix_ms(), now);
        put_key(b, "time");
        put_str(b, now);
    }
    put_key(b, "level");
    put_str(b, level_row[level].name);
    put_key(b, "msg");
    put_str(b, msg);
}

/* What counts as a repeat: of warnings and errors the message, whatever its fields, since a broken
 * disk has something to say about every document; of the rest only the same line again. */
static uint64_t hash_of(enum tm_log_level level, const char *msg, const struct tm_log_field *fields)
{
    uint64_t h = tm_hash(msg, strlen(msg), level);
    for (const struct tm_log_field *f = fields; level > TM_LOG_WARNING && f->key != NULL; f++) {
        h = tm_hash(f->key, strlen(f->key), h);
        if (f->type == TM_LOG_I64)
            h = tm_hash(&f->i64, sizeof f->i64, h);
        else if (f->type == TM_LOG_F64)
            h = tm_hash(&f->f64, sizeof f->f64, h);
        else if (f->str != NULL)
            h = tm_hash(f->str, strlen(f->str), h);
    }
    return h | 1;
}

/* The slot of this message; takes over the one written longest ago when it has none. */
static struct slot *slot_of(uint64_t hash)
{
    struct slot *oldest = NULL;
    for (size_t i = 0; i < PROBES; i++) {
        struct slot *s = &state.slots[((hash >> 1) + i) % SLOTS];
        if (s->hash == hash)
            return s;
        if (oldest == NULL || s->written_ns < oldest->written_ns)
            oldest = s;
    }
    *oldest = (struct slot){.hash = hash};
    return oldest;
}

static void write_all(const char *s, size_t n)
{
    while (n > 0) {
        ssize_t done = write(STDERR_FILENO, s, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* nobody to tell */
        s += done;
        n -= (size_t)done;
    }
}

static void write_line(enum tm_log_level level, const char *msg, const struct tm_log_field *fields,
                       int64_t suppressed)
{
    struct tm_buf *b = &state.line;
    put_head(b, level, msg);
    for (const struct tm_log_field *f = fields; f->key != NULL; f++)
        put_field(b, f);
    if (suppressed > 0)
        put_field(b, &TM_I("suppressed", suppressed));
    if (b->failed) { /* fields beyond LINE_MOST */
        put_head(b, level, msg);
        put_field(b, &TM_S("fields", "too long"));
    }
    if (state.format == TM_LOG_JSON)
        tm_buf_putc(b, '}');
    tm_buf_putc(b, '\n');
    if (!b->failed) {
        write_all(b->data, b->len);
    } else { /* no memory at all */
        write_all(msg, strlen(msg));
        write_all("\n", 1);
    }
}

void tm_log_write(enum tm_log_level level, const char *msg, const struct tm_log_field *fields)
{
    tm_assert((unsigned)level < TM_COUNTOF(level_row));
    int kept = errno; /* a log line must not change what the caller is about to look at */
    pthread_mutex_lock(&lock);
    if (!state.ready) {
        state.journal = is_journal();
        state.ready = true;
    }
    if (level <= state.most) {
        uint64_t now = tm_clock_ns();
        struct slot *slot = slot_of(hash_of(level, msg, fields));
        if (slot->written_ns != 0 && now - slot->written_ns < QUIET_NS) {
            slot->suppressed++;
        } else {
            write_line(level, msg, fields, slot->suppressed);
            slot->written_ns = now;
            slot->suppressed = 0;
        }
    }
    pthread_mutex_unlock(&lock);
    errno = kept;
}

void tm_log_err(enum tm_log_level level, const char *msg, const struct tm_err *err,
                const char *next)
{
    char where[128];
    snprintf(where, sizeof where, "%s:%d", err->where != NULL ? err->where : "?", err->line);
    tm_log(level, msg, TM_S("code", tm_status_code(err->status)), TM_S("where", where),
           TM_S("text", err->text), TM_S("next", next));
}
