/* models pull: a model's folder from a hub, whole and checked, or not at all. */
#ifndef PULL_H
#define PULL_H

#include "args.h"

/* Operand 1 is ORG/NAME or the URL of a plain folder. Files gather in a hidden folder beside the
 * final one, each checked against the hub's digest, and appear together at the end; a pull that was
 * cut goes on where it stood. */
enum exit_code pull_model(const struct args *a);

#endif
