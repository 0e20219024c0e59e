/* Speed of an encoder: random ids through the engine, all workers, one line of JSON.
 *
 *     bench_encoder FOLDER [BASE] [--device D] [--threads N] [--batch-tokens N]
 *                   [--source-tokens A-B] [--sequences N]
 *
 * Sequences are drawn evenly from A to B ids with a fixed seed. The clock runs from the first step
 * to the last, after one round that is not counted. */
#include "tm_engine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct bench {
    struct tm_engine *e;
    struct tm_sequence *seqs;
    _Atomic int left; /* not yet run */
};

struct runner {
    struct bench *b;
    int32_t worker;
};

static void count(void *arg, const uint64_t *cookies, size_t n, bool ran)
{
    (void)cookies;
    if (ran)
        atomic_fetch_sub((_Atomic int *)arg, (int)n);
}

static void *run(void *arg)
{
    struct runner *r = arg;
    while (atomic_load(&r->b->left) > 0)
        if (tm_engine_step(r->b->e, r->worker, count, &r->b->left) == TM_AGAIN)
            break;
    return NULL;
}

/* Seconds for n sequences. */
static double round_of(struct bench *b, int n)
{
    int32_t threads = tm_engine_info(b->e)->threads;
    pthread_t *t = calloc((size_t)threads, sizeof *t);
    struct runner *r = calloc((size_t)threads, sizeof *r);
    struct tm_answer *answers = calloc((size_t)n, sizeof *answers);
    tm_assert(t != NULL && r != NULL && answers != NULL);
    for (int i = 0; i < n; i++)
        tm_assert(tm_engine_submit(b->e, &b->seqs[i], (uint64_t)i) == TM_OK);
    atomic_store(&b->left, n);
    uint64_t begun = tm_clock_ns();
    for (int32_t i = 0; i < threads; i++) {
        r[i] = (struct runner){b, i};
        tm_assert(pthread_create(&t[i], NULL, run, &r[i]) == 0);
    }
    for (int32_t i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    double seconds = (double)(tm_clock_ns() - begun) / 1e9;
    tm_assert(tm_engine_collect(b->e, answers, (size_t)n) == (size_t)n);
    for (int i = 0; i < n; i++)
        tm_assert(answers[i].status == TM_OK);
    free(t);
    free(r);
    free(answers);
    return seconds;
}

static int64_t make_sequences(struct bench *b, int n, int32_t lo, int32_t hi)
{
    int32_t vocab = tm_engine_info(b->e)->vocab_size;
    int64_t tokens = 0;
    uint64_t state = 88172645463325252;
    b->seqs = calloc((size_t)n, sizeof *b->seqs);
    tm_assert(b->seqs != NULL);
    for (int i = 0; i < n; i++) {
        struct tm_sequence *seq = &b->seqs[i];
        seq->n_ids = lo + (int32_t)((int64_t)i * 7919 % (hi - lo + 1));
        int32_t *ids = calloc((size_t)seq->n_ids, sizeof *ids);
        tm_assert(ids != NULL);
        for (int32_t k = 0; k < seq->n_ids; k++) {
            state = state * 6364136223846793005 + 1442695040888963407;
            ids[k] = (int32_t)((state >> 33) % (uint64_t)vocab);
        }
        seq->ids = ids;
        seq->out_size = tm_engine_output_size(b->e, seq->n_ids);
        seq->out = calloc(seq->out_size, sizeof *seq->out);
        struct tm_err err = {TM_OK};
        tm_assert(seq->out != NULL);
        if (tm_engine_fits(b->e, seq, &err) != TM_OK) {
            fprintf(stderr, "bench_encoder: %s\n", err.text);
            exit(65);
        }
        tokens += seq->n_ids;
    }
    return tokens;
}

struct options {
    const char *folder, *base, *device;
    int lo, hi, n;
    struct tm_engine_limits limits;
};

static bool parse(struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        int64_t number = 0;
        bool is_number = tm_json_number_i64(value, strlen(value), &number);
        if (strncmp(argv[i], "--", 2) != 0) {
            *(o->folder == NULL ? &o->folder : &o->base) = argv[i];
            continue;
        }
        i++;
        if (strcmp(argv[i - 1], "--device") == 0)
            o->device = value;
        else if (strcmp(argv[i - 1], "--source-tokens") == 0 &&
                 sscanf(value, "%d-%d", &o->lo, &o->hi) == 2 && o->lo > 0 && o->hi >= o->lo)
            continue;
        else if (strcmp(argv[i - 1], "--threads") == 0 && is_number)
            o->limits.threads = (int32_t)number;
        else if (strcmp(argv[i - 1], "--batch-tokens") == 0 && is_number)
            o->limits.batch_tokens = (int32_t)number;
        else if (strcmp(argv[i - 1], "--sequences") == 0 && is_number && number > 0)
            o->n = (int)number;
        else
            return false;
    }
    return o->folder != NULL;
}

int main(int argc, char **argv)
{
    struct options o = {.device = "auto", .lo = 15, .hi = 35, .n = 512};
    struct bench b = {.e = NULL};
    struct tm_err err = {TM_OK};
    struct rusage usage;
    if (!parse(&o, argc, argv)) {
        fprintf(stderr, "usage: bench_encoder FOLDER [BASE] [--device D] [--threads N] "
                        "[--batch-tokens N] [--source-tokens A-B] [--sequences N]\n");
        return 64;
    }
    o.limits.queue = o.n;
    uint64_t begun = tm_clock_ns();
    if (tm_engine_open(o.folder, o.base, o.device, "auto", &o.limits, &b.e, &err) != TM_OK) {
        fprintf(stderr, "bench_encoder: %s\n", err.text);
        return 66;
    }
    double load_s = (double)(tm_clock_ns() - begun) / 1e9;
    int64_t tokens = make_sequences(&b, o.n, o.lo, o.hi);
    round_of(&b, TM_MIN(o.n, 64)); /* warm */
    double seconds = round_of(&b, o.n);
    getrusage(RUSAGE_SELF, &usage);
    const struct tm_engine_info *info = tm_engine_info(b.e);
    printf("{\"sequences_per_s\":%.1f,\"source_tokens_per_s\":%.0f,\"peak_rss_bytes\":%lld,"
           "\"load_s\":%.3f,\"device\":\"%s\",\"isa\":\"%s\",\"precision\":\"%s\",\"threads\":%d,"
           "\"sequences\":%d,\"tokens\":%lld}\n",
           o.n / seconds, (double)tokens / seconds, (long long)usage.ru_maxrss * 1024, load_s,
           info->device, info->isa, info->precision, info->threads, o.n, (long long)tokens);
    for (int i = 0; i < o.n; i++) {
        free((void *)(uintptr_t)b.seqs[i].ids);
        free(b.seqs[i].out);
    }
    free(b.seqs);
    tm_engine_close(b.e);
    return 0;
}
