/* The runner over scripted stages: every document reaches the sink once, in lane order, whatever
 * the sink answers and whenever a stop comes. */
#include "fakes.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct run {
    char *folder;
    struct tm_conf conf;
    struct fake fake;
    struct tm_summary summary;
    struct tm_err err;
};

static int set_up(void **state)
{
    struct run *t = calloc(1, sizeof *t);
    t->folder = fake_folder();
    fake_conf(&t->conf, t->folder);
    t->fake = (struct fake){.lanes = 7, .records = 150, .record_bytes = 10, .always = TM_STORED};
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct run *t = *state;
    tm_conf_finish(&t->conf);
    fake_folder_remove(t->folder);
    free(t);
    return 0;
}

static enum tm_status run(struct run *t, const struct runner_parts *parts)
{
    return fake_run(&t->fake, &t->conf, parts, &t->summary, &t->err);
}

static void assert_all_delivered(struct run *t, uint64_t dead)
{
    uint64_t all = t->fake.lanes * t->fake.records;
    assert_int_equal(t->fake.disorder, 0);
    for (size_t i = 0; i < t->fake.lanes; i++) {
        assert_int_equal(t->fake.lane[i].committed, t->fake.records);
        assert_true(t->fake.lane[i].ended);
    }
    assert_int_equal(t->summary.dead, dead);
    assert_int_equal(t->summary.delivered, all - dead);
    assert_int_equal(t->summary.abandoned, 0);
}

static void fail_some(struct fake *f, struct tm_doc *doc)
{
    (void)f;
    if (doc->rec.seq % 10 == 3)
        tm_doc_fail(doc, "clean", TM_EMPTY, "nothing left");
}

static void all_come_out_in_order(void **state)
{
    struct run *t = *state;
    assert_int_equal(run(t, &fake_parts), TM_OK);
    assert_all_delivered(t, 0);
    assert_int_equal(t->summary.documents, 7 * 150);
    assert_int_equal(t->summary.bytes, 7 * 150 * 10);
}

static void without_tasks_infer_is_passed_over(void **state)
{
    struct run *t = *state;
    assert_int_equal(run(t, &fake_parts_plain), TM_OK);
    assert_all_delivered(t, 0);
}

static void failed_documents_are_dead_letters(void **state)
{
    struct run *t = *state;
    t->fake.on_clean = fail_some;
    assert_int_equal(run(t, &fake_parts), TM_OK);
    assert_all_delivered(t, 7 * 15);
    assert_int_equal(t->fake.dead, 7 * 15);
    assert_int_equal(t->fake.troubles, 7 * 15); /* each is told of once */
}

/* Three texts in turn; some fail before anybody can be their duplicate. */
static void say_the_same(struct fake *f, struct tm_doc *doc)
{
    static const char *const texts[] = {"one two three four five six",
                                        "seven eight nine ten eleven", "red green blue"};
    fail_some(f, doc);
    doc->text = texts[doc->rec.seq % 3];
    doc->text_len = strlen(doc->text);
    doc->id = doc->rec.lane_name;
}

static void duplicates_come_out_in_order_too(void **state)
{
    static const char *const policies[] = {"keep", "skip"};
    for (size_t i = 0; i < TM_COUNTOF(policies); i++) {
        struct run *t = *state;
        free(t->conf.dedup_policy);
        t->conf.dedup_policy = strdup(policies[i]);
        t->conf.limits_documents = 64;
        memset(t->fake.lane, 0, sizeof t->fake.lane);
        t->fake.dead = t->fake.delivers_done = 0;
        t->fake.on_clean = say_the_same;
        t->fake.delivers[0] = TM_STORED;
        t->fake.delivers[1] = TM_UNKNOWN; /* what was in flight comes again */
        t->fake.n_delivers = 2;
        assert_int_equal(run(t, &fake_parts), TM_OK);
        assert_all_delivered(t, 7 * 15);
    }
}

