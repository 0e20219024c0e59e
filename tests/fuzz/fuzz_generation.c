/* Fuzz target: generation_config.json of a model that generates. With the engine's private headers.
 */
#include "scratch.h"

#include "generation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char config[] = "{\"model_type\": \"bart\"}";
    struct tm_generation generation;
    struct config c;
    struct tm_arena *arena = tm_arena_create(8 << 20);
    scratch_write("config.json", (const uint8_t *)config, sizeof config - 1);
    scratch_write("generation_config.json", data, size);
    if (config_read(scratch_folder(), arena, &c, NULL) == TM_OK)
        (void)generation_read(scratch_folder(), &c, arena, &generation, NULL);
    tm_arena_destroy(arena);
    return 0;
}
