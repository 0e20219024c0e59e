/* A token from a file: one word, never on a command line or in the environment. */
#ifndef TOKEN_H
#define TOKEN_H

#include "tm_base.h"

#include <curl/curl.h>

enum { TOKEN_MOST = 1024 };

/* Into out, without the line's end. TM_CONFIG: the file is empty or holds more than a word. */
enum tm_status token_read(const char *path, char out[TOKEN_MOST], struct tm_err *err);
/* The header that says it. NULL says nothing: *ret_headers is NULL. */
enum tm_status token_header(const char *token, struct curl_slist **ret_headers, struct tm_err *err);

#endif
