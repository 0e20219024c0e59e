/* What the name of a spool file says, and names made safe. Private to ingest/. */
#ifndef NAMES_H
#define NAMES_H

#include "tm_base.h"

/* Still being written by somebody, or hidden: ".x", "#x#", "x~", "x.tmp", "x.part" … */
bool name_is_temporary(const char *name);
/* How a file is compressed, by its name: ".gz", ".zst", in any case. */
enum compression { PLAIN, GZIP, ZSTD };
enum compression name_compression(const char *name);
/* Bytes of that suffix; 0: none. */
size_t name_compressed_suffix(const char *name);
/* Appends a relative path that any file system and any reader of UTF-8 can take: control
 * characters, bytes that are not UTF-8 and a leading '-' or '.' of a component become %XX; so does
 * '%' itself where two hex digits follow, so that two paths never become one. */
bool name_put_safe(struct tm_buf *b, const char *path);

#endif
