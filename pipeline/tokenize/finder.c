/* Finding a text or a pattern in cells (finder.h).
 *
 * Read on the loading thread; used by every encoding thread. Patterns that many models have are
 * found without PCRE2. */
#include "finder.h"
#include "tm_tokenizer.h"
#include "unicode.h"
#include <string.h>

static bool put(struct tm_buf *out, uint32_t begin, uint32_t end, bool match)
{
    struct stretch s = {begin, end, match};
    return begin == end || tm_buf_append(out, &s, sizeof s);
}

/* Length of the match at c[i]; 0: there is none. */
static uint32_t match_at(const struct finder *f, const struct cell *c, uint32_t i, uint32_t end)
{
    uint32_t n = 0;
    if (f->scan != NULL)
        return f->scan(c, i, end) - i;
    if (f->spaces == 1) {
        while (i + n < end && uni_is(c[i + n].cp, UNI_SPACE))
            n++;
    } else if (f->spaces == 2) {
        while (i + n < end && c[i + n].cp == ' ')
            n++;
        return n >= 2 ? n : 0;
    } else if (f->n > 0 && f->n <= end - i) {
        while (n < f->n && c[i + n].cp == f->text[n])
            n++;
        return n == f->n ? n : 0;
    }
    return n;
}

bool tok_finder_cut(const struct finder *f, struct cells *x, uint32_t begin, uint32_t end,
                    const struct stretch **ret, size_t *ret_n)
{
    const struct cell *c = cells_of(x->now);
    if (f->regex != NULL) {
        x->status = tok_regex_cut(f->regex, x->e, c, begin, end, ret, ret_n, x->err);
        return x->status == TM_OK;
    }
    struct tm_buf *out = &x->e->scratch[SCRATCH_MATCHES];
    uint32_t before = begin;
    out->len = 0;
    for (uint32_t i = begin; i < end;) {
        uint32_t n = match_at(f, c, i, end);
        if (n == 0) {
            i++;
            continue;
        }
        if (!put(out, before, i, false) || !put(out, i, i + n, true))
            return false;
        before = i += n;
    }
    if (!put(out, before, end, false))
        return false;
    *ret = (const void *)out->data;
    *ret_n = out->len / sizeof(struct stretch);
    return true;
}

static enum tm_status read_text(struct reader *r, void *base, struct tm_err *err)
{
    struct finder *f = base;
    struct str text;
    enum tm_status s = tok_read_str(r, &text, err);
    if (s != TM_OK)
        return s;
    uint32_t *cps = tm_arena_array(tok_reader_arena(r), text.n + 1, sizeof *cps);
    if (cps == NULL)
        return tm_json_fail(&r->j, TM_NOMEM, err, "no memory for a pattern");
    for (size_t i = 0; i < text.n; f->n++)
        i += TM_MAX(tm_utf8_decode(text.s + i, text.n - i, &cps[f->n]), (size_t)1);
    f->text = cps;
    return TM_OK;
}

static enum tm_status read_regex(struct reader *r, void *base, struct tm_err *err)
{
    struct finder *f = base;
    struct str pattern;
    enum tm_status s = tok_read_str(r, &pattern, err);
    if (s != TM_OK)
        return s;
    f->spaces = strcmp(pattern.s, "\\s+") == 0 ? 1 : strcmp(pattern.s, " {2,}") == 0 ? 2 : 0;
    f->scan = tok_scanner(pattern);
    if (f->spaces != 0 || f->scan != NULL)
        return TM_OK;
    struct tm_err local = {0};
    s = tok_regex_compile(pattern, tok_reader_arena(r), &f->regex, &local);
    return s == TM_OK ? s : tm_json_fail(&r->j, s, err, "%s", local.text);
}

enum tm_status tok_finder_read(struct reader *r, struct finder *f, struct tm_err *err)
{
    static const struct field fields[] = {
        {"String", FIELD_READ, false, 0, NULL, read_text},
        {"Regex", FIELD_READ, false, 0, NULL, read_regex},
        {0},
    };
    enum tm_status s = tok_read_fields(r, "pattern", fields, f, err);
    if (s == TM_OK && f->text == NULL && f->regex == NULL && f->scan == NULL && f->spaces == 0)
        s = tm_json_fail(&r->j, TM_BADINPUT, err, "neither String nor Regex");
    return s;
}
