#!/usr/bin/env python3
"""Writes tests/compare/golden_power.json: power of the paired t test as statsmodels has it.

    scripts/golden_power.py

Needs statsmodels. The C++ test reads the file; it needs no Python.
"""
import json
import math
import pathlib

from statsmodels.stats.power import TTestPower

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "compare" / "golden_power.json"


def main():
    test = TTestPower()
    powers = [{"effect": effect, "pairs": pairs, "alpha": alpha,
               "power": float(test.power(effect, pairs, alpha, alternative="two-sided"))}
              for pairs in (2, 3, 6, 8, 20, 100) for effect in (0.1, 0.5, 1.0, 2.0, 4.0) for alpha in (0.05, 0.01)]
    powers = [item for item in powers if math.isfinite(item["power"])]  # scipy gives none far out
    detectable = [{"pairs": pairs, "power": power,
                   "effect": float(test.solve_power(nobs=pairs, alpha=0.05, power=power, alternative="two-sided"))}
                  for pairs in (3, 6, 8, 20, 100) for power in (0.5, 0.8, 0.95)]
    OUT.write_text(json.dumps({"powers": powers, "detectable": detectable}, indent=1) + "\n")


if __name__ == "__main__":
    main()
