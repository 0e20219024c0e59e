/* Files that hold several documents in one piece: feeds, news messages, arrays in JSON. Each
 * document becomes a JSON envelope, so that nothing behind has to know the format. Called by
 * sources and by `extract`, on any thread. */
#include "split.h"
#include "charset.h"
#include "tm_json_tree.h"
#include "tm_pipeline.h"

#include <stdlib.h>
#include <string.h>

enum { RECORDS_MOST = 1000000, SNIFF = 4096 };

struct tm_split {
    json_t *records; /* objects */
    char *text;      /* of the record given last */
};

static bool begins(const char *s, size_t n, const char *with)
{
    size_t len = strlen(with);
    return n >= len && strncasecmp(s, with, len) == 0;
}

/* Past white space, byte order mark, declarations and comments. */
static const char *to_root(const char *s, const char *end)
{
    if (begins(s, (size_t)(end - s), "\xef\xbb\xbf"))
        s += 3;
    for (;;) {
        while (s < end && strchr(" \t\r\n", *s) != NULL && *s != '\0')
            s++;
        size_t n = (size_t)(end - s);
        const char *close = NULL;
        if (begins(s, n, "<!--"))
            close = (close = memmem(s, n, "-->", 3)) == NULL ? NULL : close + 2;
        else if (n > 1 && s[0] == '<' && (s[1] == '?' || s[1] == '!'))
            close = memchr(s, '>', n);
        if (close == NULL)
            return s;
        s = close + 1;
    }
}

bool tm_split_looks(const char *data, size_t len)
{
    static const char *const roots[] = {"rss",      "feed",      "rdf:RDF",     "RDF",
                                        "channel",  "nitf",      "newsMessage", "NewsML",
                                        "newsItem", "atom:feed", "entry"};
    const char *end = data + TM_MIN(len, (size_t)SNIFF), *s = to_root(data, end);
    size_t n = (size_t)(end - s);
    for (size_t i = 0; n > 1 && s[0] == '<' && i < TM_COUNTOF(roots); i++) {
        size_t len_root = strlen(roots[i]);
        if (begins(s + 1, n - 1, roots[i]) && n > len_root + 1 &&
            strchr(" \t\r\n>", s[len_root + 1]) != NULL)
            return true;
    }
    if (n > 1 && s[0] == '[')
        return to_root(s + 1, end) < end && *to_root(s + 1, end) == '{';
    return n > 1 && s[0] == '{' &&
           (memmem(s, n, "jsonfeed.org/version", 20) != NULL ||
            (memmem(s, TM_MIN(n, (size_t)64), "\"data\"", 6) != NULL &&
             memmem(s, TM_MIN(n, (size_t)64), "[", 1) != NULL));
}

/* JSON Feed's items, X API v2's data, or an array as it is. */
static bool split_json(const char *s, size_t n, json_t *records, struct tm_err *err)
{
    json_error_t at;
    json_t *root = tm_json_tree(s, n, &at);
    if (root == NULL) {
        tm_err_set(err, TM_BADINPUT, "not valid JSON at %d:%d: %s", at.line, at.column, at.text);
        return false;
    }
    json_t *items = json_is_array(root) ? root : json_object_get(root, "items");
    if (items == NULL)
        items = json_object_get(root, "data");
    json_t *source = json_object_get(root, "title"), *lang = json_object_get(root, "language"),
           *item;
    size_t i;
    json_array_foreach(items, i, item)
    {
        if (json_is_object(item) && json_is_string(source) &&
            json_object_get(item, "source") == NULL)
            json_object_set(item, "source", source);
        if (json_is_object(item) && json_is_string(lang) &&
            json_object_get(item, "language") == NULL)
            json_object_set(item, "language", lang);
        json_array_append(records, item);
    }
    bool is = json_is_array(items);
    json_decref(root);
    if (!is)
        tm_err_set(err, TM_BADINPUT, "neither an array nor an object with items or data");
    return is;
}

static bool split_xml(const char *s, size_t n, json_t *records, struct tm_err *err)
{
    xmlDocPtr doc = NULL;
    if (tm_xml_read(s, n, &doc, err) != TM_OK)
        return false;
    xmlNode *root = xmlDocGetRootElement(doc);
    bool is = tm_split_feed(root, records) || tm_split_news_xml(root, records);
    if (!is)
        tm_err_set(err, TM_BADINPUT, "root element <%.60s> is neither a feed nor a news item",
                   (const char *)root->name);
    xmlFreeDoc(doc);
    return is;
}

enum tm_status tm_split_create(const char *data, size_t len, struct tm_split **ret_split,
                               struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf decoded = {0};
    struct tm_decoded d;
    enum tm_status s = tm_charset_decode(data, len, NULL, true, &decoded, &d, err);
    if (s != TM_OK)
        return s;
    struct tm_split *split = calloc(1, sizeof *split);
    if (split == NULL || (split->records = json_array()) == NULL) {
        tm_split_destroy(split);
        return tm_err_set(err, TM_NOMEM, "no memory to take %zu bytes apart", len);
    }
    const char *root = to_root(d.text, d.text + d.len);
    struct tm_err why = {0};
    bool ok = *root == '{' || *root == '[' ? split_json(d.text, d.len, split->records, &why)
                                           : split_xml(d.text, d.len, split->records, &why);
    if (ok && json_array_size(split->records) > RECORDS_MOST)
        ok = tm_err_set(&why, TM_TOOLARGE, "more than %d documents", RECORDS_MOST) == TM_OK;
    if (ok && json_array_size(split->records) == 0)
        json_array_append_new(split->records,
                              json_pack("{s:s}", "error", "there is no document in it"));
    /* What the envelopes are is UTF-8; what the file was is worth telling. */
    json_t *o;
    size_t i;
    json_array_foreach(split->records, i, o)
    {
        json_object_set_new(o, "file_encoding", json_string(d.encoding));
        json_object_set_new(o, "file_encoding_source", json_string(d.source));
    }
    if (!ok) {
        tm_split_destroy(split);
        return tm_err_set(err, why.status, "%s", why.text);
    }
    *ret_split = split;
    return TM_OK;
}

void tm_split_destroy(struct tm_split *s)
{
    if (s == NULL)
        return;
    json_decref(s->records);
    free(s->text);
    free(s);
}

size_t tm_split_count(const struct tm_split *s)
{
    return json_array_size(s->records);
}

const char *tm_split_record(struct tm_split *s, size_t i, size_t *ret_len)
{
    json_t *o = json_array_get(s->records, i);
    free(s->text);
    s->text = json_dumps(o, JSON_COMPACT | JSON_ENCODE_ANY);
    *ret_len = s->text == NULL ? 0 : strlen(s->text);
    return s->text;
}
