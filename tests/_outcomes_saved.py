"""What is written of layers in places where a Keras computes otherwise, and what the report says: a set of outcomes.

Every layer behind a mask and without one, under every argument that only one Keras has; merging layers and attention
with masks of every kind; calls with states; and both Kerases' forms of single layers. See `_outcomes.py`.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any
from zlib import crc32

from _outcomes import plain
from _outcomes_examples import named
from _outcomes_layers import told

import kerastorch as kt
from kerastorch import layers
from kerastorch.base.graph import SymbolicTensor
from kerastorch.base.layer import REGISTRY
from kerastorch.compat import forms
from kerastorch.saving import _keras2, _keras2_config, _keras3
from kerastorch.saving.save import _config
from kerastorch.structure import map_shapes

DIALECTS = {"keras3": _keras3.DIALECT, "keras2": _keras2.DIALECT}
B, T, F = 2, 5, 4
KEPT = 25  # of so many cases about one is kept
# Options that one Keras alone has, or computes with otherwise: of these about every second case is kept.
_OF_ONE_KERAS = """
    keras2_masks keras2_dtypes fused least_norm many_batch_axes robust_masking softmax_robust_masking implicit_masks
    causal interpolation ragged use_scale use_gate sliding_window rms_scaling renorm input_length flash_attention
"""
OF_ONE_KERAS = frozenset(_OF_ONE_KERAS.split())


def written(model: kt.Model, dialect: str) -> Any:
    """The report; the config, and how it is bare of what older Kerases do not know; and the order of the weights."""
    target = DIALECTS[dialect]
    config, found = _config(model, target)
    listed = [getattr(inner, "name", type(inner).__name__) for inner in found.listed(model)]
    items = config["config"].get("layers", []) if isinstance(config["config"], dict) else []
    ends = {key: config["config"].get(key) for key in ("input_layers", "output_layers")}
    return [[f"{rule.layer}: {rule.text}" for rule in found.rules], items, ends, listed, sorted(found.own_classes)]


# ---------------------------------------------------------------- one layer

# What only one Keras has, or computes otherwise: argument -> values.
OPTIONS: dict[str, tuple[Any, ...]] = {
    "keras2_masks": (True,),
    "keras2_dtypes": (True,),
    "dtype": ("mixed_bfloat16", "float64"),
    "fused": (True, False),
    "epsilon": (1e-7, 0.25),
    "least_norm": (1e-3,),
    "many_batch_axes": (True,),
    "robust_masking": (True, False),
    "softmax_robust_masking": (True,),
    "implicit_masks": (True, False),
    "causal": (True,),
    "use_scale": (True,),
    "score_mode": ("concat",),
    "input_length": (5,),
    "zero_output_for_mask": (True,),
    "data_format": ("channels_first",),
    "dilation_rate": (2, 3),
    "padding": ("same", "causal"),
    "strides": (2,),
    "activation": ("hard_sigmoid", "hard_sigmoid_keras2", "silu", "celu", "log_softmax", "relu6", "gelu"),
    "recurrent_activation": ("hard_sigmoid", "hard_sigmoid_keras2", "sigmoid"),
    "use_gate": (True,),
    "sliding_window": (2,),
    "rms_scaling": (True,),
    "renorm": (True,),
    "interpolation": ("area", "gaussian", "bilinear", "nearest"),
    "ragged": (True,),
    "flash_attention": (True, False),
    "seed": (3,),
    "groups": (2, 1),
    "keepdims": (True, False),
    "reset_after": (False, True),
    "use_bias": (False,),
    "return_sequences": (True, False),
    "go_backwards": (True,),
    "trainable": (False,),
    "name": ("other",),
}


def behind(cls: Any, example: Any, option: tuple[str, Any] | None, way: str) -> kt.Model:
    """A model with a layer behind a Masking, an Embedding or nothing, before a layer that uses a mask or none."""
    config = {**named(example.config), "name": "it", **({} if option is None else dict([option]))}
    layer = cls.from_config(config)
    dtype = "int32" if "input_dim" in example.config else "float32"
    inputs: list[Any] = []

    def symbol(shape: tuple[int, ...]) -> Any:
        inputs.append(kt.Input(batch_shape=(2, *shape[1:]), dtype=dtype, name=f"input_{len(inputs)}"))
        x = inputs[-1]
        masks = way != "plain" and len(shape) == 3 and dtype == "float32"
        return layers.Masking(0.5, name=f"masks_{len(inputs)}")(x) if masks else x

    given = map_shapes(symbol, example.input_shape)
    output = layer(*given) if layer._call_arguments.tensors else layer(given)
    if way == "used" and isinstance(output, SymbolicTensor) and len(output.shape) == 3 and output.shape[2]:
        output = layers.GRU(2, name="user")(output)
    return kt.Model(inputs[0] if len(inputs) == 1 else inputs, output, name="model")


def alone() -> Iterator[tuple[str, Callable[[], Any]]]:
    for cls in REGISTRY.values():
        for example in cls.EXAMPLES[:2]:
            known = {*inspect.signature(cls.__init__).parameters, *cls.CONFIG, *cls.INERT, "dtype", "trainable", "name"}
            options: list[tuple[str, Any] | None] = [None]
            options += [(key, value) for key, values in OPTIONS.items() if key in known for value in values]
            for option, way, dialect in product(options, ("plain", "masked", "used"), DIALECTS):
                key = f"{cls._class_name} {example.name}, {option}, {way}, {dialect}"
                if crc32(key.encode()) % (2 if option and option[0] in OF_ONE_KERAS else KEPT) == 0:
                    yield (
                        key,
                        lambda cls=cls, example=example, option=option, way=way, dialect=dialect: written(
                            behind(cls, example, option, way), dialect
                        ),
                    )


# ---------------------------------------------------------------- several masks


def words(name: str, masked: bool = True) -> tuple[Any, Any]:
    x = kt.Input((T,), name=name, dtype="int32")
    return x, layers.Embedding(9, F, mask_zero=masked, name=f"embed_{name}")(x)


def several() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Layers of two inputs whose masks are the same, others or not there; and attention."""
    for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"):
        for masks, used, native, dialect in product(
            ("same", "other", "one", "none"), (True, False), (True, False), DIALECTS
        ):

            def merged(name: str = name, masks: str = masks, used: bool = used, native: bool = native) -> kt.Model:
                a, left = words("a", masks != "none")
                b, right = words("b", masks == "other")
                right = layers.Dropout(0.1, name="drop")(left) if masks == "same" else right
                options = {"axes": 1} if name == "Dot" else {}
                out = getattr(layers, name)(name="it", keras2_masks=native, **options)([left, right])
                end = layers.LSTM(3, name="user") if used else layers.Flatten(name="user")
                return kt.Model([a] if masks == "same" else [a, b], end(out), name="model")

            yield (
                f"{name} of masks {masks}, used {used}, of Keras 2 {native}, {dialect}",
                (lambda merged=merged, dialect=dialect: written(merged(), dialect)),
            )
    attention: dict[str, Callable[..., Any]] = {
        "Attention": lambda **options: layers.Attention(name="it", **options),
        "AdditiveAttention": lambda **options: layers.AdditiveAttention(name="it", **options),
        "MultiHeadAttention": lambda **options: layers.MultiHeadAttention(2, 2, name="it", **options),
        "GroupQueryAttention": lambda **options: layers.GroupQueryAttention(2, 2, 1, name="it", **options),
    }
    of_all: list[dict[str, Any]] = [
        {},
        {"causal": True},
        {"implicit_masks": False},
        {"keras2_masks": True},
        {"use_scale": True},
    ]
    for (name, make), options, masks, dialect in product(
        attention.items(), of_all, ("both", "query", "none", "named"), DIALECTS
    ):

        def attending(name: str = name, make: Any = make, options: Any = options, masks: str = masks) -> kt.Model:
            a, query = words("a", masks in ("both", "query"))
            b, value = words("b", masks == "both")
            layer = make(**options)
            if name.endswith("HeadAttention") or name.startswith("Group"):
                more = {"use_causal_mask": True, "query_mask": None} if masks == "named" else {}
                return kt.Model([a, b], layer(query, value, **more), name="model")
            more = {"mask": [None, None]} if masks == "named" else {}
            return kt.Model([a, b], layer([query, value], **more), name="model")

        yield (
            f"{name} {options}, masks {masks}, {dialect}",
            lambda attending=attending, dialect=dialect: written(attending(), dialect),
        )


