/* The engine as a caller sees it: batches, workers, cancelling, a full queue, what fits.
 *
 * Runs over the tiny models of tests/conformance (argument: their folder). */
#include "tm_engine.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEQUENCES = 97, LONGEST = 61, VOCAB = 311, WORKERS = 4 };

static const char *goldens;

struct input {
    int32_t ids[LONGEST];
    uint8_t skip[LONGEST];
    struct tm_sequence seq;
    float *alone, *together; /* results */
};

static struct tm_engine *open_model(const char *name, const char *device,
                                    const struct tm_engine_limits *limits)
{
    char folder[4096], base[4096];
    struct tm_err err = {TM_OK};
    struct tm_engine *e = NULL;
    snprintf(folder, sizeof folder, "%s/%s", goldens, name);
    snprintf(base, sizeof base, "%s/%s/base", goldens, name);
    bool adapter = strncmp(name, "adapter", 7) == 0;
    if (tm_engine_open(folder, adapter ? base : NULL, device, "auto", limits, &e, &err) != TM_OK)
        fail_msg("%s: %s", name, err.text);
    return e;
}

static uint32_t state;

static uint32_t any(uint32_t below)
{
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
}

/* Sequences of every length, with pads, parts and masks in some. */
static void make_inputs(const struct tm_engine *e, struct input *in, int n)
{
    state = 1;
    for (int i = 0; i < n; i++) {
        int32_t len = i < LONGEST ? i + 1 : 1 + (int32_t)any(LONGEST);
        for (int32_t k = 0; k < len; k++) {
            in[i].ids[k] = (int32_t)any(VOCAB);
            in[i].skip[k] = any(8) == 0;
        }
        size_t size = tm_engine_output_size(e, len);
        in[i].alone = calloc(size, sizeof(float));
        in[i].together = calloc(size, sizeof(float));
        in[i].seq = (struct tm_sequence){.ids = in[i].ids,
                                         .n_ids = len,
                                         .out_size = size,
                                         .skip = any(3) == 0 ? in[i].skip : NULL,
                                         .n_first = any(2) ? (int32_t)any((uint32_t)len + 1) : 0};
    }
}

static void free_inputs(struct input *in, int n)
{
    for (int i = 0; i < n; i++) {
        free(in[i].alone);
        free(in[i].together);
    }
}

static void run_alone(struct tm_engine *e, struct input *in, int n)
{
    struct tm_answer answer;
    for (int i = 0; i < n; i++) {
        in[i].seq.out = in[i].alone;
        assert_int_equal(tm_engine_submit(e, &in[i].seq, (uint64_t)i), TM_OK);
        assert_int_equal(tm_engine_step(e, 0, NULL, NULL), TM_OK);
        assert_int_equal(tm_engine_collect(e, &answer, 1), 1);
        assert_int_equal(answer.cookie, i);
        assert_int_equal(answer.status, TM_OK);
        assert_int_equal(answer.n_ids, in[i].seq.n_ids);
    }
}

static void check_same(const char *name, const char *device, const struct input *in, int n)
{
    for (int i = 0; i < n; i++)
        if (memcmp(in[i].alone, in[i].together, in[i].seq.out_size * sizeof(float)) != 0)
            fail_msg("%s on %s: sequence %d of %d ids differs in company", name, device, i,
                     in[i].seq.n_ids);
}

/* ---- batch invariance ---- */

static const char *const models[] = {"adapter",
                                     "bert-sequence",
                                     "bert-span",
                                     "roberta-token",
                                     "bert-relative-key-query",
                                     "modernbert-sequence-mean",
                                     "modernbert-token",
                                     "mpnet-sequence",
                                     "sentence-mean",
                                     "sentence-dense",
                                     "sentence-last"};

