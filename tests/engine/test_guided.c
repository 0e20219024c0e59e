/* Guides through the engine: rules of ids against transformers' answers, and the guides of
 * pipeline/guides (choices, schemas, stop strings) over models of random weights whose ids write
 * what this file says. Argument: the goldens' folder. */
#include "generating.h"
#include "tm_generate.h"

#include <jansson.h>
#include <math.h>

static const char *goldens;

/* ---- against transformers ---- */

struct guided_case {
    int32_t share, stop, eos, beams, n_want, ngram, min_length, max_length, renormalize;
    enum tm_early early;
    float length_penalty, repetition_penalty;
    int32_t n_source, source[32], n_prefix, prefix[4], n[4];
    float scores[4];
    int32_t want[4][32];
};
#include "guided_cases.h"

static void rule_init(const struct tm_guide *g, void *state)
{
    (void)g;
    *(int32_t *)state = -1;
}

static enum tm_guide_verdict rule_advance(const struct tm_guide *g, void *state, int32_t id)
{
    const struct guided_case *c = g->self;
    *(int32_t *)state = id;
    return id % c->stop == 5 ? TM_GUIDE_STOP : TM_GUIDE_GO;
}

static void rule_mask(const struct tm_guide *g, const void *state, uint32_t *bits)
{
    const struct guided_case *c = g->self;
    int64_t last = *(const int32_t *)state;
    for (int64_t v = 0; v < GUIDED_VOCABULARY; v++)
        if (v == 2 ? !c->eos : ((last + 2) * 7919 + v * 104729) % 1000 >= c->share)
            bits[v / 32] &= ~(1u << (v % 32));
}

static void set_up(struct tm_engine *e, struct job *j, struct tm_guide *g,
                   const struct guided_case *c)
{
    job_make(e, j, c->n_source, 1);
    memcpy(j->source, c->source, sizeof c->source);
    *g = (struct tm_guide){.state_size = sizeof(int32_t),
                           .init = rule_init,
                           .advance = rule_advance,
                           .mask = c->share < 1000 ? rule_mask : NULL,
                           .self = (void *)c};
    j->seq.guide = g;
    j->seq.decoder_ids = c->n_prefix > 0 ? c->prefix : NULL;
    j->seq.n_decoder_ids = c->n_prefix;
    j->how.num_beams = c->beams;
    j->how.num_return_sequences = c->n_want;
    j->how.early_stopping = c->early;
    j->how.length_penalty = c->length_penalty;
    j->how.repetition_penalty = c->repetition_penalty;
    j->how.no_repeat_ngram_size = c->ngram;
    j->how.min_length = c->min_length;
    j->how.max_length = c->max_length;
    j->how.renormalize_logits = c->renormalize != 0;
}

static void check_case(int i, const struct guided_case *c, const struct job *j)
{
    assert_int_equal(j->status, TM_OK);
    for (int k = 0; k < c->n_want; k++) {
        const struct tm_generated *got = &j->got[k];
        if (got->n_ids != c->n[k] ||
            memcmp(got->ids, c->want[k], (size_t)got->n_ids * sizeof *got->ids) != 0)
            fail_msg("case %d, answer %d: other ids (%d, wanted %d)", i, k, got->n_ids, c->n[k]);
        if (c->beams > 1)
            assert_true(fabsf(got->score - c->scores[k]) < 1e-4F * (1 + fabsf(c->scores[k])));
    }
}

