/* Mail: a file of messages (mbox) or one message (.eml). A message's text/plain part is the
 * document, else its text/html part; attachments are passed over. Called through records.h. */
#include "records.h"

#include <string.h>
#include <strings.h>

enum { LINE_MOST = 1 << 20, PARTS_MOST = 64 };

struct part {
    const char *body;
    size_t len;
    char type[64], charset[64], boundary[128], coding[24];
};

/* ---- words of a head ---------------------------------------------------------------------------
 */

static int hex(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

static void decode_quoted(const char *s, size_t n, bool head, struct tm_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '=' && i + 2 < n + 0 && hex(s[i + 1]) >= 0 && hex(s[i + 2]) >= 0) {
            tm_buf_putc(out, (char)(hex(s[i + 1]) * 16 + hex(s[i + 2])));
            i += 2;
        } else if (s[i] == '=' && !head && i + 1 < n && (s[i + 1] == '\n' || s[i + 1] == '\r')) {
            i += s[i + 1] == '\r' && i + 2 < n && s[i + 2] == '\n' ? 2 : 1;
        } else {
            tm_buf_putc(out, head && s[i] == '_' ? ' ' : s[i]);
        }
    }
}

static void decode_base64(const char *s, size_t n, struct tm_buf *out)
{
    size_t len = 0;
    if (!tm_buf_reserve(out, n / 4 * 3 + 3))
        return;
    tm_base64_decode(s, n, true, out->data + out->len, &len);
    out->len += len;
    out->data[out->len] = '\0';
}

/* "=?utf-8?Q?caf=C3=A9?=" as what it says. Of other charsets only the ASCII is sure to be right, so
 * those words stay as they are. */
static void decode_words(const char *s, size_t n, struct tm_buf *out)
{
    tm_buf_clear(out);
    for (size_t i = 0; i < n; i++) {
        const char *charset = s + i + 2, *end = s + n;
        const char *q =
            i + 1 < n && s[i] == '=' && s[i + 1] == '?' ? memchr(charset, '?', n - i - 2) : NULL;
        const char *text = q != NULL && q + 2 < end && q[2] == '?' ? q + 3 : NULL;
        const char *stop = text == NULL ? NULL : memmem(text, (size_t)(end - text), "?=", 2);
        size_t len = q == NULL ? 0 : (size_t)(q - charset);
        bool known = (len == 5 && strncasecmp(charset, "utf-8", 5) == 0) ||
                     (len == 8 && strncasecmp(charset, "us-ascii", 8) == 0);
        if (stop == NULL || !known) {
            if (s[i] != '\r' && s[i] != '\n')
                tm_buf_putc(out, s[i]);
            continue;
        }
        if ((q[1] | 32) == 'b')
            decode_base64(text, (size_t)(stop - text), out);
        else
            decode_quoted(text, (size_t)(stop - text), true, out);
        i = (size_t)(stop - s) + 1;
        size_t gap = i + 1; /* blanks between two such words are none */
        while (gap < n && strchr(" \t\r\n", s[gap]) != NULL)
            gap++;
        if (gap + 1 < n && s[gap] == '=' && s[gap + 1] == '?')
            i = gap - 1;
    }
}

/* The value of a field in a head, its continuation lines included; NULL: not there. */
static const char *find_field(const char *head, size_t n, const char *name, size_t *ret_len)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < n;) {
        const char *end = memchr(head + i, '\n', n - i);
        size_t next = end == NULL ? n : (size_t)(end - head) + 1;
        while (next < n && (head[next] == ' ' || head[next] == '\t')) {
            end = memchr(head + next, '\n', n - next);
            next = end == NULL ? n : (size_t)(end - head) + 1;
        }
        if (next - i > len && head[i + len] == ':' && strncasecmp(head + i, name, len) == 0) {
            size_t from = i + len + 1;
            while (from < next && (head[from] == ' ' || head[from] == '\t'))
                from++;
            while (next > from && (head[next - 1] == '\n' || head[next - 1] == '\r'))
                next--;
            *ret_len = next - from;
            return head + from;
        }
        i = next;
    }
    return NULL;
}

