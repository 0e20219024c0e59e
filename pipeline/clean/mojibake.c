/* Mends misread text (mojibake.h). A line is put back into the bytes of a single-byte encoding; if
 * those are UTF-8 throughout and what they say is likelier than what stood there, they are what was
 * meant. Called by writer.c for every stretch of text with something beyond ASCII; no state. */
#include "mojibake.h"

#include <string.h>
#include <unicode/uchar.h>

enum { ROUNDS = 6, LOST = 0x1a, MOST = 1 << 20 /* bytes of a line that is looked at */ };

/* One reading of a line as UTF-8. */
struct reading {
    size_t sequences; /* of several bytes */
    double evidence;  /* that they are meant: at least 1 is enough */
    size_t doubts;    /* sequences that may well be what they look like */
    size_t kept;      /* signs that stand right beside what was misread */
};

/* ---- to bytes ----------------------------------------------------------------------------------
 */

static int byte_of(const struct tm_mojibake_table *t, uint32_t cp)
{
    if (cp < 0x80)
        return (int)cp;
    if (cp == 0xfffd)
        return LOST; /* a byte was lost here */
    if (cp < 0x100 && t->high[cp - 0x80] == cp)
        return (int)cp;
    for (int i = 0; i < 128; i++)
        if (t->high[i] == cp)
            return 0x80 + i;
    return cp < 0xa0 && t->high[cp - 0x80] == cp ? (int)cp : -1;
}

static size_t wanted(unsigned char lead)
{
    return lead >= 0xc2 && lead <= 0xdf   ? 2
           : lead >= 0xe0 && lead <= 0xef ? 3
           : lead >= 0xf0 && lead <= 0xf4 ? 4
                                          : 0;
}

/* Signs of windows-1252 that somebody typed into a text that was misread before. */
static bool may_stand(int byte)
{
    return byte == 0x85 || (byte >= 0x91 && byte <= 0x97) || byte == 0xa0 || byte == 0xab ||
           byte == 0xbb;
}

/* False: some character is not in the table, or the bytes are no UTF-8, as far as one sees. */
static bool encode(const struct tm_mojibake_table *t, const char *s, size_t n, struct tm_buf *out)
{
    size_t open = 0; /* bytes that the present sequence still wants */
    tm_buf_clear(out);
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t step = tm_utf8_decode(s + i, n - i, &cp);
        int byte = step == 0 ? -1 : byte_of(t, cp);
        if (byte < 0 || !tm_buf_putc(out, (char)byte))
            return false;
        bool goes_on = open > 0 && ((byte & 0xc0) == 0x80 || byte == LOST);
        if (open > 0 && !goes_on && byte != ' ' && byte != '?')
            return false;
        if (goes_on) {
            open--;
        } else if (byte >= 0x80) {
            open = wanted((unsigned char)byte);
            if (open == 0 && !may_stand(byte))
                return false;
            open -= open > 0;
        } else {
            open = 0;
        }
        i += step;
    }
    return true;
}

/* ---- from bytes --------------------------------------------------------------------------------
 */

/* One sequence at s: its length, and its character (U+FFFD where a byte was lost); 0: none. Halves
 * of a surrogate pair are put together. */
static size_t sequence(const unsigned char *s, size_t n, uint32_t *ret_cp)
{
    size_t want = n == 0 ? 0 : wanted(s[0]);
    bool lost = false;
    if (want == 0)
        return 0;
    uint32_t cp = want == 2 ? s[0] & 0x1fu : want == 3 ? s[0] & 0xfu : s[0] & 7u;
    for (size_t i = 1; i < want; i++) {
        if (i < n && (s[i] & 0xc0) == 0x80) {
            cp = cp << 6 | (s[i] & 0x3fu);
            continue;
        }
        if (i < n && s[i] == ' ' && i + 1 == want && (cp << 6 | 0x20) >= 0x80) {
            cp = cp << 6 | 0x20; /* 0xa0 is a space in many encodings */
            continue;
        }
        lost = i < n && (s[i] == LOST || (s[i] == '?' && i == 2));
        if (!lost)
            return 0;
        *ret_cp = 0xfffd;
        return i + 1;
    }
    if (cp >= 0xd800 && cp < 0xdc00 && n >= 6 && s[3] == 0xed && s[4] >= 0xb0 && s[4] <= 0xbf &&
        (s[5] & 0xc0) == 0x80) {
        *ret_cp = 0x10000 + ((cp - 0xd800) << 10) + ((s[4] & 0xfu) << 6) + (s[5] & 0x3fu);
        return 6;
    }
    bool sound = want == 2 || (want == 3 && cp >= 0x800 && (cp < 0xd800 || cp > 0xdfff)) ||
                 (want == 4 && cp >= 0x10000 && cp <= 0x10ffff);
    *ret_cp = cp;
    return sound ? want : 0;
}

