"""The network of sentiment-en as it is trained: BERT with LoRA beside frozen bfloat16 weights.

The same computation as BertForSequenceClassification under PEFT, several times faster on a CPU: frozen weights are
bfloat16 once, the three projections of attention are one product, and a LoRA linear is one autograd node. evaluate.py
checks the result against PEFT and against numpy.
"""

import math

import torch
from safetensors.torch import load_file
from torch.nn import functional as F

LINEARS = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
           "intermediate.dense", "output.dense"]
BF16 = torch.bfloat16


class LoraLinear(torch.autograd.Function):
    """x W' + bias + (x A') B'; W and bias are frozen."""

    @staticmethod
    def forward(ctx, x, weight, bias, a, b):
        down = x @ a.t()
        ctx.save_for_backward(x, weight, a, b, down)
        return F.linear(x, weight, bias).addmm_(down, b.t())

    @staticmethod
    def backward(ctx, grad):
        x, weight, a, b, down = ctx.saved_tensors
        up = grad @ b
        grad_x = (grad @ weight).addmm_(up, a) if ctx.needs_input_grad[0] else None
        return grad_x, None, None, up.t() @ x, grad.t() @ down


def dropout(x, rate, training):
    """F.dropout with one random byte an element, which is many times faster on a CPU; the rate is in steps of 1/256."""
    if not training or rate == 0.0:
        return x
    dropped = round(rate * 256)
    draws = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2 ** 63), None).view(torch.uint8)
    keep = (draws[:x.numel()] >= dropped).view(x.shape)
    return x * (keep.to(x.dtype) * (256 / (256 - dropped)))


class Network(torch.nn.Module):
    def __init__(self, folder, config, rank, alpha, dropout, labels):
        super().__init__()
        weights = load_file(folder / "model.safetensors")
        self.config, self.scale, self.rate = config, alpha / rank, dropout
        self.embeddings = {name: tensor for name, tensor in weights.items() if name.startswith("embeddings.")}
        self.frozen = {name: tensor.to(BF16) for name, tensor in weights.items() if name.startswith("encoder.")}
        self.learned = torch.nn.ParameterDict()
        for layer in range(config.num_hidden_layers):
            for name in LINEARS:
                outputs, inputs = weights[f"encoder.layer.{layer}.{name}.weight"].shape
                a = torch.empty(rank, inputs)
                torch.nn.init.kaiming_uniform_(a, a=math.sqrt(5))
                self.learn(f"encoder.layer.{layer}.{name}.lora_A.weight", a)
                self.learn(f"encoder.layer.{layer}.{name}.lora_B.weight", torch.zeros(outputs, rank))
            part = f"encoder.layer.{layer}.attention.self."
            for kind in ("weight", "bias"):
                self.frozen[f"{part}{kind}"] = torch.cat([self.frozen[f"{part}{which}.{kind}"]
                                                          for which in ("query", "key", "value")])
        # MiniLM was tuned for mean pooling, so its pooler has the most to learn: it is trained in full.
        for kind in ("weight", "bias"):
            self.learn(f"pooler.dense.{kind}", weights[f"pooler.dense.{kind}"].clone())
        self.learn("classifier.weight", torch.randn(labels, config.hidden_size) * config.initializer_range)
        self.learn("classifier.bias", torch.zeros(labels))

    def learn(self, name, tensor):
        self.learned[name.replace(".", "/")] = torch.nn.Parameter(tensor)

    def weight(self, name):
        return self.learned[name.replace(".", "/")]

    def tensors(self):
        """Learned tensors by the names they have in BERT."""
        return {name.replace("/", "."): tensor.detach() for name, tensor in self.learned.items()}

    def drop(self, x):
        return dropout(x, self.rate, self.training)

    def lora(self, name):
        """A and the scaled B of a linear."""
        a, b = self.weight(f"{name}.lora_A.weight"), self.weight(f"{name}.lora_B.weight")
        return a.to(BF16), (b * self.scale).to(BF16)

    def linear(self, x, name):
        return LoraLinear.apply(x, self.frozen[f"{name}.weight"], self.frozen[f"{name}.bias"], *self.lora(name))

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.frozen[f"{name}.weight"], self.frozen[f"{name}.bias"],
                            self.config.layer_norm_eps)

    def embed(self, ids):
        tensors = self.embeddings
        x = (tensors["embeddings.word_embeddings.weight"][ids]
             + tensors["embeddings.position_embeddings.weight"][:ids.shape[1]]
             + tensors["embeddings.token_type_embeddings.weight"][0])
        x = F.layer_norm(x, x.shape[-1:], tensors["embeddings.LayerNorm.weight"], tensors["embeddings.LayerNorm.bias"],
                         self.config.layer_norm_eps)
        return x.to(BF16).flatten(0, 1)

    def attention(self, x, name, shape, bias):
        a, b = zip(*(self.lora(f"{name}.self.{which}") for which in ("query", "key", "value")))
        mixed = LoraLinear.apply(x, self.frozen[f"{name}.self.weight"], self.frozen[f"{name}.self.bias"], torch.cat(a),
                                 torch.block_diag(*b))
        query, key, value = mixed.view(*shape, 3, self.config.num_attention_heads, -1).permute(2, 0, 3, 1, 4)
        scores = torch.softmax(query @ key.transpose(2, 3) * query.shape[-1] ** -0.5 + bias, -1)
        return self.linear((scores @ value).transpose(1, 2).reshape(len(x), -1), f"{name}.output.dense")

    def layer(self, x, name, shape, bias):
        mixed = self.attention(x, f"{name}.attention", shape, bias)
        x = self.norm(x + self.drop(mixed), f"{name}.attention.output.LayerNorm")
        inner = F.gelu(self.linear(x, f"{name}.intermediate.dense"))
        return self.norm(x + self.drop(self.linear(inner, f"{name}.output.dense")), f"{name}.output.LayerNorm")

    def forward(self, ids, mask):
        x = self.drop(self.embed(ids))
        bias = (1 - mask[:, None, None, :].to(BF16)) * -1e4
        for layer in range(self.config.num_hidden_layers):
            x = self.layer(x, f"encoder.layer.{layer}", ids.shape, bias)
        first = x.view(*ids.shape, -1)[:, 0].float()
        pooled = torch.tanh(F.linear(first, self.weight("pooler.dense.weight"), self.weight("pooler.dense.bias")))
        return F.linear(self.drop(pooled), self.weight("classifier.weight"), self.weight("classifier.bias"))
