/* Results of topics as files: one a partition and release. Private to sinks/. */
#ifndef SEGMENTS_H
#define SEGMENTS_H

#include "many.h"

/* Puts the results of the release into the group as TOPIC-PARTITION-OFFSET.jsonl, named by the
 * first record of the partition in it, and each dead letter as a file of its own. The group is not
 * published. Tombstones leave no trace. */
enum tm_status segments_put(struct output *o, const struct tm_release *release, struct tm_err *err);

#endif
