/* Title, authors, dates, address, site and language of a page: JSON-LD, then Open Graph and
 * article:*, then other meta elements, then elements of the page. Called by clean.c. */
#include "meta.h"

#include <libxml/HTMLparser.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    NAME_MOST = 200,
    DATE_MOST = 64,
    DATE_TEXT_MOST = 100,
    URL_MOST = 2048,
    DESCRIPTION_MOST = 2048
};

/* ---- strings -----------------------------------------------------------------------------------
 */

size_t tm_meta_reference(const char *s, size_t n, uint32_t *ret_cp)
{
    const char *end = memchr(s, ';', TM_MIN(n, (size_t)16));
    if (end == NULL || end - s < 3)
        return 0;
    size_t len = (size_t)(end - s) + 1;
    if (s[1] != '#') {
        char name[16];
        snprintf(name, sizeof name, "%.*s", (int)len - 2, s + 1);
        const htmlEntityDesc *e = htmlEntityLookup((const xmlChar *)name);
        *ret_cp = e == NULL ? strcmp(name, "apos") == 0 ? '\'' : 0 : e->value;
        return *ret_cp == 0 ? 0 : len;
    }
    bool hex = (s[2] | 32) == 'x';
    uint32_t cp = 0;
    for (const char *d = s + 2 + hex; d < end; d++) {
        unsigned digit = *d >= '0' && *d <= '9' ? (unsigned)(*d - '0')
                         : hex && (*d | 32) >= 'a' && (*d | 32) <= 'f'
                             ? (unsigned)((*d | 32) - 'a' + 10)
                             : 99;
        if (digit > 15 || cp > 0x10ffff)
            return 0;
        cp = cp * (hex ? 16 : 10) + digit;
    }
    char code[4];
    *ret_cp = cp;
    return cp == 0 || tm_utf8_encode(cp, code) == 0 ? 0 : len;
}

const char *tm_meta_tidy(struct tm_arena *arena, const char *s, size_t n, size_t most)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf out = {0};
    bool gap = false;
    for (size_t i = 0; i < n && out.len < most;) {
        uint32_t cp;
        size_t len = s[i] == '&' ? tm_meta_reference(s + i, n - i, &cp) : 0;
        if (len == 0 && (len = tm_utf8_decode(s + i, n - i, &cp)) == 0)
            break;
        i += len;
        if (cp <= ' ' || cp == 0xa0 || (cp >= 0x7f && cp < 0xa0)) {
            gap = out.len > 0;
            continue;
        }
        char code[4];
        if (gap)
            tm_buf_putc(&out, ' ');
        gap = false;
        tm_buf_append(&out, code, tm_utf8_encode(cp, code));
    }
    return out.len == 0 || out.failed ? NULL : tm_arena_strndup(arena, out.data, out.len);
}

static const char *tidy(struct tm_arena *arena, const char *s, size_t most)
{
    return s == NULL ? NULL : tm_meta_tidy(arena, s, strlen(s), most);
}

/* ---- meta elements -----------------------------------------------------------------------------
 */

static const char *const title_names[] = {"dc.title",      "dc:title",      "dcterms.title",
                                          "dcterms:title", "og:title",      "title",
                                          "twitter:title", "parsely-title", NULL};
static const char *const site_names[] = {"og:site_name", "application-name", "dc.publisher", NULL};
static const char *const published_names[] = {"article:published_time",
                                              "datepublished",
                                              "date",
                                              "dc.date",
                                              "dc.date.issued",
                                              "dcterms.created",
                                              "dc.date.created",
                                              "pubdate",
                                              "publishdate",
                                              "publish-date",
                                              "publication_date",
                                              "parsely-pub-date",
                                              "sailthru.date",
                                              "og:published_time",
                                              "article.published",
                                              "citation_publication_date",
                                              "dcterms.date",
                                              "dcterms.issued",
                                              "dc.date.publication",
                                              "originalpublicationdate",
                                              "article_date_original",
                                              "publication-date",
                                              "publish_date",
                                              "published-date",
                                              "cxenseparse:recs:publishtime",
                                              "rnews:datepublished",
                                              "bt:pubdate",
                                              NULL};
static const char *const modified_names[] = {"article:modified_time", "datemodified",
                                             "og:updated_time",       "last-modified",
                                             "dcterms.modified",      NULL};
static const char *const author_names[] = {"dc.creator",
                                           "dc:creator",
                                           "dcterms.creator",
                                           "dcterms:creator",
                                           "author",
                                           "article:author",
                                           "parsely-author",
                                           "sailthru.author",
                                           "citation_author",
                                           "twitter:creator",
                                           NULL};
