"""The peer's variants: how one may run the same training step of PyTorch and Hugging Face on a CPU.

Stock is what a user gets who changes nothing. Tuned is what an expert changes without touching the mathematics: an allocator that
keeps memory instead of giving it back to the kernel (else every step faults in every page again), huge pages, fused AdamW, the
gradient norm over lists of tensors. The fastest one counts.

One is shown but does not count: on CPUs of other vendors PyTorch's MKL keeps to AVX2, and a preloaded library (vendor_check.c) lifts
that. It overrides an internal of a closed library, so few users run it; but whoever reads a ratio in f32 should know what it gives.
"""
from dataclasses import asdict, dataclass, field

KEEP_MEMORY = ("glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184:"
               "glibc.malloc.top_pad=268435456")
HUGE_PAGES = "glibc.malloc.hugetlb=1"  # madvise, glibc 2.35 or later
PRELOADED = "vendor_check.so"
TUNED_ARGUMENTS = ("--adam", "fused", "--clip", "foreach")


@dataclass(frozen=True)
class Variant:
    name: str
    arguments: tuple = ()  # of train_steps.py
    environment: dict = field(default_factory=dict)
    counts: bool = True

    def as_json(self):
        return {**asdict(self), "arguments": list(self.arguments)}

    @staticmethod
    def from_json(value):
        return Variant(value["name"], tuple(value["arguments"]), value["environment"], value["counts"])

    def changed(self, what, arguments=(), environment=None, counts=True):
        return Variant(f"{self.name}, {what}", self.arguments + tuple(arguments), {**self.environment, **(environment or {})}, counts)


STOCK = Variant("stock")


def tuned(attention):
    return Variant(f"tuned, {attention} attention", TUNED_ARGUMENTS + ("--attn", attention),
                   {"GLIBC_TUNABLES": f"{KEEP_MEMORY}:{HUGE_PAGES}"})


def first_round():
    return [STOCK, tuned("sdpa"), tuned("eager")]


def second_round(best):
    """Changes to the faster of the two tuned ones."""
    return [
        best.changed("threads bound", environment={"OMP_PROC_BIND": "close", "OMP_PLACES": "cores"}),
        best.changed("small pages", environment={"GLIBC_TUNABLES": KEEP_MEMORY}),
        best.changed("torch.compile", arguments=("--compile",)),
    ]


def beyond(best):
    """What does not count, applied to the fastest that does. The library is named without its folder."""
    return best.changed("MKL's vendor check overridden", environment={"LD_PRELOAD": PRELOADED}, counts=False)
