/* models bench: how fast a model is on this machine. Random ids; every sequence of a model that
 * generates gets as many new tokens as the others, so that runs can be compared. */
#include "models_bench.h"
#include "tm_engine.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WARM = 2 /* sequences that run before it counts */ };

struct load {
    int64_t lo, hi, n; /* ids of a sequence; sequences */
    int64_t new_tokens;
    struct tm_generation generation;
    bool generates;
};

struct figures {
    uint64_t source_tokens, new_tokens;
    double seconds, load_s;
    double cpu_s; /* processor time of all threads: what others do on the machine does not count */
};

/* ---- what to run ---- */

/* "15-35" or "64". */
static enum exit_code read_lengths(const struct args *a, const struct tm_engine_info *info,
                                   struct load *l)
{
    const char *text = args_get(a, "source-tokens");
    if (text == NULL)
        text = "64";
    const char *dash = strchr(text, '-');
    size_t n = dash != NULL ? (size_t)(dash - text) : strlen(text);
    const char *hi = dash != NULL ? dash + 1 : text;
    if (!tm_json_number_i64(text, n, &l->lo) || !tm_json_number_i64(hi, strlen(hi), &l->hi) ||
        l->lo < 1 || l->hi < l->lo || l->hi > info->max_length)
        return verb_fail(a, EXIT_USAGE,
                         "--source-tokens takes a length or a range like 15-35, at most %d",
                         info->max_length);
    return EXIT_OK;
}

static enum exit_code read_load(const struct args *a, const struct tm_engine_info *info,
                                struct load *l)
{
    int64_t beams = 0;
    l->generates = info->head == TM_HEAD_GENERATE;
    enum exit_code code = args_int(a, "sequences", 1, 10000000, 192, &l->n);
    if (code == EXIT_OK)
        code = read_lengths(a, info, l);
    if (code == EXIT_OK && !l->generates &&
        (args_get(a, "new-tokens") != NULL || args_get(a, "num-beams") != NULL))
        return verb_fail(a, EXIT_USAGE,
                         "--new-tokens and --num-beams are for models that generate");
    if (code == EXIT_OK && l->generates)
        code = args_int(a, "new-tokens", 1, 1000000, 64, &l->new_tokens);
    if (code == EXIT_OK && l->generates)
        code = args_int(a, "num-beams", 1, 64, info->generation->num_beams, &beams);
    if (code != EXIT_OK || !l->generates)
        return code;
    l->generation = *info->generation;
    l->generation.max_new_tokens = l->generation.min_new_tokens = (int32_t)l->new_tokens;
    l->generation.num_beams = (int32_t)beams;
    l->generation.num_return_sequences = 1;
    return EXIT_OK;
}

/* A small generator of its own, so that every run of the bench sees the same ids. */
static uint32_t draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Where its answer goes. */
static bool make_room(const struct tm_model *m, const struct load *l, struct tm_arena *arena,
                      struct tm_seq *seq)
{
    if (!l->generates) {
        seq->out_size = tm_engine_output_size(m->engine, seq->n_ids);
        seq->out = tm_arena_array(arena, seq->out_size, sizeof(float));
        return seq->out != NULL;
    }
    seq->generation = &l->generation;
    seq->generated = tm_arena_array(arena, 1, sizeof *seq->generated);
    const struct tm_sequence as = tm_seq_sequence(seq);
    if (seq->generated == NULL || tm_engine_fits(m->engine, &as, NULL) != TM_OK)
        return seq->generated != NULL;
    size_t most = (size_t)tm_engine_generated_most(m->engine, &as);
    seq->generated->ids = tm_arena_array(arena, most, sizeof(int32_t));
    return seq->generated->ids != NULL;
}

/* Sequences of random ids and lengths in [lo, hi]; NULL when memory is short. */
static struct tm_seq *make_seqs(const struct tm_model *m, const struct load *l,
                                struct tm_arena *arena, uint64_t *ret_tokens)
{
    const struct tm_engine_info *info = tm_engine_info(m->engine);
    struct tm_seq *seqs = tm_arena_array(arena, (size_t)l->n, sizeof *seqs);
    uint64_t state = 1;
    *ret_tokens = 0;
    for (int64_t i = 0; i < l->n && seqs != NULL; i++) {
        int32_t n = (int32_t)(l->lo + (int64_t)draw(&state) % (l->hi - l->lo + 1));
        int32_t *ids = tm_arena_array(arena, (size_t)n, sizeof *ids);
        seqs[i].n_ids = n;
        seqs[i].ids = ids;
        if (ids == NULL)
            return NULL;
        for (int32_t k = 0; k < n; k++)
            ids[k] = (int32_t)(draw(&state) % (uint32_t)info->vocab_size);
        if (!make_room(m, l, arena, &seqs[i]))
            return NULL;
        *ret_tokens += (uint64_t)n;
    }
    return seqs;
}

