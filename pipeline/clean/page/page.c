/* The arrays of a page apart from parsing: numbers of texts, order among siblings, memory. Called
 * by html.c and clean.c. */
#include "page.h"

#include <string.h>

struct tm_stats tm_page_measure(const char *s, size_t n, bool link)
{
    struct tm_stats st = {0};
    bool space = false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c <= ' ') {
            st.chars += !space;
            space = true;
            continue;
        }
        space = false;
        st.chars += (c & 0xc0) != 0x80;
        st.commas += c == ',';
        st.ends += c == '.' || c == '!' || c == '?';
        if (c == 0xe3 && n - i > 2 && (unsigned char)s[i + 1] == 0x80) {
            st.commas += (unsigned char)s[i + 2] == 0x81; /* ideographic comma */
            st.ends += (unsigned char)s[i + 2] == 0x82;   /* ideographic full stop */
        } else if (c == 0xef && n - i > 2 && (unsigned char)s[i + 1] == 0xbc) {
            st.commas += (unsigned char)s[i + 2] == 0x8c; /* full-width comma, !, ? */
            st.ends += (unsigned char)s[i + 2] == 0x81 || (unsigned char)s[i + 2] == 0x9f;
        }
    }
    st.link_chars = link ? st.chars : 0;
    return st;
}

struct sibling {
    uint32_t parent, key, count;
};

/* Numbers each element among its parent's children of the same name. */
bool tm_page_number_siblings(struct tm_page *p)
{
    size_t n = tm_page_n_nodes(p), slots = 64;
    while (slots < 2 * n)
        slots *= 2;
    tm_buf_clear(&p->scratch);
    if (!tm_buf_reserve(&p->scratch, slots * sizeof(struct sibling)))
        return false;
    struct sibling *table = (struct sibling *)p->scratch.data;
    memset(table, 0, slots * sizeof *table);
    struct tm_node *nodes = (struct tm_node *)p->nodes_.data;
    for (size_t i = 0; i < n; i++) {
        uint32_t key = nodes[i].tag;
        if (nodes[i].tag == TM_TAG_OTHER) {
            const char *name = tm_page_string(p, nodes[i].name);
            key = (uint32_t)tm_hash(name, strlen(name), 0) | 0x80000000u;
        }
        uint32_t pair[2] = {nodes[i].parent, key};
        size_t at = tm_hash(pair, sizeof pair, 0) & (slots - 1);
        while (table[at].count != 0 && (table[at].parent != pair[0] || table[at].key != key))
            at = (at + 1) & (slots - 1);
        table[at] = (struct sibling){pair[0], key, table[at].count + 1};
        nodes[i].nth = table[at].count;
    }
    return true;
}

void tm_page_clear(struct tm_page *p)
{
    struct tm_buf *bufs[] = {&p->text,    &p->strings, &p->nodes_,   &p->pieces_, &p->stats_,
                             &p->blocks_, &p->metas_,  &p->scripts_, &p->title};
    for (size_t i = 0; i < TM_COUNTOF(bufs); i++)
        tm_buf_clear(bufs[i]);
    p->lang = p->canonical = p->author_node = 0;
    p->date_published = p->time_published = 0;
    p->depth_capped = p->time_is_sure = false;
    tm_buf_append(&p->strings, "", 1); /* offset 0 means none */
}

void tm_page_finish(struct tm_page *p)
{
    struct tm_buf *bufs[] = {&p->text,    &p->strings, &p->nodes_,   &p->pieces_, &p->stats_,
                             &p->blocks_, &p->metas_,  &p->scripts_, &p->title,   &p->scratch};
    for (size_t i = 0; i < TM_COUNTOF(bufs); i++)
        tm_buf_finish(bufs[i]);
}
