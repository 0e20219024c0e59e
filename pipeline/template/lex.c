/* A template's text as tokens (template.h), with Jinja's rules of blanks: "-" takes all on its
 * side, a line break after a block goes, and so do blanks before a block that begins its line. */
#include "template.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct lexer {
    struct tm_arena *arena;
    const char *name;
    const char *text;
    size_t n, at;
    struct token *token;
    size_t count, room;
    size_t counted, line_begin; /* lines up to here */
    uint32_t line;
    bool trimmed;    /* the last tag took the line break after it */
    bool line_start; /* what was read last ended a line */
    struct tm_err *err;
};

/* Counts on from the last place asked for: tokens come in order. */
static void place(struct lexer *l, size_t at, uint32_t *line, uint32_t *column)
{
    for (; l->counted < at; l->counted++)
        if (l->text[l->counted] == '\n') {
            l->line++;
            l->line_begin = l->counted + 1;
        }
    *line = l->line + 1;
    *column = (uint32_t)(at - TM_MIN(at, l->line_begin)) + 1;
}

static enum tm_status bad(struct lexer *l, size_t at, const char *what)
{
    uint32_t line, column;
    place(l, at, &line, &column);
    return tm_err_set(l->err, TM_BADINPUT, "%s:%u:%u: %s", l->name, line, column, what);
}

static enum tm_status add(struct lexer *l, size_t at, struct token t)
{
    if (l->count == l->room) {
        size_t room = TM_MAX(2 * l->room, 128);
        struct token *all = tm_arena_array(l->arena, room, sizeof *all);
        if (all == NULL)
            return tm_err_set(l->err, TM_NOMEM, "template %s", l->name);
        if (l->count > 0)
            memcpy(all, l->token, l->count * sizeof *all);
        l->token = all;
        l->room = room;
    }
    place(l, at, &t.line, &t.column);
    l->token[l->count++] = t;
    return TM_OK;
}

static bool starts(const struct lexer *l, const char *s)
{
    size_t n = strlen(s);
    return l->n - l->at >= n && memcmp(l->text + l->at, s, n) == 0;
}

/* ---- text between tags ---- */

