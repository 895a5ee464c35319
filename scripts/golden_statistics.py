#!/usr/bin/env python3
"""Writes tests/compare/golden.json: what scipy and brute force say about few paired numbers.

    scripts/golden_statistics.py

Needs numpy and scipy. Deterministic: the same numbers with every run. The C++ tests read the file; they need no Python.
"""
import itertools
import json
import math
import pathlib
from fractions import Fraction

import numpy as np
from scipy import stats

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "compare" / "golden.json"


def t_interval(values, level):
    low, high = stats.t.interval(level, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    return [float(low), float(high)]


def scipy_p(differences):
    """Sign-flip p as scipy has it: one sample, permutation type "samples", all 2^n patterns."""
    result = stats.permutation_test((np.asarray(differences),), np.mean, permutation_type="samples",
                                    n_resamples=np.inf, alternative="two-sided")
    return float(result.pvalue)


def exact_p(fractions):
    """Sign-flip p in rational arithmetic: ties are ties."""
    observed = abs(sum(fractions))
    count = sum(abs(sum(s * d for s, d in zip(signs, fractions))) >= observed
                for signs in itertools.product((1, -1), repeat=len(fractions)))
    return count / 2 ** len(fractions)


def large_exact_p(differences):
    """The same for many differences, by sorted sums of either half."""
    def sums(part):
        out = np.zeros(1)
        for d in part:
            out = np.concatenate([out + d, out - d])
        return np.sort(out)
    observed = abs(sum(differences)) * (1 - 1e-12)
    half = len(differences) // 2
    first, second = sums(differences[:half]), sums(differences[half:])
    count = (len(second) - np.searchsorted(second, observed - first, "left")).sum()
    count += np.searchsorted(second, -observed - first, "right").sum()
    return float(count / 2 ** len(differences))


def main():
    rng = np.random.default_rng(20)
    golden = {"intervals": [], "sign_flip": [], "ties": [], "monte_carlo": []}
    for n in (2, 3, 5, 8, 20, 100):
        for level in (0.8, 0.95, 0.99):
            values = [float(v) for v in rng.normal(0.7, 0.05, n)]
            golden["intervals"].append({"values": values, "level": level, "interval": t_interval(values, level),
                                        "mean": float(np.mean(values)), "std": float(np.std(values, ddof=1))})
    samples = [rng.normal(shift, 1, n) for n in (2, 3, 5, 8, 11, 16) for shift in (0, 0.5, 2)]
    samples += [np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, 1.0, -2.0, 3.0]), np.array([0.0, 0.0]),
                np.array([1.0, -1.0]), rng.exponential(1, 9) - 0.3]
    for values in samples:
        values = [float(v) for v in values]
        golden["sign_flip"].append({"differences": values, "p": scipy_p(values)})
    twenty = [float(v) for v in rng.normal(0.4, 1, 20)]
    golden["sign_flip"].append({"differences": twenty, "p": large_exact_p(twenty)})

    # Shares of an evaluation set, as accuracies are: k / size. Their differences tie in theory, not in their last bits.
    for size, n in ((408, 8), (408, 10), (277, 9), (1043, 12), (9815, 10)):
        for shift in (0, 2):
            arm = [int(v) for v in rng.integers(round(0.7 * size), round(0.7 * size) + 5, n) + shift]
            baseline = [int(v) for v in rng.integers(round(0.7 * size), round(0.7 * size) + 5, n)]
            golden["ties"].append({"size": size, "arm": arm, "baseline": baseline,
                                   "p": exact_p([Fraction(a - b, size) for a, b in zip(arm, baseline)])})

    for n, shift in ((21, 0.0), (24, 0.3), (30, 0.5), (40, 0.45)):
        values = [float(v) for v in rng.normal(shift, 1, n)]
        p = large_exact_p(values)
        golden["monte_carlo"].append({"differences": values, "p": p})
        assert 1e-6 < p <= 1 and math.isfinite(p)
    OUT.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
    print(f"{OUT}: {', '.join(f'{len(cases)} {name}' for name, cases in golden.items())}")


if __name__ == "__main__":
    main()
