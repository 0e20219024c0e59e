/* What each token writes (guides.h). Made on the main thread, once a model and guide. */
#include "guides.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 256 << 20 };

static enum tm_status add_bytes(struct tm_vocabulary *v, const struct tm_tokenizer *tok,
                                struct tm_err *err)
{
    for (int32_t id = 0; id < v->size; id++) {
        v->at[id] = (uint32_t)v->bytes.len;
        enum tm_status s = tm_tokenizer_bytes(tok, id, &v->bytes, NULL);
        if (s != TM_OK && s != TM_NOTFOUND) /* not found: it writes nothing */
            return tm_err_set(err, s, "bytes of token %d", id);
        if (v->bytes.len - v->at[id] > TOKEN_MOST) /* too long to be worth a guide's while */
            v->bytes.len = v->at[id];
    }
    v->at[v->size] = (uint32_t)v->bytes.len;
    return TM_OK;
}

static int by_bytes(const void *a, const void *b, void *arg)
{
    const struct tm_vocabulary *v = arg;
    size_t n_a, n_b;
    const char *x = token_bytes(v, *(const int32_t *)a, &n_a);
    const char *y = token_bytes(v, *(const int32_t *)b, &n_b);
    int d = memcmp(x, y, TM_MIN(n_a, n_b));
    return d != 0 ? d : (n_a > n_b) - (n_a < n_b);
}

enum tm_status tm_vocabulary_open(const struct tm_model *m, struct tm_vocabulary **ret_vocabulary,
                                  struct tm_err *err)
{
    const struct tm_engine_info *info = tm_engine_info(m->engine);
    struct tm_vocabulary *v = calloc(1, sizeof *v);
    if (v == NULL)
        return tm_err_set(err, TM_NOMEM, "vocabulary of %s", m->name);
    v->size = info->output_size;
    v->eos = info->generation->eos_token_ids;
    v->n_eos = info->generation->n_eos;
    v->bytes.cap = MAX_BYTES;
    v->at = calloc((size_t)v->size + 1, sizeof *v->at);
    v->order = calloc((size_t)v->size, sizeof *v->order);
    enum tm_status s = v->at != NULL && v->order != NULL
                           ? add_bytes(v, m->tok, err)
                           : tm_err_set(err, TM_NOMEM, "vocabulary of %s", m->name);
    if (s != TM_OK) {
        tm_vocabulary_close(v);
        return s;
    }
    for (int32_t id = 0; id < v->size; id++)
        if (v->at[id + 1] > v->at[id] && !vocabulary_is_eos(v, id))
            v->order[v->n_order++] = id;
    qsort_r(v->order, v->n_order, sizeof *v->order, by_bytes, v);
    *ret_vocabulary = v;
    return TM_OK;
}

void tm_guide_close(struct tm_guide *g)
{
    struct guide *own = (struct guide *)g; /* its first member */
    if (own != NULL)
        own->destroy(own);
}

void tm_vocabulary_close(struct tm_vocabulary *v)
{
    if (v == NULL)
        return;
    tm_buf_finish(&v->bytes);
    free(v->at);
    free(v->order);
    free(v);
}

bool vocabulary_is_eos(const struct tm_vocabulary *v, int32_t id)
{
    for (int32_t i = 0; i < v->n_eos; i++)
        if (v->eos[i] == id)
            return true;
    return false;
}

/* The byte at depth, -1 when the token ends before it. */
static int byte_at(const struct tm_vocabulary *v, size_t i, size_t depth)
{
    size_t n;
    const char *s = token_bytes(v, v->order[i], &n);
    return depth < n ? (unsigned char)s[depth] : -1;
}

/* The first of [lo, hi) whose byte at depth is at least c. */
static size_t lower_bound(const struct tm_vocabulary *v, size_t depth, int c, size_t lo, size_t hi)
{
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (byte_at(v, mid, depth) < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void vocabulary_narrow(const struct tm_vocabulary *v, size_t depth, unsigned char c, size_t *lo,
                       size_t *hi)
{
    size_t low = lower_bound(v, depth, c, *lo, *hi);
    *hi = lower_bound(v, depth, c + 1, low, *hi);
    *lo = low;
}

void bits_clear(uint32_t *bits, int32_t n)
{
    memset(bits, 0, ((size_t)n + 31) / 32 * sizeof *bits);
}

void walk_tokens(const struct tm_vocabulary *v, guide_step_fn *step, const void *self,
                 const void *state, size_t state_size, uint32_t *bits)
{
    /* states[d]: after the first d bytes of the token at hand; neighbours share a beginning. */
    static _Thread_local char states[TOKEN_MOST + 1][WALK_STATE];
    tm_dassert(state_size <= WALK_STATE);
    size_t good = 0;         /* bytes of `before` that were allowed */
    const char *before = ""; /* the token before, and of it … */
    size_t n_before = 0;     /* … so many bytes were looked at */
    memcpy(states[0], state, state_size);
    for (size_t i = 0; i < v->n_order; i++) {
        size_t n, same = 0;
        const char *s = token_bytes(v, v->order[i], &n);
        while (same < n && same < n_before && s[same] == before[same])
            same++;
        if (same < n_before || good == n_before) {
            good = TM_MIN(good, same);
            while (good < n && step(self, states[good], (unsigned char)s[good], states[good + 1]))
                good++;
            before = s;
            n_before = good < n ? good + 1 : n;
        }
        /* else: it begins with what was refused before */
        if (good == n && n == n_before)
            bits_set(bits, v->order[i]);
    }
}
