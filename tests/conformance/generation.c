/* Generators: every line of generate.jsonl, token for token. Lines are submitted all at once, so
 * that long and short ones, beams and single rows share the steps; then alone, and in sevens from
 * the last to the first, which must not change a bit. */
#include "conformance.h"
#include "generation.h" /* the engine's: keys of generation_config.json */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 64 << 20, LINES_MOST = 1024, BEAMS_MOST = 64, IDS_MOST = 1 << 14 };

struct ids {
    int32_t *ids;
    int32_t n;
};

struct line {
    struct ids source, decoder;
    struct tm_generation generation;
    struct ids want[BEAMS_MOST];
    double scores[BEAMS_MOST];
    struct tm_generated got[BEAMS_MOST];
    int32_t n_want, n_scores;
    enum tm_status status;
};

/* ---- reading ---- */

/* What follows the beginning of a list. */
static struct ids read_ids(struct tm_json *j, struct tm_arena *arena)
{
    struct tm_json_event ev;
    struct tm_err err = {TM_OK};
    struct ids list = {tm_arena_array(arena, IDS_MOST, sizeof *list.ids), 0};
    int64_t n;
    tm_assert(list.ids != NULL);
    while (tm_json_next(j, &ev, &err) == TM_OK && ev.type == TM_JSON_NUMBER) {
        tm_assert(list.n < IDS_MOST && tm_json_number_i64(ev.text, ev.len, &n));
        list.ids[list.n++] = (int32_t)n;
    }
    if (err.status != TM_OK)
        die("generate.jsonl", &err);
    return list;
}

static void read_answers(struct tm_json *j, struct tm_arena *arena, struct line *line, bool scores)
{
    struct tm_json_event ev;
    struct tm_err err = {TM_OK};
    while (tm_json_next(j, &ev, &err) == TM_OK && ev.type != TM_JSON_ARRAY_END) {
        tm_assert(line->n_want < BEAMS_MOST && line->n_scores < BEAMS_MOST);
        if (scores)
            tm_assert(tm_json_number_f64(ev.text, ev.len, &line->scores[line->n_scores++]));
        else
            line->want[line->n_want++] = read_ids(j, arena);
    }
    if (err.status != TM_OK)
        die("generate.jsonl", &err);
}

static void read_line(struct tm_json *j, struct tm_arena *arena, struct line *line)
{
    struct tm_json_event ev;
    struct tm_err err = {TM_OK};
    tm_assert(tm_json_next(j, &ev, &err) == TM_OK && ev.type == TM_JSON_OBJECT);
    while (tm_json_next(j, &ev, &err) == TM_OK && ev.type == TM_JSON_KEY) {
        char key[32];
        snprintf(key, sizeof key, "%s", ev.text);
        if (strcmp(key, "options") == 0) {
            if (generation_options(j, arena, &line->generation, &err) != TM_OK)
                die("options", &err);
            continue;
        }
        tm_assert(tm_json_next(j, &ev, &err) == TM_OK && ev.type == TM_JSON_ARRAY);
        if (strcmp(key, "ids") == 0)
            line->source = read_ids(j, arena);
        else if (strcmp(key, "decoder_ids") == 0)
            line->decoder = read_ids(j, arena);
        else
            read_answers(j, arena, line, strcmp(key, "sequences_scores") == 0);
    }
    if (err.status != TM_OK)
        die("generate.jsonl", &err);
}

static int32_t read_lines(const struct tm_engine *e, const char *folder, struct tm_arena *arena,
                          struct line *lines)
{
    char path[4096];
    struct tm_err err = {TM_OK};
    struct tm_buf text = {0};
    int32_t n = 0;
    snprintf(path, sizeof path, "%s/generate.jsonl", folder);
    if (tm_read_file(path, FILE_MOST, &text, &err) != TM_OK)
        die(path, &err);
    for (char *at = text.data, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        struct tm_json j;
        tm_assert(n < LINES_MOST);
        lines[n] = (struct line){.generation = *tm_engine_info(e)->generation};
        tm_json_init(&j, path, at, (size_t)(end - at));
        read_line(&j, arena, &lines[n++]);
        tm_json_finish(&j);
    }
    tm_buf_finish(&text);
    return n;
}

/* ---- running ---- */

