/* Patterns in Oniguruma's Ruby dialect, as tokenizer.json has them, to PCRE2's.
 *
 * Called when a tokenizer is opened. What differs: names of properties, \w \b \h \v \u, (?m),
 * repeated intervals ({2}+ is a repeat, not possessive), {,n}, and classes within classes. A class
 * becomes one class again where it can, else an alternative of classes. */
#include "regex.h"
#include <string.h>

enum { CLASS_DEPTH = 8, GROUP_DEPTH = 64 };

#define WORD  "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
#define HEX   "0-9a-fA-F"
#define BOUND "(?<=[" WORD "])(?![" WORD "])|(?<![" WORD "])(?=[" WORD "])"
#define INNER "(?<=[" WORD "])(?=[" WORD "])|(?<![" WORD "])(?![" WORD "])"

struct rewriter {
    const char *p, *end;
    struct tm_buf *out;
    struct tm_err *err;
    size_t atom;                /* where the last atom begins in out */
    size_t groups[GROUP_DEPTH]; /* where open groups begin */
    unsigned n_groups;
};

static enum tm_status refuse(struct rewriter *r, const char *what)
{
    return tm_err_set(r->err, TM_UNSUPPORTED, "pattern with %s is not supported", what);
}

/* Properties whose names PCRE2 10.42 does not have. */
static const char *const names[][2] = {
    {"Letter", "\\p{L}"},
    {"Cased_Letter", "\\p{L&}"},
    {"Uppercase_Letter", "\\p{Lu}"},
    {"Lowercase_Letter", "\\p{Ll}"},
    {"Titlecase_Letter", "\\p{Lt}"},
    {"Modifier_Letter", "\\p{Lm}"},
    {"Other_Letter", "\\p{Lo}"},
    {"Mark", "\\p{M}"},
    {"Nonspacing_Mark", "\\p{Mn}"},
    {"Spacing_Mark", "\\p{Mc}"},
    {"Enclosing_Mark", "\\p{Me}"},
    {"Number", "\\p{N}"},
    {"Decimal_Number", "\\p{Nd}"},
    {"Letter_Number", "\\p{Nl}"},
    {"Other_Number", "\\p{No}"},
    {"Punctuation", "\\p{P}"},
    {"Symbol", "\\p{S}"},
    {"Separator", "\\p{Z}"},
    {"Space_Separator", "\\p{Zs}"},
    {"Other", "\\p{C}"},
    {"Control", "\\p{Cc}"},
    {"Alpha", "\\p{Alphabetic}"},
    {"Upper", "\\p{Uppercase}"},
    {"Lower", "\\p{Lowercase}"},
    {"Digit", "\\p{Nd}"},
    {"Punct", "\\p{P}$+<=>^`|~"},
    {"Space", "\\s"},
    {"Alnum", "\\p{Alphabetic}\\p{Nd}"},
    {"XDigit", HEX},
    {"Word", WORD},
    {"W", WORD},
    {"H", HEX},
};

static const char *find_name(const char *s, size_t n)
{
    for (size_t i = 0; i < TM_COUNTOF(names); i++) {
        if (strlen(names[i][0]) == n && strncasecmp(names[i][0], s, n) == 0)
            return names[i][1];
    }
    return NULL;
}

/* An escape, r->p after the backslash. *ret_class: contents of the class that it stands for, with
 * *ret_not; otherwise the escape is written to out. */
