/* The supervisor of run and once (supervise.h). One thread, which only waits for signals: it holds
 * no document and opens no file, so that whatever kills the child leaves it alone. Called by the
 * verbs before anything else is created. */
#include "supervise.h"
#include "exit_code.h"
#include "tm_pipeline.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PAUSE_FIRST_MS = 20,
    PAUSE_MOST_MS = 250,
    DEATHS_MOST = 40,     /* in a row, without progress: a bisection of thousands takes about 15 */
    LONG_LIFE_MS = 60000, /* counts as progress */
    KILL_AFTER_MS = 5000, /* from the second request to stop */
};

struct supervisor {
    pid_t pid; /* of the child */
    sigset_t wanted, old;
    int stops;          /* SIGTERM and SIGINT so far */
    int last_forwarded; /* 0: none */
    unsigned deaths, restarts, pause_ms;
    uint64_t born_ns, progress_seen;
    char predecessor[64];
};

/* Counted by the child, read by the supervisor: a page that both see. */
static _Atomic uint64_t *progress;

void tm_supervise_progress(void)
{
    if (progress != NULL)
        atomic_fetch_add(progress, 1);
}

/* ---- the child ---- */

__attribute__((noreturn)) static void be_child(struct supervisor *sv, pid_t parent,
                                               int (*child)(void *arg), void *arg)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_AGAIN); /* it died before prctl */
    setpgid(0, 0);
    if (sv->predecessor[0] != '\0')
        setenv(TM_ENV_PREDECESSOR, sv->predecessor, 1);
    else
        unsetenv(TM_ENV_PREDECESSOR);
    sigprocmask(SIG_SETMASK, &sv->old, NULL);
    exit(child(arg));
}

static bool start(struct supervisor *sv, int (*child)(void *arg), void *arg)
{
    pid_t parent = getpid();
    fflush(NULL); /* or both processes write what is buffered */
    sv->born_ns = tm_clock_ns();
    sv->pid = fork();
    if (sv->pid == 0)
        be_child(sv, parent, child, arg);
    if (sv->pid < 0) {
        struct tm_err err = {0};
        tm_err_errno(&err, errno, "the working process cannot be started");
        tm_log_err(TM_LOG_ERROR, "fork failed", &err);
    }
    return sv->pid > 0;
}

/* ---- waiting ---- */

/* The next signal, 0 when wait_ms (< 0: without limit) have passed. */
static int next_signal(struct supervisor *sv, int64_t wait_ms)
{
    struct timespec t = {wait_ms / 1000, wait_ms % 1000 * 1000000};
    for (;;) {
        int s = wait_ms < 0 ? sigwaitinfo(&sv->wanted, NULL) : sigtimedwait(&sv->wanted, NULL, &t);
        if (s >= 0)
            return s;
        if (errno == EAGAIN)
            return 0;
    }
}

static void pass_on(struct supervisor *sv, int number)
{
    if (number == SIGTSTP) { /* the terminal's stop key stops both */
        kill(sv->pid, SIGSTOP);
        raise(SIGSTOP);
        kill(sv->pid, SIGCONT);
        return;
    }
    kill(sv->pid, number);
    sv->last_forwarded = number;
    sv->stops += number == SIGTERM || number == SIGINT;
}

/* Until the child has ended; returns its wait status. */
static int wait_for_child(struct supervisor *sv)
{
    uint64_t kill_at_ns = 0;
    int status;
    while (waitpid(sv->pid, &status, WNOHANG) != sv->pid) {
        int64_t left_ms = -1;
        if (kill_at_ns != 0) {
            int64_t left_ns = (int64_t)(kill_at_ns - tm_clock_ns());
            left_ms = left_ns > 0 ? left_ns / 1000000 + 1 : 0;
        }
        int number = next_signal(sv, left_ms);
        if (number == 0) {
            kill(sv->pid, SIGKILL);
            kill_at_ns = 0;
        } else if (number != SIGCHLD) {
            pass_on(sv, number);
        }
        if (sv->stops >= 2 && kill_at_ns == 0 && number != 0 && number != SIGCHLD)
            kill_at_ns = tm_clock_ns() + KILL_AFTER_MS * 1000000ull;
    }
    return status;
}

/* ---- after a death ---- */

static bool asked_to_end(const struct supervisor *sv, int number)
{
    return sv->stops > 0 || number == sv->last_forwarded;
}

/* Pauses before the next start; false when a stop comes meanwhile. */
static bool pause_before_restart(struct supervisor *sv)
{
    uint64_t until = tm_clock_ns() + sv->pause_ms * 1000000ull;
    sv->pause_ms = TM_MIN(sv->pause_ms * 2, (unsigned)PAUSE_MOST_MS);
    for (uint64_t now; (now = tm_clock_ns()) < until;) {
        int number = next_signal(sv, (int64_t)((until - now) / 1000000 + 1));
        if (number == SIGTERM || number == SIGINT || number == SIGHUP)
            return false;
    }
    return true;
}

/* false: it has died too often. */
static bool note_death(struct supervisor *sv, int number)
{
    uint64_t now = atomic_load(progress);
    bool useful =
        now != sv->progress_seen || tm_clock_ns() - sv->born_ns > LONG_LIFE_MS * 1000000ull;
    sv->progress_seen = now;
    if (useful) {
        sv->deaths = 0;
        sv->pause_ms = PAUSE_FIRST_MS;
    }
    sv->deaths++;
    snprintf(sv->predecessor, sizeof sv->predecessor, "%d %d %u", (int)sv->pid, number,
             ++sv->restarts);
    const char *name = sigabbrev_np(number);
    if (sv->deaths > DEATHS_MOST) {
        tm_log(TM_LOG_ERROR, "the working process dies again and again without getting on",
               TM_S("signal", name != NULL ? name : "?"), TM_I("deaths", sv->deaths));
        return false;
    }
    tm_log(TM_LOG_WARNING, "the working process died and is started again",
           TM_S("signal", name != NULL ? name : "?"), TM_I("pid", sv->pid),
           TM_I("restarts", sv->restarts));
    return true;
}

static int supervise(struct supervisor *sv, int (*child)(void *arg), void *arg)
{
    for (;;) {
        if (!start(sv, child, arg))
            return EXIT_AGAIN;
        int status = wait_for_child(sv);
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        int number = WTERMSIG(status);
        if (asked_to_end(sv, number))
            return EXIT_AGAIN;
        if (!note_death(sv, number))
            return EXIT_INTERNAL;
        if (!pause_before_restart(sv))
            return EXIT_AGAIN;
    }
}

int tm_supervise(int (*child)(void *arg), void *arg)
{
    static const int wanted[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGTSTP};
    struct supervisor sv = {.pause_ms = PAUSE_FIRST_MS};
    void *page =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return EXIT_AGAIN;
    progress = page;
    sigemptyset(&sv.wanted);
    for (size_t i = 0; i < TM_COUNTOF(wanted); i++)
        sigaddset(&sv.wanted, wanted[i]);
    sigprocmask(SIG_BLOCK, &sv.wanted, &sv.old);
    int code = supervise(&sv, child, arg);
    sigprocmask(SIG_SETMASK, &sv.old, NULL);
    progress = NULL;
    munmap(page, sizeof *progress);
    return code;
}
