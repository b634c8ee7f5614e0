"""Run notebooks and store what they print and draw: `python tests/make_notebooks.py [01_shapes ...]`.

Needed after a change of a notebook, or of what a cell prints; `test_notebooks.py` names the cell. What a run adds and
no reader wants (times, the version of Python) is left out: a notebook changes only where it says something else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("[0-9]*.ipynb"))
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

# In a process of its own: a kernel client brings threads, sockets and warnings that are none of ours.
RUN = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
where = {"metadata": {"path": sys.argv[2]}}
nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3", resources=where).execute()
nbformat.write(notebook, sys.argv[3])
"""


def execute(path: Path, folder: Path, result: Path) -> subprocess.CompletedProcess[str]:
    """Run a notebook in a folder and write it, with what its cells have put out, to `result`."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", RUN, str(path), str(folder), str(result)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


def clean(notebook: nbformat.NotebookNode) -> None:
    """Leave out what differs from run to run."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)


def _joined(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Text of one stream in one piece, however it has come."""
    found: list[nbformat.NotebookNode] = []
    for output in outputs:
        if found and "name" in output and output.name == found[-1].get("name"):
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def main() -> int:
    names = sys.argv[1:] or [path.stem for path in NOTEBOOKS]
    for name in names:
        path = FOLDER / f"{name}.ipynb"
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder) / path.name
            run = execute(path, FOLDER, result)
            if run.returncode:
                print(f"{name}: {run.stderr[-3000:]}")
                return 1
            notebook = nbformat.read(result, as_version=4)
        clean(notebook)
        nbformat.write(notebook, path)
        print(f"{name}: {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
