/* The article in a page's embedded state: the JSON that a site's scripts fill the page from
 * ("__NEXT_DATA__", "window.__STATE__ = {…}"). One pass with base's reader over each script, with a
 * frame for each open object or array. Called by clean.c for pages that show next to nothing.
 *
 * Text is what stands under a key that names it ("body", "text" …), alone or, as editors keep it,
 * in objects and arrays below such a key: a paragraph an element, or runs of one paragraph. What an
 * object holds that does not pass its text on is a candidate; the longest wins, one with a headline
 * beside it counts twice. */
#include "meta.h"

#include <string.h>

enum { FRAMES = 64, BODY_MOST = 1 << 20, LOOK = 1024, NAME_LONG = 40 };

enum key { OTHER, TEXT, TEXT_RUN, PARTS, RUNS, TITLE, TYPE };
static const struct {
    const char *key;
    enum key means;
} keys[] = {
    {"articleBody", TEXT},  {"articleContent", TEXT},    {"articleText", TEXT},
    {"body", TEXT},         {"bodyHtml", TEXT},          {"bodyText", TEXT},
    {"body_html", TEXT},    {"content", TEXT},           {"contentHtml", TEXT},
    {"content_html", TEXT}, {"fullText", TEXT},          {"html", TEXT},
    {"text", TEXT_RUN},     {"value", TEXT_RUN},         {"blocks", PARTS},
    {"components", PARTS},  {"contents", PARTS},         {"data", PARTS},
    {"document", PARTS},    {"elements", PARTS},         {"json", PARTS},
    {"nodes", PARTS},       {"paragraphs", PARTS},       {"sections", PARTS},
    {"children", RUNS},     {"headline", TITLE},         {"headlines", TITLE},
    {"title", TITLE},       {"nodeType", TYPE},          {"type", TYPE},
    {"_type", TYPE},        {"content_elements", PARTS}, {"contentElements", PARTS},
};
/* Types of elements that are part of a paragraph. */
static const char *const run_types[] = {"text", "span", "link", "hyperlink", "mark", "a"};

struct frame {
    bool array, passes; /* passes: its text belongs to what it stands in */
    bool titled, typed, run;
    enum key key;      /* that it stands under */
    enum key text_key; /* of the text directly inside */
    size_t start;      /* of its text */
    size_t own, own_len;
};

struct reader {
    struct tm_buf text;
    struct frame frames[FRAMES];
    size_t depth;
    enum key key; /* of the value to come */
    const struct tm_script *script;
    struct tm_arena *arena;
    struct tm_body *best;
    size_t best_weight;
};

static enum key key_of(const char *key)
{
    for (size_t i = 0; i < TM_COUNTOF(keys); i++)
        if (strcmp(keys[i].key, key) == 0)
            return keys[i].means;
    return OTHER;
}

static bool is_text(enum key key)
{
    return key == TEXT || key == TEXT_RUN;
}

/* Addresses, names, data: long, of ASCII and without a blank; or JSON once more. */
static bool is_prose(const char *s, size_t n)
{
    if (n > 0 && (s[0] == '{' || s[0] == '['))
        return false;
    for (size_t i = 0; i < n; i++)
        if (s[i] == ' ' || (unsigned char)s[i] >= 0x80)
            return true;
    return n < NAME_LONG;
}

static void propose(struct reader *r, const struct frame *f)
{
    const char *s = r->text.data + f->start;
    size_t len = r->text.len - f->start, weight = f->titled ? 2 * len : len;
    if (len == 0 || weight <= r->best_weight)
        return;
    const char *copy = tm_arena_strndup(r->arena, s, len);
    if (copy == NULL)
        return;
    *r->best = (struct tm_body){copy, len, r->script->source, r->script->source_end};
    r->best_weight = weight;
}

static void open_frame(struct reader *r, bool array)
{
    const struct frame *up = r->depth == 0 ? NULL : &r->frames[r->depth - 1];
    bool element = up != NULL && up->array;
    enum key key = element ? up->key : r->key;
    bool named = is_text(key) || key == PARTS || key == RUNS;
    r->frames[r->depth++] = (struct frame){
        .array = array, .key = key, .passes = up != NULL && named, .start = r->text.len};
    r->key = OTHER;
}

/* A run joins the text around it; anything else is a paragraph. */
static bool is_run(const struct frame *f)
{
    return f->typed ? f->run && f->text_key != TEXT : f->key == RUNS;
}

static void close_frame(struct reader *r)
{
    struct frame f = r->frames[--r->depth];
    bool element = r->depth > 0 && r->frames[r->depth - 1].array;
    if (!f.passes || f.titled) {
        propose(r, &f);
        r->text.len = f.start;
    } else if (element && r->text.len > f.start && !is_run(&f)) {
        tm_buf_putc(&r->text, '\n');
    }
    r->key = OTHER;
}

