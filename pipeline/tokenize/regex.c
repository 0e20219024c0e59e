/* Regular expressions on cells, by PCRE2 with 32-bit characters, so that a match's offsets are
 * those of cells (regex.h).
 *
 * Compiled on the loading thread; matched by every encoding thread, each with its own match data.
 * The pattern comes with a model and is trusted with no more than the limits below. */
#include "regex.h"
#include "tm_tokenizer.h"
#define PCRE2_CODE_UNIT_WIDTH 32
#include <pcre2.h>
#include <string.h>

enum { STEPS_MOST = 10 * 1000 * 1000, HEAP_MOST_KIB = 64 << 10, PATTERN_MOST = 1 << 16 };

struct regex {
    pcre2_code *code;
    pcre2_match_context *limits;
};

static void finish(void *arg)
{
    struct regex *r = arg;
    pcre2_code_free(r->code);
    pcre2_match_context_free(r->limits);
}

static enum tm_status compile(struct regex *r, const struct tm_buf *text, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf wide = {0};
    for (size_t i = 0; i < text->len;) {
        uint32_t cp;
        size_t len = tm_utf8_decode(text->data + i, text->len - i, &cp);
        if (len == 0 || !tm_buf_append(&wide, &cp, sizeof cp))
            return tm_err_set(err, TM_NOMEM, "no memory for a pattern");
        i += len;
    }
    int code = 0;
    PCRE2_SIZE at = 0;
    r->code = pcre2_compile((PCRE2_SPTR)(void *)wide.data, wide.len / sizeof(uint32_t),
                            PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                            &code, &at, NULL);
    if (r->code == NULL)
        return tm_err_set(err, TM_UNSUPPORTED,
                          "pattern \"%.80s\" is not supported (PCRE2 error %d at character %zu)",
                          text->data, code, (size_t)at);
    r->limits = pcre2_match_context_create(NULL);
    if (r->limits == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for a pattern");
    pcre2_set_match_limit(r->limits, STEPS_MOST);
    pcre2_set_heap_limit(r->limits, HEAP_MOST_KIB);
    pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* without it, matching is only slower */
    return TM_OK;
}

enum tm_status tok_regex_compile(struct str pattern, struct tm_arena *arena,
                                 struct regex **ret_regex, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    if (pattern.n > PATTERN_MOST)
        return tm_err_set(err, TM_TOOLARGE, "a pattern of %zu bytes", pattern.n);
    enum tm_status s = tok_regex_rewrite(pattern, &text, err);
    if (s != TM_OK)
        return s;
    struct regex *r = tm_arena_alloc(arena, sizeof *r);
    if (r == NULL || !tm_arena_cleanup(arena, finish, r))
        return tm_err_set(err, TM_NOMEM, "no memory for a pattern");
    s = compile(r, &text, err);
    if (s == TM_OK)
        *ret_regex = r;
    return s;
}

void tok_regex_finish(void *match)
{
    pcre2_match_data_free(match);
}

static bool put(struct tm_buf *out, size_t begin, size_t end, bool match)
{
    struct stretch s = {(uint32_t)begin, (uint32_t)end, match};
    return tm_buf_append(out, &s, sizeof s);
}

static enum tm_status search(const struct regex *r, struct tm_encoding *e, size_t n, size_t from,
                             bool *ret_found, struct tm_err *err)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)(void *)e->scratch[SCRATCH_SUBJECT].data;
    int rc = pcre2_match(r->code, subject, n, from, PCRE2_NO_UTF_CHECK, e->match, r->limits);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(r->code, subject, n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, e->match,
                         r->limits);
    *ret_found = rc >= 0;
    if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH)
        return TM_OK;
    if (rc == PCRE2_ERROR_NOMEMORY)
        return tm_err_set(err, TM_NOMEM, "no memory to match a pattern");
    return tm_err_set(err, TM_TOOLARGE, "the tokenizer's pattern needs too many steps (PCRE2 %d)",
                      rc);
}

/* Empty matches count, but not right after another match, as in the onig crate. */
static enum tm_status cut(const struct regex *r, struct tm_encoding *e, size_t n, uint32_t base,
                          struct tm_err *err)
{
    struct tm_buf *out = &e->scratch[SCRATCH_MATCHES];
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(e->match);
    size_t before = 0, last = SIZE_MAX;
    bool ok = true;
    for (size_t from = 0; from <= n && ok;) {
        bool found;
        enum tm_status s = search(r, e, n, from, &found, err);
        if (s != TM_OK)
            return s;
        if (!found)
            break;
        size_t begin = ends[0], end = ends[1];
        if (end < begin) /* \K in a look-ahead */
            return tm_err_set(err, TM_UNSUPPORTED, "the tokenizer's pattern matches backwards");
        if (begin == end && end == last) {
            from++;
            continue;
        }
        ok = (before == begin || put(out, base + before, base + begin, false)) &&
             put(out, base + begin, base + end, true);
        before = last = from = end;
    }
    if (ok && before < n)
        ok = put(out, base + before, base + n, false);
    return ok ? TM_OK : tm_err_set(err, TM_NOMEM, "no memory to match a pattern");
}

enum tm_status tok_regex_cut(const struct regex *r, struct tm_encoding *e, const struct cell *c,
                             uint32_t begin, uint32_t end, const struct stretch **ret,
                             size_t *ret_n, struct tm_err *err)
{
    struct tm_buf *subject = &e->scratch[SCRATCH_SUBJECT], *out = &e->scratch[SCRATCH_MATCHES];
    size_t n = end - begin;
    subject->len = out->len = 0;
    if (e->match == NULL)
        e->match = pcre2_match_data_create(1, NULL);
    if (e->match == NULL || !tm_buf_reserve(subject, (n + 1) * sizeof(uint32_t)))
        return tm_err_set(err, TM_NOMEM, "no memory to match a pattern");
    uint32_t *cps = (void *)subject->data;
    for (size_t i = 0; i < n; i++)
        cps[i] = c[begin + i].cp;
    enum tm_status s = cut(r, e, n, begin, err);
    *ret = (const void *)out->data;
    *ret_n = out->len / sizeof(struct stretch);
    return s;
}
