/* Fuzz target: model.safetensors, header and data, as the engine opens it beside a good
 * config.json. */
#include "scratch.h"

#include "tm_engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char config[] =
        "{\"architectures\":[\"BertModel\"],\"model_type\":\"bert\",\"vocab_size\":8,"
        "\"hidden_size\":4,\"num_hidden_layers\":1,\"num_attention_heads\":1,"
        "\"intermediate_size\":4,\"max_position_embeddings\":8}";
    struct tm_engine *engine = NULL;
    const struct tm_engine_limits limits = {.threads = 1, .batch_tokens = 16, .queue = 1};
    scratch_write("config.json", (const uint8_t *)config, sizeof config - 1);
    scratch_write("model.safetensors", data, size);
    if (tm_engine_open(scratch_folder(), NULL, "ref", "float32", &limits, &engine, NULL) == TM_OK)
        tm_engine_close(engine);
    return 0;
}
