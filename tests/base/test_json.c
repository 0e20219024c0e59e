/* The JSON reader: what RFC 8259 allows comes out as events, the rest is an error with its place.
 */
#include "check.h"
#include "tm_json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Writes the events of a text as one line: { } [ ] k:key "string" number true false null. */
static enum tm_status trace(const char *data, size_t len, struct tm_buf *out, struct tm_err *err)
{
    static const char *const fixed[] = {
        [TM_JSON_OBJECT] = "{ ",    [TM_JSON_OBJECT_END] = "} ", [TM_JSON_ARRAY] = "[ ",
        [TM_JSON_ARRAY_END] = "] ", [TM_JSON_NULL] = "null ",
    };
    /* Exactly as long as the text, so that a sanitizer sees a read past it. */
    char *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, data, len);
    struct tm_json j;
    tm_json_init(&j, "t", copy, len);
    struct tm_json_event ev = {0};
    enum tm_status s;
    while ((s = tm_json_next(&j, &ev, err)) == TM_OK && ev.type != TM_JSON_END) {
        if (ev.type == TM_JSON_KEY || ev.type == TM_JSON_STRING) {
            assert_int_equal(ev.text[ev.len], '\0');
            assert_int_equal(tm_utf8_valid(ev.text, ev.len), ev.len);
            tm_buf_puts(out, ev.type == TM_JSON_KEY ? "k:" : "");
            tm_buf_json_string(out, ev.text, ev.len);
            tm_buf_putc(out, ' ');
        } else if (ev.type == TM_JSON_NUMBER) {
            tm_buf_printf(out, "%.*s ", (int)ev.len, ev.text);
        } else if (ev.type == TM_JSON_BOOL) {
            tm_buf_puts(out, ev.boolean ? "true " : "false ");
        } else {
            tm_buf_puts(out, fixed[ev.type]);
        }
    }
    if (s == TM_OK) /* the end stays the end */
        assert_true(tm_json_next(&j, &ev, err) == TM_OK && ev.type == TM_JSON_END);
    tm_json_finish(&j);
    free(copy);
    return s;
}

struct sample {
    const char *in;
    size_t len; /* 0: strlen */
    const char *out;
};

static void valid_texts(void **unused)
{
    (void)unused;
    static const struct sample cases[] = {
        {"{}", 0, "{ } "},
        {" [ ] \r\n\t", 0, "[ ] "},
        {"null", 0, "null "},
        {"\"\"", 0, "\"\" "},
        {"-0", 0, "-0 "},
        {"[{\"a\":1},[2,3],{\"b\":4}]", 0, "[ { k:\"a\" 1 } [ 2 3 ] { k:\"b\" 4 } ] "},
        {"[true,false,null]", 0, "[ true false null ] "},
        {"{\"a\":{\"b\":[1,{}]},\"c\":\"d\"}", 0,
         "{ k:\"a\" { k:\"b\" [ 1 { } ] } k:\"c\" \"d\" } "},
        {"{\"a\":1,\"a\":2}", 0, "{ k:\"a\" 1 k:\"a\" 2 } "}, /* as written: the caller decides */
        {"[0,-1,0.5,1e9,1E+9,-2.5e-3]", 0, "[ 0 -1 0.5 1e9 1E+9 -2.5e-3 ] "},
        /* tokenizer_config.json: model_max_length */
        {"[1000000000000000019884624838656]", 0, "[ 1000000000000000019884624838656 ] "},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", 0, "\"\\\"\\\\/\\b\\f\\n\\r\\t\" "},
        {"\"\\u0041\\u00e9\\u20AC\"", 0, "\"A\xc3\xa9\xe2\x82\xac\" "},
        {"\"\\ud83d\\ude00\"", 0, "\"\xf0\x9f\x98\x80\" "},
        {"\"\\uD800\\uDC00 \\udbff\\udfff\"", 0, "\"\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf\" "},
        {"{\"\\u0000\":\"a\\u0000b\"}", 0, "{ k:\"\\u0000\" \"a\\u0000b\" } "},
        {"\"\x7f \xe2\x80\xa8\"", 0, "\"\x7f \xe2\x80\xa8\" "},
        {"[\"long enough for the fast way \xc4\xa0 and on\\n and on and on\"]", 0,
         "[ \"long enough for the fast way \xc4\xa0 and on\\n and on and on\" ] "},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct tm_buf out = {0};
        struct tm_err err = {0};
        size_t len = cases[i].len != 0 ? cases[i].len : strlen(cases[i].in);
        assert_int_equal(trace(cases[i].in, len, &out, &err), TM_OK);
        assert_string_equal(out.data, cases[i].out);
        tm_buf_finish(&out);
    }
}

