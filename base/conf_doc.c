/* Documents made from the table of keys (tm_conf.h): JSON Schema, reference page, example file.
 *
 * Called by daemon/ when asked to print them, and by the test that compares them with docs/. The
 * dotted paths make a tree: components in the order in which the table first names them. */
#include "conf_near.h"
#include "tm_conf.h"
#include <inttypes.h>
#include <string.h>

/* One component below a prefix: a key, or a section with more below it. */
struct node {
    const struct tm_conf_key *key; /* the first key of a section */
    char path[128];                /* dotted, from the root */
    const char *name;              /* last component, in path */
    bool section;
};

/* The next node below prefix ("" is the root) from *pos on, which moves past it. */
static bool next_node(const char *prefix, size_t *pos, struct node *ret_node)
{
    size_t skip = *prefix != '\0' ? strlen(prefix) + 1 : 0;
    for (; tm_conf_keys[*pos].path != NULL; ++*pos) {
        const struct tm_conf_key *key = &tm_conf_keys[*pos];
        if (skip > 0 && (strncmp(key->path, prefix, skip - 1) != 0 || key->path[skip - 1] != '.'))
            continue;
        size_t len = skip + strcspn(key->path + skip, ".");
        bool seen = false;
        for (size_t i = 0; i < *pos && !seen; i++)
            seen = strncmp(tm_conf_keys[i].path, key->path, len) == 0 &&
                   (tm_conf_keys[i].path[len] == '.' || tm_conf_keys[i].path[len] == '\0');
        if (seen)
            continue;
        tm_assert(len < sizeof ret_node->path);
        ret_node->key = key;
        memcpy(ret_node->path, key->path, len);
        ret_node->path[len] = '\0';
        ret_node->name = ret_node->path + skip;
        ret_node->section = key->path[len] == '.';
        ++*pos;
        return true;
    }
    return false;
}

static void indent(struct tm_buf *b, unsigned level)
{
    tm_buf_printf(b, "%*s", (int)level * 2, "");
}

static void quote(struct tm_buf *b, const char *s)
{
    tm_buf_json_string(b, s, strlen(s));
}

static bool is_number(const struct tm_conf_key *key)
{
    return key->type == TM_CONF_INT || key->type == TM_CONF_REAL;
}

/* As a JSON and a YAML value. */
static void put_default(struct tm_buf *b, const struct tm_conf_key *key)
{
    if (key->type == TM_CONF_MAP)
        tm_buf_puts(b, "{}");
    else if (key->type == TM_CONF_LIST)
        tm_buf_puts(b, "[]");
    else if (is_number(key) || key->type == TM_CONF_BOOL)
        tm_buf_puts(b, key->def);
    else
        quote(b, key->def);
}

static void schema_choices(struct tm_buf *b, const char *choices)
{
    tm_buf_puts(b, ", \"enum\": [");
    for (const char *p = choices; *p != '\0';) {
        size_t n = strcspn(p, "|");
        tm_buf_json_string(b, p, n);
        p += n;
        if (*p == '|') {
            tm_buf_puts(b, ", ");
            p++;
        }
    }
    tm_buf_putc(b, ']');
}

/* "name": {...}, with what a value of this key may be. choices: of a text that has some. */
static void schema_key(struct tm_buf *b, unsigned level, const char *name,
                       const struct tm_conf_key *key, const char *choices)
{
    static const char *const type_name[] = {
        [TM_CONF_STR] = "\"string\"",
        [TM_CONF_PATH] = "\"string\"",
        [TM_CONF_INT] = "\"integer\"",
        [TM_CONF_BOOL] = "\"boolean\"",
        [TM_CONF_ENUM] = "\"string\"",
        [TM_CONF_REAL] = "\"number\"",
        [TM_CONF_LIST] = "\"array\"",
        [TM_CONF_WORDS] = "[\"string\", \"array\"], \"items\": {\"type\": \"string\"}",
        [TM_CONF_MAP] = "\"object\", \"additionalProperties\": {\"not\": {\"type\": \"object\"}}",
    };
    indent(b, level);
    quote(b, name);
    tm_buf_printf(b, ": {\"type\": %s", type_name[key->type]);
    if (is_number(key))
        tm_buf_printf(b, ", \"minimum\": %" PRId64 ", \"maximum\": %" PRId64, key->lo, key->hi);
    if (key->type == TM_CONF_LIST)
        tm_buf_puts(b, ", \"items\": {\"type\": \"string\"}");
    if (choices[0] != '\0')
        schema_choices(b, choices);
    /* "None given" is no number, and not one of the choices. */
    if (key->def[0] != '\0' || (choices[0] == '\0' && !is_number(key))) {
        tm_buf_puts(b, ", \"default\": ");
        put_default(b, key);
    }
    tm_buf_puts(b, ",\n");
    indent(b, level + 1);
    tm_buf_puts(b, "\"description\": ");
    quote(b, key->help);
    tm_buf_putc(b, '}');
}

