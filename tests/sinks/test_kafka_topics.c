/* Which topics a result goes to: by task, by language, and never outside the pattern. */
#include "kafka.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { RUNS = 4 };

static const struct tm_task_ops summary = {.name = "summary"},
                                translation = {.name = "translation"};
static const struct tm_task a_summary = {.ops = &summary}, a_translation = {.ops = &translation};

/* Where the document goes, names parted by blanks. */
static void assert_route(struct topics *t, const struct tm_doc *d, const char *wanted)
{
    char got[1024] = "";
    struct tm_err err = {0};
    assert_int_equal(topics_route(t, d, &err), TM_OK);
    for (size_t i = 0; i < t->n_route; i++) {
        strcat(got, i == 0 ? "" : " ");
        strcat(got, t->route[i]->name);
    }
    assert_string_equal(got, wanted);
}

static void one_name(void **state)
{
    (void)state;
    struct topics *t = topics_create("results", 1);
    assert_route(t, &(struct tm_doc){.lang = "en"}, "results");
    topics_destroy(t);
    topics_destroy(NULL);
}

static void a_topic_for_each_task(void **state)
{
    (void)state;
    struct tm_task_run runs[RUNS] = {{.task = &a_translation},
                                     {.task = &a_summary},
                                     {.task = &a_translation},
                                     {.task = &a_summary, .skipped = true}};
    struct tm_doc d = {.task_runs = runs, .n_task_runs = RUNS, .lang = "de"};
    struct topics *t = topics_create("news.{task}-{lang}.v1", 10);
    assert_route(t, &d, "news.translation-de.v1 news.summary-de.v1");
    runs[0].skipped = runs[2].skipped = true;
    assert_route(t, &d, "news.summary-de.v1");
    runs[1].skipped = true;
    assert_route(t, &d, "news.none-de.v1");
    topics_destroy(t);
}

static void values_are_confined(void **state)
{
    (void)state;
    const struct {
        const char *lang, *topic;
    } cases[] = {
        {"en", "by-en"},
        {"zh-Hant", "by-zh-hant"},
        {"../../etc", "by-------etc"},
        {"a b\n\xc3\xa9_.{lang}", "by-a-b------lang-"},
        {NULL, "by-none"},
        {"", "by-none"},
        {"0123456789012345678901234567890123456789", "by-01234567890123456789012345678901"}};
    struct topics *t = topics_create("by-{lang}", 100);
    for (size_t i = 0; i < TM_COUNTOF(cases); i++)
        assert_route(t, &(struct tm_doc){.lang = cases[i].lang}, cases[i].topic);
    topics_destroy(t);
    char pattern[300]; /* a name that is too long is cut */
    memset(pattern, 'x', sizeof pattern);
    memcpy(pattern + 245, "{lang}", 7);
    t = topics_create(pattern, 1);
    struct tm_err err = {0};
    assert_int_equal(topics_route(t, &(struct tm_doc){.lang = "german"}, &err), TM_OK);
    assert_string_equal(t->route[0]->name + 245, "germ");
    topics_destroy(t);
}

static void names_are_bounded(void **state)
{
    (void)state;
    struct topics *t = topics_create("by-{lang}", 2);
    struct tm_err err = {0};
    assert_route(t, &(struct tm_doc){.lang = "en"}, "by-en");
    assert_route(t, &(struct tm_doc){.lang = "de"}, "by-de");
    assert_int_equal(topics_route(t, &(struct tm_doc){.lang = "fr"}, &err), TM_TOOLARGE);
    assert_non_null(strstr(err.text, "by-fr"));
    assert_route(t, &(struct tm_doc){.lang = "en"}, "by-en");
    topics_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_name),
        cmocka_unit_test(a_topic_for_each_task),
        cmocka_unit_test(values_are_confined),
        cmocka_unit_test(names_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
