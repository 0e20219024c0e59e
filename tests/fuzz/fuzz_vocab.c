/* Fuzz target: vocab.yml of a Marian folder, whose sentencepiece models are not there to be read.
 */
#include "scratch.h"

#include "tm_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const models[] = {"source.spm", "target.spm"};
    struct tm_tokenizer *tok = NULL;
    for (size_t i = 0; i < TM_COUNTOF(models); i++)
        scratch_write(models[i], (const uint8_t *)"", 0);
    scratch_write("vocab.yml", data, size);
    tm_tokenizer_open(scratch_folder(), &tok, NULL);
    tm_tokenizer_close(tok);
    return 0;
}
