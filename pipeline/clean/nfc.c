/* Normalizes a finished paragraph to NFC, stretch by stretch between normalization boundaries, so
 * that runs stay exact wherever nothing changed. Only paragraphs with a character that can change
 * come here. Called by writer.c. */
#include "nfc.h"
#include "rewrite.h"
#include "writer.h"

#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

enum { STRETCH_MOST = 128 }; /* code units; longer piles of marks are normalized in parts */

enum tm_status tm_nfc_open(const void **ret_nfc, struct tm_err *err)
{
    UErrorCode code = U_ZERO_ERROR;
    const UNormalizer2 *nfc = unorm2_getNFCInstance(&code);
    if (U_FAILURE(code))
        return tm_err_set(err, TM_INTERNAL, "no NFC data in ICU: %s", u_errorName(code));
    *ret_nfc = nfc;
    return TM_OK;
}

bool tm_nfc_unsettled(uint32_t cp)
{
    if ((cp >= 0x0400 && cp <= 0x0482) || (cp >= 0x2010 && cp <= 0x2027) ||
        (cp >= 0x3041 && cp <= 0x3096) || (cp >= 0x30a1 && cp <= 0x30fa) ||
        (cp >= 0x4e00 && cp <= 0x9fff) || (cp >= 0xac00 && cp <= 0xd7a3))
        return false;
    return u_getIntPropertyValue((UChar32)cp, UCHAR_NFC_QUICK_CHECK) != UNORM_YES ||
           u_getCombiningClass((UChar32)cp) != 0;
}

/* Normalizes old[from, to), a stretch between two boundaries. */
static void settle_stretch(struct tm_rewrite *s, size_t from, size_t to)
{
    UChar wide[STRETCH_MOST], normal[STRETCH_MOST * 3];
    char new[STRETCH_MOST * 9];
    int32_t n = 0, m = 0, bytes = 0;
    UErrorCode code = U_ZERO_ERROR;
    u_strFromUTF8(wide, STRETCH_MOST, &n, s->text + from, (int32_t)(to - from), &code);
    m = unorm2_normalize(s->w->nfc, wide, n, normal, (int32_t)TM_COUNTOF(normal), &code);
    if (U_SUCCESS(code) && (m != n || u_memcmp(wide, normal, n) != 0)) {
        u_strToUTF8(new, (int32_t)sizeof new, &bytes, normal, m, &code);
        if (U_SUCCESS(code)) {
            tm_rewrite_replace(s, from, to, new, (size_t)bytes);
            return;
        }
    }
    tm_rewrite_copy(s, from, to);
}

void tm_nfc_settle(struct tm_writer *w)
{
    if (tm_writer_failed(w))
        return;
    struct tm_rewrite s;
    tm_rewrite_begin(&s, w);
    size_t calm = 0, start = 0; /* old[calm, start) needs nothing; a stretch begins at start */
    bool stir = false;          /* the stretch has a character that can change */
    for (size_t i = 0; i < s.len;) {
        uint32_t cp;
        size_t n = tm_utf8_decode(s.text + i, s.len - i, &cp);
        tm_assert(n > 0);
        bool boundary = cp < 0x300 || unorm2_hasBoundaryBefore(w->nfc, (UChar32)cp) ||
                        i - start > STRETCH_MOST - 8;
        if (boundary) {
            if (stir) {
                tm_rewrite_copy(&s, calm, start);
                settle_stretch(&s, start, i);
                calm = i;
            }
            start = i;
            stir = false;
        }
        stir |= cp >= 0x300 && tm_nfc_unsettled(cp);
        i += n;
    }
    tm_rewrite_copy(&s, calm, stir ? start : s.len);
    if (stir)
        settle_stretch(&s, start, s.len);
    tm_rewrite_end(&s);
}
