/* Fuzz target: what is done to text by itself: charsets guessed, languages told, misreadings
 * mended, personal data found. */
#include "charset.h"
#include "lang.h"
#include "mojibake.h"
#include "pii.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tm_buf out = {0}, mended = {0}, scratch = {0};
    struct tm_decoded d;
    struct tm_lang_guess g[TM_LANG_GUESSES];
    if (tm_charset_decode((const char *)data, size, NULL, true, &out, &d, NULL) == TM_OK) {
        tm_assert(tm_utf8_valid(d.text, d.len) == d.len);
        size_t n = tm_lang_detect(NULL, d.text, d.len, g);
        tm_assert(n <= TM_LANG_GUESSES && (n == 0 || (g[0].score > 0 && g[0].score <= 1)));
        tm_lang_fitness(d.text, d.len);
        const struct tm_redaction mask = {.types = (1u << TM_PII_COUNT) - 1,
                                          .operator= TM_PII_MASK };
        tm_redaction_copy(&mask, d.text, d.len, &mended);
        tm_assert(mended.failed || tm_utf8_valid(mended.data, mended.len) == mended.len);
        if (tm_mojibake_mend(d.text, d.len, &mended, &scratch))
            tm_assert(tm_utf8_valid(mended.data, mended.len) == mended.len);
    }
    tm_buf_finish(&out);
    tm_buf_finish(&mended);
    tm_buf_finish(&scratch);
    return 0;
}
