/* CSV (RFC 4180) and its tabbed sister: the first line names the columns, every further record is a
 * document. A column is the member of the envelope that clean.fields gives it, else the one that it
 * is called like; the others are passed over. Called through records.h. */
#include "records.h"

#include <string.h>
#include <strings.h>

enum { COLUMNS_MOST = 1024, HEADER_MOST = 65536 };

/* What columns are called, by the member they fill; the first that a file has wins. */
static const struct {
    const char *column, *member;
} names[] = {
    {"id", "id"},
    {"text", "text"},
    {"body", "text"},
    {"content", "text"},
    {"message", "text"},
    {"comment", "text"},
    {"tweet", "text"},
    {"review", "text"},
    {"article", "text"},
    {"html", "html"},
    {"title", "title"},
    {"headline", "title"},
    {"url", "url"},
    {"link", "url"},
    {"source", "source"},
    {"author", "author"},
    {"published_at", "published_at"},
    {"date", "published_at"},
    {"created_at", "published_at"},
    {"timestamp", "published_at"},
    {"lang", "lang"},
    {"language", "lang"},
    {"kind", "kind"},
};

/* One field at s (n bytes, the whole record): appended to out, unquoted. Returns what it takes with
 * the delimiter behind it. */
static size_t field(const char *s, size_t n, char delimiter, struct tm_buf *out)
{
    size_t i = 0;
    if (n > 0 && s[0] == '"') {
        for (i = 1; i < n; i++) {
            if (s[i] == '"' && (i + 1 >= n || s[i + 1] != '"'))
                break;
            i += s[i] == '"';
            tm_buf_putc(out, s[i]);
        }
        i += i < n;
    }
    size_t from = i;
    while (i < n && s[i] != delimiter)
        i++;
    tm_buf_append(out, s + from, i - from);
    return i < n ? i + 1 : i;
}

/* Makes one record available: to a line end outside quotes. *ret_len without it, *ret_used with. */
static enum tm_status record(struct records *r, size_t most, size_t *ret_len, size_t *ret_used,
                             struct tm_err *err)
{
    size_t at = 0, have = 0;
    bool quoted = false;
    for (;;) {
        enum tm_status s = window_fill(&r->window, at + 1, &have, err);
        if (s != TM_OK)
            return s;
        const char *data = have == 0 ? "" : window_data(&r->window);
        for (; at < have && (quoted || data[at] != '\n'); at++)
            quoted ^= data[at] == '"';
        if (at < have || r->window.ended) {
            *ret_used = at + (at < have);
            *ret_len = at > 0 && data[at - 1] == '\r' ? at - 1 : at;
            return TM_OK;
        }
        if (at > most)
            return tm_err_set(
                err, TM_TOOLARGE,
                "CSV: a record of more than %zu bytes begins at byte %llu; is a quote not closed?",
                most, (unsigned long long)r->window.offset);
    }
}

static const char *column_name(const struct records *r, size_t i)
{
    const char *name = r->columns.data;
    for (; i > 0; i--)
        name += strlen(name) + 1;
    return name;
}

static bool is_name(const char *column, const char *name, size_t n)
{
    return strlen(column) == n && strncasecmp(column, name, n) == 0;
}

static bool has_column(const struct records *r, const char *name, size_t n)
{
    for (size_t i = 0; i < r->n_columns; i++)
        if (is_name(column_name(r, i), name, n))
            return true;
    return false;
}

/* What clean.fields says of a member, when the file has that column. A pointer's slash is nothing.
 */
static bool configured(const struct records *r, const char *member, struct tm_conf_pair *ret)
{
    const char *map = r->fields == NULL ? "" : r->fields;
    while (tm_conf_map_next(&map, ret)) {
        bool slash = ret->text_len > 0 && ret->text[0] == '/';
        ret->text += slash;
        ret->text_len -= slash;
        if (is_name(member, ret->name, ret->name_len) && has_column(r, ret->text, ret->text_len))
            return true;
    }
    return false;
}

/* The column that fills a member: the configured one, else the first of its names that the file
 * has. */
