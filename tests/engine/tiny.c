/* Small models of random weights: see tiny.h. The weights are normal-like numbers of a fixed
 * sequence, large enough that what comes next depends on what was. */
#include "tiny.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* H width, F inner, V vocabulary, P positions, K kv heads' width, A heads, B buckets, 1: a vector
 */
struct tensor {
    const char *name; /* {i}: a layer's number */
    char rows, cols;
};

#define LINEAR(name, rows, cols)                                                                   \
    {name ".weight", rows, cols},                                                                  \
    {                                                                                              \
        name ".bias", rows, '1'                                                                    \
    }
#define NORM(name)                                                                                 \
    {name ".weight", 'H', '1'},                                                                    \
    {                                                                                              \
        name ".bias", 'H', '1'                                                                     \
    }
#define BART_ATTENTION(name)                                                                       \
    LINEAR(name ".q_proj", 'H', 'H'), LINEAR(name ".k_proj", 'H', 'H'),                            \
        LINEAR(name ".v_proj", 'H', 'H'), LINEAR(name ".out_proj", 'H', 'H')
#define BART_LAYER(side)                                                                           \
    BART_ATTENTION(side ".layers.{i}.self_attn"), NORM(side ".layers.{i}.self_attn_layer_norm"),   \
        LINEAR(side ".layers.{i}.fc1", 'F', 'H'), LINEAR(side ".layers.{i}.fc2", 'H', 'F'),        \
        NORM(side ".layers.{i}.final_layer_norm")
#define T5_ATTENTION(name)                                                                         \
    {name ".q.weight", 'H', 'H'}, {name ".k.weight", 'H', 'H'}, {name ".v.weight", 'H', 'H'},      \
    {                                                                                              \
        name ".o.weight", 'H', 'H'                                                                 \
    }
#define T5_INNER(layer)                                                                            \
    {layer ".layer_norm.weight", 'H', '1'}, {layer ".DenseReluDense.wi.weight", 'F', 'H'},         \
    {                                                                                              \
        layer ".DenseReluDense.wo.weight", 'H', 'F'                                                \
    }
#define T5_SELF(side)                                                                              \
    {side ".block.{i}.layer.0.layer_norm.weight", 'H', '1'},                                       \
        T5_ATTENTION(side ".block.{i}.layer.0.SelfAttention")
#define T5_TOP(side)                                                                               \
    {side ".block.0.layer.0.SelfAttention.relative_attention_bias.weight", 'B', 'A'},              \
    {                                                                                              \
        side ".final_layer_norm.weight", 'H', '1'                                                  \
    }
#define LLAMA(name) "model.layers.{i}." name ".weight"

static const struct tensor llama[] = {
    {"model.embed_tokens.weight", 'V', 'H'},
    {"model.norm.weight", 'H', '1'},
    {"lm_head.weight", 'V', 'H'},
    {LLAMA("input_layernorm"), 'H', '1'},
    {LLAMA("self_attn.q_proj"), 'H', 'H'},
    {LLAMA("self_attn.k_proj"), 'K', 'H'},
    {LLAMA("self_attn.v_proj"), 'K', 'H'},
    {LLAMA("self_attn.o_proj"), 'H', 'H'},
    {LLAMA("post_attention_layernorm"), 'H', '1'},
    {LLAMA("mlp.gate_proj"), 'F', 'H'},
    {LLAMA("mlp.up_proj"), 'F', 'H'},
    {LLAMA("mlp.down_proj"), 'H', 'F'},
};
static const struct tensor t5[] = {
    {"shared.weight", 'V', 'H'},
    T5_TOP("encoder"),
    T5_TOP("decoder"),
    T5_SELF("encoder"),
    T5_INNER("encoder.block.{i}.layer.1"),
    T5_SELF("decoder"),
    {"decoder.block.{i}.layer.1.layer_norm.weight", 'H', '1'},
    T5_ATTENTION("decoder.block.{i}.layer.1.EncDecAttention"),
    T5_INNER("decoder.block.{i}.layer.2"),
};
static const struct tensor bart[] = {
    {"model.shared.weight", 'V', 'H'},
    {"model.encoder.embed_positions.weight", 'P', 'H'},
    NORM("model.encoder.layernorm_embedding"),
    {"model.decoder.embed_positions.weight", 'P', 'H'},
    NORM("model.decoder.layernorm_embedding"),
    BART_LAYER("model.encoder"),
    BART_LAYER("model.decoder"),
    BART_ATTENTION("model.decoder.layers.{i}.encoder_attn"),
    NORM("model.decoder.layers.{i}.encoder_attn_layer_norm"),
};

