"""docs/analysis/initlab_runs.py on real runs. Usage: analysis_test.py initlab docs/analysis results-folder

Prints "skipped: ..." and ends with 77 where h5py is absent; without pandas the tables are left out, and it says so.
"""
import json
import pathlib
import subprocess
import sys

try:
    import h5py
except ImportError:
    print("skipped: no h5py in", sys.executable)
    sys.exit(77)

program, reader, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
sys.path.insert(0, reader)
import initlab_runs  # noqa: E402

SPEC = """experiment: analysis
model: {layers: 1, hidden: 32, heads: 2, max_positions: 64, vocabulary: microworld}
task: {name: sentiment, data: microworld, train_size: 64}
training: {batch: 16, steps: 8, max_length: 64, evaluate: {every: 3}}
arms: {truncated: [{use: truncated_normal, stddev: 0.02}], xavier: [{use: xavier_uniform}]}
seeds: {replicates: 2, base: 7}
grid: {training.optimizer.learning_rate: [1e-4, 1e-3]}
compare: {baseline: truncated, metric: accuracy}
"""
subprocess.run(["rm", "-rf", str(folder)], check=True)
folder.mkdir(parents=True)
(folder / "spec.yaml").write_text(SPEC)
subprocess.run([program, "run", str(folder / "spec.yaml"), "--results", str(folder), "--threads", "1"], check=True,
               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

runs = initlab_runs.read_runs(folder)
assert len(runs) == 8, len(runs)
for run in runs:
    shown = json.loads(subprocess.run([program, "show", str(run.path), "--json"], check=True, capture_output=True).stdout)
    assert (run.run_id, run.arm, run.replicate, run.state) == (
        shown["run_id"], shown["arm"], shown["replicate"], shown["state"])
    assert run.settings == shown["settings"] and len(run.settings) == 1, run.settings
    assert run.train["step"].tolist() == list(range(1, 9))
    assert run.train["loss"].tolist() == [row["loss"] for row in shown["train"]]
    assert run.eval["step"].tolist() == [3, 6, 8]
    assert run.metric == "accuracy" and run.better == "higher" and "accuracy" in run.metrics
    assert run.last("accuracy") == run.eval["accuracy"][2]

# What is none of ours is refused.
with h5py.File(folder / "other.hdf5", "w") as other:
    other["x"] = 1
for path, error in ((folder / "other.hdf5", ValueError), (folder / "spec.yaml", OSError)):
    try:
        initlab_runs.read_run(path)
    except error:
        continue
    raise AssertionError(f"{path} was read")

try:
    import pandas
except ImportError:
    print("the tables are not tested: no pandas in", sys.executable)
    sys.exit(0)

table = initlab_runs.evaluations(runs)
assert len(table) == 8 * 3 and set(table["arm"]) == {"truncated", "xavier"}
assert sorted(set(table["training.optimizer.learning_rate"])) == [1e-4, 1e-3]
assert len(initlab_runs.steps(runs)) == 8 * 8
pairs = initlab_runs.paired(runs, "accuracy", baseline="truncated")
assert len(pairs) == 4 and set(pairs["arm"]) == {"xavier"}
assert (abs(pairs["value"] - pairs["baseline"] - pairs["difference"]) < 1e-12).all()
compared = json.loads(subprocess.run([program, "compare", str(folder), "--json"], check=True, capture_output=True).stdout)
learning_rate = {1e-4: [], 1e-3: []}
for run in runs:
    if run.arm == "xavier":
        base = next(other for other in runs if other.arm == "truncated" and other.key == run.key)
        learning_rate[run.settings["training.optimizer.learning_rate"]].append(run.last("accuracy") - base.last("accuracy"))
for pair in compared["pairs"]:
    expected = sum(learning_rate[pair["settings"]["training.optimizer.learning_rate"]]) / 2
    assert abs(pair["difference"] - expected) < 1e-9, (pair, expected)
print("ok")
