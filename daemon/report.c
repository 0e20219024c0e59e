/* Messages of run and once (report.h). The bar is one line of stderr, wiped before anything else is
 * written there. */
#include "report.h"

#include <stdio.h>
#include <string.h>

enum { BAR = 28, MINUTE_S = 60 };

/* What to do about an error line. */
static const char *next_step(enum tm_status s)
{
    static const char *const step[TM_STATUS_COUNT] = {
        [TM_AGAIN] = "none: it is tried again",
        [TM_NOMEM] = "raise limits.memory or limits.document_memory, or give the machine more",
        [TM_BADINPUT] = "mend the document, or see source.spool.format and clean.kind",
        [TM_CHARSET] = "say the document's charset, or convert it to UTF-8",
        [TM_TOOLARGE] = "raise clean.max_bytes or limits.document_memory, or split the document",
        [TM_DEPTH] = "raise clean.max_depth, or leave the document out",
        [TM_EMPTY] = "none if it is meant to be empty; else look at it with textmill extract",
        [TM_TIMEOUT] = "raise clean.max_ms or limits.stage_seconds, or leave the document out",
        [TM_CRASH] = "report it with the document; the others have been delivered",
        [TM_MODEL] = "textmill models verify on the model's folder",
        [TM_UNSUPPORTED] =
            "textmill models inspect on the model's folder; docs/formats.md for files",
        [TM_NOTFOUND] = "put the file there, or mend the path in the configuration",
        [TM_PERM] = "let this user read and write there (chown, or ReadWritePaths= of the unit)",
        [TM_IO] = "look at the disk; nothing is lost, it is tried again",
        [TM_NOSPACE] = "free space on the disk; nothing is lost, it is tried again",
        [TM_CONFIG] = "textmill check on the configuration",
        [TM_CLOSED] = "see which other instance has the same state.instance or transactional id",
        [TM_DEVICE] = "textmill version shows the devices there are",
        [TM_UNAVAILABLE] = "check the address, and that the other side runs; it is tried again",
    };
    return step[s] != NULL ? step[s] : "see docs/troubleshooting.md";
}

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
               TM_S("code", tm_status_code(err->status)), TM_S("error", err->text),
               TM_S("next", next_step(err->status)));
    else
        tm_log(TM_LOG_ERROR, "trouble", TM_S("stage", stage),
               TM_S("code", tm_status_code(err->status)), TM_S("error", err->text),
               TM_S("next", next_step(err->status)));
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

void report_minute(struct report *r, const struct tm_summary *now)
{
    const uint64_t at = tm_clock_ns();
    if (r->told_ns == 0)
        r->told_ns = at;
    double seconds = (double)(at - r->told_ns) / 1e9;
    if (seconds < MINUTE_S || r->bar)
        return;
    uint64_t delivered = now->delivered - r->told.delivered, dead = now->dead - r->told.dead;
    if (delivered + dead > 0 || now->documents > r->told.documents)
        tm_log(TM_LOG_INFO, "summary", TM_I("delivered", delivered), TM_I("dead", dead),
               TM_F("documents_per_s", (double)(delivered + dead) / seconds),
               TM_F("tokens_per_s", (double)(now->tokens - r->told.tokens) / seconds),
               TM_I("in_flight", now->documents - now->delivered - now->dead),
               TM_F("seconds", seconds));
    r->told = *now;
    r->told_ns = at;
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
