/* A slot's ids and ancestry, one position on: ref/decoded.c for the threads of a block. Whoever
 * calls sees to the barriers; `lengths` is raised by the caller, once for the slot. */
#ifndef TM_DEVICE_DECODED_H
#define TM_DEVICE_DECODED_H

#include "device.h"

enum { DEVICE_BEAMS = UINT8_MAX + 1 };

static __device__ inline int32_t *beam_ids(const struct tm_decoded &d, int64_t slot, int64_t beam)
{
    return d.ids + (slot * d.beams + beam) * d.positions;
}

static __device__ inline uint8_t *owners(const struct tm_ancestry &a, int64_t slot, int64_t beam)
{
    return a.owner + (slot * a.beams + beam) * a.positions;
}

/* Beam b of the slot gets the ids and owners of beam parent[b]: a thread a position, through
 * memory of `beams` numbers a thread. */
static __device__ inline void reorder(const struct tm_decoded &d, const struct tm_ancestry &a,
                                      int64_t slot, const int32_t *parent, int32_t beams,
                                      int32_t *memory)
{
    int32_t *mine = memory + (int64_t)threadIdx.x * beams;
    const int32_t length = d.lengths[slot];
    for (int32_t t = (int32_t)threadIdx.x; t < length; t += (int32_t)blockDim.x) {
        for (int32_t b = 0; b < beams; b++)
            mine[b] = beam_ids(d, slot, parent[b])[t];
        for (int32_t b = 0; b < beams; b++)
            beam_ids(d, slot, b)[t] = mine[b];
        if (a.owner == NULL || t >= a.positions)
            continue;
        for (int32_t b = 0; b < beams; b++)
            mine[b] = owners(a, slot, parent[b])[t];
        for (int32_t b = 0; b < beams; b++)
            owners(a, slot, b)[t] = (uint8_t)mine[b];
    }
}

static __device__ inline void append_id(const struct tm_decoded &d, const struct tm_ancestry &a,
                                        int64_t slot, int64_t beam, int32_t id)
{
    const int32_t length = d.lengths[slot];
    beam_ids(d, slot, beam)[length] = id;
    if (a.owner != NULL && length < a.positions)
        owners(a, slot, beam)[length] = (uint8_t)beam;
}

static __device__ inline bool ends(const struct tm_decoding &how, int32_t id)
{
    for (int32_t i = 0; i < how.n_eos; i++)
        if (how.eos_token_ids[i] == id)
            return true;
    return false;
}

/* A greedy or sampling row takes its id and may end with it; -1: nothing is allowed. One thread. */
static __device__ inline void take(const struct tm_decoded &d, const struct tm_ancestry &a,
                                   const struct tm_decoding &how, int64_t slot, int64_t beam,
                                   int32_t id)
{
    const int64_t at = slot * d.beams + beam;
    const int32_t length = d.lengths[slot];
    const bool over = d.ended[at] != 0, none = id < 0;
    if (over || none)
        id = length > 0 ? beam_ids(d, slot, beam)[length - 1] : 0;
    append_id(d, a, slot, beam, id);
    if (over || (!none && !ends(how, id) && length + 1 < how.max_length))
        return;
    d.ended[at] = 1;
    d.finished_lengths[at] = length + (none ? 0 : 1);
}

static inline struct tm_ancestry ancestry_or_none(const struct tm_ancestry *a)
{
    struct tm_ancestry none = {};
    return a != NULL ? *a : none;
}

#endif
