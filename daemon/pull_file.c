/* One file of a pull (pull_file.h). Called by pull.c on the main thread. */
#include "pull_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what the user sees ---- */

static const uint64_t SHOW_NS = 100000000;

void pull_progress_begin(struct pull_progress *p, const struct hub_listing *listing)
{
    *p = (struct pull_progress){
        .terminal = isatty(STDERR_FILENO), .listing = listing, .since_ns = tm_clock_ns()};
}

void pull_progress_file(struct pull_progress *p, size_t file)
{
    p->file = file;
    p->at = 0;
    p->shown_ns = 0;
}

static void show(struct pull_progress *p)
{
    const struct hub_file *f = &p->listing->files[p->file];
    uint64_t now = tm_clock_ns();
    if (!p->terminal || now - p->shown_ns < SHOW_NS)
        return;
    p->shown_ns = now;
    double seconds = (double)(now - p->since_ns) / 1e9;
    double rate = seconds > 0 ? (double)p->fetched / seconds : 0;
    fprintf(stderr, "\r\033[K[%zu/%zu] %.40s  %.1f", p->file + 1, p->listing->n, f->path,
            (double)p->at / (1 << 20));
    if (f->size > 0)
        fprintf(stderr, " of %.1f MiB  %d %%", (double)f->size / (1 << 20),
                (int)(100 * p->at / f->size));
    else
        fputs(" MiB", stderr);
    fprintf(stderr, "  %.1f MiB/s", rate / (1 << 20));
    if (f->size > 0 && rate > 0)
        fprintf(stderr, "  %lld s left", (long long)((double)(f->size - p->at) / rate));
}

void pull_progress_done(struct pull_progress *p, const struct hub_file *f, bool kept)
{
    if (p->terminal)
        fputs("\r\033[K", stderr);
    if (f->path != NULL)
        fprintf(stderr, "[%zu/%zu] %s  %.1f MiB%s\n", p->file + 1, p->listing->n, f->path,
                (double)f->size / (1 << 20), kept ? ", unchanged" : "");
}

void pull_progress_end(struct pull_progress *p)
{
    double seconds = (double)(tm_clock_ns() - p->since_ns) / 1e9;
    if (p->fetched > 0)
        fprintf(stderr, "%.1f MiB in %.1f s\n", (double)p->fetched / (1 << 20), seconds);
}

/* ---- digests ---- */

/* sha1 is that of git, which begins with the kind and the length. */
static bool digest_begin(EVP_MD_CTX *md, const struct hub_file *f)
{
    char head[48];
    if (f->algorithm == NULL)
        return true;
    const EVP_MD *kind = EVP_get_digestbyname(f->algorithm);
    if (kind == NULL || EVP_DigestInit_ex(md, kind, NULL) != 1)
        return false;
    int n = snprintf(head, sizeof head, "blob %lld", (long long)f->size);
    return strcmp(f->algorithm, "sha1") != 0 || EVP_DigestUpdate(md, head, (size_t)n + 1) == 1;
}

static bool digest_is_right(EVP_MD_CTX *md, const struct hub_file *f)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    if (f->algorithm == NULL)
        return true;
    if (EVP_DigestFinal_ex(md, digest, &n) != 1)
        return false;
    for (unsigned i = 0; i < n; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
    return strcmp(hex, f->digest) == 0;
}

/* Adds the file's bytes from its start; how many there are, or -1. */
static int64_t digest_file(EVP_MD_CTX *md, const struct hub_file *f, int fd)
{
    static _Thread_local char block[1 << 16];
    int64_t at = 0;
    ssize_t n;
    while ((n = pread(fd, block, sizeof block, at)) > 0) {
        if (f->algorithm != NULL && EVP_DigestUpdate(md, block, (size_t)n) != 1)
            return -1;
        at += n;
    }
    return n == 0 ? at : -1;
}

