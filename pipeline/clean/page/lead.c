/* Gives an article back its standfirst: sites set it in the header, where every way of looking
 * leaves it out, and repeat it as the page's description, by which it is known. Called by clean.c
 * after the choice. */
#include "extract.h"

#include <string.h>

enum { LEAD_LEAST = 60, LEAD_MOST = 1200 }; /* bytes */

/* How many bytes of a and b agree, white space aside. */
static size_t same_bytes(const char *a, size_t n, const char *b)
{
    size_t same = 0, i = 0;
    while (i < n && *b != '\0') {
        if ((unsigned char)a[i] <= ' ') {
            i++;
        } else if ((unsigned char)*b <= ' ') {
            b++;
        } else if (a[i] != *b) {
            break;
        } else {
            same++, i++, b++;
        }
    }
    return same;
}

static bool is_lead(const struct tm_page *p, const struct tm_block_range *b,
                    const char *description)
{
    const struct tm_piece *pieces = tm_page_pieces(p);
    const struct tm_piece *first = &pieces[b->piece], *last = &pieces[b->piece_end - 1];
    size_t len = last->text + last->len - first->text;
    if (len < LEAD_LEAST || len > LEAD_MOST)
        return false;
    size_t same = same_bytes(p->text.data + first->text, len, description);
    return same >= LEAD_LEAST - LEAD_LEAST / 4;
}

static bool is_hidden(const struct tm_page *p, uint32_t node)
{
    const struct tm_node *nodes = tm_page_nodes(p);
    while (!nodes[node].hidden && node != 0)
        node = nodes[node].parent;
    return nodes[node].hidden;
}

void tm_lead_restore(struct tm_extract *x, const char *description)
{
    const struct tm_block_range *blocks = tm_page_blocks(x->page);
    size_t lead = SIZE_MAX;
    if (description == NULL || strlen(description) < LEAD_LEAST)
        return;
    for (size_t i = 0; i < tm_page_n_blocks(x->page); i++) {
        if (x->keep[i] && tm_extract_block(x, i).chars > 0)
            break; /* the article begins */
        if (!is_hidden(x->page, blocks[i].node) && is_lead(x->page, &blocks[i], description))
            lead = i;
    }
    if (lead == SIZE_MAX)
        return;
    for (size_t i = lead + 1; i < tm_page_n_blocks(x->page); i++)
        if (x->keep[i] && is_lead(x->page, &blocks[i], description))
            return; /* it is there already */
    x->keep[lead] = 1;
    memset(x->gone + blocks[lead].piece, 0, blocks[lead].piece_end - blocks[lead].piece);
}