static const char *const url_names[] = {"og:url", "twitter:url", NULL};
static const char *const description_names[] = {"og:description", "description",
                                                "twitter:description", NULL};
static const char *const lang_names[] = {"og:locale", "content-language", "dc.language", "language",
                                         NULL};

/* Whether one of the names in an attribute, parted by blanks, is this one. */
static bool has_name(const char *names, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = names; *at != '\0';) {
        size_t len = strcspn(at, " \t\r\n");
        if (len == n && strncasecmp(at, name, n) == 0)
            return true;
        at += len;
        at += strspn(at, " \t\r\n");
    }
    return false;
}

/* The content of the first element whose name comes first in the list; NULL: none. */
static const char *meta_value(const struct tm_page *p, const char *const *names)
{
    const struct tm_meta_entry *metas = (const struct tm_meta_entry *)p->metas_.data;
    size_t n = p->metas_.len / sizeof *metas;
    for (; *names != NULL; names++) {
        for (size_t i = 0; i < n; i++) {
            const char *content = tm_page_string(p, metas[i].content);
            if (content[strspn(content, " \t\r\n")] != '\0' &&
                has_name(tm_page_string(p, metas[i].name), *names))
                return content;
        }
    }
    return NULL;
}

/* ---- fields ------------------------------------------------------------------------------------
 */

const char *tm_meta_text(const struct tm_page *p, uint32_t node, struct tm_arena *arena,
                         size_t most)
{
    const struct tm_node *n = &tm_page_nodes(p)[node];
    const struct tm_piece *pieces = tm_page_pieces(p);
    if (n->piece == n->piece_end)
        return NULL;
    const struct tm_piece *last = &pieces[n->piece_end - 1];
    uint32_t from = pieces[n->piece].text;
    return tm_meta_tidy(arena, p->text.data + from, last->text + last->len - from, most);
}

static bool is_digits(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] < '0' || s[i] > '9')
            return false;
    return true;
}

static const char *date(struct tm_arena *arena, const char *s)
{
    const char *tidied = tidy(arena, s, DATE_MOST);
    return tidied == NULL ? NULL : tm_meta_date(arena, tidied);
}

/* "/2026/01/31/" in an address, as "2026-01-31". */
static const char *url_date(struct tm_arena *arena, const char *url)
{
    for (const char *s = url; s != NULL && (s = strchr(s, '/')) != NULL; s++) {
        if (strnlen(s, 12) == 12 && is_digits(s + 1, 4) && s[5] == '/' && is_digits(s + 6, 2) &&
            s[8] == '/' && is_digits(s + 9, 2) && s[11] == '/' && (s[1] == '1' || s[1] == '2'))
            return tm_arena_printf(arena, "%.4s-%.2s-%.2s", s + 1, s + 6, s + 9);
    }
    return NULL;
}

/* The date that the page shows: the first short text that has one, before it goes on at length. */
static const char *visible_date(const struct tm_page *p, struct tm_arena *arena)
{
    const struct tm_block_range *blocks = tm_page_blocks(p);
    const struct tm_piece *pieces = tm_page_pieces(p);
    for (size_t i = 0; i < tm_page_n_blocks(p); i++) {
        const struct tm_piece *first = &pieces[blocks[i].piece],
                              *last = &pieces[blocks[i].piece_end - 1];
        uint32_t len = last->text + last->len - first->text;
        if (len < 8 || len > DATE_TEXT_MOST)
            continue;
        const char *text = tm_meta_tidy(arena, p->text.data + first->text, len, DATE_TEXT_MOST);
        const char *found = text == NULL ? NULL : tm_meta_date(arena, text);
        if (found != NULL)
            return tm_arena_strndup(arena, found, 10);
    }
    return NULL;
}

/* "By Kim Olsen | City desk" is Kim Olsen; NULL: no name. */
static const char *person(struct tm_arena *arena, const char *s)
{
    static const char *const before[] = {
        "written by", "posted by", "view all posts by", "by",     "von",      "par",  "por",
        "di",         "autor",     "autorin",           "author", "autor/in", "text", "words"};
    static const char *const after[] = {" | ", " • ", " · ", " – ", " — ", " on ", " am ", ", "};
    for (size_t i = 0; s != NULL && i < TM_COUNTOF(before); i++) {
        size_t n = strlen(before[i]);
        if (strncasecmp(s, before[i], n) == 0 && (s[n] == ' ' || s[n] == ':')) {
            s += n + strspn(s + n, " :");
            i = (size_t)-1; /* "Posted by: Author Kim" */
        }
    }
    if (s == NULL || strstr(s, "://") != NULL || s[0] == '@')
        return NULL; /* an address, an account */
    size_t n = strlen(s);
    for (size_t i = 0; i < TM_COUNTOF(after); i++) {
        const char *at = strstr(s, after[i]);
        if (at != NULL && at > s)
            n = TM_MIN(n, (size_t)(at - s));
    }
    bool sound = n >= 3 && n < 80 && tm_meta_words(s, n) <= 6;
    for (size_t i = 0; i < n; i++)
        sound = sound && !(s[i] >= '0' && s[i] <= '9') && strchr("!?{}<>=", s[i]) == NULL;
    return sound ? tm_arena_strndup(arena, s, n) : NULL;
}

