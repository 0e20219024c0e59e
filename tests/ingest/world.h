/* A spool and its output in a temporary folder, and a loop that stands in for the runner: it takes
 * documents, "processes" them and hands releases to the sink and the source. Used by the tests of
 * ingest/ and sinks/. Everything is asserted with cmocka unless it returns a value. */
#ifndef WORLD_H
#define WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tm_ingest.h"
#include "tm_sinks.h"

struct world {
    char root[64];
    struct tm_conf conf;
    const struct tm_sink_ops *sink_ops;
    char hash[32];
    void *source, *sink;
    size_t release_docs; /* documents in one release; default 16 */
    size_t stop_after;   /* world_run stops after so many documents were taken; 0: at the end */
    size_t taken, delivered, dead; /* since world_open */
    struct tm_progress last;       /* of the last release */
    uint64_t input_offset;
};

/* in/ and out/ below a new folder, nothing to wait for: settle_ms 0. */
void world_init(struct world *w);
void world_finish(struct world *w); /* removes the folder */
/* Files and folders below the root. */
const char *world_path(const struct world *w, const char *path); /* of four calls at a time */
void world_put(const struct world *w, const char *path, const void *bytes, size_t n);
void world_puts(const struct world *w, const char *path, const char *text);
void world_gzip(const struct world *w, const char *path, const void *bytes, size_t n);
char *world_get(const struct world *w, const char *path); /* NUL-terminated, free it; NULL: none */
bool world_has(const struct world *w, const char *path);
/* Regular files below path whose name has `part` in it ("": all), at any depth. */
size_t world_count(const struct world *w, const char *path, const char *part);
/* "path-0123456789abcdef" of a file with these bytes; of four calls at a time. */
const char *world_lane(const char *path, const void *bytes, size_t n);

void world_open(struct world *w);
enum tm_status world_try_open(struct world *w, struct tm_err *err);
void world_close(struct world *w);
/* Until the source is at its end. */
void world_run(struct world *w);
/* open, run, close. */
void world_once(struct world *w);

/* What the runner's stages would do: text with BAD in it fails, the rest becomes a line of JSON
 * with path, line, seq and the text. */
void world_process(struct tm_doc *doc);
extern const char *world_pad; /* put into every line: what makes two runs differ; default "" */
/* Takes up to max documents, with service calls in between, until `want` are there or the source is
 * at its end. */
size_t world_take(struct world *w, struct tm_doc **out, size_t want);
/* One release of these documents to sink and source; frees them when it is stored. */
enum tm_delivered world_deliver(struct world *w, struct tm_doc **docs, size_t n,
                                struct tm_err *err);

#endif
