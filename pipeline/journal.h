/* The attempt journal: which documents are inside a stage right now, in a file that outlives the
 * process, and the suspects that it makes of them after a death. Private to pipeline/.
 *
 * Any thread may call; it has a lock of its own. A slot is one of the runner's threads. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "suspects.h"

struct journal;

/* Makes the folder dir, takes dir/INSTANCE.lock (TM_AGAIN when another process has it), reads
 * dir/INSTANCE.journal and begins it anew. predecessor: value of TM_ENV_PREDECESSOR, or NULL. */
enum tm_status journal_open(const char *dir, const char *instance, size_t slots,
                            const char *predecessor, struct journal **ret_journal,
                            struct tm_err *err);
void journal_close(struct journal *j); /* NULL is fine */

/* Is this record a suspect? *ret_suspect gets what is known; its key is NULL. */
bool journal_suspect(struct journal *j, const struct tm_record *rec, struct suspect *ret_suspect);
size_t journal_suspects(struct journal *j);
void journal_quarantine(struct journal *j, uint32_t group);         /* its run, alone, begins */
void journal_passed(struct journal *j, uint32_t group);             /* … and nothing happened */
void journal_clear(struct journal *j, const struct tm_record *rec); /* its dead letter is durable */

/* One write each. A slot may be entered several times before it is left. stage: static text. */
void journal_enter(struct journal *j, size_t slot, const char *stage, struct tm_doc *const *docs,
                   size_t n);
void journal_leave(struct journal *j, size_t slot);
/* The watchdog's step: elapsed_ms of the process's own time have passed. When a slot has been
 * inside for more than limit_ms, notes it in the journal, describes it in text and returns true:
 * the caller then aborts. */
bool journal_watch(struct journal *j, unsigned elapsed_ms, unsigned limit_ms, char *text,
                   size_t size);
/* The first write that failed since the last call, if any: the journal is incomplete. */
bool journal_trouble(struct journal *j, struct tm_err *ret_err);

/* Does a death by this signal speak against the documents inside? oom_*: OOM kills before, after.
 */
bool journal_death_counts(int signal, int64_t oom_before, int64_t oom_after);

#endif
