/* What is claimed and what is left alone: settling, odd files, permissions, instances, restarts,
 * and commit beside take on two threads. */
#include "world.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state)
{
    static struct world w;
    world_init(&w);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    world_finish(*state);
    return 0;
}

static void assert_has(const struct world *w, const char *path, const char *part)
{
    char *text = world_get(w, path);
    if (text == NULL || strstr(text, part) == NULL)
        fail_msg("%s lacks %s: %s", path, part, text != NULL ? text : "(no file)");
    free(text);
}

static void set_age(const struct world *w, const char *path, int seconds)
{
    struct timespec t[2];
    clock_gettime(CLOCK_REALTIME, &t[0]);
    t[0].tv_sec -= seconds;
    t[1] = t[0];
    assert_int_equal(utimensat(AT_FDCWD, world_path(w, path), t, AT_SYMLINK_NOFOLLOW), 0);
}

/* One look of the source, without waiting; how many it gave. */
static size_t look(struct world *w, struct tm_doc **docs, size_t max)
{
    struct tm_err err = {0};
    struct timespec rescan = {.tv_nsec = 11000000};
    nanosleep(&rescan, NULL); /* longer than rescan_ms, so that a look is due */
    assert_int_equal(tm_source_spool.service(w->source, 0, &err), TM_OK);
    return tm_source_spool.take(w->source, docs, max);
}

static void young_files_are_left_alone(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[4];
    w->conf.source_spool_settle_ms = 3600000;
    world_puts(w, "in/young.txt", "y");
    world_puts(w, "in/old.txt", "o");
    set_age(w, "in/old.txt", 3601);
    world_open(w);
    assert_int_equal(look(w, docs, 4), 1);
    assert_string_equal(docs[0]->rec.path, "old.txt");
    assert_true(world_has(w, "in/young.txt"));
    /* It was there when the source started, so `once` has to wait for it. */
    assert_false(tm_source_spool.at_end(w->source));
    set_age(w, "in/young.txt", 3601);
    assert_int_equal(look(w, docs + 1, 3), 1);
    assert_true(tm_source_spool.at_end(w->source));
    tm_doc_destroy(docs[0]);
    tm_doc_destroy(docs[1]);
}

/* A clock that runs ahead elsewhere must not keep a file for ever. */
static void a_time_in_the_future_settles_by_being_watched(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[4];
    w->conf.source_spool_settle_ms = 60;
    world_puts(w, "in/future.txt", "f");
    set_age(w, "in/future.txt", -3600);
    world_open(w);
    assert_int_equal(look(w, docs, 4), 0);
    assert_int_equal(world_take(w, docs, 1), 1);
    tm_doc_destroy(docs[0]);
}

static void a_file_that_grows_is_not_settled(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[4];
    w->conf.source_spool_settle_ms = 300;
    world_puts(w, "in/grows.txt", "1");
    set_age(w, "in/grows.txt", -3600);
    world_open(w);
    uint64_t until = tm_clock_ns() + 700000000u;
    for (int i = 0; tm_clock_ns() < until; i++) {
        FILE *f = fopen(world_path(w, "in/grows.txt"), "a");
        assert_non_null(f);
        fputc('x', f);
        fclose(f);
        set_age(w, "in/grows.txt", -3600 - i);
        assert_int_equal(look(w, docs, 4), 0);
    }
    assert_int_equal(world_take(w, docs, 1), 1);
    tm_doc_destroy(docs[0]);
}

