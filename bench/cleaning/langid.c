/* langid < LINES: the language of each line, "und" where it cannot be told, and on standard error
 * how many lines a second of processor time one core did, reading and printing apart. */
#include "lang.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int main(void)
{
    struct tm_buf text = {0};
    size_t n, lines = 0;
    char block[1 << 16];
    while ((n = fread(block, 1, sizeof block, stdin)) > 0)
        if (!tm_buf_append(&text, block, n))
            return 1;
    uint64_t ns = 0;
    for (const char *at = text.data, *end = at + text.len; at < end; lines++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((stop == NULL ? end : stop) - at);
        struct tm_lang_guess guess[TM_LANG_GUESSES];
        uint64_t start = cpu_ns();
        size_t found = tm_lang_detect(NULL, at, len, guess);
        ns += cpu_ns() - start;
        printf("%s\t%.4f\n", found == 0 ? "und" : guess[0].code, found == 0 ? 0 : guess[0].score);
        at += len + 1;
    }
    fprintf(stderr, "%.0f lines/s\n", ns == 0 ? 0 : (double)lines * 1e9 / (double)ns);
    tm_buf_finish(&text);
    return 0;
}
