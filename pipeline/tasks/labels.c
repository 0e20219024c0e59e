/* Probabilities of labels from logits (tm_answers.h). */
#include "tm_answers.h"

#include <math.h>

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
