"""The machine: its name for results, what its vectors can do, and how much of it others use while we measure."""
import os
import re
import resource
import time

HERTZ = os.sysconf("SC_CLK_TCK")
NOISE = ("processor", "cpu", "r", "tm")  # words of model names that tell nothing


def cpu_lines():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return [[part.strip() for part in line.split(":", 1)] for line in file if ":" in line]
    except OSError:
        return []


def cpu_model():
    return next((value for key, value in cpu_lines() if key == "model name"), os.uname().machine)


def cpu_vendor():
    return next((value for key, value in cpu_lines() if key == "vendor_id"), "")


def cpu_flags():
    return set(next((value for key, value in cpu_lines() if key in ("flags", "Features")), "").split())


def instruction_set():
    """The widest of what BERT's products can use."""
    flags = cpu_flags()
    if "avx512f" in flags and "amx_bf16" in flags:
        return "avx512_amx_bf16"
    if "avx512f" in flags:
        return "avx512_bf16" if "avx512_bf16" in flags else "avx512"
    if "avx2" in flags:
        return "avx2"
    return "bf16" if "bf16" in flags else os.uname().machine


def precisions():
    return ["f32", "bf16"] if instruction_set().endswith("bf16") else ["f32"]


def column(precision):
    """The column of the table that this machine fills."""
    if precision == "bf16":
        return "bf16"
    return "avx512" if instruction_set().startswith("avx512") else "avx2"


def file_name(model=None, isa=None):
    """Such as amd_epyc_avx512_bf16: this machine's, unless a model and an instruction set are given."""
    text = re.sub(r"\d+-core", " ", (model or cpu_model()).lower().split("@")[0])
    words = [word for word in re.sub(r"[^a-z0-9]+", " ", text).split() if word not in NOISE]
    return "_".join(words + [isa or instruction_set()])


def memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _busy_seconds():
    """CPU seconds that all processes, interrupts and the hypervisor's other guests have taken since boot."""
    with open("/proc/stat", encoding="utf-8") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / HERTZ  # without idle and iowait


def _own_seconds():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in used)


class Others:
    """Measures the share of all cores that others took while the block ran: with Others() as others: ...; others.share."""

    def __enter__(self):
        self._wall, self._busy, self._own = time.monotonic(), _busy_seconds(), _own_seconds()
        return self

    def __exit__(self, *_):
        wall = time.monotonic() - self._wall
        taken = _busy_seconds() - self._busy - (_own_seconds() - self._own)
        self.share = max(0.0, taken / (wall * os.cpu_count()))


def wait_until_calm(limit_seconds, share=0.05):
    """Waits until others take at most this share of the cores for a second. Returns whether that came within the limit."""
    deadline = time.monotonic() + limit_seconds
    while True:
        with Others() as others:
            time.sleep(1.0)
        if others.share <= share:
            return True
        if time.monotonic() >= deadline:
            return False
