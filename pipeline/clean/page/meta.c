/* Title, authors, dates, address, site and language of a page: JSON-LD, then Open Graph and
 * article:*, then other meta elements, then elements of the page. Called by clean.c. */
#include "meta.h"

#include <libxml/HTMLparser.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { TITLE_MOST = 1024, NAME_MOST = 200, DATE_MOST = 64, URL_MOST = 2048 };

/* ---- strings -----------------------------------------------------------------------------------
 */

/* One character reference at s ("&amp;", "&#8217;", "&#x2019;"); 0: none. */
static size_t reference(const char *s, size_t n, uint32_t *ret_cp)
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
        size_t len = s[i] == '&' ? reference(s + i, n - i, &cp) : 0;
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

static const char *const title_names[] = {"og:title", "twitter:title", "dc.title", "title", NULL};
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
                                              NULL};
static const char *const modified_names[] = {"article:modified_time", "datemodified",
                                             "og:updated_time",       "last-modified",
                                             "dcterms.modified",      NULL};
static const char *const author_names[] = {
    "author",          "article:author",  "dc.creator",      "parsely-author",
    "sailthru.author", "citation_author", "twitter:creator", NULL};
static const char *const url_names[] = {"og:url", "twitter:url", NULL};
static const char *const lang_names[] = {"og:locale", "content-language", "dc.language", "language",
                                         NULL};

/* The content of the first element whose name comes first in the list; NULL: none. */
static const char *meta_value(const struct tm_page *p, const char *const *names)
{
    const struct tm_meta_entry *metas = (const struct tm_meta_entry *)p->metas_.data;
    size_t n = p->metas_.len / sizeof *metas;
    for (; *names != NULL; names++) {
        for (size_t i = 0; i < n; i++) {
            const char *content = tm_page_string(p, metas[i].content);
            if (content[0] != '\0' && strcasecmp(tm_page_string(p, metas[i].name), *names) == 0)
                return content;
        }
    }
    return NULL;
}

/* ---- fields ------------------------------------------------------------------------------------
 */

/* "Headline | Site" without the site, where the page names its site or repeats the headline. */
static const char *without_site(struct tm_arena *arena, const char *title, const char *site)
{
    static const char *const bars[] = {" | ", " - ", " – ", " — ", " · ", " :: ", " » "};
    if (title == NULL || site == NULL)
        return title;
    for (size_t i = 0; i < TM_COUNTOF(bars); i++) {
        const char *last = NULL;
        for (const char *at = title; (at = strstr(at, bars[i])) != NULL; at++)
            last = at;
        if (last == NULL || last == title)
            continue;
        if (strncasecmp(last + strlen(bars[i]), site, strlen(site)) == 0)
            return tm_arena_strndup(arena, title, (size_t)(last - title));
    }
    return title;
}

static const char *element_text(const struct tm_page *p, uint32_t node, struct tm_arena *arena,
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

/* The only <h1>; pages with several use them for other things. */
static const char *heading(const struct tm_page *p, struct tm_arena *arena)
{
    const struct tm_node *nodes = tm_page_nodes(p);
    uint32_t found = UINT32_MAX;
    for (uint32_t i = 0; i < tm_page_n_nodes(p); i++) {
        if (nodes[i].tag != TM_TAG_H1)
            continue;
        if (found != UINT32_MAX)
            return NULL;
        found = i;
    }
    return found == UINT32_MAX ? NULL : element_text(p, found, arena, TITLE_MOST);
}

static void read_title(struct tm_page *p, struct tm_arena *arena, struct tm_meta *m)
{
    if (m->title == NULL)
        m->title = tidy(arena, meta_value(p, title_names), TITLE_MOST);
    if (m->title == NULL)
        m->title = heading(p, arena);
    if (m->title == NULL && p->title.len > 0)
        m->title = tm_meta_tidy(arena, p->title.data, p->title.len, TITLE_MOST);
    m->title = without_site(arena, m->title, m->site);
}

static bool is_digits(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] < '0' || s[i] > '9')
            return false;
    return true;
}

/* Other forms than "2026-01-31…" say nothing for certain: the next source may be better. */
static const char *date(struct tm_arena *arena, const char *s)
{
    const char *tidied = tidy(arena, s, DATE_MOST);
    bool sound = tidied != NULL && strlen(tidied) >= 10 && is_digits(tidied, 4) &&
                 tidied[4] == '-' && is_digits(tidied + 5, 2) && tidied[7] == '-' &&
                 is_digits(tidied + 8, 2);
    return sound ? tidied : NULL;
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

static void read_authors(struct tm_page *p, struct tm_arena *arena, struct tm_meta *m)
{
    if (m->n_authors > 0)
        return;
    const char *name = tidy(arena, meta_value(p, author_names), NAME_MOST);
    if (name != NULL && (strstr(name, "://") != NULL || name[0] == '@'))
        name = NULL; /* an address, an account */
    if (name == NULL && p->author_node > 0)
        name = element_text(p, p->author_node - 1, arena, NAME_MOST);
    if (name != NULL && strncasecmp(name, "by ", 3) == 0)
        name += 3;
    if (name != NULL && name[0] != '\0' && strlen(name) < 100)
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

void tm_meta_read(struct tm_page *p, struct tm_arena *arena, struct tm_meta *m)
{
    const char *said = m->lang;
    tm_jsonld_read(p, arena, m);
    if (m->site == NULL || meta_value(p, site_names) != NULL)
        m->site = tidy(arena, meta_value(p, site_names), NAME_MOST);
    read_title(p, arena, m);
    read_authors(p, arena, m);
    const char *canonical = tm_page_string(p, p->canonical);
    if (canonical == NULL || strstr(canonical, "://") == NULL)
        canonical = meta_value(p, url_names);
    if (canonical != NULL && strstr(canonical, "://") != NULL)
        m->url = tidy(arena, canonical, URL_MOST);
    m->published = date(arena, m->published);
    for (const char *const *name = published_names; m->published == NULL && *name != NULL; name++)
        m->published = date(arena, meta_value(p, (const char *const[]){*name, NULL}));
    if (m->published == NULL)
        m->published = date(arena, tm_page_string(p, p->time_published));
    if (m->published == NULL)
        m->published = url_date(arena, m->url);
    m->modified = date(arena, m->modified);
    if (m->modified == NULL)
        m->modified = date(arena, meta_value(p, modified_names));
    said = p->lang != 0 ? tm_page_string(p, p->lang) : meta_value(p, lang_names);
    m->lang = language(arena, said != NULL ? said : m->lang);
    static const char *const type_names[] = {"og:type", NULL};
    const char *type = meta_value(p, type_names);
    if (m->page_type == NULL && type != NULL && strcasecmp(type, "article") == 0)
        m->page_type = "article";
}
