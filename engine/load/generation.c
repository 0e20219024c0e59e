/* generation_config.json to struct tm_generation. Called by model.c while a model is opened. */
#include "generation.h"
#include "families.h"
#include "json_file.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum { IDS_MOST = 1 << 16 };

/* Hugging Face's GenerationConfig(). */
static const struct tm_generation defaults = {
    .max_length = -1,
    .max_new_tokens = -1,
    .min_new_tokens = -1,
    .num_beams = 1,
    .num_return_sequences = 1,
    .length_penalty = 1,
    .repetition_penalty = 1,
    .encoder_repetition_penalty = 1,
    .temperature = 1,
    .top_k = 50,
    .top_p = 1,
    .typical_p = 1,
    .decoder_start_token_id = -1,
    .forced_bos_token_id = -1,
    .forced_eos_token_id = -1,
    .pad_token_id = -1,
};

enum key_type {
    KEY_INT,   /* null: as before */
    KEY_ID,    /* null: none */
    KEY_IDS,   /* an id or a list of them; a count follows the pointer's field */
    KEY_WORDS, /* lists of ids */
    KEY_FLOAT,
    KEY_BOOL,
    KEY_EARLY,
    KEY_BOS,
    KEY_NEUTRAL, /* refused unless it has the value that changes nothing */
};

/* clang-format off */
static const struct key {
    const char *name;
    enum key_type type;
    size_t offset, count;
    double neutral;
} keys[] = {
#define FIELD(field, type) {#field, (type), offsetof(struct tm_generation, field), 0, 0}
#define IDS(name, field, n, type) \
    {name, (type), offsetof(struct tm_generation, field), offsetof(struct tm_generation, n), 0}
#define NEUTRAL(name, value) {name, KEY_NEUTRAL, 0, 0, (value)}
    FIELD(max_length, KEY_INT),
    FIELD(max_new_tokens, KEY_INT),
    FIELD(min_length, KEY_INT),
    FIELD(min_new_tokens, KEY_INT),
    FIELD(num_beams, KEY_INT),
    FIELD(num_return_sequences, KEY_INT),
    FIELD(early_stopping, KEY_EARLY),
    FIELD(length_penalty, KEY_FLOAT),
    FIELD(repetition_penalty, KEY_FLOAT),
    FIELD(encoder_repetition_penalty, KEY_FLOAT),
    FIELD(no_repeat_ngram_size, KEY_INT),
    FIELD(encoder_no_repeat_ngram_size, KEY_INT),
    FIELD(renormalize_logits, KEY_BOOL),
    FIELD(do_sample, KEY_BOOL),
    FIELD(temperature, KEY_FLOAT),
    FIELD(top_k, KEY_INT),
    FIELD(top_p, KEY_FLOAT),
    FIELD(min_p, KEY_FLOAT),
    FIELD(typical_p, KEY_FLOAT),
    FIELD(decoder_start_token_id, KEY_ID),
    FIELD(forced_bos_token_id, KEY_ID),
    FIELD(forced_eos_token_id, KEY_ID),
    FIELD(pad_token_id, KEY_ID),
    {"bos_token_id", KEY_BOS, 0, 0, 0},
    IDS("eos_token_id", eos_token_ids, n_eos, KEY_IDS),
    IDS("suppress_tokens", suppress_tokens, n_suppress, KEY_IDS),
    IDS("begin_suppress_tokens", begin_suppress_tokens, n_begin_suppress, KEY_IDS),
    IDS("bad_words_ids", bad_words_ids, n_bad_words, KEY_WORDS),
    NEUTRAL("num_beam_groups", 1),
    NEUTRAL("diversity_penalty", 0),
    NEUTRAL("guidance_scale", 1),
    NEUTRAL("penalty_alpha", 0),
    NEUTRAL("epsilon_cutoff", 0),
    NEUTRAL("eta_cutoff", 0),
    NEUTRAL("force_words_ids", 0),
    NEUTRAL("constraints", 0),
    NEUTRAL("sequence_bias", 0),
    NEUTRAL("exponential_decay_length_penalty", 0),
    NEUTRAL("forced_decoder_ids", 0),
    NEUTRAL("dola_layers", 0),
    NEUTRAL("watermarking_config", 0),
#undef FIELD
#undef IDS
#undef NEUTRAL
};
/* clang-format on */

