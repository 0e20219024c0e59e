/* Runs model folders with recorded answers through the engine and compares.
 *
 *     conformance [--device NAME] FOLDER...
 *     conformance --all FOLDER-OF-FOLDERS
 *
 * Each folder holds a model (an adapter: its base model in base/) and golden.jsonl, one sequence a
 * line: {"ids", "n_first", "skip", "out"}, or generate.jsonl with {"ids", "decoder_ids", "options",
 * "sequences", "sequences_scores"} (generation.c), and may hold layers.jsonl (layers.c). Without
 * --device every backend of this machine is tried. Prints the worst error of each folder and
 * backend; 1 if one is past the tolerance or a label differs. make_goldens.py made the folders. */
#include "conformance.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GOLDEN_MOST = 64 << 20, IDS_MOST = 1 << 16, OUT_MOST = 1 << 18, CASES_MOST = 256 };

static const double tolerance = TOLERANCE;

struct golden {
    int32_t *ids;
    uint8_t *skip; /* or NULL */
    double *out;   /* as recorded */
    float *got;
    int64_t n_ids, n_skip, n_out, n_first;
};

void die(const char *what, const struct tm_err *err)
{
    fprintf(stderr, "conformance: %s: %s\n", what, err->text);
    exit(1);
}

/* ---- golden.jsonl ---- */

static double *read_numbers(struct tm_json *j, int64_t *ret_n)
{
    struct tm_json_event ev;
    struct tm_err err = {TM_OK};
    double *out = calloc(OUT_MOST, sizeof *out);
    int64_t n = 0;
    tm_assert(out != NULL && tm_json_next(j, &ev, &err) == TM_OK && ev.type == TM_JSON_ARRAY);
    while (tm_json_next(j, &ev, &err) == TM_OK && ev.type == TM_JSON_NUMBER) {
        tm_assert(n < OUT_MOST && tm_json_number_f64(ev.text, ev.len, &out[n]));
        n++;
    }
    if (err.status != TM_OK)
        die("golden", &err);
    *ret_n = n;
    return out;
}

static void read_line(const char *line, size_t len, struct golden *g)
{
    struct tm_json_event ev;
    struct tm_err err = {TM_OK};
    struct tm_json j;
    tm_json_init(&j, "golden.jsonl", line, len);
    tm_assert(tm_json_next(&j, &ev, &err) == TM_OK && ev.type == TM_JSON_OBJECT);
    while (tm_json_next(&j, &ev, &err) == TM_OK && ev.type == TM_JSON_KEY) {
        if (strcmp(ev.text, "n_first") == 0) {
            tm_assert(tm_json_i64(&j, &g->n_first, &err) == TM_OK);
            continue;
        }
        char key = ev.text[0];
        int64_t n;
        double *numbers = read_numbers(&j, &n);
        if (key == 'o') {
            g->out = numbers;
            g->n_out = n;
            continue;
        }
        if (key == 'i') {
            g->ids = calloc((size_t)n, sizeof *g->ids);
            g->n_ids = n;
        } else {
            g->skip = calloc((size_t)n, sizeof *g->skip);
        }
        for (int64_t i = 0; i < n; i++) {
            if (key == 'i')
                g->ids[i] = (int32_t)numbers[i];
            else
                g->skip[i] = numbers[i] != 0;
        }
        free(numbers);
    }
    if (err.status != TM_OK)
        die("golden", &err);
    tm_json_finish(&j);
}

static int read_golden(const char *folder, struct golden *cases)
{
    char path[4096];
    struct tm_err err = {TM_OK};
    struct tm_buf text = {0};
    int n = 0;
    snprintf(path, sizeof path, "%s/golden.jsonl", folder);
    if (tm_read_file(path, GOLDEN_MOST, &text, &err) != TM_OK)
        die(path, &err);
    for (char *line = text.data, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        tm_assert(n < CASES_MOST);
        cases[n] = (struct golden){0};
        read_line(line, (size_t)(end - line), &cases[n++]);
    }
    tm_buf_finish(&text);
    return n;
}

/* ---- running ---- */

static void run_all(struct tm_engine *e, struct golden *cases, int n)
{
    struct tm_err err = {TM_OK};
    for (int i = 0; i < n; i++) {
        struct golden *g = &cases[i];
        size_t size = tm_engine_output_size(e, (int32_t)g->n_ids);
        g->got = calloc(size, sizeof *g->got);
        struct tm_sequence seq = {.ids = g->ids,
                                  .n_ids = (int32_t)g->n_ids,
                                  .skip = g->skip,
                                  .n_first = (int32_t)g->n_first,
                                  .out = g->got,
                                  .out_size = size};
        if (tm_engine_fits(e, &seq, &err) != TM_OK)
            die("golden does not fit", &err);
        tm_assert(tm_engine_submit(e, &seq, (uint64_t)i) == TM_OK);
    }
    while (tm_engine_step(e, 0, NULL, NULL) == TM_OK)
        ;
    struct tm_answer answers[CASES_MOST];
    tm_assert(tm_engine_collect(e, answers, CASES_MOST) == (size_t)n);
    for (int i = 0; i < n; i++)
        tm_assert(answers[i].status == TM_OK);
}

