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

enum tm_status token_header(const char *token, struct curl_slist **ret_headers, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf header = {.cap = 0};
    *ret_headers = NULL;
    if (token == NULL)
        return TM_OK;
    if (tm_buf_printf(&header, "Authorization: Bearer %s", token))
        *ret_headers = curl_slist_append(NULL, header.data);
    return *ret_headers != NULL ? TM_OK : tm_err_set(err, TM_NOMEM, "libcurl");
}
