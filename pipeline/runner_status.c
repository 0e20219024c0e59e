/* What a running pipeline looks like from outside, for the status page, metrics and `top`. Called
 * by the main thread in its wait (tm_runner_watch), while all other threads run. */
#include "runner.h"

#include <stdio.h>

static size_t threads_of(const struct tm_runner *r, const struct place *p, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_workers; i++)
        n += r->workers[i].place == p && strcmp(r->workers[i].name, name) == 0;
    return n;
}

void tm_runner_watch(struct tm_runner *r, int fd, void (*watch)(void *arg), void *arg)
{
    r->watch_fd = fd;
    r->watch = watch;
    r->watch_arg = arg;
}

int tm_runner_tap_open(struct tm_runner *r, unsigned every)
{
    return taps_add(r->taps, every);
}

size_t tm_runner_tap_read(struct tm_runner *r, int tap, char *out, size_t max)
{
    return taps_read(r->taps, tap, out, max);
}

void tm_runner_tap_close(struct tm_runner *r, int tap)
{
    taps_remove(r->taps, tap);
}

static struct tm_lane_status *find_lane(struct tm_lane_status *lanes, size_t n, uint64_t lane)
{
    for (size_t i = 0; i < n; i++)
        if (lanes[i].lane == lane)
            return &lanes[i];
    return NULL;
}

void runner_lag(void *arg, uint64_t lane, const char *name, int64_t records)
{
    struct tm_runner *r = arg;
    pthread_mutex_lock(&r->lock);
    struct tm_lane_status *at = find_lane(r->lag, r->n_lag, lane);
    if (at == NULL && r->n_lag < TM_LANES_SHOWN) {
        at = &r->lag[r->n_lag++];
        *at = (struct tm_lane_status){.lane = lane};
        snprintf(at->name, sizeof at->name, "%s", name);
    }
    if (at != NULL)
        at->lag = records;
    pthread_mutex_unlock(&r->lock);
}

/* Those with documents first, then those that only lag. Under the lock. */
static void list_lanes(struct tm_runner *r, struct tm_runner_status *s)
{
    size_t all = ledger_lanes(r->ledger, s->lanes, TM_LANES_SHOWN, &s->n_lanes);
    for (size_t i = 0; i < r->n_lag; i++) {
        struct tm_lane_status *at = find_lane(s->lanes, s->n_lanes, r->lag[i].lane);
        if (at != NULL)
            at->lag = r->lag[i].lag;
        else if (s->n_lanes < TM_LANES_SHOWN) {
            s->lanes[s->n_lanes++] = r->lag[i];
            all++;
        }
    }
    s->lanes_more = all - s->n_lanes;
}

void tm_runner_status(struct tm_runner *r, struct tm_runner_status *ret_status)
{
    struct tm_runner_status s = {.draining = runner_phase(r) != PHASE_RUN};
    pthread_mutex_lock(&r->lock);
    s.summary = r->summary;
    s.in_flight = ledger_count(r->ledger);
    s.waiting_for_delivery = ledger_done(r->ledger);
    s.alone = r->alone || r->n_held > 0;
    list_lanes(r, &s);
    uint64_t oldest = ledger_oldest_ns(r->ledger);
    pthread_mutex_unlock(&r->lock);
    if (r->config.source->total != NULL)
        s.total = r->config.source->total(r->source);
    uint64_t now = tm_clock_ns();
    s.oldest_seconds = oldest != 0 && now > oldest ? (double)(now - oldest) / 1e9 : 0;
    for (size_t i = 0; i < PLACES; i++) {
        struct place *p = &r->place[i];
        const struct place *by = p->carried ? &r->place[PLACE_CLEAN] : p;
        size_t n = threads_of(r, by, i == PLACE_INFER ? "engine" : by->name);
        if (n == 0)
            continue;
        s.stages[s.n_stages++] = (struct tm_stage_status){
            .name = p->name,
            .documents = atomic_load(&p->waiting),
            .queued = tm_queue_len(p->in),
            .queue_room = (size_t)r->config.conf->limits_documents,
            .threads = n,
            .busy_ns = atomic_load(&p->busy_ns),
        };
    }
    *ret_status = s;
}
