/* Writes cleaned text: Unicode hygiene, white space, paragraphs, and a run for every stretch of
 * text that says where in the source it came from. Paragraphs that may not be NFC go through nfc.c.
 * Used by serialize.c and text.c; belongs to a worker of the stage. */
#include "writer.h"
#include "mojibake.h"
#include "nfc.h"
#include "redact.h"

#include <string.h>
#include <unicode/uchar.h>

enum tm_status tm_writer_init(struct tm_writer *w, struct tm_err *err)
{
    *w = (struct tm_writer){0};
    return tm_nfc_open(&w->nfc, err);
}

void tm_writer_finish(struct tm_writer *w)
{
    tm_buf_finish(&w->text);
    tm_buf_finish(&w->runs_);
    tm_buf_finish(&w->paragraphs_);
    tm_buf_finish(&w->spare_text);
    tm_buf_finish(&w->spare_runs);
    tm_buf_finish(&w->mend);
    tm_buf_finish(&w->mend_bytes);
    tm_buf_finish(&w->pii);
    tm_buf_finish(&w->pii_found);
    tm_buf_finish(&w->pii_with);
}

void tm_writer_clear(struct tm_writer *w)
{
    tm_buf_clear(&w->text);
    tm_buf_clear(&w->runs_);
    tm_buf_clear(&w->paragraphs_);
    w->open = false;
    memset(w->removed, 0, sizeof w->removed);
    w->mended = 0;
    w->redaction = NULL;
    tm_buf_clear(&w->pii);
}

bool tm_writer_failed(const struct tm_writer *w)
{
    return w->text.failed || w->runs_.failed || w->paragraphs_.failed || w->spare_text.failed ||
           w->spare_runs.failed || w->pii.failed || w->pii_found.failed || w->pii_with.failed;
}

/* ---- what becomes of a character ---------------------------------------------------------------
 */

enum fate { KEEP, DROP, SPACE, NEWLINE };

/*  first  last  fate  counted as; in ascending order, everything not listed is kept */
static const struct range {
    uint32_t first, last;
    uint8_t fate, rule;
} ranges[] = {
    {0x0000, 0x0008, DROP, TM_RULE_CONTROLS},    {0x0009, 0x0009, SPACE, TM_RULE_NONE},
    {0x000a, 0x000a, NEWLINE, TM_RULE_NONE},     {0x000b, 0x000c, SPACE, TM_RULE_NONE},
    {0x000d, 0x000d, SPACE, TM_RULE_NONE},       {0x000e, 0x001f, DROP, TM_RULE_CONTROLS},
    {0x0020, 0x0020, SPACE, TM_RULE_NONE},       {0x007f, 0x0084, DROP, TM_RULE_CONTROLS},
    {0x0085, 0x0085, NEWLINE, TM_RULE_NONE},     {0x0086, 0x009f, DROP, TM_RULE_CONTROLS},
    {0x00a0, 0x00a0, SPACE, TM_RULE_NONE},       {0x00ad, 0x00ad, DROP, TM_RULE_ZERO_WIDTH},
    {0x1680, 0x1680, SPACE, TM_RULE_NONE},       {0x180e, 0x180e, DROP, TM_RULE_ZERO_WIDTH},
    {0x2000, 0x200a, SPACE, TM_RULE_NONE},       {0x200b, 0x200b, DROP, TM_RULE_ZERO_WIDTH},
    {0x2028, 0x2029, NEWLINE, TM_RULE_NONE},     {0x202a, 0x202e, DROP, TM_RULE_BIDI},
    {0x202f, 0x202f, SPACE, TM_RULE_NONE},       {0x205f, 0x205f, SPACE, TM_RULE_NONE},
    {0x2060, 0x2060, DROP, TM_RULE_ZERO_WIDTH},  {0x2066, 0x2069, DROP, TM_RULE_BIDI},
    {0x206a, 0x206f, DROP, TM_RULE_CONTROLS},    {0x3000, 0x3000, SPACE, TM_RULE_NONE},
    {0xfdd0, 0xfdef, DROP, TM_RULE_CONTROLS},    {0xfeff, 0xfeff, DROP, TM_RULE_ZERO_WIDTH},
    {0xfff9, 0xfffc, DROP, TM_RULE_CONTROLS},    {0xfffe, 0xffff, DROP, TM_RULE_CONTROLS},
    {0xe0000, 0xe007f, DROP, TM_RULE_TAG_CHARS}, {0xe0100, 0xe01ef, DROP, TM_RULE_SELECTORS},
};

