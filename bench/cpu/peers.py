"""What people run these models with today, each behind one function: prepare once, then run one workload with one setting.

    peers.py PEER FOLDER CACHE WORKLOAD-JSON SETTING-JSON

prints one JSON line: sequences, seconds, processor seconds of all threads, peak memory, and whether every sequence got
as many tokens as it should. A process of its own for each run, so that peak memory and threads belong to it alone."""
import json
import os
import pathlib
import random
import resource
import shutil
import sys
import time


def lengths(work):
    """The lengths that `textmill models bench` draws are not these, but they come from the same range."""
    rng = random.Random(1)
    return [rng.randint(*work["source"]) for _ in range(work["sequences"])]


def measured(run, work, warm):
    warm()
    wall, cpu = time.perf_counter(), time.process_time()
    ok = run()
    return {"sequences": work["sequences"], "seconds": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu,
            "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "complete": ok}


# ---- CTranslate2 ----

def token(i):
    return f"t{i}"


def ct2_folder(folder, cache, precision):
    """Converts in memory: there is no tokenizer to go with random weights, so tokens are named after their ids."""
    out = pathlib.Path(cache) / f"ct2-{pathlib.Path(folder).name}-{precision}"
    if out.exists():
        return out
    import transformers
    from ctranslate2.converters import transformers as converters
    config = transformers.AutoConfig.from_pretrained(folder)
    model = getattr(transformers, config.architectures[0]).from_pretrained(folder)
    loader = converters._MODEL_LOADERS[type(config).__name__]
    spec = loader.get_model_spec(model)
    marian = config.model_type == "marian"  # starts from zeros in place of pad, its last id, which is taken out
    names = [token(i) for i in range(config.vocab_size - marian)]
    if hasattr(spec, "register_source_vocabulary"):
        spec.register_source_vocabulary(names)
        spec.register_target_vocabulary(names)
        spec.config.decoder_start_token = token(config.eos_token_id if marian else config.decoder_start_token_id)
    else:
        spec.register_vocabulary(names)
    spec.config.bos_token = token(config.bos_token_id or 0)
    spec.config.eos_token = token(config.eos_token_id)
    spec.config.unk_token = token(3)
    spec.config.add_source_bos = spec.config.add_source_eos = False
    spec.validate()
    spec.optimize(quantization=precision)
    part = out.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    spec.save(str(part))
    part.rename(out)
    return out


def ctranslate2(folder, cache, work, setting):
    import ctranslate2 as ct2
    rng = random.Random(2)
    vocabulary = json.loads((pathlib.Path(folder) / "config.json").read_text())["vocab_size"]
    texts = [[token(rng.randint(10, vocabulary - 10)) for _ in range(n)] for n in lengths(work)]
    where = dict(device="cpu", compute_type=work["precision"], inter_threads=setting["workers"],
                 intra_threads=setting["threads"])
    new = work["new"]
    common = dict(beam_size=work["beams"], max_batch_size=setting["batch"], batch_type="tokens")
    model = str(ct2_folder(folder, cache, work["precision"]))
    if work.get("causal"):
        engine = ct2.Generator(model, **where)

        def go(part):
            return [r.sequences_ids[0] for r in engine.generate_batch(
                part, max_length=new, min_length=new, include_prompt_in_result=False, sampling_topk=1, **common)]
    else:
        engine = ct2.Translator(model, **where)

        def go(part):
            return [r.hypotheses[0] for r in engine.translate_batch(
                part, max_decoding_length=new, min_decoding_length=new, max_input_length=0, **common)]
    return measured(lambda: all(len(r) == new for r in go(texts)), work, lambda: go(texts[:1]))


# ---- ONNX Runtime ----

def onnx_file(folder, cache, precision):
    out = pathlib.Path(cache) / f"onnx-{pathlib.Path(folder).name}-{precision}.onnx"
    if out.exists():
        return out
    import torch
    import transformers
    from onnxruntime.quantization import QuantType, quantize_dynamic
    exact = pathlib.Path(cache) / f"onnx-{pathlib.Path(folder).name}-float32.onnx"
    if not exact.exists():
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, attn_implementation="eager", return_dict=False).eval()
        ids = torch.randint(10, 1000, (2, 16))
        torch.onnx.export(model, (ids, torch.ones_like(ids)), str(exact), input_names=["input_ids", "attention_mask"],
                          output_names=["logits"], opset_version=17, dynamo=False,
                          dynamic_axes={"input_ids": {0: "b", 1: "s"}, "attention_mask": {0: "b", 1: "s"}})
    if precision == "int8":
        quantize_dynamic(str(exact), str(out), weight_type=QuantType.QInt8, per_channel=True)
    return out


def onnxruntime(folder, cache, work, setting):
    import numpy as np
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = setting["threads"], 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others need the cores
    session = ort.InferenceSession(str(onnx_file(folder, cache, work["precision"])), options)
    rng = np.random.default_rng(2)
    order = lengths(work)
    if setting["sorted"]:
        order.sort()
    texts = [rng.integers(10, 30000, n) for n in order]

    def go(texts):
        done = 0
        for i in range(0, len(texts), setting["batch"]):
            part = texts[i:i + setting["batch"]]
            ids = np.zeros((len(part), max(map(len, part))), np.int64)
            mask = np.zeros_like(ids)
            for row, text in enumerate(part):
                ids[row, :len(text)], mask[row, :len(text)] = text, 1
            done += len(session.run(None, {"input_ids": ids, "attention_mask": mask})[0])
        return done
    return measured(lambda: go(texts) == len(texts), work, lambda: go(texts[:1]))


# ---- transformers ----

def transformers(folder, cache, work, setting):
    del cache
    import torch
    import transformers as hf
    torch.set_num_threads(setting["threads"])
    config = hf.AutoConfig.from_pretrained(folder)
    model = getattr(hf, config.architectures[0]).from_pretrained(folder, dtype=torch.float32).eval()
    torch.manual_seed(2)
    texts = sorted((torch.randint(10, config.vocab_size - 10, (n,)) for n in lengths(work)), key=len)

    def go(texts):
        complete = True
        for i in range(0, len(texts), setting["batch"]):
            part = [t.flip(0) for t in texts[i:i + setting["batch"]]]  # padded on the left, as decoders need it
            ids = torch.nn.utils.rnn.pad_sequence(part, batch_first=True).flip(1)
            mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(t) for t in part], batch_first=True).flip(1)
            with torch.inference_mode():
                if "new" in work:
                    out = model.generate(input_ids=ids, attention_mask=mask, num_beams=work["beams"], do_sample=False,
                                         max_new_tokens=work["new"], min_new_tokens=work["new"])
                    complete &= out.shape[1] - (ids.shape[1] if work.get("causal") else 1) == work["new"]
                else:
                    complete &= len(model(input_ids=ids, attention_mask=mask).logits) == len(part)
        return complete
    return measured(lambda: go(texts), work, lambda: None)


PEERS = {"ctranslate2": ctranslate2, "onnxruntime": onnxruntime, "transformers": transformers}

if __name__ == "__main__":
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    name, folder, cache, work, setting = sys.argv[1:]
    print(json.dumps(PEERS[name](folder, cache, json.loads(work), json.loads(setting))))