static void submit(struct tm_engine *e, struct tm_arena *arena, struct line *line, int32_t i)
{
    struct tm_err err = {TM_OK};
    struct tm_sequence seq = {
        .ids = line->source.ids,
        .n_ids = line->source.n,
        .decoder_ids = line->decoder.ids,
        .n_decoder_ids = line->decoder.n,
        .generation = &line->generation,
        .generated = line->got,
    };
    if (tm_engine_fits(e, &seq, &err) != TM_OK)
        die("a line does not fit", &err);
    size_t most = (size_t)tm_engine_generated_most(e, &seq);
    for (int32_t k = 0; k < line->generation.num_return_sequences; k++) {
        line->got[k].ids = tm_arena_array(arena, most, sizeof(int32_t));
        tm_assert(line->got[k].ids != NULL);
    }
    tm_assert(tm_engine_submit(e, &seq, (uint64_t)i) == TM_OK);
}

/* group: how many are inside at once. */
static void run(struct tm_engine *e, struct tm_arena *arena, struct line *lines, int32_t n,
                int32_t group, bool backwards)
{
    struct tm_answer answer;
    for (int32_t first = 0; first < n; first += group) {
        int32_t many = TM_MIN(group, n - first);
        for (int32_t i = first; i < first + many; i++) {
            int32_t line = backwards ? n - 1 - i : i;
            submit(e, arena, &lines[line], line);
        }
        while (tm_engine_step(e, 0, NULL, NULL) == TM_OK)
            ;
        for (int32_t i = 0; i < many; i++) {
            tm_assert(tm_engine_collect(e, &answer, 1) == 1);
            lines[answer.cookie].status = answer.status;
        }
    }
}

static void print_ids(const char *name, const int32_t *ids, int32_t n)
{
    printf("  %s", name);
    for (int32_t i = 0; i < n; i++)
        printf(" %d", ids[i]);
    printf("\n");
}

static bool same(const struct line *line, int32_t number, double *worst)
{
    bool ok = line->status == TM_OK && line->n_want == line->generation.num_return_sequences;
    for (int32_t k = 0; ok && k < line->n_want; k++) {
        const struct tm_generated *got = &line->got[k];
        const struct ids *want = &line->want[k];
        bool equal = got->n_ids == want->n &&
                     memcmp(got->ids, want->ids, (size_t)want->n * sizeof(int32_t)) == 0;
        if (k < line->n_scores) {
            double error = fabs((double)got->score - line->scores[k]);
            *worst = fmax(*worst, error / (TOLERANCE + TOLERANCE * fabs(line->scores[k])));
        }
        if (!equal) {
            printf("line %d, sequence %d\n", number, k);
            print_ids("expected", want->ids, want->n);
            print_ids("got     ", got->ids, got->n_ids);
        }
        ok = equal;
    }
    if (line->status != TM_OK)
        printf("line %d: %s\n", number, tm_status_text(line->status));
    return ok;
}

/* How many lines came out otherwise than the first time, in a bit. */
static int32_t changed(const struct line *before, const struct line *after, int32_t n)
{
    int32_t lines = 0;
    for (int32_t i = 0; i < n; i++) {
        bool other = before[i].status != after[i].status;
        for (int32_t k = 0; !other && k < before[i].generation.num_return_sequences; k++) {
            const struct tm_generated *a = &before[i].got[k], *b = &after[i].got[k];
            other = a->n_ids != b->n_ids || a->finish_reason != b->finish_reason ||
                    memcmp(&a->score, &b->score, sizeof a->score) != 0 ||
                    memcmp(a->ids, b->ids, (size_t)a->n_ids * sizeof *a->ids) != 0;
        }
        lines += other;
    }
    return lines;
}

bool run_generation(struct tm_engine *e, const char *folder, const char *device)
{
    static struct line lines[LINES_MOST], again[LINES_MOST];
    struct tm_arena *arena = tm_arena_create((size_t)1 << 30);
    int32_t different = 0, unsteady = 0;
    double worst = 0;
    tm_assert(arena != NULL);
    int32_t n = read_lines(e, folder, arena, lines);
    memcpy(again, lines, (size_t)n * sizeof *lines);
    run(e, arena, lines, n, n, false);
    for (int32_t i = 0; i < n; i++)
        different += !same(&lines[i], i + 1, &worst);
    if (strcmp(device, "blas") != 0) { /* its sums depend on how many rows there are */
        run(e, arena, again, n, 1, false);
        unsteady = changed(lines, again, n);
        run(e, arena, again, n, 7, true);
        unsteady += changed(lines, again, n);
    }
    bool ok = n > 0 && different == 0 && worst <= 1 && unsteady == 0;
    printf("%-40s %-7s %2d sequences, %d differ, %d in other company, scores %.3g of the "
           "tolerance%s\n",
           folder, device, n, different, unsteady, worst, ok ? "" : "  FAILED");
    tm_arena_destroy(arena);
    return ok;
}
