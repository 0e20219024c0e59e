/* models: what a folder holds, whether it will run, and how fast it is on this machine. */
#include "models_bench.h"
#include "model_options.h"
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
    struct model_options how;
    struct tm_err err = {0};
    enum exit_code code = model_options(a, &how);
    if (code != EXIT_OK)
        return code;
    if (tm_model_open(name, how.device, how.precision, how.threads, 0, tokenizer, ret_model,
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

static enum exit_code bench(const struct args *a)
{
    const char *name = model_name(a);
    struct tm_model *m = NULL;
    if (name == NULL)
        return verb_fail(a, EXIT_USAGE, "say which model: models bench -m DIR");
    uint64_t since = tm_clock_ns();
    enum exit_code code = open_model(a, name, false, &m);
    if (code == EXIT_OK)
        code = models_bench(a, m, (double)(tm_clock_ns() - since) / 1e9);
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
    MODEL_OPTIONS,
    {"batch-tokens", '\0', "N", "inspect: memory for batches of so many tokens (2048)"},
    {"source-tokens", '\0', "A-B", "bench: lengths of the sequences (64)"},
    {"new-tokens", '\0', "N",
     "bench: tokens that each sequence is given, for models that generate (64)"},
    {"num-beams", '\0', "N", "bench: beams of the search (as the model's folder says)"},
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