/* All at once, so that they share steps, with unguided ones among them. */
static void test_transformers(void **arg)
{
    (void)arg;
    enum { N = TM_COUNTOF(cases), PLAIN = 5 };
    static struct job jobs[N + PLAIN];
    static struct tm_guide guides[N];
    static const char *const devices[] = {"ref", "auto"};
    char folder[4096];
    struct tm_engine_limits limits = {.threads = 1, .decode_rows = 40};
    snprintf(folder, sizeof folder, "%s/bart-cnn", goldens);
    for (size_t d = 0; d < TM_COUNTOF(devices); d++) {
        struct tm_engine *e = open_engine(folder, devices[d], &limits);
        for (int i = 0; i < N; i++)
            set_up(e, &jobs[i], &guides[i], &cases[i]);
        for (int i = N; i < N + PLAIN; i++)
            job_make(e, &jobs[i], 5 * (i - N) + 1, (uint64_t)i);
        jobs_run(e, jobs, N + PLAIN, NULL, 1);
        for (int i = 0; i < N; i++)
            check_case(i, &cases[i], &jobs[i]);
        tm_engine_close(e);
    }
}

/* ---- what ids write ---- */

/* Below 3 nothing, then the printable characters and a line feed, then words, then two or three
 * letters each. */
enum { VOCABULARY = 400, FIRST = 3, WORDS = FIRST + 96 };
static const char *const words[] = {"yes",  "ye",  "no",  "not", " maybe",
                                    "true", "{\"", "\":", "END"};

static size_t write_id(int32_t id, char out[16])
{
    uint64_t state = (uint64_t)id;
    size_t n = 0;
    if (id < FIRST)
        return 0;
    if (id < WORDS) {
        out[0] = id == WORDS - 1 ? '\n' : (char)(' ' + id - FIRST);
        return 1;
    }
    if ((size_t)(id - WORDS) < TM_COUNTOF(words))
        return (size_t)snprintf(out, 16, "%s", words[id - WORDS]);
    for (n = 0; n < 2 + (size_t)(id % 2); n++)
        out[n] = (char)('a' + random_below(&state, 26));
    return n;
}

/* In place of the library's. */
enum tm_status tm_tokenizer_bytes(const struct tm_tokenizer *t, int32_t id, struct tm_buf *out,
                                  struct tm_err *err)
{
    char text[16];
    size_t n = write_id(id, text);
    (void)t;
    (void)err;
    return n == 0 ? TM_NOTFOUND : tm_buf_append(out, text, n) ? TM_OK : TM_NOMEM;
}

/* The text behind the prompt. */
static const char *text_of(const struct tm_generated *g, int32_t prompt)
{
    static char text[16 * JOB_IDS];
    size_t n = 0;
    for (int32_t i = prompt; i < g->n_ids; i++)
        n += write_id(g->ids[i], text + n);
    text[n] = '\0';
    return text;
}

static const struct tiny tinies[] = {
    {TINY_LLAMA, VOCABULARY, 32, 4, 2, 48, 2, 256},
    {TINY_T5, VOCABULARY, 32, 4, 4, 48, 2, 0},
    {TINY_BART, VOCABULARY, 32, 4, 4, 48, 2, 256},
};

struct bench {
    struct tm_engine *e;
    struct tm_model model;
    struct tm_vocabulary *v;
};

static void open_bench(struct bench *b, size_t which)
{
    struct tm_engine_limits limits = {.threads = 1, .decode_rows = 48};
    struct tm_err err = {TM_OK};
    b->e = open_tiny(&tinies[which], "auto", &limits);
    b->model = (struct tm_model){.name = "tiny", .engine = b->e};
    if (tm_vocabulary_open(&b->model, &b->v, &err) != TM_OK)
        fail_msg("%s", err.text);
}

static void close_bench(struct bench *b, struct tm_guide *g)
{
    tm_guide_close(g);
    tm_vocabulary_close(b->v);
    close_tiny(b->e);
}

enum { JOBS = 24 };
static struct job jobs[JOBS];

static int32_t prompt_of(const struct bench *b, const struct job *j)
{
    bool whole = tm_engine_info(b->e)->encoder_decoder;
    return !whole ? j->seq.n_ids : j->seq.decoder_ids != NULL ? j->seq.n_decoder_ids : 1;
}

