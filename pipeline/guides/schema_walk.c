/* The automaton that a schema's nodes make: one byte of JSON at a time, on a stack of open values.
 * Called by the engine's workers. Between values a blank may stand after ',' and ':', where models
 * like to put one; nowhere else. Numbers are kept to 15 digits a part and two of an exponent. */
#include "schema.h"

#include <stddef.h>
#include <string.h>

enum { MAX_OPEN = 20, MAX_DIGITS = 15, MAX_EXPONENT = 2 };

struct frame { /* an open value */
    uint16_t node;
    uint16_t pos;        /* bytes of a literal or key matched; the first byte of a character */
    uint8_t phase, left; /* left: bytes or digits that a character or escape still needs */
    bool blank;          /* the one blank of this place is used */
    uint32_t count;      /* characters, digits, items; the next property */
    uint64_t alive;      /* literals or properties that fit so far */
};

struct walk {
    uint32_t depth;
    struct frame open[MAX_OPEN];
};
_Static_assert(sizeof(struct walk) <= WALK_STATE, "a state fits the walk over tokens");

enum verdict { REFUSED, TAKEN, AGAIN /* the byte is for whoever is on top now */ };

static bool push(struct walk *w, uint16_t node)
{
    if (w->depth == MAX_OPEN)
        return false;
    w->open[w->depth++] = (struct frame){.node = node};
    return true;
}

static enum verdict pop(struct walk *w, enum verdict v)
{
    w->depth--;
    return v;
}

static enum verdict to_phase(struct frame *f, uint8_t phase)
{
    f->phase = phase;
    f->blank = false;
    return TAKEN;
}

static uint64_t bits_from(size_t lo, size_t n) /* bits lo … n - 1 */
{
    uint64_t below = n >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1;
    return lo >= 64 ? 0 : below & ~(((uint64_t)1 << lo) - 1);
}

/* Keeps of f->alive what has c next. True when there is any. */
static bool match(const struct schema_node *n, struct frame *f, unsigned char c)
{
    uint64_t alive = 0;
    for (size_t i = 0; i < n->n; i++)
        if ((f->alive >> i & 1) != 0 && (unsigned char)n->text[i][f->pos] == c)
            alive |= (uint64_t)1 << i;
    if (alive == 0)
        return false;
    f->alive = alive;
    f->pos++;
    return true;
}

/* Is one of f->alive written out, and is one not? */
static void ends(const struct schema_node *n, const struct frame *f, bool *ret_one, bool *ret_more)
{
    *ret_one = *ret_more = false;
    for (size_t i = 0; i < n->n; i++)
        if ((f->alive >> i & 1) != 0)
            *(n->text[i][f->pos] == '\0' ? ret_one : ret_more) = true;
}

static enum verdict step_literals(const struct schema_node *n, struct walk *w, struct frame *f,
                                  unsigned char c)
{
    bool one, more;
    if (f->pos == 0)
        f->alive = bits_from(0, n->n);
    else {
        ends(n, f, &one, &more);
        if (one && (c == ',' || c == ']' || c == '}'))
            return pop(w, AGAIN); /* 1 of 1 and 12 */
    }
    if (!match(n, f, c))
        return REFUSED;
    ends(n, f, &one, &more);
    return more ? TAKEN : pop(w, TAKEN);
}

/* ---- strings ---- */

/* Bytes that follow the first byte of a character; -1: no character begins so. */
static int bytes_after(unsigned char c)
{
    return c < 0x80 ? 0 : c < 0xc2 ? -1 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : -1;
}

/* May c follow the first byte directly? Over-long forms and surrogates may not. */
static bool second_byte(unsigned first, unsigned char c)
{
    unsigned lo = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned hi = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return c >= lo && c <= hi;
}

