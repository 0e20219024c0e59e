/* Messages of run and once (report.h). The bar is one line of stderr, wiped before anything else is
 * written there. */
#include "report.h"

#include <stdio.h>
#include <string.h>

enum { BAR = 28 };

void report_init(struct report *r, bool bar)
{
    *r = (struct report){.bar = bar};
    pthread_mutex_init(&r->lock, NULL);
}

static void wipe(struct report *r)
{
    if (r->drawn)
        fputs("\r\033[K", stderr);
    r->drawn = false;
}

static void keep_sample(struct report *r, const struct tm_doc *doc, const char *stage,
                        const struct tm_err *err)
{
    struct sample *s = &r->samples[err->status].ring[r->samples[err->status].n++ % SAMPLES];
    s->at_ms = tm_clock_unix_ms();
    s->line = doc->rec.line;
    snprintf(s->document, sizeof s->document, "%s",
             doc->rec.path != NULL ? doc->rec.path : doc->id);
    snprintf(s->stage, sizeof s->stage, "%s", stage);
    snprintf(s->message, sizeof s->message, "%s", err->text);
}

size_t report_samples(struct report *r, enum tm_status code, struct sample out[SAMPLES])
{
    pthread_mutex_lock(&r->lock);
    size_t n = r->samples[code].n, kept = TM_MIN(n, (size_t)SAMPLES);
    for (size_t i = 0; i < kept; i++)
        out[i] = r->samples[code].ring[(n - 1 - i) % SAMPLES];
    pthread_mutex_unlock(&r->lock);
    return kept;
}

void report_trouble(void *arg, const struct tm_doc *doc, const char *stage,
                    const struct tm_err *err)
{
    struct report *r = arg;
    pthread_mutex_lock(&r->lock);
    wipe(r);
    if (doc != NULL)
        keep_sample(r, doc, stage, err);
    if (doc != NULL)
        tm_log(TM_LOG_WARNING, "document failed",
               TM_S("doc", doc->rec.path != NULL ? doc->rec.path : doc->id),
               TM_I("line", doc->rec.line), TM_S("stage", stage),
               TM_S("code", tm_status_code(err->status)), TM_S("error", err->text));
    else
        tm_log(TM_LOG_ERROR, "trouble", TM_S("stage", stage),
               TM_S("code", tm_status_code(err->status)), TM_S("error", err->text));
    pthread_mutex_unlock(&r->lock);
}

static void print_time_left(double seconds)
{
    if (seconds >= 3600)
        fprintf(stderr, ", %d h %02d min left", (int)(seconds / 3600), (int)seconds % 3600 / 60);
    else if (seconds >= 60)
        fprintf(stderr, ", %d min %02d s left", (int)seconds / 60, (int)seconds % 60);
    else
        fprintf(stderr, ", %d s left", (int)seconds);
}

void report_progress(void *arg, const struct tm_summary *now, uint64_t total)
{
    struct report *r = arg;
    if (!r->bar)
        return;
    uint64_t ended = now->delivered + now->dead;
    double rate = now->seconds > 0 ? (double)ended / now->seconds : 0;
    pthread_mutex_lock(&r->lock);
    fputs("\r\033[K", stderr);
    if (total > 0) {
        int filled = (int)((double)BAR * (double)TM_MIN(ended, total) / (double)total);
        fprintf(stderr, "[%.*s%*s] %llu/%llu documents, %.1f/s", filled,
                "############################", BAR - filled, "", (unsigned long long)ended,
                (unsigned long long)total, rate);
        if (rate > 0 && total >= ended)
            print_time_left((double)(total - ended) / rate);
    } else {
        fprintf(stderr, "%llu documents, %.1f/s", (unsigned long long)ended, rate);
    }
    if (now->dead > 0)
        fprintf(stderr, ", %llu dead-lettered", (unsigned long long)now->dead);
    fflush(stderr);
    r->drawn = true;
    pthread_mutex_unlock(&r->lock);
}

void report_summary(struct report *r, const struct tm_summary *s)
{
    double seconds = s->seconds > 0 ? s->seconds : 1e-9;
    pthread_mutex_lock(&r->lock);
    wipe(r);
    fprintf(
        stderr,
        "%llu documents: %llu delivered (%llu partial), %llu dead-lettered; %llu tokens, %.1f MB "
        "in %.2f s: %.1f documents/s, %.0f tokens/s\n",
        (unsigned long long)(s->delivered + s->dead), (unsigned long long)s->delivered,
        (unsigned long long)s->partial, (unsigned long long)s->dead, (unsigned long long)s->tokens,
        (double)s->bytes / 1e6, s->seconds, (double)(s->delivered + s->dead) / seconds,
        (double)s->tokens / seconds);
    if (s->abandoned > 0)
        fprintf(stderr,
                "%llu documents were in flight when the drain limit ended: they are done again at "
                "the next start\n",
                (unsigned long long)s->abandoned);
    pthread_mutex_unlock(&r->lock);
}
