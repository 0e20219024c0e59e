/* Reads the input envelope: one JSON object with the payload in one of four fields, metadata that
 * wins over what the page says, the tasks wanted, and `meta`, which is echoed. Unknown fields are
 * left alone. Called by clean.c on any thread. */
#include "envelope.h"
#include "alias.h"
#include "meta.h"
#include "tm_json_tree.h"

#include <string.h>

enum { META_MOST = 65536, TASKS_MOST = 64, AUTHORS_MOST = 64 };

/* Fields that are text and go to the document as they are. */
static const struct {
    const char *name;
    size_t offset;
} text_fields[] = {
    {"title", offsetof(struct tm_doc, title)},
    {"url", offsetof(struct tm_doc, url)},
    {"source", offsetof(struct tm_doc, source)},
    {"published_at", offsetof(struct tm_doc, published_at)},
    {"lang", offsetof(struct tm_doc, lang)},
};

static const struct {
    const char *name;
    enum tm_payload_kind kind;
} payloads[] = {
    {"text", TM_PAYLOAD_TEXT},
    {"html", TM_PAYLOAD_HTML},
    {"xml", TM_PAYLOAD_XML},
    {"body_base64", TM_PAYLOAD_BYTES},
};

static const char *const kinds[] = {"auto", "news", "social", "text", "json"};

static const char *type_name(const json_t *v)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null"};
    return names[json_typeof(v)];
}

/* A field, or NULL when it is absent or null. */
static json_t *field(const json_t *root, const char *name)
{
    json_t *v = json_object_get(root, name);
    return json_is_null(v) ? NULL : v;
}

static enum tm_status get_string(const json_t *root, const char *name, const char **ret,
                                 struct tm_err *err)
{
    const json_t *v = field(root, name);
    if (v == NULL)
        return TM_OK;
    if (!json_is_string(v))
        return tm_err_set(err, TM_BADINPUT, "field %s must be a string, not %s", name,
                          type_name(v));
    *ret = json_string_value(v);
    return TM_OK;
}

/* A string, or an array of strings, as a list in the arena. */
static enum tm_status get_list(struct tm_doc *doc, const json_t *root, const char *name,
                               bool one_too, size_t most, const char *const **ret, size_t *ret_n,
                               struct tm_err *err)
{
    const json_t *v = field(root, name);
    if (v == NULL)
        return TM_OK;
    bool one = one_too && json_is_string(v);
    if (!one && !json_is_array(v))
        return tm_err_set(err, TM_BADINPUT, "field %s must be an array of strings, not %s", name,
                          type_name(v));
    size_t n = one ? 1 : json_array_size(v);
    if (n > most)
        return tm_err_set(err, TM_BADINPUT, "field %s has %zu entries; at most %zu are taken", name,
                          n, most);
    const char **list = tm_arena_array(doc->arena, n + 1, sizeof *list);
    if (list == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for field %s", name);
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = one ? v : json_array_get(v, i);
        if (!json_is_string(entry))
            return tm_err_set(err, TM_BADINPUT, "field %s[%zu] must be a string, not %s", name, i,
                              type_name(entry));
        list[i] = json_string_value(entry);
    }
    *ret = list;
    *ret_n = n;
    return TM_OK;
}

/* ---- the payload -------------------------------------------------------------------------------
 */

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static enum tm_status decode_base64(struct tm_arena *arena, const char *s, size_t n,
                                    struct tm_envelope *ret, struct tm_err *err)
{
    char *out = tm_arena_alloc(arena, n / 4 * 3 + 4);
    uint32_t bits = 0;
    size_t have = 0, len = 0, i = 0, digits = 0;
    if (out == NULL)
        return tm_err_set(err, TM_TOOLARGE, "body_base64 does not fit into limits.document_memory");
    for (; i < n && s[i] != '='; i++) {
        if (s[i] == '\n' || s[i] == '\r' || s[i] == ' ' || s[i] == '\t')
            continue;
        int v = base64_value(s[i]);
        if (v < 0)
            return tm_err_set(err, TM_BADINPUT, "field body_base64 is not base64 at character %zu",
                              i + 1);
        bits = bits << 6 | (uint32_t)v;
        digits++;
        if ((have += 6) >= 8)
            out[len++] = (char)(bits >> (have -= 8));
    }
    size_t fill = strspn(s + i, "= \t\r\n"); /* json strings end with NUL */
    if (i + fill < n || digits % 4 == 1)
        return tm_err_set(err, TM_BADINPUT, "field body_base64 is not base64 at character %zu",
                          i + fill + 1);
    ret->data = out;
    ret->len = len;
    return TM_OK;
}

