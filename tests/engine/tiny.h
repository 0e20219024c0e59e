/* Small models of random weights, made on the spot. */
#ifndef TINY_H
#define TINY_H

#include <stdint.h>

enum tiny_family { TINY_LLAMA, TINY_MISTRAL, TINY_T5, TINY_BART };

struct tiny {
    enum tiny_family family;
    int32_t vocabulary, width, heads, kv_heads, inner, layers;
    int32_t positions; /* max_position_embeddings; not T5's */
    int32_t window;    /* sliding_window; Mistral's */
};

/* Writes config.json, generation_config.json and model.safetensors into the folder, which is made.
 * Answers end with id 2, begin with id 0; ids below 3 are special. Fails the test if it cannot. */
void tiny_write(const char *folder, const struct tiny *t);
void tiny_remove(const char *folder);

#endif
