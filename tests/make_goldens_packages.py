"""Write the golden models with layers of other packages: `python tests/make_goldens_packages.py FOLDER`, with tf-keras.

FOLDER holds the packages keras_self_attention and tensorflow_addons, unpacked (`pip download --no-deps`): their own
code makes the models and computes the outputs. The classes of tutorials, which no package has, are written out here as
formulas of `keras.backend`. tests/goldens/packages.zip gets of each case the `.h5` file, the input and the outputs.
"""

from __future__ import annotations

import os
import sys
import tempfile
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from make_goldens import GOLDENS, SEED, randomise

TO = GOLDENS / "packages.zip"
_STEPS, _FEATURES = 6, 4


def _modules(folder: Path) -> None:
    """tensorflow_addons without what its `__init__` imports, and without typeguard."""
    sys.path.insert(0, str(folder))
    for name in ("tensorflow_addons", "tensorflow_addons.text", "tensorflow_addons.layers", "tensorflow_addons.utils"):
        module = types.ModuleType(name)
        module.__path__ = [str(folder / name.replace(".", "/"))]
        sys.modules[name] = module
    named: Any = types.ModuleType("tensorflow_addons.utils.types")
    named.__getattr__ = lambda name: Any
    sys.modules[named.__name__] = sys.modules["tensorflow_addons.utils"].types = named
    checked: Any = types.ModuleType("typeguard")
    checked.typechecked = lambda function: function
    sys.modules["typeguard"] = checked


def _classes(k: Any) -> dict[str, type]:
    backend, base = k.backend, k.layers.Layer

    class Attention(base):
        def __init__(self, step_dim: int = _STEPS, bias: bool = True, **options: Any) -> None:
            super().__init__(**options)
            self.supports_masking, self.step_dim, self.bias = True, step_dim, bias

        def build(self, shape: Any) -> None:
            self.W = self.add_weight(name=f"{self.name}_W", shape=(shape[-1],))
            self.b = self.add_weight(name=f"{self.name}_b", shape=(shape[1],)) if self.bias else None

        def call(self, x: Any, mask: Any = None) -> Any:
            scores = backend.sum(x * self.W, -1)
            raw = backend.exp(backend.tanh(scores + self.b if self.bias else scores))
            raw = raw if mask is None else raw * backend.cast(mask, "float32")
            return backend.sum(x * backend.expand_dims(raw / (backend.sum(raw, 1, True) + backend.epsilon())), 1)

        def compute_mask(self, inputs: Any, mask: Any = None) -> None:
            return None

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "step_dim": self.step_dim, "bias": self.bias}

    class AttentionWithContext(Attention):
        def __init__(self, **options: Any) -> None:
            super().__init__(bias=True, **options)

        def build(self, shape: Any) -> None:
            self.W = self.add_weight(name=f"{self.name}_W", shape=(shape[-1], shape[-1]))
            self.b = self.add_weight(name=f"{self.name}_b", shape=(shape[-1],))
            self.u = self.add_weight(name=f"{self.name}_u", shape=(shape[-1],))

        def call(self, x: Any, mask: Any = None) -> Any:
            raw = backend.exp(backend.sum(backend.tanh(backend.dot(x, self.W) + self.b) * self.u, -1))
            raw = raw if mask is None else raw * backend.cast(mask, "float32")
            return backend.sum(x * backend.expand_dims(raw / (backend.sum(raw, 1, True) + backend.epsilon())), 1)

        def get_config(self) -> dict[str, Any]:
            config = super().get_config()
            return {key: config[key] for key in config if key not in ("step_dim", "bias")}

    class SoftmaxAttention(base):
        def build(self, shape: Any) -> None:
            self.W = self.add_weight(name="att_weight", shape=(shape[-1], 1))
            self.b = self.add_weight(name="att_bias", shape=(shape[1], 1))

        def call(self, x: Any) -> Any:
            return backend.sum(x * backend.softmax(backend.tanh(backend.dot(x, self.W) + self.b), axis=1), axis=1)

    class AttentionLayer(base):
        def build(self, shapes: Any) -> None:
            (*_, first), (*_, second) = shapes
            self.W_a = self.add_weight(name="W_a", shape=(first, first))
            self.U_a = self.add_weight(name="U_a", shape=(second, first))
            self.V_a = self.add_weight(name="V_a", shape=(first, 1))

        def call(self, inputs: Any) -> Any:
            encoder, decoder = inputs
            contexts, weights = [], []
            for at in range(decoder.shape[1]):
                of_step = backend.expand_dims(backend.dot(decoder[:, at], self.U_a), 1)
                scores = backend.dot(backend.tanh(backend.dot(encoder, self.W_a) + of_step), self.V_a)
                weights.append(backend.softmax(scores[:, :, 0]))
                contexts.append(backend.sum(encoder * backend.expand_dims(weights[-1]), 1))
            return [backend.stack(contexts, 1), backend.stack(weights, 1)]

    return {cls.__name__: cls for cls in (Attention, AttentionWithContext, SoftmaxAttention, AttentionLayer)}


