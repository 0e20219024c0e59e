/* Generation through the engine: company, order, workers and shortage of pages change no bit of an
 * answer; cancelled sequences leave room; steps allocate nothing; lengths; what sampling draws.
 *
 * Over models of random weights (tiny.c), so that no file is needed. */
#include "allocations.h"
#include "generating.h"

#include <math.h>

static const struct tiny tinies[] = {
    {TINY_LLAMA, 331, 32, 4, 2, 48, 2, 256},
    {TINY_T5, 331, 32, 4, 4, 48, 2, 0},
    {TINY_BART, 331, 32, 4, 4, 48, 2, 256},
};

/* ---- sequences of all kinds ---- */

enum { JOBS = 64 };

/* Greedy, beams and samples, with their options turned on here and there; a third is long. */
static void make_job(const struct tm_engine *e, struct job *j, int i)
{
    static const int32_t new_ids[] = {3, 5, 8, 70, 4, 90, 2, 33};
    job_make(e, j, 1 + i * 7 % 50, (uint64_t)i + 1);
    struct tm_generation *g = &j->how;
    g->max_new_tokens = new_ids[i % 8];
    g->min_new_tokens = i % 2 == 0 ? new_ids[i % 8] - 1 : -1;
    g->num_beams = i % 3 == 1 ? 2 + i % 4 : 1;
    g->do_sample = i % 3 == 2;
    g->num_return_sequences = i % 3 == 0 ? 1 : 2;
    g->no_repeat_ngram_size = i % 5 == 0 ? 3 : 0;
    g->encoder_no_repeat_ngram_size = i % 7 == 0 ? 2 : 0;
    g->repetition_penalty = i % 4 == 0 ? 1.3F : 1;
    g->length_penalty = i % 6 == 1 ? 2 : 1;
    g->early_stopping = (enum tm_early)(i % 3);
    g->renormalize_logits = i % 5 == 1;
    g->temperature = i % 2 == 0 ? 0.8F : 1;
    g->top_k = i % 4 == 2 ? 0 : 25;
    g->top_p = i % 6 == 2 ? 0.9F : 1;
    g->min_p = i % 6 == 5 ? 0.02F : 0;
    g->typical_p = i % 9 == 8 ? 0.7F : 1;
}

static void make_jobs(const struct tm_engine *e, struct job *jobs)
{
    for (int i = 0; i < JOBS; i++)
        make_job(e, &jobs[i], i);
}

static void run_alone(struct tm_engine *e, struct job *jobs)
{
    make_jobs(e, jobs);
    for (int i = 0; i < JOBS; i++)
        jobs_run(e, &jobs[i], 1, NULL, 1);
}

static struct job alone[JOBS], together[JOBS];

/* ---- company ---- */

static void test_company(void **arg)
{
    (void)arg;
    static const struct {
        int32_t rows, tokens;
        int workers, stride; /* of the order */
    } ways[] = {{7, 60, 1, 1}, {64, 2048, 1, 29}, {64, 100, 2, 1}, {13, 2048, 2, 51}};
    int order[JOBS];
    for (size_t m = 0; m < TM_COUNTOF(tinies); m++) {
        struct tm_engine_limits one = {.threads = 1};
        struct tm_engine *e = open_tiny(&tinies[m], "auto", &one);
        run_alone(e, alone);
        for (size_t w = 0; w < TM_COUNTOF(ways); w++) {
            struct tm_engine_limits limits = {.threads = ways[w].workers,
                                              .batch_tokens = ways[w].tokens,
                                              .decode_rows = ways[w].rows};
            struct tm_engine *f = open_engine(tm_engine_info(e)->folder, "auto", &limits);
            make_jobs(f, together);
            for (int i = 0; i < JOBS; i++)
                order[i] = i * ways[w].stride % JOBS;
            jobs_run(f, together, JOBS, order, ways[w].workers);
            jobs_same("in company", alone, together, JOBS);
            tm_engine_close(f);
        }
        close_tiny(e);
    }
}

/* ---- pages ---- */

static size_t page_bytes(const struct tiny *t)
{
    return (size_t)t->layers * 2 * 32 * (size_t)(t->width / t->heads * t->kv_heads) * sizeof(float);
}

/* Short ones first: what they say of lengths lets too many in, and the youngest must begin again.
 */