struct reading {
    struct tm_generation *g;
    struct tm_arena *arena;
    int32_t bos_token_id; /* where the decoder starts when nothing says so */
    int32_t ids[IDS_MOST];
    int32_t n;
};

static enum tm_status take_id(struct tm_json *j, const struct tm_json_event *ev, struct reading *r,
                              const struct key *key, struct tm_err *err)
{
    int64_t id;
    if (ev->type != TM_JSON_NUMBER || !tm_json_number_i64(ev->text, ev->len, &id) || id < 0 ||
        id > INT32_MAX)
        return tm_json_fail(j, TM_MODEL, err, "%s holds something that is no token id", key->name);
    if (r->n == IDS_MOST)
        return tm_json_fail(j, TM_MODEL, err, "%s is too long", key->name);
    r->ids[r->n++] = (int32_t)id;
    return TM_OK;
}

/* What follows the beginning of a list, up to its end. */
static enum tm_status take_list(struct tm_json *j, struct reading *r, const struct key *key,
                                struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s;
    while ((s = tm_json_next(j, &ev, err)) == TM_OK && ev.type != TM_JSON_ARRAY_END) {
        int32_t at = r->n;
        if (key->type != KEY_WORDS) {
            s = take_id(j, &ev, r, key, err);
        } else if (ev.type != TM_JSON_ARRAY || r->n == IDS_MOST) {
            s = tm_json_fail(j, TM_MODEL, err, "%s is not a list of lists of ids", key->name);
        } else {
            static const struct key word = {"bad_words_ids", KEY_IDS, 0, 0, 0};
            r->n++; /* its length */
            s = take_list(j, r, &word, err);
            r->ids[at] = r->n - at - 1;
            if (s == TM_OK && r->ids[at] == 0)
                s = tm_json_fail(j, TM_MODEL, err, "%s holds an empty word", key->name);
        }
        if (s != TM_OK)
            break;
    }
    return s;
}

static enum tm_status read_ids(struct tm_json *j, struct reading *r, const struct key *key,
                               struct tm_err *err)
{
    struct tm_json_event ev;
    int32_t *kept = NULL;
    enum tm_status s = tm_json_next(j, &ev, err);
    r->n = 0;
    if (s != TM_OK)
        return s;
    if (ev.type == TM_JSON_ARRAY)
        s = take_list(j, r, key, err);
    else if (ev.type != TM_JSON_NULL)
        s = take_id(j, &ev, r, key, err);
    if (s == TM_OK && r->n > 0) {
        kept = tm_arena_array(r->arena, (size_t)r->n, sizeof *kept);
        if (kept == NULL)
            return tm_err_set(err, TM_NOMEM, "%s", key->name);
        memcpy(kept, r->ids, (size_t)r->n * sizeof *kept);
    }
    *(const int32_t **)((char *)r->g + key->offset) = kept;
    *(int32_t *)((char *)r->g + key->count) = r->n;
    return s;
}

/* Nothing, false, the neutral number and what is empty pass. */
static enum tm_status read_neutral(struct tm_json *j, const struct key *key, struct tm_err *err)
{
    struct tm_json_event ev;
    double value;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s != TM_OK || ev.type == TM_JSON_NULL || (ev.type == TM_JSON_BOOL && !ev.boolean) ||
        (ev.type == TM_JSON_NUMBER && tm_json_number_f64(ev.text, ev.len, &value) &&
         value == key->neutral))
        return s;
    return tm_json_fail(j, TM_UNSUPPORTED, err, "%s is not supported", key->name);
}

static enum tm_status read_number(struct tm_json *j, const struct key *key, void *field,
                                  const struct tm_json_event *ev, struct tm_err *err)
{
    int64_t n;
    double f;
    if (key->type == KEY_FLOAT) {
        if (ev->type != TM_JSON_NUMBER || !tm_json_number_f64(ev->text, ev->len, &f) ||
            !isfinite(f))
            return tm_json_fail(j, TM_MODEL, err, "%s is not a number", key->name);
        *(float *)field = (float)f;
        return TM_OK;
    }
    if (ev->type != TM_JSON_NUMBER || !tm_json_number_i64(ev->text, ev->len, &n) || n < -1 ||
        n > INT32_MAX)
        return tm_json_fail(j, TM_MODEL, err, "%s is not a number from 0", key->name);
    *(int32_t *)field = (int32_t)n;
    return TM_OK;
}

