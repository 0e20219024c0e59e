/* The supervisor's inside, shared by supervise.c and reload.c. */
#ifndef SUPERVISOR_H
#define SUPERVISOR_H

#include "supervise.h"

#include <signal.h>
#include <sys/types.h>

#define SIGNAL_READY SIGRTMIN /* from the child to the supervisor */

struct supervisor {
    const struct supervise_ops *ops;
    void *arg;
    pid_t pid; /* of the child */
    sigset_t wanted, old;
    int stops;          /* SIGTERM and SIGINT so far */
    int last_forwarded; /* 0: none */
    unsigned deaths, restarts, pause_ms;
    uint64_t born_ns, progress_seen, beats_seen;
    uint64_t kill_at_ns, tick_at_ns; /* kill_at_ns 0: no */
    int64_t tick_ms;
    char predecessor[64];

    pid_t probe;    /* 0: none */
    bool replacing; /* the child drains to make room for one with the candidate */
    bool candidate; /* the child was started with the candidate and is not ready yet */
    bool again;     /* SIGHUP came during a reload */
};

/* fork(): 0 in a child that dies with the supervisor and has the signals it had; < 0 after a log
 * line. */
pid_t supervise_fork(const struct supervisor *sv);

/* reload.c */
void reload_begin(struct supervisor *sv); /* SIGHUP */
void reload_reap(struct supervisor *sv);  /* SIGCHLD: perhaps the probe's */
void reload_ready(struct supervisor *sv); /* the child is ready */
/* The child has exited: true when another is to be started now. */
bool reload_next(struct supervisor *sv, int code);
void reload_died(struct supervisor *sv); /* it died of a signal */
void reload_drop(struct supervisor *sv); /* at the end: whatever is under way */

#endif