/* A parameter of Content-Type: "charset", "boundary". */
static void parameter(const char *s, size_t n, const char *name, char *out, size_t room)
{
    size_t len = strlen(name), k = 0;
    out[0] = '\0';
    for (size_t i = 0; s != NULL && i + len + 1 < n; i++) {
        if (strncasecmp(s + i, name, len) != 0 || s[i + len] != '=' ||
            (i > 0 && strchr("; \t\r\n", s[i - 1]) == NULL))
            continue;
        i += len + 1;
        bool quoted = s[i] == '"';
        for (i += quoted;
             i < n && k + 1 < room && (quoted ? s[i] != '"' : strchr("; \t\r\n", s[i]) == NULL);
             i++)
            out[k++] = s[i];
        out[k] = '\0';
        return;
    }
}

static void token(const char *s, size_t n, char *out, size_t room)
{
    size_t k = 0;
    for (size_t i = 0; s != NULL && i < n && k + 1 < room && strchr("; \t\r\n", s[i]) == NULL; i++)
        out[k++] = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i]);
    out[k] = '\0';
}

/* ---- parts -------------------------------------------------------------------------------------
 */

/* Where the head ends and the body begins. */
static size_t head_length(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        const char *end = memchr(s + i, '\n', n - i);
        size_t next = end == NULL ? n : (size_t)(end - s) + 1;
        if (next - i <= 2 && (s[i] == '\n' || s[i] == '\r'))
            return next;
        i = next;
    }
    return n;
}

static void read_part(const char *s, size_t n, struct part *p)
{
    size_t head = head_length(s, n), len = 0;
    const char *type = find_field(s, head, "Content-Type", &len);
    *p = (struct part){.body = s + head, .len = n - head};
    token(type, len, p->type, sizeof p->type);
    parameter(type, len, "charset", p->charset, sizeof p->charset);
    parameter(type, len, "boundary", p->boundary, sizeof p->boundary);
    if (p->type[0] == '\0')
        memcpy(p->type, "text/plain", sizeof "text/plain");
    const char *coding = find_field(s, head, "Content-Transfer-Encoding", &len);
    token(coding, len, p->coding, sizeof p->coding);
    const char *disposition = find_field(s, head, "Content-Disposition", &len);
    if (disposition != NULL && strncasecmp(disposition, "attachment", TM_MIN(len, (size_t)10)) == 0)
        p->type[0] = '\0';
}

/* The next stretch between boundaries at or after s; NULL: none. */
static const char *next_part(const char *s, const char *end, const char *boundary, size_t *ret_len)
{
    size_t n = strlen(boundary);
    const char *from = NULL;
    while (s < end) {
        const char *line = memchr(s, '\n', (size_t)(end - s));
        const char *next = line == NULL ? end : line + 1;
        bool mark = (size_t)(next - s) >= n + 2 && s[0] == '-' && s[1] == '-' &&
                    memcmp(s + 2, boundary, n) == 0;
        bool last = mark && (size_t)(next - s) >= n + 4 && s[n + 2] == '-' && s[n + 3] == '-';
        if (last && from == NULL)
            break;
        if (mark && from != NULL) {
            *ret_len = (size_t)(s - from);
            return from;
        }
        if (mark)
            from = next;
        s = next;
    }
    *ret_len = from == NULL ? 0 : (size_t)(end - from);
    return from;
}

/* Looks through a message's parts, nested ones too, for the text. */
static bool find_text(const char *s, size_t n, struct part *ret)
{
    struct {
        const char *s;
        size_t n;
    } todo[PARTS_MOST] = {{s, n}};
    size_t count = 1;
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        struct part p;
        read_part(todo[i].s, todo[i].n, &p);
        bool plain = strcmp(p.type, "text/plain") == 0, html = strcmp(p.type, "text/html") == 0;
        if (plain || (html && !found)) {
            *ret = p;
            found = true;
        }
        if (plain)
            return true;
        size_t len;
        const char *at = p.body, *end = p.body + p.len;
        while (strncmp(p.type, "multipart/", 10) == 0 && p.boundary[0] != '\0' &&
               count < PARTS_MOST && (at = next_part(at, end, p.boundary, &len)) != NULL &&
               len > 0) {
            todo[count].s = at;
            todo[count++].n = len;
            at += len;
        }
    }
    return found;
}

