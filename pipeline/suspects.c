/* Reading the attempt journal and bisecting its suspects (suspects.h). Called by journal.c when it
 * opens and under its lock; every byte of the text may be anything. */
#include "suspects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INSIDE_MOST = 1 << 14 };

/* ---- fields of a line ---- */

struct line {
    const char *at, *end;
};

/* The next field between single blanks; false when none is left. */
static bool field(struct line *l, const char **ret, size_t *ret_len)
{
    if (l->at >= l->end)
        return false;
    const char *blank = memchr(l->at, ' ', (size_t)(l->end - l->at));
    const char *stop = blank != NULL ? blank : l->end;
    *ret = l->at;
    *ret_len = (size_t)(stop - l->at);
    l->at = blank != NULL ? blank + 1 : l->end;
    return *ret_len > 0;
}

static bool number(struct line *l, int64_t most, int64_t *ret)
{
    const char *s;
    size_t n;
    int64_t v;
    if (!field(l, &s, &n) || !tm_json_number_i64(s, n, &v) || v < 0 || v > most)
        return false;
    *ret = v;
    return true;
}

/* ---- the lists ---- */

static bool make_room(void **list, size_t n, size_t size)
{
    if (n != 0 && (n < 8 || (n & (n - 1)) != 0))
        return true; /* rooms are 8, 16, 32, … */
    void *grown = realloc(*list, (n == 0 ? 8 : 2 * n) * size);
    if (grown == NULL)
        return false;
    *list = grown;
    return true;
}

static void set_stage(struct suspect *s, const char *stage, size_t n)
{
    size_t len = TM_MIN(n, sizeof s->stage - 1);
    memcpy(s->stage, stage, len);
    s->stage[len] = '\0';
}

/* NULL: memory is short. */
static struct suspect *add_suspect(struct trail *t, const char *key, size_t n)
{
    if (!make_room((void **)&t->suspects, t->n_suspects, sizeof *t->suspects))
        return NULL;
    struct suspect *s = &t->suspects[t->n_suspects];
    *s = (struct suspect){.key = strndup(key, n)};
    if (s->key == NULL)
        return NULL;
    t->n_suspects++;
    return s;
}

static struct suspect *find(const struct trail *t, const char *key, size_t n)
{
    for (size_t i = 0; i < t->n_suspects; i++)
        if (strncmp(t->suspects[i].key, key, n) == 0 && t->suspects[i].key[n] == '\0')
            return &t->suspects[i];
    return NULL;
}

struct suspect *trail_find(const struct trail *t, const char *key)
{
    return find(t, key, strlen(key));
}

static void remove_at(struct trail *t, size_t i)
{
    free(t->suspects[i].key);
    memmove(&t->suspects[i], &t->suspects[i + 1], (--t->n_suspects - i) * sizeof *t->suspects);
}

void trail_clear_group(struct trail *t, uint32_t group)
{
    for (size_t i = t->n_suspects; i-- > 0;)
        if (t->suspects[i].group == group)
            remove_at(t, i);
}

void trail_clear(struct trail *t, const char *key)
{
    struct suspect *s = trail_find(t, key);
    if (s != NULL)
        remove_at(t, (size_t)(s - t->suspects));
}

static void leave(struct trail *t, uint32_t slot)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->n_inside; i++)
        if (t->inside[i].slot != slot)
            t->inside[kept++] = t->inside[i];
    /* The room is told by the count: shrinking keeps it large enough. */
    t->n_inside = kept;
}

/* ---- lines ---- */

static bool read_enter(struct trail *t, struct line *l)
{
    int64_t slot;
    struct inside in = {0};
    if (!number(l, UINT32_MAX, &slot) || !field(l, &in.stage, &in.stage_len))
        return true;
    in.slot = (uint32_t)slot;
    while (t->n_inside < INSIDE_MOST && field(l, &in.key, &in.key_len)) {
        if (!make_room((void **)&t->inside, t->n_inside, sizeof *t->inside))
            return false;
        t->inside[t->n_inside++] = in;
    }
    return true;
}

static bool read_suspect(struct trail *t, struct line *l)
{
    int64_t group, deaths;
    const char *why, *stage, *key;
    size_t why_len, stage_len, key_len;
    if (!number(l, UINT32_MAX / 2, &group) || group == 0 || !number(l, UINT32_MAX / 2, &deaths) ||
        !field(l, &why, &why_len) || !field(l, &stage, &stage_len) || !field(l, &key, &key_len) ||
        find(t, key, key_len) != NULL || t->n_suspects == SUSPECTS_MOST)
        return true;
    struct suspect *s = add_suspect(t, key, key_len);
    if (s == NULL)
        return false;
    s->group = (uint32_t)group;
    s->deaths = (uint32_t)deaths;
    s->timeout = why[0] == 't';
    set_stage(s, stage, stage_len);
    t->last_group = TM_MAX(t->last_group, s->group);
    return true;
}

static void read_clear(struct trail *t, struct line *l)
{
    const char *key;
    size_t n;
    struct suspect *s = field(l, &key, &n) ? find(t, key, n) : NULL;
    if (s != NULL)
        remove_at(t, (size_t)(s - t->suspects));
}

