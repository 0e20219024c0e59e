/* What is done to a page before libxml2 may see it. Called by html.c. */
#include "guard.h"

#include <string.h>

const char *tm_guard_controls(const char *s, size_t n, struct tm_buf *copy)
{
    bool clean = true;
    for (size_t i = 0; i < n && clean; i++)
        clean = (unsigned char)s[i] >= ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r';
    const char *marks =
        memmem(s, n, "\xef\xbf\xbe", 3) != NULL ? s : memmem(s, n, "\xef\xbf\xbf", 3);
    if (clean && marks == NULL)
        return s;
    tm_buf_clear(copy);
    if (!tm_buf_append(copy, s, n))
        return NULL;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)copy->data[i];
        if (c < ' ' && c != '\n' && c != '\t' && c != '\r')
            copy->data[i] = ' ';
        else if (c >= 0xbe && i >= 2 && memcmp(copy->data + i - 2, "\xef\xbf", 2) == 0)
            copy->data[i] = '\xbd'; /* U+FFFE and U+FFFF to U+FFFD */
    }
    return copy->data;
}

/* Quotes are followed as the parser follows them; every '<' is a start of its own, because only the
 * parser knows what is script or comment. */
static size_t count_attributes(const char *s, size_t n, size_t most, size_t *ret_steps)
{
    size_t count = 0, i = 1;
    for (; i < n && s[i] != '>' && count <= most; i++) {
        char c = s[i];
        if ((c == '"' || c == '\'') && (s[i - 1] == '=' || (unsigned char)s[i - 1] <= ' ')) {
            const char *end = memchr(s + i + 1, c, n - i - 1);
            count++; /* the next may follow without a blank */
            if (end == NULL)
                break;
            i = (size_t)(end - s);
        } else {
            count += (unsigned char)c <= ' ' || c == '/';
        }
    }
    *ret_steps += i;
    return count;
}

bool tm_guard_attributes(const char *s, size_t n, size_t most)
{
    const char *end = s + n;
    size_t steps = 0, most_steps = n * 64 + (1 << 20);
    for (; (s = memchr(s, '<', (size_t)(end - s))) != NULL; s++) {
        if (s + 1 == end || (unsigned)((s[1] | 32) - 'a') >= 26)
            continue;
        if (count_attributes(s, (size_t)(end - s), most, &steps) > most || steps > most_steps)
            return false;
    }
    return true;
}
