/* Arena: memory that is released all at once, with a cap (tm_mem.h).
 *
 * A list of chunks, the newest first. An allocation that would waste much of a chunk gets one of
 * its own, put behind the head so that the head's rest stays usable. One owner at a time, no lock.
 * Chunks come zeroed from calloc, and reset clears what it keeps, so that alloc never has to. In
 * ASan builds the part of a chunk that is not handed out is poisoned. */
#include "tm_mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
enum { RED_ZONE = 16 };
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
enum { RED_ZONE = 0 };
#endif

enum { ALIGN = 16, ALIGN_LARGE = 64, LARGE = 4096, CHUNK_FIRST = 16384, CHUNK_MOST = 1 << 20 };

struct chunk {
    struct chunk *next;
    size_t room, used; /* of bytes[] */
    _Alignas(16) char bytes[];
};

struct cleanup {
    struct cleanup *next;
    void (*fn)(void *arg);
    void *arg;
};

struct tm_arena {
    struct chunk *head;
    struct cleanup *cleanups; /* newest first, themselves in the arena */
    size_t cap, used, next_room;
    bool full;
};

struct tm_arena *tm_arena_create(size_t cap)
{
    tm_assert(cap > 0);
    struct tm_arena *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    /* Sizes are counted in steps of ALIGN, so the cap is too: one allocation of cap bytes fits. */
    a->cap = cap > SIZE_MAX / 2 ? SIZE_MAX / 2 : (cap + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    a->next_room = CHUNK_FIRST;
    return a;
}

struct tm_arena *tm_arena_create_for(size_t cap, size_t expected)
{
    struct tm_arena *a = tm_arena_create(cap);
    if (a != NULL)
        a->next_room = TM_MIN(TM_MAX(expected, (size_t)ALIGN_LARGE), a->cap);
    return a;
}

static void run_cleanups(struct tm_arena *a)
{
    for (struct cleanup *c; (c = a->cleanups) != NULL;) {
        a->cleanups = c->next;
        c->fn(c->arg);
    }
}

static void free_chunks(struct chunk *c)
{
    while (c != NULL) {
        struct chunk *next = c->next;
        ASAN_UNPOISON_MEMORY_REGION(c->bytes, c->room);
        free(c);
        c = next;
    }
}

void tm_arena_destroy(struct tm_arena *a)
{
    if (a == NULL)
        return;
    run_cleanups(a);
    free_chunks(a->head);
    free(a);
}

void tm_arena_destroyp(struct tm_arena **a)
{
    tm_arena_destroy(*a);
    *a = NULL;
}

static struct chunk *add_chunk(struct tm_arena *a, size_t need)
{
    bool own = need > a->next_room / 4 && a->head != NULL;
    size_t room = own ? need : TM_MAX(need, a->next_room);
    struct chunk *c = calloc(1, sizeof *c + room);
    if (c == NULL)
        return NULL;
    c->room = room;
    ASAN_POISON_MEMORY_REGION(c->bytes, room);
    if (own) {
        c->next = a->head->next;
        a->head->next = c;
    } else {
        c->next = a->head;
        a->head = c;
        a->next_room = TM_MIN(a->next_room * 2, (size_t)CHUNK_MOST);
    }
    return c;
}

/* NULL when the chunk has not enough left. */
static void *take(struct chunk *c, size_t size, size_t align)
{
    if (c == NULL)
        return NULL;
    uintptr_t at = (uintptr_t)(c->bytes + c->used);
    size_t skip = (size_t)(-at & (align - 1));
    if (c->room - c->used < skip || c->room - c->used - skip < size)
        return NULL;
    void *p = c->bytes + c->used + skip;
    c->used = TM_MIN(c->used + skip + size + RED_ZONE, c->room);
    return p;
}

void *tm_arena_alloc(struct tm_arena *a, size_t size)
{
    size_t rounded = size == 0 ? ALIGN : (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (size > a->cap || rounded > a->cap - a->used) {
        a->full = true;
        return NULL;
    }
    size_t align = size >= LARGE ? ALIGN_LARGE : ALIGN;
    void *p = take(a->head, rounded, align);
    if (p == NULL)
        p = take(add_chunk(a, rounded + align + RED_ZONE), rounded, align);
    if (p == NULL)
        return NULL;
    a->used += rounded;
    ASAN_UNPOISON_MEMORY_REGION(p, size);
    return p;
}

void *tm_arena_array(struct tm_arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        a->full = true;
        return NULL;
    }
    return tm_arena_alloc(a, bytes);
}

char *tm_arena_strndup(struct tm_arena *a, const char *s, size_t n)
{
    if (n == SIZE_MAX) {
        a->full = true;
        return NULL;
    }
    char *p = tm_arena_alloc(a, n + 1);
    if (p != NULL && n > 0)
        memcpy(p, s, n);
    return p;
}

char *tm_arena_strdup(struct tm_arena *a, const char *s)
{
    return tm_arena_strndup(a, s, strlen(s));
}

char *tm_arena_printf(struct tm_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : tm_arena_alloc(a, (size_t)n + 1);
    if (p == NULL)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}

bool tm_arena_cleanup(struct tm_arena *a, void (*fn)(void *arg), void *arg)
{
    struct cleanup *c = tm_arena_alloc(a, sizeof *c);
    if (c == NULL)
        return false;
    *c = (struct cleanup){.next = a->cleanups, .fn = fn, .arg = arg};
    a->cleanups = c;
    return true;
}

void tm_arena_reset(struct tm_arena *a)
{
    run_cleanups(a);
    a->used = 0;
    a->full = false;
    struct chunk *kept = a->head;
    if (kept == NULL)
        return;
    free_chunks(kept->next);
    kept->next = NULL;
    ASAN_UNPOISON_MEMORY_REGION(kept->bytes, kept->room);
    memset(kept->bytes, 0, kept->used);
    kept->used = 0;
    ASAN_POISON_MEMORY_REGION(kept->bytes, kept->room);
}

size_t tm_arena_used(const struct tm_arena *a)
{
    return a->used;
}

bool tm_arena_full(const struct tm_arena *a)
{
    return a->full;
}
