"""What only a device can confirm, in under five minutes: numbers, layouts, graphs, compilation, times and memory.

    make gpu-check                              on a machine with a GPU: writes benchmarks/results/gpu-check.{json,md}
    python benchmarks/gpu_check --device cpu    the dry run: the same code on small sizes, nothing is written

It needs torch 2.11 or later, numpy, h5py, rich, safetensors, and for `-m gpu` pytest and hypothesis; neither Keras nor
an installation (PYTHONPATH=. is enough). Every check is one row: its name, what was measured, its bound, and whether it
holds. The last line says what failed; the exit status is 1 if anything did.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault(
    "CUBLAS_WORKSPACE_CONFIG", ":16:8"
)  # asked for under deterministic algorithms, before torch starts

import torch
from agreement import agreement
from behaviour import behaviour
from rows import Rows
from timing import timing

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def versions(device: torch.device) -> dict[str, object]:
    """The machine and the switches that change numbers."""
    found: dict[str, object] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None,
        "tf32 (cudnn)": torch.backends.cudnn.allow_tf32,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }
    return found


def marked_files() -> list[str]:
    """The files with tests marked `gpu`. Others may need what is not installed here."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(path.relative_to(ROOT)) for path in files if "pytest.mark.gpu" in path.read_text("utf-8")]


def run_tests(rows: Rows) -> None:
    """The tests marked `gpu`; those that forbid to wait for the device in a process of their own."""
    alone = "tests/layers/test_no_reading.py"
    together = [name for name in marked_files() if name != alone]
    for name, arguments in (("tests marked gpu", together), ("nothing waits", [alone])):
        command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", "-x", "--maxfail=20"]
        run = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, env=_environment())
        last = run.stdout.strip().splitlines()[-1:] or [run.stderr.strip()[-200:]]
        rows.add(name, last[0], "0 failed", run.returncode == 0)


def embedding_out_of_range(rows: Rows, device: torch.device) -> None:
    """Last, and in a process of its own: an id that an Embedding does not have ends a CUDA context."""
    code = (
        "import torch, kerastorch\n"
        "from kerastorch import Input, Sequential, layers\n"
        "model = Sequential([Input((3,)), layers.Embedding(5, 2)])\n"
        f"model.to({str(device)!r}).predict(torch.tensor([[0, 1, 7]]).numpy(), verbose=0)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=_environment())
    last = (run.stderr.strip().splitlines() or ["no error"])[-1]
    rows.add("predict names an id that is out of range", last[:160], "input_dim=5", "input_dim=5" in last)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, ... or cpu for the dry run")
    parser.add_argument("--no-tests", action="store_true", help="leave out `pytest -m gpu`")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("gpu-check: torch sees no CUDA device. The dry run is --device cpu.", file=sys.stderr)
        return 2
    dry = device.type != "cuda"
    began, rows = time.perf_counter(), Rows()
    torch.manual_seed(0)
    torch.backends.cudnn.allow_tf32 = False  # float32 is compared with float64; timed with TF32 as well
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning at a call is a fault: it is one at every call of a training
        agreement(rows, device, dry)
        behaviour(rows, device, dry)
    timing(rows, device, dry)
    if not dry and not options.no_tests:
        run_tests(rows)
    embedding_out_of_range(rows, device)
    result = {"machine": versions(device), "seconds": round(time.perf_counter() - began, 1), "rows": rows.as_data()}
    if not dry:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "gpu-check.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
        (RESULTS / "gpu-check.md").write_text(rows.table(result["machine"]), "utf-8")
    print(rows.table(result["machine"]))
    failed = rows.failed()
    print(f"{len(rows)} checks in {result['seconds']} s; failed: {', '.join(failed) if failed else 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