/* out: the beginning of the message, with line and column. */
static void invalid_texts_name_their_place(void **unused)
{
    (void)unused;
    static const struct sample cases[] = {
        {"", 0, "t:1:1: the text ends where a value is expected"},
        {"  ", 0, "t:1:3: the text ends"},
        {"{", 0, "t:1:2: the text ends where a key"},
        {"[1", 0, "t:1:3: the text ends where ',' or ']'"},
        {"[1,]", 0, "t:1:4: ']' where a value"},
        {"[,1]", 0, "t:1:2: ',' where a value"},
        {"[1 2]", 0, "t:1:4: '2' where ',' or ']'"},
        {"{\"a\"}", 0, "t:1:5: '}' where ':'"},
        {"{\"a\":}", 0, "t:1:6: '}' where a value"},
        {"{\"a\":1,}", 0, "t:1:8: '}' where a key"},
        {"{a:1}", 0, "t:1:2: 'a' where a key"},
        {"{1:1}", 0, "t:1:2: '1' where a key"},
        {"[1}", 0, "t:1:3: '}' where ',' or ']'"},
        {"{\"a\":1]", 0, "t:1:7: ']' where ',' or '}'"},
        {"{} {}", 0, "t:1:4: more text after the value"},
        {"1 x", 0, "t:1:3: more text"},
        {"01", 0, "t:1:2: more text"},
        {"[01]", 0, "t:1:3: '1' where ',' or ']'"},
        {"+1", 0, "t:1:1: '+' where a value"},
        {".5", 0, "t:1:1: '.' where a value"},
        {"-", 0, "t:1:2: the text ends where a digit"},
        {"[-a]", 0, "t:1:3: 'a' where a digit"},
        {"[1.]", 0, "t:1:4: ']' where a digit"},
        {"[1e]", 0, "t:1:4: ']' where a digit"},
        {"[1e+]", 0, "t:1:5: ']' where a digit"},
        {"nul", 0, "t:1:1: 'n' where a value"},
        {"True", 0, "t:1:1: 'T' where a value"},
        {"NaN", 0, "t:1:1: 'N' where a value"},
        {"[Infinity]", 0, "t:1:2: 'I' where a value"},
        {"'a'", 0, "t:1:1: ''' where a value"},
        {"[1]//x", 0, "t:1:4: more text"},
        {"\xef\xbb\xbf{}", 0, "t:1:1: byte 0xef where a value"},
        {"\"a", 0, "t:1:3: the text ends inside a string"},
        {"\"a\\", 0, "t:1:4: the text ends inside a string"},
        {"\"a\nb\"", 0, "t:1:3: control character 0x0a"},
        {"\"a\tb\"", 0, "t:1:3: control character 0x09"},
        {"\"a\0b\"", 5, "t:1:3: control character 0x00"},
        {"\"\\x41\"", 0, "t:1:2: unknown escape"},
        {"\"\\\0\"", 4, "t:1:2: unknown escape"},
        {"\"\\u12g4\"", 0, "t:1:2: \\u without four"},
        {"\"\\u12", 0, "t:1:2: \\u without four"},
        {"\"\\ud800\"", 0, "t:1:2: half of a surrogate pair"},
        {"\"\\udc00\"", 0, "t:1:2: half of a surrogate pair"},
        {"\"\\udc00\\ud800\"", 0, "t:1:2: half of a surrogate pair"},
        {"\"\\ud83dx\"", 0, "t:1:2: half of a surrogate pair"},
        {"\"\\ud83d\\ud83d\"", 0, "t:1:2: half of a surrogate pair"},
        {"\"\\ud83d\\u0041\"", 0, "t:1:2: half of a surrogate pair"},
        {"\"\\ud83d\\n\"", 0, "t:1:2: half of a surrogate pair"},
        {"\"ab\xff\"", 0, "t:1:4: string is not UTF-8"},
        {"\"\xc0\x80\"", 0, "t:1:2: string is not UTF-8"},
        {"\"\xed\xa0\x80\"", 0, "t:1:2: string is not UTF-8"},
        {"\"0123456789abcde\xe2\x82\"", 0, "t:1:17: string is not UTF-8"},
        {"{\n  \"a\": 1,\n  \"b\" 2\n}", 0, "t:3:7: '2' where ':'"},
        /* columns count characters, not bytes */
        {"[\"\xe2\x82\xac\xc3\xa9\", x]", 0, "t:1:8: 'x' where a value"},
        {"\n\n", 0, "t:3:1: the text ends"},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct tm_buf out = {0};
        struct tm_err err = {0};
        size_t len = cases[i].len != 0 ? cases[i].len : strlen(cases[i].in);
        enum tm_status s = trace(cases[i].in, len, &out, &err);
        if (s != TM_BADINPUT || strncmp(err.text, cases[i].out, strlen(cases[i].out)) != 0)
            fail_msg("%s: status %d, \"%s\" instead of \"%s\"", cases[i].in, s, err.text,
                     cases[i].out);
        tm_buf_finish(&out);
    }
}

