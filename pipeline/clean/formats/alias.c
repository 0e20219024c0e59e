/* Turns other people's JSON into envelopes (alias.h): a table of shapes, each known by members that
 * no envelope has. Called by envelope.c on any thread. */
#include "alias.h"
#include "tm_base.h"

#include <string.h>
#include <stdlib.h>
#include <time.h>

/* The first member of a list of names that is there. */
static json_t *first(json_t *o, const char *const *names)
{
    for (; *names != NULL; names++) {
        json_t *v = json_object_get(o, *names);
        if (v != NULL && !json_is_null(v))
            return v;
    }
    return NULL;
}

static void set(json_t *to, const char *key, json_t *v)
{
    if (json_is_string(v) && json_string_length(v) > 0 && json_object_get(to, key) == NULL)
        json_object_set(to, key, v);
}

#define FIRST(o, ...) first(o, (const char *const[]){__VA_ARGS__, NULL})

static const char *text_of(json_t *v)
{
    return json_is_string(v) ? json_string_value(v) : "";
}

/* Members that an envelope and the foreign object share by name. */
static void set_common(json_t *to, json_t *o)
{
    static const char *const names[] = {"id", "title", "url", "source", "lang", "author"};
    for (size_t i = 0; i < TM_COUNTOF(names); i++)
        set(to, names[i], json_object_get(o, names[i]));
}

static json_t *refusal(const char *member, const char *value)
{
    return json_pack("{s:o}", "error",
                     json_sprintf("%s is \"%.60s\": it is not for use", member, value));
}

/* ---- shapes ------------------------------------------------------------------------------------
 */

static bool is_cloud_event(json_t *o)
{
    return json_is_string(json_object_get(o, "specversion")) &&
           FIRST(o, "data", "data_base64") != NULL;
}

static json_t *from_cloud_event(json_t *o)
{
    json_t *data = json_object_get(o, "data"), *to = NULL;
    const char *type = text_of(json_object_get(o, "datacontenttype"));
    if (json_is_object(data)) {
        to = tm_alias(data);
        if (to == data) { /* what follows must not change the event */
            json_decref(to);
            to = json_copy(data);
        }
    } else {
        to = json_object();
        bool bytes = data == NULL;
        set(to,
            bytes                          ? "body_base64"
            : strstr(type, "html") != NULL ? "html"
                                           : "text",
            bytes ? json_object_get(o, "data_base64") : data);
        if (bytes)
            set(to, "content_type", json_object_get(o, "datacontenttype"));
    }
    set(to, "id", json_object_get(o, "id"));
    set(to, "source", json_object_get(o, "source"));
    set(to, "published_at", json_object_get(o, "time"));
    return to;
}

static bool is_batch_line(json_t *o)
{
    return json_is_string(json_object_get(o, "custom_id")) &&
           json_is_object(json_object_get(o, "body"));
}

/* Of a chat the last thing the user said. */
static json_t *from_batch_line(json_t *o)
{
    json_t *body = json_object_get(o, "body"), *messages = json_object_get(body, "messages");
    json_t *text = FIRST(body, "input", "prompt"), *message, *to = json_object();
    size_t i;
    json_array_foreach(messages, i, message)
    {
        json_t *content = json_object_get(message, "content");
        if (strcmp(text_of(json_object_get(message, "role")), "user") != 0)
            continue;
        text =
            json_is_array(content) ? json_object_get(json_array_get(content, 0), "text") : content;
    }
    set(to, "id", json_object_get(o, "custom_id"));
    set(to, "text", json_is_array(text) ? json_array_get(text, 0) : text);
    return to;
}

static bool is_ninjs(json_t *o)
{
    return json_is_string(json_object_get(o, "uri")) &&
           FIRST(o, "body_text", "body_html", "body_xhtml", "headline", "headlines", "bodies",
                 "versioncreated", "versionCreated") != NULL;
}

/* ninjs 2 and 3 have lists of values, each with its role or type. */
static json_t *value_of(json_t *list, const char *key, const char *like)
{
    json_t *entry;
    size_t i;
    json_array_foreach(list, i, entry)
    {
        if (like == NULL || strstr(text_of(json_object_get(entry, key)), like) != NULL)
            return json_object_get(entry, "value");
    }
    return NULL;
}

static json_t *from_ninjs(json_t *o)
{
    json_t *to = json_object(), *bodies = json_object_get(o, "bodies");
    json_t *bylines = json_object_get(o, "bylines"), *status = FIRST(o, "pubstatus", "pubStatus");
    if (json_is_string(status) && strcmp(text_of(status), "usable") != 0) {
        json_decref(to);
        return refusal("pubstatus", text_of(status));
    }
    set(to, "id", json_object_get(o, "uri"));
    set(to, "title", json_object_get(o, "headline"));
    set(to, "title", value_of(json_object_get(o, "headlines"), NULL, NULL));
    set(to, "title", json_object_get(o, "title"));
    set(to, "lang", json_object_get(o, "language"));
    set(to, "published_at",
        FIRST(o, "firstcreated", "firstCreated", "versioncreated", "versionCreated",
              "contentcreated", "contentCreated"));
    set(to, "author", json_object_get(o, "byline"));
    set(to, "author", json_object_get(json_array_get(bylines, 0), "byline"));
    set(to, "source", FIRST(o, "usageterms_source", "copyrightholder", "copyrightHolder"));
    json_t *html = FIRST(o, "body_html", "body_xhtml");
    if (html == NULL)
        html = value_of(bodies, "contentType", "html");
    if (html == NULL)
        html = value_of(bodies, "contenttype", "html");
    json_t *text = json_object_get(o, "body_text");
    if (text == NULL)
        text = value_of(bodies, NULL, NULL);
    if (text == NULL) /* pictures and the like are told by their captions */
        text = FIRST(o, "description_text", "description_caption", "headline");
    if (text == NULL)
        text = value_of(json_object_get(o, "descriptions"), NULL, NULL);
    set(to, html != NULL ? "html" : "text", html != NULL ? html : text);
    json_object_set_new(to, "kind", json_string("news"));
    return to;
}

