/* Who may have killed the process: what the attempt journal says, and the bisection of suspects.
 * Pure functions over text; journal.c owns the file. Private to pipeline/.
 *
 * Lines of the journal (all that the parser knows; others are passed over):
 *   textmill-journal 1 PID OOM     first line: its process; OOM kills seen so far, or -
 *   + SLOT STAGE KEY…              documents enter a stage on one of the runner's threads
 *   - SLOT                         and leave it
 *   t SLOT                         they overran the stage's time: the process is about to abort
 *   s GROUP DEATHS c|t STAGE KEY   a suspect, from an earlier life (crash or time)
 *   q GROUP                        the group's run in quarantine begins
 *   p GROUP                        the group passed: its suspects are cleared
 *   c KEY                          this one is cleared
 * KEY is LANE_NAME#SEQ, bytes outside of graphic ASCII and '%' as %XX. */
#ifndef SUSPECTS_H
#define SUSPECTS_H

#include "tm_pipeline.h"

#define JOURNAL_MAGIC "textmill-journal 1"

enum { SUSPECT_STAGE = 16, SUSPECTS_MOST = 1 << 12 };

struct suspect {
    char *key;
    uint32_t group;  /* run together in quarantine; never 0 */
    uint32_t deaths; /* of the process while it was alone in flight */
    bool timeout;    /* its last death was an overrun */
    char stage[SUSPECT_STAGE];
};

/* A document that was inside a stage; key and stage point into the journal's text. */
struct inside {
    uint32_t slot;
    const char *key, *stage;
    size_t key_len, stage_len;
};

struct trail {
    int64_t pid, oom_kills; /* -1: not known */
    struct suspect *suspects;
    size_t n_suspects;
    struct inside *inside;
    size_t n_inside;
    uint32_t running; /* group in quarantine when the journal ended; 0: none */
    int64_t overrun;  /* slot that overran; -1: none */
    uint32_t last_group;
};

/* Reads a journal, whatever its bytes: a torn last line is left out. false: memory is short. text
 * must outlive the trail. */
bool trail_parse(struct trail *t, const char *text, size_t n);
void trail_finish(struct trail *t);
/* The process died of its own doing: the documents inside become suspects in two halves; one that
 * was alone has a death counted. false: memory is short. */
bool trail_accuse(struct trail *t);
struct suspect *trail_find(const struct trail *t, const char *key);
void trail_clear_group(struct trail *t, uint32_t group);
void trail_clear(struct trail *t, const char *key);
/* The line 's …' of a suspect. */
void trail_print(const struct suspect *s, struct tm_buf *out);
void trail_key(const struct tm_record *rec, struct tm_buf *out); /* appends the KEY */

#endif