static bool is_private(uint32_t cp)
{
    return (cp >= 0xe000 && cp <= 0xf8ff) || (cp >= 0xf0000 && cp <= 0x10ffff);
}

/* Variation selectors stay where they choose between text and emoji, digits of keycaps included. */
static bool takes_selector(uint32_t before)
{
    return before != 0 && u_hasBinaryProperty((UChar32)before, UCHAR_EMOJI);
}

static enum fate fate_of(const struct tm_writer *w, uint32_t cp, uint32_t next, uint8_t *rule)
{
    size_t lo = 0, hi = TM_COUNTOF(ranges);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (ranges[mid].last < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < TM_COUNTOF(ranges) && cp >= ranges[lo].first) {
        *rule = ranges[lo].rule;
        return (enum fate)ranges[lo].fate;
    }
    *rule = TM_RULE_SELECTORS;
    if (cp >= 0xfe00 && cp <= 0xfe0f)
        return takes_selector(w->last_cp) ? KEEP : DROP;
    *rule = TM_RULE_PRIVATE_USE; /* one alone is an icon of a font, and so is a lone pilcrow */
    if (is_private(cp))
        return is_private(w->last_cp) || is_private(next) ? KEEP : DROP;
    if (cp == 0xb6)
        return (w->last_cp == 0 || w->gap != 0) && (next == 0 || next <= ' ') ? DROP : KEEP;
    return KEEP;
}

/* ---- output ------------------------------------------------------------------------------------
 */

/* Appends bytes with their run; neighbours that continue each other share one. */
static void append(struct tm_writer *w, const char *s, size_t n, uint32_t from, uint32_t to,
                   bool exact)
{
    uint32_t at = (uint32_t)w->text.len;
    size_t count = w->runs_.len / sizeof(struct tm_offset_run);
    tm_buf_append(&w->text, s, n);
    if (count > w->first_run && w->text.len > w->start) {
        struct tm_offset_run *r = &((struct tm_offset_run *)w->runs_.data)[count - 1];
        if (r->source_end == from && r->exact && exact) {
            r->source_end = to;
            return;
        }
    }
    struct tm_offset_run run = {at, from, to, exact};
    tm_buf_append(&w->runs_, &run, sizeof run);
}

/* exact: c is the one byte of source[from, to). */
static void owe_gap(struct tm_writer *w, char c, uint32_t from, uint32_t to, bool exact)
{
    if (w->gap == 0) {
        w->gap = c;
        w->gap_from = from;
        w->gap_exact = exact;
    } else {
        if (c == '\n' || (c == '\t' && w->gap == ' '))
            w->gap = c; /* a line end outweighs a cell, a cell a blank */
        w->gap_exact = false;
    }
    w->gap_to = to;
}

static void pay_gap(struct tm_writer *w)
{
    if (w->gap != 0 && w->text.len > w->start)
        append(w, &w->gap, 1, w->gap_from, w->gap_to, w->gap_exact);
    w->gap = 0;
}

void tm_writer_begin(struct tm_writer *w, enum tm_block kind, enum tm_writer_mode mode,
                     uint32_t node)
{
    if (w->open)
        tm_writer_end(w);
    w->open = true;
    w->unsettled = false;
    w->mode = mode;
    w->kind = kind;
    w->node = node;
    w->separated = w->text.len > 0;
    w->first_run = w->runs_.len / sizeof(struct tm_offset_run);
    if (w->separated) {
        uint32_t end = ((struct tm_offset_run *)w->runs_.data)[w->first_run - 1].source_end;
        append(w, "\n\n", 2, end, end, false);
        w->first_run++;
    }
    w->start = w->text.len;
    w->gap = 0;
    w->last_cp = 0;
}

void tm_writer_gap(struct tm_writer *w, char c, uint32_t at)
{
    owe_gap(w, c, at, at, false);
    w->last_cp = ' ';
}

