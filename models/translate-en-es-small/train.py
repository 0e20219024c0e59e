"""Train translate-en-es-small from nothing and write it as a Marian-style Hugging Face folder.

    python train.py --data DIR --work DIR --out DIR

Defaults are the committed recipe. Everything random is seeded; a different CPU or thread count still changes the
weights a little, because sums are taken in another order. The state is kept in --work every few minutes and a run that
was stopped goes on from it, so --steps may be set anew to what the time left allows. What is written to --out, at every
kept state, is the moving average of the weights.
"""

import argparse
import concurrent.futures
import json
import os
import random
import shutil
import time
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import save_file
from transformers import GenerationConfig, MarianConfig

import data
import lexicon
from network import Network

MAX_TOKENS = 64         # longer training sentences are left out (there are a handful)
PHRASE_SHARE = 0.33     # of the mined phrases, an epoch
TYPED_SHARE = 0.10      # of the pairs seen again as people type them, an epoch
SAMPLED_SHARE = 0.25    # of the pairs split into pieces at random, an epoch
SAMPLING = 0.3          # SentencePiece's alpha: the smaller, the wilder


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="unpacked test-data folder")
    parser.add_argument("--work", type=Path, required=True, help="folder of the state a run goes on from")
    parser.add_argument("--out", type=Path, required=True, help="folder the model is written to")
    parser.add_argument("--vocabulary", type=int, default=4000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--inner", type=int, default=1024)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--encoder-layers", type=int, default=4)
    parser.add_argument("--decoder-layers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--warmup", type=int, default=300, help="steps")
    parser.add_argument("--decay", type=float, default=0.4, help="share of the steps with a falling learning rate")
    parser.add_argument("--batch-tokens", type=int, default=8000, help="of source and target, padding included, of all threads")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--smoothing", type=float, default=0.1)
    parser.add_argument("--average", type=float, default=0.998, help="decay of the moving average that is written")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="each works on a batch of its own")
    parser.add_argument("--keep", type=float, default=240, help="seconds between kept states")
    return parser.parse_args()


# ---------------------------------------------------------------- vocabulary

class Pieces:
    """A joint SentencePiece model with Marian's ids: </s>, <unk>, the pieces, <pad> last."""

    def __init__(self, path):
        self.path = path
        self.processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        names = [self.processor.id_to_piece(i) for i in range(self.processor.get_piece_size())]
        kept = [name for name in names if name not in ("<unk>", "<s>", "</s>", "<pad>")]
        self.vocabulary = {name: i for i, name in enumerate(["</s>", "<unk>", *kept, "<pad>"])}
        self.ids = [self.vocabulary.get(name, 1) for name in names]
        self.end, self.pad = 0, len(self.vocabulary) - 1

    def encode(self, texts, sampled=False):
        rows = self.processor.encode(texts, enable_sampling=sampled, alpha=SAMPLING, nbest_size=-1)
        return [[self.ids[i] for i in row] + [self.end] for row in rows]


def train_pieces(pairs, path, size):
    # Two ids fewer than the vocabulary: <s> is not used, <pad> is added.
    sentencepiece.set_random_generator_seed(1)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text for pair in pairs for text in pair]), model_prefix=str(path.with_suffix("")),
        vocab_size=size - 1, model_type="unigram", character_coverage=1.0, bos_id=-1, eos_id=1, unk_id=0, pad_id=-1,
        num_threads=1, minloglevel=1)
    path.with_suffix(".model").rename(path)


# ---------------------------------------------------------------- examples

def phrase_as_typed(pair, rng):
    """A third of the phrases as a sentence of its own."""
    if rng.random() < 0.33:
        return tuple(text[0].upper() + text[1:] + "." for text in pair)
    return pair


def examples(train, phrases, typed, rng):
    """The pairs of one epoch: all of them, some once more as people type them, a sample of the phrases."""
    extra = [typed.vary(pair, rng) for pair in rng.sample(train, int(len(train) * TYPED_SHARE))]
    short = [phrase_as_typed(pair, rng) for pair in rng.sample(phrases, int(len(phrases) * PHRASE_SHARE))]
    return train + [pair for pair in extra if pair] + short


