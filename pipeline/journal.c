/* The attempt journal's file (journal.h). Appended by stage threads, engine workers and the
 * runner's source thread, one write(2) each under the journal's lock; no fsync, because it must
 * survive the process, not the machine. Rewritten at start and whenever it has grown by REWRITE
 * bytes.
 *
 * Which deaths count. A document may only become a dead letter for what it did itself:
 *   - the supervisor must have seen the death (its note names this journal's process). Without a
 *     note - kill -9 of both, power loss, an exit code - nobody is accused;
 *   - the signal must be one that a process raises by its own doing (SIGSEGV, SIGABRT, …: the table
 *     below). SIGTERM, SIGINT, SIGHUP and the like come from outside;
 *   - SIGKILL comes from outside too, unless the kernel's count of OOM kills has risen since the
 *     process began (memory.events of the cgroup, else /proc/vmstat): then memory was the cause;
 *   - an overrun noted by the watchdog counts even without a note, since the abort was our own.
 * A death that does not count leaves suspects, groups and counters as they were. */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    REWRITE = 4 << 20,
    READ_MOST = 64 << 20,
    LOCK_TRIES = 150, /* × 20 ms: a killed predecessor may not be gone yet */
};

struct slot {
    const char *stage; /* NULL: nobody inside */
    uint64_t since_ms; /* of the journal's clock */
    size_t docs;
    struct tm_buf lines; /* what stands in the file about it, for rewriting */
};

struct journal {
    pthread_mutex_t lock; /* guards everything below */
    int fd, lock_fd;
    char *path, *fresh_path;
    size_t written; /* bytes since the last rewriting */
    int64_t oom_kills;
    uint64_t now_ms; /* runs only while the process does */
    struct trail trail;
    struct tm_buf line;
    struct tm_err trouble;
    size_t n_slots;
    struct slot slots[];
};

/* ---- deaths ---- */

static const int own_doing[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL, SIGABRT,
                                SIGSYS,  SIGTRAP, SIGXCPU, SIGXFSZ};

bool journal_death_counts(int signal, int64_t oom_before, int64_t oom_after)
{
    if (signal == SIGKILL)
        return oom_before >= 0 && oom_after > oom_before;
    for (size_t i = 0; i < TM_COUNTOF(own_doing); i++)
        if (own_doing[i] == signal)
            return true;
    return false;
}

/* The number after "oom_kill " at the start of a line; -1 when there is none. */
static int64_t find_oom_kills(const char *path)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf b = {.cap = 0};
    int64_t v;
    if (tm_read_file(path, 1 << 20, &b, NULL) != TM_OK || b.data == NULL)
        return -1;
    const char *at =
        strncmp(b.data, "oom_kill ", 9) == 0 ? b.data - 1 : strstr(b.data, "\noom_kill ");
    if (at == NULL)
        return -1;
    at += 10;
    return tm_json_number_i64(at, strcspn(at, "\n"), &v) ? v : -1;
}

static int64_t count_oom_kills(void)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf b = {.cap = 0};
    char path[4096];
    int64_t n = -1;
    if (tm_read_file("/proc/self/cgroup", 1 << 16, &b, NULL) == TM_OK && b.data != NULL &&
        strncmp(b.data, "0::", 3) == 0) {
        int len = (int)strcspn(b.data + 3, "\n");
        snprintf(path, sizeof path, "/sys/fs/cgroup%.*s/memory.events", len, b.data + 3);
        n = find_oom_kills(path);
    }
    return n >= 0 ? n : find_oom_kills("/proc/vmstat");
}

/* ---- the file ---- */

static bool write_all(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, data, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return false;
        data += w;
        n -= (size_t)w;
    }
    return true;
}

static void print_all(struct journal *j, struct tm_buf *out)
{
    tm_buf_printf(out, JOURNAL_MAGIC " %d ", (int)getpid());
    if (j->oom_kills >= 0)
        tm_buf_printf(out, "%lld\n", (long long)j->oom_kills);
    else
        tm_buf_puts(out, "-\n");
    for (size_t i = 0; i < j->trail.n_suspects; i++)
        trail_print(&j->trail.suspects[i], out);
    if (j->trail.running != 0)
        tm_buf_printf(out, "q %u\n", j->trail.running);
    for (size_t i = 0; i < j->n_slots; i++)
        if (j->slots[i].stage != NULL)
            tm_buf_append(out, j->slots[i].lines.data, j->slots[i].lines.len);
}