static void test_shortage(void **arg)
{
    (void)arg;
    for (size_t m = 0; m < TM_COUNTOF(tinies); m++) {
        struct tm_engine_limits one = {.threads = 1};
        struct tm_engine_limits few = {.threads = 1, .kv_bytes = 34 * page_bytes(&tinies[m])};
        struct tm_engine *e = open_tiny(&tinies[m], "auto", &one);
        struct tm_engine *f = open_engine(tm_engine_info(e)->folder, "auto", &few);
        int order[JOBS], n = 0;
        run_alone(e, alone);
        make_jobs(f, together);
        for (int i = 0; i < JOBS; i++)
            if (together[i].how.max_new_tokens < 10)
                order[n++] = i;
        for (int i = 0; i < JOBS; i++)
            if (together[i].how.max_new_tokens >= 10)
                order[n++] = i;
        assert_true(jobs_run(f, together, JOBS, order, 1) > 0);
        jobs_same("short of pages", alone, together, JOBS);
        tm_engine_close(f);
        close_tiny(e);
    }
}

/* ---- cancelling ---- */

/* Some are cancelled while they wait, some while they run. Those that stay answer as ever, and
 * afterwards all pages and rows are there for a sequence that needs them all. */
static void test_cancel(void **arg)
{
    (void)arg;
    enum { BEAMS = 4, NEW = 180 };
    for (size_t m = 0; m < TM_COUNTOF(tinies); m++) {
        struct tm_engine_limits one = {.threads = 1};
        struct tm_engine_limits few = {
            .threads = 1, .decode_rows = 16, .kv_bytes = 30 * page_bytes(&tinies[m])};
        struct tm_engine *e = open_tiny(&tinies[m], "auto", &one);
        struct tm_engine *f = open_engine(tm_engine_info(e)->folder, "auto", &few);
        struct tm_answer answers[JOBS];
        int cancelled = 0;
        run_alone(e, alone);
        make_jobs(f, together);
        for (int i = 0; i < JOBS; i++)
            assert_int_equal(tm_engine_submit(f, &together[i].seq, (uint64_t)i), TM_OK);
        for (int step = 0; step < 12; step++)
            assert_int_equal(tm_engine_step(f, 0, NULL, NULL), TM_OK);
        for (uint64_t i = 0; i < JOBS; i += 2)
            tm_engine_cancel(f, i);
        while (tm_engine_step(f, 0, NULL, NULL) == TM_OK)
            ;
        assert_int_equal(tm_engine_collect(f, answers, JOBS), JOBS);
        for (int i = 0; i < JOBS; i++) {
            int k = (int)answers[i].cookie;
            cancelled += answers[i].status == TM_CANCELLED;
            if (k % 2 == 0 && answers[i].status == TM_CANCELLED)
                continue;
            together[k].status = answers[i].status;
            jobs_same("others were cancelled", &alone[k], &together[k], 1);
        }
        assert_true(cancelled > JOBS / 4);
        job_make(f, &together[0], 40, 1);
        together[0].how.max_new_tokens = NEW;
        together[0].how.num_beams = BEAMS;
        together[0].how.n_eos = 0;
        jobs_run(f, together, 1, NULL, 1);
        assert_int_equal(together[0].status, TM_OK);
        tm_engine_close(f);
        close_tiny(e);
    }
}

/* ---- memory ---- */

static enum tm_guide_verdict go_on(const struct tm_guide *g, void *state, int32_t id)
{
    (void)g;
    *(int32_t *)state = id;
    return TM_GUIDE_GO;
}

static void begin(const struct tm_guide *g, void *state)
{
    go_on(g, state, 0);
}

static void even(const struct tm_guide *g, const void *state, uint32_t *bits)
{
    (void)g;
    bits[0] &= *(const int32_t *)state % 2 == 0 ? 0x55555555u : 0xfffffff0u;
}

