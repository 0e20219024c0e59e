/* The sweep after a crash (sweep.h). Called when a sink is created and destroyed.
 *
 * The output may hold millions of files, so it is walked only when the marker tells of a crash. */
#include "sweep.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MOST = 128 };

static void closedirp(DIR **d)
{
    if (*d != NULL)
        closedir(*d);
}

/* path: of the folder, with a '/' at its end unless it is the root; used as a stack. */
static void walk(int parent, const char *name, struct tm_buf *path, int depth, sweep_fn *visit,
                 void *arg)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    TM_CLEANUP(closedirp) DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        tm_closep(&fd);
        return;
    }
    size_t len = path->len;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (!tm_buf_puts(path, e->d_name))
            return;
        if (e->d_type != DT_DIR)
            visit(arg, path->data, fd, e->d_name);
        bool folder = e->d_type == DT_DIR || e->d_type == DT_UNKNOWN;
        if (folder && depth < DEPTH_MOST && tm_buf_putc(path, '/'))
            walk(fd, e->d_name, path, depth + 1, visit, arg);
        path->len = len;
    }
}

void sweep_walk(struct tm_folders *fs, const char *dir, sweep_fn *visit, void *arg)
{
    struct tm_folder *folder;
    struct tm_buf path = {0};
    if (tm_folders_get(fs, dir, false, &folder, NULL) != TM_OK)
        return;
    TM_CLEANUP(tm_closep) int fd = fcntl(folder->fd, F_DUPFD_CLOEXEC, 3); /* visit may use fs */
    walk(fd, ".", &path, 0, visit, arg);
    tm_buf_finish(&path);
}

void sweep_temporary(void *arg, const char *path, int fd, const char *name)
{
    const char *prefix = arg;
    size_t n = strlen(prefix);
    (void)path;
    if (strncmp(name, prefix, n) == 0 && name[n] != '\0' &&
        name[n + strspn(name + n, "0123456789")] == '\0')
        unlinkat(fd, name, 0);
}

enum tm_status sweep_begin(struct tm_folders *fs, const char *marker, bool *ret_crashed,
                           struct tm_err *err)
{
    struct tm_folder *folder;
    const char *name;
    enum tm_status s = tm_folders_of(fs, marker, true, &folder, &name, err);
    if (s != TM_OK)
        return s;
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    TM_CLEANUP(tm_closep) int fd = openat(folder->fd, name, flags, 0666);
    if (fd < 0 && errno != EEXIST)
        return tm_err_errno(err, errno, "cannot write in %s", tm_folders_path(fs));
    if (fd < 0 && faccessat(folder->fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
        return tm_err_errno(err, errno, "cannot write in %s", tm_folders_path(fs));
    *ret_crashed = fd < 0;
    return TM_OK;
}

void sweep_end(struct tm_folders *fs, const char *marker)
{
    struct tm_folder *folder;
    const char *name;
    if (tm_folders_of(fs, marker, false, &folder, &name, NULL) == TM_OK)
        unlinkat(folder->fd, name, 0);
}
