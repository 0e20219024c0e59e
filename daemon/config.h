/* The configuration file: YAML over base's table of keys, with every finding at its place. */
#ifndef CONFIG_H
#define CONFIG_H

#include "tm_base.h"

/* Findings of one reading, as text: "file:line:col: message" lines, in order of place. */
struct config_findings {
    struct config_finding {
        unsigned line, column;
        char *text;
    } *list;
    size_t n, room;
};

void config_findings_finish(struct config_findings *f);
void config_findings_print(const struct config_findings *f, const char *file);

/* Reads file into *ret_conf (tm_conf_finish() frees it). TM_CONFIG when there are findings, which
 * are all there are: unknown keys, wrong values, what does not go together. TM_NOTFOUND, TM_PERM:
 * the file cannot be read, see err. */
enum tm_status config_read(const char *file, struct tm_conf *ret_conf, struct config_findings *f,
                           struct tm_err *err);

#endif