static bool is_letter(uint32_t cp)
{
    return u_isalpha((UChar32)cp);
}

/* Signs that may stand behind a capital letter with an accent: the end of a quotation, a mark of
 * trade, three dots. */
static bool closes(uint32_t cp)
{
    static const uint16_t signs[] = {0x2019, 0x201d, 0x203a, 0xbb, 0x2026, 0x2122, 0xae, 0xa9,
                                     0x2013, 0x2014, 0xb0,   0xba, 0xaa,   0xb4,   0xb7, 0x201a};
    for (size_t i = 0; i < TM_COUNTOF(signs); i++)
        if (cp == signs[i])
            return true;
    return false;
}

/* How likely one sequence was meant, by what it says and by how it looks unmended. */
static void weigh(struct reading *r, const struct tm_mojibake_table *t, const unsigned char *s,
                  size_t len, uint32_t cp, uint32_t before, uint32_t after)
{
    uint32_t last = t->high[s[len - 1] & 0x7f];
    bool words = is_letter(before) || is_letter(after);
    r->sequences++;
    if (cp != 0xfffd && (cp < 0xa0 || u_charType((UChar32)cp) == U_UNASSIGNED)) {
        r->doubts++;
    } else if (len >= 3 || cp == 0xfffd) {
        r->evidence += 1;
    } else if (last < 0xa0) {
        r->evidence += 1; /* a control: nobody writes one */
    } else if (closes(last) && !is_letter(after) && s[0] != 0xc2 && s[0] != 0xc3) {
        r->doubts++;
    } else if (cp >= 0x300 && cp < 0x370) {
        r->evidence += 0.5;
    } else if ((cp >= 0xa0 && cp < 0x180) || (cp >= 0x370 && cp < 0x530) ||
               (cp >= 0x590 && cp < 0x700)) {
        r->evidence += words || cp < 0xc0 ? 1 : 0.5;
    } else {
        r->doubts++;
    }
}

/* Reads bytes as UTF-8 into out; false: they are not. */
static bool read_bytes(const struct tm_mojibake_table *t, const struct tm_buf *bytes,
                       struct tm_buf *out, struct reading *ret)
{
    const unsigned char *s = (const unsigned char *)bytes->data;
    uint32_t before = ' ';
    *ret = (struct reading){0};
    tm_buf_clear(out);
    for (size_t i = 0; i < bytes->len;) {
        uint32_t cp = s[i];
        size_t len = cp < 0x80 ? 1 : sequence(s + i, bytes->len - i, &cp);
        char code[4];
        bool blank = len > 1 && s[i + len - 1] == ' ';
        if (blank && cp == 0xe0) { /* a word of its own, joined with the next space */
            bool alone = i + 3 < bytes->len && s[i + 2] == 's' && s[i + 3] == ' ';
            len = alone ? 2 : 1;
        }
        if (len == 0 && may_stand(s[i])) {
            cp = t->high[s[i] - 0x80];
            ret->kept++;
            len = 1;
        }
        if (len == 0)
            return false;
        if (len > 1 && !blank)
            weigh(ret, t, s + i, len, cp, before, i + len < bytes->len ? s[i + len] : ' ');
        if (cp == LOST)
            cp = 0xfffd;
        if (!tm_buf_append(out, code, tm_utf8_encode(cp, code)))
            return false;
        before = cp;
        i += len;
    }
    return true;
}

/* ---- signs as controls -------------------------------------------------------------------------
 */

/* Controls from 0x80 to 0x9f are windows-1252's signs. */
static bool mend_controls(const char *s, size_t n, struct tm_buf *out)
{
    const struct tm_mojibake_table *windows = &tm_mojibake_tables[1];
    bool any = false;
    tm_buf_clear(out);
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t step = tm_utf8_decode(s + i, n - i, &cp);
        char code[4];
        if (step == 0)
            return false;
        if (cp >= 0x80 && cp < 0xa0 && windows->high[cp - 0x80] != cp) {
            cp = windows->high[cp - 0x80];
            any = true;
        }
        tm_buf_append(out, code, tm_utf8_encode(cp, code));
        i += step;
    }
    return any && !out->failed;
}

