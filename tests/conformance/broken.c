/* A second conformance program puts families wrong: what mutate.py cannot change in a folder.
 *
 * family_find() is wrapped by the linker; CONFORMANCE_BREAK names the fact of the row that is
 * turned. */
#include "families.h"

#include <stdlib.h>
#include <string.h>

const struct family *__real_family_find(const char *model_type);
const struct family *__wrap_family_find(const char *model_type);

static void norm_place(struct family *f)
{
    f->pre_norm = !f->pre_norm;
}

static void norm_kind(struct family *f)
{
    f->rms = !f->rms;
}

static void norm_plus_one(struct family *f)
{
    f->norm_plus_one = !f->norm_plus_one;
}

static void attention_scale(struct family *f)
{
    f->unscaled = !f->unscaled;
}

static void output_scale(struct family *f)
{
    f->scaled_output = !f->scaled_output;
}

static void embedding_scale(struct family *f)
{
    f->defaults.scale_embedding = !f->defaults.scale_embedding;
}

static void gate(struct family *f)
{
    f->defaults.hidden_act = f->defaults.hidden_act == TM_ACT_SILU ? TM_ACT_RELU : TM_ACT_SILU;
}

static void rotary(struct family *f)
{
    f->rotary = !f->rotary;
}

static void position(struct family *f)
{
    if (f->pad_offset)
        f->fixed_pad = 0;
    else
        f->position_offset++;
}

static void window(struct family *f)
{
    f->locality = LOCAL_NONE;
}

const struct family *__wrap_family_find(const char *model_type)
{
    static const struct {
        const char *name;
        void (*turn)(struct family *);
    } breaks[] = {
        {"norm_place", norm_place},
        {"norm_kind", norm_kind},
        {"norm_plus_one", norm_plus_one},
        {"attention_scale", attention_scale},
        {"output_scale", output_scale},
        {"embedding_scale", embedding_scale},
        {"gate", gate},
        {"rotary", rotary},
        {"position", position},
        {"window", window},
    };
    static struct family changed;
    const struct family *f = __real_family_find(model_type);
    const char *what = getenv("CONFORMANCE_BREAK");
    for (size_t i = 0; f != NULL && what != NULL && i < TM_COUNTOF(breaks); i++) {
        if (strcmp(breaks[i].name, what) != 0)
            continue;
        changed = *f;
        breaks[i].turn(&changed);
        return &changed;
    }
    return f;
}
