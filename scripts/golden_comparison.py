#!/usr/bin/env python3
"""Writes tests/compare/golden_comparison.json: what other implementations say about the statistics of framework/compare.

    scripts/golden_comparison.py

Needs numpy, scipy, statsmodels, lifelines, rliable and deepsig. Where none of them has a method, it is enumeration or root
finding from the definition, never the formula that the C++ uses. Deterministic; the C++ tests read the file and need no
Python. Two methods here draw random numbers (deepsig, resampling): their tests allow for that.
"""
import itertools
import json
import math
import pathlib
import sys
import warnings
from fractions import Fraction

import lifelines
import numpy as np
from deepsig import aso
from lifelines.statistics import logrank_test
from lifelines.utils import median_survival_times, restricted_mean_survival_time
from rliable import metrics
from scipy import integrate, optimize, stats
from statsmodels.duration.survfunc import survdiff
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "compare" / "golden_comparison.json"
rng = None  # one generator a topic, so that a topic can change alone
violation_ratio = sys.modules[aso.__module__].compute_violation_ratio


def listed(values):
    return [float(v) for v in values]


def finite_or_none(value):
    return float(value) if value is not None and math.isfinite(value) else None


def samples(sizes, ties_of=None):
    """Normal, skewed and heavy-tailed values of each size; as shares of an evaluation set where `ties_of` says."""
    for n in sizes:
        for draw in (rng.normal(0.3, 1, n), rng.exponential(1, n) - 0.5, rng.standard_t(2, n)):
            yield listed(np.round(draw * ties_of) / ties_of if ties_of else draw)


# -- one arm -----------------------------------------------------------------------------------------------------------

def description():
    for values in samples((1, 2, 3, 4, 5, 8, 21)):
        iqm = float(stats.trim_mean(values, 0.25))
        assert math.isclose(iqm, metrics.aggregate_iqm(np.array(values)[:, None]), rel_tol=1e-12)
        yield {"values": values, "median": float(np.median(values)), "iqm": iqm,
               "quantiles": [[q, float(np.quantile(values, q))] for q in (0, 0.1, 0.25, 0.5, 0.975, 1)]}


def best_of():
    """The mean best over all n^k draws."""
    for n in (1, 2, 3, 5):
        values = listed(rng.normal(0.7, 0.1, n))
        curves = {}
        for name, best in (("highest", max), ("lowest", min)):
            curves[name] = [float(np.mean([best(draw) for draw in itertools.product(values, repeat=k)]))
                            for k in range(1, n + 1)]
        yield {"values": values, **curves}


def sign_flip_interval():
    """Ends by bisection of the p-function, which counts all patterns at each shift."""
    for values in samples((5, 6, 8, 11), None):
        patterns = np.array(list(itertools.product((1, -1), repeat=len(values))))

        def p(shift):
            moved = np.array(values) - shift
            return np.mean(np.abs(patterns @ moved) >= abs(moved.sum()) - 1e-12)

        for level in (0.8, 0.95, 0.99):
            ends = []
            for far in (min(values) - 10, max(values) + 10):
                inside, outside = float(np.mean(values)), far
                if p(outside) > 1 - level:
                    ends.append(None)
                    continue
                while abs(inside - outside) > 1e-12:
                    middle = (inside + outside) / 2
                    inside, outside = (middle, outside) if p(middle) > 1 - level else (inside, middle)
                ends.append(inside)
            yield {"values": values, "level": level, "interval": ends}


def bca():
    for statistic, name in ((np.mean, "mean"), (np.median, "median")):
        for values in samples((10, 60)):
            result = stats.bootstrap((values,), statistic, n_resamples=199, confidence_level=0.9, method="BCa",
                                     rng=np.random.default_rng(3))
            left_out = [float(statistic(np.delete(values, i))) for i in range(len(values))]
            interval = result.confidence_interval
            yield {"values": values, "statistic": name, "observed": float(statistic(values)), "level": 0.9,
                   "resampled": listed(result.bootstrap_distribution), "left_out": left_out,
                   "interval": [float(interval.low), float(interval.high)]}