static void test_invariance_on(const char *device, size_t n_models)
{
    static struct input in[SEQUENCES];
    static const int32_t budgets[] = {16, 200, 4096};
    for (size_t m = 0; m < n_models; m++) {
        struct tm_engine_limits one = {.threads = 1};
        struct tm_engine *e = open_model(models[m], device, &one);
        make_inputs(e, in, SEQUENCES);
        run_alone(e, in, SEQUENCES);
        tm_engine_close(e);
        for (size_t b = 0; b < TM_COUNTOF(budgets); b++) {
            struct tm_engine_limits limits = {.threads = 1, .batch_tokens = budgets[b]};
            struct tm_answer answers[SEQUENCES];
            e = open_model(models[m], device, &limits);
            for (int i = 0; i < SEQUENCES; i++) {
                int k = i * 31 % SEQUENCES; /* another order */
                in[k].seq.out = in[k].together;
                memset(in[k].together, 0, in[k].seq.out_size * sizeof(float));
                assert_int_equal(tm_engine_submit(e, &in[k].seq, (uint64_t)k), TM_OK);
            }
            while (tm_engine_step(e, 0, NULL, NULL) == TM_OK)
                ;
            assert_int_equal(tm_engine_collect(e, answers, SEQUENCES), SEQUENCES);
            check_same(models[m], device, in, SEQUENCES);
            tm_engine_close(e);
        }
        free_inputs(in, SEQUENCES);
    }
}

static void test_invariance(void **arg)
{
    (void)arg;
    test_invariance_on("auto", TM_COUNTOF(models));
}

static void test_invariance_ref(void **arg)
{
    (void)arg;
    test_invariance_on("ref", 2); /* slow */
}

/* ---- workers ---- */

struct work {
    struct tm_engine *e;
    int32_t worker;
    _Atomic int *left; /* sequences not yet run */
};

static void count_down(void *arg, const uint64_t *cookies, size_t n, bool ran)
{
    (void)cookies;
    if (ran)
        atomic_fetch_sub((_Atomic int *)arg, (int)n);
}

static void *work(void *arg)
{
    struct work *w = arg;
    while (atomic_load(w->left) > 0)
        if (tm_engine_step(w->e, w->worker, count_down, w->left) == TM_AGAIN)
            sched_yield();
    return NULL;
}

/* Four workers at once, sequences submitted and collected meanwhile: same bits, each answered once.
 */
static void test_workers(void **arg)
{
    (void)arg;
    static struct input in[SEQUENCES];
    struct tm_engine_limits limits = {.threads = WORKERS, .batch_tokens = 128, .queue = 24};
    struct tm_engine *e = open_model("bert-sequence", "auto", &limits);
    _Atomic int left = SEQUENCES;
    struct work works[WORKERS];
    pthread_t threads[WORKERS];
    int seen[SEQUENCES] = {0}, collected = 0, submitted = 0;
    make_inputs(e, in, SEQUENCES);
    run_alone(e, in, SEQUENCES);
    for (int i = 0; i < WORKERS; i++) {
        works[i] = (struct work){e, i, &left};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &works[i]), 0);
    }
    while (collected < SEQUENCES) {
        struct tm_answer answers[7];
        if (submitted < SEQUENCES) {
            in[submitted].seq.out = in[submitted].together;
            submitted += tm_engine_submit(e, &in[submitted].seq, (uint64_t)submitted) == TM_OK;
        }
        size_t n = tm_engine_collect(e, answers, TM_COUNTOF(answers));
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(answers[i].status, TM_OK);
            seen[answers[i].cookie]++;
        }
        collected += (int)n;
        if (n == 0)
            sched_yield();
    }
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < SEQUENCES; i++)
        assert_int_equal(seen[i], 1);
    check_same("bert-sequence", "four workers", in, SEQUENCES);
    free_inputs(in, SEQUENCES);
    tm_engine_close(e);
}

/* ---- the queue ---- */

