/* Small JSON files of a model folder, walked key by key. */
#ifndef ENGINE_JSON_FILE_H
#define ENGINE_JSON_FILE_H

#include "tm_base.h"

/* Called at the value of each key of an object; must read it whole. key is valid until the reader
 * is asked for something. */
typedef enum tm_status json_visit_fn(void *arg, struct tm_json *j, const char *key,
                                     struct tm_err *err);

/* The next value, which must be an object. */
enum tm_status json_file_object(struct tm_json *j, json_visit_fn *visit, void *arg,
                                struct tm_err *err);
/* folder/name, one object. */
enum tm_status json_file(const char *folder, const char *name, json_visit_fn *visit, void *arg,
                         struct tm_err *err);
/* The value of a key that changes what a model computes in a way that is not supported: only null,
 * false and an empty list or object pass, which writers leave for "not used". */
enum tm_status json_refuse(struct tm_json *j, const char *key, struct tm_err *err);
bool folder_has(const char *folder, const char *name);

#endif
