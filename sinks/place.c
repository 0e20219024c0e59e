/* Output names (place.h). Pure functions, any thread.
 *
 * A lane name is "sub/a.html-0123456789abcdef": the source has made its bytes safe, but nothing
 * here relies on it. */
#include "place.h"
#include "tm_pipeline.h"
#include <string.h>

enum {
    COMPONENT_MOST = 216, /* NAME_MAX less the longest suffix and some room */
    TAIL = 17,            /* "-" and the digits of the content, kept when a name is cut */
    HASH_DIGITS = 16,
};

static void put_component(struct tm_buf *b, const char *s, size_t n, bool last)
{
    if (s[0] == '.') {
        tm_buf_puts(b, "%2E");
        s++;
        n--;
    }
    if (n <= COMPONENT_MOST) {
        tm_buf_append(b, s, n);
        return;
    }
    char hash[65];
    tm_sha256_hex(s, n, hash);
    size_t tail = last ? TAIL : 0;
    tm_buf_append(b, s, tm_utf8_cut(s, n, COMPONENT_MOST - HASH_DIGITS - 1 - tail));
    tm_buf_printf(b, "~%.*s", HASH_DIGITS, hash);
    tm_buf_append(b, s + n - tail, tail);
}

bool place_put(struct tm_buf *b, const char *lane_name, const char *suffix, const char *reserved)
{
    bool top = true;
    for (const char *p = lane_name; *p != '\0';) {
        size_t n = strcspn(p, "/");
        bool last = p[n] == '\0';
        if (n > 0) {
            if (!top)
                tm_buf_putc(b, '/');
            bool clash = top && !last && reserved != NULL && strlen(reserved) == n &&
                         memcmp(reserved, p, n) == 0;
            if (clash) /* "dead/x" becomes "%64ead/x" */
                tm_buf_printf(b, "%%%02X", (unsigned)(unsigned char)*p);
            put_component(b, p + clash, n - clash, last);
            top = false;
        }
        p += last ? n : n + 1;
    }
    return tm_buf_puts(b, suffix);
}

char *place_make(const char *lane_name, const char *suffix, const char *reserved)
{
    struct tm_buf b = {0};
    if (place_put(&b, lane_name, suffix, reserved))
        return b.data;
    tm_buf_finish(&b);
    return NULL;
}
