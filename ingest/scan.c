/* Looks at the spool folder (spool.h). Called by spool.c on the source thread.
 *
 * inotify is a hint that makes the next look come sooner and nothing else: it may overflow, run out
 * of watches, or see nothing at all on a network file system. The full look every rescan_ms is what
 * finds files. A file is left alone until it has settled: its time is older than settle_ms, or (for
 * times in the future) this process has seen it unchanged for as long. */
#include "spool.h"
#include "names.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

enum {
    DEPTH_MOST = 64,
    FOUND_MOST = 100000, /* one look; the rest is found when these have been taken */
    HINT_MS = 20,        /* a burst of events makes one look */
    OWN_MOST = 3,
    WATCH_MASK = IN_MOVED_TO | IN_CLOSE_WRITE | IN_CREATE | IN_ONLYDIR,
};
#define NS_PER_MS 1000000u

/* Folders of the spool's own, at its top. */
static const char *const reserved[] = {"active", "done", "failed"};

/* One look in progress. */
struct look {
    struct scan *sc;
    struct tm_folders *fs;
    struct found *found;
    size_t n, room;
    int64_t real_ns;
    bool truncated, nomem;
    struct stat own[OWN_MOST]; /* folders that textmill writes to: never input */
    size_t n_own;
};

static void free_found(struct found *found, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(found[i].path);
    free(found);
}

void scan_init(struct scan *sc, const struct tm_conf *conf)
{
    *sc = (struct scan){.conf = conf};
    sc->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC); /* without it there are the rescans */
}

void scan_finish(struct scan *sc)
{
    tm_closep(&sc->inotify);
    free_found(sc->found, sc->n);
    *sc = (struct scan){.inotify = -1};
}

static uint64_t ms_to_ns(int64_t ms)
{
    return (uint64_t)ms * NS_PER_MS;
}

/* Empties the inotify queue; what the events say does not matter. */
static void drain_events(struct scan *sc)
{
    _Alignas(struct inotify_event) char events[16384];
    while (sc->inotify >= 0 && read(sc->inotify, events, sizeof events) > 0) {
        uint64_t soon = TM_MAX(tm_clock_ns() + ms_to_ns(HINT_MS), sc->last_ns + 4 * sc->cost_ns);
        sc->due_ns = TM_MIN(sc->due_ns, soon);
    }
}

void scan_wait(struct scan *sc, unsigned wait_ms)
{
    drain_events(sc);
    uint64_t now = tm_clock_ns();
    uint64_t left = sc->due_ns > now ? (sc->due_ns - now + NS_PER_MS - 1) / NS_PER_MS : 0;
    int ms = (int)TM_MIN(TM_MIN((uint64_t)wait_ms, left), (uint64_t)INT32_MAX);
    if (ms == 0)
        return;
    struct pollfd p = {.fd = sc->inotify, .events = POLLIN};
    poll(&p, 1, ms); /* a negative descriptor only waits */
    drain_events(sc);
}

bool scan_is_due(const struct scan *sc)
{
    return tm_clock_ns() >= sc->due_ns;
}

static bool is_reserved(const char *name)
{
    for (size_t i = 0; i < TM_COUNTOF(reserved); i++)
        if (strcmp(name, reserved[i]) == 0)
            return true;
    return false;
}

/* "prefix/name", owned; NULL when memory is short. */
static char *join(const char *prefix, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s%s%s", prefix, prefix[0] != '\0' ? "/" : "", name) < 0 ? NULL : path;
}

static void add_found(struct look *lk, const char *prefix, const char *name, const struct stat *st)
{
    if (lk->n == FOUND_MOST) {
        lk->truncated = true;
        return;
    }
    if (lk->n == lk->room) {
        size_t room = lk->room == 0 ? 64 : lk->room * 2;
        struct found *more = reallocarray(lk->found, room, sizeof *more);
        if (more == NULL) {
            lk->nomem = true;
            return;
        }
        lk->found = more;
        lk->room = room;
    }
    char *path = join(prefix, name);
    if (path == NULL) {
        lk->nomem = true;
        return;
    }
    lk->found[lk->n++] = (struct found){
        .path = path,
        .size = st->st_size,
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .link = S_ISLNK(st->st_mode),
    };
}

