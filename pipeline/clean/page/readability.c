/* Finds the article by scoring elements: every paragraph gives points to the elements around it,
 * the best element and those of its siblings that look alike are the article, and what does not
 * read like text is cleaned out of it. After the published behaviour of Mozilla's Readability, on
 * the page's arrays: where that rewrites the tree (a div of running text becomes a paragraph, and
 * so on) the blocks of page.h stand for what it would make. Called by choose.c on any thread. */
#include "extract.h"

#include <string.h>

enum {
    PARAGRAPH = 25, /* code points from which a paragraph gives points */
    LEVELS = 5,     /* ancestors that get some */
    TOP = 5,        /* elements that are looked at for the first place */
    ENOUGH = 500,   /* code points; with fewer the rules are loosened, one by one */
    COMMAS = 10,    /* text with more is not cleaned out */
    BYLINE_MOST = 100,
    WEIGHT = 25, /* of a word in class or id */
};

enum { STRIP_UNLIKELY = 1, WEIGH_NAMES = 2, CLEAN = 4, ALL_RULES = 7 };

/* Where an element stands. */
enum { IN_TABLE = 1, IN_CODE = 2, IN_FIGURE = 4, IN_DATA = 8, IS_DATA = 16, HAS_DATA = 32 };

/* What an element holds, counted from the leaves up. */
struct tally {
    uint32_t chars, link_chars, commas, heading_chars, textish_chars, list_chars;
    uint32_t p, img, li, input, embed;
    bool blocks; /* holds elements that make paragraphs */
};

struct work {
    struct tm_extract *x;
    const struct tm_node *nodes;
    uint32_t n;
    struct tally *tallies;
    float *scores; /* < LEAST: none yet */
    uint8_t *inside;
    unsigned rules;
};

static const float none = -1e9f;

/* ---- tables ------------------------------------------------------------------------------------
 */

/* Of a table: rows in p, columns in li; input: it has a header or the like; embed: a table. */
static bool is_data(const struct tm_node *n, const struct tally *t)
{
    if (n->role == TM_ROLE_LAYOUT)
        return false;
    if (t->input > 0)
        return true;
    if (t->embed > 0 || t->p <= 1 || t->li <= 1)
        return false;
    return t->p >= 10 || t->li > 4 || t->p * t->li > 10;
}

/* Fills inside[]: what of a page is a table of data, and what lies in one. */
static void find_tables(struct work *w)
{
    memset(w->tallies, 0, w->n * sizeof *w->tallies);
    memset(w->inside, 0, w->n);
    for (uint32_t i = w->n; i-- > 1;) {
        struct tally *t = &w->tallies[i], *up = &w->tallies[w->nodes[i].parent];
        switch (w->nodes[i].tag) {
        case TM_TAG_TD:
        case TM_TAG_TH:
            up->img++; /* cells of the row */
            break;
        case TM_TAG_TR:
            t->p = 1;
            t->li = t->img;
            break;
        case TM_TAG_TABLE:
            if (is_data(&w->nodes[i], t))
                w->inside[i] |= IS_DATA;
            *t = (struct tally){.embed = 1};
            break;
        default:
            break;
        }
        bool header = w->nodes[i].tag == TM_TAG_TH || w->nodes[i].tag == TM_TAG_CAPTION ||
                      w->nodes[i].tag == TM_TAG_THEAD || w->nodes[i].tag == TM_TAG_TFOOT;
        up->input += t->input + header;
        up->embed += t->embed;
        up->p += t->p;
        up->li = TM_MAX(up->li, t->li);
        if (w->inside[i] & (IS_DATA | HAS_DATA))
            w->inside[w->nodes[i].parent] |= HAS_DATA;
    }
    for (uint32_t i = 1; i < w->n; i++) {
        uint8_t up = w->inside[w->nodes[i].parent], tag = w->nodes[i].tag;
        w->inside[i] |= up & (IN_TABLE | IN_CODE | IN_FIGURE | IN_DATA);
        if (up & IS_DATA)
            w->inside[i] |= IN_DATA;
        if (tag == TM_TAG_TABLE)
            w->inside[i] |= IN_TABLE;
        if (tag == TM_TAG_PRE)
            w->inside[i] |= IN_CODE;
        if (tag == TM_TAG_FIGURE)
            w->inside[i] |= IN_FIGURE;
    }
}

/* ---- what cannot be part of an article ---------------------------------------------------------
 */

static uint8_t rule_of_unlikely(const struct tm_node *n)
{
    return n->rule != TM_RULE_NONE && n->rule != TM_RULE_HIDDEN ? n->rule : TM_RULE_SIDEBAR;
}

