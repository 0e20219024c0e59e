/* What opening a folder says to files that are broken, and to files that are unusual but right:
 * every error has the right status and a line and a column; nothing crashes. */
#include "folder.h"
#include <string.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static const char *goldens;
static struct folder folder;

#define VOCAB "{\"[UNK]\":0,\"a\":1,\"##b\":2,\"[CLS]\":3,\"[SEP]\":4}"
#define BPE(more, merges)                                                                          \
    "{\"type\":\"BPE\"," more "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":" merges "}"
#define UNIGRAM(unk, vocab) "{\"type\":\"Unigram\",\"unk_id\":" unk ",\"vocab\":" vocab "}"
#define WORDPIECE(vocab)                                                                           \
    "{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","        \
    "\"max_input_chars_per_word\":100,\"vocab\":" vocab "}"
#define MODEL WORDPIECE(VOCAB)

static enum tm_status open_text(const char *json, size_t n, struct tm_tokenizer **t,
                                struct tm_err *err)
{
    *t = NULL;
    *err = (struct tm_err){0};
    assert_true(folder_write(&folder, "tokenizer.json", json, n));
    return tm_tokenizer_open(folder.path, t, err);
}

static bool has_place(const char *text)
{
    unsigned line, column;
    const char *at = strstr(text, "tokenizer.json:");
    return at != NULL && sscanf(at, "tokenizer.json:%u:%u: ", &line, &column) == 2 && line > 0 &&
           column > 0;
}

static void refuse(const char *json, size_t n, enum tm_status want, const char *words)
{
    struct tm_tokenizer *t;
    struct tm_err err;
    enum tm_status s = open_text(json, n, &t, &err);
    if (s != want || t != NULL || !has_place(err.text) || strstr(err.text, words) == NULL)
        fail_msg("%.300s\n  gave %s: %s\n  not %s with a place and \"%s\"", json, tm_status_code(s),
                 err.text, tm_status_code(want), words);
}

static void accept(const char *json, const char *text, const int32_t *ids, size_t n)
{
    struct tm_tokenizer *t;
    struct tm_err err;
    struct tm_encoding e = {0};
    if (open_text(json, strlen(json), &t, &err) != TM_OK)
        fail_msg("%s: %s", json, err.text);
    assert_int_equal(tm_tokenizer_encode(t, text, strlen(text), true, &e, &err), TM_OK);
    assert_int_equal(e.n, n);
    assert_memory_equal(e.ids, ids, n * sizeof *ids);
    tm_encoding_finish(&e);
    tm_tokenizer_close(t);
}

static void a_truncated_file_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"added", "roberta", "wordlevel"};
    for (size_t i = 0; i < TM_COUNTOF(names); i++) {
        char path[4096];
        struct tm_buf file = {0};
        snprintf(path, sizeof path, "%s/%s/tokenizer.json", goldens, names[i]);
        assert_int_equal(tm_read_file(path, 1 << 20, &file, NULL), TM_OK);
        size_t len = file.len;
        while (len > 0 && file.data[len - 1] == '\n')
            len--;
        for (size_t k = 0; k < 50; k++)
            refuse(file.data, len * k / 50, TM_BADINPUT, "");
        refuse(file.data, len - 1, TM_BADINPUT, "");
        tm_buf_finish(&file);
    }
}

/* Any one byte changed: right or refused, but never a crash, and no text makes what opens crash. */
static void a_damaged_file_does_no_harm(void **state)
{
    (void)state;
    char path[4096];
    struct tm_buf file = {0};
    snprintf(path, sizeof path, "%s/added/tokenizer.json", goldens);
    assert_int_equal(tm_read_file(path, 1 << 20, &file, NULL), TM_OK);
    static const char bytes[] = "\"{}[]:,0-9nte\\\xff";
    static const char text[] = "Hello <tok>ing  <l> \xc3\xa9 [MASK] 12 a";
    uint32_t random = 12345;
    size_t opened = 0;
    for (size_t i = 0; i < 3000; i++) {
        random = random * 1664525 + 1013904223;
        /* Mostly in the head, where the components are. */
        size_t at = (random >> 8) % (i % 4 != 0 ? TM_MIN(file.len, (size_t)7000) : file.len);
        char was = file.data[at];
        file.data[at] = bytes[(random >> 3) % (sizeof bytes - 1)];
        struct tm_tokenizer *t;
        struct tm_err err;
        struct tm_encoding e = {0};
        if (open_text(file.data, file.len, &t, &err) == TM_OK) {
            opened++;
            tm_tokenizer_encode(t, text, sizeof text - 1, true, &e, &err);
        } else {
            assert_true(err.text[0] != '\0');
        }
        tm_encoding_finish(&e);
        tm_tokenizer_close(t);
        file.data[at] = was;
    }
    assert_true(opened > 0 && opened < 3000);
    tm_buf_finish(&file);
}