static void on_string(struct reader *r, const char *s, size_t n)
{
    struct frame *f = r->depth == 0 ? NULL : &r->frames[r->depth - 1];
    enum key key = r->key;
    r->key = OTHER;
    if (f == NULL || n == 0)
        return;
    if (key == TYPE) {
        f->typed = true;
        for (size_t i = 0; i < TM_COUNTOF(run_types); i++)
            f->run |= strcmp(s, run_types[i]) == 0;
    }
    f->titled |= key == TITLE;
    bool element = f->array && f->passes;
    if (!(is_text(key) || element) || !is_prose(s, n) || r->text.len + n > BODY_MOST)
        return;
    if (!element && f->own_len > 0) { /* the same in two forms: the longer one */
        if (n <= f->own_len || f->own + f->own_len != r->text.len)
            return;
        r->text.len = f->own;
    }
    f->own = r->text.len;
    f->own_len = n;
    f->text_key = key;
    tm_buf_append(&r->text, s, n);
    if (element)
        tm_buf_putc(&r->text, '\n');
}

static bool on_event(struct reader *r, const struct tm_json_event *e)
{
    switch (e->type) {
    case TM_JSON_OBJECT:
    case TM_JSON_ARRAY:
        if (r->depth == FRAMES)
            return false;
        open_frame(r, e->type == TM_JSON_ARRAY);
        break;
    case TM_JSON_OBJECT_END:
    case TM_JSON_ARRAY_END:
        close_frame(r);
        break;
    case TM_JSON_KEY:
        r->key = key_of(e->text);
        break;
    case TM_JSON_STRING:
        on_string(r, e->text, e->len);
        break;
    case TM_JSON_END:
        return false;
    default:
        r->key = OTHER;
        break;
    }
    return !r->text.failed;
}

/* Bad JSON, or a script that goes on behind it, ends the script, no more. */
static void read_json(struct reader *r, const char *s, size_t n)
{
    struct tm_json j;
    struct tm_json_event e;
    tm_json_init(&j, "embedded state", s, n);
    r->depth = 0;
    r->key = OTHER;
    tm_buf_clear(&r->text);
    while (tm_json_next(&j, &e, NULL) == TM_OK && on_event(r, &e))
        ;
    tm_json_finish(&j);
}

size_t tm_state_start(const char *s, size_t n)
{
    static const char *const names[] = {"window.__", "window[\"__", "window['__"};
    const char *at = NULL, *end = s + n;
    for (size_t i = 0; at == NULL && i < TM_COUNTOF(names); i++)
        at = memmem(s, TM_MIN(n, (size_t)LOOK), names[i], strlen(names[i]));
    const char *value = at == NULL ? s : memchr(at, '=', TM_MIN((size_t)(end - at), (size_t)LOOK));
    if (value == NULL)
        return n;
    for (value += at != NULL; value < end && (unsigned char)*value <= ' ';)
        value++;
    static const char parse[] = "JSON.parse(";
    if (at != NULL && (size_t)(end - value) > sizeof parse &&
        memcmp(value, parse, sizeof parse - 1) == 0)
        value += sizeof parse - 1;
    bool starts = value < end && (*value == '{' || *value == '[' || (at != NULL && *value == '"'));
    return starts ? (size_t)(value - s) : n;
}

static void read_script(struct reader *r, char *s, size_t n)
{
    size_t start = tm_state_start(s, n);
    for (size_t i = start; i < n; i++)
        if ((unsigned char)s[i] < ' ')
            s[i] = ' ';
    if (start == n || s[start] != '"') {
        read_json(r, s + start, n - start);
        return;
    }
    struct tm_json j;
    struct tm_json_event e;
    tm_json_init(&j, "embedded state", s + start, n - start);
    if (tm_json_next(&j, &e, NULL) == TM_OK)
        read_json(r, e.text, e.len);
    tm_json_finish(&j);
}

void tm_state_read(struct tm_page *p, struct tm_arena *arena, struct tm_body *ret)
{
    const struct tm_script *scripts = (const struct tm_script *)p->scripts_.data;
    struct reader r = {.arena = arena, .best = ret};
    *ret = (struct tm_body){0};
    for (size_t i = 0; i < p->scripts_.len / sizeof *scripts; i++) {
        r.script = &scripts[i];
        if (scripts[i].state)
            read_script(&r, p->strings.data + scripts[i].text, scripts[i].len);
    }
    tm_buf_finish(&r.text);
}
