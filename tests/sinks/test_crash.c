/* Killed at every fault point of source and sink, at every passing of it, then started again: every
 * document has exactly one end, every file is in done/ or failed/, and nothing else is left.
 *
 * The parent never passes a fault point itself; each run is a child. */
#include "world.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SINGLES = 7, LINES = 11 };

static const char *const points[] = {"after-claim",       "before-move",     "after-move",
                                     "before-fsync",      "after-fsync",     "after-rename",
                                     "before-checkpoint", "after-checkpoint"};

static void clear_folder(const struct world *w, const char *path)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", world_path(w, path));
    assert_int_equal(system(command), 0);
}

static void single(int i, char path[64], char text[64])
{
    snprintf(path, 64, "%s%d.txt", i % 3 == 1 ? "sub/" : "", i);
    snprintf(text, 64, "document %d%s", i, i % 3 == 2 ? " BAD" : "");
}

static size_t make_lines(char *out, size_t size)
{
    size_t n = 0;
    for (int i = 0; i < LINES; i++)
        n += (size_t)snprintf(out + n, size - n, "{\"n\":%d%s}\n%s", i,
                              i % 4 == 1 ? ",\"x\":\"BAD\"" : "", i % 5 == 2 ? "\n" : "");
    return n;
}

static void fill_spool(const struct world *w)
{
    char path[64], text[64], in[80], lines[1024];
    clear_folder(w, "in");
    clear_folder(w, "out");
    assert_int_equal(mkdir(world_path(w, "in"), 0777), 0);
    for (int i = 0; i < SINGLES; i++) {
        single(i, path, text);
        snprintf(in, sizeof in, "in/%s", path);
        world_puts(w, in, text);
    }
    size_t n = make_lines(lines, sizeof lines);
    world_put(w, "in/3a.jsonl", lines, n);
    world_gzip(w, "in/sub/z.jsonl.gz", lines, n);
    world_puts(w, "in/4bad.jsonl", "BAD\n");
    world_puts(w, "in/5short.jsonl", "{\"n\":0}\n{\"n\":1}");
}

/* Runs until all is done, in a child; true when it lived. */
static bool run(struct world *w, const char *fault)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (fault != NULL)
            setenv("TEXTMILL_FAULT", fault, 1);
        struct tm_err err = {0};
        if (world_try_open(w, &err) != TM_OK)
            _exit(98);
        world_run(w);
        world_close(w);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return false;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s: child ended with %x", fault, (unsigned)status);
    return true;
}

static void check_single(const struct world *w, int i, const char *suffix)
{
    char path[64], text[64], where[400];
    single(i, path, text);
    bool bad = strstr(text, "BAD") != NULL;
    snprintf(where, sizeof where, "out/%s%.300s%s", bad ? "dead/" : "",
             world_lane(path, text, strlen(text)), bad ? ".json" : suffix);
    char *got = world_get(w, where);
    if (got == NULL)
        fail_msg("no %s", where);
    assert_non_null(strstr(got, bad ? "says so itself" : text));
    free(got);
    snprintf(where, sizeof where, "in/%s/%s", bad ? "failed" : "done", path);
    got = world_get(w, where);
    assert_string_equal(got, text);
    free(got);
    snprintf(where, sizeof where, "in/failed/%s.reason.json", path);
    assert_int_equal(world_has(w, where), bad);
}

/* Every record once, in order. */
static void check_lines(const struct world *w, const char *name, bool document)
{
    struct tm_buf stored = {0};
    char where[400];
    snprintf(where, sizeof where, "in/done/%s", name);
    assert_int_equal(tm_read_file(world_path(w, where), 4096, &stored, NULL), TM_OK);
    const char *lane = world_lane(name, stored.data, stored.len);
    tm_buf_finish(&stored);
    char *results = NULL;
    if (!document) {
        snprintf(where, sizeof where, "out/%.300s.jsonl", lane);
        results = world_get(w, where);
        assert_non_null(results);
    }
    snprintf(where, sizeof where, "out/dead/%.300s.jsonl", lane);
    char *dead = world_get(w, where);
    assert_non_null(dead);
    const char *r = results, *d = dead;
    for (int i = 0; i < LINES; i++) {
        char part[64];
        bool bad = i % 4 == 1;
        /* A dead letter has the line, and a blank one follows every fifth. */
        snprintf(part, sizeof part, bad ? "\"line\":%d," : "\"seq\":%d,",
                 bad ? i + 1 + (i + 2) / 5 : i);
        if (document && !bad) {
            snprintf(where, sizeof where, "out/%.300s-%d.json", lane, i);
            assert_true(world_has(w, where));
            continue;
        }
        const char **at = bad ? &d : &r;
        const char *end = strchr(*at, '\n');
        assert_non_null(end);
        const char *found = strstr(*at, part);
        assert_true(found != NULL && found < end);
        *at = end + 1;
    }
    assert_int_equal(*d, '\0');
    if (r != NULL)
        assert_int_equal(*r, '\0');
    free(results);
    free(dead);
}