def multi_bootstrap():
    """Moments of the resampled difference over every draw of seeds and examples."""
    for runs, examples in ((2, 4), (3, 4), (4, 3)):
        scores = rng.normal(0, 1, (runs, 1)) + rng.normal(0, 1, (1, examples)) + rng.normal(0, 0.5, (runs, examples))
        seeds = np.array(list(itertools.product(range(runs), repeat=runs)))
        rows = np.array(list(itertools.product(range(examples), repeat=examples)))
        by_run_and_draw = scores[:, rows].mean(axis=2)               # (runs, draws of examples)
        both = by_run_and_draw[seeds].mean(axis=1)                   # (draws of seeds, draws of examples)
        yield {"scores": [listed(row) for row in scores], "difference": float(scores.mean()), "stddev": float(both.std()),
               "seeds_stddev": float(scores.mean(axis=1)[seeds].mean(axis=1).std()),
               "examples_stddev": float(by_run_and_draw.mean(axis=0).std())}


# -- two arms ----------------------------------------------------------------------------------------------------------

def wilcoxon():
    for values in samples((1, 2, 5, 8, 20, 50)):
        result = stats.wilcoxon(values, method="exact")
        ranks = stats.rankdata(np.abs(values))
        yield {"differences": values, "n": len(values), "positive_ranks": float(ranks[np.array(values) > 0].sum()),
               "p": float(result.pvalue)}
    for values in samples((6, 9, 12), ties_of=2):       # ties and zeros: all sign patterns of the ranks
        kept = np.array([v for v in values if v != 0])
        ranks = stats.rankdata(np.abs(kept))
        patterns = np.array(list(itertools.product((1, 0), repeat=len(kept))))
        sums, middle, observed = patterns @ ranks, ranks.sum() / 2, ranks[kept > 0].sum()
        p = float(np.mean(np.abs(sums - middle) >= abs(observed - middle) - 1e-9))
        yield {"differences": values, "n": len(kept), "positive_ranks": float(observed), "p": p}
    for values in [*samples((51, 200)), *samples((70, 400), ties_of=2)]:
        kept = [v for v in values if v != 0]
        if len(kept) <= 50:
            continue
        result = stats.wilcoxon(values, method="approx", correction=False, zero_method="wilcox")
        ranks = stats.rankdata(np.abs(kept))
        yield {"differences": values, "n": len(kept), "positive_ranks": float(ranks[np.array(kept) > 0].sum()),
               "p": float(result.pvalue)}


def noncentral_t_below(t, freedom, delta):
    """P(T <= t) as the integral over the deviation s of P(mean <= t s)."""
    def integrand(s):
        return stats.norm.cdf(t * s - delta) * stats.chi.pdf(s * math.sqrt(freedom), freedom) * math.sqrt(freedom)
    middle = 1.0
    width = 1 / math.sqrt(2 * freedom)
    points = sorted({max(1e-12, middle + k * width) for k in (-8, -4, -2, 0, 2, 4, 8, 16, 40)} | {max(1e-12, delta / t)})
    return sum(integrate.quad(integrand, a, b, epsabs=1e-14, epsrel=1e-13, limit=200)[0]
               for a, b in zip([0.0, *points], points))


def cohen_dz():
    for n in (2, 3, 8, 30):
        for shift, spread in ((0.2, 1.0), (-1.0, 0.5), (0.5, 0.03)):
            values = rng.normal(shift, spread, n)
            d = values.mean() / values.std(ddof=1)
            t = d * math.sqrt(n)
            for level in (0.8, 0.95):
                ends = [optimize.brentq(lambda delta: noncentral_t_below(t, n - 1, delta) - share, t - 8 - 3 * abs(t),
                                        t + 8 + 3 * abs(t), xtol=1e-12) / math.sqrt(n)
                        for share in ((1 + level) / 2, (1 - level) / 2)]
                yield {"differences": listed(values), "level": level, "value": float(d), "interval": ends}


def probability_of_improvement():
    for n, m in ((3, 3), (8, 8), (5, 12), (40, 40)):
        for shift in (0, 0.5, 3, -9):
            arm = np.round(rng.normal(shift, 1, n), 1)
            baseline = np.round(rng.normal(0, 1, m), 1)
            share = float(metrics.probability_of_improvement(arm[:, None], baseline[:, None]))
            for level in (0.9, 0.95):
                z, k = stats.norm.ppf((1 + level) / 2), (n + m) / 2 - 1

                def excess(theta):
                    spread = theta * (1 - theta) * (1 + k * (1 - theta) / (2 - theta) + k * theta / (1 + theta)) / (n * m)
                    return (theta - share) ** 2 - z * z * spread

                low = 0.0 if share == 0 else optimize.brentq(excess, 1e-13, share - 1e-13, xtol=1e-15)
                high = 1.0 if share == 1 else optimize.brentq(excess, share + 1e-13, 1 - 1e-13, xtol=1e-15)
                yield {"arm": listed(arm), "baseline": listed(baseline), "level": level, "value": share,
                       "interval": [low, high]}


