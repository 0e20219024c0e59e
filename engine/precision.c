/* The precisions, and which one `auto` is.
 *
 * Norms, softmax, residual sums, embeddings and the small layers of heads are float32 in all of
 * them. Called by model.c while a model is opened. */
#include "precision.h"

#include <string.h>

static const struct precision precisions[] = {
    {"float32", TM_F32, TM_F32},
    {"bf16", TM_BF16, TM_BF16},
    {"int8", TM_I8, TM_BF16},
};

enum tm_status precision_find(const char *name, uint32_t isa, const struct precision **ret,
                              struct tm_err *err)
{
    if (strcmp(name, "auto") == 0)
        name = tm_cpu_fast_bf16(isa) ? "bf16" : "float32";
    for (size_t i = 0; i < TM_COUNTOF(precisions); i++) {
        if (strcmp(precisions[i].name, name) == 0) {
            *ret = &precisions[i];
            return TM_OK;
        }
    }
    return tm_err_set(err, TM_UNSUPPORTED,
                      "precision %s is not known: there are auto, float32, bf16 and int8", name);
}
