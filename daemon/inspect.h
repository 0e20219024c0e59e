/* models inspect: what a model's folder holds, and whether it runs here. */
#ifndef INSPECT_H
#define INSPECT_H

#include "args.h"

/* Operand 1 or -m. Says all that can be known of a folder that does not run, too, and why it does
 * not; then the exit code is that of the reason. */
enum exit_code inspect_model(const struct args *a);

#endif
