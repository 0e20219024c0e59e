#!/usr/bin/env python3
"""Small models with random weights, and what transformers' own pipelines make of texts with them.

    make_pipelines.py OUT        (transformers 4.57, torch, sentencepiece; writes OUT/<model>/ and OUT/cases.json)

Weights are rounded to 16 bit before the reference runs in float32 on them. Scores are spread by large weights, so that
no answer hangs on a rounding. Options of generation are given to both sides: the pipelines have defaults of their own
(beams, sampling) where a model's folder sets none.
"""
import json
import os
import shutil
import sys

import sentencepiece
import torch
import transformers
from tokenizers import ByteLevelBPETokenizer, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (BartConfig, BartForConditionalGeneration, BartTokenizerFast, BertConfig, BertForQuestionAnswering,
                          BertForSequenceClassification, BertForTokenClassification, BertModel, BertTokenizerFast, LlamaConfig,
                          LlamaForCausalLM, MarianConfig, MarianMTModel, MarianTokenizer, PreTrainedTokenizerFast, T5Config,
                          T5ForConditionalGeneration, T5Tokenizer, pipeline)

assert transformers.__version__.startswith("4.57."), transformers.__version__
torch.set_num_threads(1)

TEXTS = [
    "The harbour bridge in Oslo was closed on Monday after Anna Lindqvist and two engineers found cracks in its cables.",
    "Traffic waits on both sides of the water while workers repair the steel, said Peter Nowak of Northern Roads.",
    "The repair will cost 4.5 million and take until the end of March, the city of Bergen said in a short statement.",
    "Many people who live on the island now go to work by boat, and schools have moved their first lessons to ten.",
    "El puente del puerto de Oslo se cerró el lunes porque los ingenieros encontraron grietas en los cables.",
    "Los vecinos de la isla van al trabajo en barco y las escuelas empiezan las clases a las diez.",
]
LONG = " ".join(TEXTS[:4])
CHAT = ("{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' + message.content | trim + '<|im_end|>\n' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}")


def spread(model, seed):
    """Random weights, large enough that answers are sure, in 16 bit."""
    torch.manual_seed(seed)
    for name, p in model.named_parameters():
        if not p.requires_grad:  # sinusoids
            continue
        scale = 0.1 if p.dim() == 1 else 0.6
        p.data = torch.randn(p.shape) * scale + (1.0 if p.dim() == 1 and "bias" not in name else 0.0)
    for p in list(model.parameters()) + list(model.buffers()):
        if p.is_floating_point():
            p.data = p.data.half().float()
    return model.eval()


def save(model, tokenizer, folder):
    """Saves both and gives the model back as anybody opens it."""
    shutil.rmtree(folder, ignore_errors=True)
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    path = os.path.join(folder, "config.json")
    with open(path) as f:
        config = json.load(f)
    config.pop("transformers_version", None)
    with open(path, "w") as f:
        json.dump(config, f, indent=1)
    return type(model).from_pretrained(folder, dtype=torch.float32).eval()


def wordpiece(cased):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=not cased)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False))
    t.post_processor = processors.BertProcessing(("[SEP]", t.token_to_id("[SEP]")), ("[CLS]", t.token_to_id("[CLS]")))
    return BertTokenizerFast(tokenizer_object=t, do_lower_case=not cased, model_max_length=64)


def byte_level(special):
    t = ByteLevelBPETokenizer()
    t.train_from_iterator(TEXTS, vocab_size=400, special_tokens=special, show_progress=False)
    return t


def sentences(out, name, texts, vocab, **options):
    with open(os.path.join(out, "corpus.txt"), "w") as f:
        f.write("\n".join(texts * 20))
    sentencepiece.SentencePieceTrainer.train(input=os.path.join(out, "corpus.txt"), model_prefix=os.path.join(out, name),
                                             vocab_size=vocab, hard_vocab_limit=False, minloglevel=2,
                                             normalization_rule_name="identity", **options)
    os.remove(os.path.join(out, "corpus.txt"))
    os.remove(os.path.join(out, name + ".vocab"))
    return os.path.join(out, name + ".model")


def bert_config(tokenizer, **more):
    return BertConfig(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
                      max_position_embeddings=192, **more)


class Maker:
    def __init__(self, out):
        self.out = out
        self.cases = []

    def folder(self, name):
        return os.path.join(self.out, name)

    def add(self, model, task, args, lines, expected):
        self.cases.append({"model": model, "args": ["--task", task] + args,
                           "lines": [x if isinstance(x, str) else json.dumps(x) for x in lines], "expected": expected})


