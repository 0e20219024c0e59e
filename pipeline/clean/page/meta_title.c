/* The title of a page: JSON-LD's headline, what the head says, <title> and the headings that
 * readers see often differ by a site's name, by a line that stands over the headline, or one of
 * them is cut short. Called by meta.c. */
#include "meta.h"

#include <string.h>
#include <strings.h>

enum { HEADINGS_MOST = 16 };

size_t tm_meta_words(const char *s, size_t n)
{
    size_t words = 0;
    for (size_t i = 0; i < n; i++)
        words += s[i] != ' ' && (i == 0 || s[i - 1] == ' ');
    return words;
}

/* The first mark between a headline and a site's name; NULL: none. */
static const char *next_bar(const char *s, size_t *ret_len)
{
    static const char *const bars[] = {" | ",  " - ", " – ", " — ", " · ",
                                       " :: ", " » ", " › ", " • "};
    const char *first = NULL;
    for (size_t i = 0; i < TM_COUNTOF(bars); i++) {
        const char *at = strstr(s, bars[i]);
        if (at == NULL || (first != NULL && at > first))
            continue;
        first = at;
        *ret_len = strlen(bars[i]);
    }
    return first;
}

/* "Headline | Site" without the site: where the page names its site so, or, of a <title>, where
 * what is left is long enough for a headline. */
static const char *without_site(struct tm_arena *arena, const char *title, const char *site,
                                bool guess)
{
    const char *last = NULL;
    size_t bar = 0;
    if (title == NULL)
        return NULL;
    for (const char *at = title; (at = next_bar(at, &bar)) != NULL; at += bar) {
        if (at > title && site != NULL && strncasecmp(at + bar, site, strlen(site)) == 0)
            return tm_arena_strndup(arena, title, (size_t)(at - title));
        last = at;
    }
    if (guess && last != NULL && tm_meta_words(title, (size_t)(last - title)) > 4)
        return tm_arena_strndup(arena, title, (size_t)(last - title));
    return title;
}

