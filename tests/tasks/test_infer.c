/* The infer stage: documents end out of order, engines and slots that are full lose nothing, a task
 * that fails leaves the others alone, tasks of several rounds, the report to the attempt journal.
 */
#include "fake.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const plain[] = {"negative", "neutral", "positive"};

/* A sequence that holds the word "poison" fails; at "spark" the device breaks. */
static enum tm_status answer(const int32_t *ids, int32_t n, float *out)
{
    for (int32_t i = 0; i < n; i++) {
        const char *word = fake_word(ids[i]);
        if (word != NULL && strcmp(word, "poison") == 0)
            return TM_MODEL;
        if (word != NULL && strcmp(word, "spark") == 0)
            return TM_DEVICE;
    }
    out[0] = 0;
    out[1] = 1;
    out[2] = 2;
    return TM_OK;
}

static int set_up(void **state)
{
    (void)state;
    fake_models[0] = (struct fake_model){
        "sentiment-en",
        {.head = TM_HEAD_SEQUENCE, .threads = 1, .max_length = 4, .n_labels = 3, .labels = plain},
        answer};
    fake_models[1] = (struct fake_model){
        "all-MiniLM-L6-v2",
        {.head = TM_HEAD_EMBEDDING, .threads = 2, .max_length = 16, .hidden_size = 3},
        answer};
    return 0;
}

static const char *const one_task[] = {"task", "sentiment", "stride", "0", NULL, NULL};
static const char *const two_tasks[] = {"task",    "sentiment", "stride", "0",  NULL, "task",
                                        "summary", "sentences", "1",      NULL, NULL};

struct stage {
    struct fake_pipeline p;
    struct tm_infer *in;
};

static void open_stage(struct stage *st, const char *const *entries, size_t slots)
{
    struct tm_err err = {0};
    assert_int_equal(fake_open(&st->p, entries, &err), TM_OK);
    assert_int_equal(tm_infer_create(st->p.models, slots, &st->in, &err), TM_OK);
}

static void close_stage(struct stage *st)
{
    tm_infer_destroy(st->in);
    fake_close(&st->p);
}

static struct tm_doc *named(struct tm_doc *doc, const char *id)
{
    doc->id = id;
    return doc;
}

/* Plans and submits; the stage owns it then. */
static enum tm_status submit(struct stage *st, struct tm_doc **doc)
{
    if ((*doc)->task_runs == NULL)
        fake_plan(&st->p, *doc);
    return tm_infer_submit(st->in, doc);
}

static void step(struct stage *st)
{
    tm_infer_step(st->in, 0, NULL, NULL, NULL);
}

/* The next document to be finished; the test owns it. */
static struct tm_doc *next_doc(struct stage *st)
{
    struct tm_doc *out = NULL;
    for (int i = 0; i < 1000 && tm_infer_poll(st->in, &out, 1) == 0; i++)
        step(st);
    assert_non_null(out);
    return out;
}

/* A doc of n windows of two words each. */
static struct tm_doc *doc_of_windows(const char *id, int n)
{
    struct tm_buf text = {.cap = 0};
    for (int i = 0; i < 2 * n; i++)
        tm_buf_printf(&text, "%s%s%d", i > 0 ? " " : "", id, i);
    struct tm_doc *doc = named(fake_text(text.data), id);
    tm_buf_finish(&text);
    return doc;
}

static void expect_next(struct stage *st, const char *id)
{
    struct tm_doc *doc = next_doc(st);
    assert_string_equal(doc->id, id);
    assert_int_equal(doc->task_runs[0].err.status, TM_OK);
    assert_non_null(doc->task_runs[0].result);
    tm_doc_destroy(doc);
}

/* ---- order and back-pressure ---- */

static void a_short_document_overtakes_a_long_one(void **state)
{
    (void)state;
    struct stage st;
    struct tm_doc *doc = doc_of_windows("long", 20);
    open_stage(&st, one_task, 4);
    assert_int_equal(submit(&st, &doc), TM_OK);
    doc = doc_of_windows("short", 1);
    assert_int_equal(submit(&st, &doc), TM_OK);
    assert_int_equal(tm_infer_inside(st.in), 2);
    fake_newest_first = true;
    fake_batch = 1;
    expect_next(&st, "short");
    assert_int_equal(tm_infer_inside(st.in), 1);
    expect_next(&st, "long");
    assert_int_equal(tm_infer_inside(st.in), 0);
    close_stage(&st);
}

