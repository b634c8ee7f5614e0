"""Write the golden models of TensorFlow.js: `python tests/make_goldens_tfjs.py FOLDER`, with tf-keras installed.

FOLDER holds the package tensorflowjs, unpacked (`pip download --no-deps tensorflowjs`, `unzip`): of it the converter of
`.h5` files is used, which needs none of its other requirements. tests/goldens/tfjs.zip gets models of make_goldens.py
with the same weights as in tf_keras.zip, in several files each; of one, in `NAME-DTYPE`, the weights are quantized, and
what the converter's own reader makes of them stands beside it in `NAME-DTYPE.npz`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import types
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from make_goldens import CASES, GOLDENS, SEED, randomise

TO = GOLDENS / "tfjs.zip"
NAMES = ("recurrent", "bidirectional", "embedded", "nested")
QUANTIZED = "bidirectional"
DTYPES = ("uint8", "uint16", "float16")
_SHARD = 2000  # bytes


def _package(folder: Path) -> tuple[Any, Any]:
    """The modules of tensorflowjs that are needed, without what its `__init__` imports."""
    for name in ("tensorflowjs", "tensorflowjs.converters"):
        module = types.ModuleType(name)
        module.__path__ = [str(folder / name.replace(".", "/"))]
        sys.modules[name] = module
    return tuple(
        importlib.import_module(f"tensorflowjs.{name}") for name in ("converters.keras_h5_conversion", "read_weights")
    )


def main(folder: Path) -> None:
    """Write all models."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tf_keras as k

    conversion, reading = _package(folder)
    with tempfile.TemporaryDirectory() as made:
        to = Path(made)
        for name in NAMES:
            k.utils.set_random_seed(SEED)
            k.backend.clear_session()
            model = CASES[name].build(k)
            randomise(model, np.random.default_rng([SEED, zlib.crc32(name.encode())]))
            model.save(to / f"{name}.h5")
            topology, groups = conversion.h5_merged_saved_model_to_tfjs_format(str(to / f"{name}.h5"))
            (to / f"{name}.h5").unlink()
            for dtype in ("", *(DTYPES if name == QUANTIZED else ())):
                where = to / (f"{name}-{dtype}" if dtype else name)
                where.mkdir()
                chosen = {dtype: True} if dtype else None
                conversion.write_artifacts(topology, groups, str(where), chosen, weight_shard_size_bytes=_SHARD)
                if dtype:
                    manifest = json.loads((where / "model.json").read_text())["weightsManifest"]
                    read = reading.read_weights(manifest, str(where), flatten=True)
                    np.savez(f"{where}.npz", **{item["name"].replace("/", "|"): item["data"] for item in read})
        with zipfile.ZipFile(TO, "w") as archive:
            for path in sorted(to.rglob("*")):
                if path.is_file():
                    info = zipfile.ZipInfo(path.relative_to(to).as_posix())
                    archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED)
    print(f"{TO.name}: {TO.stat().st_size} bytes")


def unpack(to: Path) -> None:
    """Write the files of all models below `to/tfjs`."""
    with zipfile.ZipFile(TO) as archive:
        archive.extractall(to / "tfjs")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
