"""Write docs/keras_names.md: every public name of Keras 3, and what stands for it here. `make names-page` runs it.

Keras lives in a process of its own, which is asked for its names.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from _keras_worker import KerasWorker

import kerastorch as kt
from kerastorch import namespaces

PAGE = Path(__file__).resolve().parents[1] / "docs" / "keras_names.md"
NAMESPACES = (
    "keras", "layers", "models", "ops", "initializers", "regularizers", "constraints", "activations", "utils", "random",
    "saving", "backend", "preprocessing", "losses", "metrics", "optimizers", "callbacks", "dtype_policies",
)  # fmt: skip
_HEAD = """# Keras's names

Every public name of Keras {version} around layers, models and trainings, by namespace: those that are in kerastorch,
under the same name and in the same place (`keras.layers.LSTM` is `kerastorch.layers.LSTM`), and those that are left
out, with what to use. A name that is left out can be imported where the page says what to use; its use raises
`UnsupportedError` with that text. [porting.md](porting.md) says what stands for functions of Keras 2 and TensorFlow.
`tests/make_keras_names.py` makes this page from the Keras that is installed, and a test holds it.

{here} of {count} names are here.

| namespace | here | of |
|---|---|---|
"""


def page(theirs: Mapping[str, list[str]], version: str) -> str:
    """The text of the page.

    Args:
        theirs: Namespace -> Keras's public names.
        version: Keras's.
    """
    rows, parts, here, count = [], [], 0, 0
    for name in NAMESPACES:
        module = importlib.import_module("kerastorch" if name == "keras" else f"kerastorch.{name}")
        found = {item: getattr(module, item, None) for item in theirs[name]}
        present = [item for item, value in found.items() if value is not None and not namespaces.is_absent(value)]
        here, count = here + len(present), count + len(found)
        rows.append(f"| [{name}](#{name}) | {len(present)} | {len(found)} |\n")
        parts.append(f"\n## {name}\n\nHere: {', '.join(f'`{item}`' for item in present)}.\n")
        left: dict[str, list[str]] = {}
        for item, value in found.items():
            if item not in present:
                text = "" if value is None else value.text.partition(" is not in kerastorch: ")[2]
                left.setdefault(text or "not there yet.", []).append(item)
        if left:
            parts.append("\n| left out | why, and what to use |\n|---|---|\n")
            parts += [f"| {', '.join(f'`{item}`' for item in items)} | {text} |\n" for text, items in left.items()]
    return _HEAD.format(version=version, here=here, count=count) + "".join(rows) + "".join(parts)


def made(worker: KerasWorker) -> str:
    return page(*worker.call("keras3", "around:public_names", list(NAMESPACES)))


def main() -> None:
    worker = KerasWorker()
    try:
        PAGE.write_text(made(worker), encoding="utf-8")
    finally:
        worker.close()
    print(f"{PAGE}: {kt.version()}")


if __name__ == "__main__":
    main()
