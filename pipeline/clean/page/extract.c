/* What all ways of finding the article share: the arrays of what is alive, and their sums. Each is
 * one linear pass over the page's arrays. Called by landmark.c, baseline.c and clean.c. */
#include "extract.h"

#include <string.h>

static bool room(struct tm_buf *b, size_t bytes)
{
    tm_buf_clear(b);
    if (!tm_buf_reserve(b, bytes))
        return false;
    memset(b->data, 0, bytes);
    return true;
}

enum tm_status tm_extract_init(struct tm_extract *x, const struct tm_page *page, struct tm_err *err)
{
    size_t nodes = tm_page_n_nodes(page);
    x->page = page;
    if (!room(&x->dead_, nodes) || !room(&x->spare_, nodes) ||
        !room(&x->gone_, tm_page_n_pieces(page)) || !room(&x->keep_, tm_page_n_blocks(page)) ||
        !room(&x->sums_, nodes * sizeof *x->sums))
        return tm_err_set(err, TM_NOMEM, "no memory for a page of %zu elements", nodes);
    x->dead = (uint8_t *)x->dead_.data;
    x->spare = (uint8_t *)x->spare_.data;
    x->gone = (uint8_t *)x->gone_.data;
    x->keep = (uint8_t *)x->keep_.data;
    x->sums = (struct tm_sums *)x->sums_.data;
    return TM_OK;
}

void tm_extract_finish(struct tm_extract *x)
{
    tm_buf_finish(&x->dead_);
    tm_buf_finish(&x->spare_);
    tm_buf_finish(&x->gone_);
    tm_buf_finish(&x->keep_);
    tm_buf_finish(&x->sums_);
    tm_buf_finish(&x->tallies_);
    tm_buf_finish(&x->scores_);
    tm_buf_finish(&x->inside_);
    tm_buf_finish(&x->candidates_);
}

void tm_extract_sum(struct tm_extract *x)
{
    const struct tm_node *nodes = tm_page_nodes(x->page);
    const struct tm_piece *pieces = tm_page_pieces(x->page);
    const struct tm_stats *stats = tm_page_stats(x->page);
    size_t n_nodes = tm_page_n_nodes(x->page), n_pieces = tm_page_n_pieces(x->page);
    x->sized_block = SIZE_MAX;
    memset(x->gone, 0, n_pieces);
    memset(x->sums, 0, n_nodes * sizeof *x->sums);
    for (size_t i = 0; i < n_nodes; i++) {
        if (x->dead[i] == 0)
            continue;
        memset(x->gone + nodes[i].piece, 1, nodes[i].piece_end - nodes[i].piece);
        i = nodes[i].end - 1;
    }
    for (size_t i = 0; i < n_pieces; i++) {
        struct tm_sums *s = &x->sums[pieces[i].node];
        s->chars += x->gone[i] ? 0 : stats[i].chars;
        s->link_chars += x->gone[i] ? 0 : stats[i].link_chars;
        s->commas += x->gone[i] ? 0 : stats[i].commas;
    }
    for (size_t i = n_nodes; i-- > 1;) {
        struct tm_sums *s = &x->sums[i], *up = &x->sums[nodes[i].parent];
        if (nodes[i].tag == TM_TAG_A && s->chars > 0) {
            s->links++;
            s->short_links += s->chars < 10;
        }
        up->chars += s->chars;
        up->link_chars += s->link_chars;
        up->commas += s->commas;
        up->links += s->links;
        up->short_links += s->short_links;
    }
}

size_t tm_extract_first_block(const struct tm_page *p, uint32_t piece)
{
    const struct tm_block_range *blocks = tm_page_blocks(p);
    size_t lo = 0, hi = tm_page_n_blocks(p);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (blocks[mid].piece < piece)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct tm_stats tm_extract_block(const struct tm_extract *x, size_t block)
{
    const struct tm_block_range *b = &tm_page_blocks(x->page)[block];
    const struct tm_stats *stats = tm_page_stats(x->page);
    struct tm_stats sum = {0};
    for (size_t i = b->piece; i < b->piece_end; i++) {
        if (x->gone[i])
            continue;
        sum.chars += stats[i].chars;
        sum.link_chars += stats[i].link_chars;
        sum.commas += stats[i].commas;
        sum.ends += stats[i].ends;
    }
    return sum;
}

uint32_t tm_extract_kept(const struct tm_extract *x, uint32_t *ret_blocks)
{
    uint32_t chars = 0, blocks = 0;
    for (size_t i = 0; i < tm_page_n_blocks(x->page); i++) {
        if (!x->keep[i])
            continue;
        chars += tm_extract_block(x, i).chars;
        blocks++;
    }
    if (ret_blocks != NULL)
        *ret_blocks = blocks;
    return chars;
}