static void test_memory(void **arg)
{
    (void)arg;
    static const struct tm_guide guide = {
        .state_size = sizeof(int32_t), .init = begin, .advance = go_on, .mask = even};
    if (allocations() < 0)
        skip();
    for (size_t m = 0; m < TM_COUNTOF(tinies); m++) {
        struct tm_engine_limits limits = {.threads = 1, .kv_bytes = 60 * page_bytes(&tinies[m])};
        struct tm_engine *e = open_tiny(&tinies[m], "auto", &limits);
        for (int round = 0; round < 2; round++) { /* the first warms up */
            make_jobs(e, together);
            for (int i = 0; i < JOBS; i += 4)
                together[i].seq.guide = &guide;
            long before = allocations();
            jobs_run(e, together, JOBS, NULL, 1);
            if (round == 1)
                assert_int_equal(allocations(), before);
        }
        close_tiny(e);
    }
}

/* ---- lengths ---- */

static int32_t run_one(struct tm_engine *e, struct job *j)
{
    jobs_run(e, j, 1, NULL, 1);
    assert_int_equal(j->status, TM_OK);
    j->answers = 0;
    return j->got[0].n_ids;
}

static void test_lengths(void **arg)
{
    (void)arg;
    for (size_t m = 0; m < TM_COUNTOF(tinies); m++) {
        struct tm_engine_limits limits = {.threads = 1};
        struct tm_engine *e = open_tiny(&tinies[m], "auto", &limits);
        struct job *j = &together[0];
        struct tm_err err = {TM_OK};
        int32_t prompt = tm_engine_info(e)->encoder_decoder ? 1 : 9;
        job_make(e, j, 9, 4);
        j->how.n_eos = 0;
        j->how.max_length = prompt + 7;
        assert_int_equal(run_one(e, j), prompt + 7);
        assert_int_equal(j->got[0].finish_reason, TM_FINISH_LENGTH);
        j->how.max_new_tokens = 1; /* wins */
        assert_int_equal(run_one(e, j), prompt + 1);
        j->how.max_length = j->how.max_new_tokens = -1;
        assert_int_equal(run_one(e, j), prompt + 20);
        j->how.max_length = prompt;
        assert_int_equal(tm_engine_fits(e, &j->seq, &err), TM_BADINPUT);
        j->how.max_length = 1 << 20;
        assert_int_equal(tm_engine_fits(e, &j->seq, NULL), TM_TOOLARGE);
        /* Every id but the first ends, so that the shortest answer is what is allowed. */
        int32_t eos[16];
        j->how = *tm_engine_info(e)->generation;
        j->how.max_new_tokens = 30;
        j->how.do_sample = true;
        for (int32_t i = 0; i < 16; i++)
            eos[i] = 3 + i;
        j->how.eos_token_ids = eos;
        j->how.n_eos = 16;
        j->how.top_k = 0;
        for (uint64_t seed = 0; seed < 40; seed++) {
            j->seq.key[0] = seed;
            j->how.min_length = prompt + 6;
            j->how.min_new_tokens = seed % 2 == 0 ? 11 : -1;
            int32_t n = run_one(e, j), least = prompt + (seed % 2 == 0 ? 11 : 6);
            assert_true(n > least);
            for (int32_t i = prompt; i < n; i++) {
                bool end = j->ids[0][i] >= 3 && j->ids[0][i] < 19;
                assert_int_equal(end, i == n - 1 && j->got[0].finish_reason == TM_FINISH_STOP);
            }
        }
        close_tiny(e);
    }
}

/* Answers of a search are in order of their scores, and no two are alike. */
static void test_return_sequences(void **arg)
{
    (void)arg;
    for (size_t m = 0; m < TM_COUNTOF(tinies); m++) {
        struct tm_engine_limits limits = {.threads = 1};
        struct tm_engine *e = open_tiny(&tinies[m], "auto", &limits);
        for (int sample = 0; sample < 2; sample++) {
            struct job *j = &together[0];
            job_make(e, j, 12, 6);
            j->how.max_new_tokens = 12;
            j->how.do_sample = sample == 1;
            j->how.top_k = 0;
            j->how.num_beams = sample == 1 ? 1 : 6;
            j->how.num_return_sequences = 6;
            run_one(e, j);
            for (int a = 0; a < 6; a++) {
                const struct tm_generated *x = &j->got[a];
                assert_true(a == 0 || sample == 1 || x->score <= x[-1].score);
                for (int b = 0; b < a; b++)
                    assert_false(j->got[b].n_ids == x->n_ids &&
                                 memcmp(j->ids[b], x->ids, (size_t)x->n_ids * sizeof(int32_t)) ==
                                     0);
            }
        }
        close_tiny(e);
    }
}

