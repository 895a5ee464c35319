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


def table():
    """(name, kind, shape) of every parameter; kind: weight, zero, one."""
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

    for name, n in (("word", VOCABULARY), ("position", POSITIONS), ("token_type", 2)):
        weight(f"bert.embeddings.{name}_embeddings.weight", n, HIDDEN)
    norm("bert.embeddings.LayerNorm")
    for layer in range(LAYERS):
        start = f"bert.encoder.layer.{layer}."
        for part in ("query", "key", "value"):
            weight(f"{start}attention.self.{part}.weight", HIDDEN, HIDDEN)
        for part in ("query", "key", "value"):
            vector(f"{start}attention.self.{part}.bias", "zero", HIDDEN)
        dense(start + "attention.output.dense", HIDDEN, HIDDEN)
        norm(start + "attention.output.LayerNorm")
        dense(start + "intermediate.dense", INTERMEDIATE, HIDDEN)
        dense(start + "output.dense", HIDDEN, INTERMEDIATE)
        norm(start + "output.LayerNorm")
    dense("bert.pooler.dense", HIDDEN, HIDDEN)
    dense("classifier", LABELS, HIDDEN)
    return rows


def golden(draw):
    """SHA-256 over the table, weights from draw(stream, n, shape)."""
    data = b""
    for name, kind, shape in table():
        n = int(np.prod(shape))
        values = draw(Stream(name), n, shape) if kind == "weight" else [float(kind == "one")] * n
        data += np.array(values, dtype=np.float64).astype("<f4").tobytes()
    return hashlib.sha256(data).hexdigest()


def truncated(stream, n, _):
    values = []
    for i in range(n):
        draw = i
        while abs(stream.normal(draw)) > 2:
            draw += n
        values.append(0.02 * stream.normal(draw))
    return values


def normal(scale):
    return lambda stream, n, shape: [scale(shape) * stream.normal(i) for i in range(n)]


def uniform(bound):
    return lambda stream, n, shape: [bound(shape) * (2 * stream.uniform(i) - 1) for i in range(n)]


def main():
    strategies = {
        "zero/1": lambda stream, n, shape: [0.0] * n,
        "one/1": lambda stream, n, shape: [1.0] * n,
        "constant/1": lambda stream, n, shape: [0.3] * n,
        "normal/1": normal(lambda shape: 0.02),
        "truncated_normal/1": truncated,
        "bert_default/1": truncated,
        "template_uniform/1": uniform(lambda shape: 0.05),
        "xavier_uniform/1": uniform(lambda shape: np.sqrt(6 / sum(shape))),
        "xavier_normal/1": normal(lambda shape: np.sqrt(2 / sum(shape))),
    }
    for strategy, draw in strategies.items():
        print(strategy, golden(draw))


if __name__ == "__main__":
    main()
