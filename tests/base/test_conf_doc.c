/* What is made from the table: a schema that says the same, a page with every key, an example that
 * loads to the defaults. */
#include "check.h"
#include "tm_conf.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

static json_t *load_schema(void)
{
    struct tm_buf text = {0};
    json_error_t error;
    assert_true(tm_conf_schema(&text));
    json_t *schema = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
    if (schema == NULL)
        fail_msg("line %d: %s", error.line, error.text);
    tm_buf_finish(&text);
    return schema;
}

/* properties.a.properties.b of "a.b". */
static json_t *find(json_t *node, const char *path)
{
    char name[64];
    while (node != NULL && *path != '\0') {
        size_t n = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)n, path);
        node = json_object_get(json_object_get(node, "properties"), name);
        path += n + (path[n] == '.');
    }
    return node;
}

static void check_node(json_t *node, const struct tm_conf_key *key)
{
    static const char *const types[] = {"string", "string", "integer", "boolean", "string",
                                        "string", "object", "number",  "array"};
    if (node == NULL)
        fail_msg("%s is not in the schema", key->path);
    json_t *type = json_object_get(node, "type");
    if (key->type == TM_CONF_WORDS) { /* one, or a list */
        assert_string_equal(json_string_value(json_array_get(type, 1)), "array");
        type = json_array_get(type, 0);
    }
    assert_string_equal(json_string_value(type), types[key->type]);
    assert_string_equal(json_string_value(json_object_get(node, "description")), key->help);
    json_t *def = json_object_get(node, "default");
    if (key->type == TM_CONF_LIST) {
        assert_int_equal(json_array_size(def), 0);
        assert_true(json_is_array(def));
    } else if ((key->type == TM_CONF_INT || key->type == TM_CONF_REAL) && key->def[0] == '\0') {
        assert_null(def);
        assert_true(json_number_value(json_object_get(node, "minimum")) <
                    json_number_value(json_object_get(node, "maximum")));
    } else if (key->type == TM_CONF_INT) {
        assert_int_equal(json_integer_value(json_object_get(node, "minimum")), key->lo);
        assert_int_equal(json_integer_value(json_object_get(node, "maximum")), key->hi);
        assert_int_equal(json_integer_value(def), strtoll(key->def, NULL, 10));
    } else if (key->type == TM_CONF_REAL) {
        assert_true(json_number_value(def) == strtod(key->def, NULL));
    } else if (key->type == TM_CONF_BOOL) {
        assert_int_equal(json_is_true(def), strcmp(key->def, "true") == 0);
        assert_true(json_is_boolean(def));
    } else if (key->type == TM_CONF_MAP) {
        assert_int_equal(json_object_size(def), 0);
    } else if (strcmp(key->path, "task") != 0) {
        assert_string_equal(json_string_value(def), key->def);
    }
    if (key->type == TM_CONF_ENUM) {
        struct tm_buf joined = {0};
        size_t i;
        json_t *word;
        json_array_foreach(json_object_get(node, "enum"), i, word)
            tm_buf_printf(&joined, "%s%s", i > 0 ? "|" : "", json_string_value(word));
        assert_string_equal(joined.data, key->choices);
        tm_buf_finish(&joined);
    }
}

static void schema_has_every_key(void **unused)
{
    (void)unused;
    json_t *schema = load_schema();
    assert_string_equal(json_string_value(json_object_get(schema, "$schema")),
                        "https://json-schema.org/draft/2020-12/schema");
    for (const struct tm_conf_key *k = tm_conf_keys; k->path != NULL; k++)
        check_node(find(schema, k->path), k);
    json_t *items = json_object_get(find(schema, "tasks"), "items");
    for (const struct tm_conf_key *k = tm_conf_task_keys; k->path != NULL; k++)
        check_node(find(items, k->path), k);
    assert_int_equal(json_array_size(json_object_get(find(items, "task"), "enum")), 8);
    json_decref(schema);
}

/* Counts leaves on the way: nothing is there that is not a key. */
static size_t check_closed(json_t *node)
{
    const char *name;
    json_t *child;
    size_t leaves = 0;
    if (json_object_get(node, "properties") == NULL)
        return 1;
    assert_true(json_is_false(json_object_get(node, "additionalProperties")));
    json_object_foreach(json_object_get(node, "properties"), name, child) leaves +=
        check_closed(child);
    return leaves;
}

