#!/usr/bin/env python3
"""Files of weights in every format: the same values as their safetensors twins to the bit, and hostile
files refused with a message that names the place.

    weights.py DUMP_TENSORS WEIGHTS

Standard library only; make_weights.py made WEIGHTS."""
import hashlib
import io
import json
import os
import pathlib
import pickle
import struct
import subprocess
import sys
import tempfile
import zipfile

PROGRAM, WEIGHTS = sys.argv[1], pathlib.Path(sys.argv[2])
failures, tried = [], 0


def dump(folder, stem="model"):
    done = subprocess.run([PROGRAM, str(folder), stem], capture_output=True, text=True, errors="replace",
                          check=False)
    if done.returncode not in (0, 1):
        return f"died with {done.returncode}: {done.stderr.strip()[-300:]}"
    return done.stdout


def tensors(folder):
    """Name to what is the same in every format."""
    said = dump(folder)
    if not said.startswith("{"):
        return said
    rows = [json.loads(line) for line in said.splitlines()]
    return {r["name"]: (r["shape"], r.get("bits")) for r in rows}


def expect(what, got, wanted):
    global tried
    tried += 1
    if got != wanted:
        differ = [k for k in wanted if got.get(k) != wanted[k]] if isinstance(got, dict) else got
        failures.append(f"{what}: {str(differ)[:300]}")


def refused(what, folder, message):
    global tried
    tried += 1
    said = dump(folder)
    if message not in said or not said.startswith("E_"):
        failures.append(f"{what}: \"{message}\" expected, said: {said[:300]}")


def twins():
    for name, twin in (("pytorch", "twin"), ("pytorch-legacy", "twin"), ("pytorch-shards", "twin"),
                       ("pytorch-parameters", "twin-parameters")):
        wanted = tensors(WEIGHTS / twin)
        assert isinstance(wanted, dict), wanted
        expect(name, tensors(WEIGHTS / name), wanted)


def digests(folder):
    read = tensors(folder)
    if not isinstance(read, dict):
        return read
    return {k: [shape, bits and hashlib.sha256(bytes.fromhex(bits)).hexdigest()] for k, (shape, bits) in read.items()}


def carried():
    """Formats that carry their own configuration: names, shapes, values and config.json are the reference's."""
    for file in sorted(WEIGHTS.glob("*/expected.json")):
        wanted, folder = json.loads(file.read_text()), file.parent
        expect(folder.name, digests(folder), wanted["tensors"])
        said = dump(folder, "--config")
        config = json.loads(said) if said.startswith("{") else {}
        for key, value in wanted["config"].items():
            got = config.get(key, "missing: " + said[:200])
            same = abs(got - value) <= 1e-7 * abs(value) if isinstance(value, float) and isinstance(got, (int, float)) \
                else got == value
            expect(f"{folder.name}: {key}", got if not same else None, None)


# ---- pickles ----

class Call:
    """Pickles as a call of a function, which is how a pickle runs code."""

    def __init__(self, function, *args):
        self.reduced = function, args

    def __reduce__(self):
        return self.reduced


def archive(pkl, entries=(), root="archive", compress=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compress) as z:
        for name, data in {f"{root}/data.pkl": pkl, **dict(entries)}.items():
            z.writestr(name, data)
    return out.getvalue()


def text(s):
    return b"X" + struct.pack("<I", len(s)) + s.encode()


def number(n):
    return b"\x8a\x08" + struct.pack("<q", n)


def tensor(shape=(2, 2), stride=(2, 1), offset=0, elements=4, kind="torch\nFloatStorage", key="0",
           function="torch._utils\n_rebuild_tensor_v2", more=b""):
    """The pickle of one tensor, as torch.save writes it."""
    storage = b"(" + text("storage") + b"c" + kind.encode() + b"\n" + text(key) + text("cpu") + \
        number(elements) + more + b"tQ"
    sizes = b"".join(b"(" + b"".join(map(number, numbers)) + b"t" for numbers in (shape, stride))
    return b"c" + function.encode() + b"\n(" + storage + number(offset) + sizes + b"\x89}tR"


def model(value, name="a"):
    return b"\x80\x02}" + text(name) + value + b"s."


