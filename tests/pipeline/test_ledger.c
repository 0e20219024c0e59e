/* The ledger's promise, against a model: whatever the order in which documents finish, whatever is
 * rewound, each record of a lane is released once, in order, and the window holds. */
#include "ledger.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { LANES = 7, RECORDS = 60, MOST_DOCS = 16, MOST_BYTES = 4000, FLYING = 4096, GROUP = 5 };

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % below;
}

static struct tm_doc *make_doc(uint64_t lane, uint32_t epoch, uint64_t seq, size_t len, bool last)
{
    struct tm_doc *d = tm_doc_create(1 << 14);
    assert_non_null(d);
    d->rec = (struct tm_record){
        .lane = lane, .epoch = epoch, .seq = seq, .len = len, .last = last, .lane_name = "lane"};
    return d;
}

/* What the source knows, and what the sink has got. */
struct world {
    struct ledger *ledger;
    struct lane {
        uint32_t epoch;
        uint64_t give, committed;
        bool ended;
    } lane[LANES];
    struct tm_doc *flying[FLYING];
    size_t n_flying, in_window, late;
};

static void admit(struct world *w)
{
    uint32_t i = draw(LANES);
    struct lane *lane = &w->lane[i];
    size_t len = draw(20) == 0 ? 2 * MOST_BYTES : draw(600);
    if (lane->give == RECORDS || !ledger_room(w->ledger, len) || w->n_flying == FLYING)
        return;
    if (draw(60) == 0) { /* the lane is given again */
        lane->epoch++;
        lane->give = lane->committed;
    }
    struct tm_doc *d = make_doc(i, lane->epoch, lane->give, len, lane->give == RECORDS - 1);
    struct tm_err err = {0};
    assert_int_equal(ledger_admit(w->ledger, &d->rec, &err), TM_OK);
    lane->give++;
    w->flying[w->n_flying++] = d;
    assert_true(ledger_count(w->ledger) <= MOST_DOCS);
}

static void finish(struct world *w)
{
    if (w->n_flying == 0)
        return;
    size_t i = draw((uint32_t)w->n_flying);
    struct tm_doc *d = w->flying[i];
    w->flying[i] = w->flying[--w->n_flying];
    bool old = d->rec.epoch != w->lane[d->rec.lane].epoch;
    if (!ledger_finish(w->ledger, &d)) {
        assert_true(old);
        w->late++;
        tm_doc_destroy(d);
    } else {
        assert_false(old);
        assert_null(d);
    }
}

static void rewind_all(struct world *w)
{
    ledger_forget(w->ledger);
    assert_int_equal(ledger_count(w->ledger), 0);
    for (size_t i = 0; i < LANES; i++) {
        w->lane[i].epoch++;
        w->lane[i].give = w->lane[i].committed;
    }
}

static void deliver(struct world *w)
{
    struct tm_doc *docs[GROUP];
    struct tm_progress progress[GROUP];
    size_t n_progress, n = ledger_collect(w->ledger, docs, progress, &n_progress, 1 + draw(GROUP));
    bool abort = n > 0 && draw(40) == 0;
    for (size_t i = 0; i < n; i++) {
        struct lane *lane = &w->lane[docs[i]->rec.lane];
        assert_int_equal(docs[i]->rec.epoch, lane->epoch);
        if (!abort)
            assert_int_equal(docs[i]->rec.seq, lane->committed++);
        tm_doc_destroy(docs[i]);
    }
    if (abort) {
        rewind_all(w);
        return;
    }
    for (size_t i = 0; i < n_progress; i++) {
        struct lane *lane = &w->lane[progress[i].lane];
        assert_int_equal(progress[i].next, lane->committed);
        assert_int_equal(progress[i].ended, lane->committed == RECORDS);
        lane->ended |= progress[i].ended;
    }
    ledger_delivered(w->ledger, progress, n_progress);
}

static void every_record_is_released_once_in_order(void **state)
{
    (void)state;
    size_t late = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        random_state = seed;
        struct world w = {.ledger = ledger_create(MOST_DOCS, MOST_BYTES, 0)};
        bool all = false;
        for (size_t turn = 0; !all; turn++) {
            assert_true(turn < 1000000); /* it must come to an end */
            switch (draw(8)) {
            case 0:
                deliver(&w);
                break;
            case 1:
            case 2:
            case 3:
                finish(&w);
                break;
            default:
                admit(&w);
            }
            if (draw(500) == 0)
                rewind_all(&w);
            all = true;
            for (size_t i = 0; i < LANES; i++)
                all = all && w.lane[i].ended;
        }
        assert_int_equal(ledger_count(w.ledger), 0);
        for (size_t i = 0; i < w.n_flying; i++)
            tm_doc_destroy(w.flying[i]); /* of old epochs */
        ledger_destroy(w.ledger);
        late += w.late;
    }
    assert_true(late > 100); /* the case was there */
}

