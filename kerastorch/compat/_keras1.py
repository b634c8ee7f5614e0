"""Keras 1.x: its configs, rewritten in the spelling of Keras 2, which the other tables then read.

The arguments are those of Keras 1.0.8 to 1.2.2. What Keras 1 computed otherwise is in `tables.KERAS_1`; its weights
(an array for each gate) are joined in `matching/convert.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..errors import CorruptFileError, UnsupportedFileError, quote
from ..spec import Rule
from . import _keras1_convolution as convolutions
from ._keras1_merge import Notes, begins_with_branches, merged, model_of_branches

_KERNEL = {
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
}
_RECURRENT = {
    **_KERNEL,
    "output_dim": "units",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "U_regularizer": "recurrent_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "forget_bias_init": "unit_forget_bias",
    "consume_less": "implementation",
}
_DENSE = {**_KERNEL, "output_dim": "units", "bias": "use_bias"}
_FORMAT = {"dim_ordering": "data_format"}
_POOLING = {**_FORMAT, "border_mode": "padding"}
_POOLING_OF_ROWS = {"pool_length": "pool_size", "stride": "strides", "border_mode": "padding"}
_SPATIAL_DROPOUT = {**_FORMAT, "p": "rate"}
# Class -> argument of Keras 1 -> argument of Keras 2. Arguments that are not listed kept their names.
RENAMES: Mapping[str, Mapping[str, str]] = {
    "LSTM": _RECURRENT,
    "GRU": _RECURRENT,
    "SimpleRNN": _RECURRENT,
    "Dense": _DENSE,
    "TimeDistributedDense": _DENSE,
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "Dropout": {"p": "rate"},
    "SpatialDropout1D": {"p": "rate"},
    **convolutions.renames(_KERNEL, _RECURRENT),
    "GaussianDropout": {"p": "rate"},
    "GaussianNoise": {"sigma": "stddev"},
    "PReLU": {"init": "alpha_initializer"},
    "BatchNormalization": {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
    **dict.fromkeys(("MaxPooling1D", "AveragePooling1D"), _POOLING_OF_ROWS),
    **dict.fromkeys(("MaxPooling2D", "MaxPooling3D", "AveragePooling2D", "AveragePooling3D"), _POOLING),
    **dict.fromkeys(("GlobalMaxPooling2D", "GlobalMaxPooling3D"), _FORMAT),
    **dict.fromkeys(("GlobalAveragePooling2D", "GlobalAveragePooling3D"), _FORMAT),
    **dict.fromkeys(("UpSampling2D", "UpSampling3D", "ZeroPadding2D", "ZeroPadding3D"), _FORMAT),
    **dict.fromkeys(("Cropping2D", "Cropping3D"), _FORMAT),
    **dict.fromkeys(("SpatialDropout2D", "SpatialDropout3D"), _SPATIAL_DROPOUT),
    "UpSampling1D": {"length": "size"},
}
# Argument of Keras 1 -> its values -> what they are in Keras 2.
VALUES: Mapping[str, Mapping[Any, Any]] = {
    "forget_bias_init": {"one": True, "zero": False},
    "consume_less": {"cpu": 1, "mem": 1, "gpu": 2},  # whether each gate drops its inputs by itself
    **convolutions.VALUES,
}
# The sides that ZeroPadding names, in the order in which it takes them.
SIDES: Mapping[str, tuple[str, ...]] = {
    "ZeroPadding1D": ("left_pad", "right_pad"),
    "ZeroPadding2D": ("top_pad", "bottom_pad", "left_pad", "right_pad"),
}
_REGULARIZERS = ("WeightRegularizer", "ActivityRegularizer", "L1L2Regularizer", "L1L2")
_CONSTRAINTS = {"MaxNorm": {"m": "max_value", "axis": "axis"}, "UnitNorm": {"axis": "axis"}, "NonNeg": {}}


def in_keras2_spelling(config: Mapping[str, Any], replaced: Collection[str] = ()) -> tuple[dict[str, Any], list[Rule]]:
    """Rewrite a whole config of Keras 1.

    Args:
        config: The config.
        replaced: Names of layers that the caller replaces: a Merge among them may be any code.

    Returns:
        The config as Keras 2 would have written it, and what was rewritten.

    Raises:
        UnsupportedFileError: Keras 1 had something that no later Keras has, and neither has kerastorch.
    """
    notes = Notes(replaced)
    return _item(dict(config), notes), notes.rules


def _item(item: Any, notes: Notes) -> Any:
    """Rewrite one layer or model, and what is inside it."""
    if not isinstance(item, dict) or not isinstance(item.get("class_name"), str):
        return item  # `_survey` says what is wrong with it
    inner, class_name = item.get("config"), item["class_name"]
    if isinstance(inner, list):  # a Sequential
        if begins_with_branches(inner):
            return {**item, **model_of_branches(inner, lambda layer: _item(layer, notes), notes)}
        return {**item, "config": [_item(layer, notes) for layer in inner]}
    if not isinstance(inner, dict):
        return item
    if isinstance(inner.get("layers"), list) and class_name != "Merge":
        return {**item, "config": {**inner, "layers": [_item(layer, notes) for layer in inner["layers"]]}}
    name = str(item.get("name") or inner.get("name") or class_name)
    if class_name == "Merge" and notes.is_replaced(name):
        return item
    if class_name == "Merge":
        return {**item, **merged(inner, name, notes)}
    config = _arguments(class_name, name, inner, notes)
    if isinstance(config.get("layer"), dict):
        config["layer"] = _item(config["layer"], notes)
    if class_name == "TimeDistributedDense":
        return {**item, **_time_distributed(config, name, notes)}
    if class_name in convolutions.CLASSES:
        return {**item, **convolutions.convolution(class_name, name, config, notes.add)}
    return {**item, "config": config}


def _arguments(class_name: str, name: str, given: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    renames = RENAMES.get(class_name, {})
    config: dict[str, Any] = {}
    for key, value in given.items():
        if key in VALUES and key in renames:
            if not isinstance(value, str) or value not in VALUES[key]:
                raise UnsupportedFileError(
                    f"Layer {quote(name)}: {key} = {quote(value)}; known are {', '.join(VALUES[key])}."
                )
            value = VALUES[key][value]
        elif key == "padding" and class_name in SIDES:
            value = _sides(value, SIDES[class_name], name)
        elif key.endswith("_regularizer"):
            value = _regularizer(value, name, key)
        elif key.endswith("_constraint"):
            value = _constraint(value, name, key)
        config[renames.get(key, key)] = value
    if class_name == "SimpleRNN":
        config.pop("unit_forget_bias", None)
    if class_name in ("GRU", "LSTM", "SimpleRNN", "Dense", "Embedding") and config.get("input_dtype") is not None:
        config["dtype"] = config.pop("input_dtype")
    if class_name == "BatchNormalization" and config.pop("mode", 0) != 0:
        raise UnsupportedFileError(
            f"Layer {quote(name)}: BatchNormalization with a mode other than 0, which no later Keras has; "
            "rebuild that layer in PyTorch."
        )
    if class_name == "Embedding" and config.pop("dropout", 0.0):
        notes.add(name, "dropout of an Embedding, which acts in training only, is left out: no later Keras has it")
    changed = [f"{old} -> {new}" for old, new in renames.items() if old in given]
    if changed:
        notes.add(name, f"arguments of Keras 1 renamed: {', '.join(changed)}")
    return config


def _time_distributed(config: dict[str, Any], name: str, notes: Notes) -> dict[str, Any]:
    """TimeDistributedDense is TimeDistributed(Dense)."""
    notes.add(name, "TimeDistributedDense is read as TimeDistributed(Dense)")
    outer = {key: config.pop(key) for key in ("batch_input_shape", "input_dtype", "trainable") if key in config}
    steps, features = config.pop("input_length", None), config.pop("input_dim", None)
    if features is not None and "batch_input_shape" not in outer:
        outer["batch_input_shape"] = [None, steps, features]
    inner = {"class_name": "Dense", "config": {**config, "name": f"{name}_dense"}}
    return {"class_name": "TimeDistributed", "config": {**outer, "name": name, "layer": inner}}


def _sides(value: Any, names: tuple[str, ...], layer: str) -> Any:
    """The padding of an image in Keras 2's way: by name or in a row in Keras 1, in pairs since."""
    if isinstance(value, dict):
        unknown = sorted(set(value) - set(names))
        if unknown:
            raise CorruptFileError(
                f"Layer {quote(layer)}: padding has {', '.join(map(quote, unknown))}; known are {', '.join(names)}."
            )
        value = [value.get(side, 0) for side in names]
    return [value[:2], value[2:]] if isinstance(value, list) and len(value) == len(names) == 4 else value


def _regularizer(value: Any, name: str, key: str) -> Any:
    if not isinstance(value, dict) or "class_name" in value:
        return value
    if value.get("name") not in _REGULARIZERS or set(value) - {"name", "l1", "l2"}:
        raise UnsupportedFileError(f"Layer {quote(name)}: {key} = {quote(value)} is not supported; save without it.")
    return {"class_name": "L1L2", "config": {"l1": value.get("l1", 0.0), "l2": value.get("l2", 0.0)}}


def _constraint(value: Any, name: str, key: str) -> Any:
    if not isinstance(value, dict) or "class_name" in value:
        return value
    kind = value.get("name")
    renames = _CONSTRAINTS.get(kind) if isinstance(kind, str) else None
    if renames is None or set(value) - {"name", *renames}:
        raise UnsupportedFileError(f"Layer {quote(name)}: {key} = {quote(value)} is not supported; save without it.")
    if kind == "MaxNorm" and "m" not in value:
        raise CorruptFileError(f"Layer {quote(name)}: {key} lacks its bound m.")
    return {"class_name": kind, "config": {renames[old]: setting for old, setting in value.items() if old in renames}}
