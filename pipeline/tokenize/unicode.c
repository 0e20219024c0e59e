/* Look-ups in the generated Unicode tables (unicode.h): lower case, decomposition, composition.
 *
 * Pure functions over constant tables, called by the normalizers on any thread. */
#include "unicode.h"
#include <string.h>

/* Hangul syllables, by arithmetic (Unicode 3.12). */
enum {
    S_BASE = 0xAC00,
    L_BASE = 0x1100,
    V_BASE = 0x1161,
    T_BASE = 0x11A7,
    L_COUNT = 19,
    V_COUNT = 21,
    T_COUNT = 28,
    N_COUNT = V_COUNT * T_COUNT,
    S_COUNT = L_COUNT * N_COUNT,
};

static const struct uni_map *find_map(const struct uni_map *maps, unsigned n, uint32_t cp)
{
    unsigned lo = 0, hi = n;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (maps[mid].cp < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && maps[lo].cp == cp ? &maps[lo] : NULL;
}

unsigned uni_lower_of(uint32_t cp, uint32_t out[2])
{
    out[0] = cp;
    if (!uni_is(cp, UNI_LOWER))
        return 1;
    unsigned lo = 0, hi = uni_lower_n; /* the first range that ends at cp or later */
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (uni_lower[mid].last < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    const struct uni_range *r = &uni_lower[lo];
    if (lo < uni_lower_n && r->first <= cp && (cp - r->first) % r->step == 0) {
        out[0] = (uint32_t)((int64_t)cp + r->diff);
        return 1;
    }
    const struct uni_map *m = find_map(uni_lower_long, uni_lower_long_n, cp);
    if (m == NULL)
        return 1;
    memcpy(out, uni_pool + m->at, m->n * sizeof *out);
    return m->n;
}

static unsigned decompose_hangul(uint32_t s, uint32_t *out)
{
    out[0] = L_BASE + s / N_COUNT;
    out[1] = V_BASE + s % N_COUNT / T_COUNT;
    out[2] = T_BASE + s % T_COUNT;
    return s % T_COUNT != 0 ? 3 : 2;
}

unsigned uni_decompose(uint32_t cp, bool compatible, uint32_t out[UNI_LONGEST])
{
    out[0] = cp;
    if (!uni_is(cp, compatible ? UNI_NFKD : UNI_NFD))
        return 1;
    if (cp - S_BASE < S_COUNT)
        return decompose_hangul(cp - S_BASE, out);
    const struct uni_map *m = compatible ? find_map(uni_nfkd, uni_nfkd_n, cp) : NULL;
    if (m == NULL)
        m = find_map(uni_nfd, uni_nfd_n, cp);
    if (m == NULL)
        return 1;
    memcpy(out, uni_pool + m->at, m->n * sizeof *out);
    return m->n;
}

static uint32_t compose_hangul(uint32_t a, uint32_t b)
{
    if (a - L_BASE < L_COUNT && b - V_BASE < V_COUNT)
        return S_BASE + (a - L_BASE) * N_COUNT + (b - V_BASE) * T_COUNT;
    if (a - S_BASE < S_COUNT && (a - S_BASE) % T_COUNT == 0 && b - T_BASE - 1 < T_COUNT - 1)
        return a + (b - T_BASE);
    return 0;
}

uint32_t uni_compose(uint32_t a, uint32_t b)
{
    unsigned lo = 0, hi = uni_pairs_n;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        const uint32_t *p = uni_pairs[mid];
        if (p[0] < a || (p[0] == a && p[1] < b))
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < uni_pairs_n && uni_pairs[lo][0] == a && uni_pairs[lo][1] == b)
        return uni_pairs[lo][2];
    return compose_hangul(a, b);
}

uint32_t uni_script(uint32_t cp)
{
    size_t lo = 0, hi = uni_scripts_n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (cp > uni_scripts[mid][1])
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < uni_scripts_n && cp >= uni_scripts[lo][0] ? uni_scripts[lo][2] : 0;
}
