/* Members of an envelope found where clean.fields says: by JSON pointer (RFC 6901), or by a
 * member's name. Called by envelope.c on any thread. */
#include "fields.h"

#include <string.h>

enum { STEP_MOST = 256 };

static const char *const payloads[] = {"text", "html", "xml", "body_base64"};
static const char *const others[] = {"id",           "title", "url",  "source",
                                     "published_at", "lang",  "kind", "author"};

static bool is_one_of(const char *const *names, size_t n, const struct tm_conf_pair *p)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(names[i]) == p->name_len && memcmp(names[i], p->name, p->name_len) == 0)
            return true;
    return false;
}

enum tm_status tm_fields_check(const char *map, struct tm_err *err)
{
    struct tm_conf_pair p;
    while (tm_conf_map_next(&map, &p))
        if (!is_one_of(payloads, TM_COUNTOF(payloads), &p) &&
            !is_one_of(others, TM_COUNTOF(others), &p))
            return tm_err_set(err, TM_CONFIG,
                              "clean.fields.%.*s: an envelope has no such member; there are text, "
                              "html, xml, body_base64, id, title, url, source, author, "
                              "published_at, lang and kind",
                              (int)TM_MIN(p.name_len, (size_t)80), p.name);
    return TM_OK;
}

/* ---- pointers ---- */

static json_t *step_into(json_t *v, const char *step)
{
    int64_t i;
    if (!json_is_array(v))
        return json_object_get(v, step);
    return tm_json_number_i64(step, strlen(step), &i) && i >= 0 ? json_array_get(v, (size_t)i)
                                                                : NULL;
}

/* The value at a pointer, or the member of that name; NULL: there is none. */
static json_t *find(json_t *o, const char *where, size_t n)
{
    char step[STEP_MOST];
    size_t i = n > 0 && where[0] == '/';
    bool pointer = i > 0;
    json_t *v = o;
    do {
        size_t len = 0;
        for (; i < n && !(pointer && where[i] == '/'); i++) {
            bool escaped = pointer && where[i] == '~' && i + 1 < n;
            if (len + 1 >= sizeof step)
                return NULL;
            step[len++] = escaped ? (where[++i] == '1' ? '/' : '~') : where[i];
        }
        step[len] = '\0';
        v = step_into(v, step);
    } while (v != NULL && i++ < n);
    return json_is_null(v) ? NULL : v;
}

/* ---- values ---- */

static json_t *as_time(json_t *number)
{
    char text[32];
    double seconds = json_number_value(number);
    if (!(seconds > 0 && seconds < 1e13))
        return NULL;
    /* Of the two usual units only milliseconds have so many digits. */
    tm_clock_iso((int64_t)(seconds > 1e11 ? seconds : seconds * 1000), text);
    return json_string(text);
}

static json_t *as_member(const struct tm_conf_pair *p, json_t *v)
{
    static const char published[] = "published_at";
    bool time = p->name_len == strlen(published) && memcmp(p->name, published, p->name_len) == 0;
    if (time && json_is_number(v))
        return as_time(v);
    if (json_is_integer(v))
        return json_sprintf("%lld", (long long)json_integer_value(v));
    if (json_is_real(v))
        return json_sprintf("%.17g", json_real_value(v));
    return json_incref(v);
}

json_t *tm_fields_apply(const char *map, json_t *o)
{
    struct tm_conf_pair p;
    json_t *to = json_is_object(o) ? json_copy(o) : json_object();
    bool payload = false, ok = to != NULL;
    while (ok && tm_conf_map_next(&map, &p)) {
        json_t *v = find(o, p.text, p.text_len);
        bool is_payload = is_one_of(payloads, TM_COUNTOF(payloads), &p);
        if (v == NULL || (is_payload && payload))
            continue;
        for (size_t i = 0; is_payload && i < TM_COUNTOF(payloads); i++)
            json_object_del(to, payloads[i]);
        payload |= is_payload;
        json_t *member = as_member(&p, v);
        char name[32];
        memcpy(name, p.name, TM_MIN(p.name_len, sizeof name - 1));
        name[TM_MIN(p.name_len, sizeof name - 1)] = '\0';
        if (member != NULL)
            ok = json_object_set_new(to, name, member) == 0;
    }
    if (ok)
        return to;
    json_decref(to);
    return NULL;
}
