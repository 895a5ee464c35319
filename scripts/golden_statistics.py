#!/usr/bin/env python3
"""Writes tests/compare/golden.json: what scipy, root finding and brute force say about few paired numbers.

    scripts/golden_statistics.py

Needs numpy and scipy. Deterministic: the same numbers with every run. The C++ tests read the file; they need no Python.
"""
import itertools
import json
import math
import pathlib
from fractions import Fraction

import numpy as np
from scipy import optimize, stats

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


def fieller(numerators, denominators, level):
    """Fieller's set by inverting scipy's t test root by root: no formula for the set enters."""
    y, x = np.asarray(numerators), np.asarray(denominators)
    critical = stats.t.ppf((1 + level) / 2, len(x) - 1)

    def excess(angles):
        """How far the test of mean(y - r x) = 0 is beyond its critical value, at each r = tan(angle)."""
        residuals = np.outer(y, np.cos(angles)) - np.outer(x, np.sin(angles))
        return np.abs(stats.ttest_1samp(residuals, 0, axis=0).statistic) - critical

    # Once around the circle of ratios: -pi/2 and pi/2 are both the ratio "infinite".
    angles = np.linspace(-math.pi / 2, math.pi / 2, 100_001)
    values = excess(angles)
    roots = [optimize.brentq(lambda angle: excess([angle])[0], a, b, xtol=1e-15, rtol=1e-15)
             for a, b, u, v in zip(angles, angles[1:], values, values[1:]) if u * v < 0]
    bounded = values[0] > 0
    assert len(roots) in (0, 2) and not (bounded and not roots), roots
    if not roots:
        return {"kind": "everything"}
    return {"kind": "interval" if bounded else "outside", "low": math.tan(roots[0]), "high": math.tan(roots[1])}


def main():
    rng = np.random.default_rng(20)
    golden = {"intervals": [], "sign_flip": [], "ties": [], "monte_carlo": [], "fieller": []}
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

    # Shares of a gain: large, small and doubtful gains, of either sign; arms that keep much, little and less than nothing.
    for n, level in ((3, 0.95), (6, 0.8), (6, 0.95), (12, 0.95)):
        for gain, spread in ((0.4, 0.02), (-0.4, 0.02), (0.1, 0.05), (0.02, 0.05), (0.0, 0.05)):
            for share in (0.9, -0.3):
                gains = rng.normal(gain, spread, n)
                kept = share * gains + rng.normal(0, 0.02, n)
                x, y = [float(v) for v in gains], [float(v) for v in kept]
                golden["fieller"].append({"numerators": y, "denominators": x, "level": level, **fieller(y, x, level)})
        for gain in (0.02, -0.02):  # a doubtful gain, and an arm that is surely above it
            x = [float(v) for v in rng.normal(gain, 0.05, n)]
            y = [float(v) for v in rng.normal(0.4, 0.02, n)]
            golden["fieller"].append({"numerators": y, "denominators": x, "level": level, **fieller(y, x, level)})
    kinds = [case["kind"] for case in golden["fieller"]]
    assert all(kinds.count(kind) >= 3 for kind in ("interval", "outside", "everything")), kinds
    OUT.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
    print(f"{OUT}: {', '.join(f'{len(cases)} {name}' for name, cases in golden.items())}")


if __name__ == "__main__":
    main()