static void add_text(const struct world *w, const char *path, const char *text)
{
    FILE *f = fopen(world_path(w, path), "a");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* Written to between the look and the claim: it goes back and has to settle again. */
static void a_file_that_changes_before_the_claim_goes_back(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[4];
    struct tm_err err = {0};
    w->conf.source_spool_settle_ms = 3600000;
    world_puts(w, "in/sub/a.txt", "one");
    set_age(w, "in/sub/a.txt", 3601);
    world_open(w);
    assert_int_equal(tm_source_spool.service(w->source, 0, &err), TM_OK);
    add_text(w, "in/sub/a.txt", " two");
    assert_int_equal(tm_source_spool.take(w->source, docs, 4), 0);
    assert_true(world_has(w, "in/sub/a.txt"));
    assert_false(tm_source_spool.at_end(w->source));
    set_age(w, "in/sub/a.txt", 3601);
    assert_int_equal(look(w, docs, 4), 1);
    assert_string_equal(docs[0]->rec.data, "one two");
    tm_doc_destroy(docs[0]);
}

/* Written to while it is read, by somebody who kept it open: never half a document as if whole. */
static void a_file_that_changes_while_it_is_read_fails(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[4];
    struct tm_err err = {0};
    w->conf.clean_max_bytes = 100 << 20;
    world_puts(w, "in/0.jsonl", "{}\n{}\n{}\n");
    world_puts(w, "in/large.txt", "");
    assert_int_equal(truncate(world_path(w, "in/large.txt"), 70 << 20), 0);
    world_open(w);
    assert_int_equal(tm_source_spool.service(w->source, 0, &err), TM_OK);
    assert_int_equal(tm_source_spool.take(w->source, docs, 1), 1);
    tm_doc_destroy(docs[0]);
    add_text(w, "in/active/default/0.jsonl", "{}\n");
    size_t n =
        0; /* the three lines, perhaps the fourth; then the end of the first slice of large */
    while (n < 3 || !world_has(w, "in/active/default/large.txt")) {
        n += tm_source_spool.take(w->source, docs + n, 1);
        assert_true(n <= 4);
    }
    assert_int_equal(docs[n - 1]->err.status, TM_BADINPUT);
    assert_true(docs[n - 1]->rec.last);
    assert_non_null(strstr(docs[n - 1]->err.text, "changed while it was read"));
    for (size_t i = 0; i < n; i++)
        tm_doc_destroy(docs[i]);
    add_text(w, "in/active/default/large.txt", "more");
    assert_int_equal(world_take(w, docs, 1), 1);
    assert_int_equal(docs[0]->err.status, TM_BADINPUT);
    assert_non_null(strstr(docs[0]->err.text, "changed while it was read"));
    tm_doc_destroy(docs[0]);
}

static void temporary_names_become_input_by_rename(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"in/.a.txt",       "in/#a.txt#", "in/a.txt~",
                                        "in/a.tmp",        "in/a.part",  "in/a.filepart",
                                        "in/a.crdownload", "in/a.swp"};
    for (size_t i = 0; i < TM_COUNTOF(names); i++)
        world_puts(w, names[i], "not yet");
    world_once(w);
    assert_int_equal(w->taken, 0);
    assert_int_equal(rename(world_path(w, "in/a.part"), world_path(w, "in/a.txt")), 0);
    world_once(w);
    assert_int_equal(w->taken, 1);
    assert_true(world_has(w, "in/done/a.txt"));
}

static void links_are_set_aside_and_never_followed(void **state)
{
    struct world *w = *state;
    world_puts(w, "secret", "secret");
    assert_int_equal(symlink(world_path(w, "secret"), world_path(w, "in/link.txt")), 0);
    assert_int_equal(symlink("nowhere", world_path(w, "in/dangling.txt")), 0);
    assert_int_equal(symlink("..", world_path(w, "in/up")), 0);
    assert_int_equal(mkdir(world_path(w, "in/sub"), 0777), 0);
    assert_int_equal(symlink("/etc/passwd", world_path(w, "in/sub/p.txt")), 0);
    world_puts(w, "in/real.txt", "real");
    world_once(w);
    assert_int_equal(w->taken, 1);
    assert_int_equal(w->delivered, 1);
    static const char *const links[] = {"link.txt", "dangling.txt", "up", "sub/p.txt"};
    for (size_t i = 0; i < TM_COUNTOF(links); i++) {
        struct stat st;
        char path[128];
        snprintf(path, sizeof path, "in/failed/%s", links[i]);
        assert_int_equal(lstat(world_path(w, path), &st), 0);
        assert_true(S_ISLNK(st.st_mode));
        snprintf(path, sizeof path, "in/failed/%s.reason.json", links[i]);
        assert_has(w, path, "symbolic link");
    }
    assert_has(w, "secret", "secret");
}

/* Opening a FIFO would hang, opening it for writing would succeed: it is not touched. */
static void fifos_and_folders_stay(void **state)
{
    struct world *w = *state;
    assert_int_equal(mkfifo(world_path(w, "in/fifo.txt"), 0666), 0);
    assert_int_equal(mkdir(world_path(w, "in/folder.txt"), 0777), 0);
    world_once(w);
    assert_int_equal(w->taken, 0);
    assert_true(world_has(w, "in/fifo.txt"));
    assert_true(world_has(w, "in/folder.txt"));
}

