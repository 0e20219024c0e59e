/* The document: an arena with everything that is known about one record (tm_pipeline.h).
 *
 * Called by sources, stages and tasks on whichever thread owns the document; nothing is shared. */
#include "tm_pipeline.h"

#include <stdio.h>

enum { WARNINGS_FIRST = 4, NAMES_ROOM = 512 };

const char *tm_block_name(enum tm_block b)
{
    static const char *const name[] = {
        [TM_BLOCK_P] = "p",       [TM_BLOCK_HEADING] = "heading",
        [TM_BLOCK_LI] = "li",     [TM_BLOCK_QUOTE] = "quote",
        [TM_BLOCK_CODE] = "code", [TM_BLOCK_TABLE_ROW] = "table-row",
    };
    _Static_assert(TM_COUNTOF(name) == TM_BLOCK_COUNT, "one name a kind of block");
    tm_assert((unsigned)b < TM_BLOCK_COUNT);
    return name[b];
}

static struct tm_doc *create_in(struct tm_arena *owned)
{
    TM_CLEANUP(tm_arena_destroyp) struct tm_arena *arena = owned;
    struct tm_doc *d = arena == NULL ? NULL : tm_arena_alloc(arena, sizeof *d);
    if (d == NULL)
        return NULL;
    d->arena = TM_TAKE(arena);
    return d;
}

struct tm_doc *tm_doc_create(size_t memory_cap)
{
    return create_in(tm_arena_create(memory_cap));
}

struct tm_doc *tm_doc_create_small(size_t memory_cap, size_t expected)
{
    return create_in(
        tm_arena_create_for(memory_cap, sizeof(struct tm_doc) + NAMES_ROOM + expected));
}

void tm_doc_destroy(struct tm_doc *d)
{
    if (d != NULL)
        tm_arena_destroy(d->arena); /* holds the document itself */
}

enum tm_status tm_doc_fail(struct tm_doc *d, const char *stage, enum tm_status status,
                           const char *fmt, ...)
{
    if (d->err.status != TM_OK)
        return status;
    char text[sizeof d->err.text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    d->err_stage = stage;
    return tm_err_set_(&d->err, status, stage, 0, "%s", text);
}

enum tm_status tm_doc_nomem(struct tm_doc *d, const char *stage)
{
    if (tm_arena_full(d->arena))
        return tm_doc_fail(d, stage, TM_TOOLARGE, "needs more memory than limits.document_memory");
    return tm_doc_fail(d, stage, TM_NOMEM, "the process is out of memory");
}

/* A warning that finds no room in the arena is dropped: the document is about to fail for the same
 * reason. */
void tm_doc_warn(struct tm_doc *d, const char *code, const char *stage, const char *task,
                 const char *message)
{
    if (d->n_warnings == d->warnings_room) {
        size_t room = d->warnings_room == 0 ? WARNINGS_FIRST : d->warnings_room * 2;
        struct tm_warning *grown = tm_arena_array(d->arena, room, sizeof *grown);
        if (grown == NULL)
            return;
        for (size_t i = 0; i < d->n_warnings; i++)
            grown[i] = d->warnings[i];
        d->warnings = grown;
        d->warnings_room = room;
    }
    const char *copy = message == NULL ? NULL : tm_arena_strdup(d->arena, message);
    if (message != NULL && copy == NULL)
        return;
    d->warnings[d->n_warnings++] = (struct tm_warning){code, stage, task, copy};
}
