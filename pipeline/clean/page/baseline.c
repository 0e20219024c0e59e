/* The net below the candidates: plain rules that find some text on nearly every page. Called by
 * clean.c when the candidate has too little. */
#include "extract.h"

#include <string.h>

enum { ENOUGH = 100, SHARE = 5 }; /* an <article> counts from 1/5 of the longest */

static void revive(struct tm_extract *x)
{
    memset(x->dead, 0, tm_page_n_nodes(x->page));
    memset(x->keep, 0, tm_page_n_blocks(x->page));
    tm_extract_sum(x);
}

static void keep_inside(struct tm_extract *x, uint32_t node)
{
    const struct tm_node *n = &tm_page_nodes(x->page)[node];
    size_t first = tm_extract_first_block(x->page, n->piece);
    size_t end = tm_extract_first_block(x->page, n->piece_end);
    memset(x->keep + first, 1, end - first);
}

static void keep_articles(struct tm_extract *x)
{
    const struct tm_node *nodes = tm_page_nodes(x->page);
    uint32_t longest = 0, n = (uint32_t)tm_page_n_nodes(x->page);
    for (uint32_t i = 0; i < n; i++)
        if (nodes[i].tag == TM_TAG_ARTICLE)
            longest = TM_MAX(longest, x->sums[i].chars);
    if (longest < ENOUGH)
        return;
    for (uint32_t i = 0; i < n; i++) {
        if (nodes[i].tag != TM_TAG_ARTICLE)
            continue;
        if (x->sums[i].chars * SHARE >= longest)
            keep_inside(x, i);
        i = nodes[i].end - 1;
    }
}

static void keep_paragraphs(struct tm_extract *x)
{
    const struct tm_block_range *blocks = tm_page_blocks(x->page);
    for (size_t i = 0; i < tm_page_n_blocks(x->page); i++) {
        uint8_t kind = blocks[i].kind;
        x->keep[i] = !blocks[i].stray &&
                     (kind == TM_BLOCK_P || kind == TM_BLOCK_QUOTE || kind == TM_BLOCK_CODE);
    }
}

uint32_t tm_baseline_all(struct tm_extract *x)
{
    revive(x);
    memset(x->keep, 1, tm_page_n_blocks(x->page));
    return tm_extract_kept(x, NULL);
}

uint32_t tm_baseline_find(struct tm_extract *x)
{
    if (tm_page_n_nodes(x->page) == 0)
        return 0;
    revive(x);
    keep_articles(x);
    uint32_t chars = tm_extract_kept(x, NULL);
    if (chars >= ENOUGH)
        return chars;
    keep_paragraphs(x);
    chars = tm_extract_kept(x, NULL);
    return chars >= ENOUGH ? chars : tm_baseline_all(x);
}
