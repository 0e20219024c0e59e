/* Plain text, and telling text, markup and binary data apart. Called by clean.c on any thread. */
#include "text.h"

#include <string.h>
#include <strings.h>

enum {
    CONTROLS_FEW = 8,    /* a slip, in however short a text */
    HEADLINE_MOST = 120, /* bytes */
    WRAP_LEAST = 50,     /* code points of a line */
    WRAP_MOST = 100,
};

/* ---- plain text --------------------------------------------------------------------------------
 */

/* Length of the line at s without its end; *next: where the following line begins. */
static size_t line_length(const char *s, size_t n, size_t *next)
{
    const char *end = memchr(s, '\n', n);
    size_t len = end == NULL ? n : (size_t)(end - s);
    *next = len + (end != NULL);
    return len;
}

static bool is_blank_line(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r' && s[i] != '\f' && s[i] != '\v')
            return false;
    return true;
}

/* A first paragraph that reads like the title over what follows: one short line that does not end
 * as a sentence or a salutation does. */
static bool is_headline(const char *s, size_t n)
{
    while (n > 0 && (unsigned char)s[n - 1] <= ' ')
        n--;
    return n > 0 && n <= HEADLINE_MOST && memchr(s, '\n', n) == NULL &&
           strchr(".,:;!?", s[n - 1]) == NULL;
}

/* ---- hard-wrapped text -------------------------------------------------------------------------
 */

/* Code points of the widest line that has several words, where all fit into a page of mail or of a
 * terminal; 0: the lines are not cut at a width. */
static size_t wrap_width(const char *s, size_t n)
{
    size_t width = 0;
    for (size_t i = 0, next; i < n; i += next) {
        size_t len = line_length(s + i, n - i, &next);
        if (memchr(s + i, ' ', len) != NULL)
            width = TM_MAX(width, tm_utf8_count(s + i, len - (len > 0 && s[i + len - 1] == '\r')));
        if (width > WRAP_MOST)
            return 0;
    }
    return width < WRAP_LEAST ? 0 : width;
}

/* Quotes, list items, indented lines: their ends are meant. */
static bool begins_plainly(const char *s, size_t n)
{
    size_t digits = 0;
    while (digits < n && s[digits] >= '0' && s[digits] <= '9')
        digits++;
    return n > 0 && strchr(" \t>-*+|#=_", s[0]) == NULL &&
           !(digits > 0 && digits < n && strchr(".)", s[digits]) != NULL);
}

/* Whether each line of a paragraph ends where the next word would not have fitted. */
static bool is_wrapped(const char *s, size_t n, size_t width)
{
    size_t lines = 0, before = 0; /* code points of the line before */
    for (size_t i = 0, next; i < n; i += next, lines++) {
        size_t len = line_length(s + i, n - i, &next), word = 0;
        len -= len > 0 && s[i + len - 1] == '\r';
        while (word < len && s[i + word] != ' ')
            word++;
        if (!begins_plainly(s + i, len) || (lines == 0 && word == len) ||
            (lines > 0 && before + 1 + tm_utf8_count(s + i, word) <= width))
            return false;
        before = tm_utf8_count(s + i, len);
    }
    return lines > 1;
}

void tm_text_write(struct tm_writer *w, const char *s, size_t n, bool prose)
{
    const size_t width = prose ? wrap_width(s, n) : 0;
    bool headline = prose;
    size_t start = 0; /* of the paragraph */
    for (size_t i = 0; i < n;) {
        size_t next, len = line_length(s + i, n - i, &next);
        bool blank = is_blank_line(s + i, len), last = i + next == n;
        size_t end = blank ? i : i + next;
        if ((blank || last) && end > start) {
            headline = headline && !last && is_headline(s + start, end - start);
            bool wrapped = width > 0 && is_wrapped(s + start, end - start, width);
            tm_writer_begin(w, headline ? TM_BLOCK_HEADING : TM_BLOCK_P,
                            wrapped ? TM_WRITER_FLOW : TM_WRITER_LINES, UINT32_MAX);
            tm_writer_put(w, s + start, end - start, (uint32_t)start, (uint32_t)end, true);
            tm_writer_end(w);
            headline = false; /* the first paragraph alone */
        }
        i += next;
        if (blank)
            start = i;
    }
}

/* ---- what it is --------------------------------------------------------------------------------
 */

static const struct {
    const char *end;
    enum tm_sniffed is;
} extensions[] = {
    {".html", TM_SNIFFED_HTML},  {".htm", TM_SNIFFED_HTML},  {".xhtml", TM_SNIFFED_HTML},
    {".shtml", TM_SNIFFED_HTML}, {".xml", TM_SNIFFED_XML},   {".nitf", TM_SNIFFED_XML},
    {".txt", TM_SNIFFED_TEXT},   {".text", TM_SNIFFED_TEXT}, {".md", TM_SNIFFED_TEXT},
};