static void wrong_values_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        enum tm_status status;
        const char *words;
    } cases[] = {
        {"", TM_BADINPUT, "ends"},
        {"[]", TM_BADINPUT, "object"},
        {"{}", TM_BADINPUT, "no \"model\""},
        {"{\"model\":null}", TM_BADINPUT, "object"},
        {"{\"model\":" MODEL "} x", TM_BADINPUT, "more text"},
        {"{\"model\":" MODEL ",\"model\":" MODEL "}", TM_BADINPUT, "twice"},
        {"{\"version\":\"2.0\",\"model\":" MODEL "}", TM_UNSUPPORTED, "2.0"},
        {"{\"version\":1,\"model\":" MODEL "}", TM_BADINPUT, "string"},
        /* models */
        {"{\"model\":{\"type\":\"BPE\"}}", TM_BADINPUT, "BPE has no \"vocab\""},
        {"{\"model\":{\"type\":\"Unigram\"}}", TM_BADINPUT, "Unigram has no \"vocab\""},
        {"{\"model\":" BPE("\"dropout\":0.1,", "[]") "}", TM_UNSUPPORTED, "dropout"},
        {"{\"model\":" BPE("", "[\"a\"]") "}", TM_BADINPUT, "not two tokens"},
        {"{\"model\":" BPE("", "[\"a b a\"]") "}", TM_BADINPUT, "not two tokens"},
        {"{\"model\":" BPE("", "[[\"a\",\"b\",\"a\"]]") "}", TM_BADINPUT, "not two tokens"},
        {"{\"model\":" BPE("", "[\"b a\"]") "}", TM_BADINPUT, "not of the vocabulary"},
        {"{\"model\":" BPE("", "{}") "}", TM_BADINPUT, "not an array"},
        {"{\"model\":" UNIGRAM("0", "[[\"a\"]]") "}", TM_BADINPUT, "not a number"},
        {"{\"model\":" UNIGRAM("0", "[[\"a\",1,2]]") "}", TM_BADINPUT, "[token, score]"},
        {"{\"model\":" UNIGRAM("1", "[[\"a\",1]]") "}", TM_BADINPUT, "unk_id"},
        {"{\"model\":{\"type\":\"Magic\"}}", TM_UNSUPPORTED, "Magic"},
        {"{\"model\":{\"type\":\"Word\\u0000Piece\"}}", TM_UNSUPPORTED, "unknown type"},
        {"{\"model\":{\"type\":7}}", TM_BADINPUT, "string"},
        {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{}}}", TM_BADINPUT, "no \"unk_token\""},
        {"{\"model\":" WORDPIECE("[]") "}", TM_BADINPUT, "not an object"},
        {"{\"model\":" WORDPIECE("{\"a\":1,\"b\":\"2\"}") "}", TM_BADINPUT, "number"},
        {"{\"model\":" WORDPIECE("{\"a\":1,\"b\":1.5}") "}", TM_BADINPUT, ""},
        {"{\"model\":" WORDPIECE("{\"a\":-1}") "}", TM_BADINPUT, "id is not between"},
        {"{\"model\":" WORDPIECE("{\"a\":99999999999999999999999999}") "}", TM_BADINPUT, ""},
        {"{\"model\":" WORDPIECE("{\"a\":4194304}") "}", TM_BADINPUT, "id is not between"},
        {"{\"model\":" WORDPIECE("{\"a\":1,\"b\":2,\"a\":3}") "}", TM_BADINPUT, "twice"},
        {"{\"model\":" WORDPIECE("{\"a\":1,\"b\":1}") "}", TM_BADINPUT, "two tokens have id 1"},
        {"{\"model\":" WORDPIECE("{\"\\ud800\":1}") "}", TM_BADINPUT, "surrogate"},
        /* normalizers */
        {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"*\"},"
         "\"model\":" MODEL "}",
         TM_BADINPUT, "base64"},
        {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"},"
         "\"model\":" MODEL "}",
         TM_BADINPUT, "not a map"},
        {"{\"normalizer\":{\"type\":\"Rot13\"},\"model\":" MODEL "}", TM_UNSUPPORTED, "Rot13"},
        {"{\"normalizer\":{},\"model\":" MODEL "}", TM_BADINPUT, "no \"type\""},
        {"{\"normalizer\":\"NFC\",\"model\":" MODEL "}", TM_BADINPUT, "object"},
        {"{\"normalizer\":{\"type\":\"Strip\",\"strip_left\":1,\"strip_right\":true},"
         "\"model\":" MODEL "}",
         TM_BADINPUT, "true or false"},
        {"{\"normalizer\":{\"type\":\"Strip\",\"strip_left\":true},\"model\":" MODEL "}",
         TM_BADINPUT, "strip_right"},
        {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(\"},"
         "\"content\":\"\"},\"model\":" MODEL "}",
         TM_UNSUPPORTED, "pattern"},
        {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{},\"content\":\"\"},\"model\":" MODEL
         "}",
         TM_BADINPUT, "neither String nor Regex"},
        {"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":{}},\"model\":" MODEL "}",
         TM_BADINPUT, "array"},
        {"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Rot13\"}]},"
         "\"model\":" MODEL "}",
         TM_UNSUPPORTED, "Rot13"},
        /* pre-tokenizers */
        {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"add_prefix_space\":"
         "false},"
         "\"model\":" MODEL "}",
         TM_BADINPUT, "prepend_scheme"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\"},\"model\":" MODEL "}", TM_BADINPUT, "pattern"},
        {"{\"pre_tokenizer\":{\"type\":\"FixedLength\",\"length\":0},\"model\":" MODEL "}",
         TM_BADINPUT, "length is 0"},
        {"{\"pre_tokenizer\":{\"type\":\"Punctuation\",\"behavior\":\"Gone\"},\"model\":" MODEL "}",
         TM_BADINPUT, "Gone"},
        {"{\"pre_tokenizer\":{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"ab\"},"
         "\"model\":" MODEL "}",
         TM_BADINPUT, "one character"},
        {"{\"pre_tokenizer\":{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"\"},\"model\":" MODEL
         "}",
         TM_BADINPUT, "one character"},
        /* post-processors */
        {"{\"post_processor\":{\"type\":\"ByteLevel\"},\"model\":" MODEL "}", TM_BADINPUT,
         "add_prefix_space"},
        {"{\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\"],\"cls\":[\"[CLS]\","
         "3]},\"model\":" MODEL "}",
         TM_BADINPUT, "number"},
        {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{"
         "\"id\":\"[CLS]\",\"type_id\":0}}],"
         "\"pair\":[],\"special_tokens\":{}},\"model\":" MODEL "}",
         TM_BADINPUT, "[CLS]"},
        {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":"
         "\"C\",\"type_id\":0}}],"
         "\"pair\":[],\"special_tokens\":{}},\"model\":" MODEL "}",
         TM_BADINPUT, "neither A nor B"},
        {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":"
         "\"B\",\"type_id\":0}}],"
         "\"pair\":[],\"special_tokens\":{}},\"model\":" MODEL "}",
         TM_BADINPUT, "Sequence B"},
        {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":"
         "\"A\",\"type_id\":256}}],"
         "\"pair\":[],\"special_tokens\":{}},\"model\":" MODEL "}",
         TM_UNSUPPORTED, "type_id"},
        {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{}],\"pair\":[],"
         "\"special_tokens\":{}},\"model\":" MODEL "}",
         TM_BADINPUT, "neither SpecialToken nor Sequence"},
        /* decoders */
        {"{\"decoder\":{\"type\":\"Rot13\"},\"model\":" MODEL "}", TM_UNSUPPORTED, "Rot13"},
        {"{\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\"},\"model\":" MODEL "}",
         TM_BADINPUT, "cleanup"},
        /* truncation and padding are not used, but they are looked at */
        {"{\"truncation\":{\"max_length\":-1,\"strategy\":\"LongestFirst\",\"stride\":0},"
         "\"model\":" MODEL "}",
         TM_BADINPUT, "negative"},
        {"{\"truncation\":{\"max_length\":1,\"strategy\":\"Shortest\",\"stride\":0},"
         "\"model\":" MODEL "}",
         TM_BADINPUT, "Shortest"},
        {"{\"padding\":{\"strategy\":\"Sometimes\"},\"model\":" MODEL "}", TM_BADINPUT,
         "Sometimes"},
        {"{\"padding\":{\"strategy\":{\"Fixed\":\"x\"}},\"model\":" MODEL "}", TM_BADINPUT,
         "number"},
        /* added tokens */
        {"{\"added_tokens\":{},\"model\":" MODEL "}", TM_BADINPUT, "array"},
        {"{\"added_tokens\":[{\"id\":9,\"content\":\"x\"}],\"model\":" MODEL "}", TM_BADINPUT,
         "single_word"},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++)
        refuse(cases[i].json, strlen(cases[i].json), cases[i].status, cases[i].words);
}

