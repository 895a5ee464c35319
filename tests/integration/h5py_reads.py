"""Opens run files as a user does, a path a line on standard input; says what it saw, a JSON object a line. A file whose
writer lives or was killed needs swmr=True."""
import json
import sys

import h5py


def look(path):
    with h5py.File(path, "r", swmr=True) as run:
        rows = int(run["whole"][0])
        evals = int(run["whole"][1])
        columns = [run["train"][name] for name in run["train"]] + [run["eval/step"], run["eval/loss"]]
        for column in columns:
            column[:]  # every chunk can be read
        return {
            "state": run["state"].asstr()[()],
            "rows": rows,
            "steps": run["train/step"][:rows].tolist(),
            "evals": run["eval/step"][:evals].tolist(),
        }


for line in sys.stdin:
    try:
        said = look(line.rstrip("\n"))
    except Exception as error:  # whatever it is: the test says it
        said = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)
