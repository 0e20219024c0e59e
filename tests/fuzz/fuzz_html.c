/* Fuzz target: pages, and text or Markdown when the first byte is odd. Spans, runs and UTF-8 are
 * checked. */
#include "cleaned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cleaned c;
    if (c.worker == NULL)
        cleaned_open(&c);
    if (size == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    bool mark = size > 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0;
    struct tm_record record = {.lane_name = "lane",
                               .path = (data[0] & 5) == 5 ? "a.md"
                                       : data[0] & 1      ? "a.txt"
                                       : data[0] & 2      ? "a.xml"
                                                          : "a.html",
                               .data = bytes,
                               .len = size - 1};
    cleaned_run(&c, &record, !mark && tm_utf8_valid(bytes, size - 1) == size - 1);
    return 0;
}
