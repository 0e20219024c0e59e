/* Fuzz target: lines of a JSONL file, as envelopes. */
#include "cleaned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cleaned c;
    if (c.worker == NULL)
        cleaned_open(&c);
    struct tm_record record = {.lane_name = "lane",
                               .path = "a.jsonl",
                               .many = true,
                               .line = 1,
                               .data = (const char *)data,
                               .len = size};
    cleaned_run(&c, &record, false);
    return 0;
}