static void schema_tasks(struct tm_buf *b, unsigned level)
{
    struct tm_buf names = {0};
    for (const char *const *t = tm_conf_task_names; *t != NULL; t++)
        tm_buf_printf(&names, "%s%s", names.len > 0 ? "|" : "", *t);
    b->failed |= names.failed;
    indent(b, level);
    tm_buf_puts(b, "\"tasks\": {\"type\": \"array\", \"default\": [],\n");
    indent(b, level + 1);
    tm_buf_puts(b, "\"description\": \"What to do with each document; without an entry documents "
                   "are only cleaned\",\n");
    indent(b, level + 1);
    tm_buf_puts(b, "\"items\": {\"type\": \"object\", \"additionalProperties\": false, "
                   "\"required\": [\"task\"], \"properties\": {\n");
    for (const struct tm_conf_key *k = tm_conf_task_keys; k->path != NULL; k++) {
        bool is_name = strcmp(k->path, "task") == 0;
        const char *choices = is_name && names.data != NULL ? names.data : k->choices;
        const char *dot = strchr(k->path, '.');
        if (dot == NULL) {
            schema_key(b, level + 2, k->path, k, choices);
        } else {
            indent(b, level + 2);
            tm_buf_json_string(b, k->path, (size_t)(dot - k->path));
            tm_buf_puts(
                b, ": {\"type\": \"object\", \"additionalProperties\": false, \"properties\": {\n");
            schema_key(b, level + 3, dot + 1, k, choices);
            tm_buf_puts(b, "}}");
        }
        tm_buf_puts(b, k[1].path != NULL ? ",\n" : "\n");
    }
    indent(b, level + 1);
    tm_buf_puts(b, "}}}");
    tm_buf_finish(&names);
}

/* The members of one section, each after a comma but the first. */
static void schema_section(struct tm_buf *b, unsigned level, const char *prefix)
{
    struct node node;
    bool first = true;
    for (size_t pos = 0; next_node(prefix, &pos, &node); first = false) {
        if (!first)
            tm_buf_puts(b, ",\n");
        if (!node.section) {
            schema_key(b, level, node.name, node.key, node.key->choices);
            continue;
        }
        indent(b, level);
        quote(b, node.name);
        tm_buf_puts(
            b, ": {\"type\": \"object\", \"additionalProperties\": false, \"properties\": {\n");
        schema_section(b, level + 1, node.path);
        tm_buf_putc(b, '\n');
        indent(b, level);
        tm_buf_puts(b, "}}");
    }
}

bool tm_conf_schema(struct tm_buf *out)
{
    tm_buf_puts(out, "{\n"
                     "  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                     "  \"title\": \"textmill configuration\",\n"
                     "  \"type\": \"object\",\n"
                     "  \"additionalProperties\": false,\n"
                     "  \"properties\": {\n");
    schema_section(out, 2, "");
    tm_buf_puts(out, ",\n");
    schema_tasks(out, 2);
    return tm_buf_puts(out, "\n  }\n}\n");
}

/* '|' ends a cell of a Markdown table. */
static void put_cell(struct tm_buf *b, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '|')
            tm_buf_putc(b, '\\');
        tm_buf_putc(b, *s);
    }
}

static void put_allowed(struct tm_buf *b, const struct tm_conf_key *key)
{
    if (is_number(key))
        tm_buf_printf(b, "%" PRId64 " to %" PRId64 "%s%s", key->lo, key->hi,
                      key->unit[0] != '\0' ? " " : "", key->unit);
    else if (key->type == TM_CONF_BOOL)
        tm_buf_puts(b, "`true`, `false`");
    for (const char *p = key->choices; *p != '\0'; p += *p == '|') {
        size_t n = strcspn(p, "|");
        tm_buf_printf(b, "%s`%.*s`", p > key->choices ? ", " : "", (int)n, p);
        p += n;
    }
}

