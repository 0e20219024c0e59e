/* Markdown (CommonMark's blocks, and tables) as text: headings, lists, quotes, code and table rows
 * become paragraphs of that kind, the marks of emphasis and of links go, hard-wrapped lines are
 * joined. Called by clean.c on any thread. */
#include "text.h"

#include <string.h>
#include <strings.h>

enum { LINK_MOST = 2048 }; /* bytes that the text of a link, or its address, may have */

struct markdown {
    struct tm_writer *w;
    const char *s; /* the document */
    bool open;     /* a paragraph that the next line may go on */
    bool fenced;
    char fence; /* '`' or '~' */
};

static size_t indent_of(const char *line, size_t n)
{
    size_t i = 0;
    while (i < n && (line[i] == ' ' || line[i] == '\t'))
        i++;
    return i;
}

static void put(struct markdown *m, const char *s, size_t n)
{
    uint32_t from = (uint32_t)(s - m->s);
    tm_writer_put(m->w, s, n, from, from + (uint32_t)n, true);
}

/* Where "](address)" or "][name]" behind a link's text ends; 0: this is no link. */
static size_t link_end(const char *s, size_t n)
{
    if (n < 2 || s[0] != ']' || (s[1] != '(' && s[1] != '['))
        return 0;
    const char *end = memchr(s + 2, s[1] == '(' ? ')' : ']', TM_MIN(n - 2, (size_t)LINK_MOST));
    return end == NULL ? 0 : (size_t)(end - s) + 1;
}

/* Where the text of a link that begins at i ends; n: nowhere near. */
static size_t text_end(const char *s, size_t i, size_t n)
{
    const char *close = memchr(s + i, ']', TM_MIN(n - i, (size_t)LINK_MOST));
    return close == NULL ? n : (size_t)(close - s);
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
           (unsigned char)c >= 0x80;
}

/* A line's text without its marks. */
static void put_inline(struct markdown *m, const char *s, size_t n)
{
    size_t from = 0;
    for (size_t i = 0; i < n;) {
        size_t skip = 0;
        bool escaped = s[i] == '\\' && i + 1 < n && strchr("\\`*_{}[]()#+-.!|<>", s[i + 1]) != NULL;
        bool inside_word = i > 0 && i + 1 < n && is_word(s[i - 1]) && is_word(s[i + 1]);
        bool alone = (i == 0 || s[i - 1] == ' ') && (i + 1 >= n || s[i + 1] == ' ');
        if (escaped)
            skip = 1;
        else if (s[i] == '`' || (s[i] == '*' && !alone) || (s[i] == '_' && !inside_word && !alone))
            skip = 1;
        else if (s[i] == '[' && text_end(s, i, n) < n &&
                 link_end(s + text_end(s, i, n), n - text_end(s, i, n)) > 0)
            skip = 1;
        else if (s[i] == ']')
            skip = link_end(s + i, n - i);
        if (s[i] == '!' && i + 1 < n && s[i + 1] == '[') { /* a picture */
            size_t at = text_end(s, i, n);
            skip = link_end(s + at, n - at) == 0 ? 0 : at - i + link_end(s + at, n - at);
        }
        if (skip == 0) {
            i++;
            continue;
        }
        put(m, s + from, i - from);
        i += skip;
        from = i;
        i += escaped;
    }
    put(m, s + from, n - from);
}

static void begin(struct markdown *m, enum tm_block kind, enum tm_writer_mode mode)
{
    tm_writer_begin(m->w, kind, mode, UINT32_MAX);
    m->open = true;
}

/* Length of a list item's mark: "- ", "* ", "+ ", "1. ", "2) "; 0: none. */
static size_t item_mark(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && i < 9 && s[i] >= '0' && s[i] <= '9')
        i++;
    bool mark =
        i > 0 ? i < n && (s[i] == '.' || s[i] == ')') : n > 0 && strchr("-*+", s[0]) != NULL;
    return mark && i + 1 < n && s[i + 1] == ' ' ? i + 2 : 0;
}

