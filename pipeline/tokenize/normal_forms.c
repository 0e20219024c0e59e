/* NFD, NFKD, NFC and NFKC of cells, with the offsets that the `tokenizers` package gives.
 *
 * Called by the normalizers on any thread. That package follows a change a character: 0 replaces
 * the next source character, 1 is new and stands for what the source character before it stands
 * for, -k replaces one and swallows the k after it. Reordered marks keep their change, so that
 * offsets are given out in the new order; this is done in the same way here. */
#include "tokenize.h"
#include "unicode.h"
#include <stdlib.h>

/* While a form is made, a cell of the result is used otherwise. */
struct draft {
    uint32_t cp;
    int32_t change;
    uint32_t order; /* canonical combining class */
};
_Static_assert(sizeof(struct draft) == sizeof(struct cell), "drafts become cells in place");

enum { FEW = 24 };

/* Stable sort by class. Long runs of marks are sorted by (class, place), place being in change
 * until then, so that no text makes it quadratic. */
static int compare(const void *a, const void *b)
{
    const struct draft *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return (x->change > y->change) - (x->change < y->change);
}

static void sort_marks(struct draft *d, size_t n)
{
    if (n > FEW) {
        for (size_t i = 0; i < n; i++)
            d[i].change |= (int32_t)(i << 1);
        qsort(d, n, sizeof *d, compare);
        for (size_t i = 0; i < n; i++)
            d[i].change &= 1;
        return;
    }
    for (size_t i = 1; i < n; i++) {
        struct draft one = d[i];
        size_t k = i;
        for (; k > 0 && d[k - 1].order > one.order; k--)
            d[k] = d[k - 1];
        d[k] = one;
    }
}

static bool decompose(struct cells *x, bool compatible)
{
    const struct cell *c = cells_of(x->now);
    size_t n = cells_n(x->now), ready = 0, made = 0;
    struct draft *out = NULL;
    for (size_t i = 0; i < n; i++) {
        x->next->len = made * sizeof *out;
        struct cell *room = cells_room(x->next, UNI_LONGEST);
        if (room == NULL)
            return false;
        out = (struct draft *)(void *)x->next->data;
        uint32_t parts[UNI_LONGEST];
        unsigned k = uni_decompose(c[i].cp, compatible, parts);
        for (unsigned l = 0; l < k; l++) {
            uint32_t ccc = uni_kind(parts[l]).ccc;
            if (ccc == 0) {
                sort_marks(out + ready, made - ready);
                ready = made + 1;
            }
            out[made++] = (struct draft){parts[l], l > 0, ccc};
        }
    }
    if (made > ready)
        sort_marks(out + ready, made - ready);
    x->next->len = made * sizeof(struct draft);
    return true;
}

/* Joins what can be joined, in place. starter: the last one, that later marks may join. */
static size_t compose(struct draft *d, size_t n)
{
    size_t made = 0, starter = SIZE_MAX;
    uint32_t last_class = 0; /* of the marks kept since the starter; 0: none kept */
    for (size_t i = 0; i < n; i++) {
        uint32_t ccc = d[i].order;
        bool open = starter != SIZE_MAX && (last_class == 0 || last_class < ccc);
        uint32_t joined = open ? uni_compose(d[starter].cp, d[i].cp) : 0;
        if (joined != 0) {
            d[starter].cp = joined;
            d[starter].change += d[i].change - 1;
            continue;
        }
        if (ccc == 0) {
            starter = made;
            last_class = 0;
        } else if (starter != SIZE_MAX) {
            last_class = ccc;
        }
        d[made++] = d[i];
    }
    return made;
}

bool tok_normal_form(struct cells *x, bool compatible, bool composed)
{
    x->next->len = 0;
    if (!decompose(x, compatible))
        return false;
    size_t n = cells_n(x->next), at = 0;
    struct draft *d = (struct draft *)(void *)x->next->data;
    if (composed)
        n = compose(d, n);
    const struct cell *from = cells_of(x->now);
    struct cell *out = cells_of(x->next);
    for (size_t i = 0; i < n; i++) {
        struct draft one = d[i];
        tm_dassert(one.change > 0 ? at > 0
                                  : at < cells_n(x->now)); /* a new one follows its source */
        const struct cell *source = &from[one.change > 0 ? at - 1 : at];
        if (one.change <= 0)
            at += (size_t)(1 - one.change);
        out[i] = (struct cell){one.cp, source->from, source->to};
    }
    x->next->len = n * sizeof *out;
    struct tm_buf *was = x->now;
    x->now = x->next;
    x->next = was;
    return true;
}
