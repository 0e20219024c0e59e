/* Takes lines out of the chosen article that are none of its text: the title once more, lines that
 * begin as furniture does (phrases.c), bare dates, lines said before, headings that are left
 * without anything under them. Every one is counted. Called by clean.c after the choice. */
#include "extract.h"
#include "phrases.h"

#include <string.h>
#include <unicode/uchar.h>

enum {
    LINE_MOST = 160, /* code points; longer ones are text whatever they begin with */
    LINE_BYTES = 640,
    DATE_MOST = 60,
    TITLE_LINES = 4, /* the title is looked for in so many lines at the top */
    LAST_LINES = 5,  /* where what stands under an article is looked for */
    REPEATED = 30,   /* code points; shorter lines may be said twice */
};

/* One kept block in lower case with single blanks. */
struct line {
    char text[LINE_BYTES];
    size_t len;
    uint32_t chars; /* of the block; text is empty when there are too many */
};

static void put_lower(struct line *line, uint32_t cp)
{
    char code[4];
    uint32_t lower =
        cp < 0x80 ? (cp >= 'A' && cp <= 'Z' ? cp + 32 : cp) : (uint32_t)u_tolower((UChar32)cp);
    size_t n = tm_utf8_encode(lower == 0x2019 ? '\'' : lower, code);
    if (line->len + n < sizeof line->text) {
        memcpy(line->text + line->len, code, n);
        line->len += n;
    }
}

static void lower_text(struct line *line, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t len = tm_utf8_decode(s + i, n - i, &cp);
        if (len == 0)
            return;
        i += len;
        bool blank = cp <= ' ' || cp == 0xa0;
        if (!blank)
            put_lower(line, cp);
        else if (line->len > 0 && line->text[line->len - 1] != ' ')
            put_lower(line, ' ');
    }
}

static void read_line(const struct tm_extract *x, size_t block, struct line *line)
{
    const struct tm_block_range *b = &tm_page_blocks(x->page)[block];
    const struct tm_piece *pieces = tm_page_pieces(x->page);
    line->len = 0;
    line->chars = tm_extract_block(x, block).chars;
    if (line->chars > LINE_MOST)
        return;
    for (uint32_t k = b->piece; k < b->piece_end; k++)
        if (!x->gone[k])
            lower_text(line, x->page->text.data + pieces[k].text, pieces[k].len);
    while (line->len > 0 && line->text[line->len - 1] == ' ')
        line->len--;
    line->text[line->len] = '\0';
}

/* ---- what a line is ----------------------------------------------------------------------------
 */

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (unsigned char)c >= 0xc3;
}

/* Without the marks and numbers around it: "» Read more (3)" is "read more". */
static const char *bare(const char *s, size_t n, size_t *ret_len)
{
    while (n > 0 && !is_word_byte(*s) &&
           ((unsigned char)*s < 0x80 || (unsigned char)*s == 0xc2 || (unsigned char)*s < 0xc0))
        s++, n--;
    while (n > 0 && (unsigned char)s[n - 1] < 0x80 && !is_word_byte(s[n - 1]))
        n--;
    *ret_len = n;
    return s;
}

static uint8_t phrase_rule(const struct line *line, bool last)
{
    size_t n;
    const char *s = bare(line->text, line->len, &n);
    for (const struct tm_phrase *p = tm_phrases; p->text != NULL; p++) {
        char first = p->text[0]; /* most are done with here */
        if (p->place == TM_PHRASE_HOLDS ? !last
                                        : first != line->text[0] && (n == 0 || first != s[0]))
            continue;
        size_t len = strlen(p->text);
        switch ((enum tm_phrase_place)p->place) {
        case TM_PHRASE_WHOLE:
            if (n == len && memcmp(s, p->text, len) == 0)
                return p->rule;
            break;
        case TM_PHRASE_BEGINS:
            if (line->len >= len &&
                (memcmp(line->text, p->text, len) == 0 ||
                 (line->len >= (size_t)(s - line->text) + len && memcmp(s, p->text, len) == 0)))
                return p->rule;
            break;
        case TM_PHRASE_HOLDS:
            if (strstr(line->text, p->text) != NULL)
                return p->rule;
            break;
        }
    }
    return TM_RULE_NONE;
}

static bool is_date_word(const char *s, size_t n)
{
    for (const char *const *w = tm_date_words; *w != NULL; w++)
        if (strlen(*w) == n && memcmp(*w, s, n) == 0)
            return true;
    return false;
}

