/* Encoding where texts are extreme: nothing in them, one word of 5 MB, runs of marks, bytes that
 * are not UTF-8, models without an unknown token; and by several threads at once (for TSan too). */
#include "folder.h"
#include <pthread.h>
#include <string.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

enum { BIG = 5 << 20, LESS = 1 << 20, THREADS = 4 };

static const char *goldens;

static struct tm_tokenizer *open_golden(const char *name)
{
    char path[4096];
    struct tm_err err = {0};
    struct tm_tokenizer *t = NULL;
    snprintf(path, sizeof path, "%s/%s", goldens, name);
    if (tm_tokenizer_open(path, &t, &err) != TM_OK)
        fail_msg("%s: %s", path, err.text);
    return t;
}

static void encode(const struct tm_tokenizer *t, const char *text, size_t n, struct tm_encoding *e)
{
    struct tm_err err = {0};
    if (tm_tokenizer_encode(t, text, n, true, e, &err) != TM_OK)
        fail_msg("%s", err.text);
}

static void texts_without_words_give_only_special_tokens(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        " ",
                                        "\n\t  \r\n",
                                        "\xc2\xa0\xe3\x80\x80\xe2\x80\x83",
                                        "\xcc\x81\xcc\x82",
                                        "\x07\x08\x7f",
                                        "\xef\xbf\xbd"};
    struct tm_tokenizer *t = open_golden("bert-uncased");
    struct tm_encoding e = {0};
    for (size_t i = 0; i < TM_COUNTOF(texts); i++) {
        encode(t, texts[i], strlen(texts[i]), &e);
        assert_int_equal(e.n, 2);
        assert_int_equal(e.ids[0], tm_tokenizer_id(t, "[CLS]"));
        assert_int_equal(e.ids[1], tm_tokenizer_id(t, "[SEP]"));
        assert_int_equal(e.words[0], -1);
        assert_int_equal(e.special[1], 1);
        assert_int_equal(tm_tokenizer_encode(t, texts[i], strlen(texts[i]), false, &e, NULL),
                         TM_OK);
        assert_int_equal(e.n, 0);
    }
    assert_int_equal(tm_tokenizer_encode_pair(t, "", 0, "", 0, &e, NULL), TM_OK);
    assert_int_equal(e.n, 3);
    assert_int_equal(tm_tokenizer_encode(t, NULL, 0, true, &e, NULL), TM_OK);
    assert_int_equal(e.n, 2);
    tm_encoding_finish(&e);
    tm_encoding_finish(&e);
    tm_encoding_finish(NULL);
    tm_tokenizer_close(t);
    tm_tokenizer_close(NULL);
}

/* A word too long for the model is one unknown token over all of it, and takes no time. */
static void a_word_of_5_mb_is_one_unknown_token(void **state)
{
    (void)state;
    static const char *const units[] = {"a", "\xc3\xa9", "\xcc\x81", "\xf0\x9f\x98\x80",
                                        "[", "[MASK"};
    char *text = malloc(BIG + 8);
    assert_non_null(text);
    struct tm_encoding e = {0};
    static const char *const names[] = {"bert-uncased", "nfkc",  "added",       "roberta-trim",
                                        "sequence",     "gpt2",  "llama2",      "bpe-affixes",
                                        "t5",           "clip",  "xlm-roberta", "unigram-fallback",
                                        "bpe-fuse",     "bloom", "o200k"};
    for (size_t k = 0; k < TM_COUNTOF(names); k++) {
        struct tm_tokenizer *t = open_golden(names[k]);
        for (size_t i = 0; i < TM_COUNTOF(units); i++) {
            size_t len = strlen(units[i]), n = 0, size = k == 0 ? BIG : LESS;
            text[n++] = 'x';
            for (; n + len <= size; n += len)
                memcpy(text + n, units[i], len);
            encode(t, text, n, &e);
            assert_true(e.n >= 1);
            if (i < 2 && k < 2) {
                size_t at = k == 0;
                assert_int_equal(e.ids[at], tm_tokenizer_id(t, "[UNK]"));
                assert_int_equal(e.offsets[at][0], 0);
                assert_int_equal(e.offsets[at][1], tm_utf8_count(text, n));
            }
        }
        tm_tokenizer_close(t);
    }
    tm_encoding_finish(&e);
    free(text);
}

