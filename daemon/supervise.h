/* The supervisor: a small parent that starts the working process again when it dies, replaces it
 * when its configuration changes, and speaks with the service manager. */
#ifndef SUPERVISE_H
#define SUPERVISE_H

#include "tm_base.h"

struct supervise_ops {
    /* The working process; returns its exit code. candidate: with the configuration that read()
     * has put aside, else with the present one. */
    int (*child)(void *arg, bool candidate);
    /* For reload on SIGHUP; NULL: SIGHUP is passed on like the other signals. In the supervisor:
     * reads the configuration anew and puts it aside; says itself what is wrong with it. */
    enum tm_status (*read)(void *arg);
    /* In a process of its own: 0 when the candidate's models can be opened. Says what is wrong. */
    int (*probe)(void *arg);
    /* In the supervisor: the candidate becomes the present configuration, or is dropped. */
    void (*settle)(void *arg, bool taken);
};

/* Forks before any thread, runs child in the new process and waits for it. A child that exits
 * ends the supervisor with its code. One that dies by a signal is started again after a short pause
 * and is told in TM_ENV_PREDECESSOR how the one before it ended; after many deaths in a row without
 * progress the supervisor gives up (EXIT_INTERNAL). SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2
 * are passed on; the child has a process group of its own, so that a terminal's signal reaches it
 * once. A child that does not end soon after the second SIGTERM or SIGINT is killed. The child dies
 * with its supervisor. Returns the exit code, in the supervisor only.
 *
 * Reload: the candidate is read, then probed while the old child goes on working. Then the old one
 * drains and a new one starts with the candidate; if that does not get ready, the next one starts
 * with the configuration there was. */
int tm_supervise(const struct supervise_ops *ops, void *arg);

/* What the working process tells and may read; a page that both see. NULL without a supervisor. */
struct supervise_page {
    _Atomic uint64_t progress; /* changes when something was delivered: this life was not in vain */
    _Atomic uint64_t beats;    /* changes while the working process watches over its threads */
    _Atomic uint64_t documents; /* delivered and dead-lettered in this life */
    _Atomic uint64_t dead;
    _Atomic bool ready; /* models are open, documents are taken */
    _Atomic uint64_t reloads, reloads_failed;
    _Atomic int64_t reloaded_at; /* Unix seconds of the last good one; 0: none */
    /* The registry of all lives: counters go on over reloads and deaths. */
    struct tm_metrics metrics;
};
extern struct supervise_page *tm_supervise_page;
/* In the child, once: it is ready. */
void tm_supervise_ready(void);

#endif
