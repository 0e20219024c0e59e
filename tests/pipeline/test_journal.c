/* The journal's file across deaths of real processes: whom the next life suspects depends on how
 * the last one ended and on who says so. */
#include "fakes.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char *folder;

static int set_up(void **state)
{
    (void)state;
    folder = fake_folder();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_folder_remove(folder);
    return 0;
}

static struct journal *open_journal(const char *predecessor)
{
    struct journal *j = NULL;
    struct tm_err err = {0};
    enum tm_status s = journal_open(folder, "test", 4, predecessor, &j, &err);
    if (s != TM_OK)
        fprintf(stderr, "journal_open: %s\n", err.text);
    return j;
}

static struct tm_doc a = {.rec = {.lane_name = "a", .seq = 1}};
static struct tm_doc b = {.rec = {.lane_name = "b", .seq = 2}};

/* A process that dies by the signal with a inside and b gone; returns its pid. */
static pid_t die(int number, bool overrun)
{
    pid_t pid = fork();
    if (pid == 0) {
        char text[256];
        struct journal *j = open_journal(NULL);
        struct tm_doc *docs[] = {&a, &b};
        journal_enter(j, 2, "clean", docs, 2);
        journal_leave(j, 2);
        journal_enter(j, 3, "infer", docs, 1);
        if (overrun)
            journal_watch(j, 5000, 1000, text, sizeof text);
        raise(number);
        _exit(1);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    return pid;
}

static bool suspected(const char *predecessor, struct suspect *ret)
{
    struct journal *j = open_journal(predecessor);
    assert_non_null(j);
    bool is = journal_suspect(j, &a.rec, ret);
    struct suspect other;
    assert_false(journal_suspect(j, &b.rec, &other));
    assert_int_equal(journal_suspects(j), is);
    journal_close(j);
    return is;
}

static const char *note(pid_t pid, int number)
{
    static char text[64];
    snprintf(text, sizeof text, "%d %d 1", (int)pid, number);
    return text;
}

static void a_crash_that_was_seen_counts(void **state)
{
    (void)state;
    struct suspect s;
    assert_true(suspected(note(die(SIGABRT, false), SIGABRT), &s));
    assert_string_equal(s.stage, "infer");
    assert_false(s.timeout);
    assert_true(suspected(NULL, &s)); /* and stays until it has passed */
}

static void a_kill_from_outside_accuses_nobody(void **state)
{
    (void)state;
    struct suspect s;
    pid_t pid = die(SIGKILL, false);
    assert_false(suspected(note(pid, SIGKILL), &s));
    pid = die(SIGTERM, false);
    assert_false(suspected(note(pid, SIGTERM), &s));
}

static void a_death_that_nobody_saw_accuses_nobody(void **state)
{
    (void)state;
    struct suspect s;
    pid_t pid = die(SIGABRT, false);
    assert_false(suspected(NULL, &s));
    pid = die(SIGABRT, false);
    assert_false(suspected(note(pid + 1, SIGABRT), &s)); /* a note about another process */
    die(SIGABRT, false);
    assert_false(suspected("nonsense", &s));
}

/* The abort was our own: no note is needed. */
static void an_overrun_counts_by_itself(void **state)
{
    (void)state;
    struct suspect s;
    die(SIGABRT, true);
    assert_true(suspected(NULL, &s));
    assert_true(s.timeout);
}

static void deaths_by_memory_are_kills_with_a_count(void **state)
{
    (void)state;
    assert_true(journal_death_counts(SIGKILL, 4, 5));
    assert_false(journal_death_counts(SIGKILL, 4, 4));
    assert_false(journal_death_counts(SIGKILL, -1, 5)); /* not known */
    assert_false(journal_death_counts(SIGKILL, 4, -1));
    assert_true(journal_death_counts(SIGSEGV, -1, -1));
    assert_true(journal_death_counts(SIGBUS, 0, 0));
    assert_false(journal_death_counts(SIGHUP, 0, 9));
    assert_false(journal_death_counts(0, 0, 9));
}

static void those_who_passed_or_are_delivered_are_forgotten(void **state)
{
    (void)state;
    struct suspect s;
    suspected(note(die(SIGABRT, false), SIGABRT), &s);
    struct journal *j = open_journal(NULL);
    journal_quarantine(j, s.group);
    journal_passed(j, s.group);
    assert_int_equal(journal_suspects(j), 0);
    journal_close(j);
    suspected(note(die(SIGABRT, false), SIGABRT), &s);
    j = open_journal(NULL);
    journal_clear(j, &a.rec);
    journal_close(j);
    assert_false(suspected(NULL, &s));
}

/* It does not grow without end, and growing loses nobody. */
static void rewriting_keeps_who_is_inside(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/test.journal", folder);
    pid_t pid = fork();
    if (pid == 0) {
        struct journal *j = open_journal(NULL);
        struct tm_doc *docs[] = {&a}, *others[8];
        for (size_t i = 0; i < 8; i++)
            others[i] = &b;
        journal_enter(j, 0, "infer", docs, 1);
        for (int i = 0; i < 200000; i++) {
            journal_enter(j, 1, "clean", others, 8);
            journal_leave(j, 1);
        }
        abort();
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 5 << 20);
    struct suspect s;
    assert_true(suspected(note(pid, SIGABRT), &s));
}

static void garbage_is_an_empty_journal(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/test.journal", folder);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 10000; i++)
        fputc(i * 7919 >> 3 & 255, f);
    fclose(f);
    struct suspect s;
    assert_false(suspected(NULL, &s));
}

/* The process's own time: what passes while it is stopped does not make a stage late. */
static void a_late_stage_is_named(void **state)
{
    (void)state;
    char text[256];
    struct journal *j = open_journal(NULL);
    struct tm_doc *docs[] = {&a, &b};
    assert_false(journal_watch(j, 100000, 1000, text, sizeof text)); /* nobody inside */
    journal_enter(j, 0, "clean", docs, 2);
    assert_false(journal_watch(j, 900, 1000, text, sizeof text));
    assert_true(journal_watch(j, 200, 1000, text, sizeof text));
    assert_non_null(strstr(text, "clean"));
    assert_non_null(strstr(text, "a#1"));
    journal_leave(j, 0);
    assert_false(journal_watch(j, 5000, 1000, text, sizeof text));
    journal_close(j);
}

#define RUN(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_crash_that_was_seen_counts),
        RUN(a_kill_from_outside_accuses_nobody),
        RUN(a_death_that_nobody_saw_accuses_nobody),
        RUN(an_overrun_counts_by_itself),
        RUN(deaths_by_memory_are_kills_with_a_count),
        RUN(those_who_passed_or_are_delivered_are_forgotten),
        RUN(rewriting_keeps_who_is_inside),
        RUN(garbage_is_an_empty_journal),
        RUN(a_late_stage_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
