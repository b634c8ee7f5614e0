"""Neither a scan nor a load runs, imports, opens or fetches what a file names: Python's own audit of the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from _cases import CASES

# What a process does under the eyes of `sys.addaudithook`, once every module that the errors need is imported.
AUDITED = """
import json, sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
import kerastorch as kt
from kerastorch.errors import KerasTorchError

folder = Path(sys.argv[1])
files = sorted(folder.iterdir())

def use(path):
    for call in (kt.scan, kt.load_model, lambda p: kt.model_from_json(p.read_text())):
        if call in (kt.scan, kt.load_model) or path.suffix == ".json":
            try:
                call(path)
            except KerasTorchError:
                pass

def use_all():
    kt.scan(folder)
    for path in files:
        use(path)

use_all()  # imports what comes with the first error of each kind
seen, watching = [], True
FORBIDDEN = ("import", "exec", "compile", "marshal.", "pickle.", "os.system", "os.exec", "os.fork", "os.posix_spawn",
             "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate",
             "subprocess.", "socket.", "urllib.", "http.", "ftplib.", "shutil.", "tempfile.", "webbrowser.",
             "ctypes.dlopen")

def hook(event, arguments):
    if not watching:
        return
    if event == "open":
        path = str(arguments[0])
        if not path.startswith(str(folder)) or (isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")):
            seen.append([event, path])
    elif event.startswith(FORBIDDEN):
        seen.append([event, repr(arguments)[:200]])

sys.addaudithook(hook)
use_all()
watching = False
print(json.dumps(seen))
if len(sys.argv) > 2:  # a planted fault is seen
    watching = True
    open("/etc/hostname").close(); exec("pass")
    watching = False
    print(len(seen))
"""


def audited(folder: Path, *more: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", AUDITED, str(folder), *more], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split("\n")[:-1]


def test_nothing_of_any_hostile_file_is_run(tmp_path: Path) -> None:
    for number, case in enumerate(CASES):
        path = tmp_path / f"{number:03} {case.name}"
        path.write_bytes(case.make(path))
    seen, planted = audited(tmp_path, "plant")
    assert seen == "[]"
    assert int(planted) >= 2


WITHOUT_TORCH = """
import sys, kerastorch as kt
report = kt.scan(sys.argv[1])
print(len(report.files), *sorted({file.status for file in report.files}), "torch" in sys.modules)
"""


def test_what_speaks_against_a_file_is_found_without_torch(tmp_path: Path) -> None:
    """torch is imported for a file that nothing speaks against so far, which is tried as `load_model` would do it."""
    cases = [case for case in CASES if case.status and case.name != "other shape.keras"]
    for number, case in enumerate(cases):
        (tmp_path / str(number)).mkdir()
        path = tmp_path / str(number) / case.name
        path.write_bytes(case.make(path))
    run = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, str(tmp_path)], capture_output=True, text=True)
    assert run.stderr == ""
    count, *statuses, torch = run.stdout.split()
    assert int(count) > 0.9 * len(cases)  # arrays and text in a folder need not be models
    assert statuses == ["1", "3", "4"]
    assert torch == "False"
