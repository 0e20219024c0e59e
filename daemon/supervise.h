/* The supervisor: a small parent that starts the working process again when it dies. */
#ifndef SUPERVISE_H
#define SUPERVISE_H

/* Forks before any thread, runs child(arg) in the new process and waits for it. A child that exits
 * ends the supervisor with its code. One that dies by a signal is started again after a short pause
 * and is told in TM_ENV_PREDECESSOR how the one before it ended; after many deaths in a row without
 * progress the supervisor gives up (EXIT_INTERNAL). SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2
 * are passed on; the child has a process group of its own, so that a terminal's signal reaches it
 * once. A child that does not end soon after the second SIGTERM or SIGINT is killed. The child dies
 * with its supervisor. Returns the exit code, in the supervisor only. */
int tm_supervise(int (*child)(void *arg), void *arg);
/* In the child: something was delivered, so this life was not in vain. Any thread; does nothing
 * without a supervisor. */
void tm_supervise_progress(void);

#endif