static const char *const first_tags[] = {
    "html",   "head",       "body",    "title", "meta",   "link",
    "script", "style",      "div",     "p",     "h1",     "h2",
    "h3",     "article",    "section", "main",  "header", "nav",
    "table",  "ul",         "ol",      "span",  "a",      "br",
    "img",    "blockquote", "b",       "i",     "em",     "strong",
    "font",   "center",     "form",    "pre",   "figure", "!doctype html",
};

/* Past white space and comments. */
static size_t first_markup(const char *s, size_t n)
{
    size_t i = 0;
    for (;;) {
        while (i < n && (unsigned char)s[i] <= ' ')
            i++;
        if (n - i < 4 || memcmp(s + i, "<!--", 4) != 0)
            return i;
        const char *end = memmem(s + i, n - i, "-->", 3);
        if (end == NULL)
            return i;
        i = (size_t)(end - s) + 3;
    }
}

static bool begins_tag(const char *s, size_t n, const char *name)
{
    size_t m = strlen(name);
    return n > m + 1 && s[0] == '<' && strncasecmp(s + 1, name, m) == 0 &&
           strchr(" \t\r\n>/", s[m + 1]) != NULL;
}

static enum tm_sniffed look(const char *s, size_t n)
{
    size_t at = first_markup(s, n);
    s += at, n -= at;
    if (n > 5 && memcmp(s, "<?xml", 5) == 0) {
        const char *html = memmem(s, TM_MIN(n, (size_t)1024), "<html", 5);
        const char *doctype = memmem(s, TM_MIN(n, (size_t)1024), "<!DOCTYPE html", 14);
        return html != NULL || doctype != NULL ? TM_SNIFFED_HTML : TM_SNIFFED_XML;
    }
    for (size_t i = 0; i < TM_COUNTOF(first_tags); i++)
        if (begins_tag(s, n, first_tags[i]))
            return TM_SNIFFED_HTML;
    return TM_SNIFFED_TEXT;
}

enum tm_sniffed tm_text_sniff(const char *s, size_t n, const char *path, const char *content_type)
{
    if (content_type != NULL) {
        if (strcasestr(content_type, "html") != NULL)
            return TM_SNIFFED_HTML;
        if (strcasestr(content_type, "xml") != NULL)
            return TM_SNIFFED_XML;
        if (strncasecmp(content_type, "text/", 5) == 0)
            return TM_SNIFFED_TEXT;
    }
    for (size_t i = 0; path != NULL && i < TM_COUNTOF(extensions); i++) {
        if (!tm_name_ends(path, strlen(path), extensions[i].end))
            continue;
        /* .xml may well be XHTML; the others mean what they say */
        return extensions[i].is == TM_SNIFFED_XML && look(s, n) == TM_SNIFFED_HTML
                   ? TM_SNIFFED_HTML
                   : extensions[i].is;
    }
    return look(s, n);
}

static const struct {
    const char *bytes;
    size_t n;
    const char *what;
} magics[] = {
    {"%PDF-", 5, "a PDF file"},
    {"PK\3\4", 4, "a zip archive or office file"},
    {"\x89PNG", 4, "a PNG image"},
    {"\xff\xd8\xff", 3, "a JPEG image"},
    {"GIF8", 4, "a GIF image"},
    {"\x1f\x8b\x08", 3, "a gzip file"},
    {"\x7f"
     "ELF",
     4, "a program"},
    {"\xd0\xcf\x11\xe0", 4, "an old office file"},
    {"{\\rtf", 5, "an RTF file"},
    {"\x28\xb5\x2f\xfd", 4, "a zstd file"},
    {"BZh", 3, "a bzip2 file"},
    {"\xfd"
     "7zXZ",
     5, "an xz file"},
};

const char *tm_text_binary_magic(const char *data, size_t n)
{
    for (size_t i = 0; i < TM_COUNTOF(magics); i++)
        if (n >= magics[i].n && memcmp(data, magics[i].bytes, magics[i].n) == 0)
            return magics[i].what;
    return NULL;
}

bool tm_text_is_binary(const char *decoded, size_t n, uint32_t replaced)
{
    size_t controls = 0, seen = TM_MIN(n, (size_t)65536);
    for (size_t i = 0; i < seen; i++) {
        unsigned char c = (unsigned char)decoded[i];
        controls += c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1b;
    }
    /* Each replacement is three bytes, and stands for at least one. */
    return (controls > CONTROLS_FEW && controls * 50 > seen) ||
           (replaced > CONTROLS_FEW && (uint64_t)replaced * 10 > n);
}