/* What is swapped for a link between the scan and the claim. */
static void a_link_among_the_claimed_is_not_opened(void **state)
{
    struct world *w = *state;
    world_puts(w, "secret", "secret");
    assert_int_equal(mkdir(world_path(w, "in/active"), 0777), 0);
    assert_int_equal(mkdir(world_path(w, "in/active/default"), 0777), 0);
    assert_int_equal(symlink(world_path(w, "secret"), world_path(w, "in/active/default/x.txt")), 0);
    world_once(w);
    assert_int_equal(w->taken, 0);
    assert_has(w, "in/failed/x.txt.reason.json", "symbolic link");
}

static void files_that_vanish_are_no_trouble(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[4];
    struct tm_err err = {0};
    world_puts(w, "in/a.txt", "a");
    world_puts(w, "in/sub/b.txt", "b");
    world_puts(w, "in/c.txt", "c");
    world_open(w);
    assert_int_equal(tm_source_spool.service(w->source, 0, &err), TM_OK);
    assert_int_equal(unlink(world_path(w, "in/a.txt")), 0);
    assert_int_equal(unlink(world_path(w, "in/sub/b.txt")), 0);
    assert_int_equal(rmdir(world_path(w, "in/sub")), 0);
    assert_int_equal(tm_source_spool.take(w->source, docs, 4), 1);
    assert_string_equal(docs[0]->rec.path, "c.txt");
    /* Taken away while it is being worked on: the result stands. */
    assert_int_equal(unlink(world_path(w, "in/active/default/c.txt")), 0);
    world_process(docs[0]);
    assert_int_equal(world_deliver(w, docs, 1, &err), TM_STORED);
    assert_int_equal(world_count(w, "out", "c.txt"), 1);
    assert_true(tm_source_spool.at_end(w->source));
}

/* Root may read anything, so the work is done by a child without privileges. */
static void as_nobody(struct world *w, void (*work)(struct world *w))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(99);
        work(w);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void open_to_all(const struct world *w)
{
    assert_int_equal(chmod(w->root, 0777), 0);
    assert_int_equal(chmod(world_path(w, "in"), 0777), 0);
}

static void files_without_permission_fail_with_a_reason(void **state)
{
    struct world *w = *state;
    open_to_all(w);
    world_puts(w, "in/closed.txt", "closed");
    world_puts(w, "in/open.txt", "open");
    world_puts(w, "in/lines.jsonl", "{}\n");
    assert_int_equal(chmod(world_path(w, "in/closed.txt"), 0), 0);
    assert_int_equal(chmod(world_path(w, "in/lines.jsonl"), 0), 0);
    as_nobody(w, world_once);
    assert_has(w, "in/failed/closed.txt.reason.json", "E_PERMISSION");
    assert_true(world_has(w, "in/failed/closed.txt"));
    assert_true(world_has(w, "in/done/open.txt"));
    assert_true(world_has(w, "in/done/lines.jsonl"));
    assert_int_equal(world_count(w, "out/dead", "closed.txt-"), 1);
    assert_int_equal(world_count(w, "out/dead", "lines.jsonl-"), 1);
}

/* A folder that cannot be written to: the file cannot be claimed, which is said once. */
static void files_that_cannot_be_claimed_are_told_once(void **state)
{
    struct world *w = *state;
    open_to_all(w);
    world_puts(w, "in/sub/fixed.txt", "fixed");
    assert_int_equal(chmod(world_path(w, "in/sub"), 0555), 0);
    as_nobody(w, world_once);
    assert_int_equal(world_count(w, "out/dead", "fixed.txt-"), 1);
    assert_true(world_has(w, "in/sub/fixed.txt"));
    assert_int_equal(chmod(world_path(w, "in/sub"), 0777), 0);
}