static bool is_feed_item(json_t *o)
{
    return FIRST(o, "content_html", "content_text") != NULL;
}

static json_t *from_feed_item(json_t *o)
{
    json_t *to = json_object(), *authors = json_object_get(o, "authors");
    json_t *html = json_object_get(o, "content_html");
    set_common(to, o);
    set(to, "lang", json_object_get(o, "language"));
    set(to, "published_at", FIRST(o, "date_published", "date_modified"));
    set(to, "author", json_object_get(json_array_get(authors, 0), "name"));
    set(to, "author", json_object_get(json_object_get(o, "author"), "name"));
    set(to, html != NULL ? "html" : "text",
        html != NULL ? html : json_object_get(o, "content_text"));
    json_object_set_new(to, "kind", json_string("news"));
    return to;
}

static bool is_x_post(json_t *o)
{
    return (json_is_string(json_object_get(o, "text")) &&
            FIRST(o, "author_id", "edit_history_tweet_ids", "conversation_id") != NULL) ||
           (json_is_object(json_object_get(o, "data")) &&
            json_is_string(json_object_get(json_object_get(o, "data"), "text")));
}

static json_t *from_x_post(json_t *o)
{
    json_t *to = json_object(), *data = json_object_get(o, "data");
    if (json_is_object(data))
        o = data;
    set(to, "id", json_object_get(o, "id"));
    set(to, "text",
        json_object_get(json_object_get(o, "note_tweet"), "text")); /* a long one, whole */
    set(to, "text", json_object_get(o, "text"));
    set(to, "published_at", json_object_get(o, "created_at"));
    if (strcmp(text_of(json_object_get(o, "lang")), "und") != 0)
        set(to, "lang", json_object_get(o, "lang"));
    json_object_set_new(to, "kind", json_string("social"));
    return to;
}

static bool is_reddit(json_t *o)
{
    return json_is_string(json_object_get(o, "subreddit")) &&
           FIRST(o, "selftext", "body", "title") != NULL;
}

static json_t *from_reddit(json_t *o)
{
    const char *body = text_of(FIRST(o, "selftext", "body")),
               *title = text_of(json_object_get(o, "title"));
    if (strcmp(body, "[deleted]") == 0 || strcmp(body, "[removed]") == 0)
        return refusal("the text", body);
    json_t *to = json_object(), *when = json_object_get(o, "created_utc");
    time_t seconds = json_is_string(when) ? (time_t)strtoll(text_of(when), NULL, 10)
                                          : (time_t)json_number_value(when);
    struct tm tm;
    char date[32];
    set(to, "id", FIRST(o, "name", "id"));
    set(to, "title", json_object_get(o, "title"));
    set(to, "author", json_object_get(o, "author"));
    if (seconds > 0 && gmtime_r(&seconds, &tm) != NULL &&
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
        json_object_set_new(to, "published_at", json_string(date));
    if (json_is_string(json_object_get(o, "permalink")))
        json_object_set_new(
            to, "url",
            json_sprintf("https://www.reddit.com%s", text_of(json_object_get(o, "permalink"))));
    json_object_set_new(to, "source",
                        json_sprintf("r/%s", text_of(json_object_get(o, "subreddit"))));
    json_object_set_new(to, "text",
                        body[0] == '\0'    ? json_string(title)
                        : title[0] == '\0' ? json_string(body)
                                           : json_sprintf("%s\n\n%s", title, body));
    json_object_set_new(to, "kind", json_string("social"));
    return to;
}

static const struct {
    bool (*is)(json_t *o);
    json_t *(*make)(json_t *o);
    bool with_text; /* also where the object has a member called text */
} shapes[] = {
    {is_cloud_event, from_cloud_event, false},
    {is_batch_line, from_batch_line, false},
    {is_ninjs, from_ninjs, false},
    {is_feed_item, from_feed_item, false},
    {is_reddit, from_reddit, false},
    {is_x_post, from_x_post, true},
};

json_t *tm_alias(json_t *o)
{
    bool payload = FIRST(o, "text", "html", "xml", "body_base64") != NULL;
    for (size_t i = 0; i < TM_COUNTOF(shapes); i++)
        if ((!payload || shapes[i].with_text) && shapes[i].is(o))
            return shapes[i].make(o);
    return json_incref(o);
}
