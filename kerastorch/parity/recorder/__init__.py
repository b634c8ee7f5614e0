"""The recorder: what runs where Keras is, and needs nothing but Keras and numpy.

These modules are written for every Python from 2.7 and every Keras from 1 to 3. `script()` puts them into one file,
which is what the other Python gets. `memory.py`: whether an error says that the memory is full. `probes.py`: arrays to
feed, made from shapes. `wiring.py`: which input is looked up in a table, and where masks begin. `capture.py`: what each
layer of a Keras model gets and returns. `differentiating.py`: gradients. `training.py`: some steps of a training.
`storing.py`: the file that all this goes into. `recording.py`: a model through all probes. `main.py`: the command line;
the one module that imports Keras, so kerastorch never imports it.
"""

from __future__ import annotations

from pathlib import Path

PARTS = (
    "memory",
    "probes",
    "wiring",
    "capture",
    "differentiating",
    "training",
    "storing",
    "recording",
    "main",
)  # each needs those before it alone
_HEAD = '''#!/usr/bin/env python
"""Records what a Keras model computes, for a comparison elsewhere: `python recorder.py MODEL RECORDING.npz`.

Needs Keras (1, 2 or 3, or TensorFlow's) and numpy, on Python 2.7 or later; `python recorder.py --help` has the options.
Written by kerastorch; compare there with `kerastorch verify MODEL --recording RECORDING.npz`.
"""

'''


def script() -> str:
    """The recorder as one file, which imports nothing of kerastorch."""
    imports: dict[str, None] = {}
    bodies: list[str] = []
    for part in PARTS:
        source = (Path(__file__).with_name(f"{part}.py")).read_text(encoding="utf-8")
        _, _, rest = source.split('"""', 2)  # the docstring is about the module
        body: list[str] = []
        for line in rest.splitlines():
            if line.startswith("from ."):
                continue
            if line.startswith(("import ", "from ")):
                imports[line] = None
            else:
                body.append(line)
        bodies.append("\n".join(body).strip())
    first = sorted(imports, key=lambda line: (not line.startswith("from __future__"), line))
    return _HEAD + "\n".join(first) + "\n\n\n" + "\n\n\n".join(bodies) + "\n"
