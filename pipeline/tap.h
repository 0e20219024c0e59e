/* Samples of what flows, for whoever looks from outside (tm_runner_tap_open). Private to pipeline/.
 *
 * A tap follows some of the documents; each place that such a document leaves adds a line of JSON.
 * Without a tap the cost is one relaxed load a batch. Any thread; one lock, never held with
 * another. */
#ifndef TAP_H
#define TAP_H

#include "tm_pipeline.h"

struct taps;

struct taps *taps_create(void); /* NULL: memory is short */
void taps_destroy(struct taps *t);
bool taps_open(const struct taps *t); /* somebody looks */

/* The document has come: decides who follows it. Its first line. */
void taps_enter(struct taps *t, struct tm_doc *doc);
/* They leave a place: lines for those that are followed. Whoever calls owns them. */
void taps_leave(struct taps *t, const char *place, struct tm_doc *const *docs, size_t n);

int taps_add(struct taps *t, unsigned every);
size_t taps_read(struct taps *t, int tap, char *out, size_t max);
void taps_remove(struct taps *t, int tap);

#endif