static enum tm_status read_one(struct tm_json *j, struct reading *r, const struct key *key,
                               struct tm_err *err)
{
    struct tm_json_event ev;
    void *field = key->type == KEY_BOS ? (void *)&r->bos_token_id : (char *)r->g + key->offset;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s != TM_OK)
        return s;
    if (ev.type == TM_JSON_NULL) { /* ids: none; else the default stays */
        if (key->type == KEY_ID || key->type == KEY_BOS)
            *(int32_t *)field = -1;
        return TM_OK;
    }
    if (key->type != KEY_BOOL && key->type != KEY_EARLY)
        return read_number(j, key, field, &ev, err);
    if (key->type == KEY_EARLY && ev.type == TM_JSON_STRING && strcmp(ev.text, "never") == 0) {
        r->g->early_stopping = TM_STOP_NEVER;
        return TM_OK;
    }
    if (ev.type != TM_JSON_BOOL)
        return tm_json_fail(j, TM_MODEL, err, "%s is neither true nor false", key->name);
    if (key->type == KEY_EARLY)
        r->g->early_stopping = ev.boolean ? TM_STOP_FIRST : TM_STOP_BEST;
    else
        *(bool *)field = ev.boolean;
    return TM_OK;
}

static enum tm_status read_key(void *arg, struct tm_json *j, const char *name, struct tm_err *err)
{
    struct reading *r = arg;
    for (size_t i = 0; i < TM_COUNTOF(keys); i++) {
        const struct key *key = &keys[i];
        if (strcmp(key->name, name) != 0)
            continue;
        if (key->type == KEY_NEUTRAL)
            return read_neutral(j, key, err);
        return key->type == KEY_IDS || key->type == KEY_WORDS ? read_ids(j, r, key, err)
                                                              : read_one(j, r, key, err);
    }
    return tm_json_skip(j, err);
}

/* What the class says where config.json does not. */
static enum tm_status take_class(struct reading *r, const struct config *c, struct tm_err *err)
{
    struct tm_generation *g = r->g;
    const struct config *d = &c->family->defaults;
    r->bos_token_id = d->bos_token_id;
    g->pad_token_id = d->pad_token_id;
    g->decoder_start_token_id = d->decoder_start_token_id;
    g->forced_eos_token_id = d->forced_eos_token_id;
    if (d->eos_token_id < 0)
        return TM_OK;
    int32_t *eos = tm_arena_array(r->arena, 1, sizeof *eos);
    if (eos == NULL)
        return tm_err_set(err, TM_NOMEM, "generation");
    *eos = d->eos_token_id;
    g->eos_token_ids = eos;
    g->n_eos = 1;
    return TM_OK;
}

static enum tm_status start(struct tm_generation *g, struct tm_arena *arena,
                            struct reading **ret_reading, struct tm_err *err)
{
    struct reading *r = tm_arena_array(arena, 1, sizeof *r);
    if (r == NULL)
        return tm_err_set(err, TM_NOMEM, "generation");
    *r = (struct reading){.g = g, .arena = arena, .bos_token_id = -1};
    *ret_reading = r;
    return TM_OK;
}

enum tm_status generation_options(struct tm_json *j, struct tm_arena *arena,
                                  struct tm_generation *g, struct tm_err *err)
{
    struct reading *r = NULL;
    enum tm_status s = start(g, arena, &r, err);
    return s == TM_OK ? json_file_object(j, read_key, r, err) : s;
}

enum tm_status generation_read(const char *folder, const struct config *c, struct tm_arena *arena,
                               struct tm_generation *ret_generation, struct tm_err *err)
{
    bool own = folder_has(folder, "generation_config.json");
    struct tm_generation g = defaults;
    struct reading *r = NULL;
    enum tm_status s = start(&g, arena, &r, err);
    if (s == TM_OK && !own)
        s = take_class(r, c, err);
    if (s == TM_OK)
        s = json_file(folder, own ? "generation_config.json" : "config.json", read_key, r, err);
    if (s != TM_OK)
        return s;
    if (g.decoder_start_token_id < 0)
        g.decoder_start_token_id = r->bos_token_id;
    if (g.max_length == 20) /* the default, written out: 20 new ones */
        g.max_length = -1;
    *ret_generation = g;
    return TM_OK;
}
