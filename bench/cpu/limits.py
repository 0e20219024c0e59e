"""What arithmetic alone costs: operations of a model's matrices for one sequence, and of its attention, which is float32
in every precision. A multiply-add is two operations."""
import json
import pathlib

KEYS = {  # of config.json, by kind: width, inner width, encoder's layers, decoder's layers
    "marian": ("d_model", "encoder_ffn_dim", "encoder_layers", "decoder_layers"),
    "bart": ("d_model", "encoder_ffn_dim", "encoder_layers", "decoder_layers"),
    "t5": ("d_model", "d_ff", "num_layers", "num_decoder_layers"),
    "bert": ("hidden_size", "intermediate_size", "num_hidden_layers", None),
    "llama": ("hidden_size", "intermediate_size", None, "num_hidden_layers"),
}


def operations(folder, work):
    """(of matrices, of attention) for the mean length of the work."""
    c = json.loads((pathlib.Path(folder) / "config.json").read_text())
    width, inner, encoder, decoder = (c.get(k, 0) if k else 0 for k in KEYS[c["model_type"]])
    source, new, beams = sum(work["source"]) / 2, work.get("new", 0), work.get("beams", 1)
    rows = 1 + (new - 1) * beams  # of all steps: at the first all beams are the same
    if c["model_type"] == "llama":
        kv = width * c["num_key_value_heads"] // c["num_attention_heads"]
        layer = 2 * width * width + 2 * width * kv + 3 * width * inner
        seen = source * source / 2 + new * beams * (source + new / 2)
        return (2 * decoder * layer * (source + rows - 1) + 2 * rows * width * c["vocab_size"], 4 * decoder * width * seen)
    total = 2 * encoder * (4 * width * width + 2 * width * inner) * source
    attention = 4 * encoder * width * source * source
    if decoder:
        total += 2 * source * decoder * 2 * width * width  # K/V of cross-attention
        total += 2 * rows * (decoder * (6 * width * width + 2 * width * inner) + width * c["vocab_size"])
        attention += 4 * decoder * width * rows * (source + new / 2)
    return total, attention


def seconds(matrices, attention, precision, peaks):
    """Of one core, peaks in 10^9 operations a second."""
    return matrices / peaks[precision] / 1e9 + attention / peaks["float32"] / 1e9
