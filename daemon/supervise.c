/* The supervisor of run and once (supervise.h). One thread, which only waits for signals: it holds
 * no document and opens nothing but the configuration, so that whatever kills the child leaves it
 * alone. Called by the verbs before anything else is created. reload.c has what SIGHUP starts. */
#include "supervisor.h"
#include "exit_code.h"
#include "notify.h"
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
    TICK_MOST_MS = 10000, /* between two words to the service manager */
};

struct supervise_page *tm_supervise_page;

void tm_supervise_ready(void)
{
    if (tm_supervise_page == NULL)
        return;
    atomic_store(&tm_supervise_page->ready, true);
    kill(getppid(), SIGNAL_READY);
}

/* ---- the child ---- */

pid_t supervise_fork(const struct supervisor *sv)
{
    pid_t parent = getpid();
    fflush(NULL); /* or both processes write what is buffered */
    pid_t pid = fork();
    if (pid < 0) {
        struct tm_err err = {0};
        tm_err_errno(&err, errno, "a working process cannot be started");
        tm_log_err(TM_LOG_ERROR, "fork failed", &err,
                   "see ulimit -u, TasksMax= of the unit and the memory that is left");
    }
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_AGAIN); /* it died before prctl */
    setpgid(0, 0);
    sigprocmask(SIG_SETMASK, &sv->old, NULL);
    return 0;
}

__attribute__((noreturn)) static void be_child(const struct supervisor *sv)
{
    if (sv->predecessor[0] != '\0')
        setenv(TM_ENV_PREDECESSOR, sv->predecessor, 1);
    else
        unsetenv(TM_ENV_PREDECESSOR);
    exit(sv->ops->child(sv->arg, sv->candidate));
}

static bool start(struct supervisor *sv)
{
    struct supervise_page *page = tm_supervise_page;
    atomic_store(&page->ready, false);
    atomic_store(&page->documents, 0);
    atomic_store(&page->dead, 0);
    sv->born_ns = tm_clock_ns();
    sv->pid = supervise_fork(sv);
    if (sv->pid == 0)
        be_child(sv);
    return sv->pid > 0;
}

/* ---- the service manager ---- */

static void tell_status(struct supervisor *sv)
{
    const struct supervise_page *page = tm_supervise_page;
    const char *doing = sv->stops > 0                    ? "stopping"
                        : sv->probe > 0 || sv->replacing ? "reloading"
                        : atomic_load(&page->ready)      ? "working"
                                                         : "opening models";
    notify("STATUS=%s; %llu documents, %llu of them dead-lettered; %u restarts, %llu reloads",
           doing, (unsigned long long)atomic_load(&page->documents),
           (unsigned long long)atomic_load(&page->dead), sv->restarts,
           (unsigned long long)atomic_load(&page->reloads));
}

/* The watchdog hears of us while the working process watches over its threads (or is opening
 * models): it has limits of its own for a stage that hangs. */
static void tick(struct supervisor *sv)
{
    uint64_t beats = atomic_load(&tm_supervise_page->beats);
    if (beats != sv->beats_seen || !atomic_load(&tm_supervise_page->ready))
        notify("WATCHDOG=1");
    sv->beats_seen = beats;
    tell_status(sv);
    sv->tick_at_ns = tm_clock_ns() + (uint64_t)sv->tick_ms * 1000000u;
}

/* ---- waiting ---- */

