/* Fuzz target: record formats; the first byte chooses which. Every record must be an envelope that
 * parses, unless it says what is the matter with it. */
#include "records.h"
#include "scratch.h"

#include <jansson.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"feed", "warc", "csv", "mail"};
    static struct stream stream;
    static struct records r;
    if (size == 0)
        return 0;
    const char *name = names[data[0] % TM_COUNTOF(names)];
    char path[256];
    scratch_write("file", data + 1, size - 1);
    snprintf(path, sizeof path, "%s/file", scratch_folder());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    tm_assert(fd >= 0);
    tm_assert(stream_open(&stream, fd, data[0] & 0x80 ? GZIP : PLAIN, 1 << 20, NULL) == TM_OK);
    records_init(&r, format_named(name), &stream, 1 << 16);
    for (int i = 0; i < 1000; i++) {
        size_t budget = 1 << 20;
        struct tm_err err = {0};
        enum jsonl_result got = records_next(&r, &budget, &err);
        if (got == JSONL_END || got == JSONL_ERROR) {
            tm_assert(got == JSONL_END || err.text[0] != '\0');
            break;
        }
        if (got == JSONL_LONG)
            tm_assert(r.why.text[0] != '\0');
        if (got != JSONL_LINE)
            continue;
        json_t *o = json_loadb(r.text, r.len, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
        tm_assert(o != NULL);
        json_decref(o);
    }
    records_finish(&r);
    stream_close(&stream);
    close(fd);
    return 0;
}