static void reference_row(struct tm_buf *b, const struct tm_conf_key *key)
{
    static const char *const type_name[] = {
        [TM_CONF_STR] = "text",
        [TM_CONF_PATH] = "path",
        [TM_CONF_INT] = "number",
        [TM_CONF_BOOL] = "yes or no",
        [TM_CONF_ENUM] = "one of",
        [TM_CONF_REAL] = "decimal number",
        [TM_CONF_LIST] = "list of texts",
        [TM_CONF_WORDS] = "words",
        [TM_CONF_MAP] = "names and texts",
    };
    tm_buf_printf(b, "| `%s` | %s | ", key->path, type_name[key->type]);
    if (key->def[0] != '\0')
        tm_buf_printf(b, "`%s`", key->def);
    tm_buf_puts(b, " | ");
    put_allowed(b, key);
    tm_buf_puts(b, " | ");
    put_cell(b, key->help);
    tm_buf_puts(b, " |\n");
}

static void reference_head(struct tm_buf *b, const char *section)
{
    tm_buf_printf(b,
                  "\n## %s\n\n"
                  "| key | type | default | allowed | meaning |\n"
                  "|---|---|---|---|---|\n",
                  section);
}

bool tm_conf_reference(struct tm_buf *out)
{
    struct node node;
    tm_buf_puts(out,
                "# Configuration\n\n"
                "<!-- Made from the table in base/tm_conf.h: change that, not this page. -->\n\n"
                "A YAML file. A key such as `source.spool.path` is `path` below `spool` below "
                "`source`. Every key may be\nleft out, then its default holds; an empty cell "
                "means there is none. Paths are relative to the file's folder.\nAn unknown key "
                "or a value out of range is an error with its line and column.\n");
    for (size_t pos = 0; next_node("", &pos, &node);) {
        size_t n = strlen(node.name);
        reference_head(out, node.name);
        for (const struct tm_conf_key *k = tm_conf_keys; k->path != NULL; k++)
            if (strncmp(k->path, node.name, n) == 0 && (k->path[n] == '.' || k->path[n] == '\0'))
                reference_row(out, k);
    }
    reference_head(out, "tasks");
    for (const struct tm_conf_key *k = tm_conf_task_keys; k->path != NULL; k++)
        reference_row(out, k);
    return tm_buf_puts(out,
                       "\n`tasks` is a list; each entry has the keys above and is done with every "
                       "document, in that order. Without an entry\ndocuments are only cleaned.\n\n"
                       "```yaml\n"
                       "tasks:\n"
                       "  - { task: sentiment }\n"
                       "  - { task: summary, sentences: 3 }\n"
                       "```\n");
}

static void example_key(struct tm_buf *b, unsigned level, const char *name,
                        const struct tm_conf_key *key)
{
    indent(b, level);
    tm_buf_printf(b, "# %s", key->help);
    if (key->type == TM_CONF_ENUM || key->type == TM_CONF_INT) {
        tm_buf_puts(b, key->type == TM_CONF_ENUM ? ": " : " (");
        if (key->type == TM_CONF_ENUM)
            tm_buf_puts(b, key->choices);
        else
            tm_buf_printf(b, "%" PRId64 " to %" PRId64 "%s%s)", key->lo, key->hi,
                          key->unit[0] != '\0' ? " " : "", key->unit);
    }
    tm_buf_putc(b, '\n');
    indent(b, level);
    tm_buf_printf(b, "%s: ", name);
    if (key->type == TM_CONF_ENUM) /* words, which YAML takes without quotes */
        tm_buf_puts(b, key->def);
    else
        put_default(b, key);
    tm_buf_putc(b, '\n');
}

static void example_section(struct tm_buf *b, unsigned level, const char *prefix)
{
    struct node node;
    for (size_t pos = 0; next_node(prefix, &pos, &node);) {
        if (!node.section) {
            example_key(b, level, node.name, node.key);
            continue;
        }
        if (level == 0)
            tm_buf_putc(b, '\n');
        indent(b, level);
        tm_buf_printf(b, "%s:\n", node.name);
        example_section(b, level + 1, node.path);
    }
}

