/* Bytes as printable characters, as GPT-2's vocabularies write them: the printable ones of Latin-1
 * stand for themselves, the other 68 for U+0100 and up. Implemented in byte_level.c. */
#ifndef TOKENIZE_BYTE_LEVEL_H
#define TOKENIZE_BYTE_LEVEL_H

#include "text.h"

enum { BYTE_LEVEL_END = 0x144, BYTE_LEVEL_SPACE = 0x120 }; /* one past the last; that of ' ' */

extern const uint16_t byte_level_chars[256];
/* The byte that cp stands for; -1: none. */
int byte_level_byte(uint32_t cp);
/* Appends the bytes of c as cells; false: no memory. */
bool byte_level_put(struct tm_buf *out, const struct cell *c, size_t n);

#endif
