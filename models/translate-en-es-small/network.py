"""The network of translate-en-es-small as it is trained: MarianMTModel's computation, several times faster on a CPU.

Parameters have the names of Hugging Face's MarianMTModel and stay float32; products run in bfloat16. Only real target
positions reach the vocabulary, whose product, softmax and label-smoothed loss are one autograd node that never holds
the logits of a whole batch. evaluate.py runs the saved folder through MarianMTModel itself.
"""

import copy
import math

import torch
from torch.nn import functional as F

BF16 = torch.bfloat16
LOSS_ROWS = 512     # target positions whose logits exist at a time


def dropout(x, rate, generator):
    """F.dropout with one random byte an element, which is many times faster on a CPU; the rate is in steps of 1/256."""
    dropped = round(rate * 256)
    draws = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2 ** 63), None, generator=generator)
    draws = draws.view(torch.uint8)
    keep = (draws[:x.numel()] >= dropped).view(x.shape)
    return x * (keep.to(x.dtype) * (256 / (256 - dropped)))


def sinusoids(length, width):
    """MarianSinusoidalPositionalEmbedding: sines in the first half, cosines in the second."""
    angles = torch.arange(length)[:, None] / 10000 ** (2 * torch.arange(width // 2) / width)
    return torch.cat([angles.sin(), angles.cos()], 1)


class SmoothedLoss(torch.autograd.Function):
    """Sum over rows of label-smoothed cross-entropy of x @ weight'; the gradients are made on the way forward."""

    @staticmethod
    def forward(ctx, x, weight, labels, smoothing):
        kinds, loss, plain = weight.shape[0], 0.0, 0.0
        grad_x, grad_weight = torch.empty_like(x), torch.zeros(weight.shape)
        for begin in range(0, len(x), LOSS_ROWS):
            part, gold = x[begin:begin + LOSS_ROWS], labels[begin:begin + LOSS_ROWS, None]
            logs = torch.log_softmax((part @ weight.t()).float(), 1)
            hit = logs.gather(1, gold).sum()
            plain -= hit
            loss -= (1 - smoothing) * hit + smoothing / kinds * logs.sum()
            grad = logs.exp_().sub_(smoothing / kinds)
            grad.scatter_add_(1, gold, torch.full_like(gold, smoothing - 1, dtype=grad.dtype))
            grad = grad.to(BF16)
            grad_x[begin:begin + LOSS_ROWS] = grad @ weight
            grad_weight += grad.t() @ part
        ctx.save_for_backward(grad_x, grad_weight.to(BF16))
        ctx.mark_non_differentiable(plain)
        return loss, plain

    @staticmethod
    def backward(ctx, grad, _):
        grad_x, grad_weight = ctx.saved_tensors
        return grad_x * grad.to(BF16), grad_weight * grad.to(BF16), None, None


class Network(torch.nn.Module):
    def __init__(self, config, rate):
        super().__init__()
        self.config, self.rate, self.generator = config, rate, torch.Generator()
        self.learned = torch.nn.ParameterDict()
        width = config.d_model
        table = torch.randn(config.vocab_size, width) * width ** -0.5
        table[config.pad_token_id] = 0.0
        self.learn("shared.weight", table)
        for side, layers, attentions, inner in (
                ("encoder", config.encoder_layers, ("self_attn",), config.encoder_ffn_dim),
                ("decoder", config.decoder_layers, ("self_attn", "encoder_attn"), config.decoder_ffn_dim)):
            for layer in range(layers):
                name = f"{side}.layers.{layer}"
                for attention in attentions:
                    for which in ("q_proj", "k_proj", "v_proj", "out_proj"):
                        self.learn_linear(f"{name}.{attention}.{which}", width, width)
                    self.learn_norm(f"{name}.{attention}_layer_norm", width)
                self.learn_linear(f"{name}.fc1", inner, width)
                self.learn_linear(f"{name}.fc2", width, inner)
                self.learn_norm(f"{name}.final_layer_norm", width)
        self.places = sinusoids(config.max_position_embeddings, width)

    # Dots are not allowed in the names of a ParameterDict.
    def learn(self, name, tensor):
        self.learned[name.replace(".", "/")] = torch.nn.Parameter(tensor)

    def learn_linear(self, name, outputs, inputs):
        bound = math.sqrt(6 / (outputs + inputs))
        self.learn(f"{name}.weight", torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.learn(f"{name}.bias", torch.zeros(outputs))

    def learn_norm(self, name, width):
        self.learn(f"{name}.weight", torch.ones(width))
        self.learn(f"{name}.bias", torch.zeros(width))

    def tensors(self):
        """Learned tensors by the names they have in MarianModel."""
        return {name.replace("/", "."): tensor.detach() for name, tensor in self.learned.items()}

    def worker(self):
        """The same parameters for another thread, with its own bfloat16 copies and random numbers."""
        twin = copy.copy(self)
        twin.generator = torch.Generator()
        return twin

    def cast(self):
        """The parameters in bfloat16, once a step."""
        self.half = {name.replace("/", "."): tensor.to(BF16) for name, tensor in self.learned.items()}

    def drop(self, x):
        return dropout(x, self.rate, self.generator) if self.training and self.rate > 0 else x

    def linear(self, x, *names):
        """Several projections of one input are one product."""
        weight = [self.half[f"{name}.weight"] for name in names]
        bias = [self.half[f"{name}.bias"] for name in names]
        if len(names) == 1:
            return F.linear(x, weight[0], bias[0])
        return F.linear(x, torch.cat(weight), torch.cat(bias)).chunk(len(names), -1)

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.half[f"{name}.weight"], self.half[f"{name}.bias"], 1e-5)

    def heads(self, x):
        """In float32: products this small gain nothing from bfloat16, and scaled_dot_product_attention is far slower."""
        return x.float().view(*x.shape[:2], self.config.encoder_attention_heads, -1).transpose(1, 2)

    def attention(self, x, memory, name, bias):
        if memory is None:
            query, key, value = self.linear(x, f"{name}.q_proj", f"{name}.k_proj", f"{name}.v_proj")
        else:
            query = self.linear(x, f"{name}.q_proj")
            key, value = self.linear(memory, f"{name}.k_proj", f"{name}.v_proj")
        query, key, value = self.heads(query), self.heads(key), self.heads(value)
        weights = torch.softmax(query @ key.transpose(2, 3) * query.shape[-1] ** -0.5 + bias, -1)
        mixed = (weights @ value).transpose(1, 2).flatten(2).to(BF16)
        mixed = self.linear(mixed, f"{name}.out_proj")
        return self.norm(x + self.drop(mixed), f"{name}_layer_norm")

    def inner(self, x, name):
        mixed = self.linear(F.silu(self.linear(x, f"{name}.fc1")), f"{name}.fc2")
        return self.norm(x + self.drop(mixed), f"{name}.final_layer_norm")

    def embed(self, ids):
        x = F.embedding(ids, self.half["shared.weight"]) * math.sqrt(self.config.d_model)
        return self.drop(x + self.places[:ids.shape[1]].to(BF16))

    def forward(self, source, target, labels, smoothing):
        """(smoothed loss, plain loss), summed over the target positions whose label is not -1."""
        hidden = source == self.config.pad_token_id
        ban = torch.zeros(hidden.shape).masked_fill_(hidden, -1e4)[:, None, None, :]
        x = self.embed(source)
        for layer in range(self.config.encoder_layers):
            name = f"encoder.layers.{layer}"
            x = self.inner(self.attention(x, None, f"{name}.self_attn", ban), name)
        memory = x
        ahead = torch.full((target.shape[1],) * 2, -1e4).triu_(1)
        x = self.embed(target)
        for layer in range(self.config.decoder_layers):
            name = f"decoder.layers.{layer}"
            x = self.attention(x, None, f"{name}.self_attn", ahead)
            x = self.inner(self.attention(x, memory, f"{name}.encoder_attn", ban), name)
        real = labels >= 0
        return SmoothedLoss.apply(x[real], self.half["shared.weight"], labels[real], smoothing)