bool tm_conf_example(struct tm_buf *out)
{
    tm_buf_puts(out,
                "# textmill: every key with its default. Needed: a source, one sink, and a place "
                "for dead letters.\n");
    example_section(out, 0, "");
    tm_buf_puts(out, "\n# What to do with each document, in this order; empty: only clean it. An "
                     "entry, with its defaults:\n");
    for (const struct tm_conf_key *k = tm_conf_task_keys; k->path != NULL; k++) {
        bool is_name = strcmp(k->path, "task") == 0;
        tm_buf_printf(out, "#  %c %s: ", is_name ? '-' : ' ', k->path);
        if (is_name)
            tm_buf_puts(out, tm_conf_task_names[0]);
        else
            put_default(out, k);
        tm_buf_printf(out, "   # %s\n", k->help);
    }
    return tm_buf_puts(out, "tasks: []\n");
}

/* ---- the values of a configuration ---- */

/* A secret stands in a file that a key names; what is given in the open must not be shown. */
static bool is_secret(const char *name)
{
    size_t n = strlen(name);
    bool file = n > 5 && strcmp(name + n - 5, "_file") == 0;
    return !file &&
           (strstr(name, "password") != NULL || strstr(name, "secret") != NULL ||
            strstr(name, "token") != NULL) &&
           strstr(name, "tokens") == NULL;
}

/* Lines "name=text" as a mapping. */
static void put_map(struct tm_buf *b, const char *lines)
{
    tm_buf_putc(b, '{');
    for (const char *line = lines; *line != '\0';) {
        size_t len = strcspn(line, "\n"), name = strcspn(line, "=");
        tm_buf_puts(b, line > lines ? ", " : "");
        tm_buf_json_string(b, line, name);
        tm_buf_puts(b, ": ");
        tm_buf_json_string(b, line + name + 1, len - TM_MIN(len, name + 1));
        line += len + (line[len] == '\n');
    }
    tm_buf_putc(b, '}');
}

static void put_value(struct tm_buf *b, const void *base, const struct tm_conf_key *key,
                      const char *name)
{
    struct tm_buf text = {0};
    const char *dot = strchr(name, '.'); /* of a task: a section of one key */
    tm_conf_get(base, key, &text);
    if (dot != NULL)
        tm_buf_printf(b, "%.*s: { ", (int)(dot - name), name);
    tm_buf_printf(b, "%s: ", dot != NULL ? dot + 1 : name);
    if (text.len > 0 && key->type == TM_CONF_STR && is_secret(name))
        tm_buf_puts(b, "\"***\"");
    else if (key->type == TM_CONF_BOOL || key->type == TM_CONF_LIST || is_number(key))
        tm_buf_puts(b, text.data);
    else if (key->type == TM_CONF_MAP)
        put_map(b, text.len > 0 ? text.data : "");
    else
        quote(b, text.len > 0 ? text.data : "");
    tm_buf_puts(b, dot != NULL ? " }\n" : "\n");
    b->failed |= text.failed;
    tm_buf_finish(&text);
}

/* A number that is not set has no value that could be written. */
static bool is_set(const void *base, const struct tm_conf_key *key)
{
    struct tm_buf text = {0};
    tm_conf_get(base, key, &text);
    bool set = !is_number(key) || text.len > 0;
    tm_buf_finish(&text);
    return set;
}

static void effective_section(struct tm_buf *b, const struct tm_conf *c, unsigned level,
                              const char *prefix)
{
    struct node node;
    for (size_t pos = 0; next_node(prefix, &pos, &node);) {
        indent(b, level);
        if (node.section) {
            tm_buf_printf(b, "%s:\n", node.name);
            effective_section(b, c, level + 1, node.path);
        } else {
            put_value(b, c, node.key, node.name);
        }
    }
}

bool tm_conf_effective(const struct tm_conf *c, struct tm_buf *out)
{
    effective_section(out, c, 0, "");
    tm_buf_puts(out, c->n_tasks > 0 ? "tasks:\n" : "tasks: []\n");
    for (size_t i = 0; i < c->n_tasks; i++)
        for (const struct tm_conf_key *k = tm_conf_task_keys; k->path != NULL; k++) {
            if (!is_set(&c->tasks[i], k))
                continue;
            tm_buf_puts(out, k == tm_conf_task_keys ? "  - " : "    ");
            put_value(out, &c->tasks[i], k, k->path);
        }
    return !out->failed;
}
