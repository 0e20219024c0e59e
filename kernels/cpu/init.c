/* The slots that this instruction set overrides. Compiled once per set. */
#include "simd.h"

#define TEXT2(x) #x
#define TEXT(x)  TEXT2(x)
#define SET(op)                                                                                    \
    do {                                                                                           \
        ops->op = SIMD(op);                                                                        \
        ops->op##_variant = TEXT(TM_SIMD);                                                         \
    } while (0)

void SIMD(kern_cpu_init)(struct kern_cpu *cpu)
{
    struct tm_ops *ops = &cpu->backend.ops;
    SET(embed);
    SET(gemm);
    SET(add_norm);
    SET(glu);
    SET(qk_prep);
    SET(attn_varlen);
    SET(attn_cached);
    SET(logits_topk);
    SET(pool_classify);
    SET(quantize_rows);
    SET(convert);
    cpu->epilogue = SIMD(epilogue);
    cpu->panel = TILE_COLS;
    cpu->lanes = VL;
}
