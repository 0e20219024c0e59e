/* config: the table of keys as an example file, a JSON Schema or a reference page. */
#include "verbs.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    bool (*write)(struct tm_buf *out);
} pages[] = {
    {"example", tm_conf_example},
    {"schema", tm_conf_schema},
    {"reference", tm_conf_reference},
};

static enum exit_code run(const struct args *a)
{
    if (a->n_operands != 1)
        return verb_fail(a, EXIT_USAGE, "say which: example, schema or reference");
    for (size_t i = 0; i < TM_COUNTOF(pages); i++) {
        if (strcmp(pages[i].name, a->operands[0]) != 0)
            continue;
        TM_CLEANUP(tm_buf_finish) struct tm_buf out = {.cap = 0};
        if (!pages[i].write(&out))
            return verb_fail(a, EXIT_INTERNAL, "out of memory");
        fwrite(out.data, 1, out.len, stdout);
        return EXIT_OK;
    }
    return verb_fail(a, EXIT_USAGE, "there is no %s; say example, schema or reference",
                     a->operands[0]);
}

const struct verb verb_config = {
    .name = "config",
    .operands = "example|schema|reference",
    .summary = "Print all configuration keys: a commented file, a JSON Schema, the reference page",
    .run = run,
};
