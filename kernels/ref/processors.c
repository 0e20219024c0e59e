/* The rules of the logits processors: which ids they name. See processors.h. */
#include "processors.h"

#include <string.h>

struct kern_history kern_history(const struct tm_logits_args *args, int32_t slot, int32_t beam)
{
    const struct tm_decoded *d = args->decoded;
    return (struct kern_history){
        .decoding = &args->decoding[slot],
        .ids = d->ids + ((int64_t)slot * d->beams + beam) * d->positions,
        .length = d->lengths[slot],
    };
}

bool kern_is_eos(const struct tm_decoding *d, int32_t id)
{
    for (int32_t i = 0; i < d->n_eos; i++)
        if (d->eos_token_ids[i] == id)
            return true;
    return false;
}

static bool ends_with(const struct kern_history *h, const int32_t *ids, int32_t n)
{
    return n == 0 ||
           (n <= h->length && memcmp(h->ids + h->length - n, ids, (size_t)n * sizeof *ids) == 0);
}

/* Every id that follows, somewhere in `text`, the n - 1 ids that the row ends with. */
static void ngrams(const struct kern_history *h, const int32_t *text, int32_t length, int32_t n,
                   kern_id_fn *ban, void *context)
{
    if (n <= 0 || h->length + 1 < n)
        return;
    for (int32_t i = 0; i + n <= length; i++)
        if (ends_with(h, text + i, n - 1))
            ban(context, text[i + n - 1]);
}

/* A word of several ids counts only from the position where as many ids stand before; an end of
 * sequence alone is never a bad word. Both as in transformers. */
static void bad_words(const struct kern_history *h, kern_id_fn *ban, void *context)
{
    const struct tm_decoding *d = h->decoding;
    for (int32_t i = 0; i < d->n_bad_words; i += 1 + d->bad_words[i]) {
        int32_t n = d->bad_words[i];
        const int32_t *word = d->bad_words + i + 1;
        tm_assert(n > 0 && i + n < d->n_bad_words);
        if (n == 1 ? !kern_is_eos(d, word[0]) : n <= h->length && ends_with(h, word, n - 1))
            ban(context, word[n - 1]);
    }
}

void kern_banned(const struct kern_history *h, kern_id_fn *ban, void *context)
{
    const struct tm_decoding *d = h->decoding;
    ngrams(h, h->ids, h->length, d->no_repeat_ngram_size, ban, context);
    ngrams(h, d->source, d->n_source, d->encoder_no_repeat_ngram_size, ban, context);
    bad_words(h, ban, context);
    for (int32_t i = 0; h->length < d->min_length && i < d->n_eos; i++)
        ban(context, d->eos_token_ids[i]);
}

int32_t kern_forced(const struct kern_history *h)
{
    const struct tm_decoding *d = h->decoding;
    if (d->forced_eos_token_id >= 0 && h->length == d->max_length - 1)
        return d->forced_eos_token_id;
    return d->forced_bos_token_id >= 0 && h->length == 1 ? d->forced_bos_token_id : -1;
}

void kern_suppressed(const struct kern_history *h, kern_id_fn *ban, void *context)
{
    const struct tm_decoding *d = h->decoding;
    for (int32_t i = 0; i < d->n_suppress; i++)
        ban(context, d->suppress_tokens[i]);
    /* the first free position: after a beginning that is forced */
    int32_t begin = d->prompt > 1 || d->forced_bos_token_id < 0 ? d->prompt : d->prompt + 1;
    for (int32_t i = 0; h->length == begin && i < d->n_begin_suppress; i++)
        ban(context, d->begin_suppress_tokens[i]);
}
