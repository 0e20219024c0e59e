/* The precompiled map (charsmap.h): reading it, looking things up, and the normalizer Precompiled.
 *
 * Read on the loading thread, applied by every encoding thread. */
#include "charsmap.h"
#include "tm_tokenizer.h"
#include "unicode.h"
#include <string.h>

enum { CLUSTER_BYTES = 6, LEAF = 1 << 8 };

/* How many old characters a new one uses up: 1 and -more, or for an added one 0 (more is 1). */
struct change {
    uint32_t cp;
    int32_t more;
};

static uint32_t offset_of(uint32_t unit)
{
    return (unit >> 10) << ((unit & 0x200) >> 6);
}

enum tm_status tok_charsmap_init(struct charsmap *m, struct tm_arena *arena, const char *bytes,
                                 size_t n, struct tm_err *err)
{
    *m = (struct charsmap){0};
    if (n == 0)
        return TM_OK;
    uint32_t size = 0;
    if (n >= sizeof size)
        memcpy(&size, bytes, sizeof size);
    if (size == 0 || size % 4 != 0 || size > n - sizeof size)
        return tm_err_set(err, TM_BADINPUT, "precompiled_charsmap is not a map");
    uint32_t *units = tm_arena_alloc(arena, size);
    m->n_pool = n - sizeof size - size;
    m->pool = tm_arena_strndup(arena, bytes + sizeof size + size, m->n_pool);
    if (units == NULL || m->pool == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for precompiled_charsmap");
    if (tm_utf8_valid(m->pool, m->n_pool) != m->n_pool)
        return tm_err_set(err, TM_BADINPUT, "precompiled_charsmap has texts that are not UTF-8");
    memcpy(units, bytes + sizeof size, size);
    m->units = units;
    m->n_units = size / 4;
    for (unsigned c = 0; c < 128; c++) {
        uint32_t at = offset_of(units[0]) ^ c;
        m->ascii[c] = c != 0 && at < m->n_units && (units[at] & 0x800000ff) == c;
    }
    return TM_OK;
}

/* One byte further from *at, which begins as the offset of the first unit; false: it leads nowhere.
 * *ret_text is set where a string of the map ends. */
static bool step(const struct charsmap *m, uint32_t *at, unsigned char byte, const char **ret_text)
{
    uint32_t pos = *at ^ byte;
    if (byte == 0 || pos >= m->n_units || (m->units[pos] & 0x800000ff) != byte)
        return false;
    uint32_t unit = m->units[pos];
    *at = pos ^ offset_of(unit);
    if ((unit & LEAF) != 0) {
        uint32_t text = *at < m->n_units ? m->units[*at] & INT32_MAX : UINT32_MAX;
        if (text >= m->n_pool)
            return false;
        *ret_text = m->pool + text;
    }
    return true;
}

const char *tok_charsmap_shortest(const struct charsmap *m, const char *s, size_t n)
{
    const char *found = NULL;
    uint32_t at = m->n_units > 0 ? offset_of(m->units[0]) : 0;
    for (size_t i = 0; i < n && found == NULL; i++) {
        if (!step(m, &at, (unsigned char)s[i], &found))
            break;
    }
    return found;
}

const char *tok_charsmap_longest(const struct charsmap *m, const struct cell *c, size_t n,
                                 size_t *ret_n)
{
    const char *found = NULL;
    uint32_t at = m->n_units > 0 ? offset_of(m->units[0]) : 0;
    for (size_t i = 0; i < n; i++) {
        char bytes[4];
        size_t len = tm_utf8_encode(c[i].cp, bytes), k = 0;
        const char *text = NULL;
        while (k < len && step(m, &at, (unsigned char)bytes[k], &text))
            k++;
        if (k < len)
            break;
        if (text != NULL) {
            found = text;
            *ret_n = i + 1;
        }
    }
    return found;
}

static bool put_change(struct tm_buf *b, uint32_t cp, int32_t more)
{
    struct change c = {cp, more};
    return tm_buf_append(b, &c, sizeof c);
}

/* text instead of n characters: the new ones stand for the old ones one by one, more new ones are
 * added to the last, and more old ones go with the last. */
static bool put_text(struct tm_buf *b, const char *text, uint32_t n)
{
    size_t len = strlen(text);
    uint32_t made = 0;
    for (size_t i = 0; i < len; made++) {
        uint32_t cp;
        i += tm_utf8_decode(text + i, len - i, &cp);
        if (!put_change(b, cp, made < n ? 0 : 1))
            return false;
    }
    struct change *end = (void *)(b->data + b->len);
    if (made < n && b->len > 0)
        end[-1].more -= (int32_t)(n - made);
    return true;
}

/* Where the Hangul syllable types are in a cluster: 1 L, 2 V, 3 T, 4 LV, 5 LVT. */
static int hangul(uint32_t cp)
{
    if (cp < 0x1100 || cp > 0xd7fb)
        return 0;
    if (cp <= 0x115f || (cp >= 0xa960 && cp <= 0xa97c))
        return 1;
    if (cp <= 0x11a7 || (cp >= 0xd7b0 && cp <= 0xd7c6))
        return cp <= 0x11a7 || cp >= 0xd7b0 ? 2 : 0;
    if (cp <= 0x11ff || cp >= 0xd7cb)
        return 3;
    return cp < 0xac00 || cp > 0xd7a3 ? 0 : (cp - 0xac00) % 28 == 0 ? 4 : 5;
}

static bool hangul_joins(uint32_t a, uint32_t b)
{
    int x = hangul(a), y = x != 0 ? hangul(b) : 0;
    return (x == 1 && (y == 1 || y == 2 || y >= 4)) || ((x == 2 || x == 4) && (y == 2 || y == 3)) ||
           ((x == 3 || x == 5) && y == 3);
}

/* End of the grapheme cluster at c[i] (UAX 29, extended), as far as it decides anything here: flags
 * and conjuncts make clusters too long to be taken as one. */
static size_t cluster_end(const struct cell *c, size_t i, size_t n)
{
    bool picto = uni_is(c[i].cp, UNI_PICTO);
    size_t end = i + 1;
    for (; end < n; end++) {
        uint32_t a = c[end - 1].cp, b = c[end].cp;
        unsigned x = uni_kind(a).flags, y = uni_kind(b).flags;
        if (a == '\r' && b == '\n')
            continue;
        if (((x | y) & UNI_CONTROL) != 0 || a == '\r' || a == '\n' || b == '\r' || b == '\n')
            break;
        bool zwj = picto && a == 0x200d && (y & UNI_PICTO) != 0;
        if ((y & UNI_EXTEND) == 0 && (x & UNI_PREPEND) == 0 && !zwj && !hangul_joins(a, b))
            break;
        picto = (y & UNI_PICTO) != 0 || (picto && (y & UNI_EXTEND) != 0);
    }
    return end;
}

static bool put_char(const struct charsmap *m, struct tm_buf *b, uint32_t cp, bool *changed)
{
    char bytes[4];
    const char *text = tok_charsmap_shortest(m, bytes, tm_utf8_encode(cp, bytes));
    *changed = *changed || text != NULL;
    return text != NULL ? put_text(b, text, 1) : put_change(b, cp, 0);
}

static bool put_cluster(const struct charsmap *m, struct tm_buf *b, const struct cell *c, size_t n,
                        bool *changed)
{
    char bytes[CLUSTER_BYTES * 4];
    size_t len = 0;
    for (size_t i = 0; i < n && len < CLUSTER_BYTES; i++)
        len += tm_utf8_encode(c[i].cp, bytes + len);
    const char *text = n > 1 && len < CLUSTER_BYTES ? tok_charsmap_shortest(m, bytes, len) : NULL;
    if (text != NULL) {
        *changed = true;
        return put_text(b, text, (uint32_t)n);
    }
    for (size_t i = 0; i < n; i++) {
        if (!put_char(m, b, c[i].cp, changed))
            return false;
    }
    return true;
}

static bool apply_changes(struct cells *x, const struct change *changes, size_t n_changes)
{
    const struct cell *c = cells_of(x->now);
    size_t n = cells_n(x->now), at = 0;
    struct cell *out = cells_room(x->next, n_changes + 1);
    if (out == NULL || n == 0)
        return out != NULL;
    for (size_t i = 0; i < n_changes; i++) {
        bool added = changes[i].more > 0;
        size_t as = added ? (at > 0 ? at - 1 : n) : TM_MIN(at, n - 1);
        out[i] = (struct cell){changes[i].cp, as < n ? c[as].from : 0, as < n ? c[as].to : 0};
        at = added ? at : TM_MIN(at + 1 + (size_t)-changes[i].more, n);
    }
    x->next->len = n_changes * sizeof *out;
    cells_swap(x);
    return true;
}

bool tok_charsmap_apply(const struct charsmap *m, struct cells *x)
{
    struct tm_buf *changes = &x->e->scratch[SCRATCH_MATCHES];
    const struct cell *c = cells_of(x->now);
    size_t n = cells_n(x->now);
    bool changed = false;
    changes->len = 0;
    if (!tm_buf_reserve(changes, (n + 1) * sizeof(struct change)))
        return false;
    for (size_t i = 0; i < n;) {
        uint32_t cp = c[i].cp;
        bool ok;
        size_t end = i + 1;
        if (cp >= ' ' && cp < 0x80 && (end == n || c[end].cp < 0x80)) {
            ok = m->ascii[cp] ? put_char(m, changes, cp, &changed) : put_change(changes, cp, 0);
        } else {
            end = cluster_end(c, i, n);
            ok = put_cluster(m, changes, c + i, end - i, &changed);
        }
        if (!ok)
            return false;
        i = end;
    }
    return !changed ||
           apply_changes(x, (const void *)changes->data, changes->len / sizeof(struct change));
}