static uint8_t unlikely(const struct work *w, uint32_t i)
{
    const struct tm_node *n = &w->nodes[i];
    unsigned hints = n->class_hints | n->id_hints;
    bool exempt = n->tag == TM_TAG_BODY || n->tag == TM_TAG_HTML || n->tag == TM_TAG_A;
    if (n->hidden && !exempt)
        return TM_RULE_HIDDEN;
    if ((n->role == TM_ROLE_AUTHOR || (hints & HINT_BYLINE)) && w->x->sums[i].chars > 0 &&
        w->x->sums[i].chars < BYLINE_MOST)
        return TM_RULE_AUTHOR;
    if (!(w->rules & STRIP_UNLIKELY) || exempt)
        return TM_RULE_NONE;
    if ((hints & HINT_UNLIKELY) && !(hints & HINT_MAYBE) && !(w->inside[i] & (IN_TABLE | IN_CODE)))
        return rule_of_unlikely(n);
    return n->role == TM_ROLE_UNLIKELY ? rule_of_unlikely(n) : TM_RULE_NONE;
}

static void strip_unlikely(struct work *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        uint8_t rule = unlikely(w, i);
        if (rule == TM_RULE_NONE)
            continue;
        w->x->dead[i] = rule;
        i = w->nodes[i].end - 1;
    }
    tm_extract_sum(w->x);
}

/* ---- scores ------------------------------------------------------------------------------------
 */

static int weight(const struct work *w, uint32_t i)
{
    const struct tm_node *n = &w->nodes[i];
    int sum = 0;
    if (!(w->rules & WEIGH_NAMES))
        return 0;
    sum += (n->class_hints & HINT_GOOD ? WEIGHT : 0) - (n->class_hints & HINT_BAD ? WEIGHT : 0);
    return sum + (n->id_hints & HINT_GOOD ? WEIGHT : 0) - (n->id_hints & HINT_BAD ? WEIGHT : 0);
}

static float prior(const struct work *w, uint32_t i)
{
    int points = 0;
    switch (w->nodes[i].tag) {
    case TM_TAG_DIV:
        points = 5;
        break;
    case TM_TAG_PRE:
    case TM_TAG_TD:
    case TM_TAG_BLOCKQUOTE:
        points = 3;
        break;
    case TM_TAG_ADDRESS:
    case TM_TAG_OL:
    case TM_TAG_UL:
    case TM_TAG_DL:
    case TM_TAG_DD:
    case TM_TAG_DT:
    case TM_TAG_LI:
    case TM_TAG_FORM:
        points = -3;
        break;
    case TM_TAG_H1:
    case TM_TAG_H2:
    case TM_TAG_H3:
    case TM_TAG_H4:
    case TM_TAG_H5:
    case TM_TAG_H6:
    case TM_TAG_TH:
        points = -5;
        break;
    default:
        break;
    }
    return (float)(points + weight(w, i));
}

/* Points for the ancestors of a paragraph, from its parent up. */
static void give_points(struct work *w, uint32_t parent, uint32_t chars, uint32_t commas)
{
    float points = 2 + (float)commas + (float)TM_MIN(chars / 100, 3u);
    for (int level = 0; level < LEVELS && parent != 0; level++) {
        if (w->scores[parent] <= none)
            w->scores[parent] = prior(w, parent);
        w->scores[parent] += points / (float)(level == 0 ? 1 : level == 1 ? 2 : 3 * level);
        parent = w->nodes[parent].parent;
    }
}

/* Tags whose whole text gives points beside that of the paragraphs inside. */
static bool is_scored(uint8_t tag)
{
    return tag == TM_TAG_SECTION || tag == TM_TAG_TD || tag == TM_TAG_PRE || tag == TM_TAG_P ||
           (tag >= TM_TAG_H2 && tag <= TM_TAG_H6);
}

static bool makes_paragraphs(uint8_t tag)
{
    return tag == TM_TAG_BLOCKQUOTE || tag == TM_TAG_DL || tag == TM_TAG_DIV || tag == TM_TAG_IMG ||
           tag == TM_TAG_OL || tag == TM_TAG_P || tag == TM_TAG_PRE || tag == TM_TAG_TABLE ||
           tag == TM_TAG_UL;
}

/* A div that holds nothing but a line of text is itself the paragraph. */
static bool is_paragraph_div(const struct work *w, uint32_t i)
{
    const struct tm_sums *s = &w->x->sums[i];
    return w->nodes[i].tag == TM_TAG_DIV && !w->tallies[i].blocks && 4 * s->link_chars < s->chars;
}

