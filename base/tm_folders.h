/* Folders below one root, opened without following symbolic links, so that no name that came from
 * outside can lead out of the root. For the spool source and the files sink. Not part of tm_base.h.
 *
 * Keeps the descriptors of the folders used last and knows which of them need an fsync. One thread
 * at a time. */
#ifndef TM_FOLDERS_H
#define TM_FOLDERS_H

#include "tm_mem.h"
#include <sys/types.h>

struct tm_folders;

struct tm_folder {
    int fd;
    bool dirty; /* the caller sets it after it has changed an entry: tm_folders_sync will fsync */
};

/* Makes the root and its parents when they are missing. The root itself may be a symbolic link. */
enum tm_status tm_folders_create(const char *path, struct tm_folders **ret_folders,
                                 struct tm_err *err);
void tm_folders_destroy(struct tm_folders *fs); /* NULL is fine */
void tm_folders_destroyp(struct tm_folders **fs);
const char *tm_folders_path(const struct tm_folders *fs);
/* dir: relative to the root, "" for the root itself; ".." is refused. Borrowed until the next call.
 * make: creates what is missing. */
enum tm_status tm_folders_get(struct tm_folders *fs, const char *dir, bool make,
                              struct tm_folder **ret_folder, struct tm_err *err);
/* As get, with the folder of a file's path; ret_name points into path. */
enum tm_status tm_folders_of(struct tm_folders *fs, const char *path, bool make,
                             struct tm_folder **ret_folder, const char **ret_name,
                             struct tm_err *err);
/* fsync of every dirty folder. */
enum tm_status tm_folders_sync(struct tm_folders *fs, struct tm_err *err);
/* Closes all but the root: folders may have been replaced since. Dirty ones are synced first. */
void tm_folders_forget(struct tm_folders *fs);

/* All of it, or the errno. */
int tm_write_all(int fd, const void *bytes, size_t n, off_t at);
/* Cleanup attribute of a descriptor; closes when >= 0. */
void tm_closep(int *fd);

#endif