DATA = {"archive/data/0": bytes(range(16))}
LONG = 2**62
# the file, what the message must say
PICKLES = [
    (archive(pickle.dumps(Call(os.system, "touch /tmp/textmill-was-here"), 2)), "posix.system, which files of"),
    (archive(pickle.dumps(Call(eval, "1"), 2)), "__builtin__.eval, which"),
    (archive(pickle.dumps({"a": Call(getattr, 1, "x")}, 2)), "__builtin__.getattr"),
    (archive(b"\x80\x02cos\nsystem\n(X\2\0\0\0lstR."), "byte 2 of the pickle: it asks for os.system"),
    (archive(b"\x80\x02ccollections\nOrderedDict\n(tR)\x81."), "opcode 0x81 is refused"),
    (archive(b"\x80\x02(i__main__\nX\n."), "opcode 0x69 is refused"),
    (archive(b"\x80\x02ccollections\nOrderedDict\n."), "no dictionary of tensors"),
    (archive(b"\x80\x02ctorch\nFloatStorage\n)R."), "calls torch.FloatStorage"),
    (archive(b"\x80\x02}}R."), "calls something that is no name"),
    (archive(pickle.dumps({"epoch": 3, "model": {}}, 2)), "epoch is no tensor"),
    (archive(pickle.dumps([1, 2], 2)), "no dictionary of tensors"),
    (archive(pickle.dumps({"a": 1}, 4)), "protocol 4, only 2 is read"),
    (archive(b""), "byte 0 of the pickle: ends early"),
    (archive(b"\x80"), "ends early"),
    (archive(b"\x80\x02."), "empty stack"),
    (archive(b"\x80\x02(."), "empty stack"),
    (archive(b"\x80\x02t."), "no mark"),
    (archive(b"\x80\x02u."), "no mark"),
    (archive(b"\x80\x02(u."), "adds to something that is no dict"),
    (archive(b"\x80\x02}(Nu."), "adds to something that is no dict"),
    (archive(b"\x80\x02NNs."), "empty stack"),
    (archive(b"\x80\x02NNNs."), "adds to something that is no dict"),
    (archive(b"\x80\x02h\x05."), "asks for value 5 before it is there"),
    (archive(b"\x80\x02}q\x05."), "keeps value 5, the next number is 0"),
    (archive(b"\x80\x02X\xff\xff\xff\xff."), "ends early"),
    (archive(b"\x80\x02ctorch"), "ends early"),
    (archive(b"\x80\x02NQ."), "names something that is no storage"),
    (archive(b"\x80\x02(" + text("module") + b"NNNNtQ."), "names something that is no storage"),
    (archive(b"\x80\x02" + b"(" * 100000 + b"."), "empty stack"),
    (archive(model(tensor(offset=1)), DATA), "reaches beyond its storage of 4 elements"),
    (archive(model(tensor(stride=(4, 1))), DATA), "reaches beyond"),
    (archive(model(tensor(shape=(2, 2, 2), stride=(0, 2, 1))), DATA), "reaches beyond"),
    (archive(model(tensor(shape=(LONG, 4), stride=(0, 0))), DATA), "reaches beyond"),
    (archive(model(tensor(shape=(2, 2), stride=(LONG, LONG))), DATA), "reaches beyond"),
    (archive(model(tensor(shape=(2, -2))), DATA), "holds something that is no size"),
    (archive(model(tensor(shape=(1,) * 9, stride=(1,) * 9)), DATA), "no tuple of at most 8"),
    (archive(model(tensor(shape=(4,))), DATA), "differ in length"),
    (archive(model(tensor(offset=-1)), DATA), "without storage and offset"),
    (archive(model(tensor(elements=-4)), DATA), "no storage"),
    (archive(model(tensor(elements=5)), DATA), "storage 0 has 16 bytes, 20 are needed"),
    (archive(model(tensor(elements=LONG - 1)), DATA), "no storage"),
    (archive(model(tensor(key="1")), DATA), "storage 1 has 0 bytes"),
    (archive(model(tensor(key="../../x")), DATA), "storage ../../x has 0 bytes"),
    (archive(model(tensor(key="k" * 2000)), DATA), "name of a storage is too long"),
    (archive(model(tensor(more=b"}")), DATA), "a view of storage 0"),
    (archive(model(tensor(kind="torch\nComplexFloatStorage")), DATA), "torch.ComplexFloatStorage, which"),
    (archive(model(tensor(), name="a\0b"), DATA), "the name of a tensor is no text"),
    (archive(b"\x80\x02}(" + text("a") + tensor() + text("a") + tensor() + b"u.", DATA), "tensor a twice"),
    (archive(model(tensor()), {**DATA, "archive/byteorder": "big"}), "byte order big"),
    (archive(model(tensor()), DATA, compress=zipfile.ZIP_DEFLATED), "data.pkl is compressed"),
    (archive(model(tensor()), DATA, root="a/b"), "storage 0 has 0 bytes"),
    (archive(model(tensor())).replace(b"data.pkl", b"data.pkx"), "no data.pkl"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS's pointer"),
    (b"", "0 bytes are too short"),
    (b"PK", "not a whole ZIP archive"),
    (b"PK\5\6" + b"\xff" * 16 + b"\0\0", "not a whole ZIP archive"),
    (b"PK\5\6" + b"\0" * 4 + b"\x09\0" * 2 + b"\0" * 10, "more entries than"),
    (b"not a checkpoint", "byte 0 of the pickle: opcode 0x6e is refused"),
    (pickle.dumps({"a": 1}, 2), "ends early"),
    (pickle.dumps(1, 2) * 5, "not a file that torch.save wrote"),
]
LEGACY = [pickle.dumps(x, 2) for x in (0x1950a86a20f9469cfc6c, 1001, {"little_endian": True})]


def legacy(dictionary, keys, data=b"", parts=LEGACY):
    return b"".join(parts) + dictionary + pickle.dumps(keys, 2) + data


LEGACIES = [
    (legacy(model(tensor()), ["0"], struct.pack("<q", 5) + bytes(16)), "storage 0 of 5 elements ends beyond"),
    (legacy(model(tensor()), ["0"], struct.pack("<q", -1) + bytes(16)), "ends beyond"),
    (legacy(model(tensor()), ["0"], b"\4"), "storage 0 is missing"),
    (legacy(model(tensor()), []), "storage 0 has 0 bytes"),
    (legacy(model(tensor()), ["1"], struct.pack("<q", 4) + bytes(16)), "storage 0 belongs to no tensor"),
    (legacy(model(tensor()), [1]), "storage 0 belongs to no tensor"),
    (legacy(model(tensor()), ["0"], parts=[LEGACY[0], LEGACY[1], pickle.dumps({"little_endian": False}, 2)]),
     "big-endian"),
    (legacy(model(tensor()), ["0"], parts=[LEGACY[0], pickle.dumps(1000, 2), LEGACY[2]]), "version 1000"),
]


def pickles(tmp):
    for i, (content, message) in enumerate(PICKLES + LEGACIES):
        (tmp / "pytorch_model.bin").write_bytes(content)
        refused(f"pickle {i} {content[:40]!r}", tmp, message)
    (tmp / "pytorch_model.bin").write_bytes(archive(model(tensor(shape=(5, 0), stride=(1, 0))), DATA))
    expect("a turned tensor without elements", tensors(tmp), {"a": ([5, 0], "")})
    good = {"a": ([2, 2], "03020100070605040b0a09080f0e0d0c")}
    (tmp / "pytorch_model.bin").write_bytes(archive(model(tensor()), DATA))
    expect("an archive of our own", tensors(tmp), good)
    (tmp / "pytorch_model.bin").write_bytes(legacy(model(tensor()), ["0"], struct.pack("<q", 4) + bytes(range(16))))
    expect("a file without archive of our own", tensors(tmp), good)
    (tmp / "pytorch_model.bin").unlink()


# ---- GGUF ----

def string(s):
    s = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(s)) + s


