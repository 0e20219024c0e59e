/* config: the table of keys as an example file, a JSON Schema or a reference page; and what a file
 * comes to. */
#include "verbs.h"
#include "conf_file.h"

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

static enum exit_code print(const struct args *a, const struct tm_buf *out, bool written)
{
    if (!written)
        return verb_fail(a, EXIT_INTERNAL, "out of memory");
    fwrite(out->data, 1, out->len, stdout);
    return EXIT_OK;
}

static enum exit_code print_effective(const struct args *a)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf out = {.cap = 0};
    struct tm_conf conf;
    enum exit_code code = conf_file_of(a, &conf);
    if (code != EXIT_OK)
        return code;
    code = print(a, &out, tm_conf_effective(&conf, &out));
    tm_conf_finish(&conf);
    return code;
}

static enum exit_code run(const struct args *a)
{
    const char *what = a->n_operands == 1 ? a->operands[0] : "";
    if (strcmp(what, "effective") == 0)
        return print_effective(a);
    for (size_t i = 0; i < TM_COUNTOF(pages); i++) {
        if (strcmp(pages[i].name, what) != 0)
            continue;
        TM_CLEANUP(tm_buf_finish) struct tm_buf out = {.cap = 0};
        return print(a, &out, pages[i].write(&out));
    }
    return verb_fail(a, EXIT_USAGE, "say which: effective, example, schema or reference");
}

static const struct verb_option options[] = {
    {"config", 'c', "FILE", "Configuration whose effective values are printed"},
    {0},
};

const struct verb verb_config = {
    .name = "config",
    .operands = "effective|example|schema|reference",
    .summary = "Print what a configuration comes to, or all keys: as a file, a schema or a page",
    .details = "effective   every value of -c FILE with defaults filled in, secrets masked\n"
               "example     a commented file with every key\n"
               "schema      JSON Schema, for editors\n"
               "reference   the reference page of the documentation",
    .options = options,
    .run = run,
};
