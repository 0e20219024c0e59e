/* PEFT LoRA adapters, merged into the base model's weights when it is opened. */
#ifndef ENGINE_LORA_H
#define ENGINE_LORA_H

#include "tensors.h"

/* One entry of rank_pattern or alpha_pattern. */
struct lora_pattern {
    const char *name;
    double value;
    struct lora_pattern *next;
};

struct lora {
    struct tensor_set *set; /* adapter_model.safetensors; owned */
    double r, lora_alpha;
    struct lora_pattern *rank_pattern, *alpha_pattern;
    bool use_rslora;
    const char **modules_to_save;
    int32_t n_modules_to_save;
    const char *task_type, *base; /* as the file says; NULL: not there */
};

/* Names in an adapter's file begin with this; what follows is the name in the model. */
#define LORA_PREFIX "base_model.model."

bool lora_present(const char *folder); /* adapter_config.json is there */
/* Reads adapter_config.json alone. Strings lie in the arena. */
enum tm_status lora_read_config(const char *folder, struct tm_arena *arena, struct lora *ret_lora,
                                struct tm_err *err);
/* Both files; lora_finish() afterwards, on failure too. */
enum tm_status lora_open(const char *folder, struct tm_arena *arena, struct lora *ret_lora,
                         struct tm_err *err);
void lora_finish(struct lora *l);
/* w (rows, cols) += scale * b (rows, r) * a (r, cols), for the matrix of `module`. a and b are
 * tensors of the adapter. */
enum tm_status lora_merge(const struct lora *l, const char *module, const struct tensor *a,
                          const struct tensor *b, float *w, int64_t rows, int64_t cols,
                          struct tm_err *err);

#endif