static size_t find_tag(const struct lexer *l)
{
    for (size_t i = l->at; i + 1 < l->n; i++)
        if (l->text[i] == '{' && strchr("{%#", l->text[i + 1]) != NULL)
            return i;
    return l->n;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The text up to a tag at `tag`, without the blanks that the tag takes. */
static enum tm_status add_text(struct lexer *l, size_t tag)
{
    size_t from = l->at, end = tag;
    char kind = tag < l->n ? l->text[tag + 1] : '\0';
    char mark = tag + 2 < l->n ? l->text[tag + 2] : '\0';
    if (kind != '\0' && mark == '-') {
        while (end > from && is_blank(l->text[end - 1]))
            end--;
    } else if ((kind == '%' || kind == '#') && mark != '+') {
        size_t line = end;
        while (line > from && l->text[line - 1] != '\n' && is_blank(l->text[line - 1]))
            line--;
        if (line > from ? l->text[line - 1] == '\n' : l->line_start)
            end = line;
    }
    l->line_start = false;
    return end > from
               ? add(l, from, (struct token){.kind = T_TEXT, .s = l->text + from, .n = end - from})
               : TM_OK;
}

/* After a tag's end: "-" takes all blanks, a block or comment its line break. */
static void after_tag(struct lexer *l, char mark, bool trims)
{
    size_t from = l->at;
    if (mark == '-')
        while (l->at < l->n && is_blank(l->text[l->at]))
            l->at++;
    l->trimmed = trims && mark == '\0' && l->at < l->n && l->text[l->at] == '\n';
    l->at += l->trimmed;
    l->line_start = l->at > from && l->text[l->at - 1] == '\n';
}

static char mark_of(char c)
{
    return c == '-' || c == '+' ? c : '\0';
}

static enum tm_status skip_comment(struct lexer *l)
{
    size_t begin = l->at;
    const char *end = memmem(l->text + l->at + 2, l->n - l->at - 2, "#}", 2);
    if (end == NULL)
        return bad(l, begin, "a comment without its #}");
    l->at = (size_t)(end - l->text) + 2;
    after_tag(l, mark_of(end[-1]), true);
    return TM_OK;
}

/* ---- inside tags ---- */

static int hex(const char *s, size_t n, int digits, uint32_t *ret)
{
    *ret = 0;
    for (int i = 0; i < digits; i++) {
        if ((size_t)i >= n || !isxdigit((unsigned char)s[i]))
            return -1;
        char c = (char)tolower((unsigned char)s[i]);
        *ret = *ret * 16 + (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return 0;
}

/* Python's escapes from `at` (after the backslash) to *out; returns how many bytes were read, 0 for
 * one that is none. */
static size_t escape(const char *s, size_t n, char *out, size_t *len)
{
    static const char from[] = "ntrbfav\\'\"0", to[] = "\n\t\r\b\f\a\v\\'\"";
    const char *simple = n > 0 && s[0] != '\0' ? strchr(from, s[0]) : NULL;
    if (n > 0 && s[0] == '\n') { /* the line goes on */
        *len = 0;
        return 1;
    }
    if (simple != NULL) {
        out[0] = to[simple - from];
        *len = 1;
        return 1;
    }
    uint32_t cp;
    int digits = n > 0 && s[0] == 'x' ? 2 : n > 0 && s[0] == 'u' ? 4 : n > 0 && s[0] == 'U' ? 8 : 0;
    if (digits == 0 || hex(s + 1, n - 1, digits, &cp) != 0 || (*len = tm_utf8_encode(cp, out)) == 0)
        return 0;
    return (size_t)digits + 1;
}

static enum tm_status lex_string(struct lexer *l)
{
    size_t begin = l->at++, end = l->at, len = 0;
    while (end < l->n && l->text[end] != l->text[begin])
        end += l->text[end] == '\\' ? 2 : 1;
    if (end >= l->n)
        return bad(l, begin, "a string without its end");
    char *out = tm_arena_alloc(l->arena, end - l->at + 1);
    if (out == NULL)
        return tm_err_set(l->err, TM_NOMEM, "template %s", l->name);
    for (; l->at < end; l->at++) {
        out[len] = l->text[l->at];
        if (out[len] != '\\') {
            len++;
            continue;
        }
        size_t written = 1;
        size_t read = escape(l->text + l->at + 1, end - l->at - 1, out + len, &written);
        l->at += read;
        len += read > 0 ? written : 1;
    }
    l->at = end + 1;
    return add(l, begin, (struct token){.kind = T_STRING, .s = out, .n = len});
}

static enum tm_status lex_number(struct lexer *l)
{
    size_t begin = l->at;
    char digits[64];
    size_t n = 0;
    bool real = false;
    for (; l->at < l->n && n + 1 < sizeof digits; l->at++) {
        char c = l->text[l->at];
        bool point =
            c == '.' && !real && l->at + 1 < l->n && isdigit((unsigned char)l->text[l->at + 1]);
        bool power = (c == 'e' || c == 'E') && l->at + 1 < l->n &&
                     (isdigit((unsigned char)l->text[l->at + 1]) ||
                      strchr("+-", l->text[l->at + 1]) != NULL);
        bool sign = n > 0 && (c == '+' || c == '-') && strchr("eE", digits[n - 1]) != NULL;
        if (!isdigit((unsigned char)c) && c != '_' && !point && !power && !sign)
            break;
        real |= point || power;
        if (c != '_')
            digits[n++] = c;
    }
    struct token t = {.kind = real ? T_REAL : T_INT};
    if (real ? !tm_json_number_f64(digits, n, &t.r) : !tm_json_number_i64(digits, n, &t.i))
        return bad(l, begin, "a number out of range");
    return add(l, begin, t);
}

static enum tm_status lex_name(struct lexer *l)
{
    size_t begin = l->at;
    while (l->at < l->n && (isalnum((unsigned char)l->text[l->at]) || l->text[l->at] == '_' ||
                            (unsigned char)l->text[l->at] >= 0x80))
        l->at++;
    return add(l, begin, (struct token){.kind = T_NAME, .s = l->text + begin, .n = l->at - begin});
}

static enum tm_status lex_op(struct lexer *l, int *braces)
{
    static const char *const ops[] = {"==", "!=", ">=", "<=", "//", "**", "+", "-", "*",
                                      "/",  "%",  "~",  "(",  ")",  "[",  "]", "{", "}",
                                      ",",  ":",  ".",  "|",  "=",  "<",  ">"};
    for (size_t i = 0; i < TM_COUNTOF(ops); i++)
        if (starts(l, ops[i])) {
            *braces += ops[i][0] == '{' ? 1 : ops[i][0] == '}' ? -1 : 0;
            size_t at = l->at;
            l->at += strlen(ops[i]);
            return add(l, at, (struct token){.kind = T_OP, .s = ops[i], .n = strlen(ops[i])});
        }
    return bad(l, l->at, "a character that means nothing here");
}

/* Up to the end of the tag that has begun at `begin`. */
static enum tm_status lex_tag(struct lexer *l, size_t begin)
{
    bool block = l->text[begin + 1] == '%';
    const char *end = block ? "%}" : "}}";
    int braces = 0;
    enum tm_status s = add(l, begin, (struct token){.kind = block ? T_BLOCK : T_PRINT});
    l->at = begin + 2;
    if (l->at < l->n && strchr("-+", l->text[l->at]) != NULL)
        l->at++;
    while (s == TM_OK) {
        while (l->at < l->n && is_blank(l->text[l->at]))
            l->at++;
        if (l->at == l->n)
            return bad(l, begin, "a tag without its end");
        char c = l->text[l->at];
        bool marked =
            (c == '-' || c == '+') && l->at + 2 < l->n && memcmp(l->text + l->at + 1, end, 2) == 0;
        if (marked || (braces == 0 && starts(l, end))) {
            s = add(l, l->at, (struct token){.kind = block ? T_BLOCK_END : T_PRINT_END});
            l->at += marked ? 3 : 2;
            after_tag(l, marked ? c : '\0', block);
            return s;
        }
        if (c == '"' || c == '\'')
            s = lex_string(l);
        else if (isdigit((unsigned char)c))
            s = lex_number(l);
        else if (isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80)
            s = lex_name(l);
        else
            s = lex_op(l, &braces);
    }
    return s;
}

/* {% raw %} … {% endraw %}: text whatever is in it. The block that has just been read was one. */
static enum tm_status lex_raw(struct lexer *l)
{
    const struct token *t = l->token + l->count;
    if (l->count < 3 || t[-1].kind != T_BLOCK_END || t[-2].kind != T_NAME || t[-2].n != 3 ||
        memcmp(t[-2].s, "raw", 3) != 0 || t[-3].kind != T_BLOCK)
        return TM_OK;
    l->at -= l->trimmed; /* a raw block keeps its first line break */
    size_t begin = l->at;
    l->count -= 3;
    for (size_t i = l->at; i + 1 < l->n; i++) {
        if (l->text[i] != '{' || l->text[i + 1] != '%')
            continue;
        size_t k = i + 2;
        while (k < l->n && (is_blank(l->text[k]) || l->text[k] == '-'))
            k++;
        if (l->n - k < 6 || memcmp(l->text + k, "endraw", 6) != 0)
            continue;
        enum tm_status s = add_text(l, i);
        const char *end = memmem(l->text + k, l->n - k, "%}", 2);
        if (s != TM_OK || end == NULL)
            break;
        l->at = (size_t)(end - l->text) + 2;
        after_tag(l, mark_of(end[-1]), true);
        return TM_OK;
    }
    return bad(l, begin, "a raw block without its endraw");
}

enum tm_status lex(struct tm_arena *arena, const char *name, const char *text, size_t n,
                   struct token **ret, struct tm_err *err)
{
    struct lexer l = {
        .arena = arena, .name = name, .text = text, .n = n, .line_start = true, .err = err};
    if (n > 0 && text[n - 1] == '\n') /* as Jinja without keep_trailing_newline */
        l.n--;
    enum tm_status s = TM_OK;
    while (s == TM_OK && l.at < l.n) {
        size_t tag = find_tag(&l);
        s = add_text(&l, tag);
        l.at = tag;
        if (s == TM_OK && tag < l.n)
            s = text[tag + 1] == '#' ? skip_comment(&l) : lex_tag(&l, tag);
        if (s == TM_OK && tag < l.n && text[tag + 1] == '%')
            s = lex_raw(&l);
    }
    if (s == TM_OK)
        s = add(&l, l.n, (struct token){.kind = T_END});
    *ret = l.token;
    return s;
}
