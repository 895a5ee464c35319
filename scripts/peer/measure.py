"""Runs initlab and the peer on the same batches, each time in a fresh process, and makes a row of the results from what they say."""
import datetime
import hashlib
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
from dataclasses import dataclass

from peer import machine, variants
from peer.variants import Variant

TRAIN_STEPS = pathlib.Path(__file__).parent / "train_steps.py"
VENDOR_CHECK = pathlib.Path(__file__).parent / "vendor_check.c"
BUSY_SPREAD = 0.05  # of the ratios of the pairs, largest minus smallest over the median

KEPT_OF_INITLAB = ("tokens_per_s", "step_ms", "matmul_gflops", "share_of_matmul", "peak_rss_mib", "page_faults_per_step",
                   "allocations_per_step", "phases_ms")
KEPT_OF_PEER = ("tokens_per_s", "step_ms", "matmul_gflops", "peak_rss_mib", "page_faults_per_step", "computed_tokens",
                "warmup_seconds")


class RunFailed(Exception):
    pass


@dataclass
class Setting:
    """How this call measures."""

    initlab: str  # path of the program
    python: str  # the peer's
    threads: int
    pairs: int
    quick: bool
    brief: bool  # fewer steps, fewer variants
    calm_seconds: float  # waits at most so long for a calm machine before each process
    work: pathlib.Path  # a folder for batches
    say: object  # prints a line of progress

    def steps(self, case):
        if self.brief:
            return min(case.steps, 2 * case.search_steps)
        return case.quick_steps if self.quick else case.steps

    def warmup(self, case):
        if self.brief:
            return min(case.warmup, 2)
        return min(case.warmup, 1 if case.quick_steps == 1 else 2) if self.quick else case.warmup


def run_json(command, environment, setting):
    """The JSON object that the command prints, with the share of the cores that others took: {..., "others"}."""
    if setting.calm_seconds > 0:
        machine.wait_until_calm(setting.calm_seconds)
    with machine.Others() as others:
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode != 0:
        complaint = [line for line in done.stderr.splitlines() if line.strip()]
        raise RunFailed(complaint[-1].strip() if complaint else f"{command[0]} ended with {done.returncode}")
    return {**json.loads(done.stdout), "others": round(others.share, 3)}


def without_paths(text):
    """Results are read elsewhere: folders of this machine mean nothing there."""
    return re.sub(r"(?<!\w)/[\w./+-]+", "...", text)


def shown(environment, command):
    """A command as one types it in the repository; the program and the batches by their usual names."""
    return " ".join([f"{name}={shlex.quote(value)}" for name, value in environment.items()] + [shlex.quote(c) for c in command])


def initlab_arguments(case, precision, setting):
    chosen = [] if precision == "f32" else ["--set", f"training.precision={precision}"]
    return ["bench", case.workload, "--steps", str(setting.steps(case)), "--warmup", str(setting.warmup(case)),
            "--threads", str(setting.threads), "--json"] + chosen


def batches_arguments(case, setting):
    return ["bench", case.workload, "--steps", str(setting.steps(case)), "--warmup", str(setting.warmup(case)), "--batches"]


def peer_arguments(case, precision, variant, setting, steps, warmup):
    return ["--steps", str(steps), "--warmup", str(warmup), "--threads", str(setting.threads), "--precision", precision,
            *case.peer_arguments, *variant.arguments]


