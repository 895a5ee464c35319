"""What is compared: the rows of the table of speed, with the target for each kind of CPU.

A ratio is initlab's valid tokens per second over those of the peer's fastest variant. The kinds of CPU are columns: f32 where the
widest vectors are AVX2, f32 with AVX-512, and bf16 against the peer's bf16 where the CPU has it.
"""
from dataclasses import dataclass

COLUMNS = {"avx2": "f32 on AVX2", "avx512": "f32 on AVX-512", "bf16": "bf16"}


@dataclass(frozen=True)
class Case:
    name: str
    workload: str  # of initlab bench
    title: str
    targets: tuple  # ratios, in the order of COLUMNS
    steps: int  # timed, in a full measurement
    warmup: int
    search_steps: int  # timed, when the peer's variants are tried
    quick_steps: int  # timed, with --quick
    peer_arguments: tuple = ()  # of train_steps.py, in every variant

    def target(self, column):
        return self.targets[list(COLUMNS).index(column)]


CASES = (
    Case("minilm_cola", "minilm_cola", "MiniLM-L6, CoLA, batch 32, random order", (3.0, 3.0, 3.0), 40, 5, 12, 6),
    Case("minilm_cola_sorted", "minilm_cola", "the same against the peer's length-sorted batches", (2.0, 2.0, 2.0), 40, 5, 12, 6,
         ("--sort",)),
    Case("minilm_mrpc", "minilm_mrpc", "MiniLM-L6, MRPC, batch 32", (2.0, 2.0, 2.2), 30, 5, 5, 3),
    Case("tiny_sst2", "tiny_sst2", "tiny classifier, SST-2, batch 32", (4.0, 4.0, 4.0), 200, 20, 60, 30),
    Case("mini_sst2", "mini_sst2", "mini classifier, SST-2, batch 32", (4.0, 4.0, 4.0), 100, 10, 25, 10),
    Case("mini_mlm", "mini_mlm", "mini MLM, 128 tokens, 15 % masked, against BertForMaskedLM", (4.0, 4.0, 6.0), 30, 5, 4, 2),
    Case("mini_mlm_masked_only", "mini_mlm", "the same against a hand-written masked-only peer", (2.0, 2.0, 2.5), 30, 5, 8, 3,
         ("--masked-only",)),
    Case("base", "base", "base (12x768), 128 tokens, batch 32, no padding", (1.3, 1.3, 1.7), 30, 5, 2, 1),
)

# Share of the rate of oneDNN's 2048^3 product, in the order of COLUMNS, by case.
SHARE_TARGETS = {"base": (0.85, 0.85, 0.75), "minilm_mrpc": (0.75, 0.75, 0.65), "mini_mlm": (0.70, 0.70, 0.60)}

# Peak resident memory, initlab over peer: at most this.
MEMORY_CASE, MEMORY_TARGET = "minilm_mrpc", 0.5


def chosen(names):
    """The cases with these names or on these workloads; all where there are none. Raises ValueError for an unknown name."""
    known = {case.name for case in CASES} | {case.workload for case in CASES}
    for name in names:
        if name not in known:
            raise ValueError(f"unknown workload {name!r}: expected one of {', '.join(sorted(known))}")
    return [case for case in CASES if not names or case.name in names or case.workload in names]
