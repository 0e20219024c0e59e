/* The parts of the spool source: scan, claim and move, reader. Private to ingest/.
 *
 * Below source.spool.path: new files; active/INSTANCE/ claimed ones, under the same relative path;
 * done/ and failed/. "File" means a path relative to the spool. */
#ifndef SPOOL_H
#define SPOOL_H

#include "tm_ingest.h"
#include "tm_folders.h"
#include <sys/stat.h>

/* ---- scan.c: what is there ---- */

struct found {
    char *path;
    int64_t size, mtime_ns;
    uint64_t since_ns; /* monotonic time of the first look at this size and mtime */
    bool settled;
    bool wanted; /* there when the source started: `once` waits for it */
    bool link;   /* a symbolic link: to be set aside */
    bool gone;   /* claimed, set aside, vanished or stuck */
    bool stuck;  /* cannot be claimed: said once, then left alone until it changes */
};

struct scan {
    const struct tm_conf *conf;
    struct found *found; /* by path */
    size_t n, room, next;
    bool complete;   /* one scan has seen everything: what comes after it is not `wanted` */
    bool truncated;  /* the last scan stopped at its limit */
    uint64_t due_ns; /* monotonic time of the next one */
    uint64_t last_ns, cost_ns;
    int inotify; /* -1: none */
};

void scan_init(struct scan *sc, const struct tm_conf *conf);
void scan_finish(struct scan *sc);
/* Takes what inotify has to say; waits for it at most wait_ms, less when a scan falls due. */
void scan_wait(struct scan *sc, unsigned wait_ms);
bool scan_is_due(const struct scan *sc);
enum tm_status scan_run(struct scan *sc, struct tm_folders *fs, struct tm_err *err);
/* The next settled file or link, NULL when there is none for now. */
struct found *scan_next(struct scan *sc);
/* Everything that was there at the start has been handed out. */
bool scan_at_end(const struct scan *sc);
/* Regular files below active/INSTANCE, in *ret_paths (owned, each and all). Removes empty folders.
 */
enum tm_status scan_leftovers(int fd, char ***ret_paths, size_t *ret_n, struct tm_err *err);

/* ---- move.c: the lock, claims and ends ---- */

/* Why a file goes to failed/; strings are borrowed, code NULL: only the message is known. */
struct reason {
    const char *code, *stage, *message;
};

/* One thread's hands: the source thread and the delivery thread have one each. */
struct mover {
    struct tm_folders *fs;
    const char *active; /* "active/INSTANCE", borrowed */
};

enum tm_status mover_init(struct mover *m, const char *spool, const char *active,
                          struct tm_err *err);
void mover_finish(struct mover *m);
/* Takes the instance's lock; *ret_fd holds it until closed. */
enum tm_status mover_lock(struct mover *m, int *ret_fd, struct tm_err *err);
enum claim { CLAIM_OK, CLAIM_GONE, CLAIM_BUSY, CLAIM_FAILED };
/* Into active/. BUSY: try later, because the file of that name claimed before is still being worked
 * on, or for the reason in err; FAILED: it never will. */
enum claim mover_claim(struct mover *m, const char *path, struct tm_err *err);
/* Back to where it was; false when another file has taken its place. */
bool mover_unclaim(struct mover *m, const char *path);
/* Opens a claimed file for reading; TM_UNSUPPORTED when it is no regular file. *ret_st is filled in
 * whenever the file can be seen at all. */
enum tm_status mover_open(struct mover *m, const char *path, int *ret_fd, struct stat *ret_st,
                          struct tm_err *err);
/* To done/, or with a reason to failed/; claimed: from active/, else from the spool. Nothing to do
 * when the file is gone. The caller ends a group with mover_sync. */
enum tm_status mover_end(struct mover *m, const char *path, bool claimed,
                         const struct reason *reason, struct tm_err *err);
enum tm_status mover_sync(struct mover *m, struct tm_err *err);

/* ---- reader.c: the records of one file ---- */

/* What is known of a file in flight; constant once the lane is published. */
struct lane {
    uint64_t id;
    char *path;
    bool many;
    bool claimed;  /* else it stayed in the spool and its one record says why */
    bool leftover; /* found in active/ at the start */
    char *name;    /* delivery identity; set by the reader before the first record is given */
};

struct reader;
enum step {
    STEP_DOC,     /* *ret_doc is the next record; after one with rec.last there is none */
    STEP_GO,      /* call again at once */
    STEP_AGAIN,   /* a slice of work is done: let others have the thread, then call again */
    STEP_NOMEM,   /* nothing has changed: call again later */
    STEP_RESUMED, /* all is delivered already; *ret_dead tells how */
};

/* fd: owned from now on, -1 when the file cannot be read, with err saying why. NULL when memory is
 * short; fd is then closed. */
struct reader *reader_create(const struct tm_conf *conf, struct lane *lane, int fd,
                             const struct stat *st, const struct tm_err *err);
void reader_destroy(struct reader *r);
/* resume may be NULL. */
enum step reader_step(struct reader *r, tm_resume_fn *resume, void *arg, struct tm_doc **ret_doc,
                      bool *ret_dead);

#endif