static bool is_rule(const char *s, size_t n)
{
    return n >= 3 &&
           (s[0] == '-' || s[0] == '*' || s[0] == '_' || s[0] == '=' || s[0] == '|' ||
            s[0] == ':') &&
           strspn(s, "-*_=|: ") >= n;
}

static void put_row(struct markdown *m, const char *s, size_t n)
{
    begin(m, TM_BLOCK_TABLE_ROW, TM_WRITER_FLOW);
    for (size_t i = 0; i < n;) {
        size_t from = i;
        while (i < n && !(s[i] == '|' && (i == 0 || s[i - 1] != '\\')))
            i++;
        if (from > 0 && i > from)
            tm_writer_gap(m->w, '\t', (uint32_t)(s + from - m->s));
        put_inline(m, s + from, i - from);
        i++;
    }
    tm_writer_end(m->w);
    m->open = false;
}

static void put_line(struct markdown *m, const char *s, size_t n)
{
    size_t indent = indent_of(s, n), hashes = 0, mark;
    if (n - indent >= 3 && (s[indent] == '`' || s[indent] == '~') && s[indent + 1] == s[indent] &&
        s[indent + 2] == s[indent] && (!m->fenced || m->fence == s[indent])) {
        m->fenced = !m->fenced;
        m->fence = s[indent];
        tm_writer_end(m->w);
        m->open = false;
        if (m->fenced)
            begin(m, TM_BLOCK_CODE, TM_WRITER_CODE);
        return;
    }
    if (m->fenced) {
        put(m, s, n);
        tm_writer_gap(m->w, '\n', (uint32_t)(s + n - m->s));
        return;
    }
    s += indent, n -= indent;
    while (hashes < n && s[hashes] == '#')
        hashes++;
    if (n == 0 || is_rule(s, n)) {
        tm_writer_end(m->w);
        m->open = false;
    } else if (hashes > 0 && hashes <= 6 && hashes < n && s[hashes] == ' ') {
        while (n > hashes && (s[n - 1] == '#' || s[n - 1] == ' '))
            n--;
        begin(m, TM_BLOCK_HEADING, TM_WRITER_FLOW);
        put_inline(m, s + hashes, n - hashes);
        tm_writer_end(m->w);
        m->open = false;
    } else if ((mark = item_mark(s, n)) > 0) {
        begin(m, TM_BLOCK_LI, TM_WRITER_FLOW);
        put_inline(m, s + mark, n - mark);
    } else if (s[0] == '|') {
        put_row(m, s, n);
    } else if (s[0] == '>') {
        if (!m->open || m->w->kind != TM_BLOCK_QUOTE)
            begin(m, TM_BLOCK_QUOTE, TM_WRITER_FLOW);
        else
            tm_writer_gap(m->w, ' ', (uint32_t)(s - m->s));
        put_inline(m, s + 1, n - 1);
    } else {
        if (m->open)
            tm_writer_gap(m->w, ' ', (uint32_t)(s - m->s));
        else
            begin(m, TM_BLOCK_P, TM_WRITER_FLOW);
        put_inline(m, s, n);
    }
}

bool tm_markdown_is(const char *path, const char *content_type)
{
    size_t n = path == NULL ? 0 : strlen(path);
    return tm_name_ends(path, n, ".md") || tm_name_ends(path, n, ".markdown") ||
           (content_type != NULL && strncasecmp(content_type, "text/markdown", 13) == 0);
}

void tm_markdown_write(struct tm_writer *w, const char *s, size_t n)
{
    struct markdown m = {.w = w, .s = s};
    for (size_t i = 0; i < n;) {
        const char *end = memchr(s + i, '\n', n - i);
        size_t len = end == NULL ? n - i : (size_t)(end - s) - i, text = len;
        while (text > 0 && (s[i + text - 1] == '\r' || s[i + text - 1] == ' '))
            text--;
        put_line(&m, s + i, text);
        i += len + 1;
    }
    tm_writer_end(w);
}
