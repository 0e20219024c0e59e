/* Activations, one number at a time, computed in double and rounded once. */
#include "ref.h"

#include <math.h>

float ref_act(enum tm_act act, float f)
{
    double x = f;
    switch (act) {
    case TM_ACT_NONE:
        return f;
    case TM_ACT_RELU:
        return f > 0 ? f : 0;
    case TM_ACT_GELU_ERF:
        return (float)(0.5 * x * erfc(-x * 0.70710678118654752));
    case TM_ACT_GELU_TANH:
        return (float)(0.5 * x * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x * x * x))));
    case TM_ACT_SILU:
        return (float)(x / (1 + exp(-x)));
    case TM_ACT_QUICK_GELU:
        return (float)(x / (1 + exp(-1.702 * x)));
    case TM_ACT_TANH:
        return (float)tanh(x);
    default:
        tm_assert(false); /* not an activation */
        return 0;
    }
}