/* Strings are scanned several bytes at a time: what must not pass must be seen at every offset. */
static void no_offset_hides_a_bad_byte(void **unused)
{
    (void)unused;
    for (size_t at = 1; at < 24; at++) {
        char text[] = "\"01234567890123456789012345678901\"";
        for (int c = 0; c < 256; c++) {
            struct tm_buf out = {0};
            struct tm_err err = {0};
            text[at] = (char)c;
            bool ok = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
            assert_int_equal(trace(text, sizeof text - 1, &out, &err), ok ? TM_OK : TM_BADINPUT);
            tm_buf_finish(&out);
        }
    }
}

static const char sample[] =
    "{\"version\": \"1.0\", \"model\": {\"vocab\": [[\"<s>\", -1.5e-2], [\"\\u2581the\", 0.0]],\r\n"
    "\t\"merges\": [\"\xc4\xa0 t\", \"\\ud83d\\ude00\"], \"n\": null, \"yes\": true, \"no\": "
    "false},\n"
    "\"max\": 1000000000000000019884624838656, \"e\": {}, \"l\": []}";

static void every_truncation_is_an_error(void **unused)
{
    (void)unused;
    for (size_t len = 0; len < sizeof sample - 1; len++) {
        struct tm_buf out = {0};
        struct tm_err err = {0};
        assert_int_equal(trace(sample, len, &out, &err), TM_BADINPUT);
        tm_buf_finish(&out);
    }
}

/* Any byte anywhere: an answer, never a crash, and a place inside the text. */
static void every_changed_byte_is_survived(void **unused)
{
    (void)unused;
    char text[sizeof sample];
    memcpy(text, sample, sizeof sample);
    size_t bad = 0;
    for (size_t i = 0; i < sizeof sample - 1; i++) {
        for (int c = 0; c < 256; c += 3) {
            struct tm_buf out = {0};
            struct tm_err err = {0};
            text[i] = (char)c;
            bad += trace(text, sizeof sample - 1, &out, &err) != TM_OK;
            tm_buf_finish(&out);
        }
        text[i] = sample[i];
    }
    assert_true(bad > 1000);
}

static void depth_is_capped(void **unused)
{
    (void)unused;
    enum { BOMB = 1000000 };
    struct tm_err err = {0};
    struct tm_buf out = {0}, text = {0};
    for (int i = 0; i < 128; i++)
        tm_buf_puts(&text, "[{\"a\":");
    tm_buf_puts(&text, "1");
    for (int i = 0; i < 128; i++)
        tm_buf_puts(&text, "}]");
    assert_int_equal(trace(text.data, text.len, &out, &err), TM_OK); /* 256 levels, both kinds */
    tm_buf_clear(&text);
    for (int i = 0; i < BOMB; i++)
        tm_buf_putc(&text, '[');
    assert_int_equal(trace(text.data, text.len, &out, &err), TM_DEPTH);
    assert_string_equal(err.text, "t:1:257: nested more than 256 levels deep");
    struct tm_json j;
    struct tm_json_event ev;
    tm_json_init(&j, "t", "[[[]]]", 6);
    j.max_depth = 2;
    assert_int_equal(tm_json_next(&j, &ev, NULL), TM_OK);
    assert_int_equal(tm_json_next(&j, &ev, NULL), TM_OK);
    assert_int_equal(tm_json_next(&j, &ev, NULL), TM_DEPTH);
    assert_int_equal(tm_json_next(&j, &ev, NULL), TM_BADINPUT); /* no reading on */
    tm_json_finish(&j);
    tm_buf_finish(&out);
    tm_buf_finish(&text);
}