def encoded(pairs, pieces, rng):
    rng.shuffle(pairs)
    cut = int(len(pairs) * SAMPLED_SHARE)
    rows = []
    for part, sampled in ((pairs[:cut], True), (pairs[cut:], False)):
        rows += zip(pieces.encode([p[0] for p in part], sampled), pieces.encode([p[1] for p in part], sampled))
    return [row for row in rows if max(map(len, row)) <= MAX_TOKENS]


def batches_of(rows, budget, rng):
    """Batches of nearly equal lengths with at most `budget` tokens, in random order: little padding."""
    rng.shuffle(rows)
    rows.sort(key=lambda row: (len(row[0]), len(row[1])))   # stable: among equals the order stays random
    batches, batch, width = [], [], 0
    for row in rows:
        wider = max(width, len(row[1]))
        if batch and (len(batch) + 1) * (len(row[0]) + wider) > budget:
            batches.append(batch)
            batch, wider = [], len(row[1])
        batch.append(row)
        width = wider
    batches.append(batch)
    rng.shuffle(batches)
    return batches


def padded(rows, fill):
    width = max(map(len, rows))
    return torch.tensor([row + [fill] * (width - len(row)) for row in rows])


def tensors_of(batch, pad):
    """(source, target as the decoder sees it, labels): the decoder starts with <pad>, as Marian's does."""
    targets = [row[1] for row in batch]
    return padded([row[0] for row in batch], pad), padded([[pad] + row[:-1] for row in targets], pad), padded(targets, -1)


def phrases_of(path, pairs, typed):
    """The mined phrases, kept for when the run goes on."""
    if not path.exists():
        mined = lexicon.mine(pairs, typed.usual_en, typed.usual_es)
        write_whole(path, lambda part: part.write_text(json.dumps(mined, ensure_ascii=False), encoding="utf-8"))
    return [tuple(pair) for pair in json.loads(path.read_text(encoding="utf-8"))]


# ---------------------------------------------------------------- optimizer

def lr_factor(step, args):
    """Linear warm-up, a plateau, linear decay to zero."""
    falling = (args.steps - step) / max(1, args.steps * args.decay)
    return max(0.0, min((step + 1) / args.warmup, 1.0, falling))


def optimizers_of(network, args):
    """Orthogonalised momentum (Jordan et al. 2024, "Muon") for the matrices of the layers, AdamW for the rest."""
    matrices = [p for name, p in network.learned.items() if p.ndim == 2 and name != "shared/weight"]
    others = [p for name, p in network.learned.items() if p.ndim != 2 or name == "shared/weight"]
    parts = [matrices[i::args.threads] for i in range(args.threads)]
    return [*(torch.optim.Muon(part, lr=args.lr, weight_decay=0.01, adjust_lr_fn="match_rms_adamw") for part in parts),
            torch.optim.AdamW(others, lr=args.lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True)]


class Average:
    """Exponential moving average of the learned tensors: steadier than the last step's."""

    def __init__(self, network, decay):
        self.network, self.decay = network, decay
        self.tensors = {name: tensor.clone() for name, tensor in network.tensors().items()}

    def update(self, step):
        weight = max(1 - self.decay, 10 / (step + 10))
        for name, tensor in self.network.tensors().items():
            self.tensors[name].lerp_(tensor, weight)


# ---------------------------------------------------------------- state and result

def write_whole(path, write):
    """Write beside the path, then rename: a run killed here leaves the old file."""
    part = path.with_name(path.name + ".part")
    write(part)
    os.replace(part, path)


def keep_state(args, network, optimizers, average, step):
    state = {"step": step, "tensors": network.state_dict(), "average": average.tensors,
             "optimizers": [optimizer.state_dict() for optimizer in optimizers]}
    write_whole(args.work / "state.pt", lambda path: torch.save(state, path))


