#!/usr/bin/env python3
"""Shows that the shim's tests can fail: breaks one line of a kernel at a time, compiles that file,
links it into the test and requires the checker of its operation to fail.

    mutate.py BUILD [PATTERN]     BUILD: a meson folder with tests/cuda/test_cuda built

About ten seconds a mutation. Standard library only."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# What is broken, file, the line as it is, what becomes of it, the checkers that must notice (any).
MUTATIONS = [
    ("causal mask sees one key too many", "attn.h", "a.args.causal && j > i", "a.args.causal && j > i + 1",
     "attn_varlen.cu", ["attn_varlen"]),
    ("window one wider", "attn.h", "<= a.args.window)", "<= a.args.window + 1)", "attn_mma.cu", ["tensor_cores"]),
    ("keys past the sequence's end", "attn.h", "if (j >= p.len || (", "if ((", "attn_mma.cu", ["tensor_cores"]),
    ("no barrier between keys and values", "attn_varlen.cu",
     "scores<ROWS>(a, p, q, row, kv, at + lane, s);\n        __syncthreads();",
     "scores<ROWS>(a, p, q, row, kv, at + lane, s);", "attn_varlen.cu", ["attn_varlen"]),
    ("values are not waited for", "attn_mma.cu", "copy_wait<0>();", "", "attn_mma.cu", ["tensor_cores"]),
    ("last columns of k lost", "gemm.cu", "k + i < x.cols", "k + i + 1 < x.cols", "gemm.cu", ["gemm", "tiles"]),
    ("stage read before it is there", "gemm.cu", "copy_wait<1>();\n        __syncthreads();",
     "copy_wait<1>();", "gemm.cu", ["gemm", "tiles"]),
    ("last columns of a row lost", "device.h", "v[i] = c + i < t.cols ?", "v[i] = c + i + 1 < t.cols ?",
     "add_norm.cu", ["add_norm"]),
    ("writes past a row", "device.h", "i < WIDE && c + i < t.cols; i++", "i < WIDE; i++", "add_norm.cu", ["add_norm"]),
    ("sums over all warps but one", "device.h", "    v = 0;\n    for (unsigned w = 0; w < warps; w++)",
     "    v = 0;\n    for (unsigned w = 0; w + 1 < warps || w == 0; w++)", "add_norm.cu", ["add_norm", "halves"]),
    ("no barrier before a sum is read", "device.h",
     "partial[threadIdx.x / WARP] = v;\n    __syncthreads();\n    v = 0;",
     "partial[threadIdx.x / WARP] = v;\n    v = 0;", "add_norm.cu", ["add_norm", "halves"]),
    ("a beam reads its own pages, not its ancestors'", "attn_cached.cu",
     "a.owner[(x.slot * a.owner_beams + beam) * a.owner_positions + t];", "beam;", "attn_cached.cu", ["attn_cached"]),
    ("pages taken for shared by the first beam's word", "attn_cached.cu",
     "same &= page_of(a, x, i, lane_t) == mine;", ";", "attn_cached.cu", ["attn_cached"]),
    ("no barrier before the merge", "attn_cached.cu", "    __syncthreads(); /* q's memory is used again */", "",
     "attn_cached.cu", ["attn_cached"]),
    ("n-grams one shorter", "scores.h", "ends_with(r, text + i, n - 1)", "ends_with(r, text + i, n - 2)",
     "logits_topk.cu", ["logits_topk"]),
    ("penalised as often as it occurs", "scores.h", "& bit) == 0)", "& bit) == 0 || true)", "logits_topk.cu",
     ["logits_topk"]),
    ("beams keep their own past", "beam_step.cu", "reorder(a.d, a.ancestry, s.slot, s.parent",
     "if (s.rows == 1)\n        reorder(a.d, a.ancestry, s.slot, s.parent", "beam_step.cu", ["beam_step"]),
    ("top_p off by one", "sample_step.cu", "for (; left > 1; left--)", "for (left -= left > 1; left > 1; left--)",
     "sample_step.cu", ["sample_step"]),
    ("rotation with the wrong sign", "qk_prep.cu", "a * cos - b * sin", "a * cos + b * sin", "qk_prep.cu", ["qk_prep"]),
    ("skipped rows are pooled", "pool_classify.cu", "p.skip[r] != 0", "p.skip[r] > 1", "pool_classify.cu",
     ["pool_classify"]),
]


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    build = pathlib.Path(sys.argv[1]).resolve()
    pattern = sys.argv[2] if len(sys.argv) > 2 else ""
    objects = [str(p) for p in sorted((build / "tests/cuda/test_cuda.p").glob("*.o"))]
    libraries = ["tests/cuda/libtm_cuda_shim.a", "kernels/libtm_kernels.a", "base/libtm_base.a"]
    libraries = [str(build / x) for x in libraries]
    survived = done = 0
    for name, file, old, new, unit, checkers in MUTATIONS:
        if not re.search(pattern, name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            shutil.copytree(root / "kernels", folder / "kernels")
            broken = folder / "kernels/cuda" / file
            text = broken.read_text()
            if text.count(old) < 1:
                sys.exit(f"{file} has no longer: {old}")
            broken.write_text(text.replace(old, new, 1))
            flags = ["-std=c++17", "-O1", "-w", "-ffp-contract=off", "-D_GNU_SOURCE", f"-I{root}/tests/cuda/shim",
                     f"-I{folder}/kernels", f"-I{root}/base"]
            subprocess.run(["c++", *flags, "-x", "c++", "-c", str(folder / "kernels/cuda" / unit), "-o",
                            str(folder / "unit.o")], check=True)
            subprocess.run(["c++", "-o", str(folder / "test"), str(folder / "unit.o"), *objects, *libraries,
                            "-lm", "-ldl", "-lpthread"], check=True)
            failed = False
            for checker in checkers:
                run = subprocess.run([str(folder / "test"), "1", checker], capture_output=True, text=True)
                failed |= run.returncode != 0
        done += 1
        survived += not failed
        print(f"{'noticed ' if failed else 'SURVIVED'} {name} ({unit}: {', '.join(checkers)})", flush=True)
    print(f"{done} mutations, {survived} survived")
    return 1 if survived else 0


sys.exit(main())
