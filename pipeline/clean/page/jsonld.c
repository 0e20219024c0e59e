/* Reads schema.org statements from a page's JSON-LD scripts: one pass with base's reader, and a
 * frame for each open object or array. Called by meta.c. */
#include "meta.h"

#include <string.h>

enum { FRAMES = 24, BODY_MOST = 1 << 20 };

enum field {
    F_NONE,
    F_TYPE,
    F_HEADLINE,
    F_NAME,
    F_PUBLISHED,
    F_CREATED,
    F_MODIFIED,
    F_URL,
    F_LANG,
    F_BODY,
    F_AUTHOR,
    F_PUBLISHER,
    F_COUNT,
};

static const struct {
    const char *key;
    enum field field;
} fields[] = {
    {"@type", F_TYPE},
    {"headline", F_HEADLINE},
    {"name", F_NAME},
    {"datePublished", F_PUBLISHED},
    {"dateCreated", F_CREATED},
    {"dateModified", F_MODIFIED},
    {"url", F_URL},
    {"inLanguage", F_LANG},
    {"articleBody", F_BODY},
    {"author", F_AUTHOR},
    {"creator", F_AUTHOR},
    {"publisher", F_PUBLISHER},
};

/* What an object is. A type that says nothing is OTHER; PAGE counts when nothing better came. */
enum thing { OTHER, PAGE, LIST, PRODUCT, FORUM, ARTICLE };
static const struct {
    const char *in_type;
    enum thing thing;
} types[] = {
    {"DiscussionForumPosting", FORUM},
    {"QAPage", FORUM},
    {"Article", ARTICLE},
    {"BlogPosting", ARTICLE},
    {"Report", ARTICLE},
    {"Product", PRODUCT},
    {"SocialMediaPosting", ARTICLE},
    {"CollectionPage", LIST},
    {"ItemList", LIST},
    {"WebPage", PAGE},
};
static const char *const thing_names[] = {
    [OTHER] = NULL,        [PAGE] = NULL,     [LIST] = "list",
    [PRODUCT] = "product", [FORUM] = "forum", [ARTICLE] = "article",
};

struct frame {
    bool array;
    enum field key; /* of the object it stands in */
    enum thing thing;
    const char *text[F_COUNT]; /* in the arena */
    size_t len[F_COUNT];
    const char *authors[TM_META_AUTHORS];
    size_t n_authors;
    const char *publisher;
};

struct reader {
    struct tm_arena *arena;
    struct tm_meta *m;
    const struct tm_script *script;
    enum thing best; /* where m's fields come from */
    struct frame frames[FRAMES];
    size_t depth;
    enum field key; /* of the value to come */
};

static enum field field_of(const char *key)
{
    for (size_t i = 0; i < TM_COUNTOF(fields); i++)
        if (strcmp(fields[i].key, key) == 0)
            return fields[i].field;
    return F_NONE;
}

/* The object that a value belongs to, through arrays; *key becomes its key there. */
static struct frame *owner(struct reader *r, enum field *key)
{
    size_t at = r->depth;
    *key = r->key;
    while (at > 0 && r->frames[at - 1].array)
        *key = r->frames[--at].key;
    return at == 0 ? NULL : &r->frames[at - 1];
}

static void add_author(struct frame *f, const char *name)
{
    for (size_t i = 0; name != NULL && i < f->n_authors; i++)
        if (strcmp(f->authors[i], name) == 0)
            return;
    if (name != NULL && f->n_authors < TM_META_AUTHORS)
        f->authors[f->n_authors++] = name;
}

static void on_string(struct reader *r, const char *s, size_t n)
{
    enum field key;
    struct frame *f = owner(r, &key);
    if (f == NULL || key == F_NONE)
        return;
    if (key == F_TYPE) {
        for (size_t i = 0; i < TM_COUNTOF(types); i++)
            if (memmem(s, n, types[i].in_type, strlen(types[i].in_type)) != NULL &&
                types[i].thing > f->thing)
                f->thing = types[i].thing;
    } else if (key == F_AUTHOR) {
        add_author(f, tm_meta_tidy(r->arena, s, n, 200));
    } else if (key == F_PUBLISHER) {
        f->publisher = tm_meta_tidy(r->arena, s, n, 200);
    } else if (f->text[key] == NULL && n <= BODY_MOST) {
        bool whole = key == F_BODY;
        f->text[key] =
            whole ? tm_arena_strndup(r->arena, s, n) : tm_meta_tidy(r->arena, s, n, 1024);
        f->len[key] = f->text[key] == NULL ? 0 : whole ? n : strlen(f->text[key]);
    }
}

