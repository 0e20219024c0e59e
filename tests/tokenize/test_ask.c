/* What tasks ask of a tokenizer: special ids, languages, bytes of an id, subwords, chat templates,
 * and special tokens taken as text. */
#include "folder.h"
#include <string.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

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

static struct tm_tokenizer *open_texts(const char *tokenizer, const char *config, const char *jinja)
{
    struct folder folder;
    struct tm_err err = {0};
    struct tm_tokenizer *t = NULL;
    assert_true(folder_make(&folder));
    assert_true(folder_write(&folder, "tokenizer.json", tokenizer, strlen(tokenizer)));
    assert_true(folder_write(&folder, "tokenizer_config.json", config, strlen(config)));
    if (jinja != NULL)
        assert_true(folder_write(&folder, "chat_template.jinja", jinja, strlen(jinja)));
    if (tm_tokenizer_open(folder.path, &t, &err) != TM_OK)
        fail_msg("%s", err.text);
    folder_remove(&folder);
    return t;
}

static void check_bytes(const struct tm_tokenizer *t, const char *token, const char *bytes)
{
    struct tm_buf out = {0};
    int32_t id = tm_tokenizer_id(t, token);
    assert_true(id >= 0);
    assert_int_equal(tm_tokenizer_bytes(t, id, &out, NULL), TM_OK);
    assert_int_equal(out.len, strlen(bytes));
    assert_memory_equal(out.data, bytes, out.len);
    tm_buf_finish(&out);
}

static void an_id_has_its_bytes(void **state)
{
    (void)state;
    struct tm_tokenizer *t = open_golden("gpt2");
    check_bytes(t, "\xc4\xa0the", " the");
    check_bytes(t, "\xc4\x8a", "\n");
    check_bytes(t, "\xc3\x83", "\xc3");
    assert_false(tm_tokenizer_drops_first_space(t));
    tm_tokenizer_close(t);
    t = open_golden("llama2");
    check_bytes(t, "\xe2\x96\x81the", " the");
    check_bytes(t, "<0x0A>", "\n");
    check_bytes(t, "<0xFF>", "\xff");
    assert_true(tm_tokenizer_drops_first_space(t));
    struct tm_err err = {0};
    struct tm_buf out = {0};
    int32_t special = tm_tokenizer_id(t, "<b>");
    assert_true(tm_tokenizer_is_special(t, special));
    assert_int_equal(tm_tokenizer_bytes(t, special, &out, &err), TM_NOTFOUND);
    assert_int_equal(tm_tokenizer_bytes(t, -1, &out, NULL), TM_NOTFOUND);
    assert_int_equal(tm_tokenizer_bytes(t, 1 << 30, &out, NULL), TM_NOTFOUND);
    tm_tokenizer_close(t);
    t = open_golden("bert-uncased");
    check_bytes(t, "##ing", "ing");
    check_bytes(t, "the", " the");
    tm_tokenizer_close(t);
    t = open_golden("t5");
    check_bytes(t, "\xe2\x96\x81world", " world");
    tm_tokenizer_close(t);
}

#define TOKENIZER                                                                                  \
    "{\"added_tokens\":[{\"id\":1,\"content\":\"</s>\",\"single_word\":false,\"lstrip\":false,"    \
    "\"rstrip\":false,\"normalized\":false,\"special\":true}],"                                    \
    "\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},\"post_processor\":{\"type\":"               \
    "\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"eng_Latn\",\"type_id\":0}},"   \
    "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"</"                   \
    "s>\",\"type_id\":0}}],"                                                                       \
    "\"pair\":[],\"special_tokens\":{\"eng_Latn\":{\"id\":\"eng_Latn\",\"ids\":[3],\"tokens\":[]}" \
    ","                                                                                            \
    "\"</s>\":{\"id\":\"</s>\",\"ids\":[1],\"tokens\":[]}}},"                                      \
    "\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"<unk>\",\"vocab\":{\"<unk>\":0,\"</s>\":1," \
    "\"a\":2,\"eng_Latn\":3,\"fra_Latn\":4,\"</s>b\":5}}}"

