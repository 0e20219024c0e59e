/* How a sequence is decoded: its parameters over the folder's, lengths resolved as Hugging Face's
 * generate resolves them, and everything refused that cannot be done.
 *
 * Called by tm_engine_fits on any thread, and by the scheduler when a sequence is admitted. */
#include "decode.h"

const int32_t *decoding_prompt(const struct tm_engine *e, const struct tm_sequence *seq,
                               int32_t *one)
{
    const struct tm_generation *g = seq->generation != NULL ? seq->generation : e->info.generation;
    if (!e->info.encoder_decoder)
        return seq->ids;
    if (seq->decoder_ids != NULL)
        return seq->decoder_ids;
    *one = g->decoder_start_token_id;
    return one;
}

static int32_t prompt_length(const struct tm_engine *e, const struct tm_sequence *seq)
{
    if (!e->info.encoder_decoder)
        return seq->n_ids;
    return seq->decoder_ids != NULL ? seq->n_decoder_ids : 1;
}

/* max_new_tokens wins; where nothing is set there are 20 new ones, as far as positions go. */
static int64_t max_length(const struct tm_engine *e, const struct tm_generation *g, int64_t prompt)
{
    enum { UNSET = 20 };
    if (g->max_new_tokens >= 0)
        return prompt + g->max_new_tokens;
    return g->max_length >= 0 ? g->max_length : TM_MIN(prompt + UNSET, (int64_t)e->positions);
}

static enum tm_status check_ids(const struct tm_engine *e, const char *what, const int32_t *ids,
                                int64_t n, struct tm_err *err)
{
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= (e->info.encoder_decoder ? config_output_size(&e->model.config)
                                                             : e->info.vocab_size))
            return tm_err_set(err, TM_BADINPUT, "%s: id %d at %lld is outside the vocabulary of %d",
                              what, ids[i], (long long)i, e->info.vocab_size);
    return TM_OK;
}

/* Numbers that the operations take as they are. */
static enum tm_status check_numbers(const struct tm_generation *g, struct tm_err *err)
{
    const struct {
        const char *name;
        bool good;
        double value;
    } rules[] = {
        {"repetition_penalty", g->repetition_penalty > 0, (double)g->repetition_penalty},
        {"encoder_repetition_penalty", g->encoder_repetition_penalty > 0,
         (double)g->encoder_repetition_penalty},
        {"temperature", !g->do_sample || g->temperature > 0, (double)g->temperature},
        {"top_k", g->top_k >= 0, g->top_k},
        {"top_p", g->top_p > 0 && g->top_p <= 1, (double)g->top_p},
        {"min_p", g->min_p >= 0 && g->min_p <= 1, (double)g->min_p},
        {"typical_p", g->typical_p > 0 && g->typical_p <= 1, (double)g->typical_p},
        {"no_repeat_ngram_size", g->no_repeat_ngram_size >= 0, g->no_repeat_ngram_size},
        {"encoder_no_repeat_ngram_size", g->encoder_no_repeat_ngram_size >= 0,
         g->encoder_no_repeat_ngram_size},
        {"length_penalty", g->length_penalty == g->length_penalty, (double)g->length_penalty},
    };
    for (size_t i = 0; i < TM_COUNTOF(rules); i++)
        if (!rules[i].good)
            return tm_err_set(err, TM_BADINPUT, "%s %g is out of range", rules[i].name,
                              rules[i].value);
    return TM_OK;
}

static enum tm_status check_bad_words(const struct tm_generation *g, struct tm_err *err)
{
    for (int32_t i = 0; i < g->n_bad_words;) {
        int32_t n = g->bad_words_ids[i];
        if (n < 1 || n >= g->n_bad_words - i)
            return tm_err_set(err, TM_BADINPUT, "bad_words_ids: a word of %d ids", n);
        i += n + 1;
    }
    return TM_OK;
}

static enum tm_status check_beams(const struct tm_engine *e, const struct tm_generation *g,
                                  struct tm_err *err)
{
    int32_t most = TM_MIN((int32_t)DECODE_BEAMS, e->limits.decode_rows);
    int32_t rows = TM_MAX(g->num_beams, g->num_return_sequences);
    if (g->num_beams < 1 || g->num_return_sequences < 1)
        return tm_err_set(err, TM_BADINPUT, "num_beams %d and num_return_sequences %d: at least 1",
                          g->num_beams, g->num_return_sequences);
    if (g->do_sample && g->num_beams > 1)
        return tm_err_set(err, TM_UNSUPPORTED, "do_sample with num_beams %d: beams are not sampled",
                          g->num_beams);
    if (!g->do_sample && g->num_return_sequences > g->num_beams)
        return tm_err_set(err, TM_BADINPUT, "num_return_sequences %d of num_beams %d",
                          g->num_return_sequences, g->num_beams);
    if (rows > most)
        return tm_err_set(err, TM_TOOLARGE, "%d beams, at most %d are decoded at once", rows, most);
    if (g->n_eos > DECODE_EOS)
        return tm_err_set(err, TM_TOOLARGE, "%d ids of eos_token_id, at most %d", g->n_eos,
                          DECODE_EOS);
    return TM_OK;
}