/* Without a limit on the length of a word the model goes through all of it, in linear time. */
static void a_word_without_limit_is_split(void **state)
{
    (void)state;
    static const char json[] = "{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","
                               "\"continuing_subword_prefix\":\"##\","
                               "\"max_input_chars_per_word\":9000000000,\"vocab\":{\"a\":0,\"##a\":"
                               "1,\"##aaa\":2,\"##b\":3}}}";
    struct folder folder;
    struct tm_err err = {0};
    struct tm_tokenizer *t = NULL;
    assert_true(folder_make(&folder) &&
                folder_write(&folder, "tokenizer.json", json, sizeof json - 1));
    assert_int_equal(tm_tokenizer_open(folder.path, &t, &err), TM_OK);
    folder_remove(&folder);
    char *text = malloc(BIG);
    assert_non_null(text);
    memset(text, 'a', BIG);
    struct tm_encoding e = {0};
    encode(t, text, BIG, &e);
    assert_int_equal(e.n, 1 + (BIG - 1) / 3 + (BIG - 1) % 3);
    assert_int_equal(e.offsets[e.n - 1][1], BIG);
    /* The unknown token is not in the vocabulary: an error, and only for a text that needs it. */
    assert_int_equal(tm_tokenizer_encode(t, "az", 2, true, &e, &err), TM_MODEL);
    assert_non_null(strstr(err.text, "[UNK]"));
    tm_encoding_finish(&e);
    tm_tokenizer_close(t);
    free(text);
}

static void bytes_that_are_not_utf8_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\x80", "abc \xc3", "a \xed\xa0\x80 b", "\xf4\x90\x80\x80", "caf\xe9 x", "\xc0\xaf"};
    static const char *const names[] = {"bert-uncased", "nfkc", "added"};
    for (size_t k = 0; k < TM_COUNTOF(names); k++) {
        struct tm_tokenizer *t = open_golden(names[k]);
        struct tm_encoding e = {0};
        for (size_t i = 0; i < TM_COUNTOF(texts); i++) {
            struct tm_err err = {0};
            assert_int_equal(tm_tokenizer_encode(t, texts[i], strlen(texts[i]), true, &e, &err),
                             TM_BADINPUT);
        }
        encode(t, "caf\xc3\xa9", 5, &e); /* the buffers are fit for use afterwards */
        assert_true(e.n >= 1);
        tm_encoding_finish(&e);
        tm_tokenizer_close(t);
    }
}

/* Ids that do not exist are left out of a decoded text, as upstream leaves them out. */
static void decoding_takes_any_ids(void **state)
{
    (void)state;
    struct tm_tokenizer *t = open_golden("bert-uncased");
    const int32_t ids[] = {-5,
                           tm_tokenizer_id(t, "[CLS]"),
                           tm_tokenizer_id(t, "un"),
                           tm_tokenizer_id(t, "##able"),
                           INT32_MAX,
                           tm_tokenizer_id(t, "."),
                           tm_tokenizer_id(t, "[SEP]")};
    struct tm_buf out = {0};
    assert_int_equal(tm_tokenizer_decode(t, ids, TM_COUNTOF(ids), true, &out, NULL), TM_OK);
    assert_string_equal(out.data, "unable.");
    assert_int_equal(tm_tokenizer_decode(t, ids, TM_COUNTOF(ids), false, &out, NULL), TM_OK);
    assert_string_equal(out.data, "unable.[CLS] unable. [SEP]"); /* appended */
    assert_int_equal(tm_tokenizer_decode(t, NULL, 0, true, &out, NULL), TM_OK);
    tm_buf_finish(&out);
    tm_tokenizer_close(t);
}

