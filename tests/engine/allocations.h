/* How often memory was asked for, by anyone in the process, libc included. */
#ifndef ALLOCATIONS_H
#define ALLOCATIONS_H

/* -1 where that cannot be told: with sanitizers, or another libc than glibc. */
long allocations(void);

#endif