def value(key, kind, data):
    return string(key) + struct.pack("<I", kind) + data


def gguf(values=(), infos=(), data=b"", version=3, counts=None, magic=b"GGUF"):
    n = counts or (len(infos), len(values))
    head = magic + struct.pack("<IQQ", version, *n) + b"".join(values) + b"".join(infos)
    return head + bytes(-len(head) % 32) + data


def info(name="token_embd.weight", shape=(4, 2), kind=0, offset=0):
    return string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


ARCH = value("general.architecture", 8, string("llama"))
HEADS = value("llama.attention.head_count", 4, struct.pack("<I", 2))
DEEP = struct.pack("<IQ", 9, 1) * 9 + struct.pack("<IQ", 0, 0)
GGUFS = [
    (b"", "4 bytes are missing"),
    (b"GGUF", "byte 4: 4 bytes are missing"),
    (gguf(magic=b"GGML"), "not a GGUF file"),
    (gguf(version=1), "version 1 of GGUF"),
    (gguf(version=3 << 24), "version 50331648 of GGUF (big-endian?)"),
    (gguf(counts=(2**63, 1)), "are more than are allowed"),
    (gguf(counts=(1, 2**63)), "are more than are allowed"),
    (gguf([ARCH], counts=(9, 1)), "missing (truncated?)"),
    (gguf(), "no general.architecture"),
    (gguf([value("general.architecture", 4, bytes(4))]), "no general.architecture"),
    (gguf([value("general.architecture", 8, string("mamba"))]), "architecture mamba is not among llama, qwen2"),
    (gguf([value("k" * 70000, 0, b"x")]), "a name of 70000 bytes"),
    (gguf([value(b"\xff\xfe", 0, b"x")]), "a name that is no text"),
    (gguf([value("a\0b", 0, b"x")]), "a name that is no text"),
    (gguf([value("a", 13, b"x")]), "a has type 13"),
    (gguf([value("a", 7, b"\2")]), "a bool of 2"),
    (gguf([value("a", 8, struct.pack("<Q", 2**64 - 1))]), "bytes are missing"),
    (gguf([value("a", 9, struct.pack("<IQ", 5, 2**62))]), "an array of 4611686018427387904 elements"),
    (gguf([value("a", 9, struct.pack("<IQ", 99, 1))]), "an array of type 99"),
    (gguf([value("a", 9, DEEP)]), "an array within arrays"),
    (gguf([ARCH, value("general.alignment", 4, bytes(4))]), "general.alignment of 0"),
    (gguf([ARCH, value("general.alignment", 4, b"\7\0\0\0")]), "general.alignment of 7"),
    (gguf([ARCH, value("split.count", 2, b"\3\0")]), "one of 3 parts"),
    (gguf([ARCH], [info("n" * 300)]), "a name of 300 bytes"),
    (gguf([ARCH], [info(shape=(1,) * 9)]), "has 9 dimensions"),
    (gguf([ARCH], [info(shape=(2**63, 2))]), "a dimension of 9223372036854775808"),
    (gguf([ARCH], [info(shape=(2**33, 2**33))], bytes(32)), "tensor token_embd.weight is larger than the file"),
    (gguf([ARCH], [info()], bytes(31)), "ends beyond the file"),
    (gguf([ARCH], [info(offset=32)], bytes(63)), "ends beyond the file"),
    (gguf([ARCH], [info(offset=16)], bytes(64)), "not aligned"),
    (gguf([ARCH], [info(offset=2**64 - 32)], bytes(64)), "ends beyond the file"),
    (gguf([ARCH], [info(shape=(48, 2), kind=8)], bytes(512)), "rows of 48 are no whole blocks of Q8_0"),
    (gguf([ARCH], [info(), info()], bytes(64)), "tensor model.embed_tokens.weight twice"),
    (gguf([ARCH], [info("blk.0.attn_q.weight")], bytes(64)), "are no whole heads"),
    (gguf([ARCH, HEADS], [info("blk.0.attn_q.weight", (4, 6))], bytes(128)), "are no whole heads"),
    (gguf([ARCH, HEADS], [info("blk.0.attn_q.weight", (2, 2, 4))], bytes(128)), "are no whole heads"),
    (gguf([ARCH, value("llama.attention.head_count", 5, struct.pack("<i", -2))],
          [info("blk.0.attn_q.weight")], bytes(64)), "are no whole heads"),
]