static void watch(struct look *lk, const char *prefix)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", tm_folders_path(lk->fs), prefix);
    if (lk->sc->inotify >= 0 && n > 0 && (size_t)n < sizeof path)
        inotify_add_watch(lk->sc->inotify, path, WATCH_MASK);
}

static void closedirp(DIR **d)
{
    if (*d != NULL)
        closedir(*d);
}

static void look_into(struct look *lk, int parent, const char *name, const char *prefix, int depth);

static void look_at(struct look *lk, DIR *dir, const struct dirent *e, const char *prefix,
                    int depth)
{
    struct stat st;
    bool maybe_folder = e->d_type == DT_DIR || e->d_type == DT_UNKNOWN;
    bool matches = fnmatch(lk->sc->conf->source_spool_pattern, e->d_name, 0) == 0;
    if (e->d_name[0] == '.' || (depth == 0 && is_reserved(e->d_name)) ||
        (!matches && !maybe_folder))
        return;
    if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return; /* vanished */
    if (S_ISDIR(st.st_mode) && lk->sc->conf->source_spool_recursive && depth < DEPTH_MOST) {
        char *sub = join(prefix, e->d_name);
        if (sub == NULL)
            lk->nomem = true;
        else
            look_into(lk, dirfd(dir), e->d_name, sub, depth + 1);
        free(sub);
    } else if ((S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) && matches &&
               !name_is_temporary(e->d_name)) {
        add_found(lk, prefix, e->d_name, &st);
    }
}

/* Results in a folder below the spool must not come back as documents. */
static void find_own(struct look *lk)
{
    const struct tm_conf *conf = lk->sc->conf;
    const char *const paths[OWN_MOST] = {conf->sink_files_path, conf->sink_dead_letters_path,
                                         conf->state_path};
    for (size_t i = 0; i < OWN_MOST; i++)
        if (paths[i][0] != '\0' && stat(paths[i], &lk->own[lk->n_own]) == 0)
            lk->n_own++;
}

static bool is_own(const struct look *lk, int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return true;
    for (size_t i = 0; i < lk->n_own; i++)
        if (lk->own[i].st_dev == st.st_dev && lk->own[i].st_ino == st.st_ino)
            return true;
    return false;
}

/* A folder that cannot be opened (vanished, no permission) is passed over until the next look. */
static void look_into(struct look *lk, int parent, const char *name, const char *prefix, int depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    TM_CLEANUP(closedirp) DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        tm_log(TM_LOG_DEBUG, "spool folder cannot be read", TM_S("folder", prefix));
        tm_closep(&fd);
        return;
    }
    if (is_own(lk, fd))
        return;
    watch(lk, prefix);
    for (struct dirent *e; !lk->truncated && !lk->nomem && (e = readdir(dir)) != NULL;)
        look_at(lk, dir, e, prefix, depth);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct found *)a)->path, ((const struct found *)b)->path);
}

/* Has f settled? Else *due_ns is lowered to when it may have. */
static bool settle(const struct look *lk, const struct found *f, uint64_t now, uint64_t *due_ns)
{
    uint64_t need = ms_to_ns(lk->sc->conf->source_spool_settle_ms);
    if (f->link || need == 0)
        return true;
    int64_t age = lk->real_ns - f->mtime_ns;
    uint64_t seen = now - f->since_ns;
    if ((age >= 0 && (uint64_t)age >= need) || seen >= need)
        return true;
    uint64_t left = need - seen;
    if (age >= 0)
        left = TM_MIN(left, need - (uint64_t)age);
    *due_ns = TM_MIN(*due_ns, now + left);
    return false;
}

/* Carries over what earlier looks knew of the same files; both lists are sorted. */
static void merge(struct look *lk, uint64_t now, uint64_t *due_ns)
{
    struct scan *sc = lk->sc;
    for (size_t i = 0, k = 0; i < lk->n; i++) {
        struct found *f = &lk->found[i];
        f->since_ns = now;
        f->wanted = !sc->complete;
        while (k < sc->n && strcmp(sc->found[k].path, f->path) < 0)
            k++;
        if (k < sc->n && strcmp(sc->found[k].path, f->path) == 0) {
            const struct found *old = &sc->found[k];
            bool same = old->size == f->size && old->mtime_ns == f->mtime_ns;
            f->since_ns = same ? old->since_ns : now;
            f->wanted = f->wanted || old->wanted;
            f->stuck = f->gone = same && old->stuck;
        }
        f->settled = settle(lk, f, now, due_ns);
    }
}

