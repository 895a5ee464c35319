"""scripts/bench_report with stand-ins for what it runs: run files that were not all made are made again, whole ones are used again."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "bench_report"
# FOLDER RUNS STEPS; is broken off after the first file where BREAK is set.
GENERATE = """#!/bin/sh
mkdir -p "$1" && echo called >> "$CALLS"
for i in $(seq "$2"); do
  test -n "$BREAK" && test "$i" = 2 && exit 1
  echo run > "$1/r$i.h5"
done
"""
# report FOLDER --out PAGE
REPORT = """#!/bin/sh
ls "$2" | wc -l > "$4"
"""


class BenchReport(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.root = pathlib.Path(self.temporary.name)
        for name, text in {"bin/cmake": "#!/bin/sh\n", "build/tests/generate_runs": GENERATE, "build/initlab": REPORT}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
        (self.root / "scripts").mkdir()
        shutil.copy(SCRIPT, self.root / "scripts" / "bench_report")
        self.folder = self.root / "kept"
        self.folder.mkdir()

    def bench(self, broken=False):
        environment = dict(os.environ, PATH=f"{self.root / 'bin'}:{os.environ['PATH']}", CALLS=str(self.root / "calls"),
                           BREAK="yes" if broken else "")
        return subprocess.run([self.root / "scripts" / "bench_report", "--runs", "3", "--steps", "5", "--folder", self.folder],
                              capture_output=True, text=True, env=environment)

    def calls(self):
        return len((self.root / "calls").read_text().splitlines())

    def test_what_was_broken_off_is_made_again(self):
        self.assertNotEqual(self.bench(broken=True).returncode, 0)
        self.assertFalse((self.folder / "runs_3_5").exists())
        self.assertFalse((self.folder / "report.html").exists())
        done = self.bench()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.folder / "report.html").read_text().strip(), "3")
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["report.html", "runs_3_5"])
        self.assertEqual(self.calls(), 2)

    def test_what_is_whole_is_used_again(self):
        for _ in range(2):
            self.assertEqual(self.bench().returncode, 0)
        self.assertEqual(self.calls(), 1)


if __name__ == "__main__":
    unittest.main()