static void empty_source_ends_at_once(void **state)
{
    struct run *t = *state;
    for (size_t i = 0; i < t->fake.lanes; i++)
        t->fake.lane[i].committed = t->fake.records;
    assert_int_equal(run(t, &fake_parts), TM_OK);
    assert_int_equal(t->summary.documents, 0);
}

static void a_sink_that_is_not_ready_is_asked_again(void **state)
{
    struct run *t = *state;
    t->fake.delivers[0] = t->fake.delivers[1] = TM_RETRY_LATER;
    t->fake.n_delivers = 2;
    assert_int_equal(run(t, &fake_parts), TM_OK);
    assert_all_delivered(t, 0);
    assert_int_equal(t->fake.troubles, 2);
}

static void an_aborted_release_comes_again(void **state)
{
    struct run *t = *state;
    t->fake.delivers[0] = TM_STORED;
    t->fake.delivers[1] = TM_ABORTED;
    t->fake.delivers[2] = TM_UNKNOWN;
    t->fake.n_delivers = 3;
    t->conf.limits_documents = 64;
    assert_int_equal(run(t, &fake_parts), TM_OK);
    assert_all_delivered(t, 0);
    assert_int_equal(t->fake.lane[0].epoch, 1); /* only what is unknown is rewound */
}

/* The first release with records of lane 2 is rolled back, and the lane taken away meanwhile. */
static void take_lane_away(struct fake *f, const struct tm_release *release)
{
    bool holds = false;
    for (size_t i = 0; i < release->n_docs; i++)
        holds |= release->docs[i]->rec.lane == 2;
    f->always = holds && f->lane[2].epoch == 0 ? TM_ABORTED : TM_STORED;
    if (f->always == TM_STORED)
        return;
    f->take_away = true;
    while (f->take_away)
        usleep(100);
}

/* Rolled back, a release comes again without the lane that has another epoch by then; its records
 * come once more, from what is committed. */
static void a_lane_given_again_leaves_the_release(void **state)
{
    struct run *t = *state;
    t->fake.on_deliver = take_lane_away;
    t->conf.limits_documents = 64;
    assert_int_equal(run(t, &fake_parts), TM_OK);
    assert_all_delivered(t, 0);
    assert_int_equal(t->fake.lane[2].epoch, 1);
    assert_int_equal(t->fake.lane[1].epoch, 0);
}

static void fenced_ends_the_run(void **state)
{
    struct run *t = *state;
    t->fake.always = TM_FENCED;
    assert_int_equal(run(t, &fake_parts), TM_CLOSED);
    assert_non_null(strstr(t->err.text, "another instance"));
}

/* What comes behind a release that was not stored must not be: its progress would cover that. */
static void nothing_is_delivered_behind_the_end(void **state)
{
    struct run *t = *state;
    t->fake.delivers[0] = TM_STORED;
    t->fake.delivers[1] = TM_FENCED;
    t->fake.n_delivers = 2;
    t->fake.slow_main = true;
    assert_int_equal(run(t, &fake_parts_plain), TM_CLOSED);
    assert_int_equal(t->fake.delivers_done, 2);
    assert_int_equal(t->fake.disorder, 0);
}

static void a_stage_that_cannot_go_on_ends_the_run(void **state)
{
    struct run *t = *state;
    t->fake.clean_status = TM_MODEL;
    assert_int_equal(run(t, &fake_parts), TM_MODEL);
    assert_string_equal(t->err.text, "clean: cannot go on");
    assert_int_equal(t->summary.delivered, 0);
}

/* Nothing is blamed on documents, and nothing counts as done that is not. */
static void a_broken_device_ends_the_run(void **state)
{
    struct run *t = *state;
    t->fake.device_breaks = 20;
    assert_int_equal(run(t, &fake_parts), TM_DEVICE);
    assert_non_null(strstr(t->err.text, "infer: the device"));
    assert_int_equal(t->fake.dead, 0);
    assert_int_equal(t->fake.disorder, 0);
    assert_true(t->summary.delivered < 7 * 150);
    for (size_t i = 0; i < t->fake.lanes; i++)
        assert_true(t->fake.lane[i].committed <= t->fake.lane[i].delivered);
}

