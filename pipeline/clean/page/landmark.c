/* Finds the article by the names that sites give its container, in five tiers from explicit to
 * vague, and prunes what does not belong inside by element, by name and by link density. Every
 * pruning has a guard that undoes it when it would take too much: catastrophes, not averages, spoil
 * the outcome. The order of steps and the limits follow Trafilatura's published description.
 * Works on the page's arrays only. Called by clean.c on any thread. */
#include "extract.h"

#include <string.h>

enum {
    ENOUGH = 250,      /* code points of an article worth the name */
    PLENTY_FACTOR = 3, /* paragraphs of this many times ENOUGH: text outside them is furniture */
    GUARD = 7,         /* pruning by name must leave 1/7 */
    FARM_LINKS = 4,    /* more links, nearly nothing else: a link farm */
    FARM_AVERAGE = 100,
    LONG = 3000,     /* nobody doubts an article of this length; a shorter one … */
    PAGE_SHARE = 5,  /* … is in doubt when the page has several times its text, and … */
    MUCH_MORE = 3,   /* … gives way to a later tier with this many times its text */
    PARTS_MOST = 32, /* of an article in several containers, each … */
    PART_SHARE = 3,  /* … with 1/3 of the text of the largest */
};

static bool is_block(const struct tm_node *n)
{
    return tm_tags[n->tag].flags & TAG_BLOCK;
}

/* Share of its paragraph that an inline element makes up decides whether it may go: taking a word
 * out of a sentence does more harm than a stray label. */
static bool is_most_of_block(struct tm_extract *x, uint32_t node)
{
    const struct tm_node *n = &tm_page_nodes(x->page)[node];
    if (n->piece == n->piece_end)
        return true;
    size_t block = tm_extract_first_block(x->page, n->piece + 1) - 1;
    if (x->sized_block != block) {
        x->sized_block = block;
        x->sized_chars = tm_extract_block(x, block).chars;
    }
    return 2 * x->sums[node].chars >= x->sized_chars;
}

static uint32_t running_text(const struct tm_extract *x, uint32_t node)
{
    return x->sums[node].chars - x->sums[node].link_chars;
}

static bool has_table(const struct tm_page *p, uint32_t node)
{
    const struct tm_node *nodes = tm_page_nodes(p);
    for (uint32_t i = node + 1; i < nodes[node].end; i++)
        if (nodes[i].tag == TM_TAG_TABLE)
            return true;
    return false;
}

/* Forms, menus, figures and whatever is hidden, over the whole page. What holds half of the page's
 * running text is a wrapper, whatever it calls itself. */
static void drop_by_element(struct tm_extract *x)
{
    const struct tm_node *nodes = tm_page_nodes(x->page);
    uint32_t all = running_text(x, 0);
    for (uint32_t i = 0; i < tm_page_n_nodes(x->page); i++) {
        const struct tm_node *n = &nodes[i];
        uint8_t rule = n->hidden ? TM_RULE_HIDDEN : tm_tags[n->tag].rule;
        if (rule == TM_RULE_NONE || 2 * running_text(x, i) > all)
            continue;
        if (n->tag == TM_TAG_FIGURE && has_table(x->page, i))
            continue;
        if (!is_block(n) && rule != TM_RULE_HIDDEN && !is_most_of_block(x, i))
            continue;
        x->dead[i] = rule;
        i = n->end - 1;
    }
}

/* By class and id inside root; teasers in a pass of their own, so that one guard does not undo the
 * other. */
