/* Base64 (RFC 4648, section 4), both ways (tm_mem.h). Any thread. */
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

bool tm_buf_base64(struct tm_buf *b, const void *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *s = bytes;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = TM_MIN(n - i, (size_t)3);
        uint32_t v = (uint32_t)s[i] << 16 | (left > 1 ? (uint32_t)s[i + 1] << 8 : 0) |
                     (left > 2 ? s[i + 2] : 0u);
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], left > 1 ? digits[v >> 6 & 63] : '=',
                        left > 2 ? digits[v & 63] : '='};
        tm_buf_append(b, four, sizeof four);
    }
    return !b->failed;
}
