/* Chooses among candidates for the article: the one that agrees most with the others (the medoid),
 * as each of them fails on other pages. All candidates are subsets of the page's pieces, so how far
 * two agree is counted on the pieces: F1 of their code points. Called by clean.c. */
#include "extract.h"

#include <string.h>

enum { ENOUGH = 125 }; /* code points; a candidate with less has not found the article */

struct candidate {
    const char *method;
    uint8_t *dead, *gone, *keep; /* as in tm_extract */
    uint32_t chars;
    double trust;
};

/* The first wins a tie. trust is added to a candidate's agreement: the last is the weakest alone.
 */
static const struct {
    const char *method;
    uint32_t (*find)(struct tm_extract *x);
    double trust;
} finders[] = {
    {"readability", tm_readability_find, 0.05},
    {"landmark", tm_landmark_find, 0.05},
    {"gravity", tm_gravity_find, 0},
};
enum { FINDERS = TM_COUNTOF(finders) };

static void save(const struct tm_extract *x, struct candidate *c)
{
    memcpy(c->dead, x->dead, tm_page_n_nodes(x->page));
    memcpy(c->gone, x->gone, tm_page_n_pieces(x->page));
    memcpy(c->keep, x->keep, tm_page_n_blocks(x->page));
}

static void restore(struct tm_extract *x, const struct candidate *c)
{
    memcpy(x->dead, c->dead, tm_page_n_nodes(x->page));
    memcpy(x->gone, c->gone, tm_page_n_pieces(x->page));
    memcpy(x->keep, c->keep, tm_page_n_blocks(x->page));
}

/* F1 of the code points that two candidates keep. */
static double agreement(const struct tm_page *p, const struct candidate *a,
                        const struct candidate *b)
{
    const struct tm_block_range *blocks = tm_page_blocks(p);
    const struct tm_stats *stats = tm_page_stats(p);
    uint64_t both = 0, sum = 0;
    for (size_t i = 0; i < tm_page_n_blocks(p); i++) {
        if (!a->keep[i] && !b->keep[i])
            continue;
        for (uint32_t k = blocks[i].piece; k < blocks[i].piece_end; k++) {
            bool in_a = a->keep[i] && !a->gone[k], in_b = b->keep[i] && !b->gone[k];
            both += in_a && in_b ? stats[k].chars : 0;
            sum += (uint64_t)(in_a + in_b) * stats[k].chars;
        }
    }
    return sum == 0 ? 0 : 2 * (double)both / (double)sum;
}

static size_t find_all(struct tm_extract *x, struct candidate *out, uint8_t *room)
{
    size_t nodes = tm_page_n_nodes(x->page), pieces = tm_page_n_pieces(x->page);
    size_t blocks = tm_page_n_blocks(x->page), count = 0;
    for (size_t i = 0; i < FINDERS; i++) {
        struct candidate *c = &out[count];
        uint8_t *at = room + count * (nodes + pieces + blocks);
        *c = (struct candidate){finders[i].method,   at, at + nodes,
                                at + nodes + pieces, 0,  finders[i].trust};
        memset(x->dead, 0, nodes);
        c->chars = finders[i].find(x);
        if (c->chars < ENOUGH)
            continue;
        save(x, c);
        count++;
    }
    return count;
}

/* precision: of the chosen one only what another keeps too. */
static void narrow(struct tm_extract *x, const struct candidate *c, size_t n, size_t best)
{
    const struct tm_block_range *blocks = tm_page_blocks(x->page);
    for (size_t i = 0; i < tm_page_n_blocks(x->page) && n > 1; i++) {
        bool other = false;
        for (size_t k = 0; k < n && !other && x->keep[i]; k++)
            for (uint32_t j = blocks[i].piece; k != best && c[k].keep[i] && j < blocks[i].piece_end;
                 j++)
                other |= !c[k].gone[j];
        x->keep[i] = x->keep[i] && other;
    }
}

/* recall: beside the chosen one what those keep that are half of its opinion. */
static void widen(struct tm_extract *x, const struct candidate *c, size_t n, size_t best)
{
    const struct tm_block_range *blocks = tm_page_blocks(x->page);
    for (size_t k = 0; k < n; k++) {
        if (k == best || agreement(x->page, &c[k], &c[best]) < 0.5)
            continue;
        for (size_t i = 0; i < tm_page_n_blocks(x->page); i++) {
            for (uint32_t j = blocks[i].piece; c[k].keep[i] && j < blocks[i].piece_end; j++)
                x->gone[j] = c[k].gone[j] && (x->gone[j] || !x->keep[i]);
            x->keep[i] |= c[k].keep[i];
        }
    }
}

/* The candidate that agrees most with the others; its agreement on average. */
static size_t medoid(const struct tm_page *p, const struct candidate *c, size_t n, double *ret_mean)
{
    double sums[FINDERS] = {0};
    size_t best = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i + 1; k < n; k++) {
            double both = agreement(p, &c[i], &c[k]);
            sums[i] += both;
            sums[k] += both;
        }
    }
    for (size_t i = 1; i < n; i++)
        if (sums[i] + c[i].trust > sums[best] + c[best].trust)
            best = i;
    *ret_mean = n > 1 ? sums[best] / (double)(n - 1) : -1;
    return best;
}

uint32_t tm_choose(struct tm_extract *x, enum tm_extract_mode mode, struct tm_choice *ret)
{
    struct candidate c[FINDERS];
    size_t each = tm_page_n_nodes(x->page) + tm_page_n_pieces(x->page) + tm_page_n_blocks(x->page);
    *ret = (struct tm_choice){finders[0].method, -1};
    if (mode == TM_EXTRACT_FAST)
        return finders[0].find(x);
    tm_buf_clear(&x->candidates_);
    if (!tm_buf_reserve(&x->candidates_, FINDERS * each))
        return 0;
    size_t n = find_all(x, c, (uint8_t *)x->candidates_.data);
    if (n == 0)
        return 0;
    size_t best = medoid(x->page, c, n, &ret->confidence);
    ret->method = c[best].method;
    restore(x, &c[best]);
    if (mode == TM_EXTRACT_PRECISION)
        narrow(x, c, n, best);
    if (mode == TM_EXTRACT_RECALL)
        widen(x, c, n, best);
    return tm_extract_kept(x, NULL);
}
