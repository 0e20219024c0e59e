/* How far a many-document file has come: what a restart needs to go on. Private to sinks/. */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "tm_folders.h"

struct checkpoint {
    uint64_t next;         /* first record that is not stored */
    uint64_t input_offset; /* where it begins, in decompressed bytes */
    uint64_t result_bytes, dead_bytes;
    bool ended;
};

/* Appends it as JSON; hash says what made the outputs: configuration, weights, layout. */
bool checkpoint_put(struct tm_buf *b, const struct checkpoint *c, const char *hash);
/* TM_NOTFOUND when there is none, or none that belongs to this hash, or it cannot be understood. */
enum tm_status checkpoint_load(struct tm_folders *fs, const char *path, const char *hash,
                               struct checkpoint *ret, struct tm_err *err);

#endif
