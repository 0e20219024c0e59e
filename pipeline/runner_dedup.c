/* The runner's dedup thread (runner.h), between clean and tokenize when dedup.policy asks for it.
 *
 * Stages run on several threads, so documents come in any order. They are asked about in the order
 * in which they were let in: which one of several alike is the first depends on the input alone. */
#include "runner.h"

#include <limits.h>

/* Puts it into the list, lowest ticket first. */
static void sort_in(struct tm_doc **list, struct tm_doc *doc)
{
    while (*list != NULL && (*list)->ticket < doc->ticket)
        list = &(*list)->next;
    doc->next = *list;
    *list = doc;
}

/* A duplicate has its result: it goes past the models, unless it is to be kept. */
static void pass_decided(struct tm_runner *r, struct place *p, struct tm_doc *doc)
{
    const struct tm_duplicate *dup = doc->duplicate;
    bool past = dup != NULL && strcmp(dup->policy, "keep") != 0;
    tm_metric_add(r->config.metrics, TM_METRIC_DOCS_DUPLICATE, dup != NULL);
    atomic_fetch_sub(&p->waiting, 1);
    runner_push(r, past ? &r->place[PLACE_ASSEMBLE] : p->next, &doc, 1);
}

/* Those whose turn it is leave the list. */
static void ask(struct worker *w, struct tm_doc **list, uint64_t *turn)
{
    struct tm_runner *r = w->r;
    while (*list != NULL && (*list)->ticket == *turn) {
        struct tm_doc *doc = *list;
        *list = doc->next;
        doc->next = NULL;
        ++*turn;
        if (doc->err.status == TM_OK) {
            uint64_t since = tm_clock_ns();
            journal_enter(r->journal, w->slot, w->place->name, &doc, 1);
            runner_doc_fault(w->place->name, &doc, 1);
            (void)tm_dedup_ask(r->dedup, &doc); /* a failure is the document's */
            journal_leave(r->journal, w->slot);
            atomic_fetch_add(&w->place->busy_ns, tm_clock_ns() - since);
        }
        if (doc != NULL)
            pass_decided(r, w->place, doc);
    }
}

void runner_dedup(struct worker *w)
{
    struct tm_runner *r = w->r;
    struct place *p = w->place;
    struct tm_doc *early = NULL, *docs[STAGE_BATCH];
    uint64_t turn = 1;
    while (runner_phase(r) != PHASE_CUT && !tm_queue_done(p->in)) {
        uint64_t seen = wake_read(&r->dedup_wake);
        size_t n_new = tm_queue_pop_batch(p->in, (void **)docs, STAGE_BATCH, 0);
        for (size_t i = 0; i < n_new; i++)
            sort_in(&early, docs[i]);
        ask(w, &early, &turn);
        size_t n_out = tm_dedup_poll(r->dedup, docs, STAGE_BATCH);
        for (size_t i = 0; i < n_out; i++)
            pass_decided(r, p, docs[i]);
        if (n_new == 0 && n_out == 0)
            wake_wait(&r->dedup_wake, seen, UINT_MAX);
    }
    for (struct tm_doc *next; early != NULL; early = next) {
        next = early->next;
        tm_doc_destroy(early);
    }
}