static bool read_line(struct trail *t, const char *at, const char *end)
{
    int64_t v;
    struct line l = {at + 2, end};
    if (end - at < 3 || at[1] != ' ')
        return true;
    switch (at[0]) {
    case '+':
        return read_enter(t, &l);
    case 's':
        return read_suspect(t, &l);
    case 'c':
        read_clear(t, &l);
        return true;
    case '-':
        if (number(&l, UINT32_MAX, &v))
            leave(t, (uint32_t)v);
        return true;
    case 't':
        if (number(&l, UINT32_MAX, &v))
            t->overrun = v;
        return true;
    case 'q':
        if (number(&l, UINT32_MAX / 2, &v))
            t->running = (uint32_t)v;
        return true;
    case 'p':
        if (number(&l, UINT32_MAX / 2, &v)) {
            trail_clear_group(t, (uint32_t)v);
            t->running = 0;
        }
        return true;
    default:
        return true;
    }
}

static bool read_first(struct trail *t, const char *at, const char *end)
{
    size_t magic = strlen(JOURNAL_MAGIC);
    if ((size_t)(end - at) <= magic || memcmp(at, JOURNAL_MAGIC " ", magic + 1) != 0)
        return false;
    struct line l = {at + magic + 1, end};
    if (!number(&l, INT32_MAX, &t->pid))
        return false;
    number(&l, INT64_MAX, &t->oom_kills); /* "-" leaves it unknown */
    return true;
}

bool trail_parse(struct trail *t, const char *text, size_t n)
{
    *t = (struct trail){.pid = -1, .oom_kills = -1, .overrun = -1};
    if (n == 0)
        text = ""; /* an empty file gives no memory */
    const char *end = text + n;
    bool first = true;
    for (const char *at = text, *newline; at < end; at = newline + 1) {
        newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL)
            break; /* torn */
        if (first && !read_first(t, at, newline))
            break; /* of another version, or no journal */
        if (!first && !read_line(t, at, newline))
            return false;
        first = false;
    }
    return true;
}

void trail_finish(struct trail *t)
{
    for (size_t i = 0; i < t->n_suspects; i++)
        free(t->suspects[i].key);
    free(t->suspects);
    free(t->inside);
    *t = (struct trail){0};
}

/* ---- bisection ---- */

/* Documents are in several batches at once when their windows are: each counts once. */
static size_t unique_inside(struct trail *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_inside; i++) {
        struct inside *in = &t->inside[i];
        bool seen = t->overrun >= 0 && in->slot != t->overrun; /* the watchdog knows better */
        for (size_t k = 0; k < n && !seen; k++)
            seen = t->inside[k].key_len == in->key_len &&
                   memcmp(t->inside[k].key, in->key, in->key_len) == 0;
        if (!seen)
            t->inside[n++] = *in;
    }
    return t->n_inside = n;
}

static size_t group_size(const struct trail *t, uint32_t group)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_suspects; i++)
        n += t->suspects[i].group == group;
    return n;
}

/* In quarantine the process may die between two stages: then all of the group are suspects. */
static void blame_group(struct trail *t, uint32_t group)
{
    size_t size = group_size(t, group), n = 0;
    uint32_t half = t->last_group + 1;
    t->last_group += 2;
    for (size_t i = 0; i < t->n_suspects; i++) {
        struct suspect *s = &t->suspects[i];
        if (s->group != group)
            continue;
        s->timeout = false;
        if (size == 1)
            s->deaths++;
        else
            s->group = n++ < (size + 1) / 2 ? half : half + 1;
    }
}

static bool is_alone(const struct trail *t, const struct suspect *s)
{
    return s != NULL && s->group == t->running && group_size(t, t->running) == 1;
}

bool trail_accuse(struct trail *t)
{
    size_t n = unique_inside(t);
    if (n == 0 && t->running != 0)
        blame_group(t, t->running);
    uint32_t half = t->last_group + 1;
    t->last_group += n > 0 ? 2 : 0;
    for (size_t i = 0; i < n; i++) {
        const struct inside *in = &t->inside[i];
        struct suspect *s = find(t, in->key, in->key_len);
        if (n == 1 && is_alone(t, s))
            s->deaths++;
        else if (s == NULL && t->n_suspects == SUSPECTS_MOST)
            continue;
        else if (s == NULL && (s = add_suspect(t, in->key, in->key_len)) == NULL)
            return false;
        else
            s->group = i < (n + 1) / 2 ? half : half + 1;
        s->timeout = t->overrun >= 0;
        set_stage(s, in->stage, in->stage_len);
    }
    t->running = 0;
    return true;
}

/* ---- writing ---- */

void trail_print(const struct suspect *s, struct tm_buf *out)
{
    tm_buf_printf(out, "s %u %u %c %s %s\n", s->group, s->deaths, s->timeout ? 't' : 'c', s->stage,
                  s->key);
}

void trail_key(const struct tm_record *rec, struct tm_buf *out)
{
    for (const char *c = rec->lane_name; *c != '\0'; c++) {
        unsigned char u = (unsigned char)*c;
        if (u > ' ' && u < 0x7f && u != '%')
            tm_buf_putc(out, *c);
        else
            tm_buf_printf(out, "%%%02X", u);
    }
    tm_buf_printf(out, "#%llu", (unsigned long long)rec->seq);
}