static void drop_by_name(struct tm_extract *x, uint32_t root, bool teasers)
{
    const struct tm_node *nodes = tm_page_nodes(x->page);
    uint32_t before = x->sums[root].chars;
    memcpy(x->spare, x->dead, tm_page_n_nodes(x->page));
    for (uint32_t i = root + 1; i < nodes[root].end; i++) {
        const struct tm_node *n = &nodes[i];
        if (x->dead[i] == 0 &&
            (n->rule == TM_RULE_NONE || (n->rule == TM_RULE_TEASER) != teasers ||
             !(tm_tags[n->tag].flags & TAG_PRUNABLE) || (!is_block(n) && !is_most_of_block(x, i))))
            continue;
        if (x->dead[i] == 0)
            x->dead[i] = n->rule;
        i = n->end - 1;
    }
    tm_extract_sum(x);
    if (x->sums[root].chars < before / GUARD) {
        memcpy(x->dead, x->spare, tm_page_n_nodes(x->page));
        tm_extract_sum(x);
    }
}

/* ---- link density ------------------------------------------------------------------------------
 */

static uint32_t small_limit(const struct tm_page *p, uint32_t node)
{
    const struct tm_node *nodes = tm_page_nodes(p), *n = &nodes[node];
    bool last = n->end == nodes[n->parent].end;
    if (n->tag == TM_TAG_P)
        return last ? 60 : 30;
    return last ? 300 : 100;
}

static bool is_link_list(const struct tm_extract *x, uint32_t node)
{
    const struct tm_sums *s = &x->sums[node];
    if (s->links == 0 || s->chars == 0)
        return false;
    if (s->links == 1 && s->link_chars > 100 && s->link_chars * 10 > s->chars * 9)
        return true;
    if (s->chars < small_limit(x->page, node))
        return s->link_chars * 5 > s->chars * 4 ||
               (s->links > 1 && s->short_links * 5 > s->links * 4);
    return s->links > FARM_LINKS && s->link_chars * 10 > s->chars * 9 &&
           s->link_chars / s->links < FARM_AVERAGE;
}

static bool is_link_table(const struct tm_sums *s)
{
    if (s->links == 0 || s->chars < 200)
        return false;
    return s->chars < 1000 ? s->link_chars * 5 > s->chars * 4 : s->link_chars * 2 > s->chars;
}

static void drop_links(struct tm_extract *x, uint32_t root)
{
    const struct tm_node *nodes = tm_page_nodes(x->page);
    for (uint32_t i = root + 1; i < nodes[root].end; i++) {
        uint8_t tag = nodes[i].tag;
        bool may = tag == TM_TAG_DIV || tag == TM_TAG_P || (tm_tags[tag].flags & TAG_LIST);
        if (x->dead[i] == 0) {
            if (!(may && is_link_list(x, i)) &&
                !(tag == TM_TAG_TABLE && is_link_table(&x->sums[i])))
                continue;
            x->dead[i] = TM_RULE_LINKS;
        }
        i = nodes[i].end - 1;
    }
    tm_extract_sum(x);
}

/* ---- choosing ----------------------------------------------------------------------------------
 */

/* The containers of a tier, in document order: the one with most running text, of nested ones the
 * innermost that still has nearly all of it; and, for articles in several parts, those beside it
 * with a good share of that. Returns how many. */
static size_t containers(const struct tm_extract *x, uint8_t tier, uint32_t out[PARTS_MOST])
{
    const struct tm_node *nodes = tm_page_nodes(x->page);
    uint32_t n = (uint32_t)tm_page_n_nodes(x->page), best = UINT32_MAX, most = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (x->dead[i] != 0) {
            i = nodes[i].end - 1;
            continue;
        }
        uint32_t text = running_text(x, i);
        if (!(nodes[i].tiers & tier) || text == 0)
            continue;
        bool inside = best != UINT32_MAX && i < nodes[best].end;
        if (inside ? text * 5 > most * 4 : text > most) {
            best = i;
            most = text;
        }
    }
    size_t count = 0;
    for (uint32_t i = 0; i < n && best != UINT32_MAX && count < PARTS_MOST; i++) {
        bool around = i <= best && best < nodes[i].end;
        bool part = x->dead[i] == 0 && (nodes[i].tiers & tier) && !around &&
                    running_text(x, i) * PART_SHARE >= most;
        if (i == best || part)
            out[count++] = i;
        if (i == best || part || x->dead[i] != 0)
            i = nodes[i].end - 1;
    }
    return count;
}

