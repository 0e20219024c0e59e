/* The ledger: every record from its arrival to its one end. Private to pipeline/.
 *
 * Records of a lane are released in lane order, each once; late results of an old epoch are
 * dropped. The window bounds what is between source and sink in documents, bytes and tokens. It has
 * no lock: all calls are made under the runner's one lock (or by one thread, in tests). */
#ifndef LEDGER_H
#define LEDGER_H

#include "tm_pipeline.h"

struct ledger;

/* most_tokens: 0 where no model makes any. NULL: memory is short. */
struct ledger *ledger_create(size_t most_docs, size_t most_bytes, size_t most_tokens);
void ledger_destroy(struct ledger *l); /* and the documents it holds; NULL is fine */

/* May a record of so many bytes be admitted now? Always true while nothing is inside. Its tokens
 * are expected to be as many as those of records before it were by their bytes. */
bool ledger_room(const struct ledger *l, size_t bytes);
/* Notes the record as in flight. Numbers of a lane rise, with gaps where the source has them. A
 * higher epoch makes the ledger forget the lane's records of the old one. TM_CANCELLED: of an old
 * epoch, to be dropped; TM_INTERNAL: its number is not above the last one's. */
enum tm_status ledger_admit(struct ledger *l, const struct tm_record *rec, struct tm_err *err);
/* So many tokens were made of the record: no longer what was expected of it. */
void ledger_tokens(struct ledger *l, const struct tm_record *rec, size_t tokens);
/* The document, good or failed, is at its end: takes *owned and sets it to NULL. false: nothing
 * waits for it (old epoch), it stays with the caller. */
bool ledger_finish(struct ledger *l, struct tm_doc **owned);
/* Hands out finished documents, those of a lane in order and none left out, with one progress a
 * lane that moves; both arrays have room for max. Returns how many. They stay in the window. */
size_t ledger_collect(struct ledger *l, struct tm_doc **docs, struct tm_progress *progress,
                      size_t *ret_n_progress, size_t max);
/* What was handed out under these progresses is durable: it leaves the window. How many. */
size_t ledger_delivered(struct ledger *l, const struct tm_progress *progress, size_t n);
/* Forgets everything, what is handed out too: the source gives it again in a higher epoch. */
void ledger_forget(struct ledger *l);
/* The same for one lane, which has been given to somebody else. Returns how many records. */
size_t ledger_forget_lane(struct ledger *l, uint64_t lane);
/* Does the ledger still wait for the end of records of that lane and epoch? */
bool ledger_has(const struct ledger *l, uint64_t lane, uint32_t epoch);

bool ledger_ready(const struct ledger *l);        /* ledger_collect would give something */
size_t ledger_count(const struct ledger *l);      /* records in the window */
size_t ledger_bytes(const struct ledger *l);      /* … what they came with */
size_t ledger_done(const struct ledger *l);       /* … of which are at their end */
size_t ledger_done_bytes(const struct ledger *l); /* … what their results and letters hold */
/* The lanes with the oldest records, oldest first, up to max. Returns how many lanes there are. */
size_t ledger_lanes(const struct ledger *l, struct tm_lane_status *out, size_t max, size_t *ret_n);
uint64_t ledger_oldest_ns(const struct ledger *l); /* when the oldest came; 0: it is empty */

#endif
