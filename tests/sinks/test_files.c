/* The files sink: layouts, dead letters, repeats, and trouble with the disk. */
#include "world.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
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
    umount2(world_path(*state, "out"), MNT_DETACH); /* should the test have failed half-way */
    world_finish(*state);
    return 0;
}

static void set(char **field, const char *value)
{
    free(*field);
    *field = strdup(value);
}

static const char lines[] = "{\"n\":1}\n{\"n\":\"BAD\"}\n{\"n\":3}\n";

static char *lane_path(const char *folder, const char *name, const char *text, const char *suffix)
{
    static char out[4][600];
    static unsigned turn;
    char *path = out[turn++ % 4];
    snprintf(path, sizeof out[0], "%s/%.400s%s", folder, world_lane(name, text, strlen(text)),
             suffix);
    return path;
}

static void layout_auto_follows_the_input(void **state)
{
    struct world *w = *state;
    world_puts(w, "in/a.txt", "text");
    world_puts(w, "in/b.jsonl", lines);
    world_once(w);
    assert_true(world_has(w, lane_path("out", "a.txt", "text", ".json")));
    assert_true(world_has(w, lane_path("out", "b.jsonl", lines, ".jsonl")));
    assert_true(world_has(w, lane_path("out/dead", "b.jsonl", lines, ".jsonl")));
    assert_int_equal(world_count(w, "out", ""), 3);
}

static void layout_document_gives_a_file_each(void **state)
{
    struct world *w = *state;
    set(&w->conf.sink_files_layout, "document");
    world_puts(w, "in/b.jsonl", lines);
    world_once(w);
    assert_true(world_has(w, lane_path("out", "b.jsonl", lines, "-0.json")));
    assert_true(world_has(w, lane_path("out", "b.jsonl", lines, "-2.json")));
    assert_true(world_has(w, lane_path("out/dead", "b.jsonl", lines, ".jsonl")));
    assert_int_equal(world_count(w, "out", ""), 3);
}

static void layout_jsonl_gives_a_line_even_for_one(void **state)
{
    struct world *w = *state;
    set(&w->conf.sink_files_layout, "jsonl");
    world_puts(w, "in/a.txt", "text");
    world_once(w);
    char *got = world_get(w, lane_path("out", "a.txt", "text", ".jsonl"));
    assert_non_null(got);
    assert_ptr_equal(strchr(got, '\n'), got + strlen(got) - 1);
    free(got);
}

static void a_file_of_dead_letters_only_has_an_empty_result(void **state)
{
    struct world *w = *state;
    world_puts(w, "in/b.jsonl", "BAD\nBAD\n");
    world_once(w);
    char *got = world_get(w, lane_path("out", "b.jsonl", "BAD\nBAD\n", ".jsonl"));
    assert_string_equal(got != NULL ? got : "", "");
    assert_true(world_has(w, lane_path("out", "b.jsonl", "BAD\nBAD\n", ".jsonl")));
    free(got);
}

static void dead_letters_have_a_folder_of_their_own(void **state)
{
    struct world *w = *state;
    set(&w->conf.sink_dead_letters_path, world_path(w, "letters/here"));
    world_puts(w, "in/sub/a.txt", "BAD");
    world_puts(w, "in/dead/a.txt", "good");
    world_once(w);
    assert_true(world_has(w, lane_path("letters/here", "sub/a.txt", "BAD", ".json")));
    assert_true(world_has(w, lane_path("out", "dead/a.txt", "good", ".json")));
}

static void a_folder_called_dead_is_kept_apart(void **state)
{
    struct world *w = *state;
    world_puts(w, "in/dead/a.txt", "good");
    world_puts(w, "in/a.txt", "BAD");
    world_once(w);
    assert_true(world_has(w, lane_path("out/dead", "a.txt", "BAD", ".json")));
    assert_false(world_has(w, lane_path("out", "dead/a.txt", "good", ".json")));
    assert_true(world_has(w, lane_path("out", "%64ead/a.txt", "good", ".json")));
}

