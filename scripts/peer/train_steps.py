#!/usr/bin/env python3
"""Times the training step of PyTorch and Hugging Face on the token ids that `initlab bench --batches FILE` wrote.

    build/initlab bench minilm_mrpc --steps 30 --batches mrpc.json
    scripts/peer/train_steps.py mrpc.json --threads 2 --adam fused

A step is collation (padding to the longest sequence of the batch), forward, loss, backward, clipping by the global norm, AdamW
and the zeroing of gradients. The first batches run untimed as warm-up, then every batch of the file is timed, in its order.
Prints one JSON object: valid tokens (padding not counted) per second, the time of every step, peak memory, losses, versions.
scripts/bench_peer runs this beside initlab; allocator and thread binding are set by the environment.
"""
import argparse
import contextlib
import json
import os
import platform
import resource
import time
from dataclasses import dataclass

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
import transformers
from torch.nn.utils.rnn import pad_sequence
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification

NOT_PREDICTED = -100  # Hugging Face's label of a position that the loss leaves out
TUNING_VARIABLES = ("GLIBC_TUNABLES", "LD_PRELOAD", "OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES", "MKL_NUM_THREADS")


@dataclass
class Sequence:
    """One sequence of n valid tokens; what the loss compares with depends on the head."""

    ids: torch.Tensor  # (n)
    types: torch.Tensor  # (n)
    label: object  # class or score; for mlm a tensor (n) of original ids, NOT_PREDICTED where unmasked


def options_of_command_line():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("batches", help="file of `initlab bench --batches`")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--warmup", type=int, default=5, help="untimed steps before; with --compile one pass over all batches more")
    parser.add_argument("--steps", type=int, help="timed steps; by default each batch of the file once")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32", help="bf16: autocast")
    parser.add_argument("--attn", choices=("sdpa", "eager"), default="sdpa")
    parser.add_argument("--adam", choices=("default", "fused"), default="default")
    parser.add_argument("--clip", choices=("default", "foreach"), default="default", help="how the global norm is computed")
    parser.add_argument("--compile", action="store_true", help="torch.compile; compilation is not timed but reported")
    parser.add_argument("--sort", action="store_true", help="sequences re-grouped by length into batches of the same size")
    parser.add_argument("--masked-only", action="store_true", help="mlm: vocabulary logits for the masked positions alone")
    parser.add_argument("--dropout", type=float, help="instead of the file's")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with open(options.batches, encoding="utf-8") as file:
        document = json.load(file)
    if options.masked_only and document["head"] != "mlm":
        parser.error(f"--masked-only is for mlm; {options.batches} has the head {document['head']}")
    if document["model"]["pooling"] != "cls":
        parser.error(f"Hugging Face's classifier reads [CLS]; {options.batches} pools by {document['model']['pooling']}")
    for key in ("norm", "residual_scale", "trained_residual_scale"):
        if key in document["model"]:
            parser.error(f"Hugging Face's BERT has no {key}, which {options.batches} sets")
    if options.steps is not None and options.steps < 1 or options.warmup < 0:
        parser.error("--steps must be at least 1, --warmup at least 0")
    return options, document


def sequences_of(batch, head):
    labels = batch["labels"] if head != "mlm" else [None] * len(batch["ids"])
    sequences = []
    for row, (ids, types) in enumerate(zip(batch["ids"], batch["types"])):
        label = labels[row]
        if head == "mlm":
            label = torch.full((len(ids),), NOT_PREDICTED)
            label[torch.tensor(batch["masked"][row], dtype=torch.long)] = torch.tensor(batch["masked_labels"][row], dtype=torch.long)
        sequences.append(Sequence(torch.tensor(ids), torch.tensor(types), label))
    return sequences


def sorted_by_length(batches):
    """Sequences of all batches, longest first, cut into batches of the old sizes."""
    pool = iter(sorted((s for batch in batches for s in batch), key=lambda s: -len(s.ids)))
    return [[next(pool) for _ in batch] for batch in batches]