def pairing():
    for n in (2, 3, 8, 30):
        for shared in (0.0, 1.0, 3.0, -1.0):
            common = rng.normal(0, 1, n)
            arm, baseline = rng.normal(0, 1, n) + shared * common, rng.normal(0, 0.5, n) + abs(shared) * common
            yield {"arm": listed(arm), "baseline": listed(baseline),
                   "correlation": float(np.corrcoef(arm, baseline)[0, 1]),
                   "seeds_factor": float((np.var(arm, ddof=1) + np.var(baseline, ddof=1)) / np.var(arm - baseline, ddof=1))}


def mcnemar_tests():
    for b, c in ((0, 0), (0, 1), (1, 0), (3, 3), (2, 9), (12, 5), (0, 20), (40, 61), (1200, 1345)):
        exact = float(mcnemar([[10, b], [c, 10]], exact=True).pvalue) if b + c else 1.0
        fewer = min(b, c)
        mid = 2 * (stats.binom.cdf(fewer, b + c, 0.5) - stats.binom.pmf(fewer, b + c, 0.5) / 2) if b + c else 1.0
        yield {"only_first": b, "only_second": c, "exact": exact, "mid": float(min(1.0, mid))}


def dominance():
    """The violation ratio in rational arithmetic, level by level; deepsig's beside it, on its grid."""
    for n, m in ((1, 1), (3, 3), (4, 6), (8, 5), (30, 30), (25, 40)):
        for shift in (0.0, 0.4, 2.5):
            arm, baseline = listed(np.round(rng.normal(shift, 1, n), 3)), listed(np.round(rng.normal(0, 1.3, m), 3))
            f, g, steps = sorted(arm), sorted(baseline), n * m
            gaps = [Fraction(str(g[k // n])) - Fraction(str(f[k // m])) for k in range(steps)]
            total = sum(gap * gap for gap in gaps)
            ratio = float(sum(gap * gap for gap in gaps if gap > 0) / total) if total else 0.5
            item = {"arm": arm, "baseline": baseline, "violation": ratio,
                    "deepsig": float(violation_ratio(arm, baseline, dt=0.0005))}
            if min(n, m) >= 10:
                item["deepsig_bound"] = float(aso(arm, baseline, seed=1, show_progress=False, num_jobs=1,
                                                  num_bootstrap_iterations=400, dt=0.005))
            yield item


# -- survival ----------------------------------------------------------------------------------------------------------

def runs_to_threshold(n, scale, watched, early=0.0, step=20):
    """Steps on a grid of evaluations; some misses at the end, and some runs that ended early."""
    reached = np.ceil(rng.exponential(scale, n) / step) * step
    until = np.where(rng.random(n) < early, np.ceil(rng.uniform(0, watched, n) / step) * step, watched)
    return [{"time": float(min(r, u)), "reached": bool(r <= u)} for r, u in zip(reached, until)]


def columns(observations):
    return np.array([o["time"] for o in observations]), np.array([o["reached"] for o in observations])


def survival_sets():
    for n, early in ((1, 0), (5, 0), (8, 0), (8, 0.4), (30, 0), (30, 0.3), (100, 0.2)):
        for scale in (60, 200, 600):
            yield runs_to_threshold(n, scale, 400, early)


def curve_value(fitter, t):
    return float(fitter.survival_function_at_times(t).iloc[0])


def restricted(observations, horizon):
    fitter = lifelines.KaplanMeierFitter().fit(*columns(observations))
    return float(restricted_mean_survival_time(fitter, t=horizon))


def is_known(observations, horizon):
    times, reached = columns(observations)
    return times.max() >= horizon or bool(reached[times == times.max()].all())


def survival():
    for observations in survival_sets():
        times, reached = columns(observations)
        item = {"observations": observations, "level": 0.95, "horizon": 360.0}
        fitter = lifelines.KaplanMeierFitter(alpha=0.05).fit(times, reached)
        at = sorted(set(times))
        bounds = fitter.confidence_interval_
        item["points"] = []
        for t in at:
            events, n = int(fitter.event_table.loc[t, "observed"]), int(fitter.event_table.loc[t, "at_risk"])
            survival = curve_value(fitter, t)
            low, high = (float(bounds.loc[t].iloc[i]) for i in (0, 1))
            item["points"].append({"time": float(t), "reached": events, "at_risk": n, "survival": survival,
                                   "interval": [low, high] if 0 < survival < 1 else [survival, survival]})
        # lifelines' product for a survival of one half is above or below it in the last bit; rational arithmetic knows.
        survivals = list(itertools.accumulate((1 - Fraction(p["reached"], p["at_risk"]) for p in item["points"]),
                                              lambda a, b: a * b))
        item["median"] = next((p["time"] for p, s in zip(item["points"], survivals) if s <= Fraction(1, 2)), None)
        assert Fraction(1, 2) in survivals or item["median"] == finite_or_none(fitter.median_survival_time_)
        ends = [v for v in median_survival_times(bounds).iloc[0]]
        item["median_interval"] = [finite_or_none(v) for v in ends]
        if is_known(observations, 360.0):
            item["restricted_mean"] = restricted(observations, 360.0)
            # Variance: sum over events of (area to the right)^2 d / (n (n - d)), the area by integration of lifelines' curve.
            variance = 0.0
            for point in item["points"]:
                d, n = point["reached"], point["at_risk"]
                if point["time"] < 360 and 0 < d < n:
                    edges = sorted({point["time"], 360.0} | {t for t in at if point["time"] < t < 360})
                    area = sum((b - a) * curve_value(fitter, a) for a, b in zip(edges, edges[1:]))
                    variance += area ** 2 * d / (n * (n - d))
            item["restricted_variance"] = variance
            without = [observations[:i] + observations[i + 1:] for i in range(len(observations))]
            if len(observations) > 1 and all(is_known(others, 360.0) for others in without):
                n = len(observations)
                item["pseudo_values"] = [n * item["restricted_mean"] - (n - 1) * restricted(others, 360.0)
                                         for others in without]
        yield item


def log_rank():
    for n, m, early in ((3, 3, 0), (8, 8, 0), (8, 8, 0.4), (20, 35, 0.2)):
        for scale in (60, 150, 2000):
            first, second = runs_to_threshold(n, 150, 400, early), runs_to_threshold(m, scale, 400, early)
            (t1, e1), (t2, e2) = columns(first), columns(second)
            result = logrank_test(t1, t2, e1, e2)
            item = {"first": first, "second": second, "statistic": float(result.test_statistic), "p": float(result.p_value)}
            # Each arm in two strata, dealt in turn.
            strata = np.concatenate([np.arange(n) % 2, np.arange(m) % 2])
            group = np.repeat([0, 1], [n, m])
            statistic, p = survdiff(np.concatenate([t1, t2]), np.concatenate([e1, e2]).astype(int), group, strata=strata)
            item["stratified"] = {"statistic": float(statistic), "p": float(p)}
            yield item


def excess_of_first(first, second):
    """Observed less expected events of the first arm, from the definition."""
    both, total = first + second, 0.0
    for t in {o["time"] for o in both if o["reached"]}:
        at_risk = [o for o in both if o["time"] >= t]
        events = [o for o in at_risk if o["reached"] and o["time"] == t]
        share = sum(o["time"] >= t for o in first) / len(at_risk)
        total += sum(o["reached"] and o["time"] == t for o in first) - len(events) * share
    return total


def paired_log_rank():
    """All 2^n ways to swap the arms within pairs, the log-rank numerator computed anew for each."""
    for n, early in ((3, 0), (6, 0.3), (8, 0), (8, 0.3)):
        for scale in (60, 150, 2000):
            first, second = runs_to_threshold(n, 150, 400, early), runs_to_threshold(n, scale, 400, early)
            observed = abs(excess_of_first(first, second))
            count = 0
            for swaps in itertools.product((False, True), repeat=n):
                a = [s if swap else f for f, s, swap in zip(first, second, swaps)]
                b = [f if swap else s for f, s, swap in zip(first, second, swaps)]
                count += abs(excess_of_first(a, b)) >= observed - 1e-9
            yield {"first": first, "second": second, "p": count / 2 ** n}


# -- families, margins, looks, curves ----------------------------------------------------------------------------------

def families():
    for n in (1, 2, 5, 20):
        for power in (1, 4):
            p = rng.random(n) ** power
            if n > 2:
                p[1] = p[0]  # a tie
            yield {"p": listed(p), "holm": listed(multipletests(p, method="holm")[1]),
                   "benjamini_hochberg": listed(multipletests(p, method="fdr_bh")[1])}


def equivalence():
    for n in (2, 5, 8, 40):
        for shift, spread, margin in ((0, 0.01, 0.02), (0.015, 0.01, 0.02), (-0.03, 0.01, 0.02), (0, 0.1, 0.02)):
            values = rng.normal(shift, spread, n)
            p, above, below = ttost_paired(values, np.zeros(n), -margin, margin)
            low, high = stats.t.interval(0.9, n - 1, loc=values.mean(), scale=stats.sem(values))
            yield {"values": listed(values), "margin": margin, "p": float(p), "p_below": float(above[1]),
                   "p_above": float(below[1]), "interval": [float(low), float(high)]}


def spent_on_a_side(name, t, alpha):
    if name == "pocock":
        return alpha * math.log(1 + (math.e - 1) * t)
    return 2 - 2 * stats.norm.cdf(stats.norm.ppf(1 - alpha / 2) / math.sqrt(t))


def looks():
    """Bounds by Simpson's rule on a fixed grid and Brent's method: no panel or node in common with the C++."""
    plans = [[0.2, 0.4, 0.6, 0.8, 1.0], [0.5, 1.0], [1.0], [0.375, 0.5, 0.75, 1.0], [0.6, 0.65, 0.9]]
    for name in ("obrien_fleming", "pocock"):
        for fractions in plans:
            for alpha in (0.05, 0.01):
                bounds, spent = [], 0.0
                grid = density = None
                for k, t in enumerate(fractions):
                    total = 2 * spent_on_a_side(name, t, alpha / 2)
                    step = math.sqrt(t - (fractions[k - 1] if k else 0))

                    def crossed(border):
                        if k == 0:
                            return 2 * stats.norm.sf(border / step)
                        beyond = stats.norm.sf((border - grid) / step) + stats.norm.cdf((-border - grid) / step)
                        return integrate.simpson(density * beyond, x=grid)

                    border = optimize.brentq(lambda b: crossed(b) - (total - spent), 1e-6, 12, xtol=1e-13)
                    new_grid = np.linspace(-border, border, 2001)
                    if k == 0:
                        new_density = stats.norm.pdf(new_grid / step) / step
                    else:
                        kernel = stats.norm.pdf((new_grid[:, None] - grid[None, :]) / step) / step
                        new_density = integrate.simpson(density * kernel, x=grid, axis=1)
                    grid, density, spent = new_grid, new_density, total
                    bounds.append(border / math.sqrt(t))
                yield {"spending": name, "alpha": alpha, "fractions": fractions, "bounds": bounds}


def curves():
    for n in (2, 3, 10, 50):
        at = np.sort(rng.choice(10_000, n, replace=False)).astype(float)
        value = rng.normal(0, 1, n)
        yield {"at": listed(at), "value": listed(value),
               "mean_height": float(np.trapezoid(value, at) / (at[-1] - at[0]))}


def main():
    warnings.filterwarnings("ignore")  # of small samples, which are the point here
    topics = [description, best_of, sign_flip_interval, bca, multi_bootstrap, wilcoxon, cohen_dz,
              probability_of_improvement, pairing, mcnemar_tests, dominance, survival, log_rank, paired_log_rank, families,
              equivalence, looks, curves]
    golden = {}
    global rng
    for topic in topics:
        rng = np.random.default_rng([8, *topic.__name__.encode()])
        golden[topic.__name__] = list(topic())
    # One item a line: readable differences, and half the size.
    text = ",\n".join(f'"{name}": [\n' + ",\n".join(json.dumps(item, separators=(",", ":")) for item in items) + "]"
                      for name, items in golden.items())
    OUT.write_text("{" + text + "}\n", encoding="utf-8")
    print(f"{OUT}: {', '.join(f'{len(items)} {name}' for name, items in golden.items())}")


if __name__ == "__main__":
    main()
