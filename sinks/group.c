/* Many small files made durable at once (group.h). Called by the files sink on the delivery thread.
 *
 * Order: write temporary files, sync, rename, sync the folders. How to sync was measured (ext4 on a
 * virtual disk that takes 3 ms for a flush, groups of 256 files of 3 kB, files a second, median of
 * five runs):
 *   write and fdatasync each               281
 *   write all, then fdatasync each         282
 *   the same after sync_file_range         408
 *   write all, then one syncfs            3826
 * so a group is synced with one syncfs a file system, at the price of writing out what others have
 * left dirty there. A few files are synced one by one, which leaves other writers alone. */
#include "group.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FEW = 4, ROOTS_MOST = 4, NAME_ROOM = 96 };

struct item {
    struct tm_folders *fs;
    char *path;    /* NULL: nothing to rename */
    uint64_t temp; /* number in the temporary name */
    int fd;        /* open while it is one of the first, or the first on its device; else -1 */
    dev_t dev;
    bool renamed;
};

struct group {
    const char *prefix;
    struct item *items;
    size_t n, room;
    uint64_t counter;
};

struct group *group_create(const char *prefix)
{
    struct group *g = calloc(1, sizeof *g);
    if (g != NULL)
        g->prefix = prefix;
    return g;
}

static void temp_name(const struct group *g, const struct item *it, char out[NAME_ROOM])
{
    snprintf(out, NAME_ROOM, "%s%llu", g->prefix, (unsigned long long)it->temp);
}

static void clear(struct group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        tm_closep(&g->items[i].fd);
        free(g->items[i].path);
    }
    g->n = 0;
}

void group_abandon(struct group *g)
{
    char temp[NAME_ROOM];
    for (size_t i = 0; i < g->n; i++) {
        struct item *it = &g->items[i];
        struct tm_folder *folder;
        const char *name;
        if (it->path == NULL || it->renamed ||
            tm_folders_of(it->fs, it->path, false, &folder, &name, NULL) != TM_OK)
            continue;
        temp_name(g, it, temp);
        unlinkat(folder->fd, temp, 0);
    }
    clear(g);
}

void group_destroy(struct group *g)
{
    if (g == NULL)
        return;
    group_abandon(g);
    free(g->items);
    free(g);
}

static struct item *add_item(struct group *g, struct tm_folders *fs, struct tm_err *err)
{
    if (g->n == g->room) {
        size_t room = g->room == 0 ? 64 : g->room * 2;
        struct item *more = reallocarray(g->items, room, sizeof *more);
        if (more == NULL) {
            tm_err_set(err, TM_NOMEM, "no memory for %zu output files", room);
            return NULL;
        }
        g->items = more;
        g->room = room;
    }
    struct item *it = &g->items[g->n];
    *it = (struct item){.fs = fs, .temp = g->counter++, .fd = -1};
    return it;
}

static bool device_is_held(const struct group *g, dev_t dev)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->items[i].fd >= 0 && g->items[i].dev == dev)
            return true;
    return false;
}

/* Makes the item part of the group and keeps its descriptor if that is needed to sync. */
static enum tm_status keep(struct group *g, struct item *it, int *fd, struct tm_err *err)
{
    struct stat st;
    if (fstat(*fd, &st) < 0)
        return tm_err_errno(err, errno, "cannot look at an output file");
    it->dev = st.st_dev;
    if (g->n < FEW || !device_is_held(g, it->dev))
        it->fd = *fd;
    else
        close(*fd);
    *fd = -1;
    g->n++;
    return TM_OK;
}

enum tm_status group_add(struct group *g, struct tm_folders *fs, int *fd, struct tm_err *err)
{
    struct item *it = add_item(g, fs, err);
    return it != NULL ? keep(g, it, fd, err) : TM_NOMEM;
}

enum tm_status group_put(struct group *g, struct tm_folders *fs, const char *path,
                         const char *bytes, size_t n, struct tm_err *err)
{
    struct tm_folder *folder;
    const char *name;
    char temp[NAME_ROOM];
    enum tm_status s = tm_folders_of(fs, path, true, &folder, &name, err);
    struct item *it = s == TM_OK ? add_item(g, fs, err) : NULL;
    if (it == NULL)
        return s != TM_OK ? s : TM_NOMEM;
    temp_name(g, it, temp);
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    TM_CLEANUP(tm_closep) int fd = openat(folder->fd, temp, flags, 0666);
    if (fd < 0 && errno == EEXIST && unlinkat(folder->fd, temp, 0) == 0)
        fd = openat(folder->fd, temp, flags, 0666); /* an orphan of our own */
    if (fd < 0)
        return tm_err_errno(err, errno, "cannot create %s/%s", tm_folders_path(fs), path);
    int e = tm_write_all(fd, bytes, n, 0);
    if (e == 0)
        e = tm_write_all(fd, "\n", 1, (off_t)n);
    it->path = strdup(path);
    s = e != 0             ? tm_err_errno(err, e, "cannot write %s/%s", tm_folders_path(fs), path)
        : it->path == NULL ? tm_err_set(err, TM_NOMEM, "cannot write %s", path)
                           : keep(g, it, &fd, err);
    if (s != TM_OK) {
        unlinkat(folder->fd, temp, 0);
        free(it->path);
    }
    return s;
}

/* The held descriptors are the first few, and one a device. */
static enum tm_status sync_files(struct group *g, struct tm_err *err)
{
    for (size_t i = 0; i < g->n; i++) {
        struct item *it = &g->items[i];
        if (it->fd < 0)
            continue;
        bool first = true;
        for (size_t k = 0; k < i && first; k++)
            first = g->items[k].fd < 0 || g->items[k].dev != it->dev;
        int r = g->n <= FEW ? fdatasync(it->fd) : first ? syncfs(it->fd) : 0;
        if (r < 0)
            return tm_err_errno(err, errno, "cannot sync output in %s", tm_folders_path(it->fs));
    }
    return TM_OK;
}

static enum tm_status rename_item(struct group *g, struct item *it, struct tm_err *err)
{
    struct tm_folder *folder;
    const char *name;
    char temp[NAME_ROOM];
    enum tm_status s = tm_folders_of(it->fs, it->path, false, &folder, &name, err);
    if (s != TM_OK)
        return s;
    temp_name(g, it, temp);
    if (renameat(folder->fd, temp, folder->fd, name) < 0)
        return tm_err_errno(err, errno, "cannot rename into %s/%s", tm_folders_path(it->fs),
                            it->path);
    folder->dirty = it->renamed = true;
    return TM_OK;
}

enum tm_status group_publish(struct group *g, struct tm_err *err)
{
    struct tm_folders *roots[ROOTS_MOST];
    size_t n_roots = 0;
    TM_FAULT("before-fsync");
    enum tm_status s = sync_files(g, err);
    TM_FAULT("after-fsync");
    for (size_t i = 0; s == TM_OK && i < g->n; i++) {
        struct item *it = &g->items[i];
        size_t k = 0;
        while (k < n_roots && roots[k] != it->fs)
            k++;
        tm_assert(k < ROOTS_MOST);
        roots[k] = it->fs;
        n_roots = TM_MAX(n_roots, k + 1);
        if (it->path != NULL)
            s = rename_item(g, it, err);
    }
    TM_FAULT("after-rename");
    for (size_t k = 0; s == TM_OK && k < n_roots; k++)
        s = tm_folders_sync(roots[k], err);
    if (s == TM_OK)
        clear(g);
    return s;
}