static enum tm_status escape(struct rewriter *r, struct tm_buf *out, const char **ret_class,
                             bool *ret_not)
{
    if (r->p == r->end)
        return refuse(r, "a backslash at its end");
    char c = *r->p++;
    *ret_class = NULL;
    *ret_not = c == 'W' || c == 'H' || c == 'P';
    if (c == 'w' || c == 'W') {
        *ret_class = WORD;
    } else if (c == 'h' || c == 'H') {
        *ret_class = HEX;
    } else if (c == 'v') {
        tm_buf_puts(out, "\\x0b");
    } else if (c == 'u') {
        if (r->end - r->p < 4)
            return refuse(r, "\\u without four digits");
        tm_buf_puts(out, "\\x{");
        tm_buf_append(out, r->p, 4);
        tm_buf_putc(out, '}');
        r->p += 4;
    } else if ((c == 'p' || c == 'P') && r->p < r->end && *r->p == '{') {
        const char *close = memchr(r->p, '}', (size_t)(r->end - r->p)), *name = r->p + 1;
        if (close == NULL)
            return refuse(r, "\\p without its end");
        if (name < close && *name == '^') {
            *ret_not = !*ret_not;
            name++;
        }
        *ret_class = find_name(name, (size_t)(close - name));
        if (*ret_class == NULL) {
            tm_buf_puts(out, *ret_not ? "\\P{" : "\\p{");
            tm_buf_append(out, name, (size_t)(close - name) + 1);
        }
        r->p = close + 1;
    } else {
        tm_buf_putc(out, '\\');
        tm_buf_putc(out, c);
    }
    return TM_OK;
}

static enum tm_status rewrite_class(struct rewriter *r, struct tm_buf *out, unsigned depth);

static void class_put(struct tm_buf *out, const struct tm_buf *items, const struct tm_buf *others)
{
    tm_buf_puts(out, others->len > 0 ? "(?:" : "");
    if (items->len > 0) {
        tm_buf_putc(out, '[');
        tm_buf_append(out, items->data, items->len);
        tm_buf_putc(out, ']');
    }
    if (others->len > 0) /* which begin with | */
        tm_buf_append(out, others->data + (items->len == 0), others->len - (items->len == 0));
    tm_buf_puts(out, others->len > 0 ? ")" : "");
}

/* One member of a class. items: what can stand in one class, others: |class for what cannot. */
static enum tm_status class_member(struct rewriter *r, struct tm_buf *items, struct tm_buf *others,
                                   unsigned depth)
{
    const char *text;
    bool negated;
    if (*r->p == '[' && r->end - r->p > 1 && r->p[1] == ':') {
        const char *close = memmem(r->p, (size_t)(r->end - r->p), ":]", 2);
        if (close == NULL)
            return refuse(r, "[: without its end");
        tm_buf_append(items, r->p, (size_t)(close + 2 - r->p));
        r->p = close + 2;
    } else if (*r->p == '[') {
        r->p++;
        TM_CLEANUP(tm_buf_finish) struct tm_buf inner = {0};
        enum tm_status s = rewrite_class(r, &inner, depth + 1);
        if (s != TM_OK)
            return s;
        if (inner.len > 2 && inner.data[0] == '[' && inner.data[1] != '^') {
            tm_buf_append(items, inner.data + 1, inner.len - 2);
        } else {
            tm_buf_putc(others, '|');
            tm_buf_append(others, inner.data, inner.len);
        }
    } else if (*r->p == '\\') {
        r->p++;
        enum tm_status s = escape(r, items, &text, &negated);
        if (s != TM_OK || text == NULL)
            return s;
        if (negated)
            tm_buf_printf(others, "|[^%s]", text);
        else
            tm_buf_puts(items, text);
    } else {
        tm_buf_putc(items, *r->p++);
    }
    return TM_OK;
}

/* A class, r->p after its [: written to out as something that matches one character. */
static enum tm_status rewrite_class(struct rewriter *r, struct tm_buf *out, unsigned depth)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf items = {0};
    TM_CLEANUP(tm_buf_finish) struct tm_buf others = {0};
    TM_CLEANUP(tm_buf_finish) struct tm_buf before = {0}; /* of && */
    bool negated = r->p < r->end && *r->p == '^', first = true;
    if (depth == CLASS_DEPTH)
        return refuse(r, "classes too deep in each other");
    r->p += negated;
    for (;; first = false) {
        if (r->p == r->end)
            return refuse(r, "a class without its end");
        if (*r->p == ']' && !first)
            break;
        if (*r->p == ']') {
            tm_buf_puts(&items, "\\]");
            r->p++;
        } else if (r->end - r->p > 1 && r->p[0] == '&' && r->p[1] == '&') {
            tm_buf_puts(&before, "(?=");
            class_put(&before, &items, &others);
            tm_buf_putc(&before, ')');
            items.len = others.len = 0;
            r->p += 2;
        } else {
            enum tm_status s = class_member(r, &items, &others, depth);
            if (s != TM_OK)
                return s;
        }
    }
    r->p++;
    if (items.len == 0 && others.len == 0)
        return refuse(r, "an empty class");
    if (before.len == 0 && others.len == 0) {
        tm_buf_puts(out, negated ? "[^" : "[");
        tm_buf_append(out, items.data, items.len);
        tm_buf_putc(out, ']');
        return TM_OK;
    }
    tm_buf_puts(out, negated ? "(?:(?!" : "(?:");
    tm_buf_append(out, before.data, before.len);
    class_put(out, &items, &others);
    tm_buf_puts(out, negated ? ")[\\s\\S])" : ")");
    return TM_OK;
}