static void the_place_is_right(void **state)
{
    (void)state;
    struct tm_tokenizer *t;
    struct tm_err err;
    static const char json[] =
        "{\n \"normalizer\": {\n  \"type\": \"Rot13\"\n },\n \"model\": " MODEL "\n}";
    assert_int_equal(open_text(json, sizeof json - 1, &t, &err), TM_UNSUPPORTED);
    if (strstr(err.text, "tokenizer.json:3:11: normalizer of unknown type Rot13") == NULL)
        fail_msg("%s", err.text);
    static const char twice[] =
        "{\"model\":\n" WORDPIECE("{\"[UNK]\":0,\n\"b\":1,\n  \"b\":2}") "}";
    assert_int_equal(open_text(twice, sizeof twice - 1, &t, &err), TM_BADINPUT);
    if (strstr(err.text, "tokenizer.json:4:3: a token is in the vocabulary twice") == NULL)
        fail_msg("%s", err.text);
}

#define TOKEN(id, text)                                                                            \
    "{\"id\":" id ",\"content\":\"" text "\",\"single_word\":false,\"lstrip\":false,"              \
    "\"rstrip\":false,\"normalized\":false,\"special\":true}"

static void the_same_added_token_twice_is_refused(void **state)
{
    (void)state;
    static const char json[] = "{\"added_tokens\":[" TOKEN("5", "<x>") "," TOKEN(
        "6", "<y>") "," TOKEN("7", "<x>") "],\"model\":" MODEL "}";
    refuse(json, sizeof json - 1, TM_BADINPUT, "\"<x>\" is there twice");
}

