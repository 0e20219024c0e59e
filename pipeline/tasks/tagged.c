/* Entities from the labels of tokens (tm_answers.h), by the five strategies of Hugging Face's
 * token-classification pipeline. */
#include "tm_answers.h"

#include <string.h>

static const char *const names[] = {
    [TM_AGGREGATE_NONE] = "none",   [TM_AGGREGATE_SIMPLE] = "simple",
    [TM_AGGREGATE_FIRST] = "first", [TM_AGGREGATE_AVERAGE] = "average",
    [TM_AGGREGATE_MAX] = "max",
};

bool tm_aggregation_find(const char *name, enum tm_aggregation *ret)
{
    for (size_t i = 0; i < TM_COUNTOF(names); i++)
        if (strcmp(names[i], name) == 0) {
            *ret = (enum tm_aggregation)i;
            return true;
        }
    return false;
}

size_t tm_utf8_at(const char *text, size_t n, uint32_t cp)
{
    size_t at = 0;
    for (; cp > 0 && at < n; cp--) {
        at++;
        while (at < n && ((unsigned char)text[at] & 0xc0) == 0x80)
            at++;
    }
    return at;
}

static bool is_unknown(const struct tm_tagged *t, size_t i)
{
    return t->ids[i] == tm_tokenizer_special_id(t->tok, TM_SPECIAL_UNK);
}

/* ---- from tokens to words ---- */

struct unit { /* a token or a word */
    size_t label;
    double score;
    size_t first, n;
};

static const double *row(const struct tm_tagged *t, size_t token)
{
    return t->p + token * (size_t)t->info->n_labels;
}

/* The one label of a word: its first token's, that of the mean, or that of its surest token. */
static void set_label(const struct tm_tagged *t, enum tm_aggregation how, struct unit *u)
{
    size_t labels = (size_t)t->info->n_labels, token = u->first;
    u->score = -1;
    for (size_t i = u->first; i < u->first + u->n && how == TM_AGGREGATE_MAX; i++)
        if (row(t, i)[tm_label_best(row(t, i), labels)] >
            row(t, token)[tm_label_best(row(t, token), labels)])
            token = i;
    for (size_t k = 0; k < labels; k++) {
        double p = row(t, token)[k];
        if (how == TM_AGGREGATE_AVERAGE) {
            p = 0;
            for (size_t i = u->first; i < u->first + u->n; i++)
                p += row(t, i)[k];
            p /= (double)u->n;
        }
        if (p > u->score) {
            u->score = p;
            u->label = k;
        }
    }
}

static size_t find_units(const struct tm_tagged *t, enum tm_aggregation how, struct unit *ret)
{
    bool words = how >= TM_AGGREGATE_FIRST;
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (t->special[i])
            continue;
        bool joins = words && n > 0 && t->subword[i];
        if (joins)
            ret[n - 1].n = i + 1 - ret[n - 1].first;
        else
            ret[n++] = (struct unit){.first = i, .n = 1};
    }
    for (size_t i = 0; i < n; i++)
        set_label(t, how, &ret[i]);
    return n;
}

/* ---- from words to entities ---- */

/* "B-PER" begins an entity of "PER"; "I-PER" and a plain label go on with one. */
static const char *tag_of(const char *label, bool *ret_begins)
{
    *ret_begins = strncmp(label, "B-", 2) == 0;
    return *ret_begins || strncmp(label, "I-", 2) == 0 ? label + 2 : label;
}

static struct tm_entity entity_of(const struct tm_tagged *t, const struct unit *u,
                                  const char *label)
{
    return (struct tm_entity){.label = label,
                              .score = u->score,
                              .first = u->first,
                              .n = u->n,
                              .start = t->offsets[u->first][0],
                              .end = t->offsets[u->first + u->n - 1][1]};
}

/* A label without what stands before its first '-'. */
static const char *group_of(const char *label)
{
    const char *dash = strchr(label, '-');
    return dash != NULL ? dash + 1 : label;
}

size_t tm_entities(const struct tm_tagged *t, enum tm_aggregation how, struct tm_arena *arena,
                   struct tm_entity *ret)
{
    struct unit *units = tm_arena_array(arena, TM_MAX(t->n, 1), sizeof *units);
    if (units == NULL)
        return SIZE_MAX;
    size_t n_units = find_units(t, how, units), n = 0, members = 0;
    const char *open = NULL; /* tag of the entity that the next unit may join */
    for (size_t i = 0; i < n_units; i++) {
        const char *label = t->info->labels[units[i].label];
        bool begins;
        const char *tag = tag_of(label, &begins);
        bool joins = how != TM_AGGREGATE_NONE && open != NULL && !begins && strcmp(tag, open) == 0;
        open = tag;
        const char *shown = how == TM_AGGREGATE_NONE ? label : group_of(label);
        if (strcmp(shown, "O") == 0)
            continue;
        if (!joins) {
            ret[n++] = entity_of(t, &units[i], shown);
            members = 1;
            continue;
        }
        struct tm_entity *e = &ret[n - 1];
        e->score = (e->score * (double)members + units[i].score) / (double)(members + 1);
        e->n = units[i].first + units[i].n - e->first;
        e->end = t->offsets[units[i].first + units[i].n - 1][1];
        members++;
    }
    return n;
}

enum tm_status tm_entity_word(const struct tm_tagged *t, const struct tm_entity *e,
                              enum tm_aggregation how, struct tm_buf *out, struct tm_err *err)
{
    bool unknown = false;
    for (size_t i = e->first; i < e->first + e->n; i++)
        unknown |= is_unknown(t, i);
    if (how == TM_AGGREGATE_NONE && !unknown) {
        const char *token = tm_tokenizer_token(t->tok, t->ids[e->first]);
        tm_buf_puts(out, token != NULL ? token : "");
        return out->failed ? tm_err_set(err, TM_NOMEM, "no memory for a word") : TM_OK;
    }
    if (!unknown)
        return tm_tokenizer_decode(t->tok, t->ids + e->first, e->n, TM_DECODE_CLEAN_UP, out, err);
    size_t from = tm_utf8_at(t->text, t->text_len, e->start);
    size_t len = tm_utf8_at(t->text + from, t->text_len - from, e->end - e->start);
    return tm_buf_append(out, t->text + from, len)
               ? TM_OK
               : tm_err_set(err, TM_NOMEM, "no memory for a word");
}
