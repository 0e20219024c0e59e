/* pii < LINES: the personal data of each line, a JSON string: [[type, start, end], …] in bytes of
 * the text, one array a line. */
#include "pii.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    struct tm_buf spans = {0};
    while (getline(&line, &room, stdin) > 0) {
        json_t *text = json_loads(line, JSON_DECODE_ANY, NULL);
        if (!json_is_string(text))
            return 1;
        tm_buf_clear(&spans);
        tm_pii_find(json_string_value(text), json_string_length(text), (1u << TM_PII_COUNT) - 1,
                    &spans);
        const struct tm_pii_span *s = (const struct tm_pii_span *)spans.data;
        for (size_t i = 0; i < spans.len / sizeof *s; i++)
            printf("%s[\"%s\",%u,%u]", i == 0 ? "[" : ",", tm_pii_names[s[i].type], s[i].start,
                   s[i].end);
        puts(spans.len == 0 ? "[]" : "]");
        json_decref(text);
    }
    free(line);
    tm_buf_finish(&spans);
    return 0;
}
