/* Finding the article in a page: which blocks of text belong to it. */
#ifndef CLEAN_EXTRACT_H
#define CLEAN_EXTRACT_H

#include "page.h"
#include "writer.h"

/* What is left of an element's subtree. */
struct tm_sums {
    uint32_t chars, link_chars;
    uint32_t links, short_links; /* links with text; those under 10 characters */
    uint32_t commas;
};

/* Scratch of the search, reused from page to page. Every array is as long as the page's. */
struct tm_extract {
    const struct tm_page *page;
    uint8_t *dead;        /* per element: the rule that took it and all inside out, or 0 */
    uint8_t *spare;       /* per element: dead as it was */
    uint8_t *gone;        /* per piece: inside something dead */
    uint8_t *keep;        /* per block: belongs to the article */
    struct tm_sums *sums; /* per element */
    size_t sized_block;   /* whose living code points are known: sized_chars; SIZE_MAX: none */
    uint32_t sized_chars;
    struct tm_buf dead_, spare_, gone_, keep_, sums_;
    struct tm_buf tallies_, scores_, inside_; /* of candidates */
    struct tm_buf candidates_;                /* of choose.c */
};

enum tm_status tm_extract_init(struct tm_extract *x, const struct tm_page *page,
                               struct tm_err *err);
void tm_extract_finish(struct tm_extract *x);

/* Renews gone and sums after elements died. */
void tm_extract_sum(struct tm_extract *x);
/* Code points of the blocks kept, and how many those are. */
uint32_t tm_extract_kept(const struct tm_extract *x, uint32_t *ret_blocks);
/* The first block whose text begins at or after a piece. Blocks are in order of their pieces. */
size_t tm_extract_first_block(const struct tm_page *p, uint32_t piece);
/* What is alive of one block. */
struct tm_stats tm_extract_block(const struct tm_extract *x, size_t block);

/* Candidate: containers by their names, pruned. Returns the code points it keeps. */
uint32_t tm_landmark_find(struct tm_extract *x);
/* Candidate: elements scored by the paragraphs they hold. */
uint32_t tm_readability_find(struct tm_extract *x);
/* Candidate: elements that paragraphs pull at. */
uint32_t tm_gravity_find(struct tm_extract *x);
/* The net: <article> elements, else paragraphs, else all text. */
uint32_t tm_baseline_find(struct tm_extract *x);
enum tm_extract_mode {
    TM_EXTRACT_FAST,      /* one candidate */
    TM_EXTRACT_BALANCED,  /* the candidate that agrees most with the others */
    TM_EXTRACT_PRECISION, /* of that one, what another keeps too */
    TM_EXTRACT_RECALL,    /* beside it, what others keep */
    TM_EXTRACT_RAW,       /* all text, nothing taken out */
};

struct tm_choice {
    const char *method; /* static */
    double confidence;  /* how far the others agree with the chosen one; < 0: it was alone */
};
/* Runs the candidates and leaves the chosen one. Returns the code points it keeps, 0: none found.
 * Not for TM_EXTRACT_RAW. */
uint32_t tm_choose(struct tm_extract *x, enum tm_extract_mode mode, struct tm_choice *ret);
/* Everything that is text: for XML, and for TM_EXTRACT_RAW. */
uint32_t tm_baseline_all(struct tm_extract *x);

/* Keeps a standfirst before the article that its description repeats; NULL: the page has none. */
void tm_lead_restore(struct tm_extract *x, const char *description);
/* Takes furniture among the kept blocks out and counts it in w->removed. title: NULL, or what the
 * page is called. */
void tm_lines_filter(struct tm_extract *x, const char *title, struct tm_writer *w);

/* Writes the kept blocks. */
void tm_serialize(const struct tm_extract *x, struct tm_writer *w);
/* "html/body/div[2]/p[1]" of an element, in the arena; NULL when it would be absurdly long. */
const char *tm_serialize_path(const struct tm_page *p, uint32_t node, struct tm_arena *arena);

#endif