static void a_dead_letter_is_complete(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[1];
    struct tm_err err = {0};
    char sha[65];
    world_puts(w, "in/a.jsonl", "{\"q\":\"\\\"BAD\"}\n");
    world_open(w);
    assert_int_equal(world_take(w, docs, 1), 1);
    world_process(docs[0]);
    docs[0]->attempts = 2;
    assert_int_equal(world_deliver(w, docs, 1, &err), TM_STORED);
    char *got = world_get(w, lane_path("out/dead", "a.jsonl", "{\"q\":\"\\\"BAD\"}\n", ".jsonl"));
    json_t *j = json_loads(got, 0, NULL);
    assert_non_null(j);
    tm_sha256_hex("{\"q\":\"\\\"BAD\"}\n", 14, sha);
    json_t *input = json_object_get(j, "input");
    assert_string_equal(json_string_value(json_object_get(j, "schema")), "textmill.dead-letter/1");
    assert_string_equal(json_string_value(json_object_get(j, "code")), "E_BAD_INPUT");
    assert_string_equal(json_string_value(json_object_get(j, "stage")), "clean");
    assert_string_equal(json_string_value(json_object_get(j, "message")), "it says so itself");
    assert_string_equal(json_string_value(json_object_get(j, "config_hash")), "c0ffee");
    assert_string_equal(json_string_value(json_object_get(j, "original")), "{\"q\":\"\\\"BAD\"}");
    assert_int_equal(json_integer_value(json_object_get(j, "attempts")), 2);
    assert_string_equal(json_string_value(json_object_get(input, "file")), "a.jsonl");
    assert_int_equal(json_integer_value(json_object_get(input, "line")), 1);
    assert_int_equal(json_integer_value(json_object_get(input, "bytes")), 13);
    assert_string_equal(json_string_value(json_object_get(input, "sha256")), sha);
    assert_non_null(json_object_get(j, "time"));
    assert_non_null(json_object_get(j, "version"));
    assert_non_null(strstr(json_string_value(json_object_get(j, "id")), "a.jsonl-"));
    json_decref(j);
    free(got);
}

/* A document has one end, also when it had another one in an earlier run. */
static void a_repeat_replaces_the_other_end(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[2];
    struct tm_err err = {0};
    for (int run = 0; run < 3; run++) {
        world_puts(w, "in/a.txt", "text");
        world_puts(w, "in/b.jsonl", "{\"n\":1}\n");
        world_open(w);
        assert_int_equal(world_take(w, docs, 2), 2);
        for (int i = 0; i < 2; i++) {
            if (run == 1)
                tm_doc_fail(docs[i], "infer", TM_TIMEOUT, "this time");
            world_process(docs[i]);
        }
        assert_int_equal(world_deliver(w, docs, 2, &err), TM_STORED);
        world_close(w);
        assert_int_equal(world_has(w, lane_path("out", "a.txt", "text", ".json")), run != 1);
        assert_int_equal(world_has(w, lane_path("out/dead", "a.txt", "text", ".json")), run == 1);
        assert_int_equal(world_has(w, lane_path("out/dead", "b.jsonl", "{\"n\":1}\n", ".jsonl")),
                         run == 1);
    }
}

static void orphans_of_a_killed_process_are_swept(void **state)
{
    struct world *w = *state;
    world_puts(w, "out/.textmill/default.running", ""); /* it did not end cleanly */
    world_puts(w, "out/sub/.tm-default.17", "torn");
    world_puts(w, "out/dead/.tm-default.18", "torn");
    world_puts(w, "out/sub/.tm-other.19", "of another instance");
    world_puts(w, "out/sub/.tm-default.x.20", "of another instance");
    world_puts(w, "out/sub/result.json", "{}");
    world_once(w);
    assert_false(world_has(w, "out/sub/.tm-default.17"));
    assert_false(world_has(w, "out/dead/.tm-default.18"));
    assert_true(world_has(w, "out/sub/.tm-other.19"));
    assert_true(world_has(w, "out/sub/.tm-default.x.20"));
    assert_true(world_has(w, "out/sub/result.json"));
    assert_false(world_has(w, "out/.textmill/default.running"));
}

static void links_below_the_output_are_not_followed(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[1];
    struct tm_err err = {0};
    assert_int_equal(mkdir(world_path(w, "outside"), 0777), 0);
    world_puts(w, "out/x", "");
    assert_int_equal(symlink("../outside", world_path(w, "out/sub")), 0);
    world_puts(w, "in/sub/a.txt", "text");
    world_open(w);
    assert_int_equal(world_take(w, docs, 1), 1);
    world_process(docs[0]);
    assert_int_equal(world_deliver(w, docs, 1, &err), TM_RETRY_LATER);
    assert_non_null(strstr(err.text, "out/sub"));
    assert_int_equal(world_count(w, "outside", ""), 0);
    /* The operator removes it, and the same release goes through. */
    assert_int_equal(unlink(world_path(w, "out/sub")), 0);
    err = (struct tm_err){0};
    assert_int_equal(world_deliver(w, docs, 1, &err), TM_STORED);
    assert_int_equal(world_count(w, "out/sub", "a.txt-"), 1);
}