static void schema_allows_nothing_else(void **unused)
{
    (void)unused;
    json_t *schema = load_schema();
    size_t keys = 0;
    while (tm_conf_keys[keys].path != NULL)
        keys++;
    assert_int_equal(check_closed(schema), keys + 1); /* and tasks */
    check_closed(json_object_get(find(schema, "tasks"), "items"));
    json_decref(schema);
}

static void reference_has_a_row_for_every_key(void **unused)
{
    (void)unused;
    struct tm_buf page = {0};
    assert_true(tm_conf_reference(&page));
    const struct tm_conf_key *const tables[] = {tm_conf_keys, tm_conf_task_keys};
    for (size_t t = 0; t < 2; t++) {
        for (const struct tm_conf_key *k = tables[t]; k->path != NULL; k++) {
            char cell[128];
            snprintf(cell, sizeof cell, "\n| `%s` |", k->path);
            const char *row = strstr(page.data, cell);
            if (row == NULL)
                fail_msg("no row for %s", k->path);
            const char *end = strchr(row + 1, '\n');
            size_t bars = 0;
            for (const char *p = row; p < end; p++)
                bars += *p == '|' && p[-1] != '\\';
            assert_int_equal(bars, 6);
            assert_non_null(memmem(row, (size_t)(end - row), k->help, strlen(k->help)));
            assert_non_null(memmem(row, (size_t)(end - row), k->def, strlen(k->def)));
        }
    }
    assert_non_null(strstr(page.data, "\n## tasks\n"));
    tm_buf_finish(&page);
}

/* Walks a mapping of the example; returns how many keys had their default. */
static size_t walk(yaml_document_t *doc, int index, const char *prefix)
{
    yaml_node_t *node = yaml_document_get_node(doc, index);
    size_t count = 0;
    assert_int_equal(node->type, YAML_MAPPING_NODE);
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
         p++) {
        char path[128];
        yaml_node_t *value = yaml_document_get_node(doc, p->value);
        snprintf(path, sizeof path, "%s%s%s", prefix, *prefix != '\0' ? "." : "",
                 (const char *)yaml_document_get_node(doc, p->key)->data.scalar.value);
        if (strcmp(path, "tasks") == 0) {
            assert_int_equal(value->type, YAML_SEQUENCE_NODE);
        } else if (tm_conf_is_section(path)) {
            count += walk(doc, p->value, path);
        } else {
            const struct tm_conf_key *key = tm_conf_find(tm_conf_keys, path);
            if (key == NULL)
                fail_msg("%s is not a key", path);
            if (key->type == TM_CONF_MAP)
                assert_int_equal(value->type, YAML_MAPPING_NODE);
            else
                assert_string_equal((const char *)value->data.scalar.value, key->def);
            count++;
        }
    }
    return count;
}

static size_t load_example(const char *text, size_t len)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    assert_true(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    assert_true(yaml_parser_load(&parser, &doc));
    size_t count = walk(&doc, 1, "");
    yaml_document_delete(&doc);
    yaml_parser_delete(&parser);
    return count;
}

static void example_is_yaml_with_every_default(void **unused)
{
    (void)unused;
    struct tm_buf text = {0};
    size_t keys = 0;
    while (tm_conf_keys[keys].path != NULL)
        keys++;
    assert_true(tm_conf_example(&text));
    assert_int_equal(load_example(text.data, text.len), keys);
    tm_buf_finish(&text);
}

static void writers_report_a_full_buffer(void **unused)
{
    (void)unused;
    struct tm_buf small = {.cap = 100};
    assert_false(tm_conf_schema(&small));
    tm_buf_clear(&small);
    assert_false(tm_conf_reference(&small));
    tm_buf_clear(&small);
    assert_false(tm_conf_example(&small));
    tm_buf_finish(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_has_every_key),
        cmocka_unit_test(schema_allows_nothing_else),
        cmocka_unit_test(reference_has_a_row_for_every_key),
        cmocka_unit_test(example_is_yaml_with_every_default),
        cmocka_unit_test(writers_report_a_full_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