def collate(batch, head):
    """Pads to the longest sequence; a batch without padding needs no mask."""
    lengths = torch.tensor([len(s.ids) for s in batch])
    inputs = dict(input_ids=pad_sequence([s.ids for s in batch], batch_first=True),
                  token_type_ids=pad_sequence([s.types for s in batch], batch_first=True))
    longest = inputs["input_ids"].shape[1]
    if int(lengths.min()) < longest:
        inputs["attention_mask"] = (torch.arange(longest) < lengths[:, None]).long()
    if head == "mlm":
        inputs["labels"] = pad_sequence([s.label for s in batch], batch_first=True, padding_value=NOT_PREDICTED)
    else:
        inputs["labels"] = torch.tensor([s.label for s in batch], dtype=torch.float if head == "regressor" else torch.long)
    return inputs


class WholeLoss(torch.nn.Module):
    """The model's own loss; for mlm, BertForMaskedLM's: logits of every position."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, inputs):
        return self.model(**inputs).loss


class MaskedRowsLoss(torch.nn.Module):
    """The same mlm loss from the logits of the masked positions alone, as one writes it by hand."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, inputs):
        labels = inputs["labels"].flatten()
        rows = (labels != NOT_PREDICTED).nonzero().flatten()
        encoder_inputs = {name: value for name, value in inputs.items() if name != "labels"}
        hidden = self.model.bert(**encoder_inputs).last_hidden_state.flatten(0, 1)[rows]
        return torch.nn.functional.cross_entropy(self.model.cls(hidden).float(), labels[rows])


def make_model(document, options):
    shape, head = document["model"], document["head"]
    dropout = document["training"]["dropout"] if options.dropout is None else options.dropout
    labels = 1 if head == "regressor" else document.get("num_labels", 2)
    config = BertConfig(vocab_size=shape["vocabulary"], hidden_size=shape["hidden"], num_hidden_layers=shape["layers"],
                        num_attention_heads=shape["heads"], intermediate_size=shape["intermediate"],
                        max_position_embeddings=shape["max_positions"], type_vocab_size=shape["type_vocabulary"],
                        hidden_act=shape["activation"], hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
                        layer_norm_eps=shape["layer_norm_epsilon"], num_labels=labels, attn_implementation=options.attn)
    if head != "mlm":
        config.problem_type = "regression" if head == "regressor" else "single_label_classification"
    kind = BertForMaskedLM if head == "mlm" else BertForSequenceClassification
    if document["checkpoint"]:
        model = kind.from_pretrained(document["checkpoint"], config=config, attn_implementation=options.attn)
    else:
        model = kind(config)
    model = model.float().train()
    if model.config._attn_implementation != options.attn:
        raise SystemExit(f"train_steps: asked for {options.attn} attention, got {model.config._attn_implementation}")
    return model


def make_optimizer(model, training, adam):
    exempt = ("bias", "LayerNorm.weight")
    groups = [{"params": [p for n, p in model.named_parameters() if not n.endswith(exempt)], "weight_decay": training["weight_decay"]},
              {"params": [p for n, p in model.named_parameters() if n.endswith(exempt)], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=training["learning_rate"], betas=(training["beta1"], training["beta2"]),
                             eps=training["epsilon"], fused=True if adam == "fused" else None)


def make_step(document, options):
    """A function: batch -> (loss, seconds)."""
    head, training = document["head"], document["training"]
    model = make_model(document, options)
    optimizer = make_optimizer(model, training, options.adam)
    parameters = list(model.parameters())
    loss_of = MaskedRowsLoss(model) if options.masked_only else WholeLoss(model)
    if options.compile:
        loss_of = torch.compile(loss_of)
    foreach = True if options.clip == "foreach" else None

    def precision():
        return torch.autocast("cpu", dtype=torch.bfloat16) if options.precision == "bf16" else contextlib.nullcontext()

    def step(batch):
        start = time.perf_counter()
        inputs = collate(batch, head)
        with precision():
            loss = loss_of(inputs)
        loss.backward()
        if training["clip"] > 0:
            torch.nn.utils.clip_grad_norm_(parameters, training["clip"], foreach=foreach)
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach()), time.perf_counter() - start

    return step