def restore_state(args, network, optimizers, average):
    path = args.work / "state.pt"
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["tensors"])
    average.tensors = state["average"]
    for optimizer, kept in zip(optimizers, state["optimizers"]):
        optimizer.load_state_dict(kept)
    return state["step"]


def config_of(args, pieces):
    return MarianConfig(
        architectures=["MarianMTModel"], vocab_size=len(pieces.vocabulary), d_model=args.width,
        encoder_layers=args.encoder_layers, decoder_layers=args.decoder_layers, encoder_ffn_dim=args.inner,
        decoder_ffn_dim=args.inner, encoder_attention_heads=args.heads, decoder_attention_heads=args.heads,
        max_position_embeddings=256, activation_function="swish", scale_embedding=True, static_position_embeddings=True,
        normalize_before=False, normalize_embedding=False, share_encoder_decoder_embeddings=True, dropout=args.dropout,
        attention_dropout=0.0, activation_dropout=0.0, pad_token_id=pieces.pad, eos_token_id=pieces.end,
        bos_token_id=None, decoder_start_token_id=pieces.pad, forced_eos_token_id=pieces.end, dtype="float16")


GENERATION = {"num_beams": 4, "max_length": 256, "length_penalty": 1.0, "renormalize_logits": False}


def write_model(args, config, tensors, pieces):
    """config.json, generation_config.json, F16 weights, SentencePiece model and vocabulary. The row of <pad>, with which
    the decoder starts, is learned like the others."""
    args.out.mkdir(parents=True, exist_ok=True)
    half = {f"model.{name}": tensor.half().contiguous() for name, tensor in tensors.items()}
    half["final_logits_bias"] = torch.zeros(1, config.vocab_size, dtype=torch.float16)
    write_whole(args.out / "model.safetensors", lambda path: save_file(half, path, metadata={"format": "pt"}))
    (args.out / "model.safetensors").chmod(0o644)
    settings = {k: v for k, v in config.to_diff_dict().items() if k != "transformers_version"}
    settings["model_type"] = "marian"
    (args.out / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    generation = GenerationConfig(bad_words_ids=[[pieces.pad]], decoder_start_token_id=pieces.pad, eos_token_id=pieces.end,
                                  forced_eos_token_id=pieces.end, pad_token_id=pieces.pad, **GENERATION)
    written = {k: v for k, v in generation.to_diff_dict().items() if k != "transformers_version"}
    (args.out / "generation_config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    for name in ("source.spm", "target.spm"):
        shutil.copyfile(pieces.path, args.out / name)
    (args.out / "vocab.json").write_text(json.dumps(pieces.vocabulary, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    settings = {"model_max_length": 256, "source_lang": "en", "target_lang": "es", "separate_vocabs": False,
                "tokenizer_class": "MarianTokenizer", "unk_token": "<unk>", "eos_token": "</s>", "pad_token": "<pad>"}
    (args.out / "tokenizer_config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")


# ---------------------------------------------------------------- training

@torch.inference_mode()
def dev_loss(network, tensors, batches, pad):
    """Plain loss a target token of the given weights."""
    network.half = {name: tensor.bfloat16() for name, tensor in tensors.items()}
    total, count = 0.0, 0
    for batch in batches:
        source, target, labels = tensors_of(batch, pad)
        total += network(source, target, labels, 0.0)[1].item()
        count += int((labels >= 0).sum())
    return total / count


def epoch_batches(epoch, train, phrases, typed, pieces, args):
    rng = random.Random(args.seed * 1000 + epoch)
    sentencepiece.set_random_generator_seed(args.seed * 1000 + epoch)
    rows = encoded(examples(train, phrases, typed, rng), pieces, rng)
    batches = batches_of(rows, args.batch_tokens // args.threads, rng)
    return [batches[i:i + args.threads] for i in range(0, len(batches), args.threads)]


def steps_from(first, args, *source):
    """(step, a batch for each thread) of all steps from `first`; those of an epoch depend on the seed alone."""
    step, epoch = 0, 0
    while step < args.steps:
        path = args.work / f"epoch-{epoch}-length"      # so that going on need not make the epochs before
        length = int(path.read_text()) if path.exists() else None
        if length is None or step + length > first:
            batches = epoch_batches(epoch, *source, args)
            length = len(batches)
            path.write_text(str(length))
            for i, group in enumerate(batches):
                if first <= step + i < args.steps:
                    yield step + i, group
        step, epoch = step + length, epoch + 1


def gradients(network, batch, pad, smoothing):
    """(gradients of the summed loss, plain loss, target tokens) of one thread's batch."""
    network.cast()
    source, target, labels = tensors_of(batch, pad)
    loss, plain = network(source, target, labels, smoothing)
    return torch.autograd.grad(loss, list(network.parameters())), plain.item(), int((labels >= 0).sum())


def one_step(pool, workers, optimizers, batches, pad, args, step):
    """Threads meet twice a step, not at every operation: that matters on a machine with other work."""
    for i, worker in enumerate(workers):
        worker.generator.manual_seed((args.seed * 1000003 + step) * len(workers) + i)
    found = list(pool.map(lambda pair: gradients(*pair, pad, args.smoothing), zip(workers, batches)))
    count = sum(tokens for _, _, tokens in found)
    parameters = list(workers[0].parameters())
    for parameter, *grads in zip(parameters, *(grads for grads, _, _ in found)):
        parameter.grad = sum(grads) / count
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = args.lr * lr_factor(step, args)
    list(pool.map(lambda optimizer: optimizer.step(), optimizers))
    return sum(plain for _, plain, _ in found), count


def train(network, config, pieces, sets, args):
    pairs, dev, phrases, typed = sets
    optimizers, average = optimizers_of(network, args), Average(network, args.average)
    first = restore_state(args, network, optimizers, average)
    workers, evaluated = [network.worker() for _ in range(args.threads)], network.worker().eval()
    held = batches_of(encoded(list(dev), pieces, random.Random(0)), args.batch_tokens, random.Random(0))
    kept = begin = time.monotonic()
    shown, seen, network_tokens = 0.0, 0, 0
    pool = concurrent.futures.ThreadPoolExecutor(args.threads)
    for step, batches in steps_from(first, args, pairs, phrases, typed, pieces):
        loss, count = one_step(pool, workers, optimizers, batches, pieces.pad, args, step)
        average.update(step)
        shown, seen, network_tokens = shown + loss, seen + count, network_tokens + count
        now = time.monotonic()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}/{args.steps} loss {shown / seen:.4f} {now - begin:.0f} s "
                  f"{network_tokens / (now - begin):.0f} target tokens/s", flush=True)
            shown, seen = 0.0, 0
        if now - kept > args.keep or step + 1 == args.steps:
            keep_state(args, network, optimizers, average, step + 1)
            write_model(args, config, average.tensors, pieces)
            measured = dev_loss(evaluated, average.tensors, held, pieces.pad)
            print(f"step {step + 1}/{args.steps} dev loss {measured:.4f}", flush=True)
            kept = time.monotonic()


def main():
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)    # the parallel part is one_step
    args.work.mkdir(parents=True, exist_ok=True)
    pairs, dev = data.split(data.read_pairs(args.data))
    model = args.work / "joint.spm"
    if not model.exists():
        train_pieces(pairs, model, args.vocabulary)
    pieces = Pieces(model)
    typed = data.Typed(pairs)
    phrases = phrases_of(args.work / "phrases.json", pairs, typed)
    config = config_of(args, pieces)
    network = Network(config, args.dropout).train()
    print(f"{len(pairs)} pairs, {len(dev)} dev, {len(phrases)} phrases, {len(pieces.vocabulary)} pieces, "
          f"{sum(p.numel() for p in network.parameters())} weights", flush=True)
    train(network, config, pieces, (pairs, dev, phrases, typed), args)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
