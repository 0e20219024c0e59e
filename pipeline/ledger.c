/* The ledger (ledger.h): a table of lanes by id, each a ring of its records from the oldest that is
 * not durable. Lanes whose oldest record not handed out is finished stand in the ready list, first
 * come first served. Called by the runner's threads under the runner's lock. */
#include "ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RING_FIRST = 4, LEARN = 16 };

static const double first_tokens_per_byte = 0.25; /* English, before anything is known */

struct entry {
    struct tm_doc *doc; /* NULL: in flight, or handed out */
    uint64_t seq, since_ns;
    size_t bytes, out_bytes, tokens; /* tokens: expected, then counted */
    bool finished, last;
};

struct lane {
    struct lane *next_in_bucket, *next_ready;
    uint64_t id, due; /* due: lowest number that the next record may have */
    uint32_t epoch;
    char name[TM_LANE_NAME]; /* for people */
    bool ready;              /* in the ready list */
    size_t handed;           /* leading records that are handed out */
    size_t head, n, room;
    struct entry *ring; /* room is a power of two */
};

struct ledger {
    size_t most_docs, most_bytes, most_tokens, docs, bytes, tokens, done, done_bytes;
    double tokens_per_byte;
    struct lane *ready_head, **ready_tail;
    size_t mask;
    struct lane *buckets[];
};

struct ledger *ledger_create(size_t most_docs, size_t most_bytes, size_t most_tokens)
{
    size_t n = 16;
    while (n < most_docs)
        n *= 2;
    struct ledger *l = calloc(1, sizeof *l + n * sizeof *l->buckets);
    if (l == NULL)
        return NULL;
    l->most_docs = most_docs;
    l->most_bytes = most_bytes;
    l->most_tokens = most_tokens;
    l->tokens_per_byte = first_tokens_per_byte;
    l->mask = n - 1;
    l->ready_tail = &l->ready_head;
    return l;
}

void ledger_destroy(struct ledger *l)
{
    if (l == NULL)
        return;
    ledger_forget(l);
    free(l);
}

static struct lane **find(const struct ledger *l, uint64_t id)
{
    struct lane **at = (struct lane **)&l->buckets[tm_hash(&id, sizeof id, 0) & l->mask];
    while (*at != NULL && (*at)->id != id)
        at = &(*at)->next_in_bucket;
    return at;
}

static struct entry *entry_at(const struct lane *lane, size_t i)
{
    return &lane->ring[(lane->head + i) & (lane->room - 1)];
}

static bool lane_ready(const struct lane *lane)
{
    return lane->handed < lane->n && entry_at(lane, lane->handed)->finished;
}

static void list_ready(struct ledger *l, struct lane *lane)
{
    if (lane->ready || !lane_ready(lane))
        return;
    lane->ready = true;
    lane->next_ready = NULL;
    *l->ready_tail = lane;
    l->ready_tail = &lane->next_ready;
}

static void unlist_ready(struct ledger *l, struct lane *lane)
{
    if (!lane->ready)
        return;
    struct lane **at = &l->ready_head;
    while (*at != lane)
        at = &(*at)->next_ready;
    *at = lane->next_ready;
    if (l->ready_tail == &lane->next_ready)
        l->ready_tail = at;
    lane->ready = false;
}

/* The oldest record leaves the window. */
static void pop(struct ledger *l, struct lane *lane)
{
    struct entry *e = entry_at(lane, 0);
    l->docs--;
    l->bytes -= e->bytes;
    l->tokens -= e->tokens;
    l->done -= e->finished;
    l->done_bytes -= e->out_bytes;
    tm_doc_destroy(e->doc);
    e->doc = NULL;
    lane->head = (lane->head + 1) & (lane->room - 1);
    lane->n--;
    if (lane->handed > 0)
        lane->handed--;
}

static void remove_lane(struct ledger *l, struct lane **at)
{
    struct lane *lane = *at;
    unlist_ready(l, lane);
    while (lane->n > 0)
        pop(l, lane);
    *at = lane->next_in_bucket;
    free(lane->ring);
    free(lane);
}

void ledger_forget(struct ledger *l)
{
    for (size_t i = 0; i <= l->mask; i++)
        while (l->buckets[i] != NULL)
            remove_lane(l, &l->buckets[i]);
}