static void a_spool_that_cannot_be_written_is_refused(void **state)
{
    struct world *w = *state;
    open_to_all(w);
    assert_int_equal(chmod(world_path(w, "in"), 0555), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct tm_err err = {0};
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(99);
        void *self = NULL;
        enum tm_status s = tm_source_spool.create(&self, &w->conf, NULL, NULL, &err);
        _exit(s == TM_PERM && strstr(err.text, "/in/active") != NULL ? 0 : 1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static void an_instance_is_locked_and_names_are_checked(void **state)
{
    struct world *w = *state;
    struct tm_err err = {0};
    void *second = NULL;
    world_open(w);
    assert_int_equal(tm_source_spool.create(&second, &w->conf, NULL, NULL, &err), TM_AGAIN);
    assert_non_null(strstr(err.text, "state.instance"));
    static const char *const bad[] = {"", ".", "..", "a/b", ".hidden"};
    for (size_t i = 0; i < TM_COUNTOF(bad); i++) {
        char *keep = w->conf.state_instance;
        err = (struct tm_err){0};
        w->conf.state_instance = strdup(bad[i]);
        assert_int_equal(tm_source_spool.create(&second, &w->conf, NULL, NULL, &err), TM_CONFIG);
        free(w->conf.state_instance);
        w->conf.state_instance = keep;
    }
}

/* Two instances take turns on one spool: each file goes to exactly one of them, and what one has
 * claimed is no business of the other, not even when that one starts again. */
static void two_instances_share_a_spool(void **state)
{
    struct world *w = *state;
    static struct world v;
    struct tm_doc *mine[64], *others[64];
    struct tm_err err = {0};
    v = *w;
    v.conf.state_instance = strdup("second");
    v.source = v.sink = NULL;
    for (int i = 0; i < 60; i++) {
        char path[32];
        snprintf(path, sizeof path, "in/%02d.txt", i);
        world_puts(w, path, path);
    }
    world_open(w);
    world_open(&v);
    size_t n = world_take(w, mine, 20);
    size_t m = world_take(&v, others, 15);
    n += world_take(w, mine + n, 10);
    assert_int_equal(n + m, 45);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < m; k++)
            assert_string_not_equal(mine[i]->rec.path, others[k]->rec.path);
    /* The second stops without having delivered and comes again: it finds its own 15 and the rest.
     */
    for (size_t k = 0; k < m; k++)
        tm_doc_destroy(others[k]);
    world_close(&v);
    world_open(&v);
    world_run(&v);
    assert_int_equal(v.delivered, 30);
    world_close(&v);
    for (size_t i = 0; i < n; i++)
        world_process(mine[i]);
    assert_int_equal(world_deliver(w, mine, n, &err), TM_STORED);
    assert_int_equal(world_count(w, "in/done", ".txt"), 60);
    assert_int_equal(world_count(w, "out", ".json"), 60);
    free(v.conf.state_instance);
}

/* Claimed files of a run that ended before they were delivered come first, and only once. */
static void claimed_files_are_taken_up_again(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[8];
    world_puts(w, "in/sub/a.txt", "a");
    world_puts(w, "in/b.txt", "b");
    world_open(w);
    assert_int_equal(world_take(w, docs, 8), 2);
    tm_doc_destroy(docs[0]);
    tm_doc_destroy(docs[1]);
    world_close(w);
    assert_true(world_has(w, "in/active/default/sub/a.txt"));
    world_puts(w, "in/0.txt", "0");
    world_open(w);
    assert_int_equal(world_take(w, docs, 8), 3);
    assert_string_equal(docs[0]->rec.path, "b.txt");
    assert_string_equal(docs[1]->rec.path, "sub/a.txt");
    assert_string_equal(docs[2]->rec.path, "0.txt");
    for (int i = 0; i < 3; i++)
        tm_doc_destroy(docs[i]);
}

/* The result is in place, the move was not done: no second processing. */
static void a_present_result_finishes_the_move(void **state)
{
    struct world *w = *state;
    world_puts(w, "in/sub/a.txt", "good");
    world_puts(w, "in/b.txt", "BAD");
    world_puts(w, "in/c.jsonl", "{\"a\":1}\n{\"b\":\"BAD\"}\n");
    world_once(w);
    /* Back to where a crash after the sink's part would have left them. */
    assert_true(mkdir(world_path(w, "in/active/default/sub"), 0777) == 0 || errno == EEXIST);
    assert_int_equal(
        rename(world_path(w, "in/done/sub/a.txt"), world_path(w, "in/active/default/sub/a.txt")),
        0);
    assert_int_equal(
        rename(world_path(w, "in/failed/b.txt"), world_path(w, "in/active/default/b.txt")), 0);
    assert_int_equal(
        rename(world_path(w, "in/done/c.jsonl"), world_path(w, "in/active/default/c.jsonl")), 0);
    assert_int_equal(unlink(world_path(w, "in/failed/b.txt.reason.json")), 0);
    world_once(w);
    assert_int_equal(w->taken, 0);
    assert_true(world_has(w, "in/done/sub/a.txt"));
    assert_true(world_has(w, "in/done/c.jsonl"));
    assert_true(world_has(w, "in/failed/b.txt"));
    assert_has(w, "in/failed/b.txt.reason.json", "dead letter");
    assert_int_equal(world_count(w, "in/active", ".txt"), 0);
}

/* Result and dead letter: the process died while it replaced one by the other. Which one counts
 * only doing it again can tell. */
static void two_ends_are_decided_again(void **state)
{
    struct world *w = *state;
    char path[256];
    world_puts(w, "in/active/default/a.txt", "good");
    snprintf(path, sizeof path, "out/%s.json", world_lane("a.txt", "good", 4));
    world_puts(w, path, "{}");
    snprintf(path, sizeof path, "out/dead/%s.json", world_lane("a.txt", "good", 4));
    world_puts(w, path, "{}");
    world_once(w);
    assert_int_equal(w->delivered, 1);
    assert_false(world_has(w, path));
    assert_true(world_has(w, "in/done/a.txt"));
}

/* A new file under the name of one in flight waits until that one has moved. */
static void the_same_name_again_waits(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[4];
    struct tm_err err = {0};
    world_puts(w, "in/a.txt", "first");
    world_open(w);
    assert_int_equal(world_take(w, docs, 1), 1);
    world_puts(w, "in/a.txt", "second");
    assert_int_equal(look(w, docs + 1, 3), 0);
    world_process(docs[0]);
    assert_int_equal(world_deliver(w, docs, 1, &err), TM_STORED);
    assert_int_equal(look(w, docs, 4), 1);
    assert_memory_equal(docs[0]->rec.data, "second", 6);
    world_process(docs[0]);
    assert_int_equal(world_deliver(w, docs, 1, &err), TM_STORED);
    assert_has(w, "in/done/a.txt", "first");
    assert_has(w, "in/done/a.txt.1", "second");
}

/* ---- two threads ---- */

enum { MANY = 2000 };

struct hand_over {
    struct world *w;
    struct tm_queue *q;
};

static void *deliver_all(void *arg)
{
    struct hand_over *h = arg;
    struct tm_doc *docs[64];
    struct tm_err err = {0};
    size_t n;
    while ((n = tm_queue_pop_batch(h->q, (void **)docs, 64, 1000)) > 0 || !tm_queue_done(h->q)) {
        for (size_t i = 0; i < n; i++)
            world_process(docs[i]);
        if (n > 0)
            assert_int_equal(world_deliver(h->w, docs, n, &err), TM_STORED);
    }
    return NULL;
}

static void commit_runs_beside_take(void **state)
{
    struct world *w = *state;
    struct hand_over h = {.w = w, .q = tm_queue_create(128)};
    pthread_t thread;
    for (int i = 0; i < MANY; i++) {
        char path[64];
        snprintf(path, sizeof path, "in/%d/%04d.%s", i % 3, i, i % 100 == 0 ? "jsonl" : "txt");
        world_puts(w, path, i % 100 == 0 ? "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n" : path);
    }
    world_open(w);
    assert_int_equal(pthread_create(&thread, NULL, deliver_all, &h), 0);
    for (;;) {
        struct tm_doc *docs[16];
        struct tm_err err = {0};
        assert_int_equal(tm_source_spool.service(w->source, 5, &err), TM_OK);
        size_t n = tm_source_spool.take(w->source, docs, 16);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(tm_queue_push(h.q, (void **)&docs[i]), TM_OK);
        if (n == 0 && tm_source_spool.at_end(w->source))
            break;
    }
    tm_queue_close(h.q);
    pthread_join(thread, NULL);
    tm_queue_destroy(h.q, NULL);
    assert_int_equal(w->delivered, MANY + MANY / 100 * 2);
    assert_int_equal(world_count(w, "in/done", ""), MANY);
    assert_int_equal(world_count(w, "out", ".json"), MANY);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(young_files_are_left_alone),
        T(a_time_in_the_future_settles_by_being_watched),
        T(a_file_that_grows_is_not_settled),
        T(a_file_that_changes_before_the_claim_goes_back),
        T(a_file_that_changes_while_it_is_read_fails),
        T(temporary_names_become_input_by_rename),
        T(links_are_set_aside_and_never_followed),
        T(fifos_and_folders_stay),
        T(a_link_among_the_claimed_is_not_opened),
        T(files_that_vanish_are_no_trouble),
        T(files_without_permission_fail_with_a_reason),
        T(files_that_cannot_be_claimed_are_told_once),
        T(a_spool_that_cannot_be_written_is_refused),
        T(an_instance_is_locked_and_names_are_checked),
        T(two_instances_share_a_spool),
        T(claimed_files_are_taken_up_again),
        T(a_present_result_finishes_the_move),
        T(two_ends_are_decided_again),
        T(the_same_name_again_waits),
        T(commit_runs_beside_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
