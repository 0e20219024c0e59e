#!/bin/sh
# aarch64.sh ROOT OUT: the kernels' tests compiled for aarch64 and run under qemu-user, with every
# instruction set that its processor "max" has. Skips (77) without compiler or emulator.
set -eu
root=$1 out=$2 cc=aarch64-linux-gnu-gcc
command -v $cc >/dev/null && command -v qemu-aarch64 >/dev/null || {
    echo "skipped: gcc-aarch64-linux-gnu and qemu-user are not installed"
    exit 77
}
mkdir -p "$out"
flags="-std=gnu11 -O2 -ffp-contract=off -fno-math-errno -Wall -Wextra -Werror -Wno-missing-field-initializers \
    -D_GNU_SOURCE -DNDEBUG -DTM_HAVE_AARCH64 -I$root/base -I$root/kernels"
simd="attn_cached attn_varlen convert gemm gemm_bf16 gemm_int8 glu init logits_topk norm pool_classify
    qk_prep sample_step tile"
compile() { # SUFFIX FILE FLAGS...
    suffix=$1 file=$2
    shift 2
    $cc $flags "$@" -c "$root/$file" -o "$out/$(basename "$file" .c)_$suffix.o"
}
rm -f "$out"/*.o
for f in $simd; do
    compile neon kernels/cpu/$f.c -O3 -DTM_SIMD=neon
done
compile dotprod kernels/cpu/gemm_int8.c -O3 -march=armv8.2-a+dotprod -DTM_SIMD=dotprod
compile i8mm kernels/cpu/gemm_int8.c -O3 -march=armv8.2-a+i8mm -DTM_SIMD=i8mm
compile bf16 kernels/cpu/gemm_bf16.c -O3 -march=armv8.2-a+bf16 -DTM_SIMD=bf16
for f in "$root"/kernels/ref/*.c "$root"/kernels/dtype.c "$root"/kernels/cpu/backend.c \
    "$root"/kernels/cpu/blas.c "$root"/kernels/cpu/isa.c "$root"/kernels/cpu/pack.c "$root"/kernels/sort.c \
    "$root"/base/clock.c "$root"/base/err.c "$root"/base/hash.c "$root"/base/utf8.c \
    "$root"/tests/kernels/check*.c \
    "$root"/tests/kernels/bench*.c "$root"/tests/kernels/test_kernels.c; do
    compile plain "${f#"$root"/}" -Wno-unused-parameter
done
$cc -static "$out"/*.o -lm -lpthread -o "$out/test_kernels"
exec qemu-aarch64 -cpu max "$out/test_kernels" "${3:-1}" ${4:-}
