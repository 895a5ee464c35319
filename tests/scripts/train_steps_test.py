"""scripts/peer/train_steps.py, the peer's side of scripts/bench_peer: its variants compute the same losses from the same batches.

Runs with the Python that INITLAB_PEER_PYTHON names (default: this one); skipped where that has no torch or transformers.
"""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

TRAIN_STEPS = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "peer" / "train_steps.py"
PYTHON = os.environ.get("INITLAB_PEER_PYTHON", sys.executable)
VOCABULARY, BATCHES, SEQUENCES = 60, 3, 4
MODEL = dict(layers=2, hidden=16, heads=2, intermediate=32, vocabulary=VOCABULARY, max_positions=32, type_vocabulary=2, activation="gelu",
             layer_norm_epsilon=1e-12, pooling="cls")
TRAINING = dict(batch=SEQUENCES, learning_rate=1e-2, weight_decay=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8, clip=1.0, dropout=0.0)


def peer_works():
    return subprocess.run([PYTHON, "-c", "import torch, transformers"], capture_output=True).returncode == 0


def document(head):
    draw = random.Random(5)
    batches = []
    for _ in range(BATCHES):
        lengths = [draw.randrange(5, 20) for _ in range(SEQUENCES)]
        batch = dict(ids=[[draw.randrange(5, VOCABULARY) for _ in range(n)] for n in lengths], types=[[0] * n for n in lengths])
        if head == "mlm":
            batch["masked"] = [sorted(draw.sample(range(n), 2)) for n in lengths]
            batch["masked_labels"] = [[draw.randrange(5, VOCABULARY) for _ in range(2)] for _ in lengths]
        else:
            batch["labels"] = [draw.randrange(2) for _ in lengths]
        batches.append(batch)
    return dict(workload="small", head=head, num_labels=2, model=MODEL, checkpoint=None, training=TRAINING, batches=batches)


@unittest.skipUnless(peer_works(), f"no torch or transformers in {PYTHON}; set INITLAB_PEER_PYTHON")
class TrainSteps(unittest.TestCase):
    def run_script(self, head, *arguments, code=0):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "batches.json"
            path.write_text(json.dumps(document(head)))
            done = subprocess.run([PYTHON, "-B", str(TRAIN_STEPS), str(path), "--threads", "1", "--warmup", "0", *arguments],
                                  capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(done.stdout) if code == 0 else done.stderr

    def assert_same_losses(self, one, other):
        self.assertEqual(len(one["losses"]), BATCHES)
        for a, b in zip(one["losses"], other["losses"]):
            self.assertLess(abs(a - b), 1e-4)  # f32, three steps of Adam

    def test_a_classifier_learns_the_same_in_every_variant(self):
        plain = self.run_script("classifier")
        self.assert_same_losses(plain, self.run_script("classifier", "--attn", "eager", "--adam", "fused", "--clip", "foreach"))
        self.assertEqual(plain["options"]["attn"], "sdpa")

    def test_it_trains(self):
        """Three batches can be learned by heart in twenty passes."""
        losses = self.run_script("classifier", "--steps", "60")["losses"]
        self.assertLess(sum(losses[-3:]), 0.5 * sum(losses[:3]))

    def test_masked_rows_alone_give_the_loss_of_all_rows(self):
        self.assert_same_losses(self.run_script("mlm"), self.run_script("mlm", "--masked-only"))

    def test_sorting_computes_fewer_tokens_for_the_same_valid_ones(self):
        plain, ordered = self.run_script("classifier"), self.run_script("classifier", "--sort")
        valid = sum(len(ids) for batch in document("classifier")["batches"] for ids in batch["ids"])
        self.assertEqual([plain["valid_tokens"], ordered["valid_tokens"]], [valid, valid])
        self.assertLess(ordered["computed_tokens"], plain["computed_tokens"])

    def test_warm_up_steps_are_not_timed(self):
        result = self.run_script("classifier", "--warmup", "2", "--steps", "5")
        self.assertEqual([len(result["steps_ms"]), len(result["losses"])], [5, 7])
        self.assertGreater(result["tokens_per_s"], 0)

    def test_masked_only_is_refused_for_a_classifier(self):
        self.assertIn("--masked-only is for mlm", self.run_script("classifier", "--masked-only", code=2))


if __name__ == "__main__":
    unittest.main()