# ---------------------------------------------------------------- calls


def states() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Recurrent layers that are called with states and a mask, which Keras 3 takes only if it is named."""

    def model(maker: str, how: str, kind: str) -> kt.Model:
        x = kt.Input((T,), name="x", dtype="int32") if maker == "Embedding" else kt.Input((T, F), name="x")
        h = kt.Input((3,), name="h")
        inner = kt.Sequential([kt.Input((T, F), name="inside"), layers.Masking(0.5, name="masks")], name="inner")
        made: dict[str, Callable[[], Any]] = {
            "Embedding": lambda: layers.Embedding(9, F, mask_zero=True, name="embed"),
            "Masking": lambda: layers.Masking(0.5, name="masks"),
            "model": lambda: inner,
            "none": lambda: layers.Dense(F, name="dense"),
        }
        y = made[maker]()(x)
        y = layers.Dropout(0.1, name="drop")(y) if how == "behind" else y
        options: dict[str, Any] = {}
        if how == "masked by hand":
            options = {"mask": kt.Input((T,), dtype="bool", name="mask")}
        if how == "without":
            options = {"mask": None}
        if how == "trained":
            options = {"training": True}
        layer: Any = layers.GRU(3, name="it", return_sequences=True)
        if kind == "RNN":
            layer = layers.RNN(layers.GRUCell(3, name="cell"), name="it")
        if kind == "Bidirectional":
            layer = layers.Bidirectional(layers.GRU(3, name="inside"), name="it")
        start = [] if how == "alone" else [h, h] if kind == "Bidirectional" else [h]
        out = layer(y, **({"initial_state": start} if start else {}), **options)
        inputs = [x, *([h] if start else []), *([options["mask"]] if how == "masked by hand" else [])]
        return kt.Model(inputs, out, name="model")

    for maker, how, kind, dialect in product(
        ("Embedding", "Masking", "model", "none"),
        ("straight", "behind", "masked by hand", "without", "trained", "alone"),
        ("GRU", "RNN", "Bidirectional"),
        DIALECTS,
    ):
        yield (
            f"{kind} with states, mask of {maker}, {how}, {dialect}",
            (lambda maker=maker, how=how, kind=kind, dialect=dialect: written(model(maker, how, kind), dialect)),
        )


# ---------------------------------------------------------------- dtypes of wrappers


def dtypes() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Wrappers in one dtype around layers in another, of each Keras."""
    inner: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
        "TimeDistributed": (layers.TimeDistributed, lambda **given: layers.Dense(2, name="i", **given)),
        "TimeDistributed of steps": (layers.TimeDistributed, lambda **given: layers.Activation("relu", "i", **given)),
        "Bidirectional": (layers.Bidirectional, lambda **given: layers.GRU(2, name="i", **given)),
    }
    names = (None, "float64", "mixed_bfloat16")
    native: tuple[dict[str, Any], ...] = ({}, {"keras2_masks": True}, {"keras2_dtypes": True})
    for (name, (around, make)), outer, inside, given, dialect in product(inner.items(), names, names, native, DIALECTS):
        if ("keras2_masks" in given and around is layers.Bidirectional) or (
            "keras2_dtypes" in given and around is not layers.Bidirectional
        ):
            continue

        def model(
            around: Any = around, make: Any = make, outer: Any = outer, inside: Any = inside, given: Any = given
        ) -> kt.Model:
            layer = around(make(dtype=inside), name="it", dtype=outer, **given)
            return kt.Sequential([kt.Input((T, F), name="x"), layer], name="model")

        yield (
            f"{name} in {outer} around {inside}, {sorted(given)}, {dialect}",
            lambda model=model, dialect=dialect: written(model(), dialect),
        )