static const struct {
    const char *architecture;
    const struct tensor *tensors;
    size_t n;
} families[] = {
    [TINY_LLAMA] = {"LlamaForCausalLM", llama, sizeof llama / sizeof *llama},
    [TINY_MISTRAL] = {"MistralForCausalLM", llama, sizeof llama / sizeof *llama},
    [TINY_T5] = {"T5ForConditionalGeneration", t5, sizeof t5 / sizeof *t5},
    [TINY_BART] = {"BartForConditionalGeneration", bart, sizeof bart / sizeof *bart},
};

static FILE *create(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    if (f == NULL)
        fail_msg("%s: %s", path, strerror(errno));
    return f;
}

/* ---- configuration ---- */

static void write_config(const char *folder, const struct tiny *t)
{
    FILE *f = create(folder, "config.json");
    fprintf(f, "{\"architectures\":[\"%s\"],\"vocab_size\":%d,\"pad_token_id\":1,",
            families[t->family].architecture, t->vocabulary);
    fprintf(f, "\"bos_token_id\":0,\"eos_token_id\":2,\"decoder_start_token_id\":0,");
    if (t->family == TINY_MISTRAL)
        fprintf(f, "\"sliding_window\":%d,", t->window);
    if (t->family == TINY_LLAMA || t->family == TINY_MISTRAL)
        fprintf(f,
                "\"model_type\":\"%s\",\"hidden_size\":%d,\"intermediate_size\":%d,"
                "\"num_hidden_layers\":%d,\"num_attention_heads\":%d,\"num_key_value_heads\":%d,"
                "\"max_position_embeddings\":%d,\"tie_word_embeddings\":false,"
                "\"hidden_act\":\"silu\",\"rms_norm_eps\":1e-6,\"rope_theta\":10000.0}",
                t->family == TINY_MISTRAL ? "mistral" : "llama", t->width, t->inner, t->layers,
                t->heads, t->kv_heads, t->positions);
    else if (t->family == TINY_T5)
        fprintf(f,
                "\"model_type\":\"t5\",\"d_model\":%d,\"d_kv\":%d,\"d_ff\":%d,\"num_layers\":%d,"
                "\"num_decoder_layers\":%d,\"num_heads\":%d,\"relative_attention_num_buckets\":8,"
                "\"feed_forward_proj\":\"relu\",\"tie_word_embeddings\":true}",
                t->width, t->width / t->heads, t->inner, t->layers, t->layers, t->heads);
    else
        fprintf(f,
                "\"model_type\":\"bart\",\"d_model\":%d,\"encoder_ffn_dim\":%d,"
                "\"decoder_ffn_dim\":%d,\"encoder_layers\":%d,\"decoder_layers\":%d,"
                "\"encoder_attention_heads\":%d,\"decoder_attention_heads\":%d,"
                "\"max_position_embeddings\":%d,\"activation_function\":\"gelu\","
                "\"scale_embedding\":false}",
                t->width, t->inner, t->inner, t->layers, t->layers, t->heads, t->heads,
                t->positions);
    fclose(f);
    f = create(folder, "generation_config.json");
    fprintf(f, "{\"eos_token_id\":2,\"pad_token_id\":1,\"decoder_start_token_id\":0}");
    fclose(f);
}

/* ---- weights ---- */

static int64_t size_of(const struct tiny *t, char symbol)
{
    switch (symbol) {
    case 'H':
        return t->width;
    case 'F':
        return t->inner;
    case 'V':
        return t->vocabulary;
    case 'P':
        return t->positions + 2; /* BART's begin at 2 */
    case 'K':
        return (int64_t)t->width / t->heads * t->kv_heads;
    case 'A':
        return t->heads;
    case 'B':
        return 8;
    default:
        return 1;
    }
}

