/* How lines that stand in an article without being part of it begin, as data. */
#ifndef CLEAN_PHRASES_H
#define CLEAN_PHRASES_H

#include <stdint.h>

enum tm_phrase_place {
    TM_PHRASE_WHOLE,  /* the line is this, but for marks and numbers around it */
    TM_PHRASE_BEGINS, /* the line begins so */
    TM_PHRASE_HOLDS,  /* it has this somewhere, and is one of the last */
};

struct tm_phrase {
    uint8_t place;    /* enum tm_phrase_place */
    uint8_t rule;     /* enum tm_rule: counted as */
    const char *text; /* lower case, single blanks */
};

extern const struct tm_phrase tm_phrases[]; /* ends with a row whose text is NULL */
/* Names of months in lower case, abbreviated ones too; words beside them in dates. Ends with NULL.
 */
extern const char *const tm_date_words[];

#endif
