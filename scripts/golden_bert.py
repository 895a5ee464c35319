#!/usr/bin/env python3
"""Makes the golden files of tests/golden from Hugging Face's BERT.

usage: golden_bert.py FOLDER      (needs torch, transformers, safetensors; the tests need only the files)

Each case is NAME.json (model, batches with padding on Hugging Face's side, logits, loss, losses of 50 AdamW steps) and
NAME.safetensors (weights in bf16, which they fill exactly; gradients in f32 under "gradient/"). Everything is computed in double,
so that the files hold the mathematics and not one library's rounding. Dropout is 0.
"""
import copy
import fnmatch
import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

TINY = dict(layers=2, hidden=32, heads=2, intermediate=64)
MINI = dict(layers=4, hidden=48, heads=4, intermediate=96)
CASES = [
    ("tiny_classifier", "classifier", TINY, "gelu", True),
    ("tiny_regressor", "regressor", TINY, "gelu_new", True),
    ("tiny_mlm", "mlm", TINY, "gelu_new", True),
    ("mini_classifier", "classifier", MINI, "gelu_new", False),
    ("mini_mlm", "mlm", MINI, "gelu", False),
]
VOCABULARY, POSITIONS, TYPES, LABELS = 120, 24, 2, 3
STEPS, WARMUP = 50, 5
LEARNING_RATE, WEIGHT_DECAY, CLIP = 1e-3, 0.01, 1.0
# `training:` settings of a spec, and what they mean in PyTorch (train_controlled). The first has none: to see that the others matter.
CONTROL_STEPS, CONTROL_WARMUP = 20, 2
CONTROLS = [
    {},
    {"freeze": ["bert.embeddings.*"], "layer_decay": 0.7, "learning_rates": {"head": 5e-3}},
    {"freeze": ["bert.encoder.layer.0.*", "bert.pooler.*"], "weight_decay": 5.0, "weight_decay_to": "initial"},
]


def build(head, shape, activation):
    config = transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=shape["hidden"], num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"], intermediate_size=shape["intermediate"], hidden_act=activation,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, max_position_embeddings=POSITIONS,
        type_vocab_size=TYPES, layer_norm_eps=1e-12, num_labels=1 if head == "regressor" else LABELS,
        problem_type={"regressor": "regression", "classifier": "single_label_classification"}.get(head))
    config._attn_implementation = "eager"
    kind = transformers.BertForMaskedLM if head == "mlm" else transformers.BertForSequenceClassification
    return kind(config).double()


