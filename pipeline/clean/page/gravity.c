/* Finds the article by where words of running text gather: a paragraph pulls at its parent, less at
 * the elements further up, and the strongest element with those beside it is the article. After the
 * family of newspaper and goose, with short words in lower case in the place of their lists of stop
 * words, so that the language does not matter. Called by choose.c on any thread. */
#include "extract.h"

#include <string.h>

enum {
    WORDS = 3,    /* least short words of a paragraph that pulls */
    SHORT = 4,    /* code points of a short word */
    DENSE = 6,    /* letters of a script without case that count as a short word */
    LEAD_MOST = 5 /* blocks looked back for a paragraph that leads up to one */
};

static bool is_lower(uint32_t cp)
{
    return (cp >= 'a' && cp <= 'z') || (cp >= 0xdf && cp <= 0xff && cp != 0xf7) ||
           (cp >= 0x100 && cp < 0x180 && (cp & 1)) || (cp >= 0x3ac && cp <= 0x3ce) ||
           (cp >= 0x430 && cp <= 0x45f);
}

static bool has_no_case(uint32_t cp)
{
    return (cp >= 0x590 && cp < 0x1100) || (cp >= 0x3040 && cp < 0xa000) ||
           (cp >= 0xac00 && cp < 0xd7b0);
}

/* How much of a text's words are such as hold sentences together. */
static uint32_t short_words(const char *s, size_t n)
{
    uint32_t count = 0, letters = 0, dense = 0;
    bool lower = false;
    for (size_t i = 0; i < n;) {
        uint32_t cp = (unsigned char)s[i];
        size_t len = cp < 0x80 ? 1 : tm_utf8_decode(s + i, n - i, &cp);
        if (len == 0)
            break;
        i += len;
        dense += has_no_case(cp);
        bool letter = (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z') || cp >= 0xc0;
        if (letter) {
            lower = letters++ == 0 ? is_lower(cp) : lower;
            continue;
        }
        count += lower && letters <= SHORT;
        letters = 0;
        lower = false;
    }
    return count + (lower && letters <= SHORT && letters > 0) + dense / DENSE;
}

static uint32_t pull_of(const struct tm_extract *x, size_t block)
{
    const struct tm_block_range *b = &tm_page_blocks(x->page)[block];
    const struct tm_piece *pieces = tm_page_pieces(x->page);
    struct tm_stats s = tm_extract_block(x, block);
    uint32_t words = 0;
    if (s.chars < 25 || 2 * s.link_chars > s.chars || b->kind == TM_BLOCK_HEADING ||
        b->kind == TM_BLOCK_LI)
        return 0;
    for (uint32_t k = b->piece; k < b->piece_end; k++)
        if (!x->gone[k])
            words += short_words(x->page->text.data + pieces[k].text, pieces[k].len);
    return words >= WORDS ? words : 0;
}

static void drop_by_element(struct tm_extract *x)
{
    const struct tm_node *nodes = tm_page_nodes(x->page);
    for (uint32_t i = 0; i < tm_page_n_nodes(x->page); i++) {
        uint8_t rule = nodes[i].hidden ? TM_RULE_HIDDEN : tm_tags[nodes[i].tag].rule;
        bool inline_element = !(tm_tags[nodes[i].tag].flags & TAG_BLOCK);
        if (rule == TM_RULE_NONE || (inline_element && rule != TM_RULE_HIDDEN) ||
            2 * x->sums[i].chars > x->sums[0].chars)
            continue;
        x->dead[i] = rule;
        i = nodes[i].end - 1;
    }
}

/* Blocks of one container that are text: paragraphs, headings between them, lists, no links. */
static void keep_inside(struct tm_extract *x, uint32_t root)
{
    const struct tm_node *r = &tm_page_nodes(x->page)[root];
    size_t end = tm_extract_first_block(x->page, r->piece_end);
    for (size_t i = tm_extract_first_block(x->page, r->piece); i < end; i++) {
        struct tm_stats s = tm_extract_block(x, i);
        x->keep[i] = s.chars > 0 && 2 * s.link_chars <= s.chars;
    }
}

/* Every paragraph pulls at its parent fully, at the next two above it less. */
static uint32_t spread(struct tm_extract *x, float *pulls)
{
    static const float shares[] = {1, 0.4f, 0.15f};
    const struct tm_node *nodes = tm_page_nodes(x->page);
    const struct tm_block_range *blocks = tm_page_blocks(x->page);
    uint32_t best = 0, lead = 0;
    for (size_t i = 0; i < tm_page_n_blocks(x->page); i++) {
        uint32_t pull = pull_of(x, i);
        lead = pull > 0 ? LEAD_MOST : lead - (lead > 0);
        if (pull == 0)
            continue;
        uint32_t at = blocks[i].stray ? blocks[i].node : nodes[blocks[i].node].parent;
        for (size_t k = 0; k < TM_COUNTOF(shares) && at != 0; k++) {
            pulls[at] += shares[k] * (float)pull;
            if (best == 0 || pulls[at] > pulls[best])
                best = at;
            at = nodes[at].parent;
        }
    }
    return best;
}

uint32_t tm_gravity_find(struct tm_extract *x)
{
    const struct tm_node *nodes = tm_page_nodes(x->page);
    size_t n = tm_page_n_nodes(x->page);
    tm_buf_clear(&x->scores_);
    if (n == 0 || !tm_buf_reserve(&x->scores_, n * sizeof(float)))
        return 0;
    float *pulls = (float *)x->scores_.data;
    memset(pulls, 0, n * sizeof *pulls);
    memset(x->dead, 0, n);
    memset(x->keep, 0, tm_page_n_blocks(x->page));
    tm_extract_sum(x);
    drop_by_element(x);
    tm_extract_sum(x);
    uint32_t best = spread(x, pulls);
    if (best == 0)
        return 0;
    uint32_t up = nodes[best].parent;
    for (uint32_t i = up + 1; i < nodes[up].end; i = nodes[i].end)
        if (i == best ||
            (x->dead[i] == 0 && nodes[i].tag == nodes[best].tag && pulls[i] > 0.3f * pulls[best]))
            keep_inside(x, i);
    return tm_extract_kept(x, NULL);
}