static void repeat(struct tm_buf *b, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tm_buf_puts(b, s);
}

/* Nesting without end, in sequences and in values that are skipped. */
static void deep_nesting_is_refused(void **state)
{
    (void)state;
    struct tm_buf b = {0};
    tm_buf_puts(&b, "{\"normalizer\":");
    repeat(&b, "{\"type\":\"Sequence\",\"normalizers\":[", 60);
    repeat(&b, "]}", 60);
    tm_buf_puts(&b, ",\"model\":" MODEL "}");
    refuse(b.data, b.len, TM_DEPTH, "sequences");
    tm_buf_clear(&b);
    tm_buf_puts(&b, "{\"anything\":");
    repeat(&b, "[", 100000);
    refuse(b.data, b.len, TM_DEPTH, "nested");
    tm_buf_finish(&b);
}

static void too_many_parts_are_refused(void **state)
{
    (void)state;
    struct tm_buf b = {0};
    tm_buf_puts(&b, "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"}");
    repeat(&b, ",{\"type\":\"NFC\"}", 64);
    tm_buf_puts(&b, "]},\"model\":" MODEL "}");
    refuse(b.data, b.len, TM_TOOLARGE, "more than 64 normalizers");
    tm_buf_finish(&b);
}

/* What upstream accepts and careless readers do not. */
static void unusual_files_are_read(void **state)
{
    (void)state;
    static const int32_t ab[] = {1, 2}, gap[] = {900000, 7};
    accept("{\"model\":" MODEL "}", "ab", ab, 2);
    /* "type" after the rest, unknown keys, nulls, spaces */
    accept(" {\"normalizer\" : null,\"x\":[{}],\"pre_tokenizer\":null,\"model\": {\"vocab\":" VOCAB
           ",\"unk_token\":\"[UNK]\",\"y\":{\"type\":1},\"max_input_chars_per_word\":9,"
           "\"continuing_subword_prefix\":\"##\",\"type\":\"WordPiece\"}}\n",
           "ab", ab, 2);
    /* no type: told by its fields */
    accept("{\"model\":{\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","
           "\"max_input_chars_per_word\":100,\"vocab\":" VOCAB "}}",
           "ab", ab, 2);
    accept("{\"model\":{\"unk_token\":\"[UNK]\",\"vocab\":" VOCAB "}}", "a", ab, 1);
    /* ids with gaps, out of order */
    accept("{\"model\":" WORDPIECE("{\"##b\":7,\"a\":900000,\"[UNK]\":3}") "}", "ab", gap, 2);
    /* both names of a component, an empty template, fields of several forms */
    accept("{\"normalizer\":{\"type\":\"Bert\",\"clean_text\":true,\"handle_chinese_chars\":true,"
           "\"lowercase\":true},\"pre_tokenizer\":{\"type\":\"Delimiter\",\"delimiter\":\"-\"},"
           "\"truncation\":{\"direction\":\"Left\",\"max_length\":1,\"strategy\":\"OnlyFirst\","
           "\"stride\":0},\"padding\":{\"strategy\":{\"Fixed\":9},\"direction\":\"Right\","
           "\"pad_to_multiple_of\":8,\"pad_id\":0,\"pad_type_id\":0,\"pad_token\":\"[PAD]\"},"
           "\"model\":" MODEL "}",
           "-AB-", ab, 2);
}