static void take(const char **to, const char *from, bool better)
{
    if (from != NULL && (*to == NULL || better))
        *to = from;
}

/* An object ends: a person goes to its owner, an article to the result. */
static void on_object(struct reader *r, const struct frame *f)
{
    enum field key;
    struct frame *up = owner(r, &key);
    if (up != NULL && f->key == F_AUTHOR)
        add_author(up, f->text[F_NAME]);
    if (up != NULL && f->key == F_PUBLISHER)
        up->publisher = f->text[F_NAME];
    if (f->thing == OTHER)
        return;
    struct tm_meta *m = r->m;
    bool better = f->thing > r->best;
    const char *published = f->text[F_PUBLISHED];
    take(&m->title, f->text[F_HEADLINE], better);
    if (f->thing == ARTICLE)
        take(&m->name, f->text[F_NAME], better);
    take(&m->published, published != NULL ? published : f->text[F_CREATED], better);
    take(&m->modified, f->text[F_MODIFIED], better);
    take(&m->lang, f->text[F_LANG], better);
    take(&m->site, f->publisher, better);
    if (f->thing == ARTICLE)
        take(&m->url, f->text[F_URL], better);
    if (f->n_authors > 0 && (m->n_authors == 0 || better)) {
        memcpy(m->authors, f->authors, sizeof m->authors);
        m->n_authors = f->n_authors;
    }
    if (f->thing == ARTICLE && f->len[F_BODY] > m->body.len)
        m->body = (struct tm_body){f->text[F_BODY], f->len[F_BODY], r->script->source,
                                   r->script->source_end};
    if (better) {
        r->best = f->thing;
        m->page_type = thing_names[f->thing];
    }
}

static enum tm_status on_event(struct reader *r, struct tm_json *j, const struct tm_json_event *e)
{
    switch (e->type) {
    case TM_JSON_OBJECT:
    case TM_JSON_ARRAY:
        if (r->depth == FRAMES)
            return TM_DEPTH;
        r->frames[r->depth++] = (struct frame){.array = e->type == TM_JSON_ARRAY, .key = r->key};
        if (e->type == TM_JSON_OBJECT) { /* in an array: the key of the array */
            enum field key;
            r->depth--;
            owner(r, &key);
            r->frames[r->depth++].key = key;
        }
        break;
    case TM_JSON_OBJECT_END:
        r->depth--;
        on_object(r, &r->frames[r->depth]);
        break;
    case TM_JSON_ARRAY_END:
        r->depth--;
        break;
    case TM_JSON_KEY:
        r->key = field_of(e->text);
        return TM_OK;
    case TM_JSON_STRING:
        on_string(r, e->text, e->len);
        break;
    default:
        break;
    }
    (void)j;
    r->key = F_NONE;
    return TM_OK;
}

static void read_script(struct reader *r, char *text, size_t n)
{
    struct tm_json j;
    struct tm_json_event e;
    static const char cdata[] = "<![CDATA[";
    const char *wrapped = memmem(text, n, cdata, sizeof cdata - 1);
    size_t start = wrapped == NULL ? 0 : (size_t)(wrapped - text) + sizeof cdata - 1;
    while (start < n && text[start] != '{' && text[start] != '[') /* wrapped in a comment */
        start++;
    for (size_t i = start; i < n; i++) /* raw line ends in strings are common */
        if ((unsigned char)text[i] < ' ')
            text[i] = ' ';
    tm_json_init(&j, "JSON-LD", text + start, n - start);
    r->depth = 0;
    r->key = F_NONE;
    while (tm_json_next(&j, &e, NULL) == TM_OK && e.type != TM_JSON_END)
        if (on_event(r, &j, &e) != TM_OK)
            break;
    tm_json_finish(&j);
}

void tm_jsonld_read(struct tm_page *p, struct tm_arena *arena, struct tm_meta *m)
{
    const struct tm_script *scripts = (const struct tm_script *)p->scripts_.data;
    struct reader r = {.arena = arena, .m = m, .best = OTHER};
    for (size_t i = 0; i < p->scripts_.len / sizeof *scripts; i++) {
        r.script = &scripts[i];
        if (!scripts[i].state)
            read_script(&r, p->strings.data + scripts[i].text, scripts[i].len);
    }
}
