/* The configuration file: YAML over base's table of keys, with every finding at its place. */
#ifndef CONF_FILE_H
#define CONF_FILE_H

#include "args.h"

/* Findings of one reading, as text: "file:line:col: message" lines, in order of place. */
struct conf_findings {
    struct conf_finding {
        unsigned line, column;
        char *text;
    } * list;
    size_t n, room;
};

void conf_findings_finish(struct conf_findings *f);
void conf_findings_print(const struct conf_findings *f, const char *file);

/* Reads file into *ret_conf (tm_conf_finish() frees it). TM_CONFIG when there are findings, which
 * are all there are: unknown keys, wrong values, what does not go together. TM_NOTFOUND, TM_PERM:
 * the file cannot be read, see err. */
enum tm_status conf_file_read(const char *file, struct tm_conf *ret_conf, struct conf_findings *f,
                              struct tm_err *err);
/* The file that -c names; findings and errors are printed. */
enum exit_code conf_file_of(const struct args *a, struct tm_conf *ret_conf);

#endif