static void languages_are_put_where_the_family_puts_them(void **state)
{
    (void)state;
    struct tm_tokenizer *t = open_texts(
        TOKENIZER, "{\"tokenizer_class\":\"NllbTokenizer\",\"eos_token\":\"</s>\"}", NULL);
    struct tm_encoding e = {0};
    assert_int_equal(tm_tokenizer_language_id(t, "fra_Latn"), 4);
    assert_int_equal(tm_tokenizer_language_id(t, "deu_Latn"), -1); /* not in this vocabulary */
    assert_int_equal(tm_tokenizer_language_id(t, "a"), -1);
    assert_string_equal(tm_tokenizer_language(t, 0), "ace_Arab");
    assert_null(tm_tokenizer_language(t, 202));
    assert_int_equal(tm_tokenizer_encode_source(t, "fra_Latn", "a", 1, &e, NULL), TM_OK);
    assert_int_equal(e.n, 3);
    assert_int_equal(e.ids[0], 4);
    assert_int_equal(e.ids[1], 2);
    assert_int_equal(tm_tokenizer_encode_source(t, NULL, "a", 1, &e, NULL), TM_OK);
    assert_int_equal(e.ids[0], 3);
    assert_int_equal(tm_tokenizer_encode_source(t, "xx", "a", 1, &e, NULL), TM_NOTFOUND);
    assert_int_equal(tm_tokenizer_encode_target(t, "a", 1, &e, NULL), TM_OK);
    assert_int_equal(e.n, 1);
    tm_encoding_finish(&e);
    tm_tokenizer_close(t);
}

static void special_ids_come_from_the_configuration_and_the_family(void **state)
{
    (void)state;
    struct tm_tokenizer *t = open_texts(TOKENIZER,
                                        "{\"tokenizer_class\":\"T5TokenizerFast\",\"eos_token\":{"
                                        "\"content\":\"</s>\"},\"pad_token\":null,"
                                        "\"model_max_length\":512,\"bos_token\":\"a\"}",
                                        NULL);
    assert_int_equal(tm_tokenizer_special_id(t, TM_SPECIAL_EOS), 1);
    assert_int_equal(tm_tokenizer_special_id(t, TM_SPECIAL_UNK), 0);
    assert_int_equal(tm_tokenizer_special_id(t, TM_SPECIAL_BOS), 2);
    assert_int_equal(tm_tokenizer_special_id(t, TM_SPECIAL_PAD), -1);
    assert_int_equal(tm_tokenizer_max_length(t), 512);
    assert_null(tm_tokenizer_chat_template(t, NULL));
    tm_tokenizer_close(t);
}

static void special_tokens_in_a_text_may_be_text(void **state)
{
    (void)state;
    struct tm_tokenizer *t = open_texts(TOKENIZER, "{\"model_max_length\":1e30}", NULL);
    struct tm_encoding e = {0};
    assert_int_equal(tm_tokenizer_encode(t, "</s>b", 5, 0, &e, NULL), TM_OK);
    assert_int_equal(e.n, 2);
    assert_int_equal(e.ids[0], 1);
    assert_int_equal(tm_tokenizer_encode(t, "</s>b", 5, TM_ENCODE_LITERAL, &e, NULL), TM_OK);
    assert_int_equal(e.n, 1);
    assert_int_equal(e.ids[0], 5);
    assert_true(tm_tokenizer_max_length(t) == SIZE_MAX);
    tm_encoding_finish(&e);
    tm_tokenizer_close(t);
}

static void the_chat_template_is_found(void **state)
{
    (void)state;
    const char *file = NULL;
    struct tm_tokenizer *t = open_texts(TOKENIZER, "{\"chat_template\":\"{{ a }}\"}", NULL);
    assert_string_equal(tm_tokenizer_chat_template(t, &file), "{{ a }}");
    assert_string_equal(file, "tokenizer_config.json");
    tm_tokenizer_close(t);
    t = open_texts(TOKENIZER,
                   "{\"chat_template\":[{\"name\":\"tool\",\"template\":\"x\"},"
                   "{\"name\":\"default\",\"template\":\"y\"}]}",
                   NULL);
    assert_string_equal(tm_tokenizer_chat_template(t, &file), "y");
    tm_tokenizer_close(t);
    t = open_texts(TOKENIZER, "{\"chat_template\":\"{{ a }}\"}", "{{ jinja }}");
    assert_string_equal(tm_tokenizer_chat_template(t, &file), "{{ jinja }}");
    assert_string_equal(file, "chat_template.jinja");
    tm_tokenizer_close(t);
}

