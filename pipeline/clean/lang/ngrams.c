/* The table of n-grams and what it says about a word (ngrams.h). The table is part of the program
 * (table.bin, by make_table.py) and is read where it lies. Called by lang.c, any thread. */
#include "ngrams.h"
#include "lang_table.h" /* made: where table.bin lies */

#include <stdlib.h>
#include <string.h>

__asm__(".section .rodata\n"
        ".balign 64\n"
        ".global tm_lang_table\n"
        ".hidden tm_lang_table\n"
        "tm_lang_table:\n"
        ".incbin \"" TM_LANG_TABLE "\"\n"
        "tm_lang_table_end:\n"
        ".global tm_lang_table_end\n"
        ".hidden tm_lang_table_end\n"
        ".byte 0\n"
        ".previous\n");
extern const unsigned char tm_lang_table[], tm_lang_table_end[];

static uint32_t get32(const unsigned char *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

static size_t aligned(size_t at)
{
    return (at + 15) & ~(size_t)15;
}

/* The parts of one group in the table. */
struct ngrams tm_ngrams_find(size_t index)
{
    struct ngrams g = {0};
    size_t count = get32(tm_lang_table + 8), at = 12 + 20 * count;
    for (size_t i = 0; i <= index && i < count; i++) {
        const unsigned char *head = tm_lang_table + 12 + 20 * i;
        g = (struct ngrams){.langs = get32(head + 4),
                            .width = get32(head + 8),
                            .n_rows = get32(head + 12),
                            .slots = get32(head + 16)};
        at = aligned(at);
        g.codes = (const char(*)[TM_LANG_CODE])(tm_lang_table + at);
        at = aligned(at + g.langs * TM_LANG_CODE);
        g.prints = (const uint32_t *)(tm_lang_table + at);
        at += (size_t)4 * g.slots;
        g.numbers = (const uint16_t *)(tm_lang_table + at);
        at = aligned(at + (size_t)2 * g.slots);
        g.rows = tm_lang_table + at;
        at += (size_t)g.n_rows * g.width;
    }
    return g;
}

bool tm_lang_table_sound(void)
{
    if (memcmp(tm_lang_table, "TMLANG1", 8) != 0 || get32(tm_lang_table + 8) != NGRAMS_GROUPS)
        return false;
    for (size_t i = 0; i < NGRAMS_GROUPS; i++) {
        struct ngrams g = tm_ngrams_find(i);
        if (get32(tm_lang_table + 12 + 20 * i) != i || g.width > NGRAMS_WIDTH ||
            g.width % NGRAMS_STEP != 0 || g.langs > g.width || (g.slots & (g.slots - 1)) != 0)
            return false;
        for (uint32_t k = 0; k < g.slots; k++)
            if (g.numbers[k] != 0xffff && g.numbers[k] >= g.n_rows)
                return false;
        if (i + 1 == NGRAMS_GROUPS)
            return g.rows + (size_t)g.n_rows * g.width == tm_lang_table_end;
    }
    return false;
}

/* ---- words ---- */

uint32_t tm_ngrams_print(uint32_t before, uint32_t letter)
{
    uint32_t x = before * 31 + letter + 1;
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return x ^ (x >> 16);
}

const uint8_t *tm_ngrams_row(const struct ngrams *g, uint32_t print)
{
    const uint32_t mask = g->slots - 1;
    for (uint32_t at = print & mask; g->numbers[at] != 0xffff; at = (at + 1) & mask)
        if (g->prints[at] == print)
            return g->rows + (size_t)g->numbers[at] * g->width;
    return NULL;
}

typedef uint8_t bytes __attribute__((vector_size(NGRAMS_STEP)));
typedef uint16_t shorts __attribute__((vector_size(2 * NGRAMS_STEP)));

static void add_rows(uint16_t *sums, const uint8_t *const *rows, size_t n, uint32_t width)
{
    for (uint32_t at = 0; at < width; at += NGRAMS_STEP) {
        shorts part = {0};
        for (size_t i = 0; i < n; i++) {
            bytes row;
            memcpy(&row, rows[i] + at, sizeof row);
            part += __builtin_convertvector(row, shorts);
        }
        memcpy(sums + at, &part, sizeof part);
    }
}
_Static_assert(NGRAMS_WORD *NGRAMS_ORDER *NGRAMS_UNKNOWN <= UINT16_MAX, "sums of a word");

/* The table is larger than a cache and a word's rows lie all over it: all are asked for, then used.
 */
static void count(const struct ngrams *g, const uint32_t *word, size_t n, struct ngrams_word *ret)
{
    uint32_t prints[NGRAMS_WORD * NGRAMS_ORDER];
    const uint8_t *rows[NGRAMS_WORD * NGRAMS_ORDER];
    size_t n_prints = 0, n_rows = 0;
    for (size_t from = 0; from < n; from++) {
        uint32_t print = 0;
        for (size_t i = from; i < n && i < from + NGRAMS_ORDER; i++) {
            print = tm_ngrams_print(print, word[i]);
            __builtin_prefetch(&g->numbers[print & (g->slots - 1)]);
            __builtin_prefetch(&g->prints[print & (g->slots - 1)]);
            prints[n_prints++] = print;
        }
    }
    for (size_t i = 0; i < n_prints; i++) {
        const uint8_t *row = tm_ngrams_row(g, prints[i]);
        if (row != NULL)
            __builtin_prefetch(rows[n_rows++] = row);
    }
    add_rows(ret->sums, rows, n_rows, g->width);
    ret->hits = (uint16_t)n_rows;
}

/* ---- words that were seen ---- */

enum { KEPT = 1024, KEPT_LETTERS = 12 };

/* Letters tell the script and with it the group. */
struct kept {
    uint32_t letters[KEPT_LETTERS];
    uint32_t n; /* 0: none */
    struct ngrams_word word;
};

struct tm_lang_words {
    struct kept kept[KEPT];
};

struct tm_lang_words *tm_lang_words_create(void)
{
    return calloc(1, sizeof(struct tm_lang_words));
}

void tm_lang_words_destroy(struct tm_lang_words *words)
{
    free(words);
}

const struct ngrams_word *tm_ngrams_count(const struct ngrams *g, struct tm_lang_words *words,
                                          const uint32_t *word, size_t n, struct ngrams_word *room)
{
    if (words == NULL || n > KEPT_LETTERS) {
        count(g, word, n, room);
        return room;
    }
    struct kept *k = &words->kept[tm_hash(word, n * sizeof *word, 0) % KEPT];
    if (k->n != n || memcmp(k->letters, word, n * sizeof *word) != 0) {
        memcpy(k->letters, word, n * sizeof *word);
        k->n = (uint32_t)n;
        count(g, word, n, &k->word);
    }
    return &k->word;
}