/* One reader as engine/ uses it: known keys by type, the others skipped. */
static void typed_values_and_skip(void **unused)
{
    (void)unused;
    const char text[] =
        "{\"skip\": {\"a\": [1, {\"b\": \"]\"}], \"c\": {}}, \"name\": \"t5\\u0000\","
        " \"layers\": 12, \"eps\": 1e-6, \"tied\": true, \"also\": 3}";
    struct tm_json j;
    struct tm_json_event ev;
    const char *s = NULL;
    size_t n = 0;
    int64_t layers = 0;
    double eps = 0;
    bool tied = false;
    tm_json_init(&j, "config.json", text, sizeof text - 1);
    assert_int_equal(tm_json_next(&j, &ev, NULL), TM_OK);
    tm_json_next(&j, &ev, NULL);
    assert_string_equal(ev.text, "skip");
    assert_int_equal(tm_json_skip(&j, NULL), TM_OK);
    tm_json_next(&j, &ev, NULL);
    assert_int_equal(tm_json_string(&j, &s, &n, NULL), TM_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(s, "t5\0", 4);
    tm_json_next(&j, &ev, NULL);
    assert_int_equal(tm_json_i64(&j, &layers, NULL), TM_OK);
    assert_int_equal(layers, 12);
    tm_json_next(&j, &ev, NULL);
    assert_int_equal(tm_json_f64(&j, &eps, NULL), TM_OK);
    assert_true(eps == 1e-6);
    tm_json_next(&j, &ev, NULL);
    assert_int_equal(tm_json_bool(&j, &tied, NULL), TM_OK);
    assert_true(tied);
    tm_json_next(&j, &ev, NULL);
    assert_int_equal(tm_json_skip(&j, NULL), TM_OK); /* a scalar */
    tm_json_next(&j, &ev, NULL);
    assert_int_equal(ev.type, TM_JSON_OBJECT_END);
    tm_json_finish(&j);
}

static void wrong_type_says_what_was_found(void **unused)
{
    (void)unused;
    const char text[] = "[\n  \"x\", 1.5, null]";
    struct tm_json j;
    struct tm_json_event ev;
    struct tm_err err = {0};
    int64_t n = 7;
    tm_json_init(&j, "config.json", text, sizeof text - 1);
    tm_json_next(&j, &ev, &err);
    assert_int_equal(tm_json_i64(&j, &n, &err), TM_BADINPUT);
    assert_string_equal(err.text, "config.json:2:3: a string where a number is expected");
    err.status = TM_OK;
    assert_int_equal(tm_json_i64(&j, &n, &err), TM_BADINPUT);
    assert_string_equal(err.text, "config.json:2:8: 1.5 is not a whole number of 64 bits");
    assert_int_equal(n, 7);
    tm_json_skip(&j, NULL);
    err.status = TM_OK;
    assert_int_equal(tm_json_skip(&j, &err), TM_BADINPUT);
    assert_string_equal(err.text,
                        "config.json:2:17: the end of an array where a value is expected");
    tm_json_finish(&j);
}

static void own_errors_point_at_the_last_event(void **unused)
{
    (void)unused;
    const char text[] = "{\"a\": 1,\n \"type\": \"x\"}";
    struct tm_json j;
    struct tm_json_event ev;
    struct tm_err err = {0};
    tm_json_init(&j,
                 "models/with/a/very/long/path/that/goes/on/and/on/and/on/and/on/and/on/and/on"
                 "/and/on/and/on/tokenizer.json",
                 text, sizeof text - 1);
    for (int i = 0; i < 5; i++)
        tm_json_next(&j, &ev, NULL);
    assert_int_equal(tm_json_fail(&j, TM_UNSUPPORTED, &err, "model type %s", ev.text),
                     TM_UNSUPPORTED);
    assert_non_null(strstr(err.text, "/tokenizer.json:2:10: model type x"));
    tm_json_finish(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_texts),
        cmocka_unit_test(invalid_texts_name_their_place),
        cmocka_unit_test(no_offset_hides_a_bad_byte),
        cmocka_unit_test(every_truncation_is_an_error),
        cmocka_unit_test(every_changed_byte_is_survived),
        cmocka_unit_test(depth_is_capped),
        cmocka_unit_test(typed_values_and_skip),
        cmocka_unit_test(wrong_type_says_what_was_found),
        cmocka_unit_test(own_errors_point_at_the_last_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