/* How many words of a are words of b too. */
static size_t shared_words(const char *a, const char *b)
{
    size_t shared = 0;
    while (*a != '\0') {
        size_t n = strcspn(a, " ");
        const char *at = n == 0 ? NULL : memmem(b, strlen(b), a, n);
        shared += at != NULL && (at == b || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0');
        a += n;
        a += *a == ' ';
    }
    return shared;
}

/* ---- headings ----------------------------------------------------------------------------------
 */

struct headings {
    const char *text[HEADINGS_MOST];
    size_t n;
};

static void read_headings(const struct tm_page *p, struct tm_arena *arena, struct headings *ret)
{
    const struct tm_node *nodes = tm_page_nodes(p);
    ret->n = 0;
    for (uint32_t i = 0; i < tm_page_n_nodes(p) && ret->n < HEADINGS_MOST; i++) {
        const char *text =
            nodes[i].tag == TM_TAG_H1 ? tm_meta_text(p, i, arena, TM_META_TITLE_MOST) : NULL;
        if (text != NULL)
            ret->text[ret->n++] = text;
    }
}

/* Bytes at s that make no word: ASCII's marks, and the dashes and quotes of U+2010 to U+203F. */
static size_t mark_length(const char *s)
{
    unsigned char c = (unsigned char)s[0];
    bool general = c == 0xe2 && (unsigned char)s[1] == 0x80 && (unsigned char)s[2] >= 0x90;
    bool letter = c >= 0x80 || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
    return general ? 3 : c != '\0' && !letter;
}

/* Where in title a heading ends that it begins with, marks and case put aside; 0: it does not. */
static size_t length_of_heading(const char *title, const char *heading)
{
    const char *t = title, *h = heading;
    for (;;) {
        for (size_t n; (n = mark_length(h)) > 0;)
            h += n;
        if (*h == '\0')
            return (size_t)(t - title);
        for (size_t n; (n = mark_length(t)) > 0;)
            t += n;
        if (strncasecmp(t, h, 1) != 0)
            return 0;
        t++, h++;
    }
}

/* Whether a name is that of the host in an address: "The Daily" of "https://www.thedaily.com/". */
static bool is_host(const char *name, const char *url)
{
    const char *host = url == NULL ? NULL : strstr(url, "://");
    size_t matched = 0;
    if (host == NULL)
        return false;
    host += 3;
    host += strncasecmp(host, "www.", 4) == 0 ? 4 : 0;
    for (const char *s = name; *s != '\0'; s++) {
        if (mark_length(s) > 0)
            continue;
        host += *host == '-';
        if (strncasecmp(s, host, 1) != 0)
            return *host == '\0' && matched > 3;
        host++, matched++;
    }
    return matched > 3 && strchr("./:", *host) != NULL;
}

/* "Headline - Author - Site" is the headline, where a heading of the page says so and the address
 * names the site; of a heading that is the site's name, what stands behind it. */
static const char *without_surroundings(struct tm_arena *arena, const char *title,
                                        const struct headings *headings, const char *url)
{
    for (size_t i = 0; title != NULL && i < headings->n; i++) {
        size_t bar = 0, n = length_of_heading(title, headings->text[i]);
        const char *at = n == 0 ? NULL : next_bar(title, &bar), *last = NULL;
        while (at != NULL && at < title + n) /* bars of the headline itself */
            at = next_bar(at + bar, &bar);
        if (at == NULL || strcspn(title + n, " ") + n > (size_t)(at - title))
            continue;
        const char *rest = at + bar;
        for (const char *next = at; next != NULL; next = next_bar(next + bar, &bar))
            last = next + bar;
        if (is_host(last, url))
            return tm_arena_strndup(arena, title, (size_t)(at - title));
        if (tm_meta_words(headings->text[i], strlen(headings->text[i])) <= 2 &&
            tm_meta_words(rest, strlen(rest)) > 4)
            return rest;
    }
    return title;
}

/* ---- the choice --------------------------------------------------------------------------------
 */

/* "kindersitz-test-2018" is a name for machines. */
static bool is_slug(const char *s)
{
    size_t marks = 0;
    for (const char *at = s; *at != '\0'; at++) {
        if (*at == ' ' || (unsigned char)*at >= 0x80)
            return false;
        marks += *at == '-' || *at == '_';
    }
    return marks >= 2;
}

/* Without a word about its title in the head: the only <h1> where <title> repeats it, else <title>.
 */
static const char *visible_title(struct tm_arena *arena, const struct headings *headings,
                                 const char *title, const struct tm_meta *m)
{
    /* pages with several use them for other things */
    const char *h1 = headings->n == 1 ? headings->text[0] : NULL;
    if (title == NULL)
        return h1;
    const char *bare = without_surroundings(arena, title, headings, m->url);
    if (bare == title && h1 != NULL && strcasestr(title, h1) != NULL)
        return h1;
    return bare != title ? bare : without_site(arena, title, m->site, true);
}

/* "A headline that was too lo..." is what <title> has in full. */
static const char *untruncated(struct tm_arena *arena, const char *said, const char *title,
                               const char *site)
{
    size_t n = said == NULL ? 0 : strlen(said), dots = 0;
    if (n > 3 && strcmp(said + n - 3, "...") == 0)
        dots = 3;
    else if (n > 3 && strcmp(said + n - 3, "…") == 0)
        dots = strlen("…");
    if (dots == 0 || title == NULL || strncmp(said, title, n - dots) != 0 ||
        strncmp(title + n - dots, said + n - dots, dots) == 0)
        return said;
    return without_site(arena, title, site, true);
}

const char *tm_meta_title(const struct tm_page *p, struct tm_arena *arena, const struct tm_meta *m,
                          const char *said)
{
    struct headings headings;
    const char *title = p->title.len == 0
                            ? NULL
                            : tm_meta_tidy(arena, p->title.data, p->title.len, TM_META_TITLE_MOST);
    const char *best = m->title;
    read_headings(p, arena, &headings);
    if (said != NULL && is_slug(said))
        said = NULL;
    if (best != NULL && m->name != NULL && title != NULL &&
        shared_words(m->name, title) > shared_words(best, title))
        best = m->name; /* a headline for search engines; the name is what readers see */
    if (best == NULL)
        best = m->name != NULL && said == NULL ? m->name : said;
    else if (said != NULL && title != NULL && strstr(said, best) != NULL &&
             shared_words(said, title) > shared_words(best, title))
        best = said; /* with the line that stands over it */
    if (best == NULL)
        best = visible_title(arena, &headings, title, m);
    best = without_site(arena, best, m->site, false);
    best = without_surroundings(arena, best, &headings, m->url);
    return untruncated(arena, best, title, m->site);
}