/* ---- messages ----------------------------------------------------------------------------------
 */

static void put_head(struct records *r, const char *key, const char *s, size_t head,
                     const char *name)
{
    size_t n = 0;
    const char *value = find_field(s, head, name, &n);
    if (value == NULL)
        return;
    decode_words(value, n, &r->scratch);
    const char *v = r->scratch.data == NULL ? "" : r->scratch.data;
    size_t len = r->scratch.len;
    const char *address = strcmp(key, "author") == 0 ? memchr(v, '<', len) : NULL;
    if (address != NULL && address > v) { /* "Kim Olsen <kim@example.org>" */
        len = (size_t)(address - v);
        while (len > 0 && strchr(" \t\"", v[len - 1]) != NULL)
            len--;
        while (len > 0 && *v == '"')
            v++, len--;
    }
    if (strcmp(key, "id") == 0 && len > 2 && v[0] == '<' && v[len - 1] == '>')
        v++, len -= 2;
    if (tm_utf8_valid(v, len) == len)
        records_put(r, key, v, len);
}

static enum jsonl_result make_document(struct records *r, const char *s, size_t n, uint64_t end)
{
    struct part p;
    size_t head = head_length(s, n);
    if (!find_text(s, n, &p))
        return records_bad(r, end, TM_EMPTY, "the message has no text");
    records_begin(r);
    put_head(r, "id", s, head, "Message-ID");
    put_head(r, "title", s, head, "Subject");
    put_head(r, "author", s, head, "From");
    put_head(r, "published_at", s, head, "Date");
    tm_buf_clear(&r->body);
    if (strcmp(p.coding, "base64") == 0)
        decode_base64(p.body, p.len, &r->body);
    else if (strcmp(p.coding, "quoted-printable") == 0)
        decode_quoted(p.body, p.len, false, &r->body);
    else
        tm_buf_append(&r->body, p.body, p.len);
    records_put_body(r, r->body.data == NULL ? "" : r->body.data, r->body.len, p.type,
                     p.charset[0] == '\0' ? NULL : p.charset);
    return records_end(r, end);
}

static bool is_from_line(const char *s, size_t n)
{
    return n > 5 && memcmp(s, "From ", 5) == 0;
}

enum jsonl_result mail_next(struct records *r, size_t *budget, struct tm_err *err)
{
    struct tm_buf *message = &r->columns; /* unused by mail otherwise */
    size_t n = 0;
    bool first = true, blank = true, too_long = false;
    tm_buf_clear(message);
    for (;; first = false) {
        if (window_line(&r->window, LINE_MOST, &n, err) != TM_OK) {
            r->number++;
            return JSONL_ERROR;
        }
        const char *line = n == 0 ? "" : window_data(&r->window);
        bool from = is_from_line(line, n);
        if (n == 0 || (from && blank && !first))
            break;
        bool quoted = line[0] == '>' &&
                      is_from_line(line + strspn(line, ">"), n - TM_MIN(n, strspn(line, ">")));
        too_long |= message->len + n > r->cap;
        if (!too_long && !(from && first))
            tm_buf_append(message, line + quoted, n - quoted);
        blank = n <= 2 && (line[0] == '\n' || line[0] == '\r');
        window_use(&r->window, n);
        *budget -= TM_MIN(*budget, n);
    }
    if (first)
        return JSONL_END;
    r->number++;
    if (too_long || message->failed)
        return records_bad(r, r->window.offset, TM_TOOLARGE, "the message is too large");
    return make_document(r, message->data == NULL ? "" : message->data, message->len,
                         r->window.offset);
}
