/* Supervisor, journal and runner together, over scripted stages: a document that kills the process
 * becomes a dead letter with its reason, its neighbours are delivered, and kills from outside harm
 * nobody. What the source has committed lies in memory that all lives share. */
#include "fakes.h"
#include "supervise.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

enum { GUILTY = 37 };

struct shared {
    struct fake fake;
    _Atomic int lives;
    unsigned in_this_life; /* documents that entered the stage */
};

static struct shared *s;
static struct tm_conf conf;
static char *folder;

static int set_up(void **state)
{
    (void)state;
    s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(s != MAP_FAILED);
    folder = fake_folder();
    fake_conf(&conf, folder);
    s->fake =
        (struct fake){.lanes = FAKE_LANES, .records = 1, .record_bytes = 8, .always = TM_STORED};
    tm_log_setup(TM_LOG_ERROR, TM_LOG_LOGFMT);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tm_conf_finish(&conf);
    munmap(s, sizeof *s);
    fake_folder_remove(folder);
    return 0;
}

static int life(void *arg, bool candidate)
{
    (void)arg, (void)candidate;
    struct tm_summary summary;
    struct tm_err err = {0};
    s->lives++;
    s->in_this_life = 0;
    atomic_fetch_add(&tm_supervise_page->progress, 1); /* its limit is not what is tested here */
    enum tm_status status = fake_run(&s->fake, &conf, &fake_parts, &summary, &err);
    if (status != TM_OK)
        fprintf(stderr, "run: %s\n", err.text);
    return status == TM_OK ? 0 : 70;
}

static const struct supervise_ops one_life = {.child = life};

static void assert_delivered(size_t guilty, enum tm_status reason)
{
    assert_int_equal(s->fake.disorder, 0);
    for (size_t i = 0; i < s->fake.lanes; i++) {
        assert_true(s->fake.lane[i].ended);
        assert_int_equal(s->fake.lane[i].status, i == guilty ? reason : TM_OK);
        if (i == guilty)
            assert_int_equal(s->fake.lane[i].attempts, 2);
    }
    assert_int_equal(s->fake.dead, guilty < s->fake.lanes);
}

static void crash(struct fake *f, struct tm_doc *doc)
{
    (void)f;
    if (doc->rec.lane == GUILTY)
        abort();
}

static void a_document_that_crashes_is_found(void **state)
{
    (void)state;
    s->fake.on_clean = crash;
    assert_int_equal(tm_supervise(&one_life, NULL), 0);
    assert_delivered(GUILTY, TM_CRASH);
    /* Two threads had at most 16 documents inside: 4 halvings, 2 deaths alone. */
    assert_true(s->lives <= 1 + 4 + 2 + 1);
}

static void hang(struct fake *f, struct tm_doc *doc)
{
    (void)f;
    while (doc->rec.lane == GUILTY)
        pause();
}

static void a_document_that_hangs_is_found(void **state)
{
    (void)state;
    s->fake.on_clean = hang;
    conf.limits_stage_seconds = 2;
    assert_int_equal(tm_supervise(&one_life, NULL), 0);
    assert_delivered(GUILTY, TM_TIMEOUT);
}

/* Later and later in each life, so that documents in quarantine are hit too, if there are any. */
static void killed_from_outside(struct fake *f, struct tm_doc *doc)
{
    (void)f, (void)doc;
    if (s->lives < 25 && ++s->in_this_life > (unsigned)s->lives % 7)
        raise(SIGKILL);
}

static void kills_from_outside_harm_nobody(void **state)
{
    (void)state;
    s->fake.on_clean = killed_from_outside;
    assert_int_equal(tm_supervise(&one_life, NULL), 0);
    assert_delivered(FAKE_LANES, TM_OK);
    assert_int_equal(s->lives, 25);
}

/* A crash, and kills from outside while its suspects are in quarantine, one by one. */
static void crash_then_kills(struct fake *f, struct tm_doc *doc)
{
    if (s->lives == 1)
        crash(f, doc);
    else if (s->lives < 20)
        raise(SIGKILL);
}

static void kills_during_quarantine_are_not_counted(void **state)
{
    (void)state;
    s->fake.on_clean = crash_then_kills;
    assert_int_equal(tm_supervise(&one_life, NULL), 0);
    assert_delivered(FAKE_LANES, TM_OK);
}

/* Death once, whoever is to blame, is no proof. */
static void crash_once(struct fake *f, struct tm_doc *doc)
{
    if (s->lives == 1)
        crash(f, doc);
}

static void one_crash_makes_no_dead_letter(void **state)
{
    (void)state;
    s->fake.on_clean = crash_once;
    assert_int_equal(tm_supervise(&one_life, NULL), 0);
    assert_delivered(FAKE_LANES, TM_OK);
    assert_int_equal(s->lives, 2);
}

#define RUN(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_document_that_crashes_is_found), RUN(a_document_that_hangs_is_found),
        RUN(kills_from_outside_harm_nobody),   RUN(kills_during_quarantine_are_not_counted),
        RUN(one_crash_makes_no_dead_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
