/* Rewriting of a paragraph with its runs (rewrite.h). For nfc.c and redact.c, on a worker's writer.
 */
#include "rewrite.h"

void tm_rewrite_begin(struct tm_rewrite *s, struct tm_writer *w)
{
    *s = (struct tm_rewrite){.w = w,
                             .text = w->text.data + w->start,
                             .len = w->text.len - w->start,
                             .runs = (struct tm_offset_run *)w->runs_.data + w->first_run,
                             .base = (uint32_t)w->start};
    s->n_runs = w->runs_.len / sizeof *s->runs - w->first_run;
    tm_buf_clear(&w->spare_text);
    tm_buf_clear(&w->spare_runs);
}

uint32_t tm_rewrite_at(const struct tm_rewrite *s)
{
    return s->base + (uint32_t)s->w->spare_text.len;
}

static uint32_t run_end(const struct tm_rewrite *s, size_t run)
{
    return run + 1 < s->n_runs ? s->runs[run + 1].text_start : s->base + (uint32_t)s->len;
}

static void add_run(struct tm_rewrite *s, uint32_t from, uint32_t to, bool exact)
{
    struct tm_offset_run run = {tm_rewrite_at(s), from, to, exact};
    tm_buf_append(&s->w->spare_runs, &run, sizeof run);
}

void tm_rewrite_copy(struct tm_rewrite *s, size_t from, size_t to)
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

void tm_rewrite_replace(struct tm_rewrite *s, size_t from, size_t to, const char *new, size_t n)
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
    if (n > 0)
        add_run(s, start, end, false);
    tm_buf_append(&s->w->spare_text, new, n);
}

void tm_rewrite_end(struct tm_rewrite *s)
{
    struct tm_writer *w = s->w;
    w->text.len = w->start;
    w->runs_.len = w->first_run * sizeof *s->runs;
    tm_buf_append(&w->text, w->spare_text.data, w->spare_text.len);
    tm_buf_append(&w->runs_, w->spare_runs.data, w->spare_runs.len);
}