/* ---- long prompts ---- */

/* A prompt runs whole up to its 8,192nd id and in chunks behind that. What a model says past that
 * place, given back to it as a prompt, is gone on with as before; company changes nothing. */
static void long_prompt(const struct tiny *tiny)
{
    enum { FIRST = 8150, AGAIN = FIRST + 700, END = AGAIN + 40 };
    static int32_t source[END], said[3][END];
    struct tm_engine_limits limits = {.threads = 1};
    struct tm_engine *e = open_tiny(tiny, "auto", &limits);
    uint64_t seed = 3;
    for (int i = 0; i < FIRST; i++)
        source[i] = 3 + (int32_t)random_below(&seed, 328);
    for (int round = 0; round < 3; round++) { /* by itself; given back; that in company */
        struct job *j = &together[0];
        for (int i = 0; i < 6; i++)
            make_job(e, &together[i], i);
        job_make(e, j, 1, 1);
        j->seq.ids = source;
        j->seq.n_ids = round == 0 ? FIRST : AGAIN;
        j->how.n_eos = 0;
        j->how.max_new_tokens = END - j->seq.n_ids;
        j->how.do_sample = true; /* or it would soon repeat itself */
        j->how.top_k = 40;
        j->got[0].ids = said[round];
        jobs_run(e, together, round == 2 ? 6 : 1, NULL, 1);
        assert_int_equal(j->status, TM_OK);
        assert_int_equal(j->got[0].n_ids, END);
        memcpy(source, said[0], sizeof source);
    }
    assert_memory_equal(said[1], said[0], sizeof source);
    assert_memory_equal(said[2], said[0], sizeof source);
    close_tiny(e);
}

/* Among thousands of positions one more or less is nothing: a window of few makes each count. */
static void test_long_prompt(void **arg)
{
    (void)arg;
    long_prompt(&(struct tiny){TINY_LLAMA, 331, 32, 4, 2, 48, 2, 20000, 0});
    long_prompt(&(struct tiny){TINY_MISTRAL, 331, 32, 4, 2, 48, 2, 20000, 6});
}

/* ---- what is drawn ---- */

enum { V = 61, DRAWS = 3000 };

/* log p of every id: a search as wide as the vocabulary returns them all. */
static void read_scores(struct tm_engine *e, double *score)
{
    struct job *j = &together[0];
    job_make(e, j, 10, 2);
    j->how.max_new_tokens = 1;
    j->how.num_beams = j->how.num_return_sequences = V;
    run_one(e, j);
    for (int i = 0; i < V; i++)
        score[j->ids[i][j->got[i].n_ids - 1]] = (double)j->got[i].score;
}

/* What stays of p under one of the rules, each by its definition; not normalised. */
static void keep_top_k(double *p, int k)
{
    double out[V];
    for (int i = 0; i < V; i++) {
        int above = 0;
        for (int o = 0; o < V; o++)
            above += p[o] > p[i];
        out[i] = above < k ? p[i] : 0;
    }
    memcpy(p, out, sizeof out);
}

static void keep_top_p(double *p, double mass)
{
    double out[V];
    for (int i = 0; i < V; i++) {
        double above = 0;
        for (int o = 0; o < V; o++)
            above += p[o] > p[i] ? p[o] : 0;
        out[i] = above < mass ? p[i] : 0;
    }
    memcpy(p, out, sizeof out);
}

static void keep_min_p(double *p, double share)
{
    double most = 0;
    for (int i = 0; i < V; i++)
        most = fmax(most, p[i]);
    for (int i = 0; i < V; i++)
        p[i] = p[i] >= share * most ? p[i] : 0;
}

static void keep_typical(double *p, double mass)
{
    double out[V], entropy = 0;
    for (int i = 0; i < V; i++)
        entropy -= p[i] > 0 ? p[i] * log(p[i]) : 0;
    for (int i = 0; i < V; i++) {
        double nearer = 0;
        for (int o = 0; o < V; o++)
            nearer +=
                p[o] > 0 && fabs(-log(p[o]) - entropy) < fabs(-log(p[i]) - entropy) ? p[o] : 0;
        out[i] = nearer < mass ? p[i] : 0;
    }
    memcpy(p, out, sizeof out);
}

