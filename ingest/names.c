/* What the name of a spool file says (names.h). Pure functions, any thread. */
#include "names.h"
#include <ctype.h>
#include <string.h>

/* Suffixes that editors, transfer programs and browsers use while they write. */
static const char *const temporary_suffixes[] = {
    "~",    ".tmp", ".temp",     ".part",     ".partial",
    ".swp", ".swx", ".filepart", ".download", ".crdownload",
};

bool name_is_temporary(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || name[0] == '.' || (n > 1 && name[0] == '#' && name[n - 1] == '#'))
        return true;
    for (size_t i = 0; i < TM_COUNTOF(temporary_suffixes); i++)
        if (tm_name_ends(name, n, temporary_suffixes[i]))
            return true;
    return false;
}

enum compression name_compression(const char *name)
{
    size_t n = strlen(name);
    return tm_name_ends(name, n, ".gz") ? GZIP : tm_name_ends(name, n, ".zst") ? ZSTD : PLAIN;
}

size_t name_compressed_suffix(const char *name)
{
    static const size_t lengths[] = {[PLAIN] = 0, [GZIP] = 3, [ZSTD] = 4};
    return lengths[name_compression(name)];
}

/* Length of the character at s that may stay as it is; 0: its first byte must be escaped. */
static size_t safe_length(const char *s, size_t n, bool first)
{
    uint32_t cp = 0;
    size_t step = tm_utf8_decode(s, n, &cp);
    if (step == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
        return 0;
    if (first && (cp == '-' || cp == '.'))
        return 0;
    if (cp == '%' && n >= 3 && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2]))
        return 0;
    return step;
}

bool name_put_safe(struct tm_buf *b, const char *path)
{
    size_t n = strlen(path);
    bool first = true;
    for (size_t i = 0, step; i < n; i += step) {
        step = safe_length(path + i, n - i, first);
        if (step > 0) {
            tm_buf_append(b, path + i, step);
        } else {
            tm_buf_printf(b, "%%%02X", (unsigned)(unsigned char)path[i]);
            step = 1;
        }
        first = path[i] == '/';
    }
    return !b->failed;
}