/* Greedy, beams and samples in turn, from sources of several lengths. */
static void make_jobs(const struct bench *b, const struct tm_guide *g, int32_t max_new)
{
    for (int i = 0; i < JOBS; i++) {
        struct job *j = &jobs[i];
        job_make(b->e, j, 1 + i * 3 % 40, (uint64_t)i + 1);
        j->how.max_new_tokens = max_new;
        j->how.num_beams = i % 3 == 1 ? 4 : 1;
        j->how.do_sample = i % 3 == 2;
        j->how.num_return_sequences = i % 3 == 0 ? 1 : 2;
        j->how.top_k = i % 2 == 0 ? 20 : 0;
        j->seq.guide = g;
    }
}

static void run(const struct bench *b)
{
    jobs_run(b->e, jobs, JOBS, NULL, 1);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(jobs[i].status, TM_OK);
}

static void test_choice(void **arg)
{
    (void)arg;
    static char *items[] = {"yes", "no", "not at all", "maybe"};
    const struct tm_conf_list choices = {items, TM_COUNTOF(items)};
    for (size_t m = 0; m < TM_COUNTOF(tinies); m++) {
        struct bench b;
        struct tm_guide *g;
        int seen[TM_COUNTOF(items)] = {0}, kinds = 0;
        open_bench(&b, m);
        assert_int_equal(tm_guide_choice(b.v, &choices, &g, NULL), TM_OK);
        make_jobs(&b, g, 16);
        run(&b);
        for (int i = 0; i < JOBS; i++) {
            for (int k = 0; k < jobs[i].how.num_return_sequences; k++) {
                const struct tm_generated *got = &jobs[i].got[k];
                const char *text = text_of(got, prompt_of(&b, &jobs[i]));
                size_t c = 0;
                text += text[0] == ' '; /* a choice may have a blank before it */
                while (c < TM_COUNTOF(items) && strcmp(text, items[c]) != 0)
                    c++;
                if (c == TM_COUNTOF(items))
                    fail_msg("model %zu, sequence %d: \"%s\" is no choice", m, i, text);
                assert_int_equal(got->finish_reason, TM_FINISH_STOP);
                seen[c]++;
            }
        }
        for (size_t c = 0; c < TM_COUNTOF(items); c++)
            kinds += seen[c] > 0;
        assert_true(kinds > 1); /* the model still has a say */
        close_bench(&b, g);
    }
}

/* Two spellings for four beams: two answers, and two that are not there. */
static void test_fewer(void **arg)
{
    (void)arg;
    static char *items[] = {"#"};
    const struct tm_conf_list choices = {items, 1};
    struct bench b;
    struct tm_guide *g;
    open_bench(&b, 2);
    assert_int_equal(tm_guide_choice(b.v, &choices, &g, NULL), TM_OK);
    job_make(b.e, &jobs[0], 9, 3);
    jobs[0].how.num_beams = jobs[0].how.num_return_sequences = 4;
    jobs[0].seq.guide = g;
    jobs_run(b.e, jobs, 1, NULL, 1);
    assert_int_equal(jobs[0].status, TM_OK);
    for (int k = 0; k < 2; k++) {
        const char *text = text_of(&jobs[0].got[k], 1);
        assert_true(strcmp(text, "#") == 0 || strcmp(text, " #") == 0);
    }
    for (int k = 2; k < 4; k++) {
        assert_int_equal(jobs[0].got[k].n_ids, 0);
        assert_int_equal(jobs[0].got[k].finish_reason, TM_FINISH_NONE);
    }
    close_bench(&b, g);
}

/* ---- schemas ---- */

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":6},"
    "\"n\":{\"type\":\"integer\"},\"ok\":{\"type\":\"boolean\"},"
    "\"tags\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":2,\"items\":{\"enum\":[\"a\",\"b\"]}}"
    "},"
    "\"required\":[\"name\",\"n\",\"tags\"],\"additionalProperties\":false}";

