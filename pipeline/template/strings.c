/* Text in templates: what methods and filters share (template.h). Cases are those of ASCII. */
#include "template.h"

#include <ctype.h>
#include <string.h>

/* Is the character at s one of set (NULL: a blank)? */
static bool in_set(const char *s, size_t len, const char *set, size_t n)
{
    if (set == NULL)
        return len == 1 && (*s == ' ' || (*s >= '\t' && *s <= '\r'));
    return memmem(set, n, s, len) != NULL;
}

struct value text_strip(const struct value *v, const char *set, size_t n, bool left, bool right)
{
    const char *s = v->s, *end = v->s + v->n;
    while (left && s < end) {
        uint32_t cp;
        size_t len = TM_MAX(tm_utf8_decode(s, (size_t)(end - s), &cp), 1);
        if (!in_set(s, len, set, n))
            break;
        s += len;
    }
    while (right && end > s) {
        const char *last = end - 1;
        while (last > s && ((unsigned char)*last & 0xc0) == 0x80)
            last--;
        if (!in_set(last, (size_t)(end - last), set, n))
            break;
        end = last;
    }
    return value_string(s, (size_t)(end - s));
}

enum tm_status text_replace(struct render *r, const struct value *v, const struct value *from,
                            const struct value *to, int64_t count, struct value *ret)
{
    if (v->kind != STRING || from->kind != STRING || to->kind != STRING)
        return fail(r, TM_BADINPUT, "replace works on strings");
    TM_CLEANUP(tm_buf_finish) struct tm_buf out = {.cap = MEMORY};
    size_t at = 0;
    while (at < v->n && from->n > 0 && count != 0) {
        const char *found = memmem(v->s + at, v->n - at, from->s, from->n);
        if (found == NULL)
            break;
        tm_buf_append(&out, v->s + at, (size_t)(found - v->s) - at);
        tm_buf_append(&out, to->s, to->n);
        at = (size_t)(found - v->s) + from->n;
        count -= count > 0;
    }
    tm_buf_append(&out, v->s + at, v->n - at);
    return value_of_buf(r, &out, ret);
}

enum tm_status text_case(struct render *r, const struct value *v, enum text_case how,
                         struct value *ret)
{
    enum tm_status s = value_text(r, v, ret);
    char *text = s == TM_OK ? tm_arena_strndup(r->arena, ret->s, ret->n) : NULL;
    if (text == NULL)
        return s == TM_OK ? nomem(r) : s;
    for (size_t i = 0; i < ret->n; i++) {
        bool begins = how == TITLE ? i == 0 || !isalpha((unsigned char)text[i - 1]) : i == 0;
        bool up = how == UPPER || (how >= CAPITAL && begins);
        text[i] = (char)(up ? toupper((unsigned char)text[i]) : tolower((unsigned char)text[i]));
    }
    ret->s = text;
    return TM_OK;
}

enum tm_status text_join(struct render *r, const struct list *l, const struct value *between,
                         struct value *ret)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf out = {.cap = MEMORY};
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0 && between != NULL)
            tm_buf_append(&out, between->s, between->n);
        enum tm_status s = value_print(r, &l->item[i], false, &out, 0);
        if (s != TM_OK)
            return s;
    }
    return value_of_buf(r, &out, ret);
}
