/* Fuzz target: base64. What was read is as long as its digits say, and stays in the room for it. */
#include "tm_mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *out = malloc(size / 4 * 3 + 3);
    size_t len = 0, lenient_len = 0, digits = 0;
    tm_assert(text != NULL && out != NULL);
    memcpy(text, data, size);
    size_t end = tm_base64_decode(text, size, false, out, &len);
    tm_assert(end <= size);
    for (size_t i = 0; i < size && data[i] != '='; i++)
        digits += strchr(" \t\r\n", data[i]) == NULL;
    if (end == size)
        tm_assert(len == digits * 6 / 8);
    tm_assert(tm_base64_decode(text, size, true, out, &lenient_len) == size);
    tm_assert(lenient_len <= digits * 6 / 8 && (end < size || lenient_len == len));
    free(out);
    free(text);
    return 0;
}
