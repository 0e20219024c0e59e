/* The supervisor: what it restarts, what it passes on, and that nothing outlives it. Processes tell
 * what they saw through a page that all of them share. */
#include "exit_code.h"
#include "supervise.h"
#include "tm_pipeline.h"

#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

struct page {
    _Atomic int lives, stops;
    _Atomic pid_t child;
    char told[4][64];
};

static struct page *page;

static int set_up(void **state)
{
    (void)state;
    page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    tm_log_setup(TM_LOG_ERROR, TM_LOG_LOGFMT); /* deaths are what is tested */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    munmap(page, sizeof *page);
    return 0;
}

static int begin_life(void)
{
    int life = atomic_fetch_add(&page->lives, 1);
    const char *told = getenv(TM_ENV_PREDECESSOR);
    page->child = getpid();
    if (life < 4 && told != NULL)
        snprintf(page->told[life], sizeof page->told[life], "%s", told);
    return life;
}

/* Runs the supervisor in a process of its own, so that a test can send it signals. */
static pid_t spawn(int (*child)(void *arg, bool candidate))
{
    const struct supervise_ops ops = {.child = child};
    pid_t pid = fork();
    if (pid == 0)
        _exit(tm_supervise(&ops, NULL));
    return pid;
}

static int code_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int exits_with_66(void *arg, bool candidate)
{
    (void)arg, (void)candidate;
    begin_life();
    return 66;
}

static void an_exit_code_is_the_end(void **state)
{
    (void)state;
    assert_int_equal(code_of(spawn(exits_with_66)), 66);
    assert_int_equal(page->lives, 1);
    assert_string_equal(page->told[0], "");
}

static int dies_twice(void *arg, bool candidate)
{
    (void)arg, (void)candidate;
    int life = begin_life();
    if (life == 0)
        abort();
    if (life == 1)
        raise(SIGKILL);
    return 0;
}

static void a_death_is_told_to_the_next_life(void **state)
{
    (void)state;
    int pid, number, restarts;
    assert_int_equal(code_of(spawn(dies_twice)), 0);
    assert_int_equal(page->lives, 3);
    assert_int_equal(sscanf(page->told[1], "%d %d %d", &pid, &number, &restarts), 3);
    assert_int_equal(number, SIGABRT);
    assert_int_equal(restarts, 1);
    assert_int_equal(sscanf(page->told[2], "%d %d %d", &pid, &number, &restarts), 3);
    assert_int_equal(number, SIGKILL);
    assert_int_equal(restarts, 2);
}

/* The note names the process that died: the journal compares. */
static void the_note_is_about_the_one_before(void **state)
{
    (void)state;
    int pid;
    assert_int_equal(code_of(spawn(dies_twice)), 0);
    assert_int_equal(sscanf(page->told[2], "%d", &pid), 1);
    assert_true(pid > 0 && pid != page->child);
}

static int always_dies(void *arg, bool candidate)
{
    (void)arg, (void)candidate;
    begin_life();
    raise(SIGKILL);
    return 0;
}

static int dies_but_gets_on(void *arg, bool candidate)
{
    (void)arg, (void)candidate;
    if (begin_life() == 60)
        return 0;
    atomic_fetch_add(&tm_supervise_page->progress, 1);
    raise(SIGKILL);
    return 0;
}

static void deaths_without_progress_have_a_limit(void **state)
{
    (void)state;
    assert_int_equal(code_of(spawn(dies_but_gets_on)), 0);
    assert_int_equal(page->lives, 61);
    page->lives = 0;
    assert_int_equal(code_of(spawn(always_dies)), EXIT_INTERNAL);
    assert_int_equal(page->lives, 41);
}

static void on_stop(int number)
{
    (void)number;
    page->stops++;
}

/* Waits for the stop as the runner does, but never ends on `deaf`. */
static int waits(bool deaf)
{
    struct sigaction act = {.sa_handler = on_stop};
    sigset_t block, old;
    sigemptyset(&block);
    sigaddset(&block, SIGTERM);
    sigprocmask(SIG_BLOCK, &block, &old);
    sigaction(SIGTERM, &act, NULL);
    begin_life();
    kill(getppid(), SIGTERM); /* the supervisor is asked once we are ready */
    while (page->stops == 0)
        sigsuspend(&old);
    if (deaf)
        kill(getppid(), SIGTERM);
    while (deaf)
        sigsuspend(&old);
    return 0;
}

static int stops_when_asked(void *arg, bool candidate)
{
    (void)arg, (void)candidate;
    return waits(false);
}

static int never_stops(void *arg, bool candidate)
{
    (void)arg, (void)candidate;
    return waits(true);
}

static void a_stop_is_passed_on_once(void **state)
{
    (void)state;
    assert_int_equal(code_of(spawn(stops_when_asked)), 0);
    assert_int_equal(page->stops, 1);
}

static void a_deaf_child_is_killed_after_the_second_stop(void **state)
{
    (void)state;
    assert_int_equal(code_of(spawn(never_stops)), EXIT_AGAIN);
    assert_int_equal(page->stops, 2);
    assert_int_equal(page->lives, 1);
}

static int dies_of_term(void *arg, bool candidate)
{
    (void)arg, (void)candidate;
    begin_life();
    kill(getppid(), SIGTERM);
    for (;;)
        pause();
    return 0;
}

static void a_child_that_dies_of_the_stop_is_not_restarted(void **state)
{
    (void)state;
    assert_int_equal(code_of(spawn(dies_of_term)), EXIT_AGAIN);
    assert_int_equal(page->lives, 1);
}

static int kills_its_supervisor(void *arg, bool candidate)
{
    (void)arg, (void)candidate;
    begin_life();
    kill(getppid(), SIGKILL);
    for (;;)
        pause();
    return 0;
}

/* Orphans come to this process, so that their end can be waited for. */
static void the_child_dies_with_its_supervisor(void **state)
{
    (void)state;
    int status;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    pid_t pid = spawn(kills_its_supervisor);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(waitpid(page->child, &status, 0), page->child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

#define RUN(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(an_exit_code_is_the_end),
        RUN(a_death_is_told_to_the_next_life),
        RUN(the_note_is_about_the_one_before),
        RUN(deaths_without_progress_have_a_limit),
        RUN(a_stop_is_passed_on_once),
        RUN(a_deaf_child_is_killed_after_the_second_stop),
        RUN(a_child_that_dies_of_the_stop_is_not_restarted),
        RUN(the_child_dies_with_its_supervisor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
