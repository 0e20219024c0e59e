/* Fuzz target: chat templates of model folders, rendered over a short conversation. */
#include "tm_template.h"

#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tm_template *t = NULL;
    struct tm_buf out = {.cap = 1 << 16};
    if (tm_template_open("fuzz", (const char *)data, size, &t, NULL) == TM_OK) {
        json_t *vars =
            json_pack("{s:[{s:s, s:s}, {s:s, s:[{s:s, s:s}]}], s:s, s:b, s:{s:i, s:f, s:n}}",
                      "messages", "role", "system", "content", " be brief ", "role", "user",
                      "content", "type", "text", "text", "h\xc3\xa9llo", "bos_token", "<s>",
                      "add_generation_prompt", 1, "x", "i", 3, "r", 0.5, "n");
        tm_template_render(t, vars, &out, NULL);
        json_decref(vars);
    }
    tm_template_close(t);
    tm_buf_finish(&out);
    return 0;
}
