/* The table of keys: defaults hold, wrong values say what would be right, near names are found. */
#include "check.h"
#include "tm_conf.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tm_conf conf;

static int fresh(void **unused)
{
    (void)unused;
    return tm_conf_init(&conf, NULL) == TM_OK ? 0 : -1;
}

static int finish(void **unused)
{
    (void)unused;
    tm_conf_finish(&conf);
    return 0;
}

static void every_default_is_a_valid_value(void **unused)
{
    (void)unused;
    struct tm_conf_task *task = tm_conf_add_task(&conf);
    const struct tm_conf_key *const tables[] = {tm_conf_keys, tm_conf_task_keys};
    void *const bases[] = {&conf, task};
    for (size_t t = 0; t < 2; t++) {
        for (const struct tm_conf_key *k = tables[t]; k->path != NULL; k++) {
            struct tm_buf text = {0};
            struct tm_err err = {0};
            assert_true(tm_conf_get(bases[t], k, &text));
            assert_string_equal(text.data, k->type == TM_CONF_LIST ? "[]" : k->def);
            if (k->type != TM_CONF_LIST && tm_conf_set(bases[t], k, text.data, NULL, &err) != TM_OK)
                fail_msg("%s", err.text);
            assert_true(k->type != TM_CONF_INT || k->lo < k->hi);
            assert_int_equal(k->type == TM_CONF_ENUM, k->choices[0] != '\0');
            assert_true(strlen(k->help) > 10);
            tm_buf_finish(&text);
        }
    }
    assert_int_equal(conf.source_spool_settle_ms, 500);
    assert_true(conf.sink_text);
    assert_string_equal(conf.log_level, "info");
    assert_int_equal(task->stride, TM_CONF_UNSET);
    assert_int_equal(task->max_seq_len, 384);
}

static void values_arrive_in_their_fields(void **unused)
{
    (void)unused;
    static const struct {
        const char *path, *value, *dir, *shown;
    } cases[] = {
        {"source.spool.path", "in", "/etc/textmill", "/etc/textmill/in"},
        {"source.spool.path", "in", "conf/", "conf/in"},
        {"source.spool.path", "/srv/in", "/etc", "/srv/in"},
        {"source.spool.path", "", "/etc", ""}, /* empty means not set, with any folder */
        {"source.spool.path", "in", NULL, "in"},
        {"source.spool.pattern", "*.html", "/etc", "*.html"},
        {"log.level", "debug", NULL, "debug"},
        {"sink.text", "false", NULL, "false"},
        {"limits.bytes", "1099511627776", NULL, "1099511627776"},
        {"engine.threads", "0", NULL, "0"},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct tm_buf text = {0};
        const struct tm_conf_key *key = tm_conf_find(tm_conf_keys, cases[i].path);
        assert_non_null(key);
        assert_int_equal(tm_conf_set(&conf, key, cases[i].value, cases[i].dir, NULL), TM_OK);
        assert_true(tm_conf_get(&conf, key, &text));
        assert_string_equal(text.data, cases[i].shown);
        tm_buf_finish(&text);
    }
}

static void wrong_values_name_the_remedy(void **unused)
{
    (void)unused;
    static const struct {
        const char *path, *value, *text;
    } cases[] = {
        {"source.spool.settle_ms", "3600001",
         "source.spool.settle_ms: 3600001 must be between 0 and 3600000 ms"},
        {"source.spool.settle_ms", "-1",
         "source.spool.settle_ms: -1 must be between 0 and 3600000 ms"},
        {"source.spool.max_expansion", "0",
         "source.spool.max_expansion: 0 must be between 1 and 100000"},
        {"limits.bytes", "99999999999999999999999999",
         "limits.bytes: 99999999999999999999999999 must be between 1048576 and 1099511627776 "
         "bytes"},
        {"limits.bytes", "18446744073711648768", NULL}, /* 2^64 + 2 MiB */
        {"clean.max_bytes", "20M",
         "clean.max_bytes: \"20M\" must be a whole number, in digits only (such as 20971520)"},
        {"clean.max_bytes", "20_000",
         "clean.max_bytes: \"20_000\" must be a whole number, in digits only (such as 20971520)"},
        {"engine.threads", "",
         "engine.threads: \"\" must be a whole number, in digits only (such as "
         "0)"},
        {"engine.threads", "010", NULL},
        {"engine.threads", "+4", NULL},
        {"engine.threads", " 4", NULL},
        {"engine.threads", "4.0", NULL},
        {"engine.threads", "0x4", NULL},
        {"engine.threads", "-", NULL},
        {"sink.text", "yes", "sink.text: \"yes\" must be true or false"},
        {"sink.text", "True", NULL},
        {"engine.device", "gpu", "engine.device: \"gpu\" must be one of auto, cpu, cuda"},
        {"log.level", "inf", NULL},
        {"log.level", "info|debug", NULL},
        {"log.level", "", NULL},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct tm_err err = {0};
        struct tm_buf before = {0}, after = {0};
        const struct tm_conf_key *key = tm_conf_find(tm_conf_keys, cases[i].path);
        tm_conf_get(&conf, key, &before);
        assert_int_equal(tm_conf_set(&conf, key, cases[i].value, NULL, &err), TM_CONFIG);
        assert_non_null(strstr(err.text, cases[i].path));
        if (cases[i].text != NULL)
            assert_string_equal(err.text, cases[i].text);
        tm_conf_get(&conf, key, &after);
        assert_string_equal(before.data, after.data); /* the value before stays */
        tm_buf_finish(&before);
        tm_buf_finish(&after);
    }
}