static void normalise(double *p)
{
    double sum = 0;
    for (int i = 0; i < V; i++)
        sum += p[i];
    for (int i = 0; i < V; i++)
        p[i] /= sum;
}

struct warp {
    float temperature, top_p, min_p, typical_p;
    int32_t top_k;
};

static void expected(const double *score, const struct warp *w, double *p)
{
    for (int i = 0; i < V; i++)
        p[i] = exp(score[i] / (double)w->temperature);
    normalise(p);
    if (w->top_k > 0)
        keep_top_k(p, w->top_k);
    normalise(p);
    if (w->top_p < 1)
        keep_top_p(p, (double)w->top_p);
    normalise(p);
    if (w->min_p > 0)
        keep_min_p(p, (double)w->min_p);
    normalise(p);
    if (w->typical_p < 1)
        keep_typical(p, (double)w->typical_p);
    normalise(p);
}

static void draw_all(struct tm_engine *e, const struct warp *w, int *seen)
{
    memset(seen, 0, V * sizeof *seen);
    for (int from = 0; from < DRAWS; from += JOBS) {
        int n = TM_MIN((int)JOBS, DRAWS - from);
        for (int i = 0; i < n; i++) {
            job_make(e, &together[i], 10, 2);
            struct tm_generation *g = &together[i].how;
            together[i].seq.key[0] = (uint64_t)(from + i);
            g->max_new_tokens = 1;
            g->do_sample = true;
            g->temperature = w->temperature;
            g->top_p = w->top_p;
            g->min_p = w->min_p;
            g->typical_p = w->typical_p;
            g->top_k = w->top_k;
        }
        jobs_run(e, together, n, NULL, 1);
        for (int i = 0; i < n; i++)
            seen[together[i].ids[0][together[i].got[0].n_ids - 1]]++;
    }
}

/* Keys are fixed, so the draws are: the bound is five deviations of chi-squared. */
static void test_distribution(void **arg)
{
    (void)arg;
    static const struct warp warps[] = {
        {1, 1, 0, 1, 0},     {0.6F, 1, 0, 1, 0},     {1.7F, 1, 0, 1, 0},
        {1, 1, 0, 1, 7},     {1, 0.8F, 0, 1, 0},     {1, 1, 0.15F, 1, 0},
        {1, 1, 0, 0.6F, 0},  {0.7F, 0.9F, 0, 1, 20}, {1.3F, 0.9F, 0.05F, 0.8F, 30},
        {1, 1, 0, 0.6F, 12},
    };
    const struct tiny tiny = {TINY_LLAMA, V, 32, 4, 2, 48, 2, 64};
    struct tm_engine_limits limits = {.threads = 1, .decode_rows = 64};
    struct tm_engine *e = open_tiny(&tiny, "auto", &limits);
    double score[V], p[V];
    int seen[V];
    read_scores(e, score);
    for (size_t w = 0; w < TM_COUNTOF(warps); w++) {
        double chi = 0, freedom = -1, rest = 0;
        int rest_seen = 0;
        expected(score, &warps[w], p);
        draw_all(e, &warps[w], seen);
        for (int i = 0; i < V; i++) {
            if (p[i] == 0 && seen[i] > 0)
                fail_msg("warp %zu: id %d was drawn %d times and is left out", w, i, seen[i]);
            if (p[i] * DRAWS < 5) { /* the rare ones together */
                rest += p[i] * DRAWS;
                rest_seen += seen[i];
                continue;
            }
            chi += (seen[i] - p[i] * DRAWS) * (seen[i] - p[i] * DRAWS) / (p[i] * DRAWS);
            freedom++;
        }
        if (rest > 5) {
            chi += (rest_seen - rest) * (rest_seen - rest) / rest;
            freedom++;
        }
        if (!(freedom >= 1 && chi < freedom + 5 * sqrt(2 * freedom)))
            fail_msg("warp %zu: chi-squared %g of %g degrees of freedom", w, chi, freedom);
    }
    close_tiny(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_company),     cmocka_unit_test(test_shortage),
        cmocka_unit_test(test_cancel),      cmocka_unit_test(test_memory),
        cmocka_unit_test(test_lengths),     cmocka_unit_test(test_return_sequences),
        cmocka_unit_test(test_long_prompt), cmocka_unit_test(test_distribution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
