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

static bool is_orphan(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 && name[n] != '\0' &&
           name[n + strspn(name + n, "0123456789")] == '\0';
}

static void sweep(int parent, const char *name, const char *prefix, int depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    TM_CLEANUP(closedirp) DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        tm_closep(&fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        bool folder = e->d_type == DT_DIR || e->d_type == DT_UNKNOWN;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (e->d_type != DT_DIR && is_orphan(e->d_name, prefix))
            unlinkat(fd, e->d_name, 0);
        else if (folder && depth < DEPTH_MOST)
            sweep(fd, e->d_name, prefix, depth + 1);
    }
}

enum tm_status sweep_begin(struct tm_folders *fs, const char *marker, const char *prefix,
                           struct tm_folders *const *roots, size_t n_roots, struct tm_err *err)
{
    struct tm_folder *folder;
    const char *name;
    enum tm_status s = tm_folders_of(fs, marker, true, &folder, &name, err);
    if (s != TM_OK)
        return s;
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    TM_CLEANUP(tm_closep) int fd = openat(folder->fd, name, flags, 0666);
    if (fd >= 0)
        return TM_OK;
    if (errno != EEXIST)
        return tm_err_errno(err, errno, "cannot write in %s", tm_folders_path(fs));
    if (faccessat(folder->fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
        return tm_err_errno(err, errno, "cannot write in %s", tm_folders_path(fs));
    for (size_t i = 0; i < n_roots; i++) {
        struct tm_folder *root;
        s = tm_folders_get(roots[i], "", false, &root, err);
        if (s != TM_OK)
            return s;
        sweep(root->fd, ".", prefix, 0);
    }
    return TM_OK;
}

void sweep_end(struct tm_folders *fs, const char *marker)
{
    struct tm_folder *folder;
    const char *name;
    if (tm_folders_of(fs, marker, false, &folder, &name, NULL) == TM_OK)
        unlinkat(folder->fd, name, 0);
}