static bool keeps_to_schema(const char *text)
{
    json_t *o = json_loads(text, 0, NULL), *tags = json_object_get(o, "tags"), *ok;
    const char *name = json_string_value(json_object_get(o, "name"));
    size_t i;
    bool good =
        json_is_object(o) && name != NULL && json_string_length(json_object_get(o, "name")) > 0;
    good = good && json_is_integer(json_object_get(o, "n")) && json_is_array(tags) &&
           json_array_size(tags) >= 1 && json_array_size(tags) <= 2;
    ok = json_object_get(o, "ok");
    good =
        good && (ok == NULL || json_is_boolean(ok)) && json_object_size(o) == (ok != NULL ? 4 : 3);
    for (i = 0; good && i < json_array_size(tags); i++) {
        const char *tag = json_string_value(json_array_get(tags, i));
        good = tag != NULL && (strcmp(tag, "a") == 0 || strcmp(tag, "b") == 0);
    }
    json_decref(o);
    return good;
}

static void test_schema(void **arg)
{
    (void)arg;
    for (size_t m = 0; m < TM_COUNTOF(tinies); m++) {
        struct bench b;
        struct tm_guide *g;
        struct tm_err err = {TM_OK};
        open_bench(&b, m);
        if (tm_guide_schema(b.v, schema, strlen(schema), &g, &err) != TM_OK)
            fail_msg("%s", err.text);
        make_jobs(&b, g, 100);
        run(&b);
        for (int i = 0; i < JOBS; i++) {
            for (int k = 0; k < jobs[i].how.num_return_sequences; k++) {
                const char *text = text_of(&jobs[i].got[k], prompt_of(&b, &jobs[i]));
                assert_int_equal(jobs[i].got[k].finish_reason, TM_FINISH_STOP);
                if (!keeps_to_schema(text))
                    fail_msg("model %zu, sequence %d: %s", m, i, text);
            }
        }
        close_bench(&b, g);
    }
}

/* ---- stop strings ---- */

/* The string begins inside one token of what the model says by itself and ends inside another: the
 * answer is the same, up to that token. */
static void test_stop(void **arg)
{
    (void)arg;
    enum { NEW = 24, FROM = 6, TO = 9 };
    static struct job plain[JOBS];
    for (size_t m = 0; m < TM_COUNTOF(tinies); m++) {
        struct bench b;
        open_bench(&b, m);
        make_jobs(&b, NULL, NEW);
        for (int i = 0; i < JOBS; i++)
            jobs[i].how.n_eos = 0; /* so that all go on */
        run(&b);
        memcpy(plain, jobs, sizeof jobs);
        for (int i = 0; i < JOBS; i++) {
            int32_t prompt = prompt_of(&b, &plain[i]);
            struct tm_generated until = {plain[i].ids[0], prompt + FROM, 0, TM_FINISH_NONE};
            struct tm_guide *g;
            char text[256];
            if (plain[i].how.num_beams > 1)
                continue; /* with beams another may win: against transformers */
            size_t begin = strlen(text_of(&until, prompt)), end;
            until.n_ids = prompt + TO;
            end = strlen(text_of(&until, prompt));
            snprintf(text, sizeof text, "%s", text_of(&until, prompt));
            begin = begin > 0 ? begin - 1 : 0;
            char *string = text + begin, *found = strstr(text, string);
            const struct tm_conf_list strings = {&string, 1};
            if (begin + 1 >= end || found != string)
                continue; /* tokens that write nothing, or it is there before */
            assert_int_equal(tm_guide_stop(b.v, &strings, &g, NULL), TM_OK);
            job_make(b.e, &jobs[i], plain[i].seq.n_ids, (uint64_t)i + 1);
            jobs[i].how = plain[i].how;
            jobs[i].seq.guide = g;
            jobs_run(b.e, &jobs[i], 1, NULL, 1);
            const struct tm_generated *got = &jobs[i].got[0];
            assert_true(got->n_ids <= prompt + TO && got->n_ids > prompt + FROM - 1);
            assert_memory_equal(got->ids, plain[i].ids[0], (size_t)got->n_ids * sizeof(int32_t));
            assert_non_null(strstr(text_of(got, prompt), string));
            assert_int_equal(got->finish_reason, TM_FINISH_STOP);
            tm_guide_close(g);
        }
        close_bench(&b, NULL);
    }
}