static bool is_column_of(const struct records *r, const char *column, const char *member)
{
    struct tm_conf_pair p;
    if (configured(r, member, &p))
        return is_name(column, p.text, p.text_len);
    for (size_t k = 0; k < TM_COUNTOF(names); k++)
        if (strcmp(names[k].member, member) == 0 &&
            has_column(r, names[k].column, strlen(names[k].column)))
            return is_name(column, names[k].column, strlen(names[k].column));
    return false;
}

/* The member that a column fills; NULL: none. */
static const char *member_of(const struct records *r, const char *column)
{
    for (size_t k = 0; k < TM_COUNTOF(names); k++)
        if (is_column_of(r, column, names[k].member))
            return names[k].member;
    return NULL;
}

static bool is_payload(const char *member)
{
    return strcmp(member, "text") == 0 || strcmp(member, "html") == 0;
}

/* Notes what every column fills; false: no payload is among it, or no memory. */
static bool note_members(struct records *r)
{
    bool payload = false;
    for (size_t i = 0; i < r->n_columns; i++) {
        const char *member = member_of(r, column_name(r, i));
        tm_buf_append(&r->members, &member, sizeof member);
        payload |= member != NULL && is_payload(member);
    }
    return payload;
}

static enum tm_status read_header(struct records *r, struct tm_err *err)
{
    static const char delimiters[] = ",;\t|";
    size_t n, used, most = 0;
    enum tm_status s = record(r, HEADER_MOST, &n, &used, err);
    if (s != TM_OK)
        return s;
    const char *line = used == 0 ? "" : window_data(&r->window);
    size_t mark = n >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    for (const char *d = delimiters; *d != '\0'; d++) {
        size_t count = 0;
        for (size_t i = mark; i < n; i++)
            count += line[i] == *d;
        if (count > most || r->delimiter == '\0') {
            most = count;
            r->delimiter = *d;
        }
    }
    for (size_t i = mark; i < n && r->n_columns < COLUMNS_MOST; r->n_columns++) {
        i += field(line + i, n - i, r->delimiter, &r->columns);
        tm_buf_append(&r->columns, "", 1);
    }
    window_use(&r->window, used);
    bool payload = note_members(r);
    if (r->columns.failed || r->members.failed)
        return tm_err_set(err, TM_NOMEM, "CSV: no memory for the columns");
    return payload ? TM_OK
                   : tm_err_set(err, TM_BADINPUT,
                                "CSV: no column of the first line is called text, body, "
                                "content or html, nor as clean.fields says");
}

static enum jsonl_result make_document(struct records *r, const char *line, size_t n, uint64_t end)
{
    bool payload = false;
    records_begin(r);
    for (size_t i = 0, column = 0; i < n && column < r->n_columns; column++) {
        const char *member = ((const char **)r->members.data)[column];
        tm_buf_clear(&r->scratch);
        i += field(line + i, n - i, r->delimiter, &r->scratch);
        if (member == NULL || r->scratch.len == 0 || (is_payload(member) && payload))
            continue;
        payload |= is_payload(member);
        records_put(r, member, r->scratch.data, r->scratch.len);
    }
    return payload ? records_end(r, end) : records_bad(r, end, TM_EMPTY, "its text is empty");
}

enum jsonl_result csv_next(struct records *r, size_t *budget, struct tm_err *err)
{
    size_t n = 0, used = 0;
    enum tm_status s = r->n_columns == 0 ? read_header(r, err) : TM_OK;
    while (s == TM_OK && (s = record(r, r->cap, &n, &used, err)) == TM_OK && used > 0 && n == 0)
        window_use(&r->window, used); /* blank lines */
    if (s != TM_OK) {
        r->number++;
        return JSONL_ERROR;
    }
    if (used == 0)
        return JSONL_END;
    *budget -= TM_MIN(*budget, used);
    r->number++;
    enum jsonl_result got = make_document(r, window_data(&r->window), n, r->window.offset + used);
    window_use(&r->window, used);
    return got;
}
