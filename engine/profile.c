/* Where the workers' time goes, and what the backend's gemm can do at best: for models bench.
 *
 * Called between runs, on any thread. */
#include "engine.h"

#include <stdlib.h>
#include <time.h>

enum { ROWS = 64, WIDTH = 768, ROUNDS = 200 };

enum tm_status tm_engine_measure(struct tm_engine *e, struct tm_err *err)
{
    for (int32_t i = 0; i < e->limits.threads; i++) {
        struct worker *w = &e->workers[i];
        if (w->spent == NULL)
            w->spent = malloc(sizeof *w->spent);
        if (w->spent == NULL)
            return tm_err_set(err, TM_NOMEM, "profile");
        *w->spent = (struct spent){.operations = 0};
    }
    return TM_OK;
}

static double thread_seconds(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The best of several calls over one matrix that stays in cache, as the model's own are packed. */
static enum tm_status time_gemm(const struct tm_backend *b, struct tm_stream *stream,
                                const struct tm_weight *weight, float *in, float *out,
                                double *ret_per_second)
{
    struct tm_tensor x = {in, TM_F32, ROWS, WIDTH, WIDTH, NULL};
    struct tm_tensor y = {out, TM_F32, ROWS, WIDTH, WIDTH, NULL};
    double least = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        double since = thread_seconds();
        enum tm_status s = b->ops.gemm(stream, &y, &x, weight, NULL);
        if (s == TM_OK)
            s = b->dev.stream_sync(stream);
        if (s != TM_OK)
            return s;
        least = TM_MIN(least, thread_seconds() - since);
    }
    *ret_per_second = 2.0 * ROWS * WIDTH * WIDTH / TM_MAX(least, 1e-9);
    return TM_OK;
}

static enum tm_status measure_gemm(struct tm_engine *e, double *ret_per_second, struct tm_err *err)
{
    struct tm_backend *b = e->model.backend;
    struct tm_weight *weight = NULL;
    size_t bytes = (size_t)ROWS * WIDTH * sizeof(float);
    float *host = calloc((size_t)WIDTH * WIDTH, sizeof *host);
    float *in = b->dev.alloc(b, bytes), *out = b->dev.alloc(b, bytes);
    struct tm_tensor from = {host, TM_F32, WIDTH, WIDTH, WIDTH, NULL};
    enum tm_status s = TM_OK;
    for (int64_t i = 0; host != NULL && i < (int64_t)WIDTH * WIDTH; i++)
        host[i] = (float)(i * 37 % 101) / 101 - 0.5F;
    if (host == NULL || in == NULL || out == NULL)
        s = tm_err_set(err, TM_NOMEM, "profile");
    if (s == TM_OK)
        s = b->dev.pack(b, &from, e->model.precision->weights, &weight, err);
    if (s == TM_OK)
        s = b->dev.copy_in(e->workers[0].stream, in, host, bytes);
    if (s == TM_OK)
        s = time_gemm(b, e->workers[0].stream, weight, in, out, ret_per_second);
    b->dev.weight_free(b, weight);
    if (in != NULL)
        b->dev.free(b, in);
    if (out != NULL)
        b->dev.free(b, out);
    free(host);
    return s;
}

enum tm_status tm_engine_profile(struct tm_engine *e, struct tm_engine_profile *ret_profile,
                                 struct tm_err *err)
{
    struct tm_engine_profile all = {.operations = 0};
    for (int32_t i = 0; i < e->limits.threads; i++) {
        const struct spent *spent = e->workers[i].spent;
        tm_assert(spent != NULL); /* tm_engine_measure comes first */
        all.operations += spent->operations;
        for (int k = 0; k < TM_SPENT_COUNT; k++)
            all.seconds[k] += spent->seconds[k];
    }
    enum tm_status s = measure_gemm(e, &all.per_second, err);
    if (s == TM_OK)
        *ret_profile = all;
    return s;
}