size_t ledger_forget_lane(struct ledger *l, uint64_t lane)
{
    struct lane **at = find(l, lane);
    size_t n = *at != NULL ? (*at)->n : 0;
    if (*at != NULL)
        remove_lane(l, at);
    return n;
}

bool ledger_has(const struct ledger *l, uint64_t lane, uint32_t epoch)
{
    const struct lane *at = *find(l, lane);
    return at != NULL && at->epoch == epoch;
}

static size_t expect_tokens(const struct ledger *l, size_t bytes)
{
    return l->most_tokens == 0 ? 0 : (size_t)((double)bytes * l->tokens_per_byte);
}

static bool fits(size_t used, size_t more, size_t most)
{
    return used < most && more <= most - used;
}

bool ledger_room(const struct ledger *l, size_t bytes)
{
    return l->docs == 0 ||
           (l->docs < l->most_docs && fits(l->bytes, bytes, l->most_bytes) &&
            (l->most_tokens == 0 || fits(l->tokens, expect_tokens(l, bytes), l->most_tokens)));
}

static bool grow(struct lane *lane)
{
    if (lane->n < lane->room)
        return true;
    size_t room = lane->room == 0 ? RING_FIRST : lane->room * 2;
    struct entry *ring = calloc(room, sizeof *ring);
    if (ring == NULL)
        return false;
    for (size_t i = 0; i < lane->n; i++)
        ring[i] = *entry_at(lane, i);
    free(lane->ring);
    lane->ring = ring;
    lane->room = room;
    lane->head = 0;
    return true;
}

static struct lane *add_lane(struct lane **at, const struct tm_record *rec)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return NULL;
    lane->id = rec->lane;
    lane->epoch = rec->epoch;
    if (rec->topic != NULL)
        snprintf(lane->name, sizeof lane->name, "%s/%d", rec->topic, (int)rec->partition);
    else
        snprintf(lane->name, sizeof lane->name, "%s", rec->path != NULL ? rec->path : "");
    *at = lane;
    return lane;
}

enum tm_status ledger_admit(struct ledger *l, const struct tm_record *rec, struct tm_err *err)
{
    struct lane **at = find(l, rec->lane);
    if (*at != NULL && rec->epoch < (*at)->epoch)
        return TM_CANCELLED;
    if (*at != NULL && rec->epoch > (*at)->epoch) {
        remove_lane(l, at);
        at = find(l, rec->lane);
    }
    struct lane *lane = *at != NULL ? *at : add_lane(at, rec);
    if (lane != NULL && rec->seq < lane->due)
        return tm_err_set(err, TM_INTERNAL, "%s: record %llu where %llu was due", rec->lane_name,
                          (unsigned long long)rec->seq, (unsigned long long)lane->due);
    if (lane == NULL || !grow(lane))
        return tm_err_set(err, TM_NOMEM, "ledger of %zu records", l->docs);
    const size_t tokens = expect_tokens(l, rec->len);
    *entry_at(lane, lane->n++) = (struct entry){.seq = rec->seq,
                                                .since_ns = tm_clock_ns(),
                                                .bytes = rec->len,
                                                .tokens = tokens,
                                                .last = rec->last};
    lane->due = rec->seq + 1;
    l->docs++;
    l->bytes += rec->len;
    l->tokens += tokens;
    return TM_OK;
}