/* ---- stretches of a line -----------------------------------------------------------------------
 */

/* Where only parts of a line were misread: sequences of three bytes and more, in windows-1252 or
 * with controls, are mended by themselves. */
static bool mend_parts(const char *s, size_t n, struct tm_buf *out)
{
    bool any = false;
    tm_buf_clear(out);
    for (size_t i = 0; i < n;) {
        unsigned char bytes[6];
        size_t at = i, count = 0, used = 0;
        uint32_t cp;
        while (at < n && count < sizeof bytes) {
            size_t step = tm_utf8_decode(s + at, n - at, &cp);
            int byte = step == 0 || cp < 0x80 ? -1 : byte_of(&tm_mojibake_tables[1], cp);
            bool follows = count > 0 && (byte & 0xc0) == 0x80;
            bool leads =
                (count == 0 || count == 3) && byte >= 0x80 && wanted((unsigned char)byte) > 0;
            if (!follows && !leads)
                break;
            bytes[count++] = (unsigned char)byte;
            at += step;
        }
        size_t len = sequence(bytes, count, &cp);
        bool accent = len == 2 && bytes[0] == 0xc3 && bytes[1] != 0x93 && bytes[1] != 0x94 &&
                      bytes[1] != 0x99;
        bool sign = len >= 3 && ((cp >= 0x2000 && cp < 0x2c00) || cp == 0xfffd || cp >= 0x10000);
        if (!sign && !accent) {
            size_t step = tm_utf8_decode(s + i, n - i, &cp);
            tm_buf_append(out, s + i, TM_MAX(step, (size_t)1));
            i += TM_MAX(step, (size_t)1);
            continue;
        }
        char code[4];
        tm_buf_append(out, code, tm_utf8_encode(cp, code));
        for (used = 0; used < len; used++)
            i += tm_utf8_decode(s + i, n - i, &cp);
        any = true;
    }
    static const char *const left[] = {"â€", "ã€", "ã‚", "ãƒ", "Ãƒ", "Ã¢"};
    for (size_t i = 0; any && i < TM_COUNTOF(left); i++)
        any = memmem(out->data, out->len, left[i], strlen(left[i])) == NULL;
    return any && !out->failed;
}

/* ---- all together ------------------------------------------------------------------------------
 */

static bool mend_once(const char *s, size_t n, struct tm_buf *out, struct tm_buf *bytes)
{
    for (const struct tm_mojibake_table *t = tm_mojibake_tables; t->name != NULL; t++) {
        struct reading r;
        if (!encode(t, s, n, bytes) || !read_bytes(t, bytes, out, &r))
            continue;
        if (r.sequences > 0 && r.evidence >= 1 && r.evidence > (double)(r.doubts + r.kept))
            return true;
    }
    return mend_controls(s, n, out) || mend_parts(s, n, out);
}

/* Cheap: misread text has two characters beyond ASCII side by side, or one before a space, or a
 * control. */
static bool is_suspect(const char *s, size_t n)
{
    bool before = false; /* the last character was beyond ASCII */
    for (size_t i = 0; i < n;) {
        uint64_t word;
        while (!before && n - i >= sizeof word &&
               (memcpy(&word, s + i, sizeof word), word & UINT64_C(0x8080808080808080)) == 0)
            i += sizeof word;
        if (i == n)
            break;
        unsigned char c = (unsigned char)s[i];
        if (c < 0x80) {
            if (before && c == ' ' && ((unsigned char)s[i - 1] & 0xbf) < 0xa6)
                return true;
            before = false;
            i++;
            continue;
        }
        if (before || (c == 0xc2 && i + 1 < n && (unsigned char)s[i + 1] < 0xa0))
            return true;
        before = true;
        for (i++; i < n && ((unsigned char)s[i] & 0xc0) == 0x80;)
            i++;
    }
    return false;
}

bool tm_mojibake_mend(const char *s, size_t n, struct tm_buf *out, struct tm_buf *scratch)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf mended = {0};
    bool any = false;
    for (int round = 0; round < ROUNDS && n <= MOST && is_suspect(s, n); round++) {
        if (!mend_once(s, n, &mended, scratch))
            break;
        tm_buf_clear(out);
        if (!tm_buf_append(out, mended.data, mended.len))
            return false;
        s = out->data;
        n = out->len;
        any = true;
    }
    return any;
}
