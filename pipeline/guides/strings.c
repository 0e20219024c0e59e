/* Stop strings and choices (tm_generate.h). Made on the main thread; init, advance and mask are
 * called by the engine's workers. */
#include "guides.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STRING = 4096, MAX_TOKEN = 256, MAX_CHOICES = 1024 };

struct strings {
    struct guide own; /* first */
    const struct tm_vocabulary *v;
    struct string {
        char *bytes;
        size_t len;
    } * item;
    size_t n, longest;
};

static void destroy(struct guide *g)
{
    struct strings *s = (struct strings *)g;
    for (size_t i = 0; i < s->n; i++)
        free(s->item[i].bytes);
    free(s->item);
    free(s);
}

/* Copies of the strings; each with a blank before it too, when asked for. */
static struct strings *create(const struct tm_vocabulary *v, const struct tm_conf_list *list,
                              bool blanks, struct tm_err *err)
{
    size_t copies = blanks ? 2 : 1;
    struct strings *s = calloc(1, sizeof *s);
    if (s == NULL || (s->item = calloc(list->n * copies + 1, sizeof *s->item)) == NULL) {
        free(s);
        tm_err_set(err, TM_NOMEM, "no memory for %zu strings", list->n);
        return NULL;
    }
    s->own.destroy = destroy;
    s->own.guide.self = s;
    s->v = v;
    for (size_t i = 0; i < list->n * copies; i++) {
        const char *text = list->item[i / copies];
        size_t len = strlen(text);
        if (len == 0 || len > MAX_STRING)
            tm_err_set(err, TM_CONFIG, "a stop string or choice has %zu bytes: 1 to %d are taken",
                       len, (int)MAX_STRING);
        else if (asprintf(&s->item[s->n].bytes, "%s%s", i % copies == 1 ? " " : "", text) < 0)
            tm_err_set(err, TM_NOMEM, "no memory for a string of %zu bytes", len);
        else {
            s->item[s->n].len = len + i % copies;
            s->longest = TM_MAX(s->longest, s->item[s->n].len);
            s->n++;
            continue;
        }
        destroy(&s->own);
        return NULL;
    }
    return s;
}

/* ---- stop strings ---- */

struct tail { /* the last bytes written, fewer than the longest string has */
    uint32_t n;
    char bytes[];
};

static void stop_init(const struct tm_guide *g, void *state)
{
    (void)g;
    ((struct tail *)state)->n = 0;
}

static enum tm_guide_verdict stop_advance(const struct tm_guide *g, void *state, int32_t id)
{
    const struct strings *s = g->self;
    struct tail *t = state;
    char text[MAX_STRING + MAX_TOKEN];
    bool stop = false;
    size_t n;
    const char *token = token_bytes(s->v, id, &n);
    memcpy(text, t->bytes, t->n);
    memcpy(text + t->n, token, n);
    n += t->n;
    for (size_t i = 0; i < s->n;
         i++) { /* one that ends in this token: the prompt may hold others */
        const struct string *item = &s->item[i];
        size_t from = t->n < item->len ? 0 : t->n - item->len + 1;
        if (memmem(text + from, n - from, item->bytes, item->len) != NULL)
            stop = true;
    }
    t->n = (uint32_t)TM_MIN(n, s->longest - 1);
    memcpy(t->bytes, text + n - t->n, t->n);
    return stop ? TM_GUIDE_STOP : TM_GUIDE_GO;
}

enum tm_status tm_guide_stop(const struct tm_vocabulary *v, const struct tm_conf_list *strings,
                             struct tm_guide **ret_guide, struct tm_err *err)
{
    struct strings *s = create(v, strings, false, err);
    if (s == NULL)
        return err != NULL ? err->status : TM_NOMEM;
    s->own.guide.state_size = sizeof(struct tail) + s->longest;
    s->own.guide.reads_prompt = true; /* a string may begin there */
    s->own.guide.init = stop_init;
    s->own.guide.advance = stop_advance;
    *ret_guide = &s->own.guide;
    return TM_OK;
}

/* ---- choices ---- */

struct choice { /* bytes written so far, and which strings begin with them */
    uint32_t n;
    uint32_t alive[];
};

static bool is_alive(const struct choice *c, size_t i)
{
    return (c->alive[i / 32] >> (i % 32) & 1) != 0;
}

static void choice_init(const struct tm_guide *g, void *state)
{
    const struct strings *s = g->self;
    struct choice *c = state;
    c->n = 0;
    memset(c->alive, 0, (s->n + 31) / 32 * sizeof *c->alive);
    for (size_t i = 0; i < s->n; i++)
        c->alive[i / 32] |= 1u << (i % 32);
}

static enum tm_guide_verdict choice_advance(const struct tm_guide *g, void *state, int32_t id)
{
    const struct strings *s = g->self;
    struct choice *c = state;
    size_t n;
    bool more = false;
    const char *token = token_bytes(s->v, id, &n);
    for (size_t i = 0; i < s->n; i++) {
        const struct string *item = &s->item[i];
        if (!is_alive(c, i))
            continue;
        if (c->n + n > item->len || memcmp(item->bytes + c->n, token, n) != 0)
            c->alive[i / 32] &= ~(1u << (i % 32));
        else
            more |= c->n + n < item->len;
    }
    c->n += (uint32_t)n;
    return more ? TM_GUIDE_GO : TM_GUIDE_STOP;
}

/* The tokens that are the next bytes of a string, however many. */
static bool allow_next(const struct tm_vocabulary *v, const char *rest, size_t len, uint32_t *bits)
{
    size_t lo = 0, hi = v->n_order;
    bool any = false;
    for (size_t depth = 0; depth < len && lo < hi; depth++) {
        size_t n;
        vocabulary_narrow(v, depth, (unsigned char)rest[depth], &lo, &hi);
        for (size_t i = lo; i < hi; i++) {
            token_bytes(v, v->order[i], &n);
            if (n > depth + 1)
                break;
            bits_set(bits, v->order[i]);
            any = true;
        }
    }
    return any;
}

static void choice_mask(const struct tm_guide *g, const void *state, uint32_t *bits)
{
    const struct strings *s = g->self;
    const struct choice *c = state;
    bool any = false;
    bits_clear(bits, s->v->size);
    for (size_t i = 0; i < s->n; i++) {
        const struct string *item = &s->item[i];
        if (!is_alive(c, i))
            continue;
        if (c->n < item->len)
            any |= allow_next(s->v, item->bytes + c->n, item->len - c->n, bits);
        for (int32_t k = 0; c->n == item->len && k < s->v->n_eos; k++) {
            bits_set(bits, s->v->eos[k]);
            any = true;
        }
    }
    for (int32_t k = 0; !any && k < s->v->n_eos; k++) /* the vocabulary cannot spell it */
        bits_set(bits, s->v->eos[k]);
}

enum tm_status tm_guide_choice(const struct tm_vocabulary *v, const struct tm_conf_list *strings,
                               struct tm_guide **ret_guide, struct tm_err *err)
{
    if (strings->n > MAX_CHOICES)
        return tm_err_set(err, TM_CONFIG, "%zu choices: %d are taken", strings->n,
                          (int)MAX_CHOICES);
    struct strings *s = create(v, strings, true, err);
    if (s == NULL)
        return err != NULL ? err->status : TM_NOMEM;
    s->own.guide.state_size = sizeof(struct choice) + (s->n + 31) / 32 * sizeof(uint32_t);
    s->own.guide.init = choice_init;
    s->own.guide.advance = choice_advance;
    s->own.guide.mask = choice_mask;
    *ret_guide = &s->own.guide;
    return TM_OK;
}