/* Numbers, names of months and days, and nothing else. */
static bool is_date(const struct line *line)
{
    bool digits = false;
    if (line->len == 0 || line->chars > DATE_MOST)
        return false;
    for (size_t i = 0; i < line->len;) {
        size_t n = 0;
        while (i + n < line->len && is_word_byte(line->text[i + n]))
            for (n++; i + n < line->len && ((unsigned char)line->text[i + n] & 0xc0) == 0x80;)
                n++;
        if (n > 0 && !is_date_word(line->text + i, n))
            return false;
        digits |= n == 0 && line->text[i] >= '0' && line->text[i] <= '9';
        i += n > 0 ? n : 1;
    }
    /* A year, a time or a day: three digits, and marks between them. */
    size_t count = 0, marks = 0;
    for (size_t i = 0; i < line->len; i++) {
        count += line->text[i] >= '0' && line->text[i] <= '9';
        marks += strchr("./:- ", line->text[i]) != NULL;
    }
    return digits && count >= 3 && marks > 0;
}

static bool echoes(const struct line *line, const struct line *title)
{
    if (line->len < 8 || title->len < 8)
        return false;
    size_t n = TM_MIN(line->len, title->len), most = TM_MAX(line->len, title->len);
    return memcmp(line->text, title->text, n) == 0 && 2 * n > most;
}

/* ---- the filter --------------------------------------------------------------------------------
 */

static void drop(struct tm_extract *x, size_t block, uint8_t rule, struct tm_writer *w)
{
    x->keep[block] = 0;
    w->removed[rule]++;
}

struct filter {
    struct tm_extract *x;
    struct tm_writer *w;
    struct line title;
    uint64_t *seen; /* hashes of lines so far */
    size_t n_seen, slots;
};

static bool said_before(struct filter *f, const struct line *line)
{
    if (line->chars < REPEATED || line->len == 0 || 2 * f->n_seen >= f->slots)
        return false;
    uint64_t h = tm_hash(line->text, line->len, 0) | 1;
    size_t at = h & (f->slots - 1);
    for (; f->seen[at] != 0; at = (at + 1) & (f->slots - 1))
        if (f->seen[at] == h)
            return true;
    f->seen[at] = h;
    f->n_seen++;
    return false;
}

static uint8_t judge(struct filter *f, const struct line *line, uint8_t kind, size_t nth,
                     size_t left)
{
    if (line->len == 0)
        return TM_RULE_NONE;
    if (nth < TITLE_LINES && kind != TM_BLOCK_LI && echoes(line, &f->title))
        return TM_RULE_TITLE;
    if (kind == TM_BLOCK_CODE || kind == TM_BLOCK_TABLE_ROW)
        return TM_RULE_NONE;
    if (is_date(line) && kind != TM_BLOCK_HEADING)
        return TM_RULE_META;
    uint8_t rule = phrase_rule(line, left <= LAST_LINES);
    return rule == TM_RULE_NONE && said_before(f, line) ? TM_RULE_REPEATED : rule;
}

/* A heading at the end has lost what it stood over; unless there is nothing but headings. */
static void drop_last_headings(struct filter *f)
{
    const struct tm_block_range *blocks = tm_page_blocks(f->x->page);
    size_t end = tm_page_n_blocks(f->x->page), last = end;
    while (last > 0 && (!f->x->keep[last - 1] || blocks[last - 1].kind == TM_BLOCK_HEADING))
        last--;
    for (size_t i = last; last > 0 && i < end; i++)
        if (f->x->keep[i])
            drop(f->x, i, TM_RULE_RELATED, f->w);
}

void tm_lines_filter(struct tm_extract *x, const char *title, struct tm_writer *w)
{
    const struct tm_block_range *blocks = tm_page_blocks(x->page);
    size_t n = tm_page_n_blocks(x->page), kept = 0, nth = 0;
    for (size_t i = 0; i < n; i++)
        kept += x->keep[i] && tm_extract_block(x, i).chars > 0;
    struct filter f = {.x = x, .w = w, .slots = 64};
    while (f.slots < 2 * kept)
        f.slots *= 2;
    uint32_t removed[TM_RULE_COUNT], chars = tm_extract_kept(x, NULL);
    tm_buf_clear(&x->scores_);
    tm_buf_clear(&x->candidates_); /* of no use any more: what is kept now, for the guard */
    if (kept < 2 || !tm_buf_reserve(&x->scores_, f.slots * sizeof *f.seen) ||
        !tm_buf_append(&x->candidates_, x->keep, n))
        return;
    memcpy(removed, w->removed, sizeof removed);
    f.seen = (uint64_t *)x->scores_.data;
    memset(f.seen, 0, f.slots * sizeof *f.seen);
    if (title != NULL)
        lower_text(&f.title, title, strlen(title));
    for (size_t i = 0; i < n; i++) {
        struct line line;
        if (!x->keep[i])
            continue;
        read_line(x, i, &line);
        if (line.chars == 0)
            continue;
        uint8_t rule = judge(&f, &line, blocks[i].kind, nth, kept - nth);
        if (rule != TM_RULE_NONE)
            drop(x, i, rule, w);
        nth++;
    }
    drop_last_headings(&f);
    if (2 * tm_extract_kept(x, NULL) < chars) { /* a list of dates, say, is what it is */
        memcpy(x->keep, x->candidates_.data, n);
        memcpy(w->removed, removed, sizeof removed);
    }
}