/* Length of the stretch at s that needs no thought: printable ASCII with single blanks inside. */
static size_t plain_stretch(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        unsigned char c = (unsigned char)s[i];
        if (c > ' ' && c < 0x7f)
            i++;
        else if (c == ' ' && i > 0 && i + 1 < n && (unsigned char)s[i + 1] > ' ' &&
                 (unsigned char)s[i + 1] < 0x7f)
            i += 2;
        else
            break;
    }
    return i;
}

static void put_char(struct tm_writer *w, const char *s, size_t n, uint32_t cp, uint32_t next,
                     uint32_t from, uint32_t to, bool exact)
{
    uint8_t rule = TM_RULE_NONE;
    switch (fate_of(w, cp, next, &rule)) {
    case DROP:
        w->removed[rule]++;
        return;
    case NEWLINE:
        if (w->mode == TM_WRITER_FLOW)
            owe_gap(w, ' ', from, to, false);
        else
            owe_gap(w, '\n', from, to, exact && cp == '\n');
        break;
    case SPACE:
        if (cp == '\r' && next == '\n')
            return;
        if (w->mode == TM_WRITER_CODE && (cp == ' ' || cp == '\t') && w->text.len > w->start) {
            pay_gap(w);
            append(w, s, n, from, to, exact);
        } else {
            owe_gap(w, ' ', from, to, exact && cp == ' ');
        }
        break;
    case KEEP:
        pay_gap(w);
        append(w, s, n, from, to, exact);
        w->unsettled |= cp >= 0x300 && tm_nfc_unsettled(cp);
        break;
    }
    w->last_cp = cp;
}

void tm_writer_put(struct tm_writer *w, const char *s, size_t n, uint32_t from, uint32_t to,
                   bool exact)
{
    if (tm_mojibake_mend(s, n, &w->mend, &w->mend_bytes)) {
        w->mended++;
        s = w->mend.data;
        n = w->mend.len;
        exact = false;
    }
    for (size_t i = 0; i < n;) {
        size_t plain = plain_stretch(s + i, n - i);
        uint32_t at = exact ? from + (uint32_t)i : from;
        if (plain > 0) {
            pay_gap(w);
            append(w, s + i, plain, at, exact ? at + (uint32_t)plain : to, exact);
            w->last_cp = (unsigned char)s[i + plain - 1];
            i += plain;
            continue;
        }
        uint32_t cp, next = 0;
        size_t len = tm_utf8_decode(s + i, n - i, &cp);
        tm_assert(len > 0);
        if (i + len < n)
            tm_utf8_decode(s + i + len, n - i - len, &next);
        put_char(w, s + i, len, cp, next, at, exact ? at + (uint32_t)len : to, exact);
        i += len;
    }
}

/* A paragraph without text: the blank line before it goes too. */
static void take_back(struct tm_writer *w)
{
    if (!w->separated)
        return;
    w->text.data[w->text.len -= 2] = '\0';
    w->runs_.len -= sizeof(struct tm_offset_run);
}

void tm_writer_end(struct tm_writer *w)
{
    if (!w->open)
        return;
    w->open = false;
    if (tm_writer_failed(w))
        return;
    /* Code keeps blanks as they come, so the end may have some. */
    while (w->text.len > w->start && strchr(" \t", w->text.data[w->text.len - 1]) != NULL)
        w->text.data[--w->text.len] = '\0';
    struct tm_offset_run *runs = (struct tm_offset_run *)w->runs_.data;
    size_t count = w->runs_.len / sizeof *runs;
    while (count > w->first_run && runs[count - 1].text_start >= w->text.len)
        count--;
    if (count > w->first_run && runs[count - 1].exact)
        runs[count - 1].source_end =
            runs[count - 1].source_start + ((uint32_t)w->text.len - runs[count - 1].text_start);
    w->runs_.len = count * sizeof *runs;
    if (w->text.len == w->start) {
        take_back(w);
        return;
    }
    if (w->unsettled)
        tm_nfc_settle(w);
    if (w->social != TM_SOCIAL_KEEP)
        tm_social_settle(w);
    if (w->redaction != NULL && w->text.len > w->start)
        tm_redact_settle(w);
    if (w->text.len == w->start) { /* there was nothing else in it */
        take_back(w);
        return;
    }
    struct tm_written done = {
        .node = w->node,
        .paragraph = {.span = {(uint32_t)w->start, (uint32_t)w->text.len, 0, 0}, .kind = w->kind}};
    tm_buf_append(&w->paragraphs_, &done, sizeof done);
}
