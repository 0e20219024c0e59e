/* Moving a slot's ids and ancestry on by one position: what beam_step and sample_step share. */
#include "decoded.h"

#include "processors.h"

int32_t *kern_beam_ids(const struct tm_decoded *d, int64_t slot, int64_t beam)
{
    return d->ids + (slot * d->beams + beam) * d->positions;
}

static uint8_t *owners(const struct tm_ancestry *a, int64_t slot, int64_t beam)
{
    return a->owner + (slot * a->beams + beam) * a->positions;
}

/* Position by position, so that no copy of the rows is needed. */
void kern_reorder(const struct tm_decoded *d, const struct tm_ancestry *a, int64_t slot,
                  const int32_t *parent, int32_t beams)
{
    int32_t ids[DECODED_BEAMS];
    uint8_t from[DECODED_BEAMS];
    tm_assert(beams <= DECODED_BEAMS);
    for (int32_t t = 0; t < d->lengths[slot]; t++) {
        for (int32_t b = 0; b < beams; b++) {
            ids[b] = kern_beam_ids(d, slot, parent[b])[t];
            from[b] = a != NULL ? owners(a, slot, parent[b])[t] : 0;
        }
        for (int32_t b = 0; b < beams; b++) {
            kern_beam_ids(d, slot, b)[t] = ids[b];
            if (a != NULL)
                owners(a, slot, b)[t] = from[b];
        }
    }
}

void kern_append_id(const struct tm_decoded *d, const struct tm_ancestry *a, int64_t slot,
                    int64_t beam, int32_t id)
{
    int32_t length = d->lengths[slot];
    tm_dassert(length < d->positions);
    kern_beam_ids(d, slot, beam)[length] = id;
    if (a != NULL && length < a->positions)
        owners(a, slot, beam)[length] = (uint8_t)beam;
}

void kern_take(const struct tm_decoded *d, const struct tm_ancestry *a,
               const struct tm_decoding *how, int64_t slot, int64_t beam, int32_t id)
{
    int64_t at = slot * d->beams + beam;
    int32_t length = d->lengths[slot];
    bool over = d->ended[at] != 0, none = id < 0;
    if (over || none) /* what follows is not read, but the row may be run again */
        id = length > 0 ? kern_beam_ids(d, slot, beam)[length - 1] : 0;
    kern_append_id(d, a, slot, beam, id);
    if (over || (!none && !kern_is_eos(how, id) && length + 1 < how->max_length))
        return;
    d->ended[at] = 1;
    d->finished_lengths[at] = length + (none ? 0 : 1);
}

bool kern_first_step(const struct tm_step *step, int32_t s, const struct tm_decoding *how,
                     const struct tm_decoded *d)
{
    int64_t slot = step->slot[s];
    return how->beams > 1 && step->first_row[s + 1] - step->first_row[s] == 1 &&
           d->lengths[slot] == how->prompt;
}