enum tm_status scan_run(struct scan *sc, struct tm_folders *fs, struct tm_err *err)
{
    struct look lk = {.sc = sc, .fs = fs};
    struct tm_folder *root;
    struct timespec real;
    uint64_t began = tm_clock_ns();
    clock_gettime(CLOCK_REALTIME, &real);
    lk.real_ns = (int64_t)real.tv_sec * 1000000000 + real.tv_nsec;
    drain_events(sc); /* what they tell of is about to be seen */
    sc->due_ns = began + ms_to_ns(sc->conf->source_spool_rescan_ms);
    enum tm_status s = tm_folders_get(fs, "", false, &root, err);
    if (s != TM_OK)
        return s;
    struct stat st;
    if (fstat(root->fd, &st) < 0 || st.st_nlink == 0)
        return tm_err_set(err, TM_NOTFOUND, "%s was removed", tm_folders_path(fs));
    find_own(&lk);
    look_into(&lk, root->fd, ".", "", 0);
    if (lk.nomem) {
        free_found(lk.found, lk.n);
        return tm_err_set(err, TM_NOMEM, "no memory to list %s", tm_folders_path(fs));
    }
    if (lk.n > 1)
        qsort(lk.found, lk.n, sizeof *lk.found, by_path);
    uint64_t due_ns = lk.truncated ? began : sc->due_ns;
    merge(&lk, began, &due_ns);
    free_found(sc->found, sc->n);
    sc->found = lk.found;
    sc->n = lk.n;
    sc->next = 0;
    sc->complete = sc->complete || !lk.truncated;
    sc->due_ns = due_ns;
    sc->last_ns = tm_clock_ns();
    sc->cost_ns = sc->last_ns - began;
    return TM_OK;
}

struct found *scan_next(struct scan *sc)
{
    for (; sc->next < sc->n; sc->next++) {
        struct found *f = &sc->found[sc->next];
        if (f->settled && !f->gone)
            return &sc->found[sc->next++];
    }
    return NULL;
}

bool scan_at_end(const struct scan *sc)
{
    if (!sc->complete)
        return false;
    for (size_t i = 0; i < sc->n; i++)
        if (sc->found[i].wanted && !sc->found[i].gone)
            return false;
    return true;
}

/* ---- what an earlier run left in active/INSTANCE ---- */

struct leftovers {
    char **paths;
    size_t n, room;
    bool nomem;
};

static bool add_leftover(struct leftovers *lo, char *path)
{
    if (lo->n == lo->room) {
        size_t room = lo->room == 0 ? 64 : lo->room * 2;
        char **more = path != NULL ? reallocarray(lo->paths, room, sizeof *more) : NULL;
        if (more == NULL) {
            free(path);
            lo->nomem = true;
            return false;
        }
        lo->paths = more;
        lo->room = room;
    }
    if (path == NULL)
        lo->nomem = true;
    else
        lo->paths[lo->n++] = path;
    return path != NULL;
}

static void leftovers_in(struct leftovers *lo, int parent, const char *name, const char *prefix,
                         int depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    TM_CLEANUP(closedirp) DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        tm_closep(&fd);
        return;
    }
    struct stat st;
    for (struct dirent *e; !lo->nomem && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.' || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        char *path = join(prefix, e->d_name);
        if (!S_ISDIR(st.st_mode)) {
            add_leftover(lo, path);
            continue;
        }
        if (path != NULL && depth < DEPTH_MOST)
            leftovers_in(lo, fd, e->d_name, path, depth + 1);
        free(path);
        unlinkat(fd, e->d_name, AT_REMOVEDIR); /* goes only when empty */
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum tm_status scan_leftovers(int fd, char ***ret_paths, size_t *ret_n, struct tm_err *err)
{
    struct leftovers lo = {0};
    leftovers_in(&lo, fd, ".", "", 0);
    if (lo.nomem) {
        for (size_t i = 0; i < lo.n; i++)
            free(lo.paths[i]);
        free(lo.paths);
        return tm_err_set(err, TM_NOMEM, "no memory to list claimed files");
    }
    if (lo.n > 1)
        qsort(lo.paths, lo.n, sizeof *lo.paths, by_text);
    *ret_paths = lo.paths;
    *ret_n = lo.n;
    return TM_OK;
}
