/* Fuzz target: a GGUF file alone in its folder, and text through the tokenizer that it carries. */
#include "scratch.h"

#include "tm_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "Hello, w\xc3\xb6rld! <s> \xe4\xbd\xa0\xe5\xa5\xbd  don't\n42";
    struct tm_tokenizer *tok = NULL;
    struct tm_encoding e = {0};
    scratch_write("model.gguf", data, size);
    if (tm_tokenizer_open(scratch_folder(), &tok, NULL) != TM_OK)
        return 0;
    struct tm_buf out = {.cap = 1 << 20};
    if (tm_tokenizer_encode(tok, text, sizeof text - 1, true, &e, NULL) == TM_OK)
        tm_tokenizer_decode(tok, e.ids, e.n, 0, &out, NULL);
    tm_buf_finish(&out);
    tm_encoding_finish(&e);
    tm_tokenizer_close(tok);
    return 0;
}