static bool reads_like_prose(const struct tm_stats *s)
{
    return s->chars >= 80 && s->ends > 0 && s->link_chars * 3 < s->chars;
}

/* Keeps the blocks of root: text of paragraphs, lists, headings, tables; text directly in a div
 * when there is little else or it reads like a paragraph. */
static void keep_blocks(struct tm_extract *x, uint32_t root)
{
    const struct tm_node *n = &tm_page_nodes(x->page)[root];
    const struct tm_block_range *blocks = tm_page_blocks(x->page);
    size_t count = tm_page_n_blocks(x->page), last = count;
    uint32_t running = 0;
    size_t first = tm_extract_first_block(x->page, n->piece);
    size_t end = tm_extract_first_block(x->page, n->piece_end);
    for (size_t i = first; i < end; i++)
        if (!blocks[i].stray && blocks[i].kind == TM_BLOCK_P)
            running += tm_extract_block(x, i).chars;
    for (size_t i = first; i < end; i++) {
        struct tm_stats s = tm_extract_block(x, i);
        if (s.chars == 0 ||
            (blocks[i].stray && running >= ENOUGH * PLENTY_FACTOR && !reads_like_prose(&s)))
            continue;
        x->keep[i] = 1;
        last = i;
    }
    while (last < count && blocks[last].kind == TM_BLOCK_HEADING) { /* of what was pruned */
        x->keep[last] = 0;
        while (last > 0 && !x->keep[last])
            last--;
        if (!x->keep[last])
            break;
    }
}

static uint32_t try_containers(struct tm_extract *x, uint8_t tier, uint32_t *ret_blocks)
{
    uint32_t roots[PARTS_MOST];
    size_t n = containers(x, tier, roots);
    memset(x->keep, 0, tm_page_n_blocks(x->page));
    for (size_t i = 0; i < n; i++) {
        drop_by_name(x, roots[i], false);
        drop_by_name(x, roots[i], true);
        drop_links(x, roots[i]);
        drop_links(x, roots[i]);
    }
    for (size_t i = 0; i < n; i++)
        keep_blocks(x, roots[i]);
    return tm_extract_kept(x, ret_blocks);
}

/* Too little found: paragraphs, quotes and code from wherever they are. */
static uint32_t sweep(struct tm_extract *x)
{
    const struct tm_block_range *blocks = tm_page_blocks(x->page);
    drop_by_name(x, 0, false);
    drop_links(x, 0);
    for (size_t i = 0; i < tm_page_n_blocks(x->page); i++) {
        uint8_t kind = blocks[i].kind;
        bool may = !blocks[i].stray && kind != TM_BLOCK_HEADING && kind != TM_BLOCK_LI;
        x->keep[i] = may && tm_extract_block(x, i).chars > 0;
    }
    return tm_extract_kept(x, NULL);
}

uint32_t tm_landmark_find(struct tm_extract *x)
{
    size_t nodes = tm_page_n_nodes(x->page);
    if (nodes == 0)
        return 0;
    TM_CLEANUP(tm_buf_finish) struct tm_buf start = {0};
    tm_extract_sum(x);
    drop_by_element(x);
    tm_extract_sum(x);
    if (!tm_buf_append(&start, x->dead, nodes))
        return 0;
    uint32_t all = running_text(x, 0), most = 0;
    uint8_t best = 0;
    for (int i = 0; i < TIER_COUNT; i++) {
        uint8_t tier = (uint8_t)(1 << i);
        uint32_t blocks, chars = try_containers(x, tier, &blocks);
        if (blocks > 1 && chars >= ENOUGH && chars > most * MUCH_MORE) {
            if (chars >= LONG || (uint64_t)chars * PAGE_SHARE >= all)
                return chars;
            most = chars;
            best = tier;
        }
        memcpy(x->dead, start.data, nodes);
        tm_extract_sum(x);
    }
    return best != 0 ? try_containers(x, best, &(uint32_t){0}) : sweep(x);
}