static enum tm_status get_payload(struct tm_doc *doc, const json_t *root, struct tm_envelope *ret,
                                  struct tm_err *err)
{
    const json_t *found = NULL;
    for (size_t i = 0; i < TM_COUNTOF(payloads); i++) {
        const json_t *v = field(root, payloads[i].name);
        if (v == NULL)
            continue;
        if (found != NULL)
            return tm_err_set(err, TM_BADINPUT, "fields %s and %s are both there; give one",
                              ret->field, payloads[i].name);
        if (!json_is_string(v))
            return tm_err_set(err, TM_BADINPUT, "field %s must be a string, not %s",
                              payloads[i].name, type_name(v));
        found = v;
        ret->field = payloads[i].name;
        ret->payload = payloads[i].kind;
    }
    if (found == NULL)
        return tm_err_set(err, TM_BADINPUT,
                          "none of the fields text, html, xml and body_base64 is there");
    ret->data = json_string_value(found);
    ret->len = json_string_length(found);
    if (ret->payload == TM_PAYLOAD_BYTES)
        return decode_base64(doc->arena, ret->data, ret->len, ret, err);
    return TM_OK;
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static enum tm_status get_meta(struct tm_doc *doc, const json_t *root, struct tm_err *err)
{
    json_t *meta = field(root, "meta");
    if (meta == NULL)
        return TM_OK;
    if (!json_is_object(meta))
        return tm_err_set(err, TM_BADINPUT, "field meta must be an object, not %s",
                          type_name(meta));
    size_t size = json_dumpb(meta, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    if (size > META_MOST)
        return tm_err_set(err, TM_TOOLARGE, "field meta has %zu bytes; at most %d are echoed", size,
                          META_MOST);
    doc->meta = meta;
    return TM_OK;
}

static enum tm_status get_kind(const json_t *root, struct tm_envelope *ret, struct tm_err *err)
{
    enum tm_status s = get_string(root, "kind", &ret->kind, err);
    if (s != TM_OK || ret->kind == NULL)
        return s;
    for (size_t i = 0; i < TM_COUNTOF(kinds); i++)
        if (strcmp(ret->kind, kinds[i]) == 0)
            return TM_OK;
    return tm_err_set(err, TM_BADINPUT,
                      "field kind is \"%.40s\"; it may be auto, news, social, text or json",
                      ret->kind);
}

static enum tm_status get_redact(const json_t *root, struct tm_envelope *ret, struct tm_err *err)
{
    static const bool yes = true, no = false;
    const json_t *v = field(root, "redact");
    if (v != NULL && !json_is_boolean(v))
        return tm_err_set(err, TM_BADINPUT, "field redact must be true or false, not %s",
                          type_name(v));
    ret->redact = v == NULL ? NULL : json_is_true(v) ? &yes : &no;
    return TM_OK;
}

static enum tm_status get_fields(struct tm_doc *doc, const json_t *root, struct tm_envelope *ret,
                                 struct tm_err *err)
{
    enum tm_status s = get_string(root, "id", &doc->id, err);
    if (s == TM_OK && doc->id == NULL)
        s = get_string(root, "custom_id", &doc->id, err);
    for (size_t i = 0; s == TM_OK && i < TM_COUNTOF(text_fields); i++)
        s = get_string(root, text_fields[i].name,
                       (const char **)((char *)doc + text_fields[i].offset), err);
    if (s == TM_OK)
        s = get_list(doc, root, "author", true, AUTHORS_MOST, &doc->authors, &doc->n_authors, err);
    if (s == TM_OK)
        s = get_list(doc, root, "tasks", false, TASKS_MOST, &doc->tasks, &doc->n_tasks, err);
    if (s == TM_OK)
        s = get_string(root, "content_type", &ret->content_type, err);
    if (s == TM_OK)
        s = get_string(root, "charset", &ret->charset, err);
    if (s == TM_OK)
        s = get_kind(root, ret, err);
    if (s == TM_OK)
        s = get_redact(root, ret, err);
    if (s == TM_OK)
        s = get_meta(doc, root, err);
    if (doc->lang != NULL)
        doc->lang_from = "envelope";
    if (doc->published_at != NULL) { /* as mails and feeds write it: as the field asks for it */
        const char *date = tm_meta_date(doc->arena, doc->published_at);
        doc->published_at = date != NULL ? date : doc->published_at;
    }
    return s == TM_OK ? get_payload(doc, root, ret, err) : s;
}

bool tm_envelope_is(const char *data, size_t len)
{
    json_t *root = tm_json_tree(data, len, NULL);
    bool is = json_is_object(root);
    json_decref(root);
    return is;
}

static void release(void *root)
{
    json_decref(root);
}

enum tm_status tm_envelope_read(struct tm_doc *doc, const char *data, size_t len,
                                struct tm_envelope *ret, struct tm_err *err)
{
    json_error_t at;
    *ret = (struct tm_envelope){0};
    if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
        data += 3, len -= 3;
    json_t *root = tm_json_tree(data, len, &at);
    if (root == NULL) {
        int64_t line = doc->rec.line > 0 ? doc->rec.line : at.line;
        return tm_err_set(err, TM_BADINPUT, "not valid JSON at %lld:%d: %s", (long long)line,
                          at.column, at.text);
    }
    if (!tm_arena_cleanup(doc->arena, release, root)) {
        json_decref(root);
        return tm_err_set(err, TM_NOMEM, "no memory for the envelope");
    }
    if (!json_is_object(root))
        return tm_err_set(err, TM_BADINPUT, "the envelope must be an object, not %s",
                          type_name(root));
    json_t *own = tm_alias(root);
    if (own == NULL || !tm_arena_cleanup(doc->arena, release, own)) {
        json_decref(own);
        return tm_err_set(err, TM_NOMEM, "no memory for the envelope");
    }
    /* What split.c adds: the encoding that the file had. */
    const json_t *encoding = json_object_get(root, "file_encoding");
    doc->cleaning.encoding = json_string_value(encoding);
    doc->cleaning.encoding_source =
        json_string_value(json_object_get(root, "file_encoding_source"));
    const json_t *refused = json_object_get(own, "error");
    if ((own != root || encoding != NULL) && json_is_string(refused)) {
        const char *id = json_string_value(json_object_get(own, "id"));
        doc->id = id != NULL ? id : doc->id;
        return tm_err_set(err, TM_BADINPUT, "%s", json_string_value(refused));
    }
    return get_fields(doc, own, ret, err);
}
