/* How fast a tokenizer encodes: tokenizer FOLDER FILE [SECONDS]
 *
 * Each line of FILE is one text; all of them are encoded again and again on one thread for SECONDS
 * (3). Prints one line of JSON. bench/tokenizers sets it beside the `tokenizers` package. */
#include "tm_tokenizer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 1 << 30 };

static enum tm_status encode_all(const struct tm_tokenizer *t, const struct tm_buf *text,
                                 struct tm_encoding *e, size_t *ret_tokens, struct tm_err *err)
{
    enum tm_status s = TM_OK;
    *ret_tokens = 0;
    for (size_t at = 0; at < text->len && s == TM_OK;) {
        const char *line = text->data + at, *end = memchr(line, '\n', text->len - at);
        size_t n = end != NULL ? (size_t)(end - line) : text->len - at;
        s = tm_tokenizer_encode(t, line, n, true, e, err);
        *ret_tokens += e->n;
        at += n + 1;
    }
    return s;
}

int main(int argc, char **argv)
{
    struct tm_err err = {0};
    struct tm_tokenizer *t = NULL;
    struct tm_buf text = {0};
    double seconds = 3;
    if (argc < 3 || (argc > 3 && !tm_json_number_f64(argv[3], strlen(argv[3]), &seconds))) {
        fprintf(stderr, "usage: tokenizer FOLDER FILE [SECONDS]\n");
        return 64;
    }
    uint64_t begin = tm_clock_ns();
    enum tm_status s = tm_tokenizer_open(argv[1], &t, &err);
    double load = (double)(tm_clock_ns() - begin) / 1e9;
    if (s == TM_OK)
        s = tm_read_file(argv[2], FILE_MOST, &text, &err);
    struct tm_encoding e = {0};
    size_t tokens = 0, rounds = 0;
    if (s == TM_OK)
        s = encode_all(t, &text, &e, &tokens, &err); /* warm-up */
    double took = 0;
    begin = tm_clock_ns();
    for (; s == TM_OK && took < seconds; rounds++) {
        s = encode_all(t, &text, &e, &tokens, &err);
        took = (double)(tm_clock_ns() - begin) / 1e9;
    }
    if (s != TM_OK)
        fprintf(stderr, "tokenizer: %s\n", err.text);
    else
        printf("{\"mb_per_s\":%.2f,\"mtokens_per_s\":%.3f,\"load_s\":%.4f,\"bytes\":%zu,"
               "\"tokens\":%zu,\"rounds\":%zu}\n",
               (double)text.len * (double)rounds / took / 1e6,
               (double)tokens * (double)rounds / took / 1e6, load, text.len, tokens, rounds);
    tm_encoding_finish(&e);
    tm_buf_finish(&text);
    tm_tokenizer_close(t);
    return s == TM_OK ? 0 : 1;
}
