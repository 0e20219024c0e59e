/* Who is whose duplicate, and what becomes of it (tm_dedup.h).
 *
 * The runner's dedup thread asks and polls; its stage threads say how documents ended, its delivery
 * thread which ones are delivered. One lock guards everything. */
#include "tm_dedup.h"
#include "window_file.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHARED_MOST = 64 << 20, /* bytes of results that are kept for reuse, oldest out first */
    SHARED_ONE = 4 << 20,   /* a larger one is not kept */
};

enum policy { POLICY_OFF, POLICY_KEEP, POLICY_SKIP, POLICY_REUSE };
static const char *const policy_names[] = {
    [POLICY_OFF] = "off",
    [POLICY_KEEP] = "keep",
    [POLICY_SKIP] = "skip",
    [POLICY_REUSE] = "reuse-result",
};

/* A document whose first is in flight. */
struct waiting {
    struct tm_doc *doc;
    struct signature signature;
    uint64_t first;
    struct waiting *next;
};

struct tm_dedup {
    enum policy policy;
    double least;
    size_t capacity;
    pthread_mutex_t lock; /* guards everything below */
    struct window *window;
    struct window_file *file;
    struct waiting *waiting, **waiting_tail;
    bool news;          /* something has ended since the last poll */
    size_t shared_len;  /* of all entries */
    uint64_t shared_at; /* entries below have none */
};

static void destroyp(struct tm_dedup **d)
{
    tm_dedup_destroy(*d);
}

enum tm_status tm_dedup_create(const struct tm_conf *conf, struct tm_dedup **ret_dedup,
                               struct tm_err *err)
{
    enum policy policy = POLICY_OFF;
    for (size_t i = 0; i < TM_COUNTOF(policy_names); i++)
        if (strcmp(policy_names[i], conf->dedup_policy) == 0)
            policy = (enum policy)i;
    *ret_dedup = NULL;
    if (policy == POLICY_OFF)
        return TM_OK;
    TM_CLEANUP(destroyp) struct tm_dedup *d = calloc(1, sizeof *d);
    if (d == NULL)
        return tm_err_set(err, TM_NOMEM, "dedup");
    pthread_mutex_init(&d->lock, NULL);
    d->policy = policy;
    d->least = conf->dedup_similarity;
    d->waiting_tail = &d->waiting;
    d->capacity = (size_t)conf->dedup_documents;
    d->window = window_create(d->capacity);
    if (d->window == NULL)
        return tm_err_set(err, TM_NOMEM, "dedup: a window of %lld documents",
                          (long long)conf->dedup_documents);
    enum tm_status s =
        window_file_open(conf->state_path, conf->state_instance, d->window, &d->file, err);
    if (s == TM_OK)
        *ret_dedup = TM_TAKE(d);
    return s;
}

