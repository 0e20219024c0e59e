/* Guides: what they let through, token by token. The vocabulary is the fake tokenizer's words. */
#include "fake.h"
#include "tm_generate.h"

#include <stdlib.h>
#include <string.h>

enum { EOS = FAKE_SEP, SIZE = 128 };
static const int32_t eos = EOS;
static const struct tm_generation plain = {.eos_token_ids = &eos, .n_eos = 1};

struct bench {
    struct tm_model model;
    struct tm_engine *engine;
    struct tm_vocabulary *v;
    struct tm_guide *g;
    void *state;
};

/* A vocabulary of these tokens, NULL-ended, in this order from id 3 on. */
static void open_bench(struct bench *b, const char *const *tokens)
{
    fake_models[0] = (struct fake_model){.name = "m",
                                         .info = {.head = TM_HEAD_GENERATE,
                                                  .vocab_size = SIZE,
                                                  .output_size = SIZE,
                                                  .generation = &plain}};
    for (; *tokens != NULL; tokens++)
        fake_word_id(*tokens);
    *b = (struct bench){.engine = NULL};
    assert_int_equal(tm_engine_open("x/m", NULL, "cpu", "auto", NULL, &b->engine, NULL), TM_OK);
    b->model = (struct tm_model){.name = "m", .engine = b->engine};
    assert_int_equal(tm_tokenizer_open("m", &b->model.tok, NULL), TM_OK);
    assert_int_equal(tm_vocabulary_open(&b->model, &b->v, NULL), TM_OK);
}

static void start(struct bench *b)
{
    free(b->state);
    b->state = calloc(1, b->g->state_size);
    b->g->init(b->g, b->state);
}

static void close_bench(struct bench *b)
{
    free(b->state);
    tm_guide_close(b->g);
    tm_vocabulary_close(b->v);
    tm_tokenizer_close(b->model.tok);
    tm_engine_close(b->engine);
    fake_reset();
}

static bool allows(struct bench *b, int32_t id)
{
    uint32_t bits[SIZE / 32];
    memset(bits, 0xff, sizeof bits);
    b->g->mask(b->g, b->state, bits);
    return (bits[id / 32] >> (id % 32) & 1) != 0;
}

static bool allows_word(struct bench *b, const char *word)
{
    return allows(b, fake_word_id(word));
}

static enum tm_guide_verdict take(struct bench *b, const char *word)
{
    return b->g->advance(b->g, b->state, fake_word_id(word));
}

static void a_stop_string_ends_where_it_is_complete(void **unused)
{
    (void)unused;
    static const char *const tokens[] = {"ab", "c", "d", "EN", "D.", "E", NULL};
    char *items[] = {"END"};
    const struct tm_conf_list strings = {items, 1};
    struct bench b;
    open_bench(&b, tokens);
    assert_int_equal(tm_guide_stop(b.v, &strings, &b.g, NULL), TM_OK);
    start(&b);
    assert_int_equal(take(&b, "ab"), TM_GUIDE_GO);
    assert_int_equal(take(&b, "EN"), TM_GUIDE_GO);
    assert_int_equal(take(&b, "c"), TM_GUIDE_GO); /* not what it looked like */
    assert_int_equal(take(&b, "EN"), TM_GUIDE_GO);
    assert_int_equal(take(&b, "D."), TM_GUIDE_STOP); /* inside a token too */
    close_bench(&b);
}

static void a_choice_is_spelt_by_any_tokens(void **unused)
{
    (void)unused;
    static const char *const tokens[] = {"y", "ye", "yes", "es", "no",   "n",
                                         "o", "t",  "not", "x",  " yes", NULL};
    char *items[] = {"yes", "no", "not"};
    const struct tm_conf_list strings = {items, 3};
    struct bench b;
    open_bench(&b, tokens);
    assert_int_equal(tm_guide_choice(b.v, &strings, &b.g, NULL), TM_OK);
    start(&b);
    assert_true(allows_word(&b, "y") && allows_word(&b, "ye") && allows_word(&b, "yes"));
    assert_true(allows_word(&b, "no") && allows_word(&b, "n") && allows_word(&b, " yes"));
    assert_false(allows_word(&b, "es") || allows_word(&b, "x") || allows(&b, EOS));
    assert_int_equal(take(&b, "y"), TM_GUIDE_GO);
    assert_true(allows_word(&b, "es"));
    assert_false(allows_word(&b, "no"));
    assert_int_equal(take(&b, "es"), TM_GUIDE_STOP);
    start(&b);
    assert_int_equal(take(&b, "no"), TM_GUIDE_GO); /* it may go on to "not" */
    assert_true(allows(&b, EOS) && allows_word(&b, "t"));
    assert_false(allows_word(&b, "o"));
    close_bench(&b);
}

