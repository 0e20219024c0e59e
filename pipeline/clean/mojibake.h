/* Text that was decoded wrongly somewhere on its way: found and mended. */
#ifndef CLEAN_MOJIBAKE_H
#define CLEAN_MOJIBAKE_H

#include "tm_base.h"

/* Mends UTF-8 that was read in a single-byte encoding, once or several times ("Ã©" for "é"), and
 * controls that are windows-1252's signs. s: valid UTF-8, best a line or paragraph. True, and the
 * mended text in out (cleared first), when there was something to mend beyond doubt; false leaves
 * the text as it is. scratch: any buffer of the caller. After the observations of ftfy (Speer,
 * 2019), with rules of its own. */
bool tm_mojibake_mend(const char *s, size_t n, struct tm_buf *out, struct tm_buf *scratch);

/* mojibake_tables.c; ends with a row whose name is NULL. */
struct tm_mojibake_table {
    const char *name;
    uint16_t high[128]; /* what bytes from 0x80 on mean */
};
extern const struct tm_mojibake_table tm_mojibake_tables[];

#endif
