/* Finds words inside class and id attributes, wherever they stand: a table of words made into one
 * automaton (Aho and Corasick, 1975), so that an attribute is read once. Made with the vocabulary
 * at start, read by html.c on any thread. */
#include "words.h"

#include <stdlib.h>
#include <string.h>

enum { SYMBOLS = 28, STATES = 640 }; /* letters, what parts words, everything else */

static const struct hint {
    const char *word; /* '-' stands for any mark between words, and for either end */
    unsigned bits;
} hints[] = {
    {"-ad-", HINT_UNLIKELY | HINT_BAD},
    {"ai-html", HINT_UNLIKELY},
    {"banner", HINT_UNLIKELY | HINT_BAD},
    {"breadcrumb", HINT_UNLIKELY},
    {"combx", HINT_UNLIKELY | HINT_BAD},
    {"comment", HINT_UNLIKELY | HINT_BAD},
    {"community", HINT_UNLIKELY},
    {"cover-wrap", HINT_UNLIKELY},
    {"disqus", HINT_UNLIKELY},
    {"extra", HINT_UNLIKELY},
    {"footer", HINT_UNLIKELY | HINT_BAD},
    {"gdpr", HINT_UNLIKELY | HINT_BAD},
    {"header", HINT_UNLIKELY},
    {"legends", HINT_UNLIKELY},
    {"menu", HINT_UNLIKELY},
    {"related", HINT_UNLIKELY | HINT_BAD},
    {"remark", HINT_UNLIKELY},
    {"replies", HINT_UNLIKELY},
    {"rss", HINT_UNLIKELY},
    {"shoutbox", HINT_UNLIKELY | HINT_BAD},
    {"sidebar", HINT_UNLIKELY | HINT_BAD},
    {"skyscraper", HINT_UNLIKELY | HINT_BAD},
    {"social", HINT_UNLIKELY},
    {"sponsor", HINT_UNLIKELY | HINT_BAD},
    {"supplemental", HINT_UNLIKELY},
    {"ad-break", HINT_UNLIKELY},
    {"agegate", HINT_UNLIKELY},
    {"pagination", HINT_UNLIKELY | HINT_GOOD},
    {"pager", HINT_UNLIKELY},
    {"popup", HINT_UNLIKELY},
    {"newsletter", HINT_UNLIKELY},
    {"cookie", HINT_UNLIKELY | HINT_BAD},
    {"and", HINT_MAYBE},
    {"article", HINT_MAYBE | HINT_GOOD},
    {"body", HINT_MAYBE | HINT_GOOD},
    {"column", HINT_MAYBE},
    {"content", HINT_MAYBE | HINT_GOOD},
    {"main", HINT_MAYBE | HINT_GOOD},
    {"mathjax", HINT_MAYBE},
    {"shadow", HINT_MAYBE},
    {"entry", HINT_GOOD},
    {"page", HINT_GOOD},
    {"post", HINT_GOOD},
    {"text", HINT_GOOD},
    {"blog", HINT_GOOD},
    {"story", HINT_GOOD},
    {"artikel", HINT_GOOD},
    {"hidden", HINT_BAD},
    {"-hid-", HINT_BAD},
    {"com-", HINT_BAD},
    {"contact", HINT_BAD},
    {"masthead", HINT_BAD},
    {"media", HINT_BAD},
    {"meta", HINT_BAD},
    {"outbrain", HINT_BAD},
    {"promo", HINT_BAD},
    {"scroll", HINT_BAD},
    {"share", HINT_BAD},
    {"-share-", HINT_SHARE},
    {"-sharedaddy-", HINT_SHARE},
    {"shopping", HINT_BAD},
    {"tags", HINT_BAD},
    {"widget", HINT_BAD},
    {"byline", HINT_BYLINE},
    {"author", HINT_BYLINE},
    {"dateline", HINT_BYLINE},
    {"writtenby", HINT_BYLINE},
};

struct tm_hints {
    uint16_t next[STATES][SYMBOLS];
    uint16_t bits[STATES];
    unsigned n;
};

static unsigned symbol(char c)
{
    if (c >= 'A' && c <= 'Z')
        c = (char)(c + 32);
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a');
    return c >= '0' && c <= '9' ? 27 : 26;
}

static void add_word(struct tm_hints *h, const struct hint *hint)
{
    unsigned at = 0;
    for (const char *s = hint->word; *s != '\0'; s++) {
        uint16_t *next = &h->next[at][symbol(*s)];
        if (*next == 0) {
            tm_assert(h->n < STATES);
            *next = (uint16_t)h->n++;
        }
        at = *next;
    }
    h->bits[at] |= (uint16_t)hint->bits;
}

/* Turns the tree of words into an automaton: where no word goes on, the longest end of what was
 * read that begins a word. Breadth first, so that shorter ends are ready. */
static void link_states(struct tm_hints *h)
{
    uint16_t queue[STATES], fail[STATES] = {0};
    unsigned head = 0, tail = 0;
    for (unsigned c = 0; c < SYMBOLS; c++)
        if (h->next[0][c] != 0)
            queue[tail++] = h->next[0][c];
    while (head < tail) {
        unsigned at = queue[head++];
        h->bits[at] |= h->bits[fail[at]];
        for (unsigned c = 0; c < SYMBOLS; c++) {
            uint16_t *next = &h->next[at][c], other = h->next[fail[at]][c];
            if (*next == 0) {
                *next = other;
            } else {
                fail[*next] = other;
                queue[tail++] = *next;
            }
        }
    }
}

struct tm_hints *tm_hints_create(void)
{
    struct tm_hints *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->n = 1;
    for (size_t i = 0; i < TM_COUNTOF(hints); i++)
        add_word(h, &hints[i]);
    link_states(h);
    return h;
}

void tm_hints_destroy(struct tm_hints *h)
{
    free(h);
}

unsigned tm_hints_find(const struct tm_hints *h, const char *value)
{
    unsigned at = h->next[0][symbol('-')], bits = h->bits[at];
    for (; *value != '\0'; value++) {
        at = h->next[at][symbol(*value)];
        bits |= h->bits[at];
    }
    return bits | h->bits[h->next[at][symbol('-')]];
}
