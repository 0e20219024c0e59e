/* Writes the kept blocks of a page as paragraphs. A block boundary always separates words, <br> is
 * a line end, the cells of a row are separated by tabs. List items carry no marker: a paragraph's
 * kind says what it is, and every byte of the text but white space comes from the source.
 * Called by clean.c. */
#include "extract.h"

#include <stdio.h>
#include <string.h>

void tm_serialize(const struct tm_extract *x, struct tm_writer *w)
{
    const struct tm_page *p = x->page;
    const struct tm_block_range *blocks = tm_page_blocks(p);
    const struct tm_piece *pieces = tm_page_pieces(p);
    for (size_t i = 0; i < tm_page_n_blocks(p); i++) {
        const struct tm_block_range *b = &blocks[i];
        if (!x->keep[i])
            continue;
        tm_writer_begin(w, (enum tm_block)b->kind,
                        b->kind == TM_BLOCK_CODE ? TM_WRITER_CODE : TM_WRITER_FLOW, b->node);
        for (size_t k = b->piece; k < b->piece_end; k++) {
            const struct tm_piece *piece = &pieces[k];
            if (x->gone[k])
                tm_writer_gap(w, ' ', piece->source_end); /* what stood there parted the words */
            else if (piece->form == TM_PIECE_BREAK)
                tm_writer_gap(w, '\n', piece->source);
            else if (piece->form == TM_PIECE_CELL)
                tm_writer_gap(w, '\t', piece->source);
            else
                tm_writer_put(w, p->text.data + piece->text, piece->len, piece->source,
                              piece->source_end, piece->form == TM_PIECE_EXACT);
        }
        tm_writer_end(w);
    }
}

const char *tm_serialize_path(const struct tm_page *p, uint32_t node, struct tm_arena *arena)
{
    char path[512];
    size_t at = sizeof path - 1;
    const struct tm_node *nodes = tm_page_nodes(p);
    path[at] = '\0';
    for (;;) { /* from the element up, so filled from the end */
        const struct tm_node *n = &nodes[node];
        const char *name =
            n->tag == TM_TAG_OTHER ? tm_page_string(p, n->name) : tm_tags[n->tag].name;
        char step[160];
        bool alone = n->tag == TM_TAG_HTML || n->tag == TM_TAG_BODY || n->tag == TM_TAG_HEAD;
        int len = alone ? snprintf(step, sizeof step, "/%s", name)
                        : snprintf(step, sizeof step, "/%s[%u]", name, n->nth);
        if (len < 0 || (size_t)len >= sizeof step || (size_t)len > at)
            return NULL;
        at -= (size_t)len;
        memcpy(path + at, step, (size_t)len);
        if (node == 0)
            break;
        node = n->parent;
    }
    return tm_arena_strdup(arena, path + at + 1);
}
