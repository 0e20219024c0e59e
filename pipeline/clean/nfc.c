/* Normalizes a finished paragraph to NFC, stretch by stretch between normalization boundaries, so
 * that runs stay exact wherever nothing changed. Only paragraphs with a character that can change
 * come here. Called by writer.c. */
#include "nfc.h"
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

/* A walk over the old text with its runs, writing the new. */
struct settling {
    struct tm_writer *w;
    const char *text; /* the old paragraph */
    size_t len;
    const struct tm_offset_run *runs;
    size_t n_runs, run;
    uint32_t base; /* where the paragraph begins in the whole text */
};

static uint32_t run_end(const struct settling *s, size_t run)
{
    return run + 1 < s->n_runs ? s->runs[run + 1].text_start : s->base + (uint32_t)s->len;
}

static void add_run(struct settling *s, uint32_t from, uint32_t to, bool exact)
{
    struct tm_offset_run run = {s->base + (uint32_t)s->w->spare_text.len, from, to, exact};
    tm_buf_append(&s->w->spare_runs, &run, sizeof run);
}

/* old[from, to) as it is, with the runs it crosses. */
static void copy(struct settling *s, size_t from, size_t to)
{
    while (from < to) {
        uint32_t at = s->base + (uint32_t)from;
        while (run_end(s, s->run) <= at)
            s->run++;
        const struct tm_offset_run *r = &s->runs[s->run];
        size_t end = TM_MIN(to, (size_t)(run_end(s, s->run) - s->base));
        if (r->exact) {
            uint32_t source = r->source_start + (at - r->text_start);
            add_run(s, source, source + (uint32_t)(end - from), true);
        } else {
            add_run(s, r->source_start, r->source_end, false);
        }
        tm_buf_append(&s->w->spare_text, s->text + from, end - from);
        from = end;
    }
}

/* new instead of old[from, to): one inexact run over all that it came from. */
static void replace(struct settling *s, size_t from, size_t to, const char *new, size_t n)
{
    uint32_t at = s->base + (uint32_t)from, last = s->base + (uint32_t)to - 1;
    while (run_end(s, s->run) <= at)
        s->run++;
    const struct tm_offset_run *r = &s->runs[s->run];
    uint32_t start = r->exact ? r->source_start + (at - r->text_start) : r->source_start;
    while (run_end(s, s->run) <= last)
        s->run++;
    r = &s->runs[s->run];
    uint32_t end = r->exact ? r->source_start + (last - r->text_start) + 1 : r->source_end;
    add_run(s, start, end, false);
    tm_buf_append(&s->w->spare_text, new, n);
}

/* Normalizes old[from, to), a stretch between two boundaries. */
static void settle_stretch(struct settling *s, size_t from, size_t to)
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
            replace(s, from, to, new, (size_t)bytes);
            return;
        }
    }
    copy(s, from, to);
}

void tm_nfc_settle(struct tm_writer *w)
{
    if (tm_writer_failed(w))
        return;
    struct settling s = {.w = w,
                         .text = w->text.data + w->start,
                         .len = w->text.len - w->start,
                         .runs = (struct tm_offset_run *)w->runs_.data + w->first_run,
                         .base = (uint32_t)w->start};
    s.n_runs = w->runs_.len / sizeof *s.runs - w->first_run;
    tm_buf_clear(&w->spare_text);
    tm_buf_clear(&w->spare_runs);
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
                copy(&s, calm, start);
                settle_stretch(&s, start, i);
                calm = i;
            }
            start = i;
            stir = false;
        }
        stir |= cp >= 0x300 && tm_nfc_unsettled(cp);
        i += n;
    }
    copy(&s, calm, stir ? start : s.len);
    if (stir)
        settle_stretch(&s, start, s.len);
    w->text.len = w->start;
    w->runs_.len = w->first_run * sizeof *s.runs;
    tm_buf_append(&w->text, w->spare_text.data, w->spare_text.len);
    tm_buf_append(&w->runs_, w->spare_runs.data, w->spare_runs.len);
}
