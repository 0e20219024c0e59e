/* What a schema's guide costs a step: masks along answers over a large vocabulary.
 *
 *   bench_schema [TOKENS]      (150000)
 *
 * The vocabulary is every byte and words of letters, digits and punctuation of 2 to 9 bytes, of a
 * fixed sequence of random numbers. Answers take any of the ids that are allowed. Prints masks,
 * milliseconds of processor time a mask, and the share of time that the slowest tenth took. */
#include "guides.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MASKS = 2000, EOS = 0 };
static const char schema[] =
    "{\"type\":\"object\",\"required\":[\"title\",\"people\",\"score\",\"kind\"],\"properties\":{"
    "\"title\":{\"type\":\"string\",\"maxLength\":400},\"people\":{\"type\":\"array\",\"items\":{"
    "\"type\":\"object\","
    "\"required\":[\"name\",\"age\"],\"properties\":{\"name\":{\"type\":\"string\"},\"age\":{"
    "\"type\":\"integer\"}}}},"
    "\"score\":{\"type\":\"number\"},\"kind\":{\"enum\":[\"news\",\"opinion\",\"other\"]}}}";
static const int32_t eos = EOS;

static uint32_t below(uint64_t *state, uint32_t n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % n);
}

static int by_bytes(const void *a, const void *b, void *arg)
{
    size_t n, m;
    const char *x = token_bytes(arg, *(const int32_t *)a, &n);
    const char *y = token_bytes(arg, *(const int32_t *)b, &m);
    int d = memcmp(x, y, TM_MIN(n, m));
    return d != 0 ? d : (n > m) - (n < m);
}

static bool fill(struct tm_vocabulary *v, int32_t size)
{
    static const char letters[] = "etaoinshrdlu etaoinshrdlucmfw etaoin0123456789\",:{}[].";
    uint64_t state = 7;
    *v = (struct tm_vocabulary){.size = size, .eos = &eos, .n_eos = 1};
    v->at = calloc((size_t)size + 1, sizeof *v->at);
    v->order = calloc((size_t)size, sizeof *v->order);
    if (v->at == NULL || v->order == NULL)
        return false;
    for (int32_t id = 1; id < size; id++) {
        v->at[id] = (uint32_t)v->bytes.len;
        if (id <= 256)
            tm_buf_putc(&v->bytes, (char)(id - 1));
        for (uint32_t i = id <= 256 ? 0 : 2 + below(&state, 8); i > 0; i--)
            tm_buf_putc(&v->bytes, letters[below(&state, sizeof letters - 1)]);
        v->order[v->n_order++] = id;
    }
    v->at[size] = (uint32_t)v->bytes.len;
    qsort_r(v->order, v->n_order, sizeof *v->order, by_bytes, v);
    return !v->bytes.failed;
}

static int32_t choose(const uint32_t *bits, int32_t size, uint64_t *state)
{
    int32_t at = (int32_t)below(state, (uint32_t)size);
    for (int32_t i = 0; i < size; i++, at = (at + 1) % size)
        if ((bits[at / 32] >> (at % 32) & 1) != 0)
            return at;
    return EOS;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int descending(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x < *y) - (*x > *y);
}

int main(int argc, char **argv)
{
    int64_t size = 150000;
    static double spent[MASKS];
    struct tm_vocabulary v;
    struct tm_guide *g = NULL;
    double all = 0, slow = 0;
    uint64_t seed = 3;
    if (argc > 1 &&
        (!tm_json_number_i64(argv[1], strlen(argv[1]), &size) || size < 300 || size > 1 << 22))
        return 64;
    if (!fill(&v, (int32_t)size) || tm_guide_schema(&v, schema, strlen(schema), &g, NULL) != TM_OK)
        return 70;
    uint32_t *bits = calloc((size_t)size / 32 + 1, sizeof *bits);
    void *state = calloc(1, g->state_size);
    if (bits == NULL || state == NULL)
        return 70;
    g->init(g, state);
    for (int i = 0; i < MASKS; i++) {
        memset(bits, 0xff, ((size_t)size + 31) / 32 * sizeof *bits);
        double since = now();
        g->mask(g, state, bits);
        spent[i] = now() - since;
        all += spent[i];
        int32_t id = choose(bits, (int32_t)size, &seed);
        if (id == EOS || g->advance(g, state, id) == TM_GUIDE_STOP)
            g->init(g, state);
    }
    qsort(spent, MASKS, sizeof *spent, descending);
    for (int i = 0; i < MASKS / 10; i++)
        slow += spent[i];
    printf("%d masks of %lld tokens: %.3f ms each, the slowest tenth %.0f %% of the time\n", MASKS,
           (long long)size, all / MASKS * 1e3, 100 * slow / all);
    return 0;
}
