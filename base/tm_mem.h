/* Memory: arenas with a byte cap, growing byte buffers, ownership helpers, clock.
 *
 * An arena gives memory that is released all at once. It has one owner at a time and no lock.
 * Reaching the cap is an ordinary condition: the allocation returns NULL and tm_arena_full() says
 * so, which fails one document and nothing else. */
#ifndef TM_MEM_H
#define TM_MEM_H

#include "tm_err.h"
#include <stddef.h>
#include <stdint.h>

/* Runs fn(&variable) when the variable leaves its scope. */
#define TM_CLEANUP(fn) __attribute__((cleanup(fn)))
/* Moves the value of an owned pointer out, leaving NULL. */
#define TM_TAKE(p)                                                                                 \
    __extension__({                                                                                \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })
#define TM_COUNTOF(a) (sizeof(a) / sizeof((a)[0]))
#define TM_MIN(a, b)  ((a) < (b) ? (a) : (b))
#define TM_MAX(a, b)  ((a) > (b) ? (a) : (b))

struct tm_arena;

/* cap: most bytes ever handed out, > 0. NULL when memory is short. */
struct tm_arena *tm_arena_create(size_t cap);
/* The same for one that will probably need so many bytes and no more. */
struct tm_arena *tm_arena_create_for(size_t cap, size_t expected);
void tm_arena_destroy(struct tm_arena *a); /* runs the cleanups, newest first; NULL is fine */
void tm_arena_destroyp(struct tm_arena **a);
/* Zeroed, aligned to 16 bytes (64 from 4 KiB up); NULL at the cap or when memory is short. */
void *tm_arena_alloc(struct tm_arena *a, size_t size);
void *tm_arena_array(struct tm_arena *a, size_t count, size_t size); /* checks the product */
/* Copy of n bytes with a terminating NUL. */
char *tm_arena_strndup(struct tm_arena *a, const char *s, size_t n);
char *tm_arena_strdup(struct tm_arena *a, const char *s);
char *tm_arena_printf(struct tm_arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* fn(arg) runs at destroy or reset, for the rare thing that is not memory; false at the cap. */
bool tm_arena_cleanup(struct tm_arena *a, void (*fn)(void *arg), void *arg);
void tm_arena_reset(struct tm_arena *a); /* everything handed out becomes invalid */
size_t tm_arena_used(const struct tm_arena *a);
bool tm_arena_full(const struct tm_arena *a); /* the cap has refused an allocation */

/* A byte buffer that grows by doubling up to cap (0: no cap). data is NUL-terminated whenever it
 * is not NULL. After a refused growth `failed` stays set and appends do nothing, so that a writer
 * checks once at the end. Zero-initialise to start. */
struct tm_buf {
    char *data;
    size_t len, room, cap;
    bool failed;
};

void tm_buf_finish(struct tm_buf *b); /* frees; may be used again */
void tm_buf_clear(struct tm_buf *b);  /* len = 0, keeps the memory */
bool tm_buf_reserve(struct tm_buf *b, size_t more);
bool tm_buf_append(struct tm_buf *b, const void *bytes, size_t n);
bool tm_buf_puts(struct tm_buf *b, const char *s);
bool tm_buf_putc(struct tm_buf *b, char c);
bool tm_buf_put_uint(struct tm_buf *b, uint64_t v); /* in decimal digits */
bool tm_buf_printf(struct tm_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* s as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD. */
bool tm_buf_json_string(struct tm_buf *b, const char *s, size_t n);

/* The whole file, at most cap bytes (TM_TOOLARGE beyond). Appends to b. */
enum tm_status tm_read_file(const char *path, size_t cap, struct tm_buf *b, struct tm_err *err);

int64_t tm_resident_bytes(void); /* memory of this process; 0: not known */

uint64_t tm_clock_ns(void); /* monotonic */
/* UTC "2026-01-31T12:34:56.789Z"; out holds at least 32 bytes. */
void tm_clock_iso(int64_t unix_ms, char out[32]);
int64_t tm_clock_unix_ms(void);

/* 64-bit hash of bytes (not cryptographic, not stable across versions), for tables. */
uint64_t tm_hash(const void *bytes, size_t n, uint64_t seed);

/* Base64 back into bytes; out has room for n / 4 * 3 + 3. Returns n, or where it goes wrong. Blanks
 * are passed over; lenient: everything else that is no digit too, and it never goes wrong. */
size_t tm_base64_decode(const char *s, size_t n, bool lenient, char *out, size_t *ret_len);
/* Appends bytes as base64, padded. */
bool tm_buf_base64(struct tm_buf *b, const void *bytes, size_t n);

/* Does a file's name, of n bytes, end so, in any case of ASCII, and have more than that? */
bool tm_name_ends(const char *name, size_t n, const char *suffix);

/* UTF-8. Decodes one code point at s (n > 0 bytes left), returns its length, 0 when invalid
 * (over-long, surrogate, beyond U+10FFFF, truncated). */
size_t tm_utf8_decode(const char *s, size_t n, uint32_t *ret_cp);
size_t tm_utf8_encode(uint32_t cp, char out[4]); /* 0: a surrogate or beyond U+10FFFF */
/* Length of the valid prefix: == n when all of it is valid. */
size_t tm_utf8_valid(const char *s, size_t n);
size_t tm_utf8_count(const char *s, size_t n); /* code points of valid text */
/* The length of s cut to at most `most` bytes without cutting a character. */
size_t tm_utf8_cut(const char *s, size_t n, size_t most);

#endif
