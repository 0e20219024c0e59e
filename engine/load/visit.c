/* Walks through all stored values of a folder, for those who check files (tm_weights.h).
 *
 * Called by the verbs of models, on their thread. */
#include "tm_weights.h"
#include "tensors.h"

#include <stdlib.h>

enum { BLOCK = 1 << 16 };

static struct tm_stored stored_of(const struct tensor_set *set, const struct tensor *t)
{
    return (struct tm_stored){tensors_format(set), tensors_file(set, t),   t->name, t->dtype,
                              tensor_elements(t),  t->type != TENSOR_OTHER};
}

static enum tm_status visit_tensor(const struct tensor_set *set, const struct tensor *t,
                                   float *values, tm_stored_fn *visit, void *arg,
                                   struct tm_err *err)
{
    const struct tm_stored stored = stored_of(set, t);
    if (!stored.read)
        return visit(arg, &stored, 0, values, 0) ? TM_OK : TM_CANCELLED;
    for (int64_t at = 0; at < stored.elements; at += BLOCK) {
        int64_t n = TM_MIN(stored.elements - at, (int64_t)BLOCK);
        enum tm_status s = tensors_read(set, t, at, n, values, err);
        if (s != TM_OK)
            return s;
        if (!visit(arg, &stored, at, values, (size_t)n))
            return TM_CANCELLED;
    }
    return TM_OK;
}

/* A folder without a model's weights may be an adapter's. */
static enum tm_status open_any(const char *folder, struct tensor_set **ret_set, struct tm_err *err)
{
    struct tm_err why = {TM_OK};
    char own[4096];
    enum tm_status s = tm_weights_folder(folder, own, sizeof own, &why);
    if (s == TM_OK)
        s = tensors_open(own, "model", ret_set, &why);
    if (s == TM_NOTFOUND)
        s = tensors_open(folder, "adapter_model", ret_set, NULL);
    return s == TM_OK ? TM_OK : tm_err_set(err, s, "%s", why.text);
}

enum tm_status tm_weights_list(const char *folder, tm_stored_fn *visit, void *arg,
                               struct tm_err *err)
{
    TM_CLEANUP(tensors_closep) struct tensor_set *set = NULL;
    enum tm_status s = open_any(folder, &set, err);
    for (size_t i = 0; s == TM_OK && i < tensors_count(set); i++) {
        const struct tm_stored stored = stored_of(set, tensors_at(set, i));
        s = visit(arg, &stored, 0, NULL, 0) ? TM_OK : TM_CANCELLED;
    }
    return s;
}

enum tm_status tm_weights_visit(const char *folder, tm_stored_fn *visit, void *arg,
                                struct tm_err *err)
{
    TM_CLEANUP(tensors_closep) struct tensor_set *set = NULL;
    enum tm_status s = open_any(folder, &set, err);
    if (s != TM_OK)
        return s;
    float *values = malloc(BLOCK * sizeof *values);
    if (values == NULL)
        return tm_err_set(err, TM_NOMEM, "weights of %s", folder);
    for (size_t i = 0; s == TM_OK && i < tensors_count(set); i++)
        s = visit_tensor(set, tensors_at(set, i), values, visit, arg, err);
    free(values);
    return s;
}

enum tm_status tm_weights_said(const char *folder, tm_said_fn *visit, void *arg, struct tm_err *err)
{
    TM_CLEANUP(tensors_closep) struct tensor_set *set = NULL;
    enum tm_status s = tensors_open(folder, "model", &set, err);
    return s == TM_OK ? tensors_said(set, visit, arg, err) : s;
}
