/* Which language a text is in. */
#ifndef CLEAN_LANG_H
#define CLEAN_LANG_H

#include "tm_base.h"

enum { TM_LANG_GUESSES = 3, TM_LANG_CODE = 8 };

struct tm_lang_guess {
    const char *code; /* ISO 639-1, static */
    double score;     /* 0 to 1; those of all languages sum to 1 */
};

/* Words that were seen, with what was made of them: most of a text is few words. Of one thread; the
 * answers are the same with and without. */
struct tm_lang_words;
struct tm_lang_words *tm_lang_words_create(void); /* NULL: memory is short */
void tm_lang_words_destroy(struct tm_lang_words *words);

/* Which of 85 languages the text (valid UTF-8) is in, the likeliest first. Returns how many
 * guesses there are: 0 when the text has no letters or says too little ("und"). Looks at the first
 * few kilobytes. words: may be NULL. Any thread.
 *
 * A script with one language decides by itself; else the n-grams of one to five letters inside
 * words are summed up as in naive Bayes (Cavnar and Trenkle, 1994, and after), with the table that
 * make_table.py makes. */
size_t tm_lang_detect(struct tm_lang_words *words, const char *text, size_t len,
                      struct tm_lang_guess out[TM_LANG_GUESSES]);

/* How much a text reads like some language, 0 to 1, for whoever has to choose between readings of
 * the same bytes: how well the n-grams are known that have a letter beyond ASCII. Signs that no
 * text has between letters count against it. 0 when there is nothing to judge by. */
double tm_lang_fitness(const char *text, size_t len);

/* False: the table that was built in is damaged. For tests. */
bool tm_lang_table_sound(void);

#endif
