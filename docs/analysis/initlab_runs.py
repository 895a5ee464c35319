"""Reads initlab's run files (docs/RUN_FILE.md) with h5py, into numpy arrays and pandas tables.

    from initlab_runs import read_runs, evaluations, paired
    runs = read_runs("results/why_not_reinitialize")
    print(evaluations(runs).groupby(["arm", "step"])["accuracy"].mean())
    print(paired(runs, "accuracy", baseline="truncated"))

Copy this file, or put its folder on PYTHONPATH. Reading needs h5py; the functions that return tables need pandas.
"""
from __future__ import annotations

import json
import pathlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Iterable

import h5py
import numpy as np

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1


@dataclass(frozen=True)
class Run:
    """One run. Columns of `train` and `eval` are cut to the rows that have certainly reached the file."""

    path: pathlib.Path
    run_id: str
    experiment: str
    arm: str
    replicate: int
    settings: dict[str, Any]  # grid path -> value
    state: str  # running, finished, failed or interrupted
    reason: str
    metric: str  # what the comparison looks at
    better: str  # higher or lower
    metrics: tuple[str, ...]
    train: dict[str, np.ndarray] = field(repr=False)  # step, loss, learning_rate, grad_norm, tokens, seconds
    eval: dict[str, np.ndarray] = field(repr=False)  # step, loss, seconds, and one for each metric

    @property
    def key(self) -> tuple[str, str, int]:
        """What two arms of one pair have in common."""
        return self.experiment, json.dumps(self.settings, sort_keys=True), self.replicate

    def last(self, metric: str) -> float:
        """The metric after the last evaluation; NaN where there is none."""
        values = self.eval[metric]
        return float(values[-1]) if len(values) else float("nan")


def _open(path: pathlib.Path) -> h5py.File:
    """Plainly, or as a file that somebody writes, or whose writer was killed."""
    try:
        return h5py.File(path, "r")
    except OSError:
        return h5py.File(path, "r", swmr=True)


def read_run(path: str | pathlib.Path) -> Run:
    """Raises ValueError where the file is none of initlab's, or of another schema; OSError where it is no HDF5."""
    path = pathlib.Path(path)
    with _open(path) as file:
        if "schema" not in file.attrs:
            raise ValueError(f"{path}: expected a run file of initlab, got another HDF5 file")
        if int(file.attrs["schema"]) != SCHEMA:
            raise ValueError(f"{path}: expected schema {SCHEMA}, got {int(file.attrs['schema'])}")

        def attribute(name: str) -> str:
            return file.attrs[name].decode()

        def text(name: str) -> str:
            return file[name].asstr()[()]

        steps, evals = (int(n) for n in file["whole"][:])
        metrics = tuple(file["comparison/metric_names"].asstr()[:])
        train = {name: file["train"][name][:steps] for name in
                 ("step", "loss", "learning_rate", "grad_norm", "tokens", "seconds")}
        evaluation = {name: file["eval"][name][:evals] for name in dict.fromkeys(("step", "loss", "seconds", *metrics))}
        return Run(path, attribute("run_id"), attribute("experiment"), attribute("arm"), int(file.attrs["replicate"]),
                   json.loads(attribute("settings") or "{}"), text("state"), text("reason"), text("comparison/metric"),
                   text("comparison/better"), metrics, train, evaluation)


def read_runs(folder: str | pathlib.Path) -> list[Run]:
    """All run files at or below a folder, by name."""
    return [read_run(path) for path in sorted(pathlib.Path(folder).rglob("*.h5"))]


def _table(runs: Iterable[Run], columns: str) -> "pd.DataFrame":
    import pandas as pd

    frames = []
    for run in runs:
        frame = pd.DataFrame(getattr(run, columns))
        for position, (name, value) in enumerate((("arm", run.arm), ("replicate", run.replicate), ("state", run.state))):
            frame.insert(position, name, value)
        for name, value in run.settings.items():
            frame[name] = value
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def evaluations(runs: Iterable[Run]) -> "pd.DataFrame":
    """A row an evaluation: arm, replicate, state, step, loss, seconds, the metrics, and the settings of the grid."""
    return _table(runs, "eval")


def steps(runs: Iterable[Run]) -> "pd.DataFrame":
    """A row a training step: arm, replicate, state, step, loss, learning_rate, grad_norm, tokens, seconds, settings."""
    return _table(runs, "train")


def paired(runs: Iterable[Run], metric: str, baseline: str) -> "pd.DataFrame":
    """A row a pair of finished runs that share experiment, settings and replicate, and so batches, masks and dropout:
    arm, replicate, value, baseline, difference (value - baseline)."""
    import pandas as pd

    finished = [run for run in runs if run.state == "finished"]
    base = {run.key: run.last(metric) for run in finished if run.arm == baseline}
    rows = [(run.arm, run.replicate, run.last(metric), base[run.key], run.last(metric) - base[run.key])
            for run in finished if run.arm != baseline and run.key in base]
    return pd.DataFrame(rows, columns=["arm", "replicate", "value", "baseline", "difference"])