bool pull_file_is(struct tm_folders *folders, const char *path, const struct hub_file *f)
{
    struct tm_folder *folder;
    const char *name;
    if (f->algorithm == NULL || tm_folders_of(folders, path, false, &folder, &name, NULL) != TM_OK)
        return false;
    TM_CLEANUP(tm_closep) int fd = openat(folder->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool same = fd >= 0 && md != NULL && digest_begin(md, f) && digest_file(md, f, fd) == f->size &&
                digest_is_right(md, f);
    EVP_MD_CTX_free(md);
    return same;
}

/* ---- one file ---- */

struct body {
    const struct hub_file *f;
    int fd;
    EVP_MD_CTX *md;
    int64_t at;
    int errnum; /* why the transfer was ended: of writing; 0: the server's doing */
    struct pull_progress *progress;
};

/* The server may begin anew where it does not know ranges. */
static bool body_begin(void *arg, int64_t offset)
{
    struct body *b = arg;
    if (offset == b->at)
        return true;
    if (offset != 0 || !digest_begin(b->md, b->f))
        return false;
    b->at = 0;
    b->errnum = ftruncate(b->fd, 0) == 0 ? 0 : errno;
    return b->errnum == 0;
}

static bool body_write(void *arg, const void *bytes, size_t n)
{
    struct body *b = arg;
    if (b->f->size >= 0 && (int64_t)n > b->f->size - b->at)
        return false; /* more than the hub has said */
    b->errnum = tm_write_all(b->fd, bytes, n, b->at);
    if (b->errnum != 0 || (b->f->algorithm != NULL && EVP_DigestUpdate(b->md, bytes, n) != 1))
        return false;
    b->at += (int64_t)n;
    b->progress->at = b->at;
    b->progress->fetched += (int64_t)n;
    show(b->progress);
    return true;
}

/* The rest of an open .part. TM_BADINPUT: it is not what the hub has. */
static enum tm_status fetch_rest(struct body *b, struct fetch *fetch, const char *url,
                                 struct tm_err *err)
{
    const struct fetch_sink sink = {body_begin, body_write, b};
    const struct hub_file *f = b->f;
    enum tm_status s = TM_OK;
    if (b->at < f->size || f->size < 0)
        s = fetch_get(fetch, url, b->at, &sink, err);
    if (s == TM_CANCELLED && b->errnum != 0)
        return tm_err_errno(err, b->errnum, "%s", f->path);
    if (s == TM_CANCELLED)
        return tm_err_set(err, TM_BADINPUT, "%s: the server sends other bytes than the hub lists",
                          url);
    if (s != TM_OK)
        return s;
    if (f->size >= 0 && b->at != f->size)
        return tm_err_set(err, TM_BADINPUT, "%s: %lld bytes came, the hub lists %lld", url,
                          (long long)b->at, (long long)f->size);
    if (!digest_is_right(b->md, f))
        return tm_err_set(err, TM_BADINPUT, "%s: the %s of what came is not the hub's %s", url,
                          f->algorithm, f->digest);
    return TM_OK;
}

/* Opens the .part with what an earlier pull left of it. Without a digest nothing shows that the
 * left bytes are of the same file: it begins anew. */
static enum tm_status open_part(struct body *b, struct tm_folder *folder, const char *part,
                                struct tm_err *err)
{
    const struct hub_file *f = b->f;
    int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    b->fd = openat(folder->fd, part, f->algorithm != NULL ? flags : flags | O_TRUNC, 0644);
    if (b->fd < 0)
        return tm_err_errno(err, errno, "%s", f->path);
    if (!digest_begin(b->md, f) || (b->at = digest_file(b->md, f, b->fd)) < 0)
        return tm_err_set(err, TM_IO, "%s: cannot be read back", f->path);
    return TM_OK;
}

static enum tm_status finish_part(struct body *b, struct tm_folder *folder, const char *part,
                                  const char *name, struct tm_err *err)
{
    if (fsync(b->fd) != 0 || renameat(folder->fd, part, folder->fd, name) != 0)
        return tm_err_errno(err, errno, "%s", b->f->path);
    folder->dirty = true;
    return TM_OK;
}

enum tm_status pull_file(struct fetch *fetch, const char *url, struct tm_folders *parts,
                         struct hub_file *f, struct pull_progress *progress, struct tm_err *err)
{
    struct body b = {.f = f, .fd = -1, .progress = progress};
    struct tm_folder *folder;
    const char *name;
    char part[600];
    if (pull_file_is(parts, f->path, f))
        return TM_OK; /* an earlier pull has finished it */
    enum tm_status s = tm_folders_of(parts, f->path, true, &folder, &name, err);
    if (s != TM_OK)
        return s;
    snprintf(part, sizeof part, "%s.part", name);
    b.md = EVP_MD_CTX_new();
    s = b.md != NULL ? open_part(&b, folder, part, err) : tm_err_set(err, TM_NOMEM, "models pull");
    bool resumed = s == TM_OK && b.at > 0;
    if (s == TM_OK)
        s = fetch_rest(&b, fetch, url, err);
    if (s == TM_BADINPUT && resumed && ftruncate(b.fd, 0) == 0 && digest_begin(b.md, f)) {
        b.at = 0; /* what was left over may be what is wrong */
        s = fetch_rest(&b, fetch, url, err);
    }
    if (s == TM_OK)
        s = finish_part(&b, folder, part, name, err);
    else if (s == TM_BADINPUT || s == TM_NOTFOUND || s == TM_PERM)
        unlinkat(folder->fd, part, 0);
    f->size = s == TM_OK ? b.at : f->size;
    tm_closep(&b.fd);
    EVP_MD_CTX_free(b.md);
    return s;
}
