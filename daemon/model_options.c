/* How a model is opened, from the arguments (model_options.h). */
#include "model_options.h"

static const char *get(const struct args *a, const char *name)
{
    const char *value = args_get(a, name);
    return value != NULL ? value : "auto";
}

enum exit_code model_options(const struct args *a, struct model_options *ret)
{
    int64_t threads;
    enum exit_code code = args_int(a, "threads", 0, 1024, 0, &threads);
    if (code == EXIT_OK)
        *ret = (struct model_options){get(a, "device"), get(a, "precision"), (int)threads};
    return code;
}