def _cases(k: Any) -> dict[str, tuple[Any, bool]]:
    """The layer of each case, and whether a mask arrives."""
    from keras_self_attention import SeqSelfAttention, SeqWeightedAttention
    from tensorflow_addons.layers.crf import CRF

    own = _classes(k)
    return {
        "additive": (SeqSelfAttention(units=3, attention_activation="sigmoid", name="it"), True),
        "additive-plain": (SeqSelfAttention(3, use_additive_bias=False, use_attention_bias=False, name="it"), False),
        "multiplicative": (
            SeqSelfAttention(attention_type="multiplicative", attention_width=3, return_attention=True, name="it"),
            True,
        ),
        "history": (SeqSelfAttention(units=3, history_only=True, name="it"), False),
        "history-width": (SeqSelfAttention(units=3, history_only=True, attention_width=2, name="it"), True),
        "weighted": (SeqWeightedAttention(return_attention=True, name="it"), True),
        "weighted-plain": (SeqWeightedAttention(use_bias=False, name="it"), False),
        "addons": (CRF(5, name="it"), True),
        "addons-plain": (CRF(_FEATURES, use_boundary=False, use_kernel=False, name="it"), False),
        "tutorial": (own["Attention"](name="it"), True),
        "tutorial-plain": (own["Attention"](bias=False, name="it"), False),
        "context": (own["AttentionWithContext"](name="it"), True),
        "softmax": (own["SoftmaxAttention"](name="it"), False),
        "decoder": (own["AttentionLayer"](name="it"), False),
    }


def main(folder: Path) -> None:
    """Write all cases."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tf_keras as k

    _modules(folder)
    with tempfile.TemporaryDirectory() as made, zipfile.ZipFile(TO, "w") as archive:
        for number, (name, (layer, masked)) in enumerate(_cases(k).items()):
            rng = np.random.default_rng([SEED, number])
            x = rng.normal(size=(3, _STEPS, _FEATURES)).astype("f4")
            first = k.Input((_STEPS, _FEATURES), name="x")
            inner = k.layers.Masking(name="masking")(first) if masked else first
            if masked:
                x[0, 4:], x[1, 2:] = 0, 0
            given: list[Any] = [first]
            if name == "decoder":
                given.append(k.Input((2, 3), name="y"))
                inner = [inner, given[1]]
            made_of = layer(inner)
            outputs = list(made_of) if isinstance(made_of, (list, tuple)) else [made_of]
            model = k.Model(given, outputs[:3], name="model")
            randomise(model, rng)
            values = [x] + ([rng.normal(size=(3, 2, 3)).astype("f4")] if name == "decoder" else [])
            results = model(values if len(values) > 1 else values[0])
            results = results if isinstance(results, (list, tuple)) else [results]
            file = Path(made) / f"{name}.h5"
            model.save(file)
            arrays = {f"x{at}": value for at, value in enumerate(values)}
            arrays |= {f"y{at}": np.asarray(value) for at, value in enumerate(results)}
            np.savez(file.with_suffix(".npz"), **arrays)
            for path in (file, file.with_suffix(".npz")):
                archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    print(f"{TO.name}: {TO.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