/* ---- stopping ---- */

static void stop_once(struct fake *f, const struct tm_release *release)
{
    (void)release;
    if (f->delivers_done == 3)
        tm_runner_stop(f->runner);
}

static void stop_drains_what_is_in_flight(void **state)
{
    struct run *t = *state;
    t->fake.records = 0; /* never ends by itself */
    t->fake.on_deliver = stop_once;
    assert_int_equal(run(t, &fake_parts), TM_OK);
    assert_int_equal(t->fake.disorder, 0);
    assert_int_equal(t->summary.abandoned, 0);
    assert_true(t->summary.documents > 0);
    assert_int_equal(t->summary.delivered, t->summary.documents);
}

static void stop_twice(struct fake *f, const struct tm_release *release)
{
    (void)release;
    if (f->delivers_done == 3) {
        tm_runner_stop(f->runner);
        tm_runner_stop(f->runner);
    }
}

static void a_second_stop_ends_at_once(void **state)
{
    struct run *t = *state;
    t->fake.records = 0;
    t->fake.on_deliver = stop_twice;
    t->fake.delivers[0] = t->fake.delivers[1] = TM_STORED;
    t->fake.n_delivers = 2;
    t->fake.always = TM_RETRY_LATER; /* a drain would never end */
    t->conf.limits_drain_seconds = 86400;
    assert_int_equal(run(t, &fake_parts), TM_AGAIN);
    assert_true(t->summary.abandoned > 0);
    assert_int_equal(t->summary.abandoned + t->summary.delivered, t->summary.documents);
    assert_non_null(strstr(t->err.text, "stopped at once"));
}

static void the_drain_limit_ends_a_stop(void **state)
{
    struct run *t = *state;
    t->fake.records = 0;
    t->fake.on_deliver = stop_once;
    t->fake.always = TM_RETRY_LATER;
    t->conf.limits_drain_seconds = 1;
    assert_int_equal(run(t, &fake_parts), TM_AGAIN);
    assert_true(t->summary.abandoned > 0);
    assert_non_null(strstr(t->err.text, "deliver ")); /* it says where they are */
}

/* ---- limits ---- */

static void the_window_holds(void **state)
{
    struct run *t = *state;
    t->conf.limits_documents = 40;
    assert_int_equal(run(t, &fake_parts), TM_OK);
    assert_all_delivered(t, 0);
    assert_true(t->fake.most_outstanding <= 40 + TAKE_BATCH);
}

static void records_beyond_the_byte_limit_go_one_by_one(void **state)
{
    struct run *t = *state;
    t->fake.records = 20;
    t->fake.record_bytes = 3 << 20;
    t->conf.limits_bytes = 1 << 20;
    assert_int_equal(run(t, &fake_parts), TM_OK);
    assert_all_delivered(t, 0);
    assert_true(t->fake.most_outstanding <= 1 + TAKE_BATCH);
}

/* More than their bytes make expect: after the first ones it is known. */
static void tokens_hold_the_source_back(void **state)
{
    struct run *t = *state;
    t->fake.record_bytes = 4000;
    t->fake.record_tokens = 2000;
    t->conf.limits_tokens = 20000;
    assert_int_equal(run(t, &fake_parts), TM_OK);
    assert_all_delivered(t, 0);
    assert_true(t->fake.most_outstanding <= 20 + TAKE_BATCH);
}

/* One document eats the memory of all who are in flight with it. */
static void memory_is_short(struct fake *f, struct tm_doc *doc)
{
    if (doc->rec.lane == 3 && doc->rec.seq == 5)
        tm_doc_fail(doc, "clean", TM_NOMEM, "it eats");
    else if (doc->rec.seq == 5 && doc->rec.lane < 6 && f->lane[doc->rec.lane].tries++ == 0)
        tm_doc_fail(doc, "clean", TM_NOMEM, "its neighbour eats");
}

