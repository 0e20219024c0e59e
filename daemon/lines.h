/* Lines of standard input for the verbs that work line by line. */
#ifndef LINES_H
#define LINES_H

#include "args.h"

/* Calls use(arg, line, len) for each line of stdin without its newline, in order. Stops at the
 * first code other than EXIT_OK and returns it. A line beyond 64 MiB is EXIT_DATA. */
enum exit_code lines_each(const struct args *a,
                          enum exit_code (*use)(void *arg, char *line, size_t len), void *arg);

/* A line that begins with '"' is a JSON string, any other is the text itself: into text. False
 * after a message that names the line. */
bool line_text(const struct args *a, const char *line, size_t len, struct tm_buf *text);

/* The array of ids that j stands before, appended to ids (int32_t). */
enum tm_status read_ids(struct tm_json *j, struct tm_buf *ids, struct tm_err *err);

#endif