static void tokens_and_frame_can_be_asked_for(void **state)
{
    (void)state;
    struct tm_tokenizer *t;
    struct tm_err err;
    static const char json[] = "{\"added_tokens\":[" TOKEN("3", "[CLS]") "," TOKEN(
        "77", "<new>") "],"
                       "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",4],"
                       "\"cls\":[\"[CLS]\",3]},"
                       "\"model\":" WORDPIECE(
                           "{\"[UNK]\":0,\"a\":1,\"nul\\u0000l\":2,\"[CLS]\":3,\"[SEP]\":4}") "}";
    assert_int_equal(open_text(json, sizeof json - 1, &t, &err), TM_OK);
    assert_int_equal(tm_tokenizer_vocab_size(t), 6);
    assert_int_equal(tm_tokenizer_id(t, "a"), 1);
    assert_int_equal(tm_tokenizer_id(t, "[CLS]"), 3);
    assert_int_equal(tm_tokenizer_id(t, "<new>"),
                     5); /* upstream gives the next id, not the file's */
    assert_int_equal(tm_tokenizer_id(t, "nul"), -1);
    assert_int_equal(tm_tokenizer_id(t, ""), -1);
    assert_string_equal(tm_tokenizer_token(t, 5), "<new>");
    assert_null(tm_tokenizer_token(t, 6));
    assert_null(tm_tokenizer_token(t, -1));
    const int32_t *prefix, *suffix;
    size_t n_prefix, n_suffix;
    tm_tokenizer_frame(t, &prefix, &n_prefix, &suffix, &n_suffix);
    assert_int_equal(n_prefix, 1);
    assert_int_equal(n_suffix, 1);
    assert_int_equal(prefix[0], 3);
    assert_int_equal(suffix[0], 4);
    tm_tokenizer_close(t);
}