struct work {
    const struct tm_tokenizer *t;
    uint64_t sum;
};

static void *encode_many(void *arg)
{
    static const char *const texts[] = {
        "The quick brown fox, unaffable.", "na\xc3\xafve caf\xc3\xa9 \xe4\xbd\xa0\xe5\xa5\xbd", "",
        "<l>  <tok>ing Day day midday [MASK]", "\xd0\x81\xd0\xbb\xd0\xba\xd0\xb0 e\xcc\x81"};
    struct work *w = arg;
    struct tm_encoding e = {0};
    struct tm_buf out = {0};
    for (size_t i = 0; i < 500; i++) {
        const char *text = texts[i % TM_COUNTOF(texts)];
        if (tm_tokenizer_encode(w->t, text, strlen(text), true, &e, NULL) != TM_OK)
            break;
        tm_buf_clear(&out);
        tm_tokenizer_decode(w->t, e.ids, e.n, true, &out, NULL);
        for (size_t k = 0; k < e.n; k++)
            w->sum = (w->sum ^ (uint64_t)e.ids[k]) * 31 + e.offsets[k][1] + out.len;
    }
    tm_encoding_finish(&e);
    tm_buf_finish(&out);
    return NULL;
}

static void threads_share_a_tokenizer(void **state)
{
    (void)state;
    struct tm_tokenizer *t = open_golden("added");
    struct work alone = {.t = t}, work[THREADS];
    pthread_t threads[THREADS];
    encode_many(&alone);
    for (size_t i = 0; i < THREADS; i++) {
        work[i] = (struct work){.t = t};
        assert_int_equal(pthread_create(&threads[i], NULL, encode_many, &work[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(work[i].sum, alone.sum);
    }
    tm_tokenizer_close(t);
}

/* The same buffers, texts of any order: nothing of one text is left in the next. */
static void an_encoding_can_be_used_again(void **state)
{
    (void)state;
    struct tm_tokenizer *t = open_golden("bert-uncased");
    struct tm_encoding e = {0}, fresh = {0};
    char *big = malloc(100000);
    assert_non_null(big);
    memset(big, ' ', 100000);
    for (size_t i = 0; i < 100000; i += 2)
        big[i] = 'a';
    encode(t, big, 100000, &e);
    assert_int_equal(e.n, 50002);
    const int32_t *ids = e.ids;
    encode(t, "un\xc3\xa9 \xe4\xbd\xa0", 8, &e);
    encode(t, "un\xc3\xa9 \xe4\xbd\xa0", 8, &fresh);
    assert_ptr_equal(e.ids, ids);
    assert_int_equal(e.n, fresh.n);
    assert_memory_equal(e.ids, fresh.ids, e.n * sizeof *e.ids);
    assert_memory_equal(e.offsets, fresh.offsets, e.n * sizeof *e.offsets);
    assert_memory_equal(e.words, fresh.words, e.n * sizeof *e.words);
    assert_memory_equal(e.special, fresh.special, e.n);
    free(big);
    tm_encoding_finish(&e);
    tm_encoding_finish(&fresh);
    tm_tokenizer_close(t);
}

int main(int argc, char **argv)
{
    goldens = argc > 1 ? argv[1] : "goldens";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_without_words_give_only_special_tokens),
        cmocka_unit_test(a_word_of_5_mb_is_one_unknown_token),
        cmocka_unit_test(a_word_without_limit_is_split),
        cmocka_unit_test(bytes_that_are_not_utf8_are_refused),
        cmocka_unit_test(decoding_takes_any_ids),
        cmocka_unit_test(threads_share_a_tokenizer),
        cmocka_unit_test(an_encoding_can_be_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