static void check_subwords(const char *name, const char *text, size_t n, const uint8_t *want)
{
    struct tm_tokenizer *t = open_golden(name);
    struct tm_encoding e = {0};
    uint8_t got[64];
    assert_int_equal(tm_tokenizer_encode(t, text, strlen(text), TM_ENCODE_SPECIAL, &e, NULL),
                     TM_OK);
    assert_int_equal(e.n, n);
    tm_tokenizer_subwords(t, text, strlen(text), &e, got);
    assert_memory_equal(got, want, n);
    tm_encoding_finish(&e);
    tm_tokenizer_close(t);
}

static void subwords_continue_a_word(void **state)
{
    (void)state;
    static const uint8_t bert[] = {0, 0, 1, 0, 0, 0}; /* [CLS] play ##ing the . [SEP] */
    static const uint8_t gpt2[] = {0, 0, 1, 0};       /* hello, " world", "!", " a" */
    check_subwords("bert-uncased", "Playing the.", sizeof bert, bert);
    check_subwords("gpt2", "hello world! a", sizeof gpt2, gpt2);
}

static void decoded_text_is_cleaned_up_where_the_folder_says_so(void **state)
{
    (void)state;
    static const char tokenizer[] = "{\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"a\","
                                    "\"vocab\":{\"a\":0,\".\":1,\"n't\":2}}}";
    static const int32_t ids[] = {0, 2, 1};
    struct tm_buf out = {0};
    struct tm_tokenizer *t = open_texts(tokenizer, "{\"clean_up_tokenization_spaces\":true}", NULL);
    assert_int_equal(tm_tokenizer_decode(t, ids, 3, TM_DECODE_CLEAN_UP, &out, NULL), TM_OK);
    assert_string_equal(out.data, "an't.");
    out.len = 0;
    assert_int_equal(tm_tokenizer_decode(t, ids, 3, 0, &out, NULL), TM_OK);
    assert_string_equal(out.data, "a n't .");
    tm_buf_finish(&out);
    tm_tokenizer_close(t);
}

/* A vocabulary alone does not say what a class does to a text. */
static void an_unknown_class_needs_tokenizer_json(void **state)
{
    (void)state;
    static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\n";
    static const struct {
        const char *tokenizer_config, *config;
        enum tm_status want;
        const char *names;
    } cases[] = {
        {"{}", "{}", TM_OK, NULL},
        {"{\"tokenizer_class\":\"BertTokenizerFast\"}", "{\"model_type\":\"albert\"}", TM_OK, NULL},
        {"{\"tokenizer_class\":\"PreTrainedTokenizerFast\"}", "{\"model_type\":\"bert\"}", TM_OK,
         NULL},
        {"{\"tokenizer_class\":\"BertJapaneseTokenizer\"}", "{\"model_type\":\"bert\"}",
         TM_UNSUPPORTED, "BertJapaneseTokenizer"},
        {"{}", "{\"model_type\":\"albert\"}", TM_UNSUPPORTED, "albert"},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct folder folder;
        struct tm_err err = {0};
        struct tm_tokenizer *t = NULL;
        assert_true(folder_make(&folder));
        assert_true(folder_write(&folder, "vocab.txt", vocab, strlen(vocab)));
        assert_true(folder_write(&folder, "tokenizer_config.json", cases[i].tokenizer_config,
                                 strlen(cases[i].tokenizer_config)));
        assert_true(folder_write(&folder, "config.json", cases[i].config, strlen(cases[i].config)));
        assert_int_equal(tm_tokenizer_open(folder.path, &t, &err), cases[i].want);
        if (cases[i].names != NULL)
            assert_non_null(strstr(err.text, cases[i].names));
        tm_tokenizer_close(t);
        folder_remove(&folder);
    }
}

int main(int argc, char **argv)
{
    goldens = argc > 1 ? argv[1] : "goldens";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_has_its_bytes),
        cmocka_unit_test(languages_are_put_where_the_family_puts_them),
        cmocka_unit_test(special_ids_come_from_the_configuration_and_the_family),
        cmocka_unit_test(special_tokens_in_a_text_may_be_text),
        cmocka_unit_test(the_chat_template_is_found),
        cmocka_unit_test(subwords_continue_a_word),
        cmocka_unit_test(decoded_text_is_cleaned_up_where_the_folder_says_so),
        cmocka_unit_test(an_unknown_class_needs_tokenizer_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
