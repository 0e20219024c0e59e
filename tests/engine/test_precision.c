/* Precisions as a caller sees them: what is resolved, what it costs, and that in each of them and
 * with every instruction set a sequence gives the same bits alone and in company.
 *
 * Runs over the tiny models of tests/conformance (argument: their folder). */
#include "tm_engine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEQUENCES = 37, LONGEST = 29, NUMBERS = LONGEST * 64, ANSWER = 256, BEAMS = 3 };

static const char *goldens;
static const char *const precisions[] = {"float32", "bf16", "int8"};
static const char *const encoders[] = {"bert-sequence", "modernbert-token", "deberta-v2-sequence",
                                       "sentence-dense"};
static const char *const generators[] = {"bart", "bart-cnn"};

struct input {
    int32_t ids[LONGEST], n;
};

struct output { /* numbers, or of generators ids and a score */
    float numbers[NUMBERS];
    int32_t ids[BEAMS][ANSWER];
    struct tm_generated generated[BEAMS];
};

static struct tm_engine *open_model(const char *name, const char *device, const char *precision,
                                    int32_t rows)
{
    char folder[4096];
    struct tm_err err = {TM_OK};
    struct tm_engine *e = NULL;
    struct tm_engine_limits limits = {.threads = 1, .batch_tokens = 300, .decode_rows = rows};
    snprintf(folder, sizeof folder, "%s/%s", goldens, name);
    if (tm_engine_open(folder, NULL, device, precision, &limits, &e, &err) != TM_OK)
        fail_msg("%s on %s: %s", name, device, err.text);
    return e;
}

static void make_inputs(const struct tm_engine *e, struct input *in)
{
    uint32_t state = 7;
    for (int i = 0; i < SEQUENCES; i++) {
        in[i].n = i < LONGEST ? i + 1 : LONGEST;
        for (int32_t k = 0; k < in[i].n; k++) {
            state = state * 1664525 + 1013904223;
            in[i].ids[k] = (int32_t)((state >> 8) % (uint32_t)tm_engine_info(e)->vocab_size);
        }
    }
}

/* Every second one searches, the others are greedy. */
static void submit(struct tm_engine *e, const struct input *in, struct output *out,
                   struct tm_generation *how, int i)
{
    const struct tm_engine_info *info = tm_engine_info(e);
    struct tm_sequence seq = {
        .ids = in[i].ids, .n_ids = in[i].n, .out = out[i].numbers, .out_size = NUMBERS};
    if (info->head == TM_HEAD_GENERATE) {
        how[i] = *info->generation;
        how[i].num_beams = how[i].num_return_sequences = i % 2 == 0 ? 1 : BEAMS;
        how[i].max_new_tokens = 9;
        for (int b = 0; b < BEAMS; b++)
            out[i].generated[b].ids = out[i].ids[b];
        seq.generation = &how[i];
        seq.generated = out[i].generated;
        assert_true(tm_engine_generated_most(e, &seq) <= ANSWER);
    } else {
        assert_true(tm_engine_output_size(e, in[i].n) <= NUMBERS);
    }
    struct tm_err err = {TM_OK};
    if (tm_engine_fits(e, &seq, &err) != TM_OK)
        fail_msg("%s: %s", info->folder, err.text);
    assert_int_equal(tm_engine_submit(e, &seq, (uint64_t)i), TM_OK);
}

/* All sequences, `at_once` of them in the engine together. */
static void run(const char *name, const char *device, const char *precision, int at_once,
                struct output *out)
{
    static struct input in[SEQUENCES];
    static struct tm_generation how[SEQUENCES];
    struct tm_engine *e = open_model(name, device, precision, at_once == 1 ? BEAMS : 17);
    struct tm_answer answer;
    make_inputs(e, in);
    memset(out, 0, SEQUENCES * sizeof *out);
    for (int i = 0; i < SEQUENCES; i += at_once) {
        int n = TM_MIN(at_once, SEQUENCES - i);
        for (int k = n - 1; k >= 0; k--) /* another order than when alone */
            submit(e, in, out, how, i + k);
        while (tm_engine_step(e, 0, NULL, NULL) == TM_OK)
            ;
        for (; n > 0; n--) {
            assert_int_equal(tm_engine_collect(e, &answer, 1), 1);
            assert_int_equal(answer.status, TM_OK);
        }
    }
    tm_engine_close(e);
}

static void check_same(const char *what, const struct output *a, const struct output *b)
{
    for (int i = 0; i < SEQUENCES; i++) {
        bool same = memcmp(a[i].numbers, b[i].numbers, sizeof a[i].numbers) == 0 &&
                    memcmp(a[i].ids, b[i].ids, sizeof a[i].ids) == 0;
        for (int k = 0; k < BEAMS; k++)
            same &= a[i].generated[k].n_ids == b[i].generated[k].n_ids &&
                    memcmp(&a[i].generated[k].score, &b[i].generated[k].score, sizeof(float)) == 0;
        if (!same)
            fail_msg("%s: sequence %d is another in company", what, i);
    }
}

