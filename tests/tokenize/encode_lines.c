/* encode_lines FOLDER: for the drivers of the conformance tests, not a test by itself.
 *
 * Every line of standard input is a JSON value: a string is encoded with special tokens, [text,
 * pair] as a pair, {"plain": text} without special tokens, {"ids": [...], "skip": bool} is decoded.
 * The answer is one line: {"ids":[…],"offsets":[[s,e],…],"words":[…],"types":[…]} or a string. */
#include "tm_tokenizer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
    struct tm_buf text, pair, ids;
    bool is_pair, is_decode, special, skip;
};

static void die(const struct tm_err *err)
{
    fprintf(stderr, "%s: %s\n", tm_status_code(err->status), err->text);
    exit(1);
}

static void take_string(struct tm_json *j, struct tm_buf *b, struct tm_err *err)
{
    const char *text;
    size_t n;
    if (tm_json_string(j, &text, &n, err) != TM_OK)
        die(err);
    tm_buf_append(b, text, n);
}

static void take_key(struct tm_json *j, const char *key, struct input *in, struct tm_err *err)
{
    struct tm_json_event ev;
    if (strcmp(key, "plain") == 0) {
        in->special = false;
        take_string(j, &in->text, err);
    } else if (strcmp(key, "skip") == 0) {
        if (tm_json_bool(j, &in->skip, err) != TM_OK)
            die(err);
    } else {
        in->is_decode = true;
        tm_json_next(j, &ev, err);
        while (tm_json_next(j, &ev, err) == TM_OK && ev.type == TM_JSON_NUMBER) {
            int64_t v = -1;
            tm_json_number_i64(ev.text, ev.len, &v);
            int32_t id = (int32_t)v;
            tm_buf_append(&in->ids, &id, sizeof id);
        }
    }
}

static void parse(const char *line, size_t n, struct input *in)
{
    struct tm_err err = {0};
    struct tm_json j;
    struct tm_json_event ev;
    tm_json_init(&j, "input", line, n);
    in->special = true;
    if (tm_json_next(&j, &ev, &err) != TM_OK)
        die(&err);
    if (ev.type == TM_JSON_STRING) {
        tm_buf_append(&in->text, ev.text, ev.len);
    } else if (ev.type == TM_JSON_ARRAY) {
        in->is_pair = true;
        take_string(&j, &in->text, &err);
        take_string(&j, &in->pair, &err);
    } else {
        while (tm_json_next(&j, &ev, &err) == TM_OK && ev.type == TM_JSON_KEY) {
            char key[16] = "";
            snprintf(key, sizeof key, "%s", ev.text);
            take_key(&j, key, in, &err);
        }
    }
    if (err.status != TM_OK)
        die(&err);
    tm_json_finish(&j);
}

static void print_encoding(const struct tm_encoding *e)
{
    printf("{\"ids\":[");
    for (size_t i = 0; i < e->n; i++)
        printf("%s%d", i > 0 ? "," : "", e->ids[i]);
    printf("],\"offsets\":[");
    for (size_t i = 0; i < e->n; i++)
        printf("%s[%u,%u]", i > 0 ? "," : "", e->offsets[i][0], e->offsets[i][1]);
    printf("],\"words\":[");
    for (size_t i = 0; i < e->n; i++)
        printf("%s%d", i > 0 ? "," : "", e->words[i]);
    printf("],\"types\":[");
    for (size_t i = 0; i < e->n; i++)
        printf("%s%d", i > 0 ? "," : "", e->types[i]);
    printf("],\"special\":[");
    for (size_t i = 0; i < e->n; i++)
        printf("%s%d", i > 0 ? "," : "", e->special[i]);
    printf("]}\n");
}

static void answer(const struct tm_tokenizer *t, const struct input *in, struct tm_encoding *e)
{
    struct tm_err err = {0};
    struct tm_buf out = {0}, json = {0};
    enum tm_status s;
    if (in->is_decode)
        s = tm_tokenizer_decode(t, (const void *)in->ids.data, in->ids.len / sizeof(int32_t),
                                in->skip, &out, &err);
    else if (in->is_pair)
        s = tm_tokenizer_encode_pair(t, in->text.data, in->text.len, in->pair.data, in->pair.len, e,
                                     &err);
    else
        s = tm_tokenizer_encode(t, in->text.data, in->text.len, in->special, e, &err);
    if (s != TM_OK) {
        printf("{\"error\":\"%s\"}\n", tm_status_code(s));
    } else if (in->is_decode) {
        tm_buf_json_string(&json, out.data, out.len);
        printf("%s\n", json.data);
    } else {
        print_encoding(e);
    }
    tm_buf_finish(&out);
    tm_buf_finish(&json);
}

int main(int argc, char **argv)
{
    struct tm_err err = {0};
    struct tm_tokenizer *t;
    if (argc != 2 || tm_tokenizer_open(argv[1], &t, &err) != TM_OK) {
        fprintf(stderr, "encode_lines: %s\n", argc == 2 ? err.text : "FOLDER expected");
        return 1;
    }
    struct tm_encoding e = {0};
    char *line = NULL;
    size_t room = 0;
    for (ssize_t n; (n = getline(&line, &room, stdin)) > 0;) {
        struct input in = {0};
        parse(line, (size_t)n, &in);
        answer(t, &in, &e);
        tm_buf_finish(&in.text);
        tm_buf_finish(&in.pair);
        tm_buf_finish(&in.ids);
    }
    free(line);
    tm_encoding_finish(&e);
    tm_tokenizer_close(t);
    return 0;
}
