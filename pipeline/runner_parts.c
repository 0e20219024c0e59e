/* tm_runner_create: the runner with textmill's own stages. A file of its own so that tests of the
 * runner link neither stages nor engine. */
#include "runner.h"
#include "tm_engine.h"

static const struct infer_ops infer_ops = {
    .create = tm_infer_create,
    .destroy = tm_infer_destroy,
    .submit = tm_infer_submit,
    .poll = tm_infer_poll,
    .inside = tm_infer_inside,
    .step = tm_infer_step,
    .workers = tm_infer_workers,
};

enum tm_status tm_runner_create(const struct tm_runner_config *config,
                                struct tm_runner **ret_runner, struct tm_err *err)
{
    const struct tm_task *tasks;
    const struct runner_parts parts = {
        .clean = &tm_stage_clean,
        .tokenize = &tm_stage_tokenize,
        .assemble = &tm_stage_assemble,
        .infer = tm_models_tasks(config->models, &tasks) > 0 ? &infer_ops : NULL,
        .cores = tm_engine_cores(),
    };
    return runner_create_with(&parts, config, ret_runner, err);
}
