/* What a page says about itself. */
#ifndef CLEAN_META_H
#define CLEAN_META_H

#include "page.h"

enum { TM_META_AUTHORS = 8, TM_META_TITLE_MOST = 1024 };

/* The text of an article as a script has it: UTF-8, with markup or without; in the arena. */
struct tm_body {
    const char *text;
    size_t len;
    uint32_t source, source_end; /* of the script */
};

/* Every string is in the document's arena, tidied; NULL where unknown. */
struct tm_meta {
    const char *title, *url, *site, *published, *modified, *lang, *page_type;
    const char *authors[TM_META_AUTHORS];
    size_t n_authors;
    const char *description; /* of the head */
    const char *name;        /* JSON-LD's, where it differs from the headline in title */
    struct tm_body body;     /* JSON-LD's articleBody */
};

/* Reads every JSON-LD script of the page into m. Bad JSON ends that script, no more. */
void tm_jsonld_read(struct tm_page *p, struct tm_arena *arena, struct tm_meta *m);
/* JSON-LD, then Open Graph and article:*, then other meta elements, then the page's own text. */
void tm_meta_read(struct tm_page *p, struct tm_arena *arena, struct tm_meta *m);
/* state.c: the likeliest article in the state that scripts of the page hold; empty: none. */
void tm_state_read(struct tm_page *p, struct tm_arena *arena, struct tm_body *ret);
/* One character reference at s ("&amp;", "&#8217;", "&#x2019;"); its length, 0: none. */
size_t tm_meta_reference(const char *s, size_t n, uint32_t *ret_cp);
/* meta_title.c: the title, by what JSON-LD (m), the head (said, NULL: nothing) and the headings of
 * the page say. */
const char *tm_meta_title(const struct tm_page *p, struct tm_arena *arena, const struct tm_meta *m,
                          const char *said);
/* Words of a tidied string. */
size_t tm_meta_words(const char *s, size_t n);
/* The text of an element, tidied; NULL: none. */
const char *tm_meta_text(const struct tm_page *p, uint32_t node, struct tm_arena *arena,
                         size_t most);
/* meta_date.c: the first date in a text, as "2026-01-31", or all of it where it begins like that;
 * NULL: none. s is tidied. */
const char *tm_meta_date(struct tm_arena *arena, const char *s);
/* A copy with character references decoded once and white space collapsed, at most `most` bytes;
 * NULL when nothing is left. */
const char *tm_meta_tidy(struct tm_arena *arena, const char *s, size_t n, size_t most);

#endif
