#!/usr/bin/env python3
"""The golden hashes of tests/init/bits_test.cc, computed a second time and without any of initlab's code.

Philox4x32-10 (Salmon et al. 2011) in Python integers, the normal quantile from SciPy, the parameter table written out again.
Prints `strategy hash` a line. Needs numpy and scipy.
"""
import hashlib
import struct

import numpy as np
from scipy.special import ndtri

HIDDEN, INTERMEDIATE, VOCABULARY, POSITIONS, LAYERS, LABELS = 8, 16, 20, 16, 2, 2
SEEDS = {"init": 2025, "head": 2026}
MASK = 0xFFFFFFFF


def philox(counter, key):
    c, k0, k1 = list(counter), key & MASK, key >> 32
    for round_ in range(10):
        if round_ > 0:
            k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & MASK, (p0 >> 32) ^ c[3] ^ k1, p0 & MASK]
    return c


class Stream:
    def __init__(self, tensor):
        self.tensor = tensor
        side = "init" if tensor.startswith("bert.") else "head"
        digest = hashlib.sha256(struct.pack("<Q", SEEDS[side]) + f"{side}/{tensor}".encode()).digest()
        self.key = struct.unpack("<Q", digest[:8])[0]

    def bits(self, i):
        out = philox((i // 2 & MASK, i // 2 >> 32, 0, 0), self.key)
        return out[i % 2 * 2] | out[i % 2 * 2 + 1] << 32

    def uniform(self, i):
        return (self.bits(i) >> 40) * 2.0**-24

    def normal(self, i):  # the host hands out floats
        return float(np.float32(ndtri(((self.bits(i) >> 12) + 0.5) * 2.0**-52)))


def table(normed):
    """(name, kind, shape) of every parameter; kind: weight, zero, one. Not normed: the model without LayerNorm."""
    rows = []

    def weight(name, *shape):
        rows.append((name, "weight", shape))

    def vector(name, kind, n):
        rows.append((name, kind, (n,)))

    def dense(name, out, in_):
        weight(name + ".weight", out, in_)
        vector(name + ".bias", "zero", out)

    def norm(name):
        vector(name + ".weight", "one", HIDDEN)
        vector(name + ".bias", "zero", HIDDEN)

    def end(block):
        norm(block + "LayerNorm") if normed else vector(block + "branch_scale", "one", 1)

    for name, n in (("word", VOCABULARY), ("position", POSITIONS), ("token_type", 2)):
        weight(f"bert.embeddings.{name}_embeddings.weight", n, HIDDEN)
    if normed:
        norm("bert.embeddings.LayerNorm")
    for layer in range(LAYERS):
        start = f"bert.encoder.layer.{layer}."
        for part in ("query", "key", "value"):
            weight(f"{start}attention.self.{part}.weight", HIDDEN, HIDDEN)
        for part in ("query", "key", "value"):
            vector(f"{start}attention.self.{part}.bias", "zero", HIDDEN)
        dense(start + "attention.output.dense", HIDDEN, HIDDEN)
        end(start + "attention.output.")
        dense(start + "intermediate.dense", INTERMEDIATE, HIDDEN)
        dense(start + "output.dense", HIDDEN, INTERMEDIATE)
        end(start + "output.")
    dense("bert.pooler.dense", HIDDEN, HIDDEN)
    dense("classifier", LABELS, HIDDEN)
    return rows


def golden(draw, normed=True):
    """SHA-256 over the table, values from draw(stream, n, shape), or bert_default's where that returns None."""
    data = b""
    for name, kind, shape in table(normed):
        n = int(np.prod(shape))
        drawn = None if "LayerNorm" in name else draw(Stream(name), n, shape)
        if drawn is None:  # left to bert_default
            drawn = truncated(Stream(name), n, shape) if kind == "weight" else [float(kind == "one")] * n
        values = np.reshape(drawn, -1)
        data += np.array(values, dtype=np.float64).astype("<f4").tobytes()
    return hashlib.sha256(data).hexdigest()


def truncated(stream, n, shape):
    if len(shape) < 2:
        return None
    values = []
    for i in range(n):
        draw = i
        while abs(stream.normal(draw)) > 2:
            draw += n
        values.append(0.02 * stream.normal(draw))
    return values


def on_weights(values):
    return lambda stream, n, shape: values(stream, n, shape) if len(shape) == 2 else None


def constant(value):
    return on_weights(lambda stream, n, shape: [value] * n)


def normal(scale):
    return on_weights(lambda stream, n, shape: [scale(shape, stream.tensor) * stream.normal(i) for i in range(n)])


def uniform(bound):
    return on_weights(
        lambda stream, n, shape: [bound(shape, stream.tensor) * (2 * stream.uniform(i) - 1) for i in range(n)])


def is_embedding(stream):
    return "_embeddings." in stream.tensor


def torch_linear(stream, n, shape):
    if is_embedding(stream):
        return None
    name = stream.tensor
    wide = ".attention." not in name and ".output.dense." in name  # the feed-forward block's second matrix
    bound = 1 / np.sqrt(INTERMEDIATE if wide else HIDDEN)
    return [bound * (2 * stream.uniform(i) - 1) for i in range(n)]


def layer_of(name):  # counted from 1; 1 outside the stack
    parts = name.split(".")
    return int(parts[parts.index("layer") + 1]) + 1 if "layer" in parts else 1


def orthogonal(stream, n, shape):
    z = np.array([stream.normal(i) for i in range(n)]).reshape(shape)
    tall = z if shape[0] >= shape[1] else z.T
    q, r = np.linalg.qr(tall)
    q = q * np.sign(np.diag(r))
    return q if shape[0] >= shape[1] else q.T


def on_matrices(values):
    return lambda stream, n, shape: values(shape) if len(shape) == 2 and not is_embedding(stream) else None


def zero_ones(shape):
    if shape[0] <= shape[1]:
        return np.eye(*shape)
    h = np.ones((1, 1))
    while len(h) < shape[0]:
        h = np.block([[h, h], [h, -h]])
    return h[:shape[0], :shape[1]] / np.sqrt(len(h))


def mimetic(stream, n, shape):
    name, heads = stream.tensor, 2
    pairs = {"self.query": "self.query", "self.key": "self.query", "self.value": "self.value", "output.dense": "self.value"}
    own = next((part for part in pairs if f".attention.{part}.weight" in name), None)
    if own is None:
        return truncated(stream, n, shape)
    scores = own in ("self.query", "self.key")
    alpha, beta, blocks = (0.7, 0.7, heads) if scores else (0.4, -0.4, 1)
    shared, rank, left, right = Stream(name.replace(own, pairs[own])), HIDDEN // blocks, [], []
    for block in range(blocks):
        z = np.array([shared.normal(block * n + i) for i in range(n)]).reshape(shape)
        u, s, vt = np.linalg.svd(alpha * z / np.sqrt(HIDDEN) + beta * np.eye(HIDDEN))
        for k in range(rank):
            sign = np.sign(u[np.argmax(np.abs(u[:, k])), k])
            left.append(sign * np.sqrt(s[k]) * u[:, k])
            right.append(sign * np.sqrt(s[k]) * vt[k])
    if own == "output.dense":
        return np.array(right).T
    return right if own == "self.key" else left


def is_output(name):
    return ".layer." in name and name.endswith(".output.dense.weight")


def is_scaled(name):
    return is_output(name) or ".layer." in name and name.endswith((".self.value.weight", ".intermediate.dense.weight"))


def t_fixup(stream, n, shape):
    if is_embedding(stream):
        scale = 1 / (np.sqrt(np.sqrt(9 * LAYERS)) * np.sqrt(HIDDEN))
        return [scale * stream.normal(i) for i in range(n)]
    scale = 0.67 / np.sqrt(np.sqrt(LAYERS)) if is_scaled(stream.tensor) else 1
    bound = scale * np.sqrt(3) * np.sqrt(2 / sum(shape))
    return [bound * (2 * stream.uniform(i) - 1) for i in range(n)]


def fixup(stream, n, shape):
    if is_embedding(stream):
        return truncated(stream, n, shape)
    if is_output(stream.tensor):
        return [0.0] * n
    scale = 1 / np.sqrt(shape[1])
    if ".layer." in stream.tensor:
        scale /= np.sqrt(2 * LAYERS)
    return [scale * stream.normal(i) for i in range(n)]


def deepnorm(stream, n, shape):
    if is_embedding(stream):
        return truncated(stream, n, shape)
    scale = (1 / np.sqrt(np.sqrt(8 * LAYERS)) if is_scaled(stream.tensor) else 1) * np.sqrt(2 / sum(shape))
    return [scale * stream.normal(i) for i in range(n)]


def main():

    strategies = {
        "zero/1": constant(0.0),
        "one/1": constant(1.0),
        "constant/1": constant(0.3),
        "normal/1": normal(lambda shape, _: 0.02),
        "truncated_normal/1": truncated,
        "bert_default/1": truncated,
        "template_uniform/1": uniform(lambda shape, _: 0.05),
        "xavier_uniform/1": uniform(lambda shape, _: np.sqrt(6 / sum(shape))),
        "xavier_normal/1": normal(lambda shape, _: np.sqrt(2 / sum(shape))),
        "uniform/1": uniform(lambda shape, _: 0.05),
        "kaiming_uniform/1": uniform(lambda shape, _: np.sqrt(2) / np.sqrt(shape[1]) * np.sqrt(3)),
        "kaiming_normal/1": normal(lambda shape, _: np.sqrt(2) / np.sqrt(shape[1])),
        "lecun_uniform/1": uniform(lambda shape, _: 1 / np.sqrt(shape[1]) * np.sqrt(3)),
        "lecun_normal/1": normal(lambda shape, _: 1 / np.sqrt(shape[1])),
        "torch_linear/1": torch_linear,
        "small_init/1": normal(lambda shape, _: np.sqrt(2 / (5 * HIDDEN))),
        "megatron/1": normal(lambda shape, _: np.sqrt(1 / (3 * HIDDEN))),
        "wang_init/1": normal(lambda shape, _: 2 / (LAYERS * np.sqrt(HIDDEN))),
        "ds_init/1": uniform(lambda shape, name: np.sqrt(6 / sum(shape)) / np.sqrt(layer_of(name))),
        "gpt2_depth_scaled/1": normal(lambda shape, name: 0.02 / np.sqrt(2 * LAYERS) if is_output(name) else 0.02),
        "orthogonal/1": on_weights(orthogonal),
        "identity/1": on_matrices(lambda shape: np.eye(*shape)),
        "zero_ones/1": on_matrices(zero_ones),
        "mimetic/1": on_weights(mimetic),
    }
    for strategy, draw in strategies.items():
        print(strategy, golden(draw))
    print("deepnorm/1", golden(on_weights(deepnorm)))  # a fixed factor is no parameter
    print("t_fixup/1", golden(on_weights(t_fixup), normed=False))
    print("fixup/1", golden(on_weights(fixup), normed=False))
    print("rezero/1", golden(lambda stream, n, shape: [0.0] if "branch_scale" in stream.tensor else None, normed=False))


if __name__ == "__main__":
    main()
