/* Moving a slot's ids and ancestry on by one position: see decoded.c. */
#ifndef TM_DECODED_H
#define TM_DECODED_H

#include "../kern.h"

enum { DECODED_BEAMS = UINT8_MAX + 1 }; /* of a slot: what an ancestry's byte can name */

int32_t *kern_beam_ids(const struct tm_decoded *d, int64_t slot, int64_t beam);

/* Beam b of the slot gets the ids and the owners (ancestry, or NULL) of beam parent[b]. */
void kern_reorder(const struct tm_decoded *d, const struct tm_ancestry *a, int64_t slot,
                  const int32_t *parent, int32_t beams);

/* Writes id behind the beam's ids, and the beam as owner of that position. lengths is the caller's
 * to raise, once for the slot. */
void kern_append_id(const struct tm_decoded *d, const struct tm_ancestry *a, int64_t slot,
                    int64_t beam, int32_t id);

/* The same for a greedy or sampling row: decides whether it has ended. id -1: nothing is allowed,
 * and the row ends as it is. */
void kern_take(const struct tm_decoded *d, const struct tm_ancestry *a,
               const struct tm_decoding *how, int64_t slot, int64_t beam, int32_t id);

/* Is slot s of the step (not its number) at its first step, its beams one row? */
bool kern_first_step(const struct tm_step *step, int32_t s, const struct tm_decoding *how,
                     const struct tm_decoded *d);

#endif