/* ---- what it gave ---- */

/* Most memory resident so far. Not getrusage's figure: that one begins with what the process was
 * before exec, so under a large parent it is the parent's. */
static long long peak_rss_bytes(void)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf status = {.cap = 0};
    long long kib = 0;
    if (tm_read_file("/proc/self/status", 1 << 16, &status, NULL) == TM_OK) {
        const char *line = strstr(status.data, "VmHWM:");
        if (line != NULL && sscanf(line, "VmHWM: %lld kB", &kib) != 1)
            kib = 0;
    }
    return kib * 1024;
}

static double processor_s(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void print_figures(const struct args *a, const struct tm_model *m, const struct load *l,
                          const struct figures *f)
{
    const struct tm_engine_info *info = tm_engine_info(m->engine);
    double rate = (double)l->n / f->seconds, source = (double)f->source_tokens / f->seconds;
    double tokens = l->generates ? (double)f->new_tokens / f->seconds : source;
    if (args_has(a, "json"))
        printf("{\"sequences_per_s\":%.3f,\"tokens_per_s\":%.1f,\"source_tokens_per_s\":%.1f,"
               "\"peak_rss_bytes\":%lld,\"load_s\":%.3f,\"device\":\"%s\",\"precision\":\"%s\","
               "\"threads\":%d,\"cpu_s\":%.3f,\"weight_bytes\":%zu,\"pool_bytes\":%zu}\n",
               rate, tokens, source, peak_rss_bytes(), f->load_s, info->device, info->precision,
               info->threads, f->cpu_s, info->weight_bytes, info->pool_bytes);
    else
        printf("%.1f sequences/s, %.0f %stokens/s, %.1f sequences a second of processor time; peak "
               "memory %lld MiB, loaded in %.2f s; %s, %s, "
               "%s, %d workers\n",
               rate, tokens, l->generates ? "new " : "", (double)l->n / f->cpu_s,
               peak_rss_bytes() >> 20, f->load_s, info->device, info->precision, info->isa,
               info->threads);
}

/* New tokens of all sequences; 0 when one got another number of them. */
static uint64_t count_new(const struct tm_model *m, const struct load *l, const struct tm_seq *seqs)
{
    uint64_t all = 0;
    for (int64_t i = 0; l->generates && i < l->n; i++) {
        int32_t prompt = tm_engine_info(m->engine)->encoder_decoder ? 1 : seqs[i].n_ids;
        if (seqs[i].generated->n_ids - prompt != l->new_tokens)
            return 0;
        all += (uint64_t)l->new_tokens;
    }
    return all;
}

enum exit_code models_bench(const struct args *a, struct tm_model *m, double load_s)
{
    struct load l = {0};
    struct tm_err err = {0};
    uint64_t ns = 0;
    struct figures f = {.load_s = load_s};
    enum exit_code code = read_load(a, tm_engine_info(m->engine), &l);
    if (code != EXIT_OK)
        return code;
    struct tm_arena *arena = tm_arena_create((size_t)64 << 30);
    struct tm_seq *seqs = arena != NULL ? make_seqs(m, &l, arena, &f.source_tokens) : NULL;
    size_t warm = (size_t)TM_MIN(l.n, WARM);
    if (seqs == NULL)
        code = verb_fail(a, EXIT_INTERNAL, "out of memory");
    for (int64_t i = 0; code == EXIT_OK && i < l.n; i++) {
        const struct tm_sequence seq = tm_seq_sequence(&seqs[i]);
        if (tm_engine_fits(m->engine, &seq, &err) != TM_OK)
            code = verb_fail_err(a, &err);
    }
    if (code == EXIT_OK && tm_drive(m->engine, seqs, warm, NULL, &err) != TM_OK)
        code = verb_fail_err(a, &err);
    f.cpu_s = -processor_s();
    if (code == EXIT_OK && tm_drive(m->engine, seqs, (size_t)l.n, &ns, &err) != TM_OK)
        code = verb_fail_err(a, &err);
    f.cpu_s += processor_s();
    f.seconds = (double)ns / 1e9;
    f.new_tokens = code == EXIT_OK ? count_new(m, &l, seqs) : 0;
    if (code == EXIT_OK && l.generates && f.new_tokens == 0)
        code = verb_fail(a, EXIT_INTERNAL, "a sequence did not get its %lld new tokens",
                         (long long)l.new_tokens);
    if (code == EXIT_OK)
        print_figures(a, m, &l, &f);
    tm_arena_destroy(arena);
    return code;
}