/* The next signal, 0 when that time has passed. */
static int next_signal(struct supervisor *sv, int64_t ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    for (;;) {
        int s = sigtimedwait(&sv->wanted, NULL, &t);
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
    bool stop = number == SIGTERM || number == SIGINT;
    if (stop && sv->stops == 0)
        notify("STOPPING=1");
    sv->stops += stop;
    if (stop && sv->replacing)
        sv->replacing = false; /* it drains already; a second stop would cut it short */
    else
        kill(sv->pid, number);
    sv->last_forwarded = number;
}

/* Until what comes first: the kill after a second stop, or the next word to the manager. */
static int64_t wait_ms(const struct supervisor *sv)
{
    uint64_t until = sv->tick_at_ns;
    if (sv->kill_at_ns != 0 && sv->kill_at_ns < until)
        until = sv->kill_at_ns;
    int64_t left_ns = (int64_t)(until - tm_clock_ns());
    return left_ns > 0 ? left_ns / 1000000 + 1 : 0;
}

static void on_time(struct supervisor *sv)
{
    if (sv->kill_at_ns != 0 && tm_clock_ns() >= sv->kill_at_ns) {
        kill(sv->pid, SIGKILL);
        sv->kill_at_ns = 0;
    } else {
        tick(sv);
    }
}

static void on_signal(struct supervisor *sv, int number)
{
    if (number == SIGCHLD) {
        reload_reap(sv);
    } else if (number == SIGNAL_READY) {
        reload_ready(sv);
        notify("READY=1");
        tell_status(sv);
    } else if (number == SIGHUP && sv->ops->read != NULL && sv->stops == 0) {
        reload_begin(sv);
    } else {
        pass_on(sv, number);
        if (sv->stops >= 2 && sv->kill_at_ns == 0)
            sv->kill_at_ns = tm_clock_ns() + KILL_AFTER_MS * 1000000ull;
    }
}

/* Until the child has ended; returns its wait status. */
static int wait_for_child(struct supervisor *sv)
{
    int status;
    sv->kill_at_ns = 0;
    while (waitpid(sv->pid, &status, WNOHANG) != sv->pid) {
        int number = next_signal(sv, wait_ms(sv));
        if (number == 0)
            on_time(sv);
        else
            on_signal(sv, number);
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
        if (number == SIGTERM || number == SIGINT || (number == SIGHUP && sv->ops->read == NULL))
            return false;
    }
    return true;
}

/* false: it has died too often. */
static bool note_death(struct supervisor *sv, int number)
{
    uint64_t now = atomic_load(&tm_supervise_page->progress);
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
               TM_S("signal", name != NULL ? name : "?"), TM_I("deaths", sv->deaths),
               TM_S("next", "report it with the documents in active/ and these lines"));
        return false;
    }
    tm_log(TM_LOG_WARNING, "the working process died and is started again",
           TM_S("signal", name != NULL ? name : "?"), TM_I("pid", sv->pid),
           TM_I("restarts", sv->restarts),
           TM_S("next", number == SIGKILL
                            ? "if nobody killed it, memory ran out: set limits.memory"
                            : "none: the document that did it is found and set aside"));
    return true;
}

static int supervise(struct supervisor *sv)
{
    for (;;) {
        if (!start(sv))
            return EXIT_AGAIN;
        int status = wait_for_child(sv);
        if (WIFEXITED(status)) {
            if (!reload_next(sv, WEXITSTATUS(status)))
                return WEXITSTATUS(status);
            continue;
        }
        int number = WTERMSIG(status);
        if (asked_to_end(sv, number))
            return EXIT_AGAIN;
        reload_died(sv);
        if (!note_death(sv, number))
            return EXIT_INTERNAL;
        if (!pause_before_restart(sv))
            return EXIT_AGAIN;
    }
}

int tm_supervise(const struct supervise_ops *ops, void *arg)
{
    const int wanted[] = {SIGCHLD, SIGTERM, SIGINT,  SIGHUP,
                          SIGUSR1, SIGUSR2, SIGTSTP, SIGNAL_READY};
    struct supervisor sv = {.ops = ops, .arg = arg, .pause_ms = PAUSE_FIRST_MS};
    int64_t watchdog_ms = notify_watchdog_ms();
    void *page = mmap(NULL, sizeof *tm_supervise_page, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return EXIT_AGAIN;
    tm_supervise_page = page;
    sv.tick_ms = watchdog_ms > 0 ? TM_MIN(watchdog_ms / 3, TICK_MOST_MS) : TICK_MOST_MS;
    sigemptyset(&sv.wanted);
    for (size_t i = 0; i < TM_COUNTOF(wanted); i++)
        sigaddset(&sv.wanted, wanted[i]);
    sigprocmask(SIG_BLOCK, &sv.wanted, &sv.old);
    tick(&sv);
    int code = supervise(&sv);
    reload_drop(&sv);
    sigprocmask(SIG_SETMASK, &sv.old, NULL);
    tm_supervise_page = NULL;
    munmap(page, sizeof *tm_supervise_page);
    return code;
}
