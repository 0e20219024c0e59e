/* The published patterns of byte-level BPE models, each as a scanner by hand: several times faster
 * than a regular expression. Implemented in scanners.c. */
#ifndef TOKENIZE_SCANNERS_H
#define TOKENIZE_SCANNERS_H

#include "text.h"

/* End of the match that begins at c[i], i < end; i: there is none. */
typedef uint32_t tok_scan_fn(const struct cell *c, uint32_t i, uint32_t end);

/* The scanner for exactly this pattern; NULL: there is none. */
tok_scan_fn *tok_scanner(struct str pattern);
tok_scan_fn tok_scan_gpt2;  /* that of ByteLevel's use_regex */
tok_scan_fn tok_scan_qwen2; /* that of Qwen2's folders without tokenizer.json */

#endif
