/* Base64 (RFC 4648, section 4) back into bytes (tm_mem.h). Any thread. */
#include "tm_mem.h"

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

size_t tm_base64_decode(const char *s, size_t n, bool lenient, char *out, size_t *ret_len)
{
    uint32_t bits = 0;
    size_t have = 0, digits = 0, len = 0, i = 0;
    for (; i < n && s[i] != '='; i++) {
        int digit = digit_of(s[i]);
        if (digit < 0 && !lenient && !is_blank(s[i]))
            return i;
        if (digit < 0)
            continue;
        bits = bits << 6 | (uint32_t)digit;
        digits++;
        if ((have += 6) >= 8)
            out[len++] = (char)(bits >> (have -= 8));
    }
    *ret_len = len;
    while (i < n && (s[i] == '=' || is_blank(s[i])))
        i++;
    return lenient || (i == n && digits % 4 != 1) ? n : TM_MIN(i, n - 1);
}
