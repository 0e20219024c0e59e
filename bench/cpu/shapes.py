"""Models of the shapes people run, with random weights: what arithmetic costs does not depend on what a model knows."""
import pathlib

import torch
import transformers


def opus_mt():
    return transformers.MarianMTModel(transformers.MarianConfig(
        vocab_size=65001, d_model=512, encoder_layers=6, decoder_layers=6, encoder_attention_heads=8,
        decoder_attention_heads=8, encoder_ffn_dim=2048, decoder_ffn_dim=2048, max_position_embeddings=512,
        activation_function="swish", scale_embedding=True, pad_token_id=65000, eos_token_id=0, forced_eos_token_id=0,
        decoder_start_token_id=65000, bos_token_id=0, num_beams=4, max_length=512, bad_words_ids=[[65000]]))


def bart_large():
    return transformers.BartForConditionalGeneration(transformers.BartConfig(
        vocab_size=50264, d_model=1024, encoder_layers=12, decoder_layers=12, encoder_attention_heads=16,
        decoder_attention_heads=16, encoder_ffn_dim=4096, decoder_ffn_dim=4096, max_position_embeddings=1024,
        activation_function="gelu", num_beams=4, max_length=142, forced_eos_token_id=2))


def t5_base():
    return transformers.T5ForConditionalGeneration(transformers.T5Config(
        vocab_size=32128, d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12, decoder_start_token_id=0,
        max_length=512, num_beams=1))


def bert_base():
    return transformers.BertForSequenceClassification(transformers.BertConfig(num_labels=2))


def llama_half_b():
    """Qwen2.5-0.5B's sizes on Llama's layers: 494 million numbers, 14 query heads over 2 of keys."""
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
        num_key_value_heads=2, max_position_embeddings=4096, rms_norm_eps=1e-6, rope_theta=1e6, tie_word_embeddings=True,
        bos_token_id=1, eos_token_id=2, pad_token_id=0))


SHAPES = {"opus-mt": opus_mt, "bart-large-cnn": bart_large, "t5-base": t5_base, "bert-base": bert_base,
          "llama-0.5b": llama_half_b}


def make(name, root):
    """The folder of a shape below root, made when it is not there."""
    folder = pathlib.Path(root) / name
    if not (folder / "config.json").exists():
        torch.manual_seed(1)
        model = SHAPES[name]().eval()
        model.save_pretrained(folder.with_suffix(".part"))
        folder.with_suffix(".part").rename(folder)
    return folder