static void near_names_are_found(void **unused)
{
    (void)unused;
    static const struct {
        const char *wrong, *right;
    } cases[] = {
        {"source.spool.pth", "source.spool.path"},
        {"source.spol.path", "source.spool.path"},
        {"source.spool.paht", "source.spool.path"},
        {"source.spool.settle", "source.spool.settle_ms"},
        {"source.spool.settle-ms", "source.spool.settle_ms"},
        {"log.Level", "log.level"},
        {"sink.file.path", "sink.files.path"},
        {"sink.deadletters.path", "sink.dead_letters.path"},
        {"engine.batchtokens", "engine.batch_tokens"},
        {"limits.batch_tokens", "engine.batch_tokens"}, /* in the wrong section */
        {"batch_tokens", "engine.batch_tokens"},        /* in none */
        {"max_byte", "clean.max_bytes"},
        {"precision", "engine.precision"},
        {"completely.different", NULL},
        {"kafka.brokers", "sink.kafka.brokers"},
        {"x", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        const struct tm_conf_key *near = tm_conf_nearest(tm_conf_keys, cases[i].wrong);
        const char *got = near != NULL ? near->path : "(none)";
        assert_string_equal(got, cases[i].right != NULL ? cases[i].right : "(none)");
    }
    assert_string_equal(tm_conf_nearest(tm_conf_task_keys, "sentence")->path, "sentences");
    assert_string_equal(tm_conf_nearest(tm_conf_task_keys, "tsak")->path, "task");
    assert_string_equal(tm_conf_nearest(tm_conf_task_keys, "num_beam")->path, "num_beams");
    assert_null(tm_conf_nearest(tm_conf_task_keys, "colour"));
    char endless[500];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_null(tm_conf_nearest(tm_conf_keys, endless));
}

static void the_nearest_section(void **unused)
{
    (void)unused;
    static const struct {
        const char *wrong, *right;
    } cases[] = {
        {"sorce", "source"},
        {"sinks", "sink"},
        {"sink.file", "sink.files"},
        {"source.spol", "source.spool"},
        {"task", "tasks"},
        {"Limit", "limits"},
        {"kafak", "kafka"},
        {"sink.kafk", "sink.kafka"},
        {"amqp", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        char section[64] = "(none)";
        bool near = tm_conf_nearest_section(cases[i].wrong, section, sizeof section);
        assert_int_equal(near, cases[i].right != NULL);
        assert_string_equal(section, near ? cases[i].right : "(none)");
    }
}

static void keys_and_sections_are_told_apart(void **unused)
{
    (void)unused;
    assert_non_null(tm_conf_find(tm_conf_keys, "sink.text"));
    assert_null(tm_conf_find(tm_conf_keys, "sink"));
    assert_null(tm_conf_find(tm_conf_keys, "sink.text.more"));
    assert_true(tm_conf_is_section("sink"));
    assert_true(tm_conf_is_section("source.spool"));
    assert_false(tm_conf_is_section("sink.text"));
    assert_false(tm_conf_is_section("sin"));
    assert_false(tm_conf_is_section(""));
}

struct findings {
    size_t count;
    char all[4096]; /* "path: text\n" of each */
};

static void note(void *arg, const char *path, const char *text)
{
    struct findings *f = arg;
    size_t n = strlen(f->all);
    snprintf(f->all + n, sizeof f->all - n, "%s: %s\n", path, text);
    f->count++;
}

static void set(const char *path, const char *value)
{
    assert_int_equal(tm_conf_set(&conf, tm_conf_find(tm_conf_keys, path), value, NULL, NULL),
                     TM_OK);
}

static void set_task(size_t i, const char *path, const char *value)
{
    while (conf.n_tasks <= i)
        assert_non_null(tm_conf_add_task(&conf));
    assert_int_equal(
        tm_conf_set(&conf.tasks[i], tm_conf_find(tm_conf_task_keys, path), value, NULL, NULL),
        TM_OK);
}

static void set_sound(void)
{
    set("source.spool.path", "in");
    set("sink.files.path", "out");
    set("sink.dead_letters.path", "out/dead");
}

/* The findings must be exactly one, at that key, with those words. */
static void expect_one(const char *path, const char *words)
{
    struct findings f = {0};
    size_t count = tm_conf_check(&conf, note, &f);
    assert_int_equal(count, f.count);
    if (count != 1 || strncmp(f.all, path, strlen(path)) != 0 || f.all[strlen(path)] != ':' ||
        strstr(f.all, words) == NULL)
        fail_msg("expected %s: %s, got:\n%s", path, words, f.all);
}

static void sound_configurations_pass(void **unused)
{
    (void)unused;
    struct findings f = {0};
    set_sound(); /* without tasks: cleaning only */
    assert_int_equal(tm_conf_check(&conf, note, &f), 0);
    set_task(0, "task", "sentiment");
    set_task(1, "task", "summary");
    set_task(1, "sentences", "0");
    set_task(1, "words", "100");
    assert_int_equal(tm_conf_check(&conf, note, &f), 0);
    assert_int_equal(tm_conf_check(&conf, NULL, NULL), 0);
    assert_string_equal(f.all, "");
}

static void empty_configuration_lacks_three_things(void **unused)
{
    (void)unused;
    struct findings f = {0};
    assert_int_equal(tm_conf_check(&conf, note, &f), 3);
    assert_non_null(strstr(f.all, "source.spool.path: no source"));
    assert_non_null(strstr(f.all, "sink.files.path: no sink"));
    assert_non_null(strstr(f.all, "sink.dead_letters.path: no place"));
}

static void sinks_must_be_one(void **unused)
{
    (void)unused;
    set_sound();
    set("sink.stdout.enabled", "true");
    expect_one("sink.stdout.enabled", "two sinks");
    set("sink.files.path", "");
    assert_int_equal(tm_conf_check(&conf, NULL, NULL), 0);
}

static void results_must_not_be_read_again(void **unused)
{
    (void)unused;
    set_sound();
    static const char *const same[] = {"in", "in/", "./in", "in/.", "in//", "in/new", "in/active"};
    for (size_t i = 0; i < TM_COUNTOF(same); i++) {
        set("sink.files.path", same[i]);
        expect_one("sink.files.path", "source.spool.path");
    }
    set("sink.files.path", "in/results");
    assert_int_equal(tm_conf_check(&conf, NULL, NULL), 0);
    set("sink.dead_letters.path", "in/new/");
    expect_one("sink.dead_letters.path", "source.spool.path");
}

/* One folder by two names, which only the file system knows. */
static void links_do_not_hide_the_same_folder(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/tm-test-conf-XXXXXX", link_path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(link_path, sizeof link_path, "%s-link", dir);
    assert_int_equal(symlink(dir, link_path), 0);
    set_sound();
    set("source.spool.path", dir);
    set("sink.files.path", link_path);
    expect_one("sink.files.path", "source.spool.path");
    unlink(link_path);
    rmdir(dir);
}

static void tasks_are_checked(void **unused)
{
    (void)unused;
    set_sound();
    set_task(0, "task", "summary");
    set_task(1, "task", "sumary");
    expect_one("tasks[1].task", "did you mean \"summary\"?");
    set_task(1, "task", "translation");
    expect_one("tasks[1].to", "say into which language");
    set_task(1, "to", "es");
    assert_int_equal(tm_conf_check(&conf, NULL, NULL), 0);
    set_task(1, "task", "colouring");
    expect_one("tasks[1].task",
               "unknown task \"colouring\"; there are: sentiment, summary, translation");
    set_task(1, "task", "");
    expect_one("tasks[1].task", "names no task");
    set_task(1, "task", "sentiment");
    set_task(0, "sentences", "0");
    expect_one("tasks[0].sentences", "a summary needs a length");
}

static void instance_must_be_a_folder_name(void **unused)
{
    (void)unused;
    static const char *const bad[] = {"", "..", "a/b", ".x"};
    set_sound();
    for (size_t i = 0; i < TM_COUNTOF(bad); i++) {
        set("state.instance", bad[i]);
        expect_one("state.instance", "folder");
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fresh, finish)
    const struct CMUnitTest tests[] = {
        T(every_default_is_a_valid_value),
        T(values_arrive_in_their_fields),
        T(wrong_values_name_the_remedy),
        T(near_names_are_found),
        T(the_nearest_section),
        T(keys_and_sections_are_told_apart),
        T(sound_configurations_pass),
        T(empty_configuration_lacks_three_things),
        T(sinks_must_be_one),
        T(results_must_not_be_read_again),
        T(links_do_not_hide_the_same_folder),
        T(tasks_are_checked),
        T(instance_must_be_a_folder_name),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
