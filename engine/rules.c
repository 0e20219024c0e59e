/* The ids that a slot's rules name, in a device's memory: ends of sequence, suppressed ids, bad
 * words, the source. A CPU reads the sequence's own; a device cannot.
 *
 * Called by decode.c on the worker's thread when a slot begins. A slot's room grows to the longest
 * that it has held, and is kept. */
#include "rules.h"

#include "engine.h"

#include <stdlib.h>
#include <string.h>

struct rules {
    int32_t slots;
    struct room {
        int32_t *memory; /* device */
        int32_t *host;   /* the same, being filled */
        int64_t ids;
    } * room; /* (slots) */
};

enum tm_status rules_create(int32_t slots, struct rules **ret_rules, struct tm_err *err)
{
    struct rules *r = calloc(1, sizeof *r);
    if (r != NULL)
        r->room = calloc((size_t)slots, sizeof *r->room);
    if (r == NULL || r->room == NULL) {
        free(r);
        return tm_err_set(err, TM_NOMEM, "rules of %d slots", slots);
    }
    r->slots = slots;
    *ret_rules = r;
    return TM_OK;
}

void rules_destroy(struct rules *r, struct tm_backend *b)
{
    if (r == NULL)
        return;
    for (int32_t i = 0; i < r->slots; i++) {
        if (r->room[i].memory != NULL)
            b->dev.free(b, r->room[i].memory);
        free(r->room[i].host);
    }
    free(r->room);
    free(r);
}

/* Nobody reads the slot's old ids any more: it is only now beginning. */
static enum tm_status grow(struct room *room, struct tm_stream *stream, struct tm_backend *b,
                           int64_t ids)
{
    if (ids <= room->ids)
        return TM_OK;
    enum tm_status s = b->dev.stream_sync(stream);
    int32_t *host = realloc(room->host, (size_t)ids * sizeof *host);
    if (host != NULL)
        room->host = host;
    if (room->memory != NULL)
        b->dev.free(b, room->memory);
    room->memory = host != NULL ? b->dev.alloc(b, (size_t)ids * sizeof *host) : NULL;
    room->ids = room->memory != NULL ? ids : 0;
    return s != TM_OK ? s : room->memory != NULL ? TM_OK : TM_NOMEM;
}

enum tm_status rules_put(struct rules *r, struct tm_stream *stream, struct tm_backend *b,
                         int32_t slot, struct tm_decoding *how)
{
    const struct {
        const int32_t **ids;
        int32_t n;
    } lists[] = {
        {&how->eos_token_ids, how->n_eos},
        {&how->suppress_tokens, how->n_suppress},
        {&how->begin_suppress_tokens, how->n_begin_suppress},
        {&how->bad_words, how->n_bad_words},
        {&how->source, how->n_source},
    };
    if (b->dev.memory_free == NULL) /* the host's own memory */
        return TM_OK;
    struct room *room = &r->room[slot];
    int64_t all = 0, at = 0;
    for (size_t i = 0; i < TM_COUNTOF(lists); i++)
        all += lists[i].n;
    enum tm_status s = grow(room, stream, b, all);
    if (s != TM_OK || all == 0)
        return s;
    for (size_t i = 0; i < TM_COUNTOF(lists); i++) {
        if (lists[i].n > 0)
            memcpy(room->host + at, *lists[i].ids, (size_t)lists[i].n * sizeof(int32_t));
        *lists[i].ids = room->memory + at;
        at += lists[i].n;
    }
    return b->dev.copy_in(stream, room->memory, room->host, (size_t)all * sizeof(int32_t));
}
