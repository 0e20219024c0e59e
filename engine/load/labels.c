/* id2label and problem_type of config.json. Called by config.c while a model is opened. */
#include "config_parts.h"

#include <string.h>

enum tm_status labels_read(struct tm_json *j, struct config *c, struct tm_arena *arena,
                           struct tm_err *err)
{
    struct tm_json_event ev;
    int32_t room = 0, n = 0;
    const char **labels = NULL;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s == TM_OK && ev.type == TM_JSON_NULL)
        return TM_OK;
    if (s == TM_OK && ev.type != TM_JSON_OBJECT)
        return tm_json_fail(j, TM_MODEL, err, "id2label is not an object");
    while (s == TM_OK && (s = tm_json_next(j, &ev, err)) == TM_OK && ev.type == TM_JSON_KEY) {
        int64_t id;
        if (!tm_json_number_i64(ev.text, ev.len, &id) || id < 0 || id >= LABELS_MOST)
            return tm_json_fail(j, TM_MODEL, err, "id2label: \"%s\" is not a label's number",
                                ev.text);
        if (id >= room) {
            int32_t more = (int32_t)TM_MAX(id + 1, 2 * (int64_t)room);
            const char **bigger = tm_arena_array(arena, (size_t)more, sizeof *bigger);
            if (bigger == NULL)
                return tm_err_set(err, TM_NOMEM, "labels");
            if (room > 0)
                memcpy(bigger, labels, (size_t)room * sizeof *labels);
            labels = bigger;
            room = more;
        }
        if (labels[id] != NULL)
            return tm_json_fail(j, TM_MODEL, err, "id2label names %lld twice", (long long)id);
        s = tm_json_next(j, &ev, err);
        if (s == TM_OK && ev.type != TM_JSON_STRING && ev.type != TM_JSON_NUMBER)
            return tm_json_fail(j, TM_MODEL, err, "id2label: label %lld is not a string",
                                (long long)id);
        if (s == TM_OK && (labels[id] = tm_arena_strndup(arena, ev.text, ev.len)) == NULL)
            return tm_err_set(err, TM_NOMEM, "labels");
        n++;
    }
    for (int32_t i = 0; s == TM_OK && i < n; i++)
        if (labels[i] == NULL)
            return tm_json_fail(j, TM_MODEL, err, "id2label leaves out %d", i);
    c->labels = labels;
    c->n_labels = n;
    return s;
}

enum tm_status problem_read(struct tm_json *j, struct config *c, struct tm_err *err)
{
    static const char *const names[] = {
        [TM_PROBLEM_SINGLE_LABEL] = "single_label_classification",
        [TM_PROBLEM_MULTI_LABEL] = "multi_label_classification",
        [TM_PROBLEM_REGRESSION] = "regression",
    };
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s != TM_OK || ev.type == TM_JSON_NULL)
        return s;
    for (size_t i = 0; ev.type == TM_JSON_STRING && i < TM_COUNTOF(names); i++) {
        if (strcmp(names[i], ev.text) == 0) {
            c->problem = (enum tm_problem)i;
            c->problem_given = true;
            return TM_OK;
        }
    }
    return tm_json_fail(j, TM_MODEL, err, "unknown problem_type");
}

void problem_settle(struct config *c)
{
    if (!c->problem_given)
        c->problem = c->n_labels == 1 ? TM_PROBLEM_MULTI_LABEL : TM_PROBLEM_SINGLE_LABEL;
}

enum tm_status config_make_labels(struct config *c, int32_t n, struct tm_arena *arena,
                                  struct tm_err *err)
{
    c->labels = tm_arena_array(arena, (size_t)TM_MAX(n, 1), sizeof *c->labels);
    for (int32_t i = 0; c->labels != NULL && i < n; i++)
        if ((c->labels[i] = tm_arena_printf(arena, "LABEL_%d", i)) == NULL)
            return tm_err_set(err, TM_NOMEM, "labels");
    c->n_labels = n;
    problem_settle(c);
    return c->labels != NULL ? TM_OK : tm_err_set(err, TM_NOMEM, "labels");
}
