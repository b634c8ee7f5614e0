"""Write what real Keras answers to a part of the parity suite: `python tests/make_goldens_layers.py`.

It writes tests/goldens/layers.zip, with which `parity/test_kept.py` judges without Keras. In the test environment.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _keras_worker import KerasWorker
from make_goldens import pack
from parity._attention_cases import AttentionCase
from parity._kept import FILE, digest, packed
from parity._kept_cases import KINDS, kept_cases


class Recording:
    """Asks real Keras, and keeps the answers."""

    def __init__(self) -> None:
        self.worker = KerasWorker()
        self.index: dict[str, Any] = {}
        self.values: dict[str, list[np.ndarray]] = {kind: [] for kind in ("<f4", "<f8", "|b1", "<i4", "<i8")}

    def call(self, framework: str, target: str, /, *args: Any, **kwargs: Any) -> Any:
        reply = self.worker.call(framework, target, *args, **kwargs)
        key = digest(framework, target, args, kwargs)
        if key not in self.index:
            self.index[key] = packed(reply, self.values)
        return reply


def main() -> None:
    recording = Recording()
    for kind, (judge, _, _) in KINDS.items():
        for name, framework, case in kept_cases(kind):
            if isinstance(case, AttentionCase):  # by which rounding is measured, where a processor has more of it
                recording.call(framework, "attention:run_attention", **replace(case, dtype="float64").arguments())
            try:
                judge(recording, framework, case)
            except AssertionError as error:  # kept all the same: the test will say so
                print(f"{kind}: {name}: {error}")
    recording.worker.close()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "index.json").write_text(json.dumps(recording.index, separators=(",", ":")))
        for kind, arrays in recording.values.items():
            data = np.concatenate(arrays) if arrays else np.zeros(0, kind)
            (Path(folder) / kind).write_bytes(data.astype(kind).tobytes())
        pack(Path(folder), FILE)
    print(f"{FILE}: {len(recording.index)} replies")


if __name__ == "__main__":
    main()
