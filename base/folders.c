/* Folders below a root (tm_folders.h). Called by the spool source on the source thread and on the
 * delivery thread, and by the files sink; each has its own struct, so there is no lock.
 *
 * Every folder is reached component by component with O_NOFOLLOW. The table is small and searched
 * in order: a release writes into few folders, mostly into the one it wrote to before. */
#include "tm_folders.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLOTS = 32, OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC };

struct slot {
    struct tm_folder folder;
    char *dir; /* NULL: free */
    uint64_t used;
};

struct tm_folders {
    char *path;
    struct slot slots[SLOTS]; /* the first is the root */
    size_t last;              /* slot found last */
    uint64_t clock;
    int lost; /* errno of a sync while forgetting; told by the next sync */
};

void tm_closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int tm_write_all(int fd, const void *bytes, size_t n, off_t at)
{
    const char *p = bytes;
    while (n > 0) {
        ssize_t put = pwrite(fd, p, n, at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? errno : EIO;
        p += put;
        at += put;
        n -= (size_t)put;
    }
    return 0;
}

/* mkdir -p of what the user configured: links in it are the user's own. */
static int make_root(const char *path)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return n == 0 ? ENOENT : ENAMETOOLONG;
    for (size_t i = 1; i <= n; i++) {
        if (i < n && path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        /* Whatever else is wrong shows when the root is opened. */
        if (mkdir(part, 0777) < 0 && errno != EEXIST && i == n)
            return errno;
    }
    return 0;
}

enum tm_status tm_folders_create(const char *path, struct tm_folders **ret_folders,
                                 struct tm_err *err)
{
    TM_CLEANUP(tm_folders_destroyp) struct tm_folders *fs = calloc(1, sizeof *fs);
    if (fs == NULL)
        return tm_err_set(err, TM_NOMEM, "folder %s", path);
    for (size_t i = 0; i < SLOTS; i++)
        fs->slots[i].folder.fd = -1;
    fs->path = strdup(path);
    fs->slots[0].dir = strdup("");
    if (fs->path == NULL || fs->slots[0].dir == NULL)
        return tm_err_set(err, TM_NOMEM, "folder %s", path);
    int fd = open(path, OPEN_FOLDER);
    if (fd < 0 && errno == ENOENT) {
        int e = make_root(path);
        if (e != 0)
            return tm_err_errno(err, e, "cannot make folder %s", path);
        fd = open(path, OPEN_FOLDER);
    }
    if (fd < 0)
        return tm_err_errno(err, errno, "cannot open folder %s", path);
    fs->slots[0].folder.fd = fd;
    *ret_folders = TM_TAKE(fs);
    return TM_OK;
}

static void slot_close(struct tm_folders *fs, struct slot *s)
{
    if (s->folder.dirty && fsync(s->folder.fd) < 0 && fs->lost == 0)
        fs->lost = errno;
    tm_closep(&s->folder.fd);
    free(s->dir);
    *s = (struct slot){.folder.fd = -1};
}

void tm_folders_destroy(struct tm_folders *fs)
{
    if (fs == NULL)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        slot_close(fs, &fs->slots[i]);
    free(fs->path);
    free(fs);
}

void tm_folders_destroyp(struct tm_folders **fs)
{
    tm_folders_destroy(*fs);
    *fs = NULL;
}

const char *tm_folders_path(const struct tm_folders *fs)
{
    return fs->path;
}

void tm_folders_forget(struct tm_folders *fs)
{
    for (size_t i = 1; i < SLOTS; i++)
        slot_close(fs, &fs->slots[i]);
}

/* A child of the folder *fd, which it replaces. */
static int step_into(int *fd, const char *name, bool make)
{
    int child = openat(*fd, name, OPEN_FOLDER | O_NOFOLLOW);
    if (child < 0 && errno == ENOENT && make) {
        if (mkdirat(*fd, name, 0777) < 0 && errno != EEXIST)
            return errno;
        if (fsync(*fd) < 0)
            return errno;
        child = openat(*fd, name, OPEN_FOLDER | O_NOFOLLOW);
    }
    if (child < 0)
        return errno;
    close(*fd);
    *fd = child;
    return 0;
}

static int walk(int root, const char *dir, bool make, int *ret_fd)
{
    TM_CLEANUP(tm_closep) int fd = fcntl(root, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return errno;
    char name[NAME_MAX + 1];
    for (const char *p = dir; *p != '\0';) {
        size_t n = strcspn(p, "/");
        if (n > NAME_MAX)
            return ENAMETOOLONG;
        memcpy(name, p, n);
        name[n] = '\0';
        p += p[n] == '/' ? n + 1 : n;
        if (n == 0 || strcmp(name, ".") == 0)
            continue;
        int e = strcmp(name, "..") == 0 ? EPERM : step_into(&fd, name, make);
        if (e != 0)
            return e;
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static bool slot_is(const struct slot *s, const char *dir, size_t n)
{
    return s->dir != NULL && strncmp(s->dir, dir, n) == 0 && s->dir[n] == '\0';
}

static struct slot *slot_find(struct tm_folders *fs, const char *dir, size_t n)
{
    if (slot_is(&fs->slots[fs->last], dir, n))
        return &fs->slots[fs->last];
    for (size_t i = 0; i < SLOTS; i++) {
        if (slot_is(&fs->slots[i], dir, n)) {
            fs->last = i;
            return &fs->slots[i];
        }
    }
    return NULL;
}

static struct slot *slot_oldest(struct tm_folders *fs)
{
    size_t best = 1;
    for (size_t i = 2; i < SLOTS; i++)
        if (fs->slots[i].used < fs->slots[best].used)
            best = i;
    slot_close(fs, &fs->slots[best]);
    return &fs->slots[best];
}

static enum tm_status get(struct tm_folders *fs, const char *dir, size_t n, bool make,
                          struct tm_folder **ret_folder, struct tm_err *err)
{
    struct slot *s = slot_find(fs, dir, n);
    if (s == NULL) {
        char *copy = strndup(dir, n);
        if (copy == NULL)
            return tm_err_set(err, TM_NOMEM, "folder %.*s", (int)n, dir);
        int fd = -1;
        int e = walk(fs->slots[0].folder.fd, copy, make, &fd);
        if (e != 0) {
            enum tm_status st = tm_err_errno(err, e, "cannot open folder %s/%s", fs->path, copy);
            free(copy);
            return st;
        }
        s = slot_oldest(fs);
        s->dir = copy;
        s->folder.fd = fd;
    }
    s->used = ++fs->clock;
    *ret_folder = &s->folder;
    return TM_OK;
}

enum tm_status tm_folders_get(struct tm_folders *fs, const char *dir, bool make,
                              struct tm_folder **ret_folder, struct tm_err *err)
{
    return get(fs, dir, strlen(dir), make, ret_folder, err);
}

enum tm_status tm_folders_of(struct tm_folders *fs, const char *path, bool make,
                             struct tm_folder **ret_folder, const char **ret_name,
                             struct tm_err *err)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash != NULL ? (size_t)(slash - path) : 0;
    enum tm_status s = get(fs, path, n, make, ret_folder, err);
    if (s == TM_OK)
        *ret_name = slash != NULL ? slash + 1 : path;
    return s;
}

enum tm_status tm_folders_sync(struct tm_folders *fs, struct tm_err *err)
{
    int e = fs->lost;
    fs->lost = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *s = &fs->slots[i];
        if (!s->folder.dirty)
            continue;
        if (fsync(s->folder.fd) < 0 && e == 0)
            e = errno;
        s->folder.dirty = false;
    }
    return e == 0 ? TM_OK : tm_err_errno(err, e, "cannot sync folders of %s", fs->path);
}
