/* Templates: the Jinja that prompts and the chat templates of published models are written in
 * (jinja.palletsprojects.com, 3.1, as transformers' apply_chat_template sets it up: trim_blocks,
 * lstrip_blocks, break and continue, generation blocks, tojson without ASCII escapes, sandboxed).
 *
 * Expressions, filters, tests and methods of strings and mappings; if, for, set, macro, raw,
 * generation. What reaches beyond one text (extends, include, import, call) is TM_UNSUPPORTED. A
 * template is read once and is then immutable: any number of threads may render it. */
#ifndef TM_TEMPLATE_H
#define TM_TEMPLATE_H

#include "tm_base.h"

struct tm_template;
struct json_t; /* jansson's */

/* name is what messages call it. TM_BADINPUT and TM_UNSUPPORTED with name:line:column; TM_TOOLARGE
 * beyond 1 MiB; TM_DEPTH. */
enum tm_status tm_template_open(const char *name, const char *text, size_t n,
                                struct tm_template **ret_template, struct tm_err *err);
void tm_template_close(struct tm_template *t); /* NULL is fine */
/* Appends the text to out. vars: an object, the names that the template sees; borrowed while it
 * renders. TM_BADINPUT: the template fails on these values (raise_exception, an operation on what
 * is not there); TM_TIMEOUT: more than some million steps; TM_TOOLARGE: 64 MiB of memory, or what
 * out takes; TM_DEPTH: macros call each other without end. out may be longer than before then. */
enum tm_status tm_template_render(const struct tm_template *t, const struct json_t *vars,
                                  struct tm_buf *out, struct tm_err *err);

#endif
