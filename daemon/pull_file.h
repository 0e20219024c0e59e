/* One file of a pull: resumed, digested while it comes, and what the user sees meanwhile. Private
 * to models pull. */
#ifndef PULL_FILE_H
#define PULL_FILE_H

#include "hub.h"
#include "tm_folders.h"

/* On a terminal one line that is written over; else a line for each file that is done. */
struct pull_progress {
    bool terminal;
    const struct hub_listing *listing;
    size_t file;
    int64_t at, fetched; /* bytes of this file; of all, over the network */
    uint64_t since_ns, shown_ns;
};

void pull_progress_begin(struct pull_progress *p, const struct hub_listing *listing);
void pull_progress_file(struct pull_progress *p, size_t file);
void pull_progress_done(struct pull_progress *p, const struct hub_file *f, bool kept);
void pull_progress_end(struct pull_progress *p);

/* Whether the folder's file is the one that f describes. False where no digest is known. */
bool pull_file_is(struct tm_folders *folders, const char *path, const struct hub_file *f);
/* Brings url to f->path below parts, over f->path + ".part"; f->size is what it had. TM_BADINPUT
 * when the bytes are not those of the hub's digest. */
enum tm_status pull_file(struct fetch *fetch, const char *url, struct tm_folders *parts,
                         struct hub_file *f, struct pull_progress *progress, struct tm_err *err);

#endif
