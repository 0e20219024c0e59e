/* Fault points, each in a process of its own. Built only with -Dfaults=true. */
#include "check.h"
#include "tm_err.h"
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Passes a and b, three times each, with that setting; returns how the process ended. *ret_passed
 * is how many points it came past. */
static int run(const char *setting, int *ret_passed)
{
    int fds[2], status;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        close(STDERR_FILENO);
        setenv("TEXTMILL_FAULT", setting, 1);
        for (int i = 0; i < 6; i++) {
            TM_FAULT(i % 2 == 0 ? "a" : "b");
            if (write(fds[1], "x", 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    close(fds[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    char passed[16];
    ssize_t n = read(fds[0], passed, sizeof passed);
    close(fds[0]);
    *ret_passed = (int)n;
    return status;
}

static void faults_strike_where_told(void **unused)
{
    (void)unused;
    static const struct {
        const char *setting;
        int passed, signal, code;
    } cases[] = {
        {"", 6, 0, 0},
        {"other", 6, 0, 0},
        {"a", 0, SIGKILL, 0},
        {"b", 1, SIGKILL, 0},
        {"a:2", 2, SIGKILL, 0},
        {"b:3:abort", 5, SIGABRT, 0},
        {"b:4", 6, 0, 0},
        {"a:exit", 0, 0, 70},
        {"b:2:exit,a:2:kill", 2, SIGKILL, 0}, /* the first that is due */
        {"a:3:exit,b:2:abort", 3, SIGABRT, 0},
        {"a:killpg", 0, SIGKILL, 0}, /* the parent is this test, not textmill: it lives on */
        /* misspelt settings must not look like a passed test */
        {"a:kil", 0, 0, 70},
        {"a:1:kill:x", 0, 0, 70},
        {":3", 0, 0, 70},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int passed = -1, status = run(cases[i].setting, &passed);
        bool as_told = cases[i].signal != 0
                           ? WIFSIGNALED(status) && WTERMSIG(status) == cases[i].signal
                           : WIFEXITED(status) && WEXITSTATUS(status) == cases[i].code;
        if (!as_told || passed != cases[i].passed)
            fail_msg("%s: status %x after %d points", cases[i].setting, (unsigned)status, passed);
    }
}

static void hang_stays(void **unused)
{
    (void)unused;
    int fds[2], status;
    char c;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        setenv("TEXTMILL_FAULT", "a:hang", 1);
        if (write(fds[1], "1", 1) == 1)
            TM_FAULT("a");
        _exit(0);
    }
    close(fds[1]);
    assert_int_equal(read(fds[0], &c, 1), 1);
    struct pollfd gone = {.fd = fds[0], .events = POLLIN};
    assert_int_equal(poll(&gone, 1, 100), 0); /* its end of the pipe stays open */
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(fds[0]);
}

/* A supervisor called textmill dies with its child. */
static void killpg_takes_the_supervisor(void **unused)
{
    (void)unused;
    int status, killed = 0;
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* so that the orphan's end is seen here */
    pid_t supervisor = fork();
    if (supervisor == 0) {
        prctl(PR_SET_NAME, "textmill");
        setenv("TEXTMILL_FAULT", "a:killpg", 1);
        if (fork() == 0) {
            TM_FAULT("a");
            _exit(0);
        }
        for (;;)
            pause();
    }
    while (wait(&status) > 0)
        killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    assert_int_equal(killed, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_strike_where_told),
        cmocka_unit_test(hang_stays),
        cmocka_unit_test(killpg_takes_the_supervisor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