def ggufs(tmp):
    for i, (content, message) in enumerate(GGUFS):
        (tmp / "any.gguf").write_bytes(content)
        refused(f"gguf {i} {content[:60]!r}", tmp, message)
    # Another format of numbers is told when it is asked for, names without a row stay as they are.
    (tmp / "any.gguf").write_bytes(gguf([ARCH], [info("x.weight", (256, 1), 13), info("blk.7.attn_v.bias", (8,), 0)],
                                        bytes(64)))
    expect("an unknown number format", "tensor x.weight is Q5_K, which cannot be read" in dump(tmp), True)
    expect("names", tensors(tmp).get("model.layers.7.self_attn.v_proj.bias"), ([8], "0" * 64))
    (tmp / "other.gguf").write_bytes(b"")
    refused("two files", tmp, "there must be one *.gguf")
    (tmp / "other.gguf").unlink()
    for values, message in ((), "no llama.context_length"), \
            ((value("llama.context_length", 8, string("x")),), "llama.context_length is no number"), \
            ((value("llama.context_length", 9, struct.pack("<IQI", 4, 1, 7)),), "one for all layers"):
        (tmp / "any.gguf").write_bytes(gguf([ARCH, *values], [info()], bytes(32)))
        expect(f"config: {message}", message in dump(tmp, "--config"), True)
    (tmp / "any.gguf").unlink()