static void find_blocky(struct work *w)
{
    for (uint32_t i = 0; i < w->n; i++)
        w->tallies[i].blocks = false;
    for (uint32_t i = w->n; i-- > 1;)
        if (w->x->dead[i] == 0 && (w->tallies[i].blocks || makes_paragraphs(w->nodes[i].tag)))
            w->tallies[w->nodes[i].parent].blocks = true;
}

static void score(struct work *w)
{
    const struct tm_block_range *blocks = tm_page_blocks(w->x->page);
    for (uint32_t i = 0; i < w->n; i++)
        w->scores[i] = none;
    find_blocky(w);
    for (uint32_t i = 1; i < w->n; i++) {
        if (w->x->dead[i] != 0) {
            i = w->nodes[i].end - 1;
            continue;
        }
        const struct tm_sums *s = &w->x->sums[i];
        if (s->chars >= PARAGRAPH && (is_scored(w->nodes[i].tag) || is_paragraph_div(w, i)))
            give_points(w, w->nodes[i].parent, s->chars, s->commas);
    }
    /* Text directly in a div beside other elements: a paragraph of its own. */
    for (size_t i = 0; i < tm_page_n_blocks(w->x->page); i++) {
        if (!blocks[i].stray || w->nodes[blocks[i].node].tag != TM_TAG_DIV ||
            is_paragraph_div(w, blocks[i].node))
            continue;
        struct tm_stats s = tm_extract_block(w->x, i);
        if (s.chars >= PARAGRAPH)
            give_points(w, blocks[i].node, s.chars, s.commas);
    }
}

static float link_density(const struct work *w, uint32_t i)
{
    const struct tm_sums *s = &w->x->sums[i];
    return s->chars == 0 ? 0 : (float)s->link_chars / (float)s->chars;
}

/* ---- the container -----------------------------------------------------------------------------
 */

static bool is_root(const struct work *w, uint32_t i)
{
    return i == 0 || w->nodes[i].tag == TM_TAG_BODY || w->nodes[i].tag == TM_TAG_HTML;
}

/* The best elements, best first, each score lowered by its links. */
static size_t best_elements(struct work *w, uint32_t top[TOP])
{
    size_t count = 0;
    for (uint32_t i = 1; i < w->n; i++) {
        if (w->scores[i] <= none)
            continue;
        w->scores[i] *= 1 - link_density(w, i);
        size_t at = count;
        while (at > 0 && w->scores[top[at - 1]] < w->scores[i])
            at--;
        if (at == TOP)
            continue;
        count = TM_MIN(count + 1, (size_t)TOP);
        for (size_t k = count - 1; k > at; k--)
            top[k] = top[k - 1];
        top[at] = i;
    }
    return count;
}

static bool is_around(const struct work *w, uint32_t outer, uint32_t inner)
{
    return outer < inner && inner < w->nodes[outer].end;
}

/* An ancestor that three of the nearly best share with the best; else best. */
static uint32_t common_ancestor(const struct work *w, const uint32_t top[TOP], size_t count)
{
    for (uint32_t up = w->nodes[top[0]].parent; !is_root(w, up); up = w->nodes[up].parent) {
        int inside = 0;
        for (size_t i = 1; i < count; i++)
            inside += w->scores[top[i]] >= 0.75f * w->scores[top[0]] && is_around(w, up, top[i]);
        if (inside >= 3)
            return up;
    }
    return top[0];
}

/* Up while the score rises, then through elements that hold nothing else. */
static uint32_t climb(const struct work *w, uint32_t best)
{
    float last = w->scores[best] <= none ? prior(w, best) : w->scores[best], least = last / 3;
    for (uint32_t up = w->nodes[best].parent; !is_root(w, up); up = w->nodes[up].parent) {
        if (w->scores[up] <= none)
            continue;
        if (w->scores[up] < least)
            break;
        if (w->scores[up] > last) {
            best = up;
            break;
        }
        last = w->scores[up];
    }
    for (uint32_t up = w->nodes[best].parent;
         !is_root(w, up) && up + 1 == best && w->nodes[up].end == w->nodes[best].end;
         up = w->nodes[up].parent)
        best = up;
    return best;
}

static bool ends_like_sentence(const struct work *w, uint32_t i)
{
    const struct tm_piece *pieces = tm_page_pieces(w->x->page);
    const struct tm_stats *stats = tm_page_stats(w->x->page);
    for (uint32_t k = w->nodes[i].piece; k < w->nodes[i].piece_end; k++)
        if (!w->x->gone[k] && pieces[k].len > 0 && stats[k].ends > 0)
            return true;
    return false;
}

