/* The tile of packed_tmpl.h for aarch64 with i8mm: one instruction multiplies two rows of eight
 * bytes with two outputs of eight weights. Rows go in pairs; an odd one is its own neighbour. */
SIMD_INLINE int32x4_t two_by_two(const char *first, const char *second)
{
    return vcombine_s32(vld1_s32((const int32_t *)(const void *)first),
                        vld1_s32((const int32_t *)(const void *)second));
}

/* start: as in packed_tmpl.h. */
SIMD_INLINE void tile(const int rows, const int vectors, const uint32_t *a, int64_t lda,
                      const char *b, int64_t ldb, int64_t groups, void *c, const void *start,
                      struct simd_ahead ahead)
{
    int32x4_t acc[(TILE_ROWS + 1) / 2][2 * TILE_VECTORS];
    const int8_t *x[TILE_ROWS + 1];
    char *to = c;
    SIMD_EACH(r, rows + rows % 2)
    {
        x[r] = (const int8_t *)(a + TM_MIN(r, rows - 1) * lda);
    }
    SIMD_EACH(r, (rows + 1) / 2)
    {
        SIMD_EACH(v, 2 * vectors)
        {
            const char *first = start != NULL ? start : to + 2 * r * TILE_COLS * 4;
            const char *second = start != NULL      ? start
                                 : 2 * r + 1 < rows ? to + (2 * r + 1) * TILE_COLS * 4
                                                    : first;
            acc[r][v] = two_by_two(first + v * 8, second + v * 8);
        }
    }
    for (int64_t i = 0; i < groups; i++, b += ldb) {
        int8x16_t w[2 * TILE_VECTORS];
        SIMD_EACH(l, (vectors * WEIGHT_BYTES + 63) / 64)
        {
            __builtin_prefetch(ahead.from + l * 64L, 0, 2);
        }
        ahead.from += ahead.step;
        SIMD_EACH(v, 2 * vectors)
        {
            w[v] = vld1q_s8((const int8_t *)b + v * 16);
        }
        SIMD_EACH(r, (rows + 1) / 2)
        {
            int8x16_t pair = vcombine_s8(vld1_s8(x[2 * r] + i * 8), vld1_s8(x[2 * r + 1] + i * 8));
            SIMD_EACH(v, 2 * vectors)
            {
                acc[r][v] = vmmlaq_s32(acc[r][v], pair, w[v]);
            }
        }
    }
    SIMD_EACH(r, (rows + 1) / 2)
    {
        SIMD_EACH(v, 2 * vectors)
        {
            int32_t *at = (int32_t *)(void *)(to + 2 * r * TILE_COLS * 4) + v * 2;
            vst1_s32(at, vget_low_s32(acc[r][v]));
            if (2 * r + 1 < rows)
                vst1_s32(at + TILE_COLS, vget_high_s32(acc[r][v]));
        }
    }
}
