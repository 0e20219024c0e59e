/* The look-ups in the families' rows, which lie in bert.c, deberta.c, bart.c, t5.c and decoders.c.
 * README.md says how to add one. */
#include "families.h"

#include <stdio.h>
#include <string.h>

static const struct family *family_at(size_t i)
{
    const struct {
        const struct family *rows;
        size_t n;
    } lists[] = {
        {bert_families, n_bert_families},       {deberta_families, n_deberta_families},
        {bart_families, n_bart_families},       {t5_families, n_t5_families},
        {decoder_families, n_decoder_families},
    };
    for (size_t l = 0; l < TM_COUNTOF(lists); l++) {
        if (i < lists[l].n)
            return &lists[l].rows[i];
        i -= lists[l].n;
    }
    return NULL;
}

const struct family *family_find(const char *model_type)
{
    for (size_t i = 0; family_at(i) != NULL; i++)
        if (strcmp(family_at(i)->model_type, model_type) == 0)
            return family_at(i);
    return NULL;
}

const struct head_row *family_head(const struct family *f, enum tm_head head)
{
    for (int32_t i = 0; i < f->n_heads; i++)
        if (f->heads[i].head == head)
            return &f->heads[i];
    return NULL;
}

void family_names(char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; family_at(i) != NULL && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "",
                                 family_at(i)->model_type);
}

int64_t family_size(const struct config *c, const char *symbol)
{
    const struct stack s =
        c->family->shape == SHAPE_ENCODER ? config_encoder(c) : config_decoder(c);
    const struct {
        char symbol;
        int64_t size;
    } sizes[] = {
        {'\0', 1},
        {'V', c->vocab_size},
        {'H', c->hidden_size},
        {'E', c->embedding_size > 0 ? c->embedding_size : c->hidden_size},
        {'F', c->intermediate_size},
        {'G', c->decoder_ffn_dim},
        {'P', c->max_position_embeddings},
        {'O', c->max_position_embeddings + c->family->position_offset},
        {'M', config_decoder_positions(c)},
        {'U', config_output_size(c)},
        {'T', c->type_vocab_size},
        {'L', c->n_labels},
        {'A', c->num_attention_heads},
        {'D', s.head_dim},
        {'Q', (int64_t)s.heads * s.head_dim},
        {'K', (int64_t)s.kv_heads * s.head_dim},
        {'B', c->relative_attention_num_buckets},
        {'R', 2 * (int64_t)c->max_position_embeddings - 1},
        {'S', 2 * (int64_t)config_span(c)},
    };
    int64_t factor = 0;
    size_t i = 0;
    for (; *symbol >= '0' && *symbol <= '9'; symbol++)
        factor = factor * 10 + (*symbol - '0');
    while (i < TM_COUNTOF(sizes) && sizes[i].symbol != *symbol)
        i++;
    tm_assert(i < TM_COUNTOF(sizes));
    return TM_MAX(factor, 1) * sizes[i].size;
}

bool family_bias(const struct config *c, enum bias_rule rule)
{
    switch (rule) {
    case BIAS_YES:
    case BIAS_QV:
        return true;
    case BIAS_NEVER:
        return false;
    case BIAS_ATTENTION:
        return c->attention_bias;
    case BIAS_MLP:
        return c->mlp_bias;
    case BIAS_NORM:
        return c->norm_bias;
    case BIAS_CLASSIFIER:
        return c->classifier_bias;
    }
    return false;
}

bool family_has(const struct config *c, const struct tensor_row *row, int32_t layer)
{
    switch (row->when) {
    case WHEN_ALWAYS:
        return true;
    case WHEN_NOT_FIRST:
        return layer > 0;
    case WHEN_RELATIVE_KEY:
        return c->position_embedding_type != POSITION_ABSOLUTE;
    case WHEN_TYPES:
        return c->type_vocab_size > 0;
    case WHEN_PROJECTED:
        return c->embedding_size > 0 && c->embedding_size != c->hidden_size;
    case WHEN_BIASED_INPUT:
        return c->position_biased_input;
    case WHEN_RELATIVE:
        return c->relative_attention;
    case WHEN_RELATIVE_NORM:
        return c->relative_attention && c->norm_rel_ebd;
    case WHEN_C2P:
    case WHEN_P2C:
        return c->relative_attention && !c->share_att_key &&
               (c->pos_att_type & (row->when == WHEN_C2P ? POS_ATT_C2P : POS_ATT_P2C)) != 0;
    case WHEN_CONV:
        return c->conv_kernel_size > 0;
    case WHEN_SHARED:
    case WHEN_SPLIT:
        return c->share_encoder_decoder_embeddings == (row->when == WHEN_SHARED);
    case WHEN_GATED:
    case WHEN_UNGATED:
        return c->gated == (row->when == WHEN_GATED);
    case WHEN_TIED_SHARED:
    case WHEN_TIED_SPLIT:
        return c->tie_word_embeddings &&
               c->share_encoder_decoder_embeddings == (row->when == WHEN_TIED_SHARED);
    case WHEN_TIED:
    case WHEN_UNTIED:
        return c->tie_word_embeddings == (row->when == WHEN_TIED);
    case WHEN_PRESENT:
        break;
    }
    return true;
}