# ---- Marian ----

def npy(shape, data=b"", descr="'<f4'", order="False", head=None):
    text = head or "{'descr': %s, 'fortran_order': %s, 'shape': %s, }" % (descr, order, shape)
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode() + data


def npz(entries, compress=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compress) as z:
        for name, data in entries.items():
            z.writestr(name, data)
    return out.getvalue()


FOUR = bytes(16)
NPZS = [
    (b"", "not a whole ZIP archive"),
    (npz({"Wemb": b""}), "array Wemb: not an .npy"),
    (npz({"Wemb.npy": b""}), "array Wemb.npy: too short"),
    (npz({"Wemb.npy": b"not an array at all"}), "not NumPy's format"),
    (npz({"Wemb.npy": b"\x93NUMPY\1\0\xff\xff" + FOUR}), "its header is too long"),
    (npz({"Wemb.npy": b"\x93NUMPY\2\0\xff\xff\xff\xff" + FOUR}), "its header is too long"),
    (npz({"Wemb.npy": npy("(2, 2)", FOUR, "'<c8'")}), "its type is not known"),
    (npz({"Wemb.npy": npy("(2, 2)", FOUR, "[('a', '<f4')]")}), "its type is not known"),
    (npz({"Wemb.npy": npy("(2, 2)", FOUR, order="True")}), "not in C's order"),
    (npz({"Wemb.npy": npy("", FOUR, head="{}")}), "its type is not known"),
    (npz({"Wemb.npy": npy("2, 2", FOUR)}), "its shape cannot be read"),
    (npz({"Wemb.npy": npy("(2, -2)", FOUR)}), "its shape cannot be read"),
    (npz({"Wemb.npy": npy("(2, 2", FOUR)}), "its shape cannot be read"),
    (npz({"Wemb.npy": npy("(99999999999999999999,)", FOUR)}), "its shape cannot be read"),
    (npz({"Wemb.npy": npy("(1,1,1,1,1,1,1,1,4)", FOUR)}), "its shape cannot be read"),
    (npz({"Wemb.npy": npy("(4611686018427387904, 4)", FOUR)}), "its shape overflows"),
    (npz({"Wemb.npy": npy("(2, 3)", FOUR)}), "does not fill the entry"),
    (npz({"Wemb.npy": npy("(1, 2)", FOUR)}), "does not fill the entry"),
    (npz({"Wemb.npy": npy("(2, 2)", FOUR)}, zipfile.ZIP_DEFLATED), "Wemb.npy is compressed"),
    (npz({"Wemb.npy": npy("(2, 2)", FOUR)}).replace(b"PK\3\4", b"PK\3\5"), "not a whole ZIP archive"),
]
GRAPH = {"type": "transformer", "dim-emb": 2, "enc-depth": 1, "dec-depth": 1, "transformer-heads": 1,
         "transformer-dim-ffn": 2}
