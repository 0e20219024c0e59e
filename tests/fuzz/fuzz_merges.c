/* Fuzz target: vocab.json, merges.txt and tokenizer_config.json, apart by NUL bytes, and text
 * through whatever they open to. */
#include "scratch.h"

#include "tm_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "tokenizer_config.json"};
    static const char text[] = "Hello, w\xc3\xb6rld! <s> \xe4\xbd\xa0\xe5\xa5\xbd  don't\n42";
    struct tm_tokenizer *tok = NULL;
    struct tm_encoding e = {0};
    for (size_t i = 0; i < TM_COUNTOF(names); i++) {
        const uint8_t *end = i + 1 < TM_COUNTOF(names) ? memchr(data, 0, size) : NULL;
        size_t n = end != NULL ? (size_t)(end - data) : size;
        scratch_write(names[i], data, n);
        data += n + (end != NULL);
        size -= n + (end != NULL);
    }
    if (tm_tokenizer_open(scratch_folder(), &tok, NULL) != TM_OK)
        return 0;
    struct tm_buf out = {.cap = 1 << 20};
    uint8_t subwords[sizeof text * 4 + 16];
    if (tm_tokenizer_encode(tok, text, sizeof text - 1, true, &e, NULL) == TM_OK) {
        tm_tokenizer_decode(tok, e.ids, e.n, TM_DECODE_CLEAN_UP, &out, NULL);
        if (e.n <= sizeof subwords)
            tm_tokenizer_subwords(tok, text, sizeof text - 1, &e, subwords);
    }
    tm_buf_finish(&out);
    tm_encoding_finish(&e);
    tm_tokenizer_close(tok);
    return 0;
}
