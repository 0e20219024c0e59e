/* models: what a folder holds, whether it will run, and how fast it is on this machine. */
#include "verbs.h"
#include "inspect.h"
#include "pull.h"
#include "tm_engine.h"
#include "tm_pipeline.h"
#include "tm_tokenizer.h"
#include "tm_weights.h"

#include <dirent.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum exit_code open_model(const struct args *a, const char *name, bool tokenizer,
                                 struct tm_model **ret_model)
{
    const char *device = args_get(a, "device"), *precision = args_get(a, "precision");
    int64_t threads;
    struct tm_err err = {0};
    enum exit_code code = args_int(a, "threads", 0, 1024, 0, &threads);
    if (code != EXIT_OK)
        return code;
    if (tm_model_open(name, device != NULL ? device : "auto",
                      precision != NULL ? precision : "auto", (int)threads, 0, tokenizer, ret_model,
                      &err) != TM_OK)
        return verb_fail_err(a, &err);
    return EXIT_OK;
}

/* The model that is operand 1 or -m. */
static const char *model_name(const struct args *a)
{
    return a->n_operands > 1 ? a->operands[1] : args_get(a, "model");
}

/* ---- list ---- */

/* What a folder's weights are in, by the files that are there; NULL: no model. */
static const char *weights_format(const char *folder)
{
    static const struct {
        const char *pattern, *format;
    } kinds[] = {
        {"*.safetensors", "safetensors"},
        {"*.safetensors.index.json", "safetensors"},
        {"pytorch_model.bin", "pytorch"},
        {"pytorch_model.bin.index.json", "pytorch"},
        {"*.gguf", "gguf"},
        {"*.npz", "marian"},
        {"adapter_model.bin", "pytorch"},
    };
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, NULL, alphasort);
    size_t found = TM_COUNTOF(kinds);
    for (int i = 0; i < n; i++) {
        for (size_t k = 0; k < found; k++)
            if (fnmatch(kinds[k].pattern, entries[i]->d_name, FNM_PERIOD) == 0)
                found = k;
        free(entries[i]);
    }
    free(entries);
    return found < TM_COUNTOF(kinds) ? kinds[found].format : NULL;
}

static void list_entry(const char *dir, const char *name, bool json)
{
    char folder[8192];
    snprintf(folder, sizeof folder, "%s/%s", dir, name);
    const char *format = name[0] != '.' ? weights_format(folder) : NULL;
    if (format == NULL)
        return;
    if (!json) {
        printf("%-32s %-12s %s\n", name, format, folder);
        return;
    }
    TM_CLEANUP(tm_buf_finish) struct tm_buf line = {.cap = 0};
    tm_buf_puts(&line, "{\"name\":");
    tm_buf_json_string(&line, name, strlen(name));
    tm_buf_printf(&line, ",\"format\":\"%s\",\"folder\":", format);
    tm_buf_json_string(&line, folder, strlen(folder));
    if (tm_buf_puts(&line, "}"))
        puts(line.data);
}

static enum exit_code list(const struct args *a)
{
    char path[12288];
    tm_model_path(path, sizeof path);
    char *rest = NULL;
    for (char *dir = strtok_r(path, ":", &rest); dir != NULL; dir = strtok_r(NULL, ":", &rest)) {
        struct dirent **entries = NULL;
        int n = scandir(dir, &entries, NULL, alphasort);
        for (int i = 0; i < n; i++) {
            list_entry(dir, entries[i]->d_name, args_has(a, "json"));
            free(entries[i]);
        }
        free(entries);
    }
    return EXIT_OK;
}

/* ---- verify ---- */

/* What verify has read so far. */
struct values {
    char format[32], bad[192]; /* bad: the first tensor with a value that is no number */
    int64_t n, at;
};

static bool look(void *arg, const struct tm_stored *t, int64_t first, const float *values, size_t n)
{
    struct values *v = arg;
    snprintf(v->format, sizeof v->format, "%s", t->format);
    v->n += (int64_t)n;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i])) {
            snprintf(v->bad, sizeof v->bad, "%s", t->name);
            v->at = first + (int64_t)i;
            return false;
        }
    }
    return true;
}

/* Reads every stored value, also of tensors that the model's head does not use. */
static enum exit_code verify(const struct args *a)
{
    const char *name = model_name(a);
    struct tm_model *m = NULL;
    struct values v = {.n = 0};
    struct tm_err err = {0};
    if (name == NULL)
        return verb_fail(a, EXIT_USAGE, "say which model: models verify DIR");
    enum exit_code code = open_model(a, name, true, &m);
    if (code == EXIT_OK) {
        enum tm_status s = tm_weights_visit(m->folder, look, &v, &err);
        if (s == TM_CANCELLED)
            code = verb_fail(a, EXIT_NOINPUT, "%s: tensor %s: element %lld is no finite number",
                             name, v.bad, (long long)v.at);
        else if (s != TM_OK)
            code = verb_fail_err(a, &err);
        else
            printf("%s: ok, %s, %lld values, sha256 %s\n", name, v.format, (long long)v.n,
                   m->sha256);
    }
    tm_model_close(m);
    return code;
}

/* ---- bench ---- */

struct load {
    int64_t lo, hi, n;
};

/* "15-35" or "64". */
static enum exit_code read_load(const struct args *a, const struct tm_engine_info *info,
                                struct load *l)
{
    const char *text = args_get(a, "source-tokens");
    enum exit_code code = args_int(a, "sequences", 1, 10000000, 192, &l->n);
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
    return code;
}