def write_batches(case, setting):
    path = setting.work / f"{case.workload}.json"
    if not path.exists():
        command = [setting.initlab, *batches_arguments(case, setting), str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RunFailed(done.stderr.strip() or f"initlab bench ended with {done.returncode}")
    return path


def run_initlab(case, precision, setting):
    return run_json([setting.initlab, *initlab_arguments(case, precision, setting)], {}, setting)


def preloaded(setting):
    """Path of the library of vendor_check.c, built if it is not there yet. Raises RunFailed where there is no compiler."""
    path = setting.work / variants.PRELOADED
    if not path.exists():
        compiler = os.environ.get("CC", "cc")
        try:
            subprocess.run([compiler, "-shared", "-fPIC", "-o", str(path), str(VENDOR_CHECK)], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise RunFailed(f"{compiler} cannot build {VENDOR_CHECK.name}: {error}") from error
    return str(path)


def run_peer(case, precision, variant, setting, batches, steps, warmup):
    arguments = peer_arguments(case, precision, variant, setting, steps, warmup)
    environment = dict(variant.environment)
    if "LD_PRELOAD" in environment:
        environment["LD_PRELOAD"] = preloaded(setting)
    return run_json([setting.python, str(TRAIN_STEPS), str(batches), *arguments], environment, setting)


def try_variant(case, precision, variant, setting, batches):
    """One short run; a variant that does not work here says why."""
    tried = variant.as_json()
    try:
        result = run_peer(case, precision, variant, setting, batches, case.search_steps, min(case.warmup, 2))
    except RunFailed as error:
        setting.say(f"    {variant.name}: failed: {error}")
        return {**tried, "failed": without_paths(str(error))}
    setting.say(f"    {variant.name}: {result['tokens_per_s']:.0f} tokens/s")
    return {**tried, **{key: result[key] for key in KEPT_OF_PEER}, "others": result["others"]}


def by_speed(tried):
    """The variants that worked and count, fastest first."""
    worked = [t for t in tried if "failed" not in t and t["counts"]]
    if not worked:
        raise RunFailed("no variant of the peer works: " + tried[0]["failed"])
    return [Variant.from_json(t) for t in sorted(worked, key=lambda t: -t["tokens_per_s"])]


def search(case, precision, setting, batches):
    """The peer's fastest variant, and what was tried. The two fastest run a second time, so that one lucky run does not decide."""
    def tries(chosen):
        return [try_variant(case, precision, variant, setting, batches) for variant in chosen]

    setting.say(f"  which variant of the peer is the fastest? ({case.search_steps} steps each)")
    tried = tries(variants.first_round())
    if not setting.brief:
        tried += tries(variants.second_round(by_speed([t for t in tried if t["name"] != variants.STOCK.name])[0]))
        tried += tries(by_speed(tried)[:2])
    if precision == "f32" and machine.cpu_vendor() != "GenuineIntel":
        tried += tries([variants.beyond(by_speed(tried)[0])])
    return by_speed(tried)[0], tried


def kept(result, keys):
    return {**{key: result[key] for key in keys if key in result}, "steps_ms": [round(ms, 2) for ms in result["steps_ms"]],
            "others": result["others"]}


def measure_pair(case, precision, variant, setting, batches):
    """initlab, then the peer. Returns what both said, whole."""
    ours = run_initlab(case, precision, setting)
    theirs = run_peer(case, precision, variant, setting, batches, setting.steps(case), setting.warmup(case))
    tokens = round(ours["tokens_per_step"] * len(ours["steps_ms"]))
    if tokens != theirs["valid_tokens"]:
        raise RunFailed(f"not the same work: initlab trained on {tokens} tokens, the peer on {theirs['valid_tokens']}")
    setting.say(f"    initlab {ours['tokens_per_s']:.0f}, peer {theirs['tokens_per_s']:.0f} tokens/s: "
                f"{ours['tokens_per_s'] / theirs['tokens_per_s']:.2f}")
    return ours, theirs


def spread(values):
    return (max(values) - min(values)) / statistics.median(values)


def median_phases(ours):
    return {name: round(statistics.median(o["phases_ms"][name] for o in ours), 3) for name in ours[0]["phases_ms"]}


def summary(pairs, tried):
    """The figures of a row, from all its pairs."""
    ours, theirs = [o for o, _ in pairs], [t for _, t in pairs]
    ratios = [o["tokens_per_s"] / t["tokens_per_s"] for o, t in pairs]
    memory = statistics.median(o["peak_rss_mib"] for o in ours)
    leanest = min([t["peak_rss_mib"] for t in theirs] + [t["peak_rss_mib"] for t in tried if "failed" not in t])
    return dict(
        ratio=statistics.median(ratios), initlab_tokens_per_s=statistics.median(o["tokens_per_s"] for o in ours),
        peer_tokens_per_s=statistics.median(t["tokens_per_s"] for t in theirs),
        spread=dict(ratio=spread(ratios), initlab=spread([o["tokens_per_s"] for o in ours]),
                    peer=spread([t["tokens_per_s"] for t in theirs])),
        others=max(run["others"] for run in ours + theirs),
        share_of_matmul=statistics.median(o["share_of_matmul"] for o in ours),
        memory_ratio=memory / statistics.median(t["peak_rss_mib"] for t in theirs), memory_ratio_to_leanest=memory / leanest,
        phases_ms=median_phases(ours))


def commands(case, precision, variant, setting):
    batches = f"{case.workload}.json"
    peer = ["python", "scripts/peer/train_steps.py", batches,
            *peer_arguments(case, precision, variant, setting, setting.steps(case), setting.warmup(case))]
    return dict(batches=shown({}, ["build/initlab", *batches_arguments(case, setting), batches]),
                initlab=shown({}, ["build/initlab", *initlab_arguments(case, precision, setting)]),
                peer=shown(variant.environment, peer))


def measure_row(case, precision, setting, known_variant):
    """One row: the search, unless a variant is given, then the interleaved pairs. Raises RunFailed."""
    batches = write_batches(case, setting)
    variant, tried = (known_variant, []) if known_variant else search(case, precision, setting, batches)
    setting.say(f"  initlab against the peer, {variant.name}: {setting.pairs} x {setting.steps(case)} steps each")
    pairs = [measure_pair(case, precision, variant, setting, batches) for _ in range(setting.pairs)]
    ours, theirs = pairs[0]
    row = dict(
        case=case.name, workload=case.workload, precision=precision, column=machine.column(precision), quick=setting.quick, brief=setting.brief,
        date=datetime.date.today().isoformat(), threads=setting.threads, steps=setting.steps(case), warmup=setting.warmup(case),
        commands=commands(case, precision, variant, setting), batches_sha256=batches_hash(batches), variant=variant.as_json(),
        build=ours["build"], cpu=ours["cpu"], libraries=ours["libraries"], peer_versions=theirs["versions"],
        **summary(pairs, tried), search=tried,
        pairs=[dict(ratio=o["tokens_per_s"] / t["tokens_per_s"], initlab=kept(o, KEPT_OF_INITLAB), peer=kept(t, KEPT_OF_PEER))
               for o, t in pairs])
    if row["spread"]["ratio"] > BUSY_SPREAD:
        setting.say(f"  the machine was busy: the ratios of the pairs differ by {100 * row['spread']['ratio']:.0f} % "
                    f"(others took up to {100 * row['others']:.0f} % of the cores); measure this row again")
    return row


def batches_hash(path):
    """SHA-256 of the token ids alone: the file also names a folder of this machine."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return hashlib.sha256(json.dumps(document["batches"]).encode()).hexdigest()
