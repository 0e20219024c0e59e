/* What the `tokenizers` package made of texts (goldens/, written by make-goldens.py) is what this
 * tokenizer makes of them: ids, offsets, words, types and decoded text, one tokenizer a component,
 * and a fingerprint over every code point. */
#include "tm_tokenizer.h"
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static const char *folder;

static struct tm_tokenizer *open_golden(const char *name)
{
    char path[4096];
    struct tm_err err = {0};
    struct tm_tokenizer *t = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (tm_tokenizer_open(path, &t, &err) != TM_OK)
        fail_msg("%s: %s", path, err.text);
    return t;
}

/* The numbers of one member of the answer, or all 0 when the golden leaves it out. */
static bool same_numbers(const json_t *out, const char *key, const int64_t *got, size_t n)
{
    const json_t *want = json_object_get(out, key);
    if (want != NULL && json_array_size(want) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (got[i] != (want != NULL ? json_integer_value(json_array_get(want, i)) : 0))
            return false;
    }
    return true;
}

static bool same_encoding(const json_t *out, const struct tm_encoding *e)
{
    int64_t *v = calloc(2 * e->n + 1, sizeof *v);
    assert_non_null(v);
    bool same = true;
    for (size_t i = 0; i < e->n; i++)
        v[i] = e->ids[i];
    same = same && same_numbers(out, "ids", v, e->n);
    for (size_t i = 0; i < e->n; i++)
        v[i] = e->words[i];
    same = same && same_numbers(out, "words", v, e->n);
    for (size_t i = 0; i < e->n; i++)
        v[i] = e->types[i];
    same = same && same_numbers(out, "types", v, e->n);
    for (size_t i = 0; i < e->n; i++)
        v[i] = e->special[i];
    same = same && same_numbers(out, "special", v, e->n);
    for (size_t i = 0; i < 2 * e->n; i++)
        v[i] = e->offsets[i / 2][i % 2];
    same = same && same_numbers(out, "offsets", v, 2 * e->n);
    free(v);
    return same;
}

static bool check_decode(const struct tm_tokenizer *t, const json_t *in, const json_t *out)
{
    const json_t *list = json_object_get(in, "ids");
    size_t n = json_array_size(list);
    int32_t *ids = calloc(n + 1, sizeof *ids);
    assert_non_null(ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    struct tm_buf text = {0};
    bool skip = json_is_true(json_object_get(in, "skip"));
    assert_int_equal(tm_tokenizer_decode(t, ids, n, skip, &text, NULL), TM_OK);
    bool same = text.len == json_string_length(out) &&
                (text.len == 0 || memcmp(text.data, json_string_value(out), text.len) == 0);
    tm_buf_finish(&text);
    free(ids);
    return same;
}

static bool check_case(const struct tm_tokenizer *t, const json_t *line, struct tm_encoding *e)
{
    const json_t *in = json_object_get(line, "in"), *out = json_object_get(line, "out");
    if (json_object_get(in, "ids") != NULL)
        return check_decode(t, in, out);
    enum tm_status s;
    if (json_is_array(in)) {
        const json_t *a = json_array_get(in, 0), *b = json_array_get(in, 1);
        s = tm_tokenizer_encode_pair(t, json_string_value(a), json_string_length(a),
                                     json_string_value(b), json_string_length(b), e, NULL);
    } else {
        const json_t *plain = json_object_get(in, "plain"), *text = plain != NULL ? plain : in;
        s = tm_tokenizer_encode(t, json_string_value(text), json_string_length(text), plain == NULL,
                                e, NULL);
    }
    assert_int_equal(s, TM_OK);
    return same_encoding(out, e);
}

static void check_golden(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s/cases.jsonl", folder, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    struct tm_tokenizer *t = open_golden(name);
    struct tm_encoding e = {0};
    char *line = NULL;
    size_t room = 0, cases = 0;
    while (getline(&line, &room, f) > 0) {
        json_t *j = json_loads(line, JSON_ALLOW_NUL, NULL);
        assert_non_null(j);
        cases++;
        if (!check_case(t, j, &e))
            fail_msg("%s, case %zu: %s", name, cases, line);
        json_decref(j);
    }
    assert_true(cases > 40);
    free(line);
    fclose(f);
    tm_encoding_finish(&e);
    tm_tokenizer_close(t);
}

static int visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static void every_golden_is_met(void **state)
{
    (void)state;
    struct dirent **names;
    int n = scandir(folder, &names, visible, alphasort);
    assert_true(n > 20);
    for (int i = 0; i < n; i++) {
        check_golden(names[i]->d_name);
        free(names[i]);
    }
    free(names);
}

/* "c xcy " for 64 code points from first on; surrogates are left out. */
static size_t code_point_text(uint32_t first, char *out)
{
    size_t n = 0;
    for (uint32_t cp = first; cp < first + 64; cp++) {
        size_t len = tm_utf8_encode(cp, out + n);
        if (len == 0)
            continue;
        memcpy(out + n + len + 2, out + n, len);
        memcpy(out + n + len, " x", 2);
        memcpy(out + n + 2 * len + 2, "y ", 2);
        n += 2 * len + 4;
    }
    return n;
}

static uint64_t fingerprint(const struct tm_tokenizer *t)
{
    static char text[64 * 16];
    struct tm_encoding e = {0};
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (uint32_t first = 0; first < 0x110000; first += 64) {
        size_t n = code_point_text(first, text);
        if (n == 0)
            continue;
        assert_int_equal(tm_tokenizer_encode(t, text, n, true, &e, NULL), TM_OK);
        for (size_t i = 0; i < e.n; i++) {
            uint32_t numbers[3] = {(uint32_t)e.ids[i], e.offsets[i][0], e.offsets[i][1]};
            for (int k = 0; k < 3; k++)
                h = (h ^ numbers[k]) * UINT64_C(0x100000001b3);
        }
    }
    tm_encoding_finish(&e);
    return h;
}

static void every_code_point_is_taken_alike(void **state)
{
    (void)state;
    static const char *const names[] = {"bert-uncased", "bert-cased", "bert-accents", "sequence",
                                        "nfkc",         "digits",     "roberta",      "added"};
    for (size_t i = 0; i < TM_COUNTOF(names); i++) {
        char path[4096], want[32] = "", got[32];
        snprintf(path, sizeof path, "%s/%s/codepoints.txt", folder, names[i]);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        assert_non_null(fgets(want, sizeof want, f));
        fclose(f);
        struct tm_tokenizer *t = open_golden(names[i]);
        snprintf(got, sizeof got, "%016llx\n", (unsigned long long)fingerprint(t));
        tm_tokenizer_close(t);
        if (strcmp(want, got) != 0)
            fail_msg("%s: %s instead of %s", names[i], got, want);
    }
}

int main(int argc, char **argv)
{
    folder = argc > 1 ? argv[1] : "goldens";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_golden_is_met),
        cmocka_unit_test(every_code_point_is_taken_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