/* A string that the prompt begins ends the answer at once; one that lies in the prompt does not. */
static void test_stop_in_prompt(void **arg)
{
    (void)arg;
    struct bench b;
    struct tm_guide *g;
    char text[64], first[16] = "";
    char longer[] = "a longer one, so that more of the prompt is kept";
    char *items[] = {text, longer};
    const struct tm_conf_list strings = {items, 2};
    open_bench(&b, 0);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++) { /* by itself; with the guide */
            job_make(b.e, &jobs[0], 12, 5);
            for (int32_t k = 0; k < 12; k++)
                jobs[0].source[k] = FIRST + 'A' - ' ' + k;
            jobs[0].how.max_new_tokens = 10;
            jobs[0].how.n_eos = 0;
            jobs[0].seq.guide = i == 1 ? g : NULL;
            jobs_run(b.e, jobs, 1, NULL, 1);
            if (i == 0) {
                write_id(jobs[0].ids[0][12], first);
                snprintf(text, sizeof text, "%s", round == 0 ? "JKL" : "GHIJKL");
                strcat(text, round == 0 ? "" : first);
                assert_int_equal(tm_guide_stop(b.v, &strings, &g, NULL), TM_OK);
            }
        }
        assert_int_equal(jobs[0].got[0].n_ids, round == 0 ? 22 : 13);
        tm_guide_close(g);
    }
    close_bench(&b, NULL);
}

/* ---- a forced beginning ---- */

/* What the model says by itself, given as its beginning, changes nothing; any other stays. */
static void test_prefix(void **arg)
{
    (void)arg;
    enum { PREFIX = 5 };
    int32_t prefix[PREFIX];
    for (size_t m = 1; m < TM_COUNTOF(tinies); m++) {
        struct bench b;
        int32_t all[JOB_IDS];
        open_bench(&b, m);
        for (int round = 0; round < 3; round++) {
            job_make(b.e, &jobs[0], 15, 9);
            jobs[0].how.max_length = 30;
            jobs[0].how.n_eos = 0;
            jobs[0].seq.decoder_ids = round > 0 ? prefix : NULL;
            jobs[0].seq.n_decoder_ids = round > 0 ? PREFIX : 0;
            jobs_run(b.e, jobs, 1, NULL, 1);
            assert_int_equal(jobs[0].got[0].n_ids, 30);
            if (round == 0)
                memcpy(all, jobs[0].ids[0], sizeof all);
            if (round == 1)
                assert_memory_equal(jobs[0].ids[0], all, 30 * sizeof *all);
            memcpy(prefix, all, sizeof prefix);
            if (round == 1)
                prefix[3] = prefix[3] == 77 ? 78 : 77;
            if (round == 2)
                assert_int_not_equal(jobs[0].ids[0][3], all[3]);
        }
        close_bench(&b, NULL);
    }
}

/* ---- what is refused ---- */

static void test_refused(void **arg)
{
    (void)arg;
    struct bench b;
    struct tm_err err = {TM_OK};
    const struct tm_guide g = {.state_size = TM_GUIDE_STATE + 1};
    open_bench(&b, 0);
    job_make(b.e, &jobs[0], 3, 1);
    jobs[0].seq.guide = &g;
    assert_int_equal(tm_engine_fits(b.e, &jobs[0].seq, &err), TM_TOOLARGE);
    assert_non_null(strstr(err.text, "state"));
    close_bench(&b, NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transformers), cmocka_unit_test(test_choice),
        cmocka_unit_test(test_fewer),        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_stop),         cmocka_unit_test(test_stop_in_prompt),
        cmocka_unit_test(test_prefix),       cmocka_unit_test(test_refused),
    };
    if (argc != 2)
        return 64;
    goldens = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