/* ---- trouble with the disk ---- */

/* A release of single documents and lines that cannot be stored now, and can be later. try: makes
 * storing fail; relieve: ends that. */
static void refuses_and_recovers(struct world *w, void (*prepare)(struct world *w),
                                 void (*relieve)(struct world *w), enum tm_status expected)
{
    struct tm_doc *docs[64];
    struct tm_err err = {0};
    char *big = malloc(60001);
    memset(big, 'x', 60000);
    big[60000] = '\0';
    for (int i = 0; i < 20; i++) {
        char path[64];
        snprintf(path, sizeof path, "in/%02d.%s", i, i % 2 == 0 ? "txt" : "jsonl");
        struct tm_buf b = {0};
        tm_buf_printf(&b, "{\"%d\":\"%s\"}\n{\"n\":\"BAD\"}\n", i, big);
        world_put(w, path, b.data, b.len);
        tm_buf_finish(&b);
    }
    world_open(w);
    size_t n = world_take(w, docs, 64);
    assert_int_equal(n, 30);
    for (size_t i = 0; i < n; i++) {
        if (i % 3 == 1 || i == 15) { /* a long output, after some short ones */
            docs[i]->output_len = 60000;
            docs[i]->output = tm_arena_strndup(docs[i]->arena, big, 60000);
        } else {
            world_process(docs[i]);
        }
    }
    free(big);
    prepare(w);
    struct statvfs before, after;
    assert_int_equal(statvfs(world_path(w, "out"), &before), 0);
    for (int again = 0; again < 3; again++) {
        err = (struct tm_err){0};
        assert_int_equal(world_deliver(w, docs, n, &err), TM_RETRY_LATER);
        assert_int_equal(err.status, expected);
        assert_int_equal(world_count(w, "out", ".tm-"), 0);
        assert_int_equal(statvfs(world_path(w, "out"), &after), 0);
        if (expected == TM_NOSPACE) /* a disk of our own: all space is given back */
            assert_int_equal(after.f_bfree, before.f_bfree);
    }
    assert_int_equal(world_count(w, "in/done", ""), 0);
    relieve(w);
    err = (struct tm_err){0};
    if (world_deliver(w, docs, n, &err) != TM_STORED)
        fail_msg("%s", err.text);
    assert_int_equal(w->delivered + w->dead, 30);
    assert_int_equal(world_count(w, "in/done", "") + world_count(w, "in/failed", ".txt") -
                         world_count(w, "in/failed", ".reason"),
                     20);
    assert_int_equal(world_count(w, "out", ".part"), 0);
    world_close(w);
}