static void check_all(const struct world *w, const char *layout)
{
    bool document = strcmp(layout, "document") == 0;
    for (int i = 0; i < SINGLES; i++)
        check_single(w, i, strcmp(layout, "jsonl") == 0 ? ".jsonl" : ".json");
    check_lines(w, "3a.jsonl", document);
    check_lines(w, "sub/z.jsonl.gz", document);
    assert_true(world_has(w, "in/done/4bad.jsonl"));
    assert_true(world_has(w, "in/done/5short.jsonl"));
    /* Nothing twice, nothing left. */
    assert_int_equal(world_count(w, "in/done", "") + world_count(w, "in/failed", "") -
                         world_count(w, "in/failed", ".reason.json"),
                     SINGLES + 4);
    assert_int_equal(world_count(w, "in/active", "") - world_count(w, "in/active", ".lock"), 0);
    assert_int_equal(world_count(w, "in", ".tm-"), 0);
    assert_int_equal(world_count(w, "out", ".tm-"), 0);
    assert_int_equal(world_count(w, "out", ".part"), 0);
    size_t checkpoints = world_count(w, "out/.textmill", "");
    assert_int_equal(world_count(w, "out/.textmill", ".checkpoint"), checkpoints);
    if (!document) /* there the witness of the end has to stay when a kill comes before the move */
        assert_int_equal(checkpoints, 0);
    size_t dead_singles = SINGLES / 3, good_singles = SINGLES - dead_singles;
    size_t dead_files = dead_singles + 3;
    assert_int_equal(world_count(w, "out/dead", ""), dead_files);
    size_t results = document ? 2 * (LINES - 3) + 2 : 4;
    assert_int_equal(world_count(w, "out", ""), dead_files + good_singles + results + checkpoints);
}

static void crash_everywhere(const char *layout, size_t release_docs)
{
    struct world w;
    world_init(&w);
    free(w.conf.sink_files_layout);
    w.conf.sink_files_layout = strdup(layout);
    w.release_docs = release_docs;
    size_t kills = 0;
    for (size_t p = 0; p < TM_COUNTOF(points); p++) {
        size_t before = kills;
        for (int count = 1;; count++) {
            char fault[64];
            fill_spool(&w);
            snprintf(fault, sizeof fault, "%s:%d", points[p], count);
            bool lived = run(&w, fault);
            if (!lived) {
                kills++;
                /* Killed at the same point again, right at the start, then left alone. */
                snprintf(fault, sizeof fault, "%s:1", points[p]);
                run(&w, fault);
                assert_true(run(&w, NULL));
            }
            check_all(&w, layout);
            if (lived)
                break;
        }
        if (kills == before)
            fail_msg("fault point %s was never passed", points[p]);
    }
    print_message("%s, releases of %zu: killed %zu times\n", layout, release_docs, kills);
    world_finish(&w);
}

static void layout_auto(void **state)
{
    (void)state;
    crash_everywhere("auto", 6);
}

static void layout_auto_small_releases(void **state)
{
    (void)state;
    crash_everywhere("auto", 2);
}

static void layout_document(void **state)
{
    (void)state;
    crash_everywhere("document", 6);
}

static void layout_jsonl(void **state)
{
    (void)state;
    crash_everywhere("jsonl", 100);
}

/* A file comes again while the checkpoint of an unfinished run lies there, its outputs are longer
 * this time, and the process dies before the first checkpoint of its own: the old lengths must not
 * be believed. */
static void the_old_checkpoint_of_a_repeat(void **state)
{
    (void)state;
    struct world w;
    char lines[1024];
    world_init(&w);
    world_put(&w, "in/3a.jsonl", lines, make_lines(lines, sizeof lines));
    w.stop_after = w.release_docs = 4;
    assert_true(run(&w, NULL));
    assert_int_equal(world_count(&w, "out/.textmill", ".checkpoint"), 1);
    assert_int_equal(
        rename(world_path(&w, "in/active/default/3a.jsonl"), world_path(&w, "in/3a.jsonl")), 0);
    w.stop_after = 0;
    w.release_docs = 8;
    world_pad = ",\"pad\":\"longer\"";
    assert_false(run(&w, "before-checkpoint"));
    assert_true(run(&w, NULL));
    world_pad = "";
    check_lines(&w, "3a.jsonl", false);
    char path[400];
    snprintf(path, sizeof path, "out/%.300s.jsonl", world_lane("3a.jsonl", lines, strlen(lines)));
    char *got = world_get(&w, path);
    for (char *at = got, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        *end = '\0';
        assert_int_equal(strncmp(at, "{\"file\"", 7), 0);
        assert_null(strstr(at + 1, "{\"file\""));
        assert_non_null(strstr(at, world_pad));
    }
    free(got);
    world_finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_auto),
        cmocka_unit_test(layout_auto_small_releases),
        cmocka_unit_test(layout_document),
        cmocka_unit_test(layout_jsonl),
        cmocka_unit_test(the_old_checkpoint_of_a_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
