/* Tokens (token.h), for the hub and the status server. */
#include "token.h"

#include <ctype.h>
#include <string.h>

enum tm_status token_read(const char *path, char out[TOKEN_MOST], struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {.cap = 0};
    enum tm_status s = tm_read_file(path, TOKEN_MOST - 1, &text, err);
    if (s != TM_OK)
        return s;
    while (text.len > 0 && isspace((unsigned char)text.data[text.len - 1]))
        text.len--;
    for (size_t i = 0; i < text.len; i++)
        if (!isgraph((unsigned char)text.data[i]))
            return tm_err_set(err, TM_CONFIG, "%s: a token is one word; this file holds more",
                              path);
    if (text.len == 0)
        return tm_err_set(err, TM_CONFIG, "%s: the file of the token is empty", path);
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return TM_OK;
}
