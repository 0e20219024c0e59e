/* What follows from a configuration: the layers of either side, how far they see, sizes of tables.
 * Called while a model is opened. */
#include "config_parts.h"
#include "families.h"

static struct stack stack_of(const struct config *c, int32_t first, int32_t layers, int32_t heads)
{
    return (struct stack){
        .first = first,
        .layers = layers,
        .heads = heads,
        .kv_heads = c->num_key_value_heads > 0 ? c->num_key_value_heads : heads,
        .head_dim = c->head_dim > 0 ? c->head_dim : c->hidden_size / heads,
        .own = layers,
    };
}

struct stack config_encoder(const struct config *c)
{
    int32_t layers = c->family->shape == SHAPE_DECODER ? 0 : c->num_hidden_layers;
    struct stack s = stack_of(c, 0, layers, c->num_attention_heads);
    if (c->family->shared_layers) {
        s.layers = c->num_hidden_layers * c->inner_group_num;
        s.own = c->num_hidden_groups * c->inner_group_num;
    }
    return s;
}

struct stack config_decoder(const struct config *c)
{
    switch (c->family->shape) {
    case SHAPE_ENCODER:
        break;
    case SHAPE_DECODER:
        return stack_of(c, 0, c->num_hidden_layers, c->num_attention_heads);
    case SHAPE_ENCODER_DECODER:
        if (c->encoder_only)
            break;
        return stack_of(c, c->num_hidden_layers, c->decoder_layers, c->decoder_attention_heads);
    }
    return stack_of(c, 0, 0, c->num_attention_heads);
}

int32_t config_own_layer(const struct config *c, int32_t layer)
{
    if (!c->family->shared_layers)
        return layer;
    double share = (double)c->num_hidden_layers / c->num_hidden_groups;
    int32_t group = (int32_t)(layer / c->inner_group_num / share); /* the reference's division */
    return group * c->inner_group_num + layer % c->inner_group_num;
}

int32_t config_span(const struct config *c)
{
    if (c->position_buckets > 0)
        return c->position_buckets;
    return c->max_relative_positions > 0 ? c->max_relative_positions : c->max_position_embeddings;
}

int32_t config_max_length(const struct config *c)
{
    const struct family *f = c->family;
    if (!f->pad_offset)
        return c->max_position_embeddings;
    return c->max_position_embeddings + f->position_offset -
           (f->fixed_pad >= 0 ? f->fixed_pad : c->pad_token_id) - 1;
}

int32_t config_decoder_positions(const struct config *c)
{
    return c->max_decoder_position_embeddings > 0 ? c->max_decoder_position_embeddings
                                                  : config_max_length(c);
}

int32_t config_output_size(const struct config *c)
{
    return c->decoder_vocab_size > 0 ? c->decoder_vocab_size : c->vocab_size;
}

bool config_is_local(const struct config *c, int32_t i)
{
    if (c->n_layer_types > 0)
        return i < c->n_layer_types && c->layer_types[i] != 0;
    switch (c->family->locality) {
    case LOCAL_NONE:
        return false;
    case LOCAL_EVERY:
        return c->local_attention > 0 ? i % c->global_attn_every_n_layers != 0
                                      : (i + 1) % c->sliding_window_pattern != 0;
    case LOCAL_UPPER:
        return c->use_sliding_window && i >= c->max_window_layers;
    case LOCAL_ALL:
    case LOCAL_LED:
        return true;
    }
    return false;
}

int32_t config_window(const struct config *c, bool decoder, int32_t i)
{
    if (!config_is_local(c, i))
        return 0;
    if (c->family->locality == LOCAL_LED)
        return decoder ? 0 : (i < c->n_windows ? c->windows[i] : c->attention_window) / 2;
    return c->local_attention > 0 ? c->local_attention / 2 : TM_MAX(c->sliding_window - 1, 0);
}

void sizes_settle(struct config *c)
{
    if (c->decoder_layers == 0)
        c->decoder_layers = c->num_hidden_layers;
    if (c->decoder_attention_heads == 0)
        c->decoder_attention_heads = c->num_attention_heads;
    if (c->intermediate_size == 0)
        c->intermediate_size = c->inner_size > 0 ? c->inner_size : 4 * c->hidden_size;
    if (c->decoder_ffn_dim == 0)
        c->decoder_ffn_dim = c->intermediate_size;
    if (c->family->decoder == NULL || c->share_encoder_decoder_embeddings)
        c->decoder_vocab_size = 0;
}
