/* Words after which a full stop need not end a sentence. */
#ifndef CLEAN_ABBREVIATIONS_H
#define CLEAN_ABBREVIATIONS_H

#include <stdbool.h>
#include <stddef.h>

enum tm_abbreviation {
    TM_ABBREVIATION_NONE,
    TM_ABBREVIATION_NEVER,  /* a name or more follows: "Dr." */
    TM_ABBREVIATION_NUMBER, /* no end before a number: "No. 5" */
    TM_ABBREVIATION_MAYBE,  /* an end only before a word that often begins a sentence: "Inc." */
};

/* word: without its last full stop, any case. */
enum tm_abbreviation tm_abbreviation_find(const char *word, size_t n);
/* A word that often begins a sentence and rarely goes on with a name. */
bool tm_abbreviation_starter(const char *word, size_t n);
/* German nouns that an ordinal number goes with: "3. Oktober". */
bool tm_abbreviation_ordinal(const char *word, size_t n);

#endif
