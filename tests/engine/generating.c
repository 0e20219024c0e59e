/* What tests of generation share: see generating.h. */
#include "generating.h"

#include <stdatomic.h>

uint32_t random_below(uint64_t *state, uint32_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % below;
}

void job_make(const struct tm_engine *e, struct job *j, int32_t n, uint64_t seed)
{
    const struct tm_engine_info *info = tm_engine_info(e);
    uint64_t state = seed * 977 + 1;
    memset(j, 0, sizeof *j);
    assert_true(n <= JOB_IDS);
    for (int32_t i = 0; i < n; i++)
        j->source[i] = 3 + (int32_t)random_below(&state, (uint32_t)info->vocab_size - 3);
    if (info->encoder_decoder)
        j->source[n - 1] = info->generation->eos_token_ids[0];
    for (int i = 0; i < JOB_ANSWERS; i++)
        j->got[i].ids = j->ids[i];
    j->how = *info->generation;
    j->seq = (struct tm_sequence){.ids = j->source,
                                  .n_ids = n,
                                  .key = {seed, ~seed},
                                  .generation = &j->how,
                                  .generated = j->got};
}

/* ---- running ---- */

struct work {
    struct tm_engine *e;
    int32_t worker;
    _Atomic int *left;
};

static void *work(void *arg)
{
    struct work *w = arg;
    while (atomic_load(w->left) > 0)
        if (tm_engine_step(w->e, w->worker, NULL, NULL) == TM_AGAIN)
            sched_yield();
    return NULL;
}

static int collect(struct tm_engine *e, struct job *jobs)
{
    struct tm_answer answers[16];
    size_t n = tm_engine_collect(e, answers, TM_COUNTOF(answers));
    for (size_t i = 0; i < n; i++) {
        jobs[answers[i].cookie].status = answers[i].status;
        jobs[answers[i].cookie].answers++;
    }
    return (int)n;
}

void jobs_run(struct tm_engine *e, struct job *jobs, int n, const int *order, int workers)
{
    enum { MOST = 8 };
    struct work works[MOST];
    pthread_t threads[MOST];
    _Atomic int left = n;
    struct tm_err err = {TM_OK};
    for (int i = 0; i < n; i++) {
        struct job *j = &jobs[order != NULL ? order[i] : i];
        if (tm_engine_fits(e, &j->seq, &err) != TM_OK)
            fail_msg("sequence %d does not fit: %s", (int)(j - jobs), err.text);
        assert_true(tm_engine_generated_most(e, &j->seq) <= JOB_IDS);
        assert_int_equal(tm_engine_submit(e, &j->seq, (uint64_t)(j - jobs)), TM_OK);
    }
    assert_true(workers <= MOST);
    for (int i = 0; workers > 1 && i < workers; i++) {
        works[i] = (struct work){e, i, &left};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &works[i]), 0);
    }
    while (left > 0) {
        if (workers == 1 && tm_engine_step(e, 0, NULL, NULL) == TM_AGAIN)
            fail_msg("%d sequences are left and nothing is to be done", left);
        left -= collect(e, jobs);
        if (workers > 1)
            sched_yield();
    }
    for (int i = 0; workers > 1 && i < workers; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < n; i++)
        assert_int_equal(jobs[order != NULL ? order[i] : i].answers, 1);
}

void jobs_same(const char *what, const struct job *a, const struct job *b, int n)
{
    for (int i = 0; i < n; i++) {
        assert_int_equal(a[i].status, TM_OK);
        assert_int_equal(b[i].status, TM_OK);
        for (int k = 0; k < a[i].how.num_return_sequences; k++) {
            const struct tm_generated *x = &a[i].got[k], *y = &b[i].got[k];
            if (x->n_ids != y->n_ids || x->finish_reason != y->finish_reason ||
                memcmp(&x->score, &y->score, sizeof x->score) != 0 ||
                memcmp(x->ids, y->ids, (size_t)x->n_ids * sizeof *x->ids) != 0)
                fail_msg("%s: answer %d of sequence %d differs (%d and %d ids)", what, k, i,
                         x->n_ids, y->n_ids);
        }
    }
}

/* ---- engines ---- */

struct tm_engine *open_engine(const char *folder, const char *device,
                              const struct tm_engine_limits *limits)
{
    struct tm_engine *e = NULL;
    struct tm_err err = {TM_OK};
    if (tm_engine_open(folder, NULL, device, "float32", limits, &e, &err) != TM_OK)
        fail_msg("%s: %s", folder, err.text);
    return e;
}

struct tm_engine *open_tiny(const struct tiny *t, const char *device,
                            const struct tm_engine_limits *limits)
{
    char folder[4096];
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/textmill-tiny-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    tiny_write(folder, t);
    struct tm_engine *e = open_engine(folder, device, limits);
    return e;
}

void close_tiny(struct tm_engine *e)
{
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", tm_engine_info(e)->folder);
    tm_engine_close(e);
    tiny_remove(folder);
}
