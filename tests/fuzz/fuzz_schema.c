/* Fuzz target: a JSON Schema, then bytes that a model might write under it: the reader of schemas
 * and the guide's walk. The input is the schema up to a NUL byte, then the bytes; each is a token.
 */
#include "guides.h"

#include <stdlib.h>
#include <string.h>

enum { TOKENS = 257, EOS = 256 }; /* one of each byte, and the end */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct tm_guide *g, const uint8_t *data, size_t size)
{
    void *state = calloc(1, g->state_size);
    uint32_t bits[(TOKENS + 31) / 32];
    if (state == NULL)
        abort();
    g->init(g, state);
    for (size_t i = 0; i < size; i++) {
        memset(bits, 0xff, sizeof bits);
        g->mask(g, state, bits);
        bool any = (bits[EOS / 32] >> (EOS % 32) & 1) != 0;
        for (size_t b = 0; b < EOS / 32; b++)
            any |= bits[b] != 0;
        if (!any) /* the contract: at least one must stay */
            abort();
        if ((bits[data[i] / 32] >> (data[i] % 32) & 1) == 0)
            continue;
        if (g->advance(g, state, data[i]) == TM_GUIDE_STOP)
            break;
    }
    free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int32_t eos = EOS;
    char bytes[TOKENS];
    uint32_t at[TOKENS + 1];
    int32_t order[EOS];
    for (int32_t i = 0; i <= TOKENS; i++)
        at[i] = (uint32_t)TM_MIN(i, EOS);
    for (int32_t i = 0; i < EOS; i++) {
        bytes[i] = (char)i;
        order[i] = i;
    }
    const struct tm_vocabulary v = {.size = TOKENS,
                                    .eos = &eos,
                                    .n_eos = 1,
                                    .bytes = {.data = bytes, .len = EOS},
                                    .at = at,
                                    .order = order,
                                    .n_order = EOS};
    const uint8_t *end = memchr(data, '\0', size);
    size_t n = end != NULL ? (size_t)(end - data) : size;
    struct tm_guide *g = NULL;
    if (tm_guide_schema(&v, (const char *)data, n, &g, NULL) == TM_OK)
        walk(g, data + n, size - n);
    tm_guide_close(g);
    return 0;
}