static void only_the_eater_of_memory_is_a_dead_letter(void **state)
{
    struct run *t = *state;
    t->fake.on_clean = memory_is_short;
    assert_int_equal(run(t, &fake_parts), TM_OK);
    assert_all_delivered(t, 1);
}

/* ---- suspects ---- */

static void write_journal(struct run *t, const char *suspect)
{
    char path[128];
    snprintf(path, sizeof path, "%s/default.journal", t->folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, JOURNAL_MAGIC " 1 -\n%s\n", suspect);
    fclose(f);
}

static size_t suspects_left(struct run *t)
{
    struct journal *j = NULL;
    assert_int_equal(journal_open(t->folder, "default", 1, NULL, &j, &t->err), TM_OK);
    size_t n = journal_suspects(j);
    journal_close(j);
    return n;
}

static void look_who_is_here(struct fake *f, struct tm_doc *doc)
{
    if (doc->rec.lane != 3 || doc->rec.seq != 0)
        return;
    f->lane[3].tries++;
    pthread_mutex_lock(&f->runner->lock);
    f->disorder += f->runner->active != 1;
    pthread_mutex_unlock(&f->runner->lock);
}

static void a_suspect_runs_alone_and_is_cleared(void **state)
{
    struct run *t = *state;
    write_journal(t, "s 1 1 c clean lane%203#0");
    t->fake.on_clean = look_who_is_here;
    assert_int_equal(run(t, &fake_parts), TM_OK);
    assert_all_delivered(t, 0);
    assert_int_equal(t->fake.lane[3].tries, 1);
    assert_int_equal(suspects_left(t), 0);
}

static void one_that_died_twice_alone_is_not_tried_again(void **state)
{
    struct run *t = *state;
    write_journal(t, "s 1 2 t clean lane%203#0");
    t->fake.on_clean = look_who_is_here;
    assert_int_equal(run(t, &fake_parts), TM_OK);
    assert_all_delivered(t, 1);
    assert_int_equal(t->fake.lane[3].tries, 0);
    assert_int_equal(suspects_left(t), 0); /* it never comes again */
}

static void a_second_instance_is_refused(void **state)
{
    struct run *t = *state;
    struct journal *first = NULL, *second = NULL;
    assert_int_equal(journal_open(t->folder, "default", 1, NULL, &first, &t->err), TM_OK);
    assert_int_equal(journal_open(t->folder, "default", 1, NULL, &second, &t->err), TM_AGAIN);
    assert_non_null(strstr(t->err.text, "state.instance"));
    t->err = (struct tm_err){0};
    assert_int_equal(journal_open(t->folder, "../x", 1, NULL, &second, &t->err), TM_CONFIG);
    journal_close(first);
    assert_int_equal(journal_open(t->folder, "default", 1, NULL, &first, &t->err), TM_OK);
    journal_close(first);
}

#define RUN(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(all_come_out_in_order),
        RUN(without_tasks_infer_is_passed_over),
        RUN(failed_documents_are_dead_letters),
        RUN(duplicates_come_out_in_order_too),
        RUN(empty_source_ends_at_once),
        RUN(a_sink_that_is_not_ready_is_asked_again),
        RUN(an_aborted_release_comes_again),
        RUN(a_lane_given_again_leaves_the_release),
        RUN(fenced_ends_the_run),
        RUN(nothing_is_delivered_behind_the_end),
        RUN(a_stage_that_cannot_go_on_ends_the_run),
        RUN(a_broken_device_ends_the_run),
        RUN(stop_drains_what_is_in_flight),
        RUN(a_second_stop_ends_at_once),
        RUN(the_drain_limit_ends_a_stop),
        RUN(the_window_holds),
        RUN(records_beyond_the_byte_limit_go_one_by_one),
        RUN(tokens_hold_the_source_back),
        RUN(only_the_eater_of_memory_is_a_dead_letter),
        RUN(a_suspect_runs_alone_and_is_cleared),
        RUN(one_that_died_twice_alone_is_not_tried_again),
        RUN(a_second_instance_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
