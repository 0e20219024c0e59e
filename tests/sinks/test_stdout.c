/* The stdout sink: lines in order, dead letters where they are asked for, and a reader that goes.
 */
#include "world.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state)
{
    static struct world w;
    world_init(&w);
    w.sink_ops = &tm_sink_stdout;
    world_puts(&w, "in/a.txt", "one");
    world_puts(&w, "in/b.txt", "BAD two");
    world_puts(&w, "in/c.jsonl", "{\"n\":1}\nBAD\n{\"n\":3}\n");
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    world_finish(*state);
    return 0;
}

/* Runs everything in a child with both outputs in files. */
static void run_into_files(struct world *w)
{
    pid_t pid = fork();
    if (pid == 0) {
        int out = open(world_path(w, "stdout"), O_WRONLY | O_CREAT | O_TRUNC, 0666);
        int err = open(world_path(w, "stderr"), O_WRONLY | O_CREAT | O_TRUNC, 0666);
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        world_once(w);
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static void one_line_a_result_and_letters_on_stderr(void **state)
{
    struct world *w = *state;
    run_into_files(w);
    char *out = world_get(w, "stdout"), *err = world_get(w, "stderr");
    assert_string_equal(out,
                        "{\"file\":\"a.txt\",\"line\":0,\"seq\":0,\"text\":\"one\"}\n"
                        "{\"file\":\"c.jsonl\",\"line\":1,\"seq\":0,\"text\":\"{\\\"n\\\":1}\"}\n"
                        "{\"file\":\"c.jsonl\",\"line\":3,\"seq\":2,\"text\":\"{\\\"n\\\":3}\"}\n");
    const char *second = strchr(err, '\n');
    assert_non_null(second);
    assert_non_null(strstr(err, "\"file\":\"b.txt\""));
    assert_non_null(strstr(second, "\"original\":\"BAD\""));
    free(out);
    free(err);
    assert_true(world_has(w, "in/done/a.txt"));
    assert_true(world_has(w, "in/failed/b.txt"));
}

static void letters_go_to_their_folder(void **state)
{
    struct world *w = *state;
    free(w->conf.sink_dead_letters_path);
    w->conf.sink_dead_letters_path = strdup(world_path(w, "dead"));
    run_into_files(w);
    char *err = world_get(w, "stderr");
    assert_string_equal(err != NULL ? err : "", "");
    free(err);
    assert_int_equal(world_count(w, "dead", "b.txt-"), 1);
    assert_int_equal(world_count(w, "dead", "-1.json"), 1);
}

/* `textmill once | head -1`: the reader has gone, which no other try will change. */
static void a_reader_that_has_gone_ends_the_work(void **state)
{
    struct world *w = *state;
    int p[2];
    struct tm_doc *docs[8];
    struct tm_err err = {0};
    assert_int_equal(pipe(p), 0);
    close(p[0]);
    signal(SIGPIPE, SIG_IGN);
    world_open(w);
    size_t n = world_take(w, docs, 8);
    for (size_t i = 0; i < n; i++)
        world_process(docs[i]);
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    dup2(p[1], STDOUT_FILENO);
    enum tm_delivered d = world_deliver(w, docs, n, &err);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(p[1]);
    assert_int_equal(d, TM_FENCED);
    assert_int_equal(err.status, TM_CLOSED);
    assert_int_equal(world_count(w, "in/done", ""), 0);
    for (size_t i = 0; i < n; i++)
        tm_doc_destroy(docs[i]);
}

/* A full disk behind stdout: the same release is tried again and nothing is written twice. */
static void a_try_goes_on_where_it_stopped(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[8];
    struct tm_err err = {0};
    struct rlimit old, now;
    world_open(w);
    size_t n = world_take(w, docs, 8);
    for (size_t i = 0; i < n; i++)
        world_process(docs[i]);
    int fd = open(world_path(w, "stdout"), O_WRONLY | O_CREAT, 0666);
    fflush(stdout);
    int saved = dup(STDOUT_FILENO), saved_err = dup(STDERR_FILENO);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    now = old;
    now.rlim_cur = 70;
    dup2(fd, STDOUT_FILENO);
    setrlimit(RLIMIT_FSIZE, &now);
    enum tm_delivered first = world_deliver(w, docs, n, &err);
    enum tm_status status = err.status;
    setrlimit(RLIMIT_FSIZE, &old);
    err = (struct tm_err){0};
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    enum tm_delivered second = world_deliver(w, docs, n, &err);
    dup2(saved, STDOUT_FILENO);
    dup2(saved_err, STDERR_FILENO);
    close(fd);
    assert_int_equal(first, TM_RETRY_LATER);
    assert_int_equal(status, TM_IO);
    assert_int_equal(second, TM_STORED);
    char *out = world_get(w, "stdout");
    size_t lines = 0;
    for (const char *p = out; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(lines, 3);
    assert_int_equal(strncmp(strchr(out, '\n') + 1, "{\"file\":\"c.jsonl\",\"line\":1,", 27), 0);
    free(out);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(one_line_a_result_and_letters_on_stderr),
        T(letters_go_to_their_folder),
        T(a_reader_that_has_gone_ends_the_work),
        T(a_try_goes_on_where_it_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