/* An engine that holds 3 sequences, a document of 20: each is run once, none is lost. */
static void a_full_engine_is_only_a_delay(void **state)
{
    (void)state;
    struct stage st;
    struct tm_doc *doc = doc_of_windows("long", 20), *other = doc_of_windows("other", 2);
    fake_room = 3;
    fake_batch = 2;
    open_stage(&st, one_task, 4);
    assert_int_equal(submit(&st, &doc), TM_OK);
    assert_int_equal(submit(&st, &other), TM_OK);
    doc = next_doc(&st);
    assert_string_equal(doc->id, "long");
    assert_int_equal(json_integer_value(json_object_get(doc->task_runs[0].result, "windows")), 20);
    assert_int_equal(doc->tokens_in, 20 * 4);
    tm_doc_destroy(doc);
    expect_next(&st, "other");
    assert_int_equal(fake_n_seen, 22);
    for (int i = 0; i < 20; i++) {
        char word[16];
        snprintf(word, sizeof word, "long%d", 2 * i);
        assert_string_equal(fake_word(fake_seen[i].ids[1]), word);
    }
    close_stage(&st);
}

static void full_slots_leave_the_document_with_the_caller(void **state)
{
    (void)state;
    struct stage st;
    struct tm_doc *docs[3];
    open_stage(&st, one_task, 2);
    for (int i = 0; i < 3; i++)
        docs[i] = doc_of_windows(i == 0 ? "a" : i == 1 ? "b" : "c", 2);
    assert_int_equal(submit(&st, &docs[0]), TM_OK);
    assert_int_equal(submit(&st, &docs[1]), TM_OK);
    assert_int_equal(submit(&st, &docs[2]), TM_AGAIN);
    assert_non_null(docs[2]);
    expect_next(&st, "a");
    assert_int_equal(submit(&st, &docs[2]), TM_OK);
    assert_null(docs[2]);
    expect_next(&st, "b");
    expect_next(&st, "c");
    close_stage(&st);
}

static void a_document_without_sequences_comes_straight_out(void **state)
{
    (void)state;
    static const char *const summary[] = {"summary"};
    struct stage st;
    struct tm_doc *doc = fake_text("a b c d e"), *out = NULL;
    doc->tasks = summary; /* its text is within the target */
    doc->n_tasks = 1;
    open_stage(&st, two_tasks, 4);
    assert_int_equal(submit(&st, &doc), TM_OK);
    assert_int_equal(tm_infer_poll(st.in, &out, 1), 1);
    assert_true(out->task_runs[0].skipped);
    assert_non_null(out->task_runs[1].result);
    assert_int_equal(fake_n_seen, 0);
    tm_doc_destroy(out);
    close_stage(&st);
}

static void destroy_frees_what_is_inside(void **state)
{
    (void)state;
    struct stage st;
    struct tm_doc *doc = fake_text("~~"), *held = doc_of_windows("held", 3);
    open_stage(&st, one_task, 4);
    assert_int_equal(submit(&st, &doc), TM_OK);  /* done: nothing to run */
    assert_int_equal(submit(&st, &held), TM_OK); /* not handed to the engine yet */
    close_stage(&st);                            /* the leak checker says the rest */
}

/* ---- tasks that fail ---- */

static void one_failed_task_leaves_the_other(void **state)
{
    (void)state;
    struct stage st;
    /* The classifier's windows are two words, one holds the poison; the summary's sentence too, but
     * only one sentence: the text is within its target. */
    struct tm_doc *doc = fake_text("a b c poison d e");
    open_stage(&st, two_tasks, 4);
    assert_int_equal(submit(&st, &doc), TM_OK);
    doc = next_doc(&st);
    assert_int_equal(doc->err.status, TM_OK);
    assert_int_equal(doc->task_runs[0].err.status, TM_MODEL);
    assert_non_null(strstr(doc->task_runs[0].err.text, "sequence 1 of 3"));
    assert_null(doc->task_runs[0].result);
    assert_non_null(doc->task_runs[1].result);
    tm_doc_destroy(doc);
    close_stage(&st);
}

/* The document that was on it neither ends nor fails: it stays inside, to be done again. */
static void a_broken_device_fails_no_document(void **state)
{
    (void)state;
    struct stage st;
    open_stage(&st, one_task, 4);
    struct tm_doc *hit = named(fake_text("a spark"), "hit"),
                  *spared = named(fake_text("b c"), "spared");
    assert_int_equal(submit(&st, &hit), TM_OK);
    assert_int_equal(submit(&st, &spared), TM_OK);
    expect_next(&st, "spared");
    struct tm_doc *out = NULL;
    assert_int_equal(tm_infer_poll(st.in, &out, 1), 0);
    assert_int_equal(tm_infer_inside(st.in), 1);
    close_stage(&st);
}

static void an_unknown_task_of_the_envelope_is_said(void **state)
{
    (void)state;
    static const char *const wanted[] = {"sentiment", "translation"};
    struct stage st;
    struct tm_doc *doc = fake_text("a b");
    doc->tasks = wanted;
    doc->n_tasks = 2;
    open_stage(&st, two_tasks, 4);
    assert_int_equal(submit(&st, &doc), TM_OK);
    doc = next_doc(&st);
    assert_non_null(doc->task_runs[0].result);
    assert_true(doc->task_runs[1].skipped);
    assert_int_equal(doc->n_warnings, 1);
    assert_string_equal(doc->warnings[0].code, "W_TASK_UNKNOWN");
    assert_string_equal(doc->warnings[0].task, "translation");
    tm_doc_destroy(doc);
    close_stage(&st);
}