static struct output alone[SEQUENCES], together[SEQUENCES];

static void test_invariance(void **arg)
{
    (void)arg;
    for (size_t p = 0; p < TM_COUNTOF(precisions); p++) {
        for (size_t m = 0; m < TM_COUNTOF(encoders) + TM_COUNTOF(generators); m++) {
            const char *name =
                m < TM_COUNTOF(encoders) ? encoders[m] : generators[m - TM_COUNTOF(encoders)];
            char what[256];
            snprintf(what, sizeof what, "%s as %s", name, precisions[p]);
            run(name, "auto", precisions[p], 1, alone);
            run(name, "auto", precisions[p], SEQUENCES, together);
            check_same(what, alone, together);
        }
    }
}

/* The mean square of the differences beside that of the numbers, as a root. */
static double distance(const struct output *a, const struct output *b)
{
    double all = 0, off = 0;
    for (int i = 0; i < SEQUENCES; i++) {
        for (int k = 0; k < NUMBERS; k++) {
            double d = (double)a[i].numbers[k] - (double)b[i].numbers[k];
            all += (double)a[i].numbers[k] * (double)a[i].numbers[k];
            off += d * d;
        }
    }
    return sqrt(off / all);
}

/* Each is what it says: rounding that can be seen, and no more than its bits explain. */
static void test_rounding(void **arg)
{
    (void)arg;
    static const double most[] = {1e-5, 0.04, 0.12};
    for (size_t m = 0; m < TM_COUNTOF(encoders); m++) {
        run(encoders[m], "ref", "float32", SEQUENCES, alone);
        for (size_t p = 0; p < TM_COUNTOF(precisions); p++) {
            run(encoders[m], "auto", precisions[p], SEQUENCES, together);
            double d = distance(alone, together);
            if (d > most[p] || (p > 0 && d < 1e-6))
                fail_msg("%s as %s: %g of its numbers", encoders[m], precisions[p], d);
        }
    }
}

/* Integers of gemm are the same everywhere (tests/kernels); what lies between is float32, so that
 * instruction sets differ by far less than int8 differs from float32. */
static void test_instruction_sets(void **arg)
{
    (void)arg;
    static const char *const devices[] = {"avx2", "avx512", "auto"};
    run("bert-sequence", "ref", "float32", SEQUENCES, alone);
    run("bert-sequence", "ref", "int8", SEQUENCES, together);
    double rounding = distance(alone, together);
    memcpy(alone, together, sizeof alone);
    for (size_t d = 0; d < TM_COUNTOF(devices); d++) {
        char folder[4096];
        struct tm_engine *e = NULL;
        struct tm_engine_limits limits = {.threads = 1};
        snprintf(folder, sizeof folder, "%s/bert-sequence", goldens);
        enum tm_status s = tm_engine_open(folder, NULL, devices[d], "int8", &limits, &e, NULL);
        tm_engine_close(e);
        if (s == TM_UNSUPPORTED)
            continue;
        run("bert-sequence", devices[d], "int8", SEQUENCES, together);
        if (distance(alone, together) > rounding / 4)
            fail_msg("%s: %g, rounding to int8 is %g", devices[d], distance(alone, together),
                     rounding);
    }
}

static size_t weight_bytes(const char *precision)
{
    struct tm_engine *e = open_model("bart", "auto", precision, 8);
    size_t bytes = tm_engine_info(e)->weight_bytes;
    assert_string_equal(tm_engine_info(e)->precision, precision);
    tm_engine_close(e);
    return bytes;
}

static void test_resolved(void **arg)
{
    (void)arg;
    size_t float32 = weight_bytes("float32"), bf16 = weight_bytes("bf16");
    assert_true(bf16 < float32);
    assert_true(weight_bytes("int8") < bf16);
    struct tm_engine *e = open_model("bart", "ref", "auto", 8);
    assert_string_equal(tm_engine_info(e)->precision, "float32");
    assert_string_equal(tm_engine_info(e)->gemm, "ref");
    tm_engine_close(e);
    e = open_model("bart", "auto", "auto", 8);
    assert_string_not_equal(tm_engine_info(e)->precision, "int8");
    assert_string_not_equal(tm_engine_info(e)->precision, "auto");
    tm_engine_close(e);
}

static void test_refused(void **arg)
{
    (void)arg;
    char folder[4096];
    struct tm_engine *e = NULL;
    struct tm_err err = {TM_OK};
    snprintf(folder, sizeof folder, "%s/bert", goldens);
    assert_int_equal(tm_engine_open(folder, NULL, "auto", "fp8", NULL, &e, &err), TM_UNSUPPORTED);
    assert_non_null(strstr(err.text, "fp8"));
    assert_null(e);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_invariance),       cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_instruction_sets), cmocka_unit_test(test_resolved),
        cmocka_unit_test(test_refused),
    };
    if (argc != 2)
        return 64;
    goldens = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