static void test_full(void **arg)
{
    (void)arg;
    struct tm_engine_limits limits = {.threads = 1, .batch_tokens = 8, .queue = 3};
    struct tm_engine *e = open_model("bert-sequence", "auto", &limits);
    const int32_t ids[] = {5, 6, 7, 8, 9};
    float out[8];
    struct tm_answer answers[4];
    struct tm_sequence seq = {
        .ids = ids, .n_ids = 5, .out = out, .out_size = tm_engine_output_size(e, 5)};
    assert_int_equal(tm_engine_step(e, 0, NULL, NULL), TM_AGAIN);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(tm_engine_submit(e, &seq, i), TM_OK);
    assert_int_equal(tm_engine_submit(e, &seq, 3), TM_AGAIN);
    assert_int_equal(tm_engine_waiting(e), 3);
    /* Eight tokens hold one sequence of five; run but not collected, it keeps its place. */
    assert_int_equal(tm_engine_step(e, 0, NULL, NULL), TM_OK);
    assert_int_equal(tm_engine_waiting(e), 2);
    assert_int_equal(tm_engine_submit(e, &seq, 3), TM_AGAIN);
    assert_int_equal(tm_engine_collect(e, answers, 4), 1);
    assert_int_equal(answers[0].cookie, 0); /* the oldest went first */
    assert_int_equal(tm_engine_submit(e, &seq, 3), TM_OK);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(tm_engine_step(e, 0, NULL, NULL), TM_OK);
        assert_int_equal(tm_engine_collect(e, answers, 4), 1);
        assert_int_equal(answers[0].cookie, i);
    }
    assert_int_equal(tm_engine_collect(e, answers, 4), 0);
    tm_engine_close(e);
}

static void note(void *arg, const uint64_t *cookies, size_t n, bool ran)
{
    int *seen = arg;
    for (size_t i = 0; i < n; i++)
        seen[cookies[i]] += ran ? 10 : 1;
}

