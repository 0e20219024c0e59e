/* The window on disk: what the next life begins with. */
#ifndef DEDUP_WINDOW_FILE_H
#define DEDUP_WINDOW_FILE_H

#include "window.h"

struct window_file;
/* Reads dir/instance.window into w, as far as it is whole, and opens it for what comes. One of
 * another version or machine is begun anew. */
enum tm_status window_file_open(const char *dir, const char *instance, struct window *w,
                                struct window_file **ret_file, struct tm_err *err);
void window_file_close(struct window_file *f); /* NULL is fine */
/* Notes an entry; window_file_flush writes what was noted. No fsync: it outlives the process, and a
 * power failure may forget the last ones. */
void window_file_note(struct window_file *f, const struct entry *e);
enum tm_status window_file_flush(struct window_file *f, struct window *w, struct tm_err *err);

#endif