/* A document larger than the whole window must not stop the pipeline. */
static void one_document_is_always_admitted(void **state)
{
    (void)state;
    struct ledger *l = ledger_create(4, 1000, 0);
    assert_true(ledger_room(l, 1000000));
    struct tm_doc *d = make_doc(1, 0, 0, 1000000, true);
    assert_int_equal(ledger_admit(l, &d->rec, NULL), TM_OK);
    assert_false(ledger_room(l, 1));
    assert_true(ledger_finish(l, &d));
    ledger_destroy(l); /* frees what was not collected */
    ledger_destroy(NULL);
}

/* What is counted takes the place of what was expected, and teaches what to expect. */
static void tokens_bound_the_window(void **state)
{
    (void)state;
    struct ledger *l = ledger_create(1000, 1000000, 1000);
    struct tm_record rec = {.lane = 1, .len = 400, .lane_name = "x"};
    for (; ledger_room(l, rec.len); rec.seq++)
        assert_int_equal(ledger_admit(l, &rec, NULL), TM_OK);
    assert_int_equal(rec.seq, 10); /* a token for four bytes */
    for (rec.seq = 0; rec.seq < 10; rec.seq++)
        ledger_tokens(l, &rec, 50);
    assert_true(ledger_room(l, 1)); /* 500 are left */
    for (; ledger_room(l, rec.len); rec.seq++)
        assert_int_equal(ledger_admit(l, &rec, NULL), TM_OK);
    assert_in_range(rec.seq, 15, 17); /* 50 to 100 are expected of each now */
    rec.seq = 3;
    ledger_tokens(l, &rec, 5000);
    assert_false(ledger_room(l, 0));
    rec.epoch = 1;
    ledger_tokens(l, &rec, 0); /* of another epoch */
    assert_false(ledger_room(l, 0));
    ledger_forget(l);
    assert_true(ledger_room(l, 1000000));
    assert_int_equal(ledger_admit(l, &rec, NULL), TM_OK);
    assert_false(ledger_room(l, 1000000));
    ledger_destroy(l);
}

/* A result behind an unfinished one waits for it, and nothing else does. */
static void held_results_do_not_hold_other_lanes(void **state)
{
    (void)state;
    struct ledger *l = ledger_create(8, 1000, 0);
    struct tm_doc *first = make_doc(1, 0, 5, 1, false), *second = make_doc(1, 0, 6, 1, true);
    struct tm_doc *other = make_doc(2, 0, 0, 1, true), *docs[4];
    struct tm_progress progress[4];
    size_t n_progress;
    ledger_admit(l, &first->rec, NULL);
    ledger_admit(l, &second->rec, NULL);
    ledger_admit(l, &other->rec, NULL);
    assert_true(ledger_finish(l, &second));
    assert_false(ledger_ready(l));
    assert_true(ledger_finish(l, &other));
    assert_int_equal(ledger_collect(l, docs, progress, &n_progress, 4), 1);
    assert_int_equal(docs[0]->rec.lane, 2);
    tm_doc_destroy(docs[0]);
    ledger_delivered(l, progress, n_progress);
    assert_true(ledger_finish(l, &first));
    assert_int_equal(ledger_collect(l, docs, progress, &n_progress, 4), 2);
    assert_int_equal(progress[0].next, 7);
    tm_doc_destroy(docs[0]);
    tm_doc_destroy(docs[1]);
    assert_int_equal(ledger_count(l), 2); /* handed out is not yet durable */
    ledger_delivered(l, progress, n_progress);
    assert_int_equal(ledger_count(l), 0);
    ledger_destroy(l);
}

static void disorder_and_old_epochs_are_refused(void **state)
{
    (void)state;
    struct ledger *l = ledger_create(8, 1000, 0);
    struct tm_err err = {0};
    struct tm_record rec = {.lane = 1, .epoch = 3, .seq = 0, .lane_name = "x"};
    assert_int_equal(ledger_admit(l, &rec, &err), TM_OK);
    assert_int_equal(ledger_admit(l, &rec, &err), TM_INTERNAL);
    rec.seq = 7;
    assert_int_equal(ledger_admit(l, &rec, &err), TM_OK);
    rec.seq = 6;
    assert_int_equal(ledger_admit(l, &rec, &(struct tm_err){0}), TM_INTERNAL);
    rec.epoch = 2;
    assert_int_equal(ledger_admit(l, &rec, &err), TM_CANCELLED);
    ledger_destroy(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_is_released_once_in_order),
        cmocka_unit_test(one_document_is_always_admitted),
        cmocka_unit_test(tokens_bound_the_window),
        cmocka_unit_test(held_results_do_not_hold_other_lanes),
        cmocka_unit_test(disorder_and_old_epochs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