# ---------------------------------------------------------------- forms of single layers


def of_keras2() -> Iterator[tuple[str, Callable[[], Any]]]:
    """The config of every class, with one argument that says something or nothing to tf-keras."""
    table = {
        **{key: (*values, "other") for key, values in _keras2_config._SAYS_NOTHING.items()},
        **{key: (value, 7) for key, value in _keras2_config._YOUNG.items()},
        "seed": (None, 3),
        "dtype": ("float32", "mixed_float16", {"class_name": "DTypePolicy", "config": {"name": "float16"}}),
        "activation": (
            *("hard_sigmoid_keras2", "hard_sigmoid", "relu"),
            {"module": "m", "class_name": "LeakyReLU", "config": {"name": "l", "negative_slope": 0.5}},
            {"module": "m", "class_name": "Mine", "config": {"name": "l", "negative_slope": 0.5}},
        ),
        "kernel_initializer": (
            {"module": "m", "class_name": "GlorotUniform", "config": {}, "registered_name": None},
            {"module": "m", "class_name": "HeNormal", "config": {"seed": None}, "registered_name": None},
            {"module": "m", "class_name": "Zeros", "config": {}, "registered_name": None},
        ),
        "negative_slope": (0.5,),
        "layer": (
            {"module": "m", "class_name": "GRU", "config": {"name": "g", "use_gate": True, "rms_scaling": False}},
            {"module": "m", "class_name": "Operation", "config": {"name": "g", "function": "Add"}},
        ),
        "cell": (
            [{"module": "m", "class_name": "GRUCell", "config": {"name": "g", "seed": 3, "sliding_window": None}}],
        ),
    }
    for name in (*forms.LAYERS, "Mine"):
        for key, values in table.items():
            for value in values:
                label = f"form of {name}, {key}={value!r}"
                if crc32(label.encode()) % 8 or (key == "backward_layer" and value):
                    continue
                item = {
                    "module": "m",
                    "class_name": name,
                    "config": {"name": "it", key: value},
                    "registered_name": None,
                }
                if name == "InputLayer":
                    item["config"].update(batch_shape=[None, 3], dtype="int32", ragged=bool(value))

                def converted(item: Any = item) -> Any:
                    made = _keras2_config.layer(item)
                    return [made, _keras2_config.outside_zip(made)]

                yield label, converted


@cache
def saved() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for some in (alone, several, states, dtypes, of_keras2):
        cases.update(some())
    return {key: told(lambda case=case: plain(quietly(case))) for key, case in cases.items()}


def quietly(case: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return case()