static void test_cancel(void **arg)
{
    (void)arg;
    struct tm_engine_limits limits = {.threads = 1, .batch_tokens = 64, .queue = 8};
    struct tm_engine *e = open_model("bert-token", "auto", &limits);
    const int32_t ids[] = {5, 6, 7};
    float out[4][15];
    int seen[4] = {0};
    struct tm_answer answers[4];
    for (uint64_t i = 0; i < 4; i++) {
        struct tm_sequence seq = {.ids = ids, .n_ids = 3, .out = out[i], .out_size = 15};
        out[i][0] = -77;
        assert_int_equal(tm_engine_submit(e, &seq, i), TM_OK);
    }
    tm_engine_cancel(e, 1);
    tm_engine_cancel(e, 99);
    assert_int_equal(tm_engine_waiting(e), 3);
    assert_int_equal(tm_engine_collect(e, answers, 4), 1);
    assert_int_equal(answers[0].cookie, 1);
    assert_int_equal(answers[0].status, TM_CANCELLED);
    assert_int_equal(tm_engine_step(e, 0, note, seen), TM_OK);
    assert_int_equal(tm_engine_step(e, 0, note, seen), TM_AGAIN);
    tm_engine_cancel(e, 2); /* it has run: its answer stands */
    assert_int_equal(tm_engine_collect(e, answers, 4), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(answers[i].status, TM_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(seen[i], i == 1 ? 0 : 11); /* told before and after, once each */
    assert_true(out[1][0] == -77 && out[2][0] != -77);
    tm_engine_close(e);
}

/* ---- what fits ---- */

static void test_fits(void **arg)
{
    (void)arg;
    struct tm_engine_limits limits = {.threads = 1};
    struct tm_engine *e = open_model("roberta-sequence", "auto", &limits);
    int32_t ids[80];
    struct tm_sequence seq = {.ids = ids, .n_ids = 62};
    struct tm_err err = {TM_OK};
    for (int i = 0; i < 80; i++)
        ids[i] = i;
    /* 64 positions, of which pad id 1 takes two. */
    assert_int_equal(tm_engine_info(e)->max_length, 62);
    assert_int_equal(tm_engine_fits(e, &seq, &err), TM_OK);
    seq.n_ids = 63;
    assert_int_equal(tm_engine_fits(e, &seq, &err), TM_TOOLARGE);
    assert_string_equal(err.text, "63 ids, the model takes 62");
    seq.n_ids = 0;
    assert_int_equal(tm_engine_fits(e, &seq, NULL), TM_BADINPUT);
    seq.n_ids = 5;
    seq.n_first = 6;
    assert_int_equal(tm_engine_fits(e, &seq, NULL), TM_BADINPUT);
    seq.n_first = 5;
    assert_int_equal(tm_engine_fits(e, &seq, NULL), TM_OK);
    ids[3] = VOCAB;
    assert_int_equal(tm_engine_fits(e, &seq, NULL), TM_BADINPUT);
    ids[3] = -1;
    assert_int_equal(tm_engine_fits(e, &seq, NULL), TM_BADINPUT);
    tm_engine_close(e);
}

static void test_info(void **arg)
{
    (void)arg;
    struct tm_engine_limits limits = {.threads = 2};
    struct tm_engine *e = open_model("adapter", "ref", &limits);
    const struct tm_engine_info *info = tm_engine_info(e);
    assert_string_equal(info->family, "bert");
    assert_string_equal(info->architecture, "BertForSequenceClassification");
    assert_string_equal(info->isa, "ref");
    assert_int_equal(info->head, TM_HEAD_SEQUENCE);
    assert_int_equal(info->problem, TM_PROBLEM_SINGLE_LABEL);
    assert_int_equal(info->threads, 2);
    assert_int_equal(info->n_labels, 3);
    assert_string_equal(info->labels[2], "class 2");
    tm_engine_close(e);
    e = open_model("adapter-bare", "auto", &limits); /* labels by the classifier's rows */
    assert_int_equal(tm_engine_info(e)->n_labels, 4);
    assert_string_equal(tm_engine_info(e)->labels[3], "LABEL_3");
    tm_engine_close(e);
    e = open_model("bert-one-logit", "auto", &limits);
    assert_int_equal(tm_engine_info(e)->problem, TM_PROBLEM_REGRESSION);
    tm_engine_close(e);
    e = open_model("sentence-dense", "auto", &limits);
    assert_int_equal(tm_engine_info(e)->hidden_size, 20);
    assert_int_equal(tm_engine_info(e)->max_length, 61);
    tm_engine_close(e);
}

static void test_adapter_base(void **arg)
{
    (void)arg;
    char folder[4096], name[64], small[4];
    struct tm_err err = {TM_OK};
    snprintf(folder, sizeof folder, "%s/adapter", goldens);
    assert_int_equal(tm_engine_adapter_base(folder, name, sizeof name, &err), TM_OK);
    assert_string_equal(name, "tiny-bert");
    assert_int_equal(tm_engine_adapter_base(folder, small, sizeof small, NULL), TM_TOOLARGE);
    snprintf(folder, sizeof folder, "%s/bert", goldens);
    assert_int_equal(tm_engine_adapter_base(folder, name, sizeof name, NULL), TM_NOTFOUND);
}

static void test_refused(void **arg)
{
    (void)arg;
    char folder[4096];
    struct tm_engine *e = NULL;
    snprintf(folder, sizeof folder, "%s/bert", goldens);
    assert_int_equal(tm_engine_open(folder, NULL, "cuda", "auto", NULL, &e, NULL), TM_UNSUPPORTED);
    assert_null(e);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_invariance), cmocka_unit_test(test_invariance_ref),
        cmocka_unit_test(test_workers),    cmocka_unit_test(test_full),
        cmocka_unit_test(test_cancel),     cmocka_unit_test(test_fits),
        cmocka_unit_test(test_info),       cmocka_unit_test(test_adapter_base),
        cmocka_unit_test(test_refused),
    };
    if (argc != 2)
        return 64;
    goldens = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