/* Every byte is a token: the schema guide is fed text and says how far it goes. */
static const char *const letters[] = {"{", "}", "[", "]", "\"", ":",  ",",       " ",         "0",
                                      "1", "2", "-", ".", "e",  "a",  "b",       "t",         "r",
                                      "u", "f", "l", "s", "n",  "\\", "{\"a\":", "truefalse", NULL};

/* 'y': may end here. 'n': allowed so far, may not end. 'x': refused. */
static char fate(struct bench *b, const char *text)
{
    start(b);
    for (; *text != '\0'; text++) {
        const char token[] = {*text, '\0'};
        if (!allows_word(b, token))
            return 'x';
        if (take(b, token) == TM_GUIDE_STOP)
            return text[1] == '\0' ? 'y' : 'x';
    }
    return allows(b, EOS) ? 'y' : 'n';
}

static void a_schema_lets_through_what_it_allows(void **unused)
{
    (void)unused;
    static const struct {
        const char *schema, *text;
        char fate;
    } cases[] = {
        {"{\"type\":\"boolean\"}", "true", 'y'},
        {"{\"type\":\"boolean\"}", "tr", 'n'},
        {"{\"type\":\"boolean\"}", "null", 'x'},
        {"{\"type\":\"integer\"}", "-120", 'y'},
        {"{\"type\":\"integer\"}", "01", 'x'},
        {"{\"type\":\"integer\"}", "1.2", 'x'},
        {"{\"type\":\"number\"}", "1.2e-1", 'y'},
        {"{\"type\":\"number\"}", "1.", 'n'},
        {"{\"type\":\"string\",\"maxLength\":2}", "\"ab\"", 'y'},
        {"{\"type\":\"string\",\"maxLength\":2}", "\"abs\"", 'x'},
        {"{\"type\":\"string\",\"minLength\":2}", "\"a\"", 'x'},
        {"{\"type\":\"string\"}", "\"\\n\\\"\\u00e0\"", 'y'},
        {"{\"type\":\"string\"}", "\"\\a\"", 'x'},
        {"{\"enum\":[1,12,\"a\"]}", "1", 'y'},
        {"{\"enum\":[1,12,\"a\"]}", "12", 'y'},
        {"{\"enum\":[1,12,\"a\"]}", "\"a\"", 'y'},
        {"{\"enum\":[1,12,\"a\"]}", "2", 'x'},
        {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"maxItems\":2}", "[1, 2]", 'y'},
        {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"maxItems\":2}", "[1,2,0]", 'x'},
        {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":1}", "[]", 'x'},
        {"{\"type\":\"array\",\"items\":{\"enum\":[1,12]}}", "[1,12]", 'y'},
        {"{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"null\"}},"
         "\"required\":[\"b\"]}",
         "{\"a\": 1, \"b\":null}", 'y'},
        {"{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"null\"}},"
         "\"required\":[\"b\"]}",
         "{\"b\":null}", 'y'},
        {"{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"null\"}},"
         "\"required\":[\"b\"]}",
         "{\"a\":1}", 'x'},
        {"{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"null\"}}}",
         "{\"b\":null,\"a\":1}", 'x'}, /* in the schema's order */
        {"{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"integer\"}]}", "null", 'y'},
        {"{\"type\":[\"null\",\"integer\"]}", "0", 'y'},
        {"true", "[{\"a\":[true,-1.0]},\"\"]", 'y'},
        {"true", "[[[[[[[[[[[[[[[[[[[[[[", 'x'}, /* deeper than the state holds */
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct bench b;
        struct tm_err err = {0};
        open_bench(&b, letters);
        if (tm_guide_schema(b.v, cases[i].schema, strlen(cases[i].schema), &b.g, &err) != TM_OK)
            fail_msg("%s: %s", cases[i].schema, err.text);
        char f = fate(&b, cases[i].text);
        if (f != cases[i].fate)
            fail_msg("%s with %s: %c, not %c", cases[i].text, cases[i].schema, f, cases[i].fate);
        close_bench(&b);
    }
}