def run(step, batches, options):
    """Warm-up, then the timed steps. Returns the loss of every step made, and of the timed ones the seconds and page faults."""
    steps = len(batches) if options.steps is None else options.steps
    passes = [*range(options.warmup), *(range(steps) if options.compile else ())]  # every shape is compiled before it is timed
    start = time.perf_counter()
    losses = [step(batches[i % len(batches)])[0] for i in passes]
    warmup_seconds = time.perf_counter() - start
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    timed = [step(batches[i % len(batches)]) for i in range(steps)]
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    losses += [loss for loss, _ in timed]
    return losses, [seconds for _, seconds in timed], faults, warmup_seconds


def quantile(values, share):
    """What at most this share of the values stays below; linear between neighbours, as initlab bench."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])


def has_bf16():
    """Whether the CPU has bf16 instructions; without, PyTorch emulates them, many times slower than f32."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            words = file.read().split()
    except OSError:
        return False
    return any(flag in words for flag in ("avx512_bf16", "amx_bf16", "bf16"))


def matmul_gflops(dtype, size=2048, repeats=8):
    """torch.mm of size^3: the best of some repeats."""
    a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
    out = torch.empty(size, size, dtype=dtype)
    torch.mm(a, b, out=out)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        torch.mm(a, b, out=out)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def library_versions():
    lines = [line.strip(" -") for line in torch.__config__.show().split("\n")]
    wanted = ("MKL-DNN", "oneAPI Math Kernel", "OpenMP", "CPU capability", "OpenBLAS")
    build = next((line for line in lines if line.startswith("Build settings")), "")
    blas = [part.strip() for part in build.split(",") if part.strip().startswith("Build settings: BLAS_INFO")]
    return dict(python=platform.python_version(), torch=torch.__version__, transformers=transformers.__version__,
                libraries=[line for line in lines if any(word in line for word in wanted) and line is not build] + blas)


def main():
    options, document = options_of_command_line()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    batches = [sequences_of(batch, document["head"]) for batch in document["batches"]]
    if options.sort:
        batches = sorted_by_length(batches)
    losses, seconds, faults, warmup_seconds = run(make_step(document, options), batches, options)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # before the matrices of the next lines
    timed = [batches[i % len(batches)] for i in range(len(seconds))]
    valid = sum(len(s.ids) for batch in timed for s in batch)
    computed = sum(len(batch) * max(len(s.ids) for s in batch) for batch in timed)
    gflops = dict(f32=matmul_gflops(torch.float32))
    if has_bf16():
        gflops["bf16"] = matmul_gflops(torch.bfloat16)
    milliseconds = [1e3 * s for s in seconds]
    print(json.dumps(dict(
        workload=document["workload"], precision=options.precision, threads=torch.get_num_threads(),
        tokens_per_s=valid / sum(seconds), valid_tokens=valid, computed_tokens=computed,
        step_ms=dict(median=quantile(milliseconds, 0.5), p10=quantile(milliseconds, 0.1), p90=quantile(milliseconds, 0.9)),
        steps_ms=[round(m, 3) for m in milliseconds], warmup_seconds=round(warmup_seconds, 3), peak_rss_mib=peak,
        page_faults_per_step=faults / len(seconds), matmul_gflops={name: round(value, 1) for name, value in gflops.items()}, losses=losses,
        versions=library_versions(), options={k: v for k, v in vars(options).items() if k != "batches"},
        environment={name: os.environ[name] for name in TUNING_VARIABLES if name in os.environ})))


if __name__ == "__main__":
    main()