/* By its number, which rises along the ring; NULL when it has left. */
static struct entry *find_entry(const struct lane *lane, uint64_t seq)
{
    size_t low = 0, high = lane->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (entry_at(lane, middle)->seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    struct entry *e = low < lane->n ? entry_at(lane, low) : NULL;
    return e != NULL && e->seq == seq ? e : NULL;
}

/* The record in the window; NULL: it has left, or is of an old epoch. */
static struct entry *entry_of(const struct ledger *l, const struct tm_record *rec,
                              struct lane **ret_lane)
{
    struct lane *lane = *ret_lane = *find(l, rec->lane);
    return lane == NULL || rec->epoch != lane->epoch ? NULL : find_entry(lane, rec->seq);
}

void ledger_tokens(struct ledger *l, const struct tm_record *rec, size_t tokens)
{
    struct lane *lane;
    struct entry *e = entry_of(l, rec, &lane);
    if (e == NULL || l->most_tokens == 0)
        return;
    l->tokens += tokens - e->tokens;
    e->tokens = tokens;
    if (e->bytes > 0)
        l->tokens_per_byte += ((double)tokens / (double)e->bytes - l->tokens_per_byte) / LEARN;
}

bool ledger_finish(struct ledger *l, struct tm_doc **owned)
{
    const struct tm_doc *doc = *owned;
    struct lane *lane;
    struct entry *e = entry_of(l, &doc->rec, &lane);
    if (e == NULL || e->finished)
        return false;
    e->out_bytes = doc->err.status == TM_OK ? doc->output_len : doc->rec.len;
    e->doc = TM_TAKE(*owned);
    e->finished = true;
    l->done++;
    l->done_bytes += e->out_bytes;
    list_ready(l, lane);
    return true;
}

size_t ledger_collect(struct ledger *l, struct tm_doc **docs, struct tm_progress *progress,
                      size_t *ret_n_progress, size_t max)
{
    size_t n = 0, n_progress = 0;
    while (n < max && l->ready_head != NULL) {
        struct lane *lane = l->ready_head;
        struct tm_progress *p = &progress[n_progress++];
        *p = (struct tm_progress){.lane = lane->id, .epoch = lane->epoch};
        while (n < max && lane_ready(lane)) {
            struct entry *e = entry_at(lane, lane->handed++);
            docs[n++] = TM_TAKE(e->doc);
            p->next = e->seq + 1;
            p->ended = e->last;
        }
        unlist_ready(l, lane);
        list_ready(l, lane); /* more than max were ready: the lane goes to the end of the list */
    }
    *ret_n_progress = n_progress;
    return n;
}

size_t ledger_delivered(struct ledger *l, const struct tm_progress *progress, size_t n)
{
    const size_t before = l->docs;
    for (size_t i = 0; i < n; i++) {
        struct lane **at = find(l, progress[i].lane);
        if (*at == NULL || (*at)->epoch != progress[i].epoch)
            continue; /* forgotten in the meantime */
        while ((*at)->handed > 0 && entry_at(*at, 0)->seq < progress[i].next)
            pop(l, *at);
        if ((*at)->n == 0)
            remove_lane(l, at);
    }
    return before - l->docs;
}

bool ledger_ready(const struct ledger *l)
{
    return l->ready_head != NULL;
}

size_t ledger_count(const struct ledger *l)
{
    return l->docs;
}

size_t ledger_bytes(const struct ledger *l)
{
    return l->bytes;
}

size_t ledger_done(const struct ledger *l)
{
    return l->done;
}

size_t ledger_done_bytes(const struct ledger *l)
{
    return l->done_bytes;
}

uint64_t ledger_oldest_ns(const struct ledger *l)
{
    uint64_t oldest = 0;
    for (size_t i = 0; i <= l->mask; i++)
        for (const struct lane *lane = l->buckets[i]; lane != NULL; lane = lane->next_in_bucket) {
            uint64_t since = lane->n > 0 ? entry_at(lane, 0)->since_ns : oldest;
            oldest = oldest == 0 || since < oldest ? since : oldest;
        }
    return oldest;
}

static void put_lane(const struct lane *lane, uint64_t since, struct tm_lane_status *out, size_t n)
{
    size_t i = n - 1;
    for (; i > 0 && out[i - 1].oldest_ns > since; i--)
        out[i] = out[i - 1];
    out[i] = (struct tm_lane_status){
        .lane = lane->id, .in_flight = lane->n, .oldest_ns = since, .lag = -1};
    memcpy(out[i].name, lane->name, sizeof out[i].name);
}

size_t ledger_lanes(const struct ledger *l, struct tm_lane_status *out, size_t max, size_t *ret_n)
{
    size_t n = 0, all = 0;
    for (size_t i = 0; i <= l->mask; i++)
        for (const struct lane *lane = l->buckets[i]; lane != NULL; lane = lane->next_in_bucket) {
            if (lane->n == 0)
                continue;
            uint64_t since = entry_at(lane, 0)->since_ns;
            all++;
            if (n < max)
                put_lane(lane, since, out, ++n);
            else if (since < out[n - 1].oldest_ns)
                put_lane(lane, since, out, n);
        }
    *ret_n = n;
    return all;
}