static void fill_disk(struct world *w)
{
    int fd = open(world_path(w, "out/filler"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    char block[4096] = {0};
    assert_true(fd >= 0);
    while (write(fd, block, sizeof block) > 0)
        continue;
    assert_int_equal(errno, ENOSPC);
    off_t size = lseek(fd, 0, SEEK_END);
    assert_int_equal(ftruncate(fd, size - 200000), 0); /* room for some, not for all */
    close(fd);
}

static void free_disk(struct world *w)
{
    assert_int_equal(unlink(world_path(w, "out/filler")), 0);
}

static void a_full_disk_is_waited_for(void **state)
{
    struct world *w = *state;
    assert_int_equal(mkdir(world_path(w, "out"), 0777), 0);
    if (mount("tmpfs", world_path(w, "out"), "tmpfs", 0, "size=2m") < 0) {
        print_message("cannot mount a small tmpfs: %s\n", strerror(errno));
        skip();
    }
    refuses_and_recovers(w, fill_disk, free_disk, TM_NOSPACE);
    assert_int_equal(umount(world_path(w, "out")), 0);
}

static struct rlimit old_limit;

static void limit_files(struct world *w)
{
    (void)w;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
    struct rlimit now = {.rlim_cur = 20000, .rlim_max = old_limit.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
}

static void lift_limit(struct world *w)
{
    (void)w;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
}

/* Every write beyond 20 kB comes back short, then fails: what a quota looks like. */
static void short_writes_are_taken_back(void **state)
{
    refuses_and_recovers(*state, limit_files, lift_limit, TM_IO);
}

static void make_read_only(struct world *w)
{
    assert_int_equal(mount(NULL, world_path(w, "out"), NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
}

static void make_writable(struct world *w)
{
    assert_int_equal(mount(NULL, world_path(w, "out"), NULL, MS_REMOUNT, NULL), 0);
}

static void a_read_only_disk_is_waited_for(void **state)
{
    struct world *w = *state;
    assert_int_equal(mkdir(world_path(w, "out"), 0777), 0);
    if (mount("tmpfs", world_path(w, "out"), "tmpfs", 0, "size=8m") < 0) {
        print_message("cannot mount a tmpfs: %s\n", strerror(errno));
        skip();
    }
    refuses_and_recovers(w, make_read_only, make_writable, TM_PERM);
    assert_int_equal(umount(world_path(w, "out")), 0);
}

/* What fails after the checkpoint was stored: the next try must not append the lines again. */
static void a_try_after_the_checkpoint_goes_on_there(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[4];
    struct tm_err err = {0};
    world_puts(w, "in/b.jsonl", lines);
    char *final = lane_path("out", "b.jsonl", lines, ".jsonl");
    world_open(w);
    assert_int_equal(mkdir(world_path(w, final), 0777), 0);
    assert_int_equal(world_take(w, docs, 4), 3);
    for (int i = 0; i < 3; i++)
        world_process(docs[i]);
    for (int i = 0; i < 2; i++) {
        err = (struct tm_err){0};
        assert_int_equal(world_deliver(w, docs, 3, &err), TM_RETRY_LATER);
        assert_non_null(strstr(err.text, "b.jsonl"));
    }
    assert_int_equal(rmdir(world_path(w, final)), 0);
    err = (struct tm_err){0};
    assert_int_equal(world_deliver(w, docs, 3, &err), TM_STORED);
    char *got = world_get(w, final);
    size_t n = 0;
    for (const char *p = got; (p = strchr(p, '\n')) != NULL; p++)
        n++;
    assert_int_equal(n, 2);
    free(got);
}

/* As an ordinary user: root is above permissions. */
static void try_create(struct world *w, const char *path, enum tm_status expected)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct tm_err err = {0};
        void *self = NULL;
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(99);
        set(&w->conf.sink_files_path, world_path(w, path));
        enum tm_status s = tm_sink_files.create(&self, &w->conf, "hash", &err);
        _exit(s == expected && strstr(err.text, path) != NULL ? 0 : 1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static void folders_that_cannot_be_used_are_refused_at_the_start(void **state)
{
    struct world *w = *state;
    assert_int_equal(chmod(w->root, 0755), 0);
    assert_int_equal(mkdir(world_path(w, "fixed"), 0555), 0);
    world_puts(w, "file", "x");
    try_create(w, "fixed", TM_PERM);
    try_create(w, "fixed/below", TM_PERM);
    try_create(w, "file/below", TM_NOTFOUND);
}

/* Somebody moves a folder of results away while the sink runs: it is made again. */
static void folders_may_be_moved_away(void **state)
{
    struct world *w = *state;
    world_puts(w, "in/sub/a.txt", "one");
    world_open(w);
    world_run(w);
    assert_int_equal(rename(world_path(w, "out/sub"), world_path(w, "archived")), 0);
    assert_int_equal(rename(world_path(w, "in/done"), world_path(w, "cleared")), 0);
    world_puts(w, "in/sub/b.txt", "two");
    struct tm_doc *doc = NULL;
    struct tm_err err = {0};
    while (tm_source_spool.take(w->source, &doc, 1) == 0)
        assert_int_equal(tm_source_spool.service(w->source, 100, &err), TM_OK);
    world_process(doc);
    assert_int_equal(world_deliver(w, &doc, 1, &err), TM_STORED);
    assert_int_equal(world_count(w, "out/sub", "b.txt-"), 1);
    assert_true(world_has(w, "in/done/sub/b.txt"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(layout_auto_follows_the_input),
        T(layout_document_gives_a_file_each),
        T(layout_jsonl_gives_a_line_even_for_one),
        T(a_file_of_dead_letters_only_has_an_empty_result),
        T(dead_letters_have_a_folder_of_their_own),
        T(a_folder_called_dead_is_kept_apart),
        T(a_dead_letter_is_complete),
        T(a_repeat_replaces_the_other_end),
        T(orphans_of_a_killed_process_are_swept),
        T(links_below_the_output_are_not_followed),
        T(a_full_disk_is_waited_for),
        T(short_writes_are_taken_back),
        T(a_read_only_disk_is_waited_for),
        T(a_try_after_the_checkpoint_goes_on_there),
        T(folders_that_cannot_be_used_are_refused_at_the_start),
        T(folders_may_be_moved_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
