/* UTF-8 decoding, encoding and validation (tm_mem.h). Pure functions, any thread. */
#include "tm_mem.h"
#include <string.h>

static bool is_tail(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

size_t tm_utf8_decode(const char *s, size_t n, uint32_t *ret_cp)
{
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < 0x80) {
        *ret_cp = u[0];
        return 1;
    }
    if (u[0] < 0xc2) /* a stray tail, or an over-long form of ASCII */
        return 0;
    if (u[0] < 0xe0) {
        if (n < 2 || !is_tail(s[1]))
            return 0;
        *ret_cp = (uint32_t)(u[0] & 0x1f) << 6 | (u[1] & 0x3f);
        return 2;
    }
    if (u[0] < 0xf0) {
        if (n < 3 || !is_tail(s[1]) || !is_tail(s[2]))
            return 0;
        uint32_t cp = (uint32_t)(u[0] & 0x0f) << 12 | (uint32_t)(u[1] & 0x3f) << 6 | (u[2] & 0x3f);
        if (cp < 0x800 || (cp >= 0xd800 && cp <= 0xdfff))
            return 0;
        *ret_cp = cp;
        return 3;
    }
    if (u[0] > 0xf4 || n < 4 || !is_tail(s[1]) || !is_tail(s[2]) || !is_tail(s[3]))
        return 0;
    uint32_t cp = (uint32_t)(u[0] & 0x07) << 18 | (uint32_t)(u[1] & 0x3f) << 12 |
                  (uint32_t)(u[2] & 0x3f) << 6 | (u[3] & 0x3f);
    if (cp < 0x10000 || cp > 0x10ffff)
        return 0;
    *ret_cp = cp;
    return 4;
}

size_t tm_utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp >= 0xd800 && cp <= 0xdfff)
        return 0;
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    if (cp > 0x10ffff)
        return 0;
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

size_t tm_utf8_valid(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        uint64_t word;
        if (n - i >= sizeof word) { /* eight ASCII bytes at a time */
            memcpy(&word, s + i, sizeof word);
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                i += sizeof word;
                continue;
            }
        }
        uint32_t cp;
        size_t step = tm_utf8_decode(s + i, n - i, &cp);
        if (step == 0)
            break;
        i += step;
    }
    return i;
}

size_t tm_utf8_count(const char *s, size_t n)
{
    size_t count = 0, i = 0;
    for (uint64_t word; n - i >= sizeof word; i += sizeof word) {
        memcpy(&word, s + i, sizeof word);
        uint64_t tails = (word & ~(word << 1) & UINT64_C(0x8080808080808080)) >> 7;
        count += sizeof word - (size_t)(tails * UINT64_C(0x0101010101010101) >> 56);
    }
    for (; i < n; i++)
        count += !is_tail(s[i]);
    return count;
}

size_t tm_utf8_cut(const char *s, size_t n, size_t most)
{
    if (n <= most)
        return n;
    while (most > 0 && is_tail(s[most]))
        most--;
    return most;
}
