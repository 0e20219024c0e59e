/* The memory cap (limits.memory): from four fifths of it on no document is admitted until memory
 * has fallen, but for one at a time, so that the work always goes on. On the source thread. */
#include "runner.h"
#include "tm_engine.h"

#include <malloc.h>

enum { LOOK_BYTES = 1 << 20, LOOK_MS = 100, TRIM_MS = 1000, LEAST_GROWTH = 8 };

static size_t cap_of(const struct tm_runner *r)
{
    size_t cap = (size_t)r->config.conf->limits_memory;
    return cap > 0 ? cap : tm_engine_memory();
}

/* Documents that wait in a queue, and the next one, will be larger once they are worked on: by as
 * much as those before them, and never by less than what a plain text takes beside its arena. */
static bool over(struct tm_runner *r, size_t next)
{
    struct memory *m = &r->memory;
    pthread_mutex_lock(&r->lock);
    double growth = TM_MAX(m->used / m->came, (double)LEAST_GROWTH);
    double expected = (double)(ledger_bytes(r->ledger) + next) * growth;
    pthread_mutex_unlock(&r->lock);
    return TM_MAX((double)tm_resident_bytes(), (double)m->base + expected) > 0.8 * (double)m->cap;
}

void runner_memory_learn(struct tm_runner *r, const struct tm_doc *doc)
{
    r->memory.used += (double)tm_arena_used(doc->arena);
    r->memory.came += (double)doc->rec.len;
}

enum tm_status runner_memory_begin(struct tm_runner *r, struct tm_err *err)
{
    r->memory = (struct memory){.cap = cap_of(r),
                                .base = (size_t)tm_resident_bytes(),
                                .used = LEAST_GROWTH * (double)LOOK_BYTES,
                                .came = LOOK_BYTES};
    if (r->config.conf->limits_memory == 0 || !over(r, 0))
        return TM_OK;
    return tm_err_set(err, TM_CONFIG,
                      "limits.memory: the models take %lld MB already, more than 80 %% of %zu MB; "
                      "raise it, or use smaller models",
                      (long long)tm_resident_bytes() / 1000000, r->memory.cap / 1000000);
}

/* What the process freed may still be its own: it is given back before anything has to wait. */
bool runner_memory_short(struct tm_runner *r, size_t bytes)
{
    struct memory *m = &r->memory;
    uint64_t now = tm_clock_ns();
    m->unseen += bytes;
    if (m->unseen < LOOK_BYTES && now - m->looked_ns < LOOK_MS * 1000000ull)
        return m->is_short;
    m->unseen = 0;
    m->looked_ns = now;
    m->is_short = over(r, bytes);
    if (m->is_short && now - m->trimmed_ns > TRIM_MS * 1000000ull) {
        malloc_trim(0);
        m->trimmed_ns = now;
        m->is_short = over(r, bytes);
    }
    tm_metric_set(r->config.metrics, TM_METRIC_MEMORY_SHORT, m->is_short);
    return m->is_short;
}