void tm_dedup_destroy(struct tm_dedup *d)
{
    if (d == NULL)
        return;
    for (struct waiting *w = d->waiting, *next; w != NULL; w = next) {
        next = w->next;
        tm_doc_destroy(w->doc);
        free(w);
    }
    window_file_close(d->file);
    window_destroy(d->window);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

/* ---- deciding ---- */

static uint64_t identity_of(const struct tm_record *r)
{
    uint64_t h = tm_hash(&r->line, sizeof r->line, 3);
    return r->lane_name == NULL ? h : tm_hash(r->lane_name, strlen(r->lane_name), h);
}

static uint64_t hash_text(const char *s, uint64_t seed)
{
    return s == NULL ? seed * 31 + 1 : tm_hash(s, strlen(s), seed);
}

/* What a result depends on besides the text: only documents that agree in it can share one. */
static uint64_t asked_of(const struct tm_doc *doc)
{
    uint64_t h = hash_text(doc->lang, hash_text(doc->title, 5));
    for (size_t i = 0; i < doc->n_tasks; i++)
        h = hash_text(doc->tasks[i], h);
    return h;
}

static enum tm_status mark(const struct tm_dedup *d, struct tm_doc *doc, const struct entry *first,
                           double similarity)
{
    bool shares =
        d->policy == POLICY_REUSE && first->shared != NULL && first->asked == asked_of(doc);
    struct tm_duplicate *dup = tm_arena_alloc(doc->arena, sizeof *dup);
    if (dup == NULL)
        return tm_doc_nomem(doc, "dedup");
    /* What cannot be shared is made anew. */
    dup->policy = policy_names[d->policy == POLICY_REUSE && !shares ? POLICY_KEEP : d->policy];
    dup->similarity = similarity;
    dup->of = tm_arena_strdup(doc->arena, first->id);
    if (shares) {
        dup->shared = tm_arena_strndup(doc->arena, first->shared, first->shared_len);
        dup->shared_len = first->shared_len;
    }
    if (dup->of == NULL || (shares && dup->shared == NULL))
        return tm_doc_nomem(doc, "dedup");
    doc->duplicate = dup;
    return TM_OK;
}

/* The document is the first of its kind. One that comes again after a rewind finds itself. */
static void remember(struct tm_dedup *d, struct tm_doc *doc, const struct signature *s)
{
    uint64_t identity = identity_of(&doc->rec);
    uint64_t number = window_find_identity(d->window, identity);
    if (number == 0 && window_next(d->window) - window_oldest(d->window) == d->capacity)
        d->shared_len -= window_at(d->window, window_oldest(d->window))->shared_len; /* it goes */
    if (number == 0)
        number = window_add(d->window, s, identity, doc->id == NULL ? "" : doc->id);
    struct entry *e = window_at(d->window, number);
    if (e == NULL)
        return; /* no memory: it has no duplicates */
    e->state = ENTRY_OPEN;
    e->asked = asked_of(doc);
    doc->dedup_number = number;
}

/* false: it must wait for *ret_first. */
static bool decide(struct tm_dedup *d, struct tm_doc *doc, const struct signature *s,
                   uint64_t *ret_first)
{
    double similarity = 0;
    bool again = window_find_identity(d->window, identity_of(&doc->rec)) != 0;
    uint64_t first = again ? 0 : window_find(d->window, s, d->least, &similarity);
    struct entry *e = window_at(d->window, first);
    if (e == NULL) {
        remember(d, doc, s);
        return true;
    }
    *ret_first = first;
    if (e->state == ENTRY_OPEN)
        return false;
    (void)mark(d, doc, e, similarity);
    return true;
}

enum tm_status tm_dedup_ask(struct tm_dedup *d, struct tm_doc **owned)
{
    struct tm_doc *doc = *owned;
    struct waiting *w = malloc(sizeof *w);
    if (w == NULL)
        return tm_doc_nomem(doc, "dedup");
    signature_make(doc->text, doc->text_len, &w->signature);
    pthread_mutex_lock(&d->lock);
    bool decided = decide(d, doc, &w->signature, &w->first);
    if (!decided) {
        w->doc = TM_TAKE(*owned);
        w->next = NULL;
        *d->waiting_tail = w;
        d->waiting_tail = &w->next;
    }
    pthread_mutex_unlock(&d->lock);
    if (decided)
        free(w);
    return TM_OK;
}

size_t tm_dedup_poll(struct tm_dedup *d, struct tm_doc **out, size_t max)
{
    size_t n = 0;
    pthread_mutex_lock(&d->lock);
    bool look = d->news;
    d->news = false;
    for (struct waiting **at = &d->waiting; look && *at != NULL;) {
        struct waiting *w = *at;
        const struct entry *first = window_at(d->window, w->first);
        bool open = first != NULL && first->state == ENTRY_OPEN;
        if (n == max) {
            d->news = true;
            break;
        }
        if (open || !decide(d, w->doc, &w->signature, &w->first)) {
            at = &w->next;
            continue;
        }
        out[n++] = w->doc;
        *at = w->next;
        if (d->waiting_tail == &w->next)
            d->waiting_tail = at;
        free(w);
    }
    pthread_mutex_unlock(&d->lock);
    return n;
}

/* ---- ends ---- */

/* Keeps the shared part of a result; lets go of the oldest ones when they are too much. */
static void keep_shared(struct tm_dedup *d, const struct tm_doc *doc, struct entry *e)
{
    size_t len = doc->shared_end - doc->shared_start;
    if (d->policy != POLICY_REUSE || len == 0 || len > SHARED_ONE || e->shared != NULL)
        return;
    e->shared = malloc(len);
    if (e->shared == NULL)
        return;
    memcpy(e->shared, doc->output + doc->shared_start, len);
    e->shared_len = len;
    d->shared_len += len;
    d->shared_at = TM_MAX(d->shared_at, window_oldest(d->window));
    for (; d->shared_len > SHARED_MOST; d->shared_at++) {
        struct entry *old = window_at(d->window, d->shared_at);
        d->shared_len -= old->shared_len;
        old->shared_len = 0;
        free(TM_TAKE(old->shared));
    }
}

bool tm_dedup_ended(struct tm_dedup *d, const struct tm_doc *doc, bool well)
{
    if (doc->dedup_number == 0)
        return false;
    pthread_mutex_lock(&d->lock);
    struct entry *e = window_at(d->window, doc->dedup_number);
    if (e != NULL) {
        e->state = well ? ENTRY_WELL : ENTRY_FAILED;
        if (well)
            keep_shared(d, doc, e);
    }
    d->news = true;
    bool anybody = d->waiting != NULL;
    pthread_mutex_unlock(&d->lock);
    return anybody;
}

enum tm_status tm_dedup_delivered(struct tm_dedup *d, struct tm_doc *const *docs, size_t n,
                                  struct tm_err *err)
{
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < n; i++) {
        const struct entry *e = window_at(d->window, docs[i]->dedup_number);
        if (e != NULL && docs[i]->err.status == TM_OK)
            window_file_note(d->file, e);
    }
    enum tm_status s = window_file_flush(d->file, d->window, err);
    pthread_mutex_unlock(&d->lock);
    return s;
}
