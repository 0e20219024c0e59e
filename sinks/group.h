/* A group of small files that become durable together. Private to sinks/.
 *
 * put writes a temporary file in the folder of the final one; publish makes all of them durable,
 * renames them into place and syncs the folders. Until publish has returned TM_OK the group may be
 * put again from the start: names are the same and a rename replaces. */
#ifndef GROUP_H
#define GROUP_H

#include "tm_folders.h"

struct group;

/* prefix: of the temporary names, ".tm-INSTANCE-"; borrowed. */
struct group *group_create(const char *prefix);
/* Abandons what was not published. NULL is fine. */
void group_destroy(struct group *g);
/* bytes and a newline become the file `path` below fs, which must outlive the group's next publish
 * or abandon. */
enum tm_status group_put(struct group *g, struct tm_folders *fs, const char *path,
                         const char *bytes, size_t n, struct tm_err *err);
/* An open file that was written to, to be made durable with the rest; takes the descriptor. Its
 * folder is marked dirty by the caller. */
enum tm_status group_add(struct group *g, struct tm_folders *fs, int *fd, struct tm_err *err);
enum tm_status group_publish(struct group *g, struct tm_err *err);
/* Removes the temporary files. */
void group_abandon(struct group *g);

#endif
