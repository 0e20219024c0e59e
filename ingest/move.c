/* The spool's renames: claim, give back, done, failed (spool.h).
 *
 * The source thread and the delivery thread have a mover each; the kernel arbitrates between them
 * and between instances, because every step is one rename that replaces nothing. */
#include "spool.h"
#include "names.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { SUFFIX_MOST = 100000, SUFFIX_ROOM = 16, NAME_MOST = 255 };

enum tm_status mover_init(struct mover *m, const char *spool, const char *active,
                          struct tm_err *err)
{
    m->active = active;
    return tm_folders_create(spool, &m->fs, err);
}

void mover_finish(struct mover *m)
{
    tm_folders_destroy(m->fs);
    m->fs = NULL;
}

enum tm_status mover_lock(struct mover *m, int *ret_fd, struct tm_err *err)
{
    struct tm_folder *folder;
    enum tm_status s = tm_folders_get(m->fs, m->active, true, &folder, err);
    if (s != TM_OK)
        return s;
    TM_CLEANUP(tm_closep)
    int fd = openat(folder->fd, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return tm_err_errno(err, errno, "cannot write in %s/%s", tm_folders_path(m->fs), m->active);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? tm_err_set(err, TM_AGAIN,
                                "another process works on %s/%s; give this one its own "
                                "state.instance",
                                tm_folders_path(m->fs), m->active)
                   : tm_err_errno(err, errno, "cannot lock %s/%s/.lock", tm_folders_path(m->fs),
                                  m->active);
    *ret_fd = fd;
    fd = -1;
    return TM_OK;
}

/* A rename that never replaces: 0, or the errno. File systems without the flag get a link. */
static int rename_new(int from_fd, const char *from, int to_fd, const char *to)
{
    if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    if (linkat(from_fd, from, to_fd, to, 0) < 0)
        return errno;
    return unlinkat(from_fd, from, 0) == 0 ? 0 : errno;
}

/* "active/INSTANCE/" + path, owned; NULL when memory is short. */
static char *active_path(const struct mover *m, const char *path)
{
    char *full = NULL;
    return asprintf(&full, "%s/%s", m->active, path) < 0 ? NULL : full;
}

static void freep(char **p)
{
    free(*p);
}

/* One try of move(). *ret_stale: the file is there, so a folder must have been replaced. */
static int try_move(struct mover *m, const char *from, const char *to, bool to_make,
                    bool *ret_stale, struct tm_err *err)
{
    struct tm_folder *folder;
    const char *from_name, *to_name;
    struct tm_err why = {0};
    enum tm_status s = tm_folders_of(m->fs, from, false, &folder, &from_name, &why);
    if (s == TM_NOTFOUND)
        return ENOENT;
    if (s != TM_OK) {
        tm_err_set(err, s, "%s", why.text);
        return EIO;
    }
    /* The two folders may push each other out of the table, so this descriptor is a copy. */
    TM_CLEANUP(tm_closep) int from_fd = fcntl(folder->fd, F_DUPFD_CLOEXEC, 3);
    if (from_fd < 0)
        return errno;
    if (tm_folders_of(m->fs, to, to_make, &folder, &to_name, err) != TM_OK)
        return EIO;
    int e = rename_new(from_fd, from_name, folder->fd, to_name);
    if (e == 0)
        folder->dirty = true;
    *ret_stale = e == ENOENT && faccessat(from_fd, from_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    return e;
}

/* Renames from → to below the root; 0, or the errno with err filled in where it can say more.
 * ENOENT: the file is gone. to_make: makes the folder of `to`. */
static int move(struct mover *m, const char *from, const char *to, bool to_make, struct tm_err *err)
{
    bool stale = false;
    int e = try_move(m, from, to, to_make, &stale, err);
    if (!stale)
        return e;
    tm_folders_forget(m->fs);
    e = try_move(m, from, to, to_make, &stale, err);
    return e == ENOENT && stale ? EIO : e;
}

enum claim mover_claim(struct mover *m, const char *path, struct tm_err *err)
{
    TM_CLEANUP(freep) char *to = active_path(m, path);
    if (to == NULL) {
        tm_err_set(err, TM_NOMEM, "cannot claim %s", path);
        return CLAIM_BUSY;
    }
    struct tm_err why = {0};
    int e = move(m, path, to, true, &why);
    if (e == 0) {
        TM_FAULT("after-claim");
        return CLAIM_OK;
    }
    if (e == ENOENT)
        return CLAIM_GONE;
    if (e == EEXIST)
        return CLAIM_BUSY;
    if (why.status != TM_OK)
        tm_err_set(err, why.status, "cannot be claimed: %s", why.text);
    else
        tm_err_errno(err, e, "cannot be claimed");
    /* A full disk or a want of descriptors passes. */
    return tm_status_retry(err->status) ? CLAIM_BUSY : CLAIM_FAILED;
}

bool mover_unclaim(struct mover *m, const char *path)
{
    TM_CLEANUP(freep) char *from = active_path(m, path);
    return from != NULL && move(m, from, path, false, NULL) == 0;
}

enum tm_status mover_open(struct mover *m, const char *path, int *ret_fd, struct stat *ret_st,
                          struct tm_err *err)
{
    struct tm_folder *folder;
    const char *name;
    TM_CLEANUP(freep) char *full = active_path(m, path);
    if (full == NULL)
        return tm_err_set(err, TM_NOMEM, "cannot open %s", path);
    enum tm_status s = tm_folders_of(m->fs, full, false, &folder, &name, err);
    if (s != TM_OK)
        return s;
    struct stat st;
    if (fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return tm_err_errno(err, errno, "cannot look at the file");
    *ret_st = st;
    if (!S_ISREG(st.st_mode))
        return tm_err_set(err, TM_UNSUPPORTED, "is not a regular file");
    /* Should it have been swapped for a link or a FIFO, this fails or returns at once. */
    TM_CLEANUP(tm_closep)
    int fd = openat(folder->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE ? tm_err_set(err, TM_NOMEM, "too many open files")
                                                  : tm_err_errno(err, errno, "cannot be opened");
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return tm_err_set(err, TM_UNSUPPORTED, "is not a regular file");
    *ret_st = st;
    *ret_fd = fd;
    fd = -1;
    return TM_OK;
}

static bool put_field(struct tm_buf *b, const char *key, const char *value)
{
    if (value == NULL)
        return true;
    tm_buf_printf(b, "%s\"%s\":", b->len > 1 ? "," : "", key);
    return tm_buf_json_string(b, value, strlen(value));
}

static bool exists(struct mover *m, const char *path)
{
    struct tm_folder *folder;
    const char *name;
    return tm_folders_of(m->fs, path, false, &folder, &name, NULL) == TM_OK &&
           faccessat(folder->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void sidecar_name(const char *name, char out[NAME_MOST + 1])
{
    snprintf(out, NAME_MOST + 1, "%s.reason.json", name);
}

/* Writes "NAME.reason.json" beside where a failed file goes, in one rename. */
static enum tm_status put_sidecar(struct mover *m, const char *path, const struct reason *reason,
                                  struct tm_err *err)
{
    struct tm_folder *folder;
    const char *name;
    enum tm_status s = tm_folders_of(m->fs, path, true, &folder, &name, err);
    if (s != TM_OK)
        return s;
    char time[32], final[NAME_MOST + 1], temporary[NAME_MOST + 1];
    tm_clock_iso(tm_clock_unix_ms(), time);
    struct tm_buf b = {0};
    tm_buf_putc(&b, '{');
    put_field(&b, "code", reason->code);
    put_field(&b, "stage", reason->stage);
    put_field(&b, "message", reason->message);
    put_field(&b, "time", time);
    tm_buf_puts(&b, "}\n");
    sidecar_name(name, final);
    snprintf(temporary, sizeof temporary, ".tm-%d-%p", (int)getpid(), (void *)m);
    TM_CLEANUP(tm_closep)
    int fd =
        openat(folder->fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    int e = fd < 0 ? errno : b.failed ? ENOMEM : tm_write_all(fd, b.data, b.len, 0);
    if (e == 0 && (fsync(fd) < 0 || renameat(folder->fd, temporary, folder->fd, final) < 0))
        e = errno;
    if (e != 0 && fd >= 0)
        unlinkat(folder->fd, temporary, 0);
    folder->dirty = true;
    tm_buf_finish(&b);
    return e == 0 ? TM_OK : tm_err_errno(err, e, "cannot write %s in %s", final, path);
}

/* Where a file ends: FOLDER/sub/NAME, with .1, .2 … when that is taken. A name that has no room for
 * what is added to it is cut; the folder keeps telling done from failed. */
static void end_path(char *out, size_t size, const char *folder, const char *path, int number)
{
    const char *slash = strrchr(path, '/');
    int dir = slash != NULL ? (int)(slash + 1 - path) : 0;
    int most = NAME_MOST - SUFFIX_ROOM - (int)strlen(".reason.json");
    int cut = (int)tm_utf8_cut(path + dir, strlen(path + dir), (size_t)most);
    int n = snprintf(out, size, "%s/%.*s%.*s", folder, dir, path, cut, path + dir);
    if (number > 0 && n > 0 && (size_t)n < size)
        snprintf(out + n, size - (size_t)n, ".%d", number);
}

static void drop_sidecar(struct mover *m, const char *path)
{
    struct tm_folder *folder;
    const char *name;
    char sidecar[NAME_MOST + 1];
    if (tm_folders_of(m->fs, path, false, &folder, &name, NULL) != TM_OK)
        return;
    sidecar_name(name, sidecar);
    unlinkat(folder->fd, sidecar, 0);
}

enum tm_status mover_end(struct mover *m, const char *path, bool claimed,
                         const struct reason *reason, struct tm_err *err)
{
    const char *folder = reason != NULL ? "failed" : "done";
    size_t size = strlen(path) + 64;
    TM_CLEANUP(freep) char *from = claimed ? active_path(m, path) : strdup(path);
    TM_CLEANUP(freep) char *to = malloc(size);
    if (from == NULL || to == NULL)
        return tm_err_set(err, TM_NOMEM, "cannot move %s", path);
    int e = EEXIST;
    struct tm_err why = {0};
    for (int i = 0; e == EEXIST && i < SUFFIX_MOST; i++) {
        end_path(to, size, folder, path, i);
        /* The reason comes before the file, so that no crash leaves a failed file without one. */
        if (reason != NULL && exists(m, to))
            continue;
        enum tm_status s = reason != NULL ? put_sidecar(m, to, reason, err) : TM_OK;
        if (s != TM_OK)
            return s;
        TM_FAULT("before-move");
        e = move(m, from, to, true, &why);
    }
    TM_FAULT("after-move");
    if (e == ENOENT && reason != NULL)
        drop_sidecar(m, to);
    if (e == 0 || e == ENOENT) /* ENOENT: somebody has removed it, there is nothing left to move */
        return TM_OK;
    return why.status != TM_OK
               ? tm_err_set(err, why.status, "cannot move %s to %s: %s", path, to, why.text)
               : tm_err_errno(err, e, "cannot move %s to %s", path, to);
}

enum tm_status mover_sync(struct mover *m, struct tm_err *err)
{
    enum tm_status s = tm_folders_sync(m->fs, err);
    tm_folders_forget(m->fs);
    return s;
}