def plain(x):
    return json.loads(json.dumps(x, default=float))


def encoders(m):
    cased, lower = wordpiece(True), wordpiece(False)
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    ner = spread(BertForTokenClassification(bert_config(cased, id2label=dict(enumerate(names)), label2id={x: i for i, x in enumerate(names)})), 1)
    ner = save(ner, cased, m.folder("bert-ner"))
    for how in ["none", "simple", "first", "average", "max"]:
        p = pipeline("token-classification", model=ner, tokenizer=cased, aggregation_strategy=how)
        m.add("bert-ner", "token-classification", ["--aggregation-strategy", how], TEXTS, [plain(p(x)) for x in TEXTS])

    names = ["contradiction", "neutral", "entailment"]
    nli = spread(BertForSequenceClassification(bert_config(lower, id2label=dict(enumerate(names)), label2id={x: i for i, x in enumerate(names)})), 2)
    nli = save(nli, lower, m.folder("bert-nli"))
    p = pipeline("zero-shot-classification", model=nli, tokenizer=lower)
    labels = ["traffic", "schools", "the sea", "money"]
    for args, options in [([], {}), (["--multi-label", "true"], {"multi_label": True}),
                          (["--hypothesis-template", "It is about {}!"], {"hypothesis_template": "It is about {}!"})]:
        m.add("bert-nli", "zero-shot-classification", ["--candidate-labels", ", ".join(labels)] + args, TEXTS[:4],
              [plain(p(x, labels, **options)) for x in TEXTS[:4]])
    m.add("bert-nli", "zero-shot-classification", ["--candidate-labels", "schools"], TEXTS[:2], [plain(p(x, ["schools"])) for x in TEXTS[:2]])
    p = pipeline("text-classification", model=nli, tokenizer=lower)
    m.add("bert-nli", "text-classification", [], TEXTS, [plain(p(x)[0]) for x in TEXTS])

    qa = spread(BertForQuestionAnswering(bert_config(lower)), 3)
    qa = save(qa, lower, m.folder("bert-qa"))
    p = pipeline("question-answering", model=qa, tokenizer=lower)
    questions = ["Who found cracks?", "What does the repair cost?", "How do people go to work?"]
    for context, args, options in [(TEXTS[0], ["--max-seq-len", "64", "--stride", "32"], {}),
                                   (LONG, ["--max-seq-len", "64", "--stride", "16"], {"doc_stride": 16}),
                                   (LONG, ["--max-seq-len", "64", "--stride", "24", "--max-answer-len", "4"], {"doc_stride": 24, "max_answer_len": 4}),
                                   (LONG, ["--max-seq-len", "48", "--stride", "16", "--handle-impossible-answer", "true"],
                                    {"max_seq_len": 48, "doc_stride": 16, "handle_impossible_answer": True})]:
        m.add("bert-qa", "question-answering", args, [{"question": q, "context": context} for q in questions],
              [plain(p(question=q, context=context, **options)) for q in questions])

    model = spread(BertModel(bert_config(lower), add_pooling_layer=False), 4)
    model = save(model, lower, m.folder("bert-mean"))
    os.makedirs(m.folder("bert-mean/1_Pooling"))
    with open(m.folder("bert-mean/modules.json"), "w") as f:
        json.dump([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                   {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}], f)
    with open(m.folder("bert-mean/1_Pooling/config.json"), "w") as f:
        json.dump({"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}, f)
    p = pipeline("feature-extraction", model=model, tokenizer=lower)
    m.add("bert-mean", "feature-extraction", [], TEXTS, [{"embedding": torch.tensor(p(x)[0]).mean(0).tolist()} for x in TEXTS])


def summary(m):
    t = byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    t.save_model(m.out, "bart")
    tokenizer = BartTokenizerFast(os.path.join(m.out, "bart-vocab.json"), os.path.join(m.out, "bart-merges.txt"), model_max_length=128)
    model = spread(BartForConditionalGeneration(BartConfig(
        vocab_size=len(tokenizer), d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=48, decoder_ffn_dim=48, max_position_embeddings=128, forced_bos_token_id=0, num_beams=3, max_length=24,
        no_repeat_ngram_size=3, length_penalty=1.5)), 5)
    model = save(model, tokenizer, m.folder("bart"))
    p = pipeline("summarization", model=model, tokenizer=tokenizer)
    m.add("bart", "summarization", ["--num-beams", "3", "--max-length", "24"], TEXTS[:4],
          [plain(p(x, num_beams=3, max_length=24)[0]) for x in TEXTS[:4]])
    m.add("bart", "summarization", ["--num-beams", "1", "--min-length", "8", "--max-length", "16"], TEXTS[:4],
          [plain(p(x, num_beams=1, min_length=8, max_length=16)[0]) for x in TEXTS[:4]])
    for x in ["bart-vocab.json", "bart-merges.txt"]:
        os.remove(os.path.join(m.out, x))


def translation(m):
    source, target = (sentences(m.out, n, x, 120, unk_id=0, bos_id=-1, eos_id=-1, pad_id=-1)
                      for n, x in [("source", TEXTS[:4]), ("target", TEXTS[4:])])
    pieces = ["</s>", "<unk>"]
    for path in [source, target]:
        sp = sentencepiece.SentencePieceProcessor(model_file=path)
        pieces += [p for p in (sp.id_to_piece(i) for i in range(1, len(sp))) if p not in pieces]
    vocab = {p: i for i, p in enumerate(pieces + ["<pad>"])}
    with open(os.path.join(m.out, "vocab.json"), "w") as f:
        json.dump(vocab, f)
    tokenizer = MarianTokenizer(source, target, os.path.join(m.out, "vocab.json"), source_lang="en", target_lang="es", model_max_length=256)
    pad = vocab["<pad>"]
    model = spread(MarianMTModel(MarianConfig(
        vocab_size=len(vocab), d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=48, decoder_ffn_dim=48, max_position_embeddings=256, pad_token_id=pad, decoder_start_token_id=pad, eos_token_id=0,
        forced_eos_token_id=0, bad_words_ids=[[pad]], num_beams=2, max_length=20, scale_embedding=True)), 6)
    model = save(model, tokenizer, m.folder("marian"))
    p = pipeline("translation_en_to_es", model=model, tokenizer=tokenizer)
    m.add("marian", "translation", ["--num-beams", "2", "--max-new-tokens", "20"], TEXTS[:4],
          [plain(p(x, num_beams=2, max_new_tokens=20)[0]) for x in TEXTS[:4]])
    for x in [source, target, os.path.join(m.out, "vocab.json")]:
        os.remove(x)


def text2text(m):
    path = sentences(m.out, "spiece", TEXTS, 160, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    tokenizer = T5Tokenizer(path, extra_ids=0, legacy=True, model_max_length=128)
    model = spread(T5ForConditionalGeneration(T5Config(vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=48, num_layers=1, num_heads=4,
                                                       decoder_start_token_id=0, max_length=20)), 7)
    model = save(model, tokenizer, m.folder("t5"))
    lines = ["summarize: " + x for x in TEXTS[:4]]
    p = pipeline("text2text-generation", model=model, tokenizer=tokenizer)
    m.add("t5", "text2text-generation", ["--max-new-tokens", "12"], lines, [plain(p(x, max_new_tokens=12, num_beams=1)[0]) for x in lines])
    os.remove(path)


def generation(m):
    t = byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=t._tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=256)
    tokenizer.chat_template = CHAT
    model = spread(LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                                                num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256, bos_token_id=None,
                                                eos_token_id=2, pad_token_id=0, tie_word_embeddings=True)), 8)
    model = save(model, tokenizer, m.folder("llama"))
    p = pipeline("text-generation", model=model, tokenizer=tokenizer)
    lines = [x[:60] for x in TEXTS[:4]]
    m.add("llama", "text-generation", ["--max-new-tokens", "12"], lines, [plain(p(x, max_new_tokens=12, do_sample=False, return_full_text=False)[0]) for x in lines])
    m.add("llama", "text-generation", ["--max-new-tokens", "12", "--chat", "--system", "You are brief."], lines,
          [{"generated_text": p([{"role": "system", "content": "You are brief."}, {"role": "user", "content": x}], max_new_tokens=12, do_sample=False)[0]
            ["generated_text"][-1]["content"]} for x in lines])


def main():
    m = Maker(sys.argv[1])
    os.makedirs(m.out, exist_ok=True)
    for part in [encoders, summary, translation, text2text, generation]:
        part(m)
    with open(m.folder("cases.json"), "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in m.cases) + "\n]\n")


main()