static enum tm_status check_lengths(const struct tm_engine *e, const struct tm_sequence *seq,
                                    int64_t prompt, int64_t length, struct tm_err *err)
{
    int32_t one;
    if (prompt < 1)
        return tm_err_set(err, TM_BADINPUT, "decoder_ids without ids");
    if (prompt > e->positions)
        return tm_err_set(err, TM_TOOLARGE, "a beginning of %lld ids, the decoder has %d positions",
                          (long long)prompt, e->positions);
    if (length <= prompt)
        return tm_err_set(err, TM_BADINPUT, "max_length %lld leaves nothing behind %lld ids",
                          (long long)length, (long long)prompt);
    if (length > e->positions)
        return tm_err_set(err, TM_TOOLARGE, "max_length %lld, the decoder has %d positions",
                          (long long)length, e->positions);
    return check_ids(e, e->info.encoder_decoder ? "decoder_ids" : "ids",
                     decoding_prompt(e, seq, &one), prompt, err);
}

/* Beam search scores what is returned; a sample has a row for each sequence. */
static struct tm_decoding decoding_of(const struct tm_sequence *seq, const struct tm_generation *g,
                                      int32_t prompt, int32_t length)
{
    int32_t min = g->min_new_tokens >= 0 ? prompt + g->min_new_tokens : g->min_length;
    return (struct tm_decoding){
        .beams = g->do_sample ? g->num_return_sequences : g->num_beams,
        .prompt = prompt,
        .max_length = length,
        .min_length = min,
        .repetition_penalty = g->repetition_penalty,
        .encoder_repetition_penalty = g->encoder_repetition_penalty,
        .no_repeat_ngram_size = g->no_repeat_ngram_size,
        .encoder_no_repeat_ngram_size = g->encoder_no_repeat_ngram_size,
        .forced_bos_token_id = g->forced_bos_token_id,
        .forced_eos_token_id = g->forced_eos_token_id,
        .eos_token_ids = g->eos_token_ids,
        .suppress_tokens = g->suppress_tokens,
        .begin_suppress_tokens = g->begin_suppress_tokens,
        .n_eos = g->n_eos,
        .n_suppress = g->n_suppress,
        .n_begin_suppress = g->n_begin_suppress,
        .bad_words = g->bad_words_ids,
        .n_bad_words = g->n_bad_words,
        .source = seq->ids,
        .n_source = seq->n_ids,
        .renormalize_logits = g->renormalize_logits,
        .length_penalty = g->length_penalty,
        .early_stopping = (__typeof__(((struct tm_decoding *)0)->early_stopping))g->early_stopping,
        .do_sample = g->do_sample,
        .temperature = g->temperature,
        .top_p = g->top_p,
        .min_p = g->min_p,
        .typical_p = g->typical_p,
        .top_k = g->top_k,
        .key = {seq->key[0], seq->key[1]},
    };
}

int64_t decoding_pages(const struct tm_engine *e, const struct tm_sequence *seq,
                       const struct tm_decoding *d)
{
    int64_t self = (d->max_length + TM_KV_PAGE - 1) / TM_KV_PAGE * (int64_t)d->beams;
    int64_t cross = e->info.encoder_decoder ? (seq->n_ids + TM_KV_PAGE - 1) / TM_KV_PAGE : 0;
    return self + cross;
}

enum tm_status decoding_plan(const struct tm_engine *e, const struct tm_sequence *seq,
                             struct tm_decoding *ret_decoding, struct tm_err *err)
{
    const struct tm_generation *g = seq->generation != NULL ? seq->generation : e->info.generation;
    int64_t prompt = prompt_length(e, seq), length = max_length(e, g, prompt);
    if (e->info.encoder_decoder && seq->decoder_ids == NULL && g->decoder_start_token_id < 0)
        return tm_err_set(err, TM_BADINPUT, "no decoder_start_token_id and no decoder_ids");
    enum tm_status s = check_beams(e, g, err);
    if (s == TM_OK)
        s = check_numbers(g, err);
    if (s == TM_OK)
        s = check_bad_words(g, err);
    if (s == TM_OK)
        s = check_lengths(e, seq, prompt, length, err);
    if (s == TM_OK && g->forced_bos_token_id >= 0)
        s = check_ids(e, "forced_bos_token_id", &g->forced_bos_token_id, 1, err);
    if (s == TM_OK && g->forced_eos_token_id >= 0)
        s = check_ids(e, "forced_eos_token_id", &g->forced_eos_token_id, 1, err);
    if (s != TM_OK)
        return s;
    struct tm_decoding d = decoding_of(seq, g, (int32_t)prompt, (int32_t)length);
    int64_t pages = decoding_pages(e, seq, &d);
    if (pages > e->pages)
        return tm_err_set(err, TM_TOOLARGE, "%lld pages of K/V are needed, a worker has %d",
                          (long long)pages, e->pages);
    *ret_decoding = d;
    return TM_OK;
}

int32_t tm_engine_generated_most(const struct tm_engine *e, const struct tm_sequence *seq)
{
    struct tm_decoding d;
    return decoding_plan(e, seq, &d, NULL) == TM_OK ? d.max_length : 0;
}
