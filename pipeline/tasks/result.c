/* Results of tasks: JSON values that live as long as their document. */
#include "tasks.h"

#include <jansson.h>
#include <math.h>

static void decref(void *arg)
{
    json_decref(arg);
}

enum tm_status task_finish(struct tm_doc *doc, struct tm_task_run *run, struct json_t *json,
                           struct tm_err *err)
{
    if (json == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for the result of %s", run->task->ops->name);
    if (!tm_arena_cleanup(doc->arena, decref, json)) {
        json_decref(json);
        return tm_err_set(err, TM_NOMEM, "no memory for the result of %s", run->task->ops->name);
    }
    run->result = json;
    run->done = true;
    return TM_OK;
}

double task_round(double x)
{
    return round(x * 1e6) / 1e6;
}