static bool is_hex(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

enum { S_BEGIN, S_INSIDE, S_CHARACTER, S_ESCAPE, S_HEX };

static enum verdict string_inside(const struct schema_node *n, struct walk *w, struct frame *f,
                                  unsigned char c)
{
    if (c == '"')
        return f->count >= n->least ? pop(w, TAKEN) : REFUSED;
    int after = bytes_after(c);
    if (c < 0x20 || after < 0 || f->count == n->most)
        return REFUSED;
    f->count++;
    f->left = (uint8_t)after;
    f->pos = c;
    f->phase = c == '\\' ? S_ESCAPE : after > 0 ? S_CHARACTER : S_INSIDE;
    return TAKEN;
}

static enum verdict step_string(const struct schema_node *n, struct walk *w, struct frame *f,
                                unsigned char c)
{
    switch (f->phase) {
    case S_BEGIN:
        f->phase = S_INSIDE;
        return c == '"' ? TAKEN : REFUSED;
    case S_CHARACTER:
        if ((c & 0xc0) != 0x80 || !second_byte(f->pos, c))
            return REFUSED;
        f->pos = 0;
        f->phase = --f->left > 0 ? S_CHARACTER : S_INSIDE;
        return TAKEN;
    case S_ESCAPE:
        f->left = 4;
        f->pos = 0;
        f->phase = c == 'u' ? S_HEX : S_INSIDE;
        return memchr("\"\\/bfnrtu", c, 9) != NULL ? TAKEN : REFUSED;
    case S_HEX: /* no surrogates: D, then 0 to 7 */
        if (!is_hex(c) || (f->left == 3 && (f->pos | 0x20) == 'd' && c > '7'))
            return REFUSED;
        f->pos = c;
        f->phase = --f->left > 0 ? S_HEX : S_INSIDE;
        return TAKEN;
    default:
        return string_inside(n, w, f, c);
    }
}

/* ---- numbers ---- */

enum { N_BEGIN, N_MINUS, N_ZERO, N_DIGITS, N_POINT, N_FRACTION, N_E, N_SIGN, N_EXPONENT };

static bool number_ends(const struct frame *f)
{
    return f->phase == N_ZERO || f->phase == N_DIGITS || f->phase == N_FRACTION ||
           f->phase == N_EXPONENT;
}

/* The phase after c; -1: c does not go on with the number. */
static int number_phase(const struct frame *f, bool integer, unsigned char c)
{
    bool digit = c >= '0' && c <= '9', full = f->count >= MAX_DIGITS;
    switch (f->phase) {
    case N_BEGIN:
        return c == '-' ? N_MINUS : c == '0' ? N_ZERO : digit ? N_DIGITS : -1;
    case N_MINUS:
        return c == '0' ? N_ZERO : digit ? N_DIGITS : -1;
    case N_POINT:
        return digit ? N_FRACTION : -1;
    case N_E:
        return c == '-' || c == '+' ? N_SIGN : digit ? N_EXPONENT : -1;
    case N_SIGN:
        return digit ? N_EXPONENT : -1;
    case N_EXPONENT:
        return digit && f->count < MAX_EXPONENT ? N_EXPONENT : -1;
    default: /* zero, digits, fraction */
        if (digit && f->phase != N_ZERO && !full)
            return f->phase;
        if (integer)
            return -1;
        return c == '.' && f->phase != N_FRACTION ? N_POINT : (c | 0x20) == 'e' ? N_E : -1;
    }
}

static enum verdict step_number(struct walk *w, struct frame *f, bool integer, unsigned char c)
{
    int phase = number_phase(f, integer, c);
    if (phase < 0)
        return number_ends(f) ? pop(w, AGAIN) : REFUSED;
    f->count = phase == f->phase ? f->count + 1 : 1;
    f->phase = (uint8_t)phase;
    return TAKEN;
}

/* ---- arrays and objects ---- */

/* The one blank that may stand here. */
static bool take_blank(struct frame *f, unsigned char c)
{
    if (c != ' ' || f->blank)
        return false;
    return f->blank = true;
}

enum { A_BEGIN, A_FIRST, A_AFTER, A_NEXT };

static enum verdict step_array(const struct schema_node *n, struct walk *w, struct frame *f,
                               unsigned char c)
{
    if (f->phase == A_BEGIN)
        return c == '[' ? to_phase(f, A_FIRST) : REFUSED;
    if (f->phase != A_NEXT && c == ']')
        return f->count >= n->least ? pop(w, TAKEN) : REFUSED;
    if (f->phase == A_AFTER)
        return c == ',' && f->count < n->most ? to_phase(f, A_NEXT) : REFUSED;
    if (f->phase == A_NEXT && take_blank(f, c))
        return TAKEN;
    if (f->count == n->most)
        return REFUSED;
    f->count++;
    to_phase(f, A_AFTER);
    return push(w, n->child[0]) ? AGAIN : REFUSED;
}

enum { O_BEGIN, O_FIRST, O_KEY, O_COLON, O_VALUE, O_AFTER, O_NEXT };

/* An object with any keys: they are strings, which the node of any value has as its first branch.
 */
static enum verdict step_map(const struct schema *s, const struct schema_node *n, struct walk *w,
                             struct frame *f, unsigned char c)
{
    switch (f->phase) {
    case O_BEGIN:
        return c == '{' ? to_phase(f, O_FIRST) : REFUSED;
    case O_COLON:
        return c == ':' ? to_phase(f, O_VALUE) : REFUSED;
    case O_AFTER:
        return c == '}' ? pop(w, TAKEN) : c == ',' ? to_phase(f, O_NEXT) : REFUSED;
    case O_VALUE:
        if (take_blank(f, c))
            return TAKEN;
        to_phase(f, O_AFTER);
        return push(w, n->child[0]) ? AGAIN : REFUSED;
    default: /* first or next key */
        if (f->phase == O_FIRST && c == '}')
            return pop(w, TAKEN);
        if (f->phase == O_NEXT && take_blank(f, c))
            return TAKEN;
        to_phase(f, O_COLON);
        return push(w, s->node[s->any].child[0]) ? AGAIN : REFUSED;
    }
}

/* Properties that may come next: up to the first that must. */
static uint64_t candidates(const struct schema_node *n, const struct frame *f)
{
    uint64_t rest = bits_from(f->count, n->n), must = rest & n->required;
    return must != 0 ? rest & bits_from(0, (size_t)__builtin_ctzll(must) + 1) : rest;
}

static enum verdict step_object(const struct schema_node *n, struct walk *w, struct frame *f,
                                unsigned char c)
{
    bool may_end = (bits_from(f->count, n->n) & n->required) == 0;
    switch (f->phase) {
    case O_BEGIN:
        return c == '{' ? to_phase(f, O_FIRST) : REFUSED;
    case O_KEY:
        if (!match(n, f, c))
            return REFUSED;
        if (c == '"' && n->text[__builtin_ctzll(f->alive)][f->pos] == '\0') {
            f->count = (uint32_t)__builtin_ctzll(f->alive) + 1;
            f->phase = O_COLON;
        }
        return TAKEN;
    case O_COLON:
        return c == ':' ? to_phase(f, O_VALUE) : REFUSED;
    case O_VALUE:
        if (take_blank(f, c))
            return TAKEN;
        to_phase(f, O_AFTER);
        return push(w, n->child[f->count - 1]) ? AGAIN : REFUSED;
    case O_AFTER:
        if (c == '}')
            return may_end ? pop(w, TAKEN) : REFUSED;
        return c == ',' && candidates(n, f) != 0 ? to_phase(f, O_NEXT) : REFUSED;
    default: /* first or next key */
        if (f->phase == O_FIRST && c == '}')
            return may_end ? pop(w, TAKEN) : REFUSED;
        if (f->phase == O_NEXT && take_blank(f, c))
            return TAKEN;
        f->alive = candidates(n, f);
        f->pos = 0;
        f->phase = O_KEY;
        return match(n, f, c) ? TAKEN : REFUSED;
    }
}

/* ---- the automaton ---- */

static bool begins_with(const struct schema *s, uint16_t node, unsigned char c)
{
    const struct schema_node *n = &s->node[node];
    switch (n->kind) {
    case SCHEMA_LITERALS:
        for (size_t i = 0; i < n->n; i++)
            if ((unsigned char)n->text[i][0] == c)
                return true;
        return false;
    case SCHEMA_ANY_OF:
        for (size_t i = 0; i < n->n; i++)
            if (begins_with(s, n->child[i], c))
                return true;
        return false;
    case SCHEMA_STRING:
        return c == '"';
    case SCHEMA_ARRAY:
        return c == '[';
    case SCHEMA_OBJECT:
    case SCHEMA_MAP:
        return c == '{';
    default:
        return c == '-' || (c >= '0' && c <= '9');
    }
}

static enum verdict step_branches(const struct schema *s, const struct schema_node *n,
                                  struct frame *f, unsigned char c)
{
    for (size_t i = 0; i < n->n; i++)
        if (begins_with(s, n->child[i], c)) {
            *f = (struct frame){.node = n->child[i]};
            return AGAIN;
        }
    return REFUSED;
}

static enum verdict step_top(const struct schema *s, struct walk *w, unsigned char c)
{
    struct frame *f = &w->open[w->depth - 1];
    const struct schema_node *n = &s->node[f->node];
    switch (n->kind) {
    case SCHEMA_LITERALS:
        return step_literals(n, w, f, c);
    case SCHEMA_STRING:
        return step_string(n, w, f, c);
    case SCHEMA_NUMBER:
    case SCHEMA_INTEGER:
        return step_number(w, f, n->kind == SCHEMA_INTEGER, c);
    case SCHEMA_ARRAY:
        return step_array(n, w, f, c);
    case SCHEMA_OBJECT:
        return step_object(n, w, f, c);
    case SCHEMA_MAP:
        return step_map(s, n, w, f, c);
    default:
        return step_branches(s, n, f, c);
    }
}

static bool step(const void *self, const void *state, unsigned char c, void *next)
{
    const struct schema *s = self;
    const struct walk *from = state;
    struct walk *w = next;
    memcpy(w, from, offsetof(struct walk, open) + from->depth * sizeof *from->open);
    struct frame *first = &w->open[0];
    /* Some tokenizers begin every text with a blank. */
    if (w->depth == 1 && first->phase == 0 && first->pos == 0 && take_blank(first, c))
        return true;
    enum verdict v = AGAIN;
    while (v == AGAIN && w->depth > 0)
        v = step_top(s, w, c);
    return v == TAKEN;
}

/* May the answer end here? */
static bool may_end(const struct schema *s, const struct walk *w)
{
    if (w->depth != 1)
        return w->depth == 0;
    const struct frame *f = &w->open[0];
    const struct schema_node *n = &s->node[f->node];
    bool one = false, more;
    if (n->kind == SCHEMA_LITERALS && f->pos > 0)
        ends(n, f, &one, &more);
    return one || ((n->kind == SCHEMA_NUMBER || n->kind == SCHEMA_INTEGER) && number_ends(f));
}

static void init(const struct tm_guide *g, void *state)
{
    const struct schema *s = g->self;
    struct walk *w = state;
    memset(w, 0, sizeof *w);
    push(w, s->root);
}

static enum tm_guide_verdict advance(const struct tm_guide *g, void *state, int32_t id)
{
    const struct schema *s = g->self;
    struct walk next = {.depth = 0};
    size_t n;
    const char *bytes = token_bytes(s->v, id, &n);
    for (size_t i = 0; i < n; i++) {
        if (!step(s, state, (unsigned char)bytes[i], &next))
            return TM_GUIDE_STOP;
        memcpy(state, &next, sizeof next);
    }
    return ((struct walk *)state)->depth == 0 ? TM_GUIDE_STOP : TM_GUIDE_GO;
}

/* ---- masks ---- */

/* Up to the last token that could tell, a count that is in bounds is as good as the least. */
static uint32_t plain_count(const struct schema_node *n, uint32_t count)
{
    return count >= n->least && count <= n->most && n->most - count > TOKEN_MOST ? n->least : count;
}

/* What tells this state from others: the open values, without what they have done with. */
static size_t key_of(const struct schema *s, const struct walk *w, struct frame key[MAX_OPEN])
{
    memset(key, 0, MAX_OPEN * sizeof *key);
    for (uint32_t i = 0; i < w->depth; i++) {
        const struct frame *f = &w->open[i];
        const struct schema_node *n = &s->node[f->node];
        struct frame *k = &key[i];
        k->node = f->node;
        k->phase = f->phase;
        k->left = f->left;
        k->blank = f->blank;
        k->alive = f->alive;
        k->pos = n->kind == SCHEMA_STRING && f->phase == S_INSIDE ? 0 : f->pos;
        k->count = n->kind == SCHEMA_STRING || n->kind == SCHEMA_ARRAY ? plain_count(n, f->count)
                                                                       : f->count;
    }
    return w->depth * sizeof *key;
}

static void make_mask(const struct schema *s, const struct walk *w, uint32_t *bits)
{
    bits_clear(bits, s->v->size);
    walk_tokens(s->v, step, s, w, sizeof *w, bits);
    bool any = false;
    for (int32_t i = 0; i < (s->v->size + 31) / 32 && !any; i++)
        any = bits[i] != 0;
    /* Without a way on (the vocabulary lacks a byte) the answer must end as well. */
    for (int32_t i = 0; i < s->v->n_eos && (!any || may_end(s, w)); i++)
        bits_set(bits, s->v->eos[i]);
}

static void mask(const struct tm_guide *g, const void *state, uint32_t *bits)
{
    const struct schema *s = g->self;
    struct frame key[MAX_OPEN];
    size_t n = key_of(s, state, key);
    if (masks_find(s->masks, key, n, bits))
        return;
    make_mask(s, state, bits);
    masks_keep(s->masks, key, n, bits);
}

enum tm_status schema_walk_init(struct schema *s, struct tm_err *err)
{
    s->own.guide = (struct tm_guide){.state_size = sizeof(struct walk),
                                     .init = init,
                                     .advance = advance,
                                     .mask = mask,
                                     .self = s};
    s->masks = masks_create(MAX_OPEN * sizeof(struct frame), s->v->size);
    return s->masks != NULL ? TM_OK : tm_err_set(err, TM_NOMEM, "schema");
}