static void a_vocabulary_file_is_enough(void **state)
{
    (void)state;
    static const char vocab[] =
        "[PAD]\r\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\nHello\nhello\n##s \n\xe4\xbd\xa0\nhello";
    static const int32_t lower[] = {2, 10, 8, 9, 4, 3}, cased[] = {2, 6, 8, 9, 4, 3};
    static const char config[] = "{\"do_lower_case\":false,\"tokenize_chinese_chars\":true,"
                                 "\"strip_accents\":null,\"mask_token\":{\"content\":\"[MASK]\"}}";
    char path[320];
    struct tm_err err = {0};
    struct tm_tokenizer *t = NULL;
    struct tm_encoding e = {0};
    folder_file(&folder, "tokenizer.json", path);
    unlink(path);
    assert_int_equal(tm_tokenizer_open(folder.path, &t, &err), TM_NOTFOUND);
    assert_true(folder_write(&folder, "vocab.txt", vocab, sizeof vocab - 1));
    for (int i = 0; i < 2; i++) {
        err = (struct tm_err){0};
        if (tm_tokenizer_open(folder.path, &t, &err) != TM_OK)
            fail_msg("%s", err.text);
        static const char text[] = "Hellos\xe4\xbd\xa0[MASK]";
        assert_int_equal(tm_tokenizer_encode(t, text, sizeof text - 1, true, &e, &err), TM_OK);
        assert_int_equal(e.n, 6);
        assert_memory_equal(e.ids, i == 0 ? lower : cased, sizeof lower);
        assert_int_equal(tm_tokenizer_vocab_size(t), 11);
        tm_tokenizer_close(t);
        assert_true(folder_write(&folder, "tokenizer_config.json", config, sizeof config - 1));
    }
    tm_encoding_finish(&e);
}

/* A whole one leads to source.spm, which is not whole here. */
static void a_vocabulary_in_yaml_is_read_line_by_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"</s>: 0\n\"a\": 1\n'it''s': 2\n", "source.spm"},
        {"---\n# by marian-vocab\n\"\\u00e9\\x41\\t\\\"\\\\\": 0\r\na: b: 1\n,: 2", "source.spm"},
        {"a: 0\nb 1\n", "vocab.yml:2: not a token and its id"},
        {"a: -1\n", "vocab.yml:1: "},
        {"a: 1.5\n", "vocab.yml:1: "},
        {"a: 99999999999999999999\n", "vocab.yml:1: "},
        {"\"a: 1\n", "vocab.yml:1: "},
        {"'a'b: 1\n", "vocab.yml:1: "},
        {"\"\\q\": 1\n", "vocab.yml:1: "},
        {"\"\\ud800\": 1\n", "vocab.yml:1: "},
        {"\"\\u00e\": 1\n", "vocab.yml:1: "},
        {"\xff: 1\n", "vocab.yml:1: "},
        {": 1\n", "vocab.yml:1: "},
        {"a: 1\nb: 1\n", "two tokens have id 1"},
    };
    assert_true(folder_write(&folder, "source.spm", "", 0));
    assert_true(folder_write(&folder, "target.spm", "", 0));
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct tm_tokenizer *t = NULL;
        struct tm_err err = {0};
        assert_true(folder_write(&folder, "vocab.yml", cases[i].text, strlen(cases[i].text)));
        assert_int_not_equal(tm_tokenizer_open(folder.path, &t, &err), TM_OK);
        if (strstr(err.text, cases[i].words) == NULL)
            fail_msg("%s: %s", cases[i].text, err.text);
    }
}

static int make_folder(void **state)
{
    (void)state;
    return folder_make(&folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    folder_remove(&folder);
    return 0;
}

int main(int argc, char **argv)
{
    goldens = argc > 1 ? argv[1] : "goldens";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_truncated_file_is_refused),
        cmocka_unit_test(a_damaged_file_does_no_harm),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(the_place_is_right),
        cmocka_unit_test(the_same_added_token_twice_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(too_many_parts_are_refused),
        cmocka_unit_test(unusual_files_are_read),
        cmocka_unit_test(tokens_and_frame_can_be_asked_for),
        cmocka_unit_test(a_vocabulary_file_is_enough),
        cmocka_unit_test(a_vocabulary_in_yaml_is_read_line_by_line),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
