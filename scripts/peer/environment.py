"""The peer's Python: one that is named, or a virtual environment made from requirements.lock."""
import os
import pathlib
import subprocess
import sys

LOCK = pathlib.Path(__file__).parent / "requirements.lock"


class NoPeer(Exception):
    pass


def _make(folder, say):
    if folder.exists() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
        raise NoPeer(f"{folder} is not a virtual environment: INITLAB_PEER_VENV must name a new folder, or one that this script made")
    say(f"making {folder} from scripts/peer/requirements.lock (about 1 GB, minutes)")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], capture_output=True, text=True)
    if made.returncode != 0:
        raise NoPeer("python3 cannot make a virtual environment: install python3-venv, or set INITLAB_PEER_PYTHON to a Python that "
                     "has torch and transformers")
    python = folder / "bin" / "python"
    installed = subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check",
                                "--requirement", str(LOCK)], stdout=sys.stderr)
    if installed.returncode != 0:
        raise NoPeer("pip could not install the peer (Python 3.11 on x86-64 Linux is expected; torch's +cpu builds lie in an index of "
                     "their own: PIP_EXTRA_INDEX_URL), or set INITLAB_PEER_PYTHON to a Python that has torch and transformers")
    (folder / LOCK.name).write_bytes(LOCK.read_bytes())  # last: the environment is whole


def peer_python(say):
    """Path of a Python with the peer's libraries. INITLAB_PEER_PYTHON names one; else INITLAB_PEER_VENV, made where it is missing."""
    named = os.environ.get("INITLAB_PEER_PYTHON")
    if named:
        check = subprocess.run([named, "-c", "import torch, transformers"], capture_output=True, text=True)
        if check.returncode != 0:
            raise NoPeer(f"INITLAB_PEER_PYTHON={named} has no torch or transformers: {check.stderr.strip().splitlines()[-1]}")
        return named
    folder = pathlib.Path(os.environ.get("INITLAB_PEER_VENV", "~/.cache/initlab/peer")).expanduser()
    marker = folder / LOCK.name
    if not marker.exists() or marker.read_bytes() != LOCK.read_bytes():
        _make(folder, say)
    return str(folder / "bin" / "python")
