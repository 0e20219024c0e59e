/* Building the double-array trie (trie.h).
 *
 * Called while a tokenizer is opened. Free units are linked in a ring through base (the one
 * before) and value (the one after); a node with several children tries the first free places and
 * opens a new block when they do not fit, where the ring then begins; a node with one child takes
 * the last place of the ring. */
#include "trie.h"
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256, TRIES = 64, ROOT_PARENT = UINT32_MAX - 1 };

/* A node whose children are still to be placed: keys [lo, hi) share the first depth bytes. */
struct pending {
    uint32_t node, lo, hi, depth;
};

struct builder {
    struct trie *t;
    uint32_t room, free_head; /* TRIE_NONE: no unit is free */
    struct tm_buf queue;      /* struct pending, taken from the end */
};

int tok_trie_key_compare(const void *a, const void *b)
{
    const struct trie_key *x = a, *y = b;
    int order = memcmp(x->text, y->text, TM_MIN(x->len, y->len));
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

void tok_trie_finish(struct trie *t)
{
    free(t->units);
    *t = (struct trie){0};
}

static bool is_free(const struct trie *t, uint32_t at)
{
    return t->units[at].parent == TRIE_NONE;
}

static bool add_block(struct builder *b)
{
    struct trie *t = b->t;
    if (t->n == b->room) {
        uint32_t room = b->room == 0 ? 16 * BLOCK : b->room * 2;
        if (room > INT32_MAX)
            return false;
        struct trie_unit *units = realloc(t->units, (size_t)room * sizeof *units);
        if (units == NULL)
            return false;
        t->units = units;
        b->room = room;
    }
    uint32_t first = t->n, last = t->n + BLOCK - 1;
    t->n += BLOCK;
    for (uint32_t i = first; i <= last; i++)
        t->units[i] = (struct trie_unit){i - 1, TRIE_NONE, (int32_t)(i + 1)};
    uint32_t head = b->free_head == TRIE_NONE ? first : b->free_head;
    uint32_t tail = b->free_head == TRIE_NONE ? last : t->units[head].base;
    t->units[first].base = tail;
    t->units[tail].value = (int32_t)first;
    t->units[last].value = (int32_t)head;
    t->units[head].base = last;
    b->free_head = head;
    return true;
}

static void take(struct builder *b, uint32_t at, uint32_t parent)
{
    struct trie_unit *u = b->t->units;
    uint32_t before = u[at].base, after = (uint32_t)u[at].value;
    u[before].value = (int32_t)after;
    u[after].base = before;
    if (b->free_head == at)
        b->free_head = after == at ? TRIE_NONE : after;
    u[at] = (struct trie_unit){0, parent, -1};
}

static bool fits(const struct trie *t, uint32_t base, const unsigned char *labels, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (!is_free(t, base ^ labels[i]))
            return false;
    }
    return true;
}

/* A base under which every label is free; TRIE_NONE when memory is short. */
static uint32_t find_base(struct builder *b, const unsigned char *labels, unsigned n)
{
    uint32_t at = b->free_head;
    if (n == 1 && at != TRIE_NONE) /* fits anywhere: what is left over from before */
        return b->t->units[at].base ^ labels[0];
    for (unsigned i = 0; i < TRIES && at != TRIE_NONE; i++) {
        if (fits(b->t, at ^ labels[0], labels, n))
            return at ^ labels[0];
        at = (uint32_t)b->t->units[at].value;
        if (at == b->free_head)
            break;
    }
    uint32_t fresh = b->t->n;
    if (!add_block(b))
        return TRIE_NONE;
    b->free_head = fresh; /* the next ones look here first, not where this one did not fit */
    return fresh;
}

/* Places the children of one node and queues those that have keys beyond. */
static bool place_children(struct builder *b, const struct trie_key *keys, struct pending p)
{
    unsigned char labels[256];
    uint32_t starts[257];
    unsigned n = 0;
    for (uint32_t i = p.lo; i < p.hi; i++) {
        unsigned char c = (unsigned char)keys[i].text[p.depth];
        if (n == 0 || labels[n - 1] != c) {
            labels[n] = c;
            starts[n++] = i;
        }
    }
    starts[n] = p.hi;
    uint32_t base = find_base(b, labels, n);
    if (base == TRIE_NONE)
        return false;
    b->t->units[p.node].base = base;
    for (unsigned i = 0; i < n; i++) {
        struct pending child = {base ^ labels[i], starts[i], starts[i + 1], p.depth + 1};
        take(b, child.node, p.node);
        if (keys[child.lo].len == child.depth)
            b->t->units[child.node].value = keys[child.lo++].value;
        if (child.lo < child.hi && !tm_buf_append(&b->queue, &child, sizeof child))
            return false;
    }
    return true;
}

static bool build(struct builder *b, const struct trie_key *keys, uint32_t n)
{
    if (!add_block(b))
        return false;
    take(b, TRIE_ROOT, ROOT_PARENT);
    struct pending p = {TRIE_ROOT, 0, n, 0};
    if (n > 0 && keys[0].len == 0)
        b->t->units[TRIE_ROOT].value = keys[p.lo++].value;
    if (p.lo < p.hi && !tm_buf_append(&b->queue, &p, sizeof p))
        return false;
    while (b->queue.len > 0) {
        b->queue.len -= sizeof p;
        memcpy(&p, b->queue.data + b->queue.len, sizeof p);
        if (!place_children(b, keys, p))
            return false;
    }
    return true;
}

enum tm_status tok_trie_build(struct trie *t, const struct trie_key *keys, size_t n,
                              struct tm_err *err)
{
    struct builder b = {.t = t, .free_head = TRIE_NONE};
    *t = (struct trie){0};
    bool done = n < INT32_MAX && build(&b, keys, (uint32_t)n);
    tm_buf_finish(&b.queue);
    if (done)
        return TM_OK;
    tok_trie_finish(t);
    return tm_err_set(err, TM_NOMEM, "no memory for a vocabulary of %zu tokens", n);
}