/* Tokens of several bytes are taken when all their bytes are. */
static void tokens_are_judged_whole(void **unused)
{
    (void)unused;
    static const char schema[] = "{\"properties\":{\"a\":{\"type\":\"boolean\"}}}";
    struct bench b;
    open_bench(&b, letters);
    assert_int_equal(tm_guide_schema(b.v, schema, strlen(schema), &b.g, NULL), TM_OK);
    start(&b);
    assert_true(allows_word(&b, "{\"a\":"));
    assert_int_equal(take(&b, "{\"a\":"), TM_GUIDE_GO);
    assert_true(allows_word(&b, "t"));
    assert_false(allows_word(&b, "truefalse"));
    close_bench(&b);
}

/* An allowed id, by a fixed sequence of random numbers. */
static int32_t choose(const uint32_t *bits, uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    int32_t id = (int32_t)((*random >> 33) % SIZE);
    for (int32_t i = 0; i < SIZE; i++, id = (id + 1) % SIZE)
        if (id != EOS && (bits[id / 32] >> (id % 32) & 1) != 0)
            return id;
    return EOS;
}

/* A guide that has seen many states says of each what one says that has seen none. */
static void a_state_seen_before_gets_the_same_mask(void **unused)
{
    (void)unused;
    static const char *const schemas[] = {
        "{\"type\":\"string\",\"minLength\":3,\"maxLength\":300}",
        "{\"type\":\"array\",\"minItems\":2,\"maxItems\":280,\"items\":{\"type\":\"integer\"}}",
        "{\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"string\",\"maxLength\":9},"
        "\"b\":{\"type\":\"array\",\"items\":{\"enum\":[1,12,\"true\"]}},\"l\":{\"type\":"
        "\"number\"}}}",
        "{}",
    };
    for (size_t k = 0; k < TM_COUNTOF(schemas); k++) {
        struct bench b;
        uint64_t random = 11;
        open_bench(&b, letters);
        assert_int_equal(tm_guide_schema(b.v, schemas[k], strlen(schemas[k]), &b.g, NULL), TM_OK);
        start(&b);
        for (int i = 0; i < 2500; i++) {
            uint32_t seen[SIZE / 32], fresh[SIZE / 32];
            struct tm_guide *other = NULL;
            assert_int_equal(tm_guide_schema(b.v, schemas[k], strlen(schemas[k]), &other, NULL),
                             TM_OK);
            b.g->mask(b.g, b.state, seen);
            other->mask(other, b.state, fresh);
            tm_guide_close(other);
            assert_memory_equal(seen, fresh, sizeof seen);
            int32_t id = choose(seen, &random);
            if (id == EOS || b.g->advance(b.g, b.state, id) == TM_GUIDE_STOP)
                start(&b);
        }
        close_bench(&b);
    }
}

static void a_schema_beyond_understanding_is_refused_by_name(void **unused)
{
    (void)unused;
    static const struct {
        const char *schema;
        enum tm_status status;
        const char *text;
    } cases[] = {
        {"{\"type\":\"string\",\"pattern\":\"a\"}", TM_UNSUPPORTED, "\"pattern\""},
        {"{\"anyOf\":[{\"type\":\"string\"},{\"const\":\"a\"}]}", TM_UNSUPPORTED, "begin alike"},
        {"{\"type\":\"text\"}", TM_CONFIG, "no type \"text\""},
        {"{\"type\":\"array\",\"minItems\":2,\"maxItems\":1}", TM_CONFIG, "bounds"},
        {"{", TM_CONFIG, "schema:1"},
        {"[]", TM_CONFIG, "expected an object"},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct bench b;
        struct tm_err err = {0};
        open_bench(&b, letters);
        assert_int_equal(tm_guide_schema(b.v, cases[i].schema, strlen(cases[i].schema), &b.g, &err),
                         cases[i].status);
        assert_non_null(strstr(err.text, cases[i].text));
        close_bench(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_string_ends_where_it_is_complete),
        cmocka_unit_test(a_choice_is_spelt_by_any_tokens),
        cmocka_unit_test(a_schema_lets_through_what_it_allows),
        cmocka_unit_test(tokens_are_judged_whole),
        cmocka_unit_test(a_state_seen_before_gets_the_same_mask),
        cmocka_unit_test(a_schema_beyond_understanding_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
