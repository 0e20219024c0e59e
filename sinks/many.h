/* The outputs of many-document files: appended to, with checkpoints. Private to sinks/. */
#ifndef MANY_H
#define MANY_H

#include "tm_pipeline.h"
#include "checkpoint.h"
#include "tm_folders.h"
#include "group.h"

/* Where the files sink writes; belongs to files.c. */
struct output {
    struct tm_folders *out, *dead;
    struct group *group;
    char *config_hash;
    char *checkpoint_hash; /* the same with the layout */
    char *reserved;        /* name below out that is the dead letters' folder, or NULL */
    bool jsonl_always, document_always;
};

struct many; /* one lane in flight */
struct many_set {
    struct many **lanes;
    size_t n, room;
    char **spent; /* checkpoints of lanes that ended in the last release: removed at the next one */
    size_t n_spent, room_spent;
};

void many_set_finish(struct many_set *ms);
/* Forgets what an attempt at a release gathered. */
void many_set_reset(struct many_set *ms);
/* Takes the document's output into the lane's coming write; those stored already are passed over.
 * TM_CANCELLED: the record does not follow the last one stored, so somebody else has written here.
 */
enum tm_status many_gather(struct many_set *ms, struct output *o, const struct tm_doc *doc,
                           struct tm_err *err);
/* Writes what was gathered and adds the files to the group. */
enum tm_status many_write(struct many_set *ms, struct output *o, struct tm_err *err);
/* After the group was published: the checkpoints, then the names of the lanes that have ended. */
enum tm_status many_store(struct many_set *ms, struct output *o, struct tm_err *err);
/* Cuts the outputs back to what the checkpoints say, to free the space of a write that failed. Not
 * after many_store has begun: a checkpoint in place must never say more than the files hold. */
void many_undo(struct many_set *ms, struct output *o);
/* Removes the checkpoints of lanes whose source files have been moved since. */
void many_drop_spent(struct many_set *ms, struct output *o);
/* After a crash: removes checkpoints that many_resume can do without. */
void many_sweep(struct output *o);
enum tm_status many_resume(struct many_set *ms, struct output *o, const char *name,
                           struct tm_resume *ret_resume, struct tm_err *err);

#endif
