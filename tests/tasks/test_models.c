/* The models of a pipeline: defaults by name, one engine for tasks that name the same model, and
 * refusals that name the task and the remedy before any document is touched. */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const plain[] = {"negative", "neutral", "positive"};

static int set_up(void **state)
{
    (void)state;
    fake_models[0] = (struct fake_model){
        "sentiment-en",
        {.head = TM_HEAD_SEQUENCE, .threads = 1, .max_length = 8, .n_labels = 3, .labels = plain},
        NULL};
    fake_models[1] = (struct fake_model){
        "all-MiniLM-L6-v2",
        {.head = TM_HEAD_EMBEDDING, .threads = 3, .max_length = 8, .hidden_size = 3},
        NULL};
    return 0;
}

static void tasks_have_default_models_and_share_them(void **state)
{
    (void)state;
    const char *const entries[] = {"task", "summary", NULL,        "task", "sentiment", NULL,
                                   "task", "summary", "sentences", "9",    NULL,        NULL};
    struct fake_pipeline p;
    struct tm_err err = {0};
    assert_int_equal(fake_open(&p, entries, &err), TM_OK);
    assert_int_equal(p.n_tasks, 3);
    assert_int_equal(fake_opened, 2);
    assert_int_equal(tm_models_count(p.models), 2);
    assert_ptr_equal(p.task[0].model, p.task[2].model);
    assert_string_equal(p.task[0].model->name, "all-MiniLM-L6-v2");
    assert_string_equal(p.task[1].model->name, "sentiment-en");
    assert_int_equal(p.task[2].conf->sentences, 9);
    assert_int_equal(strlen(p.task[0].model->sha256), 64);
    struct tm_model *one = NULL; /* a folder however it is written gives its own name */
    char path[256];
    snprintf(path, sizeof path, "%s/./sentiment-en//", p.folder);
    assert_int_equal(tm_model_open(path, "auto", "auto", 0, 0, true, &one, &err), TM_OK);
    assert_string_equal(one->name, "sentiment-en");
    tm_model_close(one);
    struct tm_infer *in = NULL;
    assert_int_equal(tm_infer_create(p.models, 1, &in, &err), TM_OK);
    assert_int_equal(tm_infer_workers(in), 3); /* as many as the widest engine has */
    tm_infer_destroy(in);
    fake_close(&p);
}

static void refuse(const char *const *entries, enum tm_status status, const char *const *says)
{
    struct fake_pipeline p;
    struct tm_err err = {0};
    enum tm_status s = fake_open(&p, entries, &err);
    assert_int_equal(s, status);
    assert_int_equal(err.status, status);
    for (; *says != NULL; says++)
        if (strstr(err.text, *says) == NULL)
            fail_msg("\"%s\" does not say %s", err.text, *says);
    fake_close(&p);
}

static void a_missing_model_is_looked_for_by_name(void **state)
{
    (void)state;
    const char *const by_name[] = {"task", "summary", "model", "no-such-model", NULL, NULL};
    const char *const by_folder[] = {"task", "summary", "model", "/no/such/folder", NULL, NULL};
    refuse(by_name, TM_NOTFOUND,
           (const char *const[]){"tasks[0] summary", "no-such-model", "TEXTMILL_MODELS",
                                 "/textmill-tasks-", NULL});
    refuse(by_folder, TM_NOTFOUND,
           (const char *const[]){"tasks[0] summary", "/no/such/folder does not exist", NULL});
}

static void a_model_for_something_else_is_refused(void **state)
{
    (void)state;
    const char *const entries[] = {"task",  "sentiment",    NULL, "task", "summary",
                                   "model", "sentiment-en", NULL, NULL};
    refuse(entries, TM_MODEL,
           (const char *const[]){"tasks[1] summary", "sentiment-en is for sequence classification",
                                 "not for sentence embeddings", NULL});
}

static void the_path_has_the_environment_first(void **state)
{
    (void)state;
    char path[8192];
    setenv("XDG_DATA_HOME", "/data", 1);
    setenv("TEXTMILL_MODELS", "/one:/two", 1);
    tm_model_path(path, sizeof path);
    assert_string_equal(path, "/one:/two:/data/textmill/models:/usr/local/share/textmill/models:"
                              "/usr/share/textmill/models:/var/lib/textmill/models");
    unsetenv("XDG_DATA_HOME");
    unsetenv("TEXTMILL_MODELS");
    setenv("HOME", "/home/a", 1);
    tm_model_path(path, sizeof path);
    assert_memory_equal(path, "/home/a/.local/share/textmill/models:", 37);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, fake_tear_down)
    const struct CMUnitTest tests[] = {
        T(tasks_have_default_models_and_share_them),
        T(a_missing_model_is_looked_for_by_name),
        T(a_model_for_something_else_is_refused),
        T(the_path_has_the_environment_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
