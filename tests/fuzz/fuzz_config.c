/* Fuzz target: config.json of a model, with modules of a sentence-transformers folder absent. */
#include "scratch.h"

#include "tm_engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tm_engine *engine = NULL;
    const struct tm_engine_limits limits = {.threads = 1, .batch_tokens = 16, .queue = 1};
    scratch_write("config.json", data, size);
    if (tm_engine_open(scratch_folder(), NULL, "ref", "float32", &limits, &engine, NULL) == TM_OK)
        tm_engine_close(engine);
    return 0;
}