/* The first element that says whom the page is by: in its role, else in its class. */
static const char *byline(const struct tm_page *p, struct tm_arena *arena)
{
    const struct tm_node *nodes = tm_page_nodes(p);
    const char *name = NULL;
    if (p->author_node > 0)
        name = person(arena, tm_meta_text(p, p->author_node - 1, arena, NAME_MOST));
    for (uint32_t i = 0; name == NULL && i < tm_page_n_nodes(p); i++) {
        unsigned hints = nodes[i].class_hints | nodes[i].id_hints;
        if (nodes[i].rule == TM_RULE_COMMENTS)
            i = nodes[i].end - 1;
        else if ((hints & HINT_BYLINE) && nodes[i].piece_end - nodes[i].piece < 12)
            name = person(arena, tm_meta_text(p, i, arena, NAME_MOST));
    }
    return name;
}

static void read_authors(struct tm_page *p, struct tm_arena *arena, struct tm_meta *m)
{
    if (m->n_authors > 0)
        return;
    const char *name = person(arena, tidy(arena, meta_value(p, author_names), NAME_MOST));
    if (name == NULL)
        name = byline(p, arena);
    if (name != NULL)
        m->authors[m->n_authors++] = name;
}

/* BCP 47: "en_US" is "en-US", and only what can be a tag is one. */
static const char *language(struct tm_arena *arena, const char *s)
{
    const char *tag = tidy(arena, s, 36);
    if (tag == NULL ||
        strspn(tag, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") !=
            strlen(tag) ||
        strlen(tag) < 2)
        return NULL;
    char *copy = tm_arena_strdup(arena, tag);
    for (char *c = copy; c != NULL && *c != '\0'; c++)
        if (*c == '_')
            *c = '-';
    return copy;
}

static void read_url(const struct tm_page *p, struct tm_arena *arena, struct tm_meta *m)
{
    const char *said = tm_page_string(p, p->canonical);
    if (said == NULL || strstr(said, "://") == NULL)
        said = meta_value(p, url_names);
    if (said != NULL && strstr(said, "://") != NULL)
        m->url = tidy(arena, said, URL_MOST);
}

static void read_dates(const struct tm_page *p, struct tm_arena *arena, struct tm_meta *m)
{
    m->published = date(arena, m->published);
    for (const char *const *name = published_names; m->published == NULL && *name != NULL; name++)
        m->published = date(arena, meta_value(p, (const char *const[]){*name, NULL}));
    if (m->published == NULL)
        m->published = date(arena, tm_page_string(p, p->date_published));
    if (m->published == NULL)
        m->published = date(arena, tm_page_string(p, p->time_published));
    if (m->published == NULL)
        m->published = url_date(arena, m->url);
    if (m->published == NULL)
        m->published = visible_date(p, arena);
    m->modified = date(arena, m->modified);
    if (m->modified == NULL)
        m->modified = date(arena, meta_value(p, modified_names));
}

void tm_meta_read(struct tm_page *p, struct tm_arena *arena, struct tm_meta *m)
{
    static const char *const type_names[] = {"og:type", NULL};
    tm_jsonld_read(p, arena, m);
    if (m->site == NULL)
        m->site = tidy(arena, meta_value(p, site_names), NAME_MOST);
    read_url(p, arena, m);
    m->title =
        tm_meta_title(p, arena, m, tidy(arena, meta_value(p, title_names), TM_META_TITLE_MOST));
    read_authors(p, arena, m);
    m->description = tidy(arena, meta_value(p, description_names), DESCRIPTION_MOST);
    read_dates(p, arena, m);
    const char *said = p->lang != 0 ? tm_page_string(p, p->lang) : meta_value(p, lang_names);
    m->lang = language(arena, said != NULL ? said : m->lang);
    const char *type = meta_value(p, type_names);
    if (m->page_type == NULL && type != NULL && strcasecmp(type, "article") == 0)
        m->page_type = "article";
}