def randomize(model, generator):
    """Large enough that every part matters; rounded to bf16 so that the files stay small."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            x = torch.randn(p.shape, generator=generator, dtype=torch.float64)
            is_norm_scale = "LayerNorm.weight" in name
            x = 1 + 0.1 * x if is_norm_scale else (0.3 * x if "embeddings" in name else 0.15 * x)
            p.copy_(x.to(torch.bfloat16).double())


def random_sequences(head, count, generator):
    def integer(low, high):
        return int(torch.randint(low, high, (1,), generator=generator))

    sequences = []
    for _ in range(count):
        length = integer(3, POSITIONS + 1)
        first = integer(1, length)
        ids = [integer(1, VOCABULARY) for _ in range(length)]  # 0 is padding, whose row gets no gradient
        sequence = {"ids": ids, "types": [0] * first + [1] * (length - first)}
        if head == "classifier":
            sequence["label"] = integer(0, LABELS)
        elif head == "regressor":
            sequence["target"] = round(float(torch.rand(1, generator=generator)) * 5, 3)
        else:
            rows = sorted({integer(0, length) for _ in range(1 + length // 6)})
            sequence["masked"] = [[row, integer(1, VOCABULARY)] for row in rows]
        sequences.append(sequence)
    return sequences


def run(model, head, sequences):
    longest = max(len(s["ids"]) for s in sequences) + 2  # padding for all
    longest = min(longest, POSITIONS)
    ids, types, mask = (torch.zeros(len(sequences), longest, dtype=torch.long) for _ in range(3))
    labels = torch.full((len(sequences), longest), -100) if head == "mlm" else None
    for b, s in enumerate(sequences):
        n = len(s["ids"])
        ids[b, :n], types[b, :n], mask[b, :n] = torch.tensor(s["ids"]), torch.tensor(s["types"]), 1
        if head == "mlm":
            for row, label in s["masked"]:
                labels[b, row] = label
    if head == "classifier":
        labels = torch.tensor([s["label"] for s in sequences])
    elif head == "regressor":
        labels = torch.tensor([s["target"] for s in sequences], dtype=torch.float64)
    out = model(input_ids=ids, token_type_ids=types, attention_mask=mask, labels=labels)
    logits = out.logits[labels != -100] if head == "mlm" else out.logits
    return out.loss, logits


def train(model, head, batches):
    decayed, plain = [], []
    for name, p in model.named_parameters():
        (plain if name.endswith("bias") or "LayerNorm" in name else decayed).append(p)
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": WEIGHT_DECAY},
                                   {"params": plain, "weight_decay": 0.0}], lr=LEARNING_RATE)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, WARMUP, STEPS)
    losses, norms = [], []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss, _ = run(model, head, batches[step % len(batches)])
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)))
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses, norms


def train_controlled(model, head, batches, control):
    layers = model.config.num_hidden_layers
    decay = control.get("layer_decay", 1.0)
    groups = []
    for name, p in model.named_parameters():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in control.get("freeze", [])):
            p.requires_grad_(False)
            continue
        depth = 0
        if name.startswith("bert.embeddings."):
            depth = layers + 1
        elif name.startswith("bert.encoder.layer."):
            depth = layers - int(name.split(".")[3])
        base = control.get("learning_rates", {}).get("head", LEARNING_RATE) if name.startswith("classifier.") else LEARNING_RATE
        decays = not (name.endswith("bias") or "LayerNorm" in name)
        groups.append({"params": [p], "lr": base * decay ** depth, "initial": p.detach().clone(),
                       "wanted_decay": control.get("weight_decay", WEIGHT_DECAY) if decays else 0.0})
    to_initial = control.get("weight_decay_to") == "initial"
    for group in groups:
        group["weight_decay"] = 0.0 if to_initial else group["wanted_decay"]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, CONTROL_WARMUP, CONTROL_STEPS)
    losses, norms = [], []
    for step in range(CONTROL_STEPS):
        optimizer.zero_grad()
        loss, _ = run(model, head, batches[step % len(batches)])
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)))
        if to_initial:
            with torch.no_grad():
                for group in optimizer.param_groups:
                    p = group["params"][0]
                    p.sub_(group["lr"] * group["wanted_decay"] * (p - group["initial"]))
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses, norms


def make(folder, index, name, head, shape, activation, with_training):
    torch.manual_seed(0)  # construction draws too; all it draws is overwritten
    generator = torch.Generator().manual_seed(1000 + index)
    model = build(head, shape, activation).train()
    randomize(model, generator)
    batches = [random_sequences(head, count, generator) for count in (5, 7, 4)]
    tensors = {n: p.detach().to(torch.bfloat16).contiguous().clone() for n, p in model.named_parameters()}
    loss, logits = run(model, head, batches[0])
    loss.backward()
    for n, p in model.named_parameters():
        gradient = p.grad if p.grad is not None else torch.zeros_like(p)
        tensors["gradient/" + n] = gradient.float().contiguous().clone()
    case = {
        "made_with": f"transformers {transformers.__version__}, torch {torch.__version__}",
        "head": head, "labels": LABELS,
        "model": dict(shape, vocabulary=VOCABULARY, max_positions=POSITIONS, type_vocabulary=TYPES, activation=activation,
                      layer_norm_epsilon=1e-12),
        "batches": batches, "loss": loss.item(), "logits": logits.flatten().tolist(),
    }
    if with_training:
        model.zero_grad()
        if name == "tiny_classifier":
            case["controls"] = []
            for control in CONTROLS:
                losses, norms = train_controlled(copy.deepcopy(model), head, batches, control)
                case["controls"].append({"training": control, "steps": CONTROL_STEPS, "warmup_steps": CONTROL_WARMUP,
                                         "learning_rate": LEARNING_RATE, "weight_decay": WEIGHT_DECAY, "clip": CLIP,
                                         "losses": losses, "gradient_norms": norms})
        losses, norms = train(model, head, batches)
        case["training"] = {"steps": STEPS, "warmup_steps": WARMUP, "learning_rate": LEARNING_RATE,
                            "weight_decay": WEIGHT_DECAY, "clip": CLIP, "losses": losses, "gradient_norms": norms}
    save_file(tensors, folder / f"{name}.safetensors")
    (folder / f"{name}.safetensors").chmod(0o644)
    (folder / f"{name}.json").write_text(json.dumps(case) + "\n")
    print(name, "loss", loss.item(), "training", case.get("training", {}).get("losses", [])[-1:])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for index, case in enumerate(CASES):
        make(folder, index, *case)


if __name__ == "__main__":
    main()