/* {n,m}, r->p at the brace; false: it is no interval. */
static bool interval(struct rewriter *r)
{
    const char *q = r->p + 1;
    while (q < r->end && ((*q >= '0' && *q <= '9') || *q == ','))
        q++;
    if (q == r->end || *q != '}' || q == r->p + 1)
        return false;
    struct tm_buf *out = r->out;
    bool repeated = q + 1 < r->end && q[1] == '+';
    if (repeated) {
        static const char open[] = "(?:";
        size_t n = sizeof open - 1;
        tm_buf_puts(out, open);
        if (out->failed)
            return true;
        memmove(out->data + r->atom + n, out->data + r->atom, out->len - n - r->atom);
        memcpy(out->data + r->atom, open, n);
    }
    tm_buf_puts(out, r->p[1] == ',' ? "{0" : "{");
    tm_buf_append(out, r->p + 1, (size_t)(q - r->p));
    tm_buf_puts(out, repeated ? ")" : "");
    r->p = q + 1;
    return true;
}

/* ( and what makes it special; Ruby's m is PCRE2's s. */
static enum tm_status group(struct rewriter *r)
{
    if (r->n_groups == GROUP_DEPTH)
        return refuse(r, "groups too deep in each other");
    r->groups[r->n_groups++] = r->out->len;
    tm_buf_putc(r->out, *r->p++);
    if (r->end - r->p < 2 || r->p[0] != '?' || strchr("imx-", r->p[1]) == NULL)
        return TM_OK;
    while (r->p < r->end && *r->p != ')' && *r->p != ':') {
        tm_buf_putc(r->out, (char)(*r->p == 'm' ? 's' : *r->p));
        r->p++;
    }
    return TM_OK;
}

static enum tm_status outer_escape(struct rewriter *r)
{
    const char *text;
    bool negated;
    r->p++;
    if (r->p < r->end && (*r->p == 'b' || *r->p == 'B')) {
        tm_buf_printf(r->out, "(?:%s)", *r->p++ == 'b' ? BOUND : INNER);
        return TM_OK;
    }
    enum tm_status s = escape(r, r->out, &text, &negated);
    if (s == TM_OK && text != NULL)
        tm_buf_printf(r->out, "[%s%s]", negated ? "^" : "", text);
    return s;
}

enum tm_status tok_regex_rewrite(struct str pattern, struct tm_buf *out, struct tm_err *err)
{
    struct rewriter r = {.p = pattern.s, .end = pattern.s + pattern.n, .out = out, .err = err};
    enum tm_status s = TM_OK;
    while (r.p < r.end && s == TM_OK) {
        char c = *r.p;
        if (c == '{' && interval(&r))
            continue;
        if (strchr("*+?|", c) != NULL && c != '\0') {
            tm_buf_putc(out, *r.p++);
            continue;
        }
        if (c == ')' && r.n_groups > 0) {
            r.atom = r.groups[--r.n_groups];
            tm_buf_putc(out, *r.p++);
            continue;
        }
        if (((unsigned char)c & 0xc0) != 0x80)
            r.atom = out->len;
        if (c == '(')
            s = group(&r);
        else if (c == '[') {
            r.p++;
            s = rewrite_class(&r, out, 0);
        } else if (c == '\\')
            s = outer_escape(&r);
        else
            tm_buf_putc(out, *r.p++);
    }
    if (s == TM_OK && out->failed)
        s = tm_err_set(err, TM_NOMEM, "no memory for a pattern");
    return s;
}