/* Row of a token or sequence: its greatest element must be the reference's. */
static bool same_label(const struct golden *g, int64_t at, int64_t width)
{
    int64_t mine = at, theirs = at;
    for (int64_t c = at; c < at + width; c++) {
        mine = g->got[c] > g->got[mine] ? c : mine;
        theirs = g->out[c] > g->out[theirs] ? c : theirs;
    }
    return mine == theirs;
}

static bool compare(const struct tm_engine *e, const char *folder, const char *device,
                    const struct golden *cases, int n)
{
    const struct tm_engine_info *info = tm_engine_info(e);
    double worst = 0, worst_ratio = 0;
    int labels = 0;
    for (int i = 0; i < n; i++) {
        const struct golden *g = &cases[i];
        if ((size_t)g->n_out != tm_engine_output_size(e, (int32_t)g->n_ids)) {
            printf("%-40s %-7s line %d: %lld numbers expected, the engine gives %zu\n", folder,
                   device, i + 1, (long long)g->n_out, tm_engine_output_size(e, (int32_t)g->n_ids));
            return false;
        }
        for (int64_t c = 0; c < g->n_out; c++) {
            double error = fabs((double)g->got[c] - g->out[c]);
            worst = fmax(worst, error);
            worst_ratio = fmax(worst_ratio, error / (tolerance + tolerance * fabs(g->out[c])));
        }
        int64_t width = info->head == TM_HEAD_SPAN ? g->n_ids : info->n_labels;
        for (int64_t c = 0; info->head != TM_HEAD_EMBEDDING && c < g->n_out; c += width)
            labels += !same_label(g, c, width);
    }
    bool ok = worst_ratio <= 1 && labels == 0;
    printf(
        "%-40s %-7s %2d sequences, worst error %.2e, %.3g of the tolerance, %d labels differ%s\n",
        folder, device, n, worst, worst_ratio, labels, ok ? "" : "  FAILED");
    return ok;
}

static bool has_layers(const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/layers.jsonl", folder);
    return access(path, F_OK) == 0;
}

static bool run_folder(const char *folder, const char *device)
{
    static struct golden cases[CASES_MOST];
    char base[4096];
    struct tm_err err = {TM_OK};
    struct tm_engine *e = NULL;
    struct tm_engine_limits limits = {.threads = 1, .queue = CASES_MOST};
    snprintf(base, sizeof base, "%s/base", folder);
    enum tm_status s = tm_engine_open(folder, access(base, F_OK) == 0 ? base : NULL, device,
                                      "float32", &limits, &e, &err);
    if (s != TM_OK) {
        printf("%-40s %-7s %s\n", folder, device, err.text);
        return false;
    }
    bool layers = !has_layers(folder) || run_layers(e, folder, device);
    if (tm_engine_info(e)->head == TM_HEAD_GENERATE) {
        bool same = run_generation(e, folder, device);
        tm_engine_close(e);
        return same && layers;
    }
    int n = read_golden(folder, cases);
    run_all(e, cases, n);
    bool ok = n > 0 && compare(e, folder, device, cases, n);
    for (int i = 0; i < n; i++) {
        free(cases[i].ids);
        free(cases[i].skip);
        free(cases[i].out);
        free(cases[i].got);
    }
    tm_engine_close(e);
    return ok && layers;
}

/* Whether this machine and build have a backend does not depend on the model. */
static bool has_device(const char *folder, const char *device)
{
    struct tm_err err = {TM_OK};
    struct tm_engine *e = NULL;
    struct tm_engine_limits limits = {.threads = 1};
    char base[4096];
    snprintf(base, sizeof base, "%s/base", folder);
    enum tm_status s = tm_engine_open(folder, access(base, F_OK) == 0 ? base : NULL, device,
                                      "float32", &limits, &e, &err);
    tm_engine_close(e);
    if (s == TM_UNSUPPORTED)
        printf("%-7s skipped: %s\n", device, err.text);
    return s != TM_UNSUPPORTED;
}

static int run_devices(const char *const *devices, size_t n_devices, char **folders, int n)
{
    int failed = 0, ran = 0;
    for (size_t d = 0; n > 0 && d < n_devices; d++) {
        if (n_devices > 1 && !has_device(folders[0], devices[d]))
            continue;
        for (int i = 0; i < n; i++, ran++)
            failed += !run_folder(folders[i], devices[d]);
    }
    printf("%d of %d passed\n", ran - failed, ran);
    return failed > 0 || ran == 0;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    static const char *const all[] = {"ref", "avx2", "avx512", "blas"};
    if (argc > 2 && strcmp(argv[1], "--device") == 0)
        return run_devices((const char *const *)argv + 2, 1, argv + 3, argc - 3);
    if (argc != 3 || strcmp(argv[1], "--all") != 0)
        return run_devices(all, TM_COUNTOF(all), argv + 1, argc - 1);
    struct dirent **entries = NULL;
    char *folders[CASES_MOST];
    int n = scandir(argv[2], &entries, visible, alphasort);
    tm_assert(n > 0 && n <= CASES_MOST);
    for (int i = 0; i < n; i++) {
        tm_assert(asprintf(&folders[i], "%s/%s", argv[2], entries[i]->d_name) > 0);
        free(entries[i]);
    }
    free(entries);
    int rc = run_devices(all, TM_COUNTOF(all), folders, n);
    for (int i = 0; i < n; i++)
        free(folders[i]);
    return rc;
}