static bool joins(const struct work *w, uint32_t best, uint32_t sibling)
{
    const struct tm_node *n = &w->nodes[sibling], *top = &w->nodes[best];
    float score = w->scores[best] <= none ? 0 : w->scores[best];
    float bonus = n->class_hash != 0 && n->class_hash == top->class_hash ? score * 0.2f : 0;
    if (w->scores[sibling] > none && w->scores[sibling] + bonus >= TM_MAX(10.0f, score * 0.2f))
        return true;
    const struct tm_sums *s = &w->x->sums[sibling];
    if (n->tag != TM_TAG_P && !is_paragraph_div(w, sibling))
        return false;
    if (s->chars > 80)
        return link_density(w, sibling) < 0.25f;
    return s->chars > 0 && s->link_chars == 0 && ends_like_sentence(w, sibling);
}

/* ---- cleaning ----------------------------------------------------------------------------------
 */

static bool looks_foreign(const struct work *w, uint32_t i, const struct tally *t)
{
    int names = weight(w, i);
    bool figure = w->inside[i] & IN_FIGURE;
    uint8_t tag = w->nodes[i].tag;
    bool list = tag == TM_TAG_UL || tag == TM_TAG_OL || 10 * t->list_chars > 9 * t->chars;
    float links = t->chars == 0 ? 0 : (float)t->link_chars / (float)t->chars;
    if (names < 0)
        return true;
    if (t->commas >= COMMAS)
        return false;
    if (!figure && t->img > 1 && 2 * t->p < t->img)
        return true;
    if (!list && (int64_t)t->li - 100 > (int64_t)t->p)
        return true;
    if (t->input > t->p / 3)
        return true;
    if (!list && !figure && 10 * t->heading_chars < 9 * t->chars && t->chars < 25 &&
        (t->img == 0 || t->img > 2) && links > 0)
        return true;
    if ((!list && names < WEIGHT && links > 0.2f) || (names >= WEIGHT && links > 0.5f))
        return true;
    if ((t->embed == 1 && t->chars < 75) || t->embed > 1)
        return true;
    return t->img == 0 && t->textish_chars == 0;
}

static bool is_cleanable(const struct work *w, uint32_t i)
{
    uint8_t tag = w->nodes[i].tag;
    if (w->inside[i] & (IN_CODE | IN_DATA | IS_DATA | HAS_DATA))
        return false;
    return tag == TM_TAG_FORM || tag == TM_TAG_FIELDSET || tag == TM_TAG_TABLE ||
           tag == TM_TAG_UL || (tag == TM_TAG_DIV && !is_paragraph_div(w, i));
}

static uint8_t cleaning_rule(const struct work *w, uint32_t i, const struct tally *t)
{
    const struct tm_node *n = &w->nodes[i];
    bool heading = n->tag == TM_TAG_H1 || n->tag == TM_TAG_H2;
    if (n->tag == TM_TAG_FOOTER)
        return TM_RULE_FOOTER;
    if (n->tag == TM_TAG_ASIDE || n->tag == TM_TAG_NAV)
        return rule_of_unlikely(n);
    if (n->tag == TM_TAG_BUTTON)
        return TM_RULE_FORM;
    if (heading && weight(w, i) < 0)
        return rule_of_unlikely(n);
    if (((n->class_hints | n->id_hints) & HINT_SHARE) && t->chars < 500)
        return TM_RULE_SHARE;
    if (!(w->rules & CLEAN) || !is_cleanable(w, i) || !looks_foreign(w, i, t))
        return TM_RULE_NONE;
    return n->rule != TM_RULE_NONE ? n->rule : TM_RULE_LINKS;
}

static void add_up(struct work *w, uint32_t i)
{
    const struct tally *t = &w->tallies[i];
    struct tally *up = &w->tallies[w->nodes[i].parent];
    uint8_t tag = w->nodes[i].tag;
    bool heading = tag >= TM_TAG_H1 && tag <= TM_TAG_H6;
    bool list = tag == TM_TAG_UL || tag == TM_TAG_OL;
    bool textish =
        makes_paragraphs(tag) || tag == TM_TAG_SPAN || tag == TM_TAG_LI || tag == TM_TAG_TD;
    up->chars += t->chars;
    up->link_chars += t->link_chars;
    up->commas += t->commas;
    up->heading_chars += heading ? t->chars : t->heading_chars;
    up->list_chars += list ? t->chars : t->list_chars;
    up->textish_chars += textish ? t->chars : t->textish_chars;
    up->p += t->p;
    up->img += t->img + (tag == TM_TAG_IMG);
    up->li += t->li + (tag == TM_TAG_LI);
    up->input += t->input + (tag == TM_TAG_INPUT);
    up->embed += t->embed + (tag == TM_TAG_EMBED || tag == TM_TAG_OBJECT || tag == TM_TAG_IFRAME);
}