# an option, what the message must say
OPTIONS = [
    ({"type": "s2s"}, 'type "s2s" is not supported'),
    ({"transformer-preprocess": "n"}, 'transformer-preprocess "n" is not supported, only ""'),
    ({"transformer-decoder-autoreg": "rnn"}, 'transformer-decoder-autoreg "rnn"'),
    ({"transformer-tied-layers": "\n  - 1\n  - 1"}, "transformer-tied-layers"),
    ({"transformer-train-position-embeddings": "true"}, "transformer-train-position-embeddings"),
    ({"dim-emb": "many"}, "dim-emb is missing"),
    ({"enc-depth": None}, "enc-depth is missing"),
]


def graph(change):
    text = "".join(f"{k}: {v}\n" for k, v in {**GRAPH, **change}.items() if v is not None).encode() + b"\0"
    return {"special:model.yml.npy": npy(f"({len(text)},)", text, "'|i1'")}


def npzs(tmp):
    for i, (content, message) in enumerate(NPZS):
        (tmp / "model.npz").write_bytes(content)
        refused(f"npz {i} {content[:60]!r}", tmp, message)
    words = {"Wemb.npy": npy("(2, 2)", FOUR)}
    for change, message in [({}, "{")] + OPTIONS:
        options = graph(change)
        (tmp / "model.npz").write_bytes(npz({**words, **options}))
        said = dump(tmp, "--config")
        expect(f"options {change}", message if message in said else said, message)
    options = graph({})
    (tmp / "model.npz").write_bytes(npz({**words, **options}))
    for text, message in ("beam-size: x\n", "decoder.yml: beam-size x"), ("beam-size: 4\nnormalize: 0\n", '"num_beams":4'):
        (tmp / "decoder.yml").write_text(text)
        said = dump(tmp, "--config")
        expect(f"decoder.yml {text!r}", message if message in said else said, message)
    (tmp / "decoder.yml").unlink()
    for entries, message in (words, "no special:model.yml"), \
            ({"Wemb.npy": npy("(4,)", FOUR), **options}, "embeddings of one vocabulary"), \
            ({"encoder_Wemb.npy": npy("(2, 2)", FOUR), "decoder_Wemb.npy": npy("(4, 1)", FOUR), **options},
             "embeddings of one vocabulary"):
        (tmp / "model.npz").write_bytes(npz(entries))
        said = dump(tmp, "--config")
        expect(f"config of {list(entries)}", message if message in said else said, message)
    (tmp / "model.npz").unlink()


# ---- any format ----

def damage(tmp):
    """Files cut anywhere are refused, files changed anywhere are read or refused: nothing dies."""
    global tried
    for name in FILES:
        whole = (WEIGHTS / name).read_bytes()
        file = tmp / pathlib.Path(name).name
        for n in sorted({*range(0, 40), *range(40, len(whole), max(1, len(whole) // 60)), len(whole) - 1}):
            file.write_bytes(whole[:n])
            refused(f"{name} cut to {n} bytes", tmp, file.name)
        step = max(1, len(whole) // 150)
        for at in range(0, len(whole), step):
            for value in (0, 255, whole[at] ^ 1 << at % 8):
                tried += 1
                file.write_bytes(whole[:at] + bytes([value]) + whole[at + 1:])
                said = dump(tmp)
                if said.startswith("died"):
                    failures.append(f"{name}, byte {at} = {value}: {said}")
        file.unlink()


FILES = ["pytorch/pytorch_model.bin", "pytorch-legacy/pytorch_model.bin", "pytorch-parameters/pytorch_model.bin",
         "gguf-gpt2/model.gguf", "gguf-blocks/model.gguf", "marian/model.npz"]


def main():
    twins()
    carried()
    with tempfile.TemporaryDirectory() as tmp:
        for part in (pickles, ggufs, npzs, damage):
            part(pathlib.Path(tmp))
    for line in failures:
        print(line)
    print(f"{tried} files, {len(failures)} not as expected")
    return 1 if failures else 0


sys.exit(main())
