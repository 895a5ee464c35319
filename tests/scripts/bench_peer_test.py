"""scripts/bench_peer with stand-ins for initlab and for the peer's Python: who runs when, which variant counts, what is written."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
from peer import cases, machine, report  # noqa: E402

# Both stand-ins append a line to $FOLDER/calls. speeds.json: who -> tokens per second of its calls, the last one for the rest.
STAND_IN = r"""#!{python}
import json, os, pathlib, sys, time
folder, arguments = pathlib.Path("{folder}"), sys.argv[1:]
def option(name):
    return arguments[arguments.index(name) + 1]
def speed(who):
    with open(folder / "calls", "a+") as calls:
        calls.seek(0)
        before = [line.split()[0] for line in calls].count(who)
        calls.write(who + " " + " ".join(arguments) + "\n")
    speeds = json.loads((folder / "speeds.json").read_text())[who]
    value = speeds[min(before, len(speeds) - 1)]
    if value == "hang":
        time.sleep(60)
    if value == "fail":
        sys.exit("the compiler is missing: {folder}/c++")
    return value
def said(tokens_per_s):
    steps = int(option("--steps"))
    return dict(tokens_per_s=tokens_per_s, steps_ms=[1.25] * steps, step_ms=dict(median=1.25, p10=1, p90=2), page_faults_per_step=0)
"""
INITLAB = STAND_IN + r"""
if "--batches" in arguments:
    pathlib.Path(option("--batches")).write_text(json.dumps(dict(batches=[[1, 2]], workload=arguments[1])))
    sys.exit()
value = speed("initlab:" + arguments[1])
print(json.dumps(dict(said(value), tokens_per_step=10, matmul_gflops=100, share_of_matmul=0.5, peak_rss_mib=40,
                      allocations_per_step=0, phases_ms=dict(gemm=1.0, attention=0.25, other=0), build="b", cpu="c",
                      libraries=dict(onednn="o"))))
"""
PEER = STAND_IN + r"""
if arguments[0] == "-c":
    sys.exit()
who = ("preloaded" if "LD_PRELOAD" in os.environ else "compile" if "--compile" in arguments else "bound" if "OMP_PROC_BIND" in os.environ
       else "stock" if "GLIBC_TUNABLES" not in os.environ else "small" if "hugetlb" not in os.environ["GLIBC_TUNABLES"]
       else option("--attn"))
value = speed(who)
print(json.dumps(dict(said(value), matmul_gflops=dict(f32=90), peak_rss_mib=100, computed_tokens=1, warmup_seconds=1,
                      valid_tokens=int(option("--steps")) * 10,
                      versions=dict(python="p", torch="t", transformers="h", libraries=["mkl"]))))