/* Replaces the file by one with what still matters; on failure the old one stays in use. */
static enum tm_status rewrite(struct journal *j, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf b = {.cap = 0};
    print_all(j, &b);
    j->written = 0;
    if (b.failed)
        return tm_err_set(err, TM_NOMEM, "attempt journal");
    int fd = open(j->fresh_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return tm_err_errno(err, errno, "%s", j->fresh_path);
    if (!write_all(fd, b.data, b.len) || rename(j->fresh_path, j->path) < 0) {
        enum tm_status s = tm_err_errno(err, errno, "%s", j->path);
        close(fd);
        return s;
    }
    if (j->fd >= 0)
        close(j->fd);
    j->fd = fd;
    return TM_OK;
}

static void append(struct journal *j, const struct tm_buf *b)
{
    if (b->failed)
        tm_err_set(&j->trouble, TM_NOMEM, "attempt journal");
    else if (!write_all(j->fd, b->data, b->len))
        tm_err_errno(&j->trouble, errno, "%s", j->path);
    j->written += b->len;
    if (j->written > REWRITE)
        rewrite(j, &j->trouble);
}

__attribute__((format(printf, 2, 3))) static void append_line(struct journal *j, const char *fmt,
                                                              ...)
{
    char text[64];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    tm_buf_clear(&j->line);
    tm_buf_puts(&j->line, text);
    append(j, &j->line);
}

/* ---- opening ---- */

static enum tm_status make_folder(const char *dir, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf b = {.cap = 0};
    if (!tm_buf_puts(&b, dir))
        return tm_err_set(err, TM_NOMEM, "state folder");
    for (char *slash = b.data + 1; *b.data != '\0' && slash != NULL;) {
        slash = strchr(slash, '/');
        if (slash != NULL)
            *slash = '\0';
        if (mkdir(b.data, 0755) < 0 && errno != EEXIST)
            return tm_err_errno(err, errno, "state folder %s", b.data);
        if (slash != NULL)
            *slash++ = '/';
    }
    return TM_OK;
}

static enum tm_status take_lock(struct journal *j, const char *path, const char *instance,
                                struct tm_err *err)
{
    j->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (j->lock_fd < 0)
        return tm_err_errno(err, errno, "%s", path);
    for (int i = 0; flock(j->lock_fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return tm_err_errno(err, errno, "%s", path);
        if (i == LOCK_TRIES)
            return tm_err_set(err, TM_AGAIN,
                              "instance \"%s\" is running already (%s); a second one needs its own "
                              "state.instance",
                              instance, path);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return TM_OK;
}

/* What the life before left, and what its death says. */
static enum tm_status read_last_life(struct journal *j, const char *predecessor, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf b = {.cap = 0};
    struct tm_err ignored = {0};
    enum tm_status s = tm_read_file(j->path, READ_MOST, &b, &ignored);
    if (s == TM_PERM)
        return tm_err_set(err, s, "%s", ignored.text);
    if (!trail_parse(&j->trail, b.data, b.len))
        return tm_err_set(err, TM_NOMEM, "attempt journal");
    int pid = -1, number = 0, restarts = 0;
    if (predecessor != NULL)
        sscanf(predecessor, "%9d %9d %9d", &pid, &number, &restarts);
    bool told = pid > 0 && pid == j->trail.pid &&
                journal_death_counts(number, j->trail.oom_kills, j->oom_kills);
    if ((told || j->trail.overrun >= 0) && !trail_accuse(&j->trail))
        return tm_err_set(err, TM_NOMEM, "attempt journal");
    free(TM_TAKE(j->trail.inside));
    j->trail.n_inside = 0;
    j->trail.running = 0;
    j->trail.overrun = -1;
    return TM_OK;
}

static char *path_of(const char *dir, const char *instance, const char *suffix)
{
    char *path;
    return asprintf(&path, "%s/%s%s", dir, instance, suffix) < 0 ? NULL : path;
}

static void journal_closep(struct journal **j)
{
    journal_close(*j);
}

enum tm_status journal_open(const char *dir, const char *instance, size_t slots,
                            const char *predecessor, struct journal **ret_journal,
                            struct tm_err *err)
{
    if (instance[0] == '\0' || instance[0] == '.' || strchr(instance, '/') != NULL)
        return tm_err_set(err, TM_CONFIG,
                          "state.instance \"%s\": must be a file name without '/' or a leading '.'",
                          instance);
    enum tm_status s = make_folder(dir, err);
    if (s != TM_OK)
        return s;
    TM_CLEANUP(journal_closep) struct journal *j = calloc(1, sizeof *j + slots * sizeof *j->slots);
    if (j == NULL)
        return tm_err_set(err, TM_NOMEM, "attempt journal");
    pthread_mutex_init(&j->lock, NULL);
    j->fd = j->lock_fd = -1;
    j->n_slots = slots;
    j->path = path_of(dir, instance, ".journal");
    j->fresh_path = path_of(dir, instance, ".journal.new");
    char *lock_path = path_of(dir, instance, ".lock");
    if (j->path == NULL || j->fresh_path == NULL || lock_path == NULL)
        s = tm_err_set(err, TM_NOMEM, "attempt journal");
    else
        s = take_lock(j, lock_path, instance, err);
    free(lock_path);
    j->oom_kills = count_oom_kills();
    if (s == TM_OK)
        s = read_last_life(j, predecessor, err);
    if (s == TM_OK)
        s = rewrite(j, err);
    if (s != TM_OK)
        return s;
    *ret_journal = TM_TAKE(j);
    return TM_OK;
}

void journal_close(struct journal *j)
{
    if (j == NULL)
        return;
    if (j->fd >= 0) {
        rewrite(j, NULL);
        close(j->fd);
    }
    if (j->lock_fd >= 0)
        close(j->lock_fd);
    for (size_t i = 0; i < j->n_slots; i++)
        tm_buf_finish(&j->slots[i].lines);
    trail_finish(&j->trail);
    tm_buf_finish(&j->line);
    pthread_mutex_destroy(&j->lock);
    free(j->path);
    free(j->fresh_path);
    free(j);
}

/* ---- suspects ---- */

static struct suspect *find(struct journal *j, const struct tm_record *rec)
{
    if (j->trail.n_suspects == 0)
        return NULL;
    tm_buf_clear(&j->line);
    trail_key(rec, &j->line);
    return j->line.failed ? NULL : trail_find(&j->trail, j->line.data);
}

bool journal_suspect(struct journal *j, const struct tm_record *rec, struct suspect *ret_suspect)
{
    pthread_mutex_lock(&j->lock);
    const struct suspect *s = find(j, rec);
    if (s != NULL) {
        *ret_suspect = *s;
        ret_suspect->key = NULL;
    }
    pthread_mutex_unlock(&j->lock);
    return s != NULL;
}

size_t journal_suspects(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    size_t n = j->trail.n_suspects;
    pthread_mutex_unlock(&j->lock);
    return n;
}

void journal_quarantine(struct journal *j, uint32_t group)
{
    pthread_mutex_lock(&j->lock);
    j->trail.running = group;
    append_line(j, "q %u\n", group);
    pthread_mutex_unlock(&j->lock);
}

void journal_passed(struct journal *j, uint32_t group)
{
    pthread_mutex_lock(&j->lock);
    j->trail.running = 0;
    trail_clear_group(&j->trail, group);
    append_line(j, "p %u\n", group);
    pthread_mutex_unlock(&j->lock);
}

void journal_clear(struct journal *j, const struct tm_record *rec)
{
    pthread_mutex_lock(&j->lock);
    struct suspect *s = find(j, rec);
    if (s != NULL) {
        tm_buf_clear(&j->line);
        tm_buf_printf(&j->line, "c %s\n", s->key);
        append(j, &j->line);
        trail_clear(&j->trail, s->key);
    }
    pthread_mutex_unlock(&j->lock);
}

/* ---- inside a stage ---- */

void journal_enter(struct journal *j, size_t slot, const char *stage, struct tm_doc *const *docs,
                   size_t n)
{
    pthread_mutex_lock(&j->lock);
    struct slot *s = &j->slots[slot];
    tm_buf_clear(&j->line);
    tm_buf_printf(&j->line, "+ %zu %s", slot, stage);
    for (size_t i = 0; i < n; i++) {
        tm_buf_putc(&j->line, ' ');
        trail_key(&docs[i]->rec, &j->line);
    }
    tm_buf_putc(&j->line, '\n');
    if (s->stage == NULL) {
        tm_buf_clear(&s->lines);
        s->since_ms = j->now_ms;
        s->docs = 0;
    }
    s->stage = stage;
    s->docs += n;
    tm_buf_append(&s->lines, j->line.data, j->line.len);
    append(j, &j->line);
    pthread_mutex_unlock(&j->lock);
}

void journal_leave(struct journal *j, size_t slot)
{
    pthread_mutex_lock(&j->lock);
    if (j->slots[slot].stage != NULL) {
        j->slots[slot].stage = NULL;
        append_line(j, "- %zu\n", slot);
    }
    pthread_mutex_unlock(&j->lock);
}

/* "+ SLOT STAGE KEY …" */
static void describe(const struct slot *s, unsigned limit_ms, char *text, size_t size)
{
    const char *key = s->lines.data;
    for (int i = 0; i < 3 && key != NULL; i++)
        key = strchr(key, ' ') != NULL ? strchr(key, ' ') + 1 : NULL;
    snprintf(text, size, "stage %s has taken longer than %u s over %zu document%s: %.*s%s",
             s->stage, limit_ms / 1000, s->docs, s->docs == 1 ? "" : "s",
             key != NULL ? (int)strcspn(key, " \n") : 1, key != NULL ? key : "?",
             s->docs > 1 ? " and others" : "");
}

bool journal_watch(struct journal *j, unsigned elapsed_ms, unsigned limit_ms, char *text,
                   size_t size)
{
    pthread_mutex_lock(&j->lock);
    j->now_ms += elapsed_ms;
    struct slot *late = NULL;
    for (size_t i = 0; i < j->n_slots && late == NULL; i++)
        if (j->slots[i].stage != NULL && j->now_ms - j->slots[i].since_ms > limit_ms)
            late = &j->slots[i];
    if (late != NULL) {
        append_line(j, "t %zu\n", (size_t)(late - j->slots));
        describe(late, limit_ms, text, size);
    }
    pthread_mutex_unlock(&j->lock);
    return late != NULL;
}

bool journal_trouble(struct journal *j, struct tm_err *ret_err)
{
    pthread_mutex_lock(&j->lock);
    bool any = j->trouble.status != TM_OK;
    if (any)
        *ret_err = j->trouble;
    j->trouble = (struct tm_err){0};
    pthread_mutex_unlock(&j->lock);
    return any;
}
