/* Labels from logits (tm_answers.h): text classification and zero-shot classification. */
#include "tm_answers.h"

#include <math.h>
#include <strings.h>

/* exp(x - most) over n numbers, scaled to sum to 1. */
static void softmax(const float *x, size_t n, double *ret)
{
    double most = (double)x[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        most = TM_MAX(most, (double)x[i]);
    for (size_t i = 0; i < n; i++)
        sum += ret[i] = exp((double)x[i] - most);
    for (size_t i = 0; i < n; i++)
        ret[i] /= sum;
}

void tm_label_probabilities(const struct tm_engine_info *info, const float *logits, double *ret_p)
{
    size_t n = (size_t)info->n_labels;
    if (info->problem == TM_PROBLEM_SINGLE_LABEL && n > 1) {
        softmax(logits, n, ret_p);
        return;
    }
    for (size_t i = 0; i < n; i++)
        ret_p[i] = info->problem == TM_PROBLEM_REGRESSION ? (double)logits[i]
                                                          : 1.0 / (1.0 + exp(-(double)logits[i]));
}

size_t tm_label_best(const double *p, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (p[i] > p[best])
            best = i;
    return best;
}

enum tm_status tm_entailment_labels(const struct tm_engine_info *info, int32_t *ret_entailment,
                                    int32_t *ret_contradiction, struct tm_err *err)
{
    for (int32_t i = 0; i < info->n_labels && info->n_labels > 1; i++)
        if (strncasecmp(info->labels[i], "entail", 6) == 0) {
            *ret_entailment = i;
            *ret_contradiction = i == 0 ? info->n_labels - 1 : 0;
            return TM_OK;
        }
    return tm_err_set(err, TM_MODEL,
                      "model %s has no label entailment: zero-shot classification needs a model "
                      "trained on inference (MNLI)",
                      info->folder);
}

void tm_zero_shot_scores(const float *const *logits, size_t n, int32_t entailment,
                         int32_t contradiction, bool several, double *ret_scores)
{
    if (several || n == 1) {
        for (size_t i = 0; i < n; i++) {
            double against = (double)logits[i][contradiction],
                   for_it = (double)logits[i][entailment];
            ret_scores[i] = 1.0 / (1.0 + exp(against - for_it));
        }
        return;
    }
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        most = TM_MAX(most, (double)logits[i][entailment]);
    for (size_t i = 0; i < n; i++)
        sum += ret_scores[i] = exp((double)logits[i][entailment] - most);
    for (size_t i = 0; i < n; i++)
        ret_scores[i] /= sum;
}