/* Takes out of root what does not read like an article, innermost first. */
static void clean(struct work *w, uint32_t root)
{
    const struct tm_page *p = w->x->page;
    const struct tm_piece *pieces = tm_page_pieces(p);
    const struct tm_stats *stats = tm_page_stats(p);
    const struct tm_block_range *blocks = tm_page_blocks(p);
    const struct tm_node *r = &w->nodes[root];
    for (uint32_t i = root; i < r->end; i++)
        w->tallies[i] = (struct tally){.blocks = w->tallies[i].blocks};
    for (uint32_t k = r->piece; k < r->piece_end; k++) {
        if (w->x->gone[k])
            continue;
        struct tally *t = &w->tallies[pieces[k].node];
        t->chars += stats[k].chars;
        t->link_chars += stats[k].link_chars;
        t->commas += stats[k].commas;
    }
    size_t end = tm_extract_first_block(p, r->piece_end);
    for (size_t i = tm_extract_first_block(p, r->piece); i < end; i++) {
        uint8_t tag = w->nodes[blocks[i].node].tag;
        if (tag == TM_TAG_P || tag == TM_TAG_DIV) {
            w->tallies[blocks[i].node].p++;
            w->tallies[blocks[i].node].textish_chars += tm_extract_block(w->x, i).chars;
        }
    }
    for (uint32_t i = r->end; i-- > root + 1;) {
        if (w->x->dead[i] == 0)
            w->x->dead[i] = cleaning_rule(w, i, &w->tallies[i]);
        if (w->x->dead[i] == 0)
            add_up(w, i);
    }
}

/* ---- all together ------------------------------------------------------------------------------
 */

static void keep_root(struct work *w, uint32_t root)
{
    const struct tm_node *r = &w->nodes[root];
    size_t end = tm_extract_first_block(w->x->page, r->piece_end);
    clean(w, root);
    for (size_t i = tm_extract_first_block(w->x->page, r->piece); i < end; i++)
        w->x->keep[i] = 1;
}

static uint32_t attempt(struct work *w, unsigned rules)
{
    struct tm_extract *x = w->x;
    uint32_t top[TOP];
    w->rules = rules;
    memset(x->dead, 0, w->n);
    memset(x->keep, 0, tm_page_n_blocks(x->page));
    tm_extract_sum(x);
    strip_unlikely(w);
    score(w);
    size_t count = best_elements(w, top);
    if (count == 0 || is_root(w, top[0])) {
        keep_root(w, 0);
    } else {
        uint32_t best = climb(w, common_ancestor(w, top, count)), up = w->nodes[best].parent;
        for (uint32_t i = up + 1; i < w->nodes[up].end; i = w->nodes[i].end)
            if (x->dead[i] == 0 && (i == best || joins(w, best, i)))
                keep_root(w, i);
    }
    tm_extract_sum(x);
    return tm_extract_kept(x, NULL);
}

uint32_t tm_readability_find(struct tm_extract *x)
{
    struct work w = {
        .x = x, .nodes = tm_page_nodes(x->page), .n = (uint32_t)tm_page_n_nodes(x->page)};
    tm_buf_clear(&x->tallies_);
    tm_buf_clear(&x->scores_);
    tm_buf_clear(&x->inside_);
    if (w.n == 0 || !tm_buf_reserve(&x->tallies_, w.n * sizeof *w.tallies) ||
        !tm_buf_reserve(&x->scores_, w.n * sizeof *w.scores) || !tm_buf_reserve(&x->inside_, w.n))
        return 0;
    w.tallies = (struct tally *)x->tallies_.data;
    w.scores = (float *)x->scores_.data;
    w.inside = (uint8_t *)x->inside_.data;
    find_tables(&w);
    unsigned best_rules = ALL_RULES, most = 0, rules = ALL_RULES;
    for (int i = 0; i < 4; i++) {
        uint32_t chars = attempt(&w, rules);
        if (chars >= ENOUGH)
            return chars;
        if (chars > most) {
            most = chars;
            best_rules = rules;
        }
        rules &= ~(1u << i);
    }
    return attempt(&w, best_rules);
}