"""
SPEEDS = {"stock": [100], "sdpa": [200], "eager": [250], "small": [240], "bound": [220], "compile": ["fail"], "preloaded": [900],
          "initlab:tiny_sst2": [1050], "initlab:mini_sst2": [500], "initlab:minilm_mrpc": [510]}


class BenchPeer(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name, text in (("initlab", INITLAB), ("python", PEER)):
            path = self.folder / name
            path.write_text(text.replace("{python}", sys.executable).replace("{folder}", str(self.folder)))
            path.chmod(0o755)
        self.set_speeds()

    def set_speeds(self, **changed):
        (self.folder / "speeds.json").write_text(json.dumps({**SPEEDS, **changed}))

    def start(self, *arguments):
        (self.folder / "calls").write_text("")
        command = [sys.executable, "-B", str(SCRIPTS / "bench_peer"), "--initlab", str(self.folder / "initlab"), "--out",
                   str(self.folder / "out"), "--calm", "0", "--precisions", "f32", *arguments]
        environment = {**os.environ, "INITLAB_PEER_PYTHON": str(self.folder / "python")}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def run_script(self, *arguments, code=0):
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, code, err)
        return out, err

    def calls(self):
        return [line.split()[0] for line in (self.folder / "calls").read_text().splitlines()]

    def results(self, suffix=""):
        return json.loads((self.folder / "out" / f"{machine.file_name()}{suffix}.json").read_text())

    def page(self):
        return (self.folder / "out" / f"{machine.file_name()}.md").read_text()

    def test_the_fastest_variant_is_the_opponent_in_interleaved_pairs(self):
        _, err = self.run_script("--workloads", "tiny_sst2")
        row = self.results()["rows"]["tiny_sst2/f32"]
        self.assertEqual(row["variant"]["name"], "tuned, eager attention")
        self.assertAlmostEqual(row["ratio"], 1050 / 250)
        self.assertEqual(self.calls()[-6:], ["initlab:tiny_sst2", "eager"] * 3)
        self.assertEqual(len(row["pairs"]), 3)
        self.assertEqual(len(row["pairs"][0]["peer"]["steps_ms"]), row["steps"])
        self.assertIn("torch.compile: failed: the compiler is missing", err)

    def test_every_variant_is_tried_and_the_two_fastest_twice(self):
        self.run_script("--workloads", "tiny_sst2")
        tried = [t["name"] for t in self.results()["rows"]["tiny_sst2/f32"]["search"] if t["counts"]]
        best = "tuned, eager attention"
        self.assertEqual(tried, ["stock", "tuned, sdpa attention", best, f"{best}, threads bound", f"{best}, small pages",
                                 f"{best}, torch.compile", best, f"{best}, small pages"])

    def test_a_variant_of_the_second_round_can_win(self):
        self.set_speeds(small=[300])
        self.run_script("--workloads", "tiny_sst2")
        row = self.results()["rows"]["tiny_sst2/f32"]
        self.assertEqual(row["variant"]["name"], "tuned, eager attention, small pages")
        self.assertAlmostEqual(row["ratio"], 1050 / 300)

    def test_targets_are_met_missed_or_open(self):
        out, _ = self.run_script("--workloads", "tiny_sst2,mini_sst2,minilm_mrpc")
        column = list(cases.COLUMNS).index(machine.column("f32"))
        cells = {line.split(" | ")[0]: line.strip("| ").split(" | ")[1 + column] for line in out.splitlines()}
        self.assertEqual(cells["| tiny classifier, SST-2, batch 32"], "4.0: **4.20** met")
        self.assertEqual(cells["| mini classifier, SST-2, batch 32"], "4.0: **2.00** MISSED")
        self.assertEqual(cells["| base (12x768), 128 tokens, batch 32, no padding"], "1.3: open: not measured")
        self.assertEqual(cells["| share of the 2048^3 rate: MiniLM-L6, MRPC, batch 32"], "75 %: **50.0 %** MISSED")
        self.assertEqual(cells["| peak memory, initlab / peer: MiniLM-L6, MRPC, batch 32"], "0.5: **0.40** met")
        missed = self.page().split("## Where the time goes")[1].split("## Commands")[0]
        self.assertIn("mini classifier, SST-2, batch 32, f32:", missed)
        self.assertIn("| attention | 0.25 | 20.0 % |", missed)
        self.assertNotIn("tiny classifier", missed)

    def test_measuring_some_rows_again_keeps_the_others(self):
        self.run_script("--workloads", "tiny_sst2,mini_sst2")
        before = self.results()["rows"]
        self.set_speeds(**{"initlab:tiny_sst2": [750], "initlab:mini_sst2": [1]})
        self.run_script("--workloads", "tiny_sst2")
        after = self.results()["rows"]
        self.assertAlmostEqual(after["tiny_sst2/f32"]["ratio"], 3.0)
        self.assertEqual(after["mini_sst2/f32"], before["mini_sst2/f32"])
        self.assertIn("4.0: **3.00** MISSED", self.page())

    def test_a_busy_machine_is_told(self):
        self.set_speeds(**{"initlab:tiny_sst2": [1000, 1100, 1050]})
        _, err = self.run_script("--workloads", "tiny_sst2")
        self.assertIn("the machine was busy: the ratios of the pairs differ by 10 %", err)
        self.assertIn("**4.20** met, busy machine", self.page())
        self.set_speeds(**{"initlab:tiny_sst2": [1000, 1010, 1020]})
        _, err = self.run_script("--workloads", "tiny_sst2")
        self.assertNotIn("busy", err + self.page())

    def test_quick_takes_the_known_variant_and_leaves_the_full_results_alone(self):
        self.run_script("--workloads", "tiny_sst2")
        full = self.results()
        self.run_script("--workloads", "tiny_sst2", "--quick")
        self.assertEqual(self.calls(), ["initlab:tiny_sst2", "eager"])
        self.assertEqual(self.results(), full)
        self.assertTrue(self.results("_quick")["rows"]["tiny_sst2/f32"]["quick"])

    def test_brief_tries_the_first_variants_alone_in_fewer_steps(self):
        self.run_script("--workloads", "tiny_sst2", "--brief")
        row = self.results()["rows"]["tiny_sst2/f32"]
        tried = [t["name"] for t in row["search"] if t["counts"]]
        self.assertEqual(tried, ["stock", "tuned, sdpa attention", "tuned, eager attention"])
        self.assertEqual(row["variant"]["name"], "tuned, eager attention")
        self.assertEqual((row["brief"], row["quick"], row["steps"], row["warmup"]), (True, False, 2 * 60, 2))
        self.assertEqual(len(row["pairs"][0]["initlab"]["steps_ms"]), 2 * 60)
        self.assertEqual(self.calls()[-6:], ["initlab:tiny_sst2", "eager"] * 3)
        self.run_script("--workloads", "tiny_sst2")
        row = self.results()["rows"]["tiny_sst2/f32"]
        self.assertEqual((row["brief"], row["steps"]), (False, 200))

    def test_a_row_that_cannot_be_measured_is_left_out_and_named(self):
        self.set_speeds(**{"initlab:tiny_sst2": ["fail"]})
        _, err = self.run_script("--workloads", "tiny_sst2,mini_sst2", code=1)
        self.assertIn("left out: the compiler is missing", err)
        self.assertEqual(list(self.results()["rows"]), ["mini_sst2/f32"])

    def test_other_work_is_no_comparison(self):
        text = (self.folder / "initlab").read_text()
        (self.folder / "initlab").write_text(text.replace("tokens_per_step=10", "tokens_per_step=11"))
        _, err = self.run_script("--workloads", "tiny_sst2", "--quick", code=1)
        self.assertIn("not the same work", err)

    def test_a_stop_keeps_the_finished_rows(self):
        self.set_speeds(**{"initlab:mini_sst2": ["hang"]})
        process = self.start("--workloads", "tiny_sst2,mini_sst2")
        deadline = time.monotonic() + 100
        while "initlab:mini_sst2" not in self.calls() and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn("stopped", err)
        self.assertEqual(list(self.results()["rows"]), ["tiny_sst2/f32"])

    def test_commands_and_results_name_no_folder_of_this_machine(self):
        self.run_script("--workloads", "tiny_sst2")
        for path in (self.folder / "out").iterdir():
            self.assertNotIn(str(self.folder), path.read_text())
            self.assertNotIn(str(SCRIPTS), path.read_text())

    def test_wrong_arguments_are_explained(self):
        _, err = self.run_script("--workloads", "tiny_sst", code=2)
        self.assertIn("unknown workload 'tiny_sst'", err)
        _, err = self.run_script("--pairs", "0", code=2)
        self.assertIn("--pairs", err)


class Parts(unittest.TestCase):
    def test_file_names(self):
        self.assertEqual(machine.file_name("AMD EPYC", "avx512_bf16"), "amd_epyc_avx512_bf16")
        self.assertEqual(machine.file_name("Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz", "avx512_amx_bf16"),
                         "intel_xeon_platinum_8481c_avx512_amx_bf16")
        self.assertEqual(machine.file_name("AMD EPYC 7763 64-Core Processor", "avx2"), "amd_epyc_7763_avx2")

    def test_bf16_is_a_column_of_its_own(self):
        self.assertEqual(machine.column("bf16"), "bf16")
        document = {"rows": {}, "machine": {"precisions": ["f32"]}}
        self.assertIn("this CPU has no bf16", report.targets_table(document))

    def test_the_lock_is_exact_and_names_no_index(self):
        lines = [line for line in (SCRIPTS / "peer" / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
        for line in lines:
            self.assertRegex(line, r"^[A-Za-z0-9_.-]+==[A-Za-z0-9_.+]+$")
        self.assertTrue(any(line.startswith("torch==2.13.0") for line in lines))


if __name__ == "__main__":
    unittest.main()
