/* A token from a file: one word, never on a command line or in the environment. */
#ifndef TOKEN_H
#define TOKEN_H

#include "tm_base.h"

enum { TOKEN_MOST = 1024 };

/* Into out, without the line's end. TM_CONFIG: the file is empty or holds more than a word. */
enum tm_status token_read(const char *path, char out[TOKEN_MOST], struct tm_err *err);

#endif
