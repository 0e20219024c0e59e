/* Places buffers in a slab: the largest first, each at the lowest offset that is free for as long
 * as it lives. Called once, when a model is opened. */
#include "plan.h"

enum { ALIGN = 64 };

static size_t size_of(const struct buffer *b, int64_t rows)
{
    return ((size_t)rows * (size_t)b->cols * sizeof(float) + ALIGN - 1) / ALIGN * ALIGN;
}

static bool meet(const struct buffer *a, const struct buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset where b meets none of those placed. Each collision moves it behind the one it
 * collided with, so that the loop ends. */
static size_t find_room(const struct buffer *buffers, int32_t n, const bool *placed,
                        const struct buffer *b, int64_t rows)
{
    size_t at = 0;
    for (int32_t i = 0; i < n; i++) {
        const struct buffer *other = &buffers[i];
        if (!placed[i] || !meet(other, b) || other->offset >= at + size_of(b, rows) ||
            at >= other->offset + size_of(other, rows))
            continue;
        at = other->offset + size_of(other, rows);
        i = -1; /* look again from the first */
    }
    return at;
}

size_t plan_place(struct buffer *buffers, int32_t n, int64_t rows)
{
    bool placed[PLAN_BUFFERS] = {false};
    size_t total = 0;
    tm_assert(n <= PLAN_BUFFERS);
    for (int32_t round = 0; round < n; round++) {
        int32_t best = -1;
        for (int32_t i = 0; i < n; i++)
            if (!placed[i] && (best < 0 || buffers[i].cols > buffers[best].cols))
                best = i;
        struct buffer *b = &buffers[best];
        b->offset = find_room(buffers, n, placed, b, rows);
        placed[best] = true;
        total = TM_MAX(total, b->offset + size_of(b, rows));
    }
    return total;
}