/* A small generator of its own, so that every run of the bench sees the same ids. */
static uint32_t draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
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
        seqs[i].out_size = tm_engine_output_size(m->engine, n);
        seqs[i].out = tm_arena_array(arena, seqs[i].out_size, sizeof(float));
        if (ids == NULL || seqs[i].out == NULL)
            return NULL;
        for (int32_t k = 0; k < n; k++) /* the low ids are special tokens in most vocabularies */
            ids[k] = (int32_t)(draw(&state) % (uint32_t)info->vocab_size);
        *ret_tokens += (uint64_t)n;
    }
    return seqs;
}

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

static void print_bench(const struct args *a, const struct tm_model *m, const struct load *l,
                        uint64_t tokens, double seconds, double load_s)
{
    const struct tm_engine_info *info = tm_engine_info(m->engine);
    double rate = (double)l->n / seconds, token_rate = (double)tokens / seconds;
    if (args_has(a, "json"))
        printf("{\"sequences_per_s\":%.3f,\"tokens_per_s\":%.1f,\"source_tokens_per_s\":%.1f,"
               "\"peak_rss_bytes\":%lld,\"load_s\":%.3f,\"device\":\"%s\",\"precision\":\"%s\","
               "\"threads\":%d}\n",
               rate, token_rate, token_rate, peak_rss_bytes(), load_s, info->device,
               info->precision, info->threads);
    else
        printf("%.1f sequences/s, %.0f tokens/s; peak memory %lld MiB, loaded in %.2f s; %s, %s, "
               "%s, %d workers\n",
               rate, token_rate, peak_rss_bytes() >> 20, load_s, info->device, info->precision,
               info->isa, info->threads);
}

static enum exit_code bench(const struct args *a)
{
    const char *name = model_name(a);
    struct tm_model *m = NULL;
    if (name == NULL)
        return verb_fail(a, EXIT_USAGE, "say which model: models bench -m DIR");
    uint64_t since = tm_clock_ns();
    enum exit_code code = open_model(a, name, false, &m);
    double load_s = (double)(tm_clock_ns() - since) / 1e9;
    struct load l = {0};
    struct tm_arena *arena = tm_arena_create((size_t)64 << 30);
    if (code == EXIT_OK)
        code = read_load(a, tm_engine_info(m->engine), &l);
    if (code == EXIT_OK) {
        struct tm_err err = {0};
        uint64_t tokens = 0, ns = 0;
        struct tm_seq *seqs = arena != NULL ? make_seqs(m, &l, arena, &tokens) : NULL;
        size_t warm = (size_t)TM_MIN(l.n, 32);
        if (seqs == NULL)
            code = verb_fail(a, EXIT_INTERNAL, "out of memory");
        else if (tm_drive(m->engine, seqs, warm, NULL, &err) != TM_OK ||
                 tm_drive(m->engine, seqs, (size_t)l.n, &ns, &err) != TM_OK)
            code = verb_fail_err(a, &err);
        else
            print_bench(a, m, &l, tokens, (double)ns / 1e9, load_s);
    }
    tm_arena_destroy(arena);
    tm_model_close(m);
    return code;
}

/* ---- the verb ---- */

static const struct {
    const char *name;
    enum exit_code (*run)(const struct args *a);
} actions[] = {{"list", list},
               {"inspect", inspect_model},
               {"verify", verify},
               {"pull", pull_model},
               {"bench", bench}};

static enum exit_code run(const struct args *a)
{
    for (size_t i = 0; i < TM_COUNTOF(actions) && a->n_operands > 0; i++)
        if (strcmp(actions[i].name, a->operands[0]) == 0)
            return actions[i].run(a);
    return verb_fail(a, EXIT_USAGE,
                     "say what: list, inspect DIR, verify DIR, pull ORG/NAME or bench -m DIR");
}

static const struct verb_option options[] = {
    {"model", 'm', "DIR", "Model folder, or a name in the model path"},
    {"json", '\0', NULL, "Print JSON"},
    {"device", '\0', "DEVICE", "auto, cpu, blas (OpenBLAS) or ref (plain C)"},
    {"precision", '\0', "PRECISION", "auto, float32, bf16 or int8"},
    {"threads", '\0', "N", "Workers; 0: one a core"},
    {"batch-tokens", '\0', "N", "inspect: memory for batches of so many tokens (2048)"},
    {"source-tokens", '\0', "A-B", "bench: lengths of the sequences (64)"},
    {"sequences", '\0', "N", "bench: how many sequences (192)"},
    {"revision", '\0', "REVISION", "pull: branch, tag or commit (main)"},
    {"include", '\0', "PATTERNS", "pull: files, separated by commas; default: what makes a model"},
    {"local-dir", '\0', "DIR", "pull: the model's folder; default: NAME in the model path"},
    {"token-file", '\0', "FILE", "pull: the hub's token (or HF_TOKEN_PATH)"},
    {0},
};

const struct verb verb_models = {
    .name = "models",
    .operands = "list|inspect|verify|pull|bench [DIR|ORG/NAME]",
    .summary = "List models, say what a folder holds, whether it runs, how fast it is; fetch one",
    .details = "pull takes ORG/NAME from the hub that HF_ENDPOINT names, or the URL of a plain "
               "folder.\nHF_HUB_OFFLINE=1 forbids it.",
    .options = options,
    .run = run,
};