/* ---- rounds ---- */

enum { ROUNDS = 3 };
struct rounds {
    int n;
    float out[3];
    struct tm_seq seq;
};

static enum tm_status more(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    static const int32_t ids[] = {FAKE_CLS, FAKE_SEP};
    (void)t;
    (void)doc;
    (void)enc;
    (void)err;
    struct rounds *r = run->state;
    r->n++;
    r->seq = (struct tm_seq){.ids = ids, .n_ids = 2, .out = r->out, .out_size = 3};
    run->seqs = &r->seq;
    run->n_seqs = r->n <= ROUNDS;
    run->done = r->n > ROUNDS;
    return TM_OK;
}

static void a_task_may_take_several_rounds(void **state)
{
    (void)state;
    static const struct tm_task_ops ops = {.name = "chain", .key = "chain", .next = more};
    struct stage st;
    struct tm_err err = {0};
    open_stage(&st, one_task, 4);
    const struct tm_task task = {&ops, st.p.task[0].conf, tm_models_get(st.p.models, 0), NULL};
    struct tm_doc *doc = doc_of_windows("chain", 3), *out;
    fake_plan(&st.p, doc); /* the first task runs beside it, in one round */
    struct tm_task_run *runs = tm_arena_array(doc->arena, 2, sizeof *runs);
    runs[0] = doc->task_runs[0];
    runs[1] = (struct tm_task_run){.task = &task,
                                   .state = tm_arena_alloc(doc->arena, sizeof(struct rounds))};
    doc->task_runs = runs;
    doc->n_task_runs = 2;
    assert_int_equal(more(&task, doc, &runs[1], NULL, &err), TM_OK);
    assert_int_equal(submit(&st, &doc), TM_OK);
    fake_batch = 1;
    fake_newest_first = true; /* its rounds pass while the other task is still in the engine */
    out = next_doc(&st);
    assert_int_equal(((struct rounds *)out->task_runs[1].state)->n, ROUNDS + 1);
    assert_true(out->task_runs[1].done);
    assert_non_null(out->task_runs[0].result);
    assert_int_equal(fake_n_seen, 3 + ROUNDS);
    tm_doc_destroy(out);
    close_stage(&st);
}

/* ---- the report of a batch ---- */

struct heard {
    char text[64]; /* "+a +b -a -b": before and after */
};

static void hear(void *arg, struct tm_doc *const *docs, size_t n, bool ran)
{
    struct heard *h = arg;
    for (size_t i = 0; i < n; i++)
        snprintf(h->text + strlen(h->text), sizeof h->text - strlen(h->text), "%s%c%s",
                 h->text[0] != '\0' ? " " : "", ran ? '-' : '+', docs[i]->id);
}

static void the_report_names_each_document_once(void **state)
{
    (void)state;
    struct stage st;
    struct heard heard = {""};
    struct tm_metrics metrics = {0};
    struct tm_doc *docs[2] = {doc_of_windows("a", 3), doc_of_windows("b", 2)}, *out[2];
    open_stage(&st, one_task, 4);
    assert_int_equal(submit(&st, &docs[0]), TM_OK);
    assert_int_equal(submit(&st, &docs[1]), TM_OK);
    assert_int_equal(tm_infer_poll(st.in, out, 2), 0); /* hands over */
    assert_int_equal(tm_infer_step(st.in, 0, hear, &heard, &metrics), TM_OK);
    assert_string_equal(heard.text, "+a +b -a -b");
    assert_int_equal(tm_infer_step(st.in, 0, hear, &heard, &metrics), TM_AGAIN);
    assert_int_equal(tm_metric_get(&metrics, TM_METRIC_SEQUENCES), 5);
    assert_int_equal(tm_metric_get(&metrics, TM_METRIC_TOKENS), 20);
    assert_int_equal(tm_infer_poll(st.in, out, 2), 2);
    tm_doc_destroy(out[0]);
    tm_doc_destroy(out[1]);
    close_stage(&st);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, fake_tear_down)
    const struct CMUnitTest tests[] = {
        T(a_short_document_overtakes_a_long_one),
        T(a_full_engine_is_only_a_delay),
        T(full_slots_leave_the_document_with_the_caller),
        T(a_document_without_sequences_comes_straight_out),
        T(destroy_frees_what_is_inside),
        T(one_failed_task_leaves_the_other),
        T(a_broken_device_fails_no_document),
        T(an_unknown_task_of_the_envelope_is_said),
        T(a_task_may_take_several_rounds),
        T(the_report_names_each_document_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