static void print_name(FILE *f, const char *name, int32_t layer)
{
    const char *i = strstr(name, "{i}");
    if (i == NULL)
        fprintf(f, "%s", name);
    else
        fprintf(f, "%.*s%d%s", (int)(i - name), name, layer, i + 3);
}

/* Each tensor, of each layer: into the header (values NULL), or its values. */
static void each(FILE *f, const struct tiny *t,
                 void (*write)(FILE *, const struct tiny *, const struct tensor *, int32_t layer,
                               int64_t at))
{
    int64_t at = 0;
    for (size_t k = 0; k < families[t->family].n; k++) {
        const struct tensor *x = &families[t->family].tensors[k];
        int32_t n = strstr(x->name, "{i}") != NULL ? t->layers : 1;
        for (int32_t i = 0; i < n; i++) {
            write(f, t, x, i, at);
            at += size_of(t, x->rows) * size_of(t, x->cols) * (int64_t)sizeof(float);
        }
    }
}

static void write_header(FILE *f, const struct tiny *t, const struct tensor *x, int32_t layer,
                         int64_t at)
{
    int64_t rows = size_of(t, x->rows), cols = size_of(t, x->cols);
    fprintf(f, "%s\"", at > 0 ? "," : "{");
    print_name(f, x->name, layer);
    fprintf(f, "\":{\"dtype\":\"F32\",\"shape\":[%lld", (long long)rows);
    if (x->cols != '1')
        fprintf(f, ",%lld", (long long)cols);
    fprintf(f, "],\"data_offsets\":[%lld,%lld]}", (long long)at,
            (long long)(at + rows * cols * (int64_t)sizeof(float)));
}

/* Sum of four even numbers: near enough to a normal one of deviation 1. */
static float normal(uint64_t *state)
{
    float sum = 0;
    for (int i = 0; i < 4; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        sum += (float)(*state >> 40) / (float)(1 << 24) - 0.5F;
    }
    return sum * 1.7320508F;
}

/* Norms around one; matrices so that what comes out is as large as what goes in. */
static void write_values(FILE *f, const struct tiny *t, const struct tensor *x, int32_t layer,
                         int64_t at)
{
    static float row[1 << 16];
    int64_t rows = size_of(t, x->rows), cols = size_of(t, x->cols);
    bool norm = strstr(x->name, "norm") != NULL && strstr(x->name, ".weight") != NULL;
    bool table = x->rows == 'V' || x->rows == 'P' || x->rows == 'B';
    float scale = x->cols == '1' ? 0.1F : table ? 1 : 1 / sqrtf((float)cols);
    uint64_t state = (uint64_t)at * 31 + (uint64_t)layer + 1;
    assert_true(cols <= (int64_t)(sizeof row / sizeof *row));
    if (strcmp(x->name, "lm_head.weight") == 0)
        scale = 0.7F;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < cols; c++)
            row[c] = (norm ? 1 : 0) + scale * normal(&state);
        fwrite(row, sizeof *row, (size_t)cols, f);
    }
}

void tiny_write(const char *folder, const struct tiny *t)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        fail_msg("%s: %s", folder, strerror(errno));
    write_config(folder, t);
    FILE *f = create(folder, "model.safetensors");
    uint64_t length = 0;
    fwrite(&length, sizeof length, 1, f);
    each(f, t, write_header);
    fprintf(f, "}");
    for (; ftell(f) % 8 != 0;)
        fputc(' ', f);
    length = (uint64_t)ftell(f) - sizeof length;
    each(f, t, write_values);
    rewind(f);
    fwrite(&length, sizeof length, 1, f);
    if (ferror(f) != 0 || fclose(f) != 0)
        fail_msg("%s: weights are not written", folder);
}

void tiny_remove(const char *folder)
{
    static const char *const files[] = {"config.json", "generation_config.json",
                                        "model.safetensors"};
    char path[4096];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
}
