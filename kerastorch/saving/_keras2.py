"""What tf-keras 2.21 has in another way than the layers here, or has not at all.

A layer that was read from a file of tf.keras has its meaning already; one of Keras 3 is written where the two agree,
and refused where they do not.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..base.dtype_policy import policy_name
from ..base.layer import Layer
from ..compat import forms, tables
from ..layers import Activation, BatchNormalization, Bidirectional, Identity, TimeDistributed
from ..layers.normalization.batch_normalization import least_epsilon
from ..matching.attributes import WRITERS
from . import _absent
from . import _keras2_config as config
from ._forms import Dialect, Entry
from ._hard_sigmoid import shrunk_hard_sigmoid
from ._keras3 import MERGED_MASKS, causal_calls, implicit_masks
from ._masks import masked_steps_of_before, unused_masks
from ._order import order_in_keras2

# ---------------------------------------------------------------- classes

_STAND_INS = frozenset({"CuDNNLSTM", "CuDNNGRU", "Highway", "MaxoutDense", "Lambda"})  # the others tf-keras has itself


def stand_in(entry: Entry) -> Layer | None:
    """What stands for a layer of Keras 1 or of cuDNN, or for a function."""
    return _absent.stand_in(entry) if entry.layer._class_name in _STAND_INS else None


def identity_with_mask(entry: Entry) -> Layer | None:
    """The mask ends at tf-keras's Identity, and not at an Activation."""
    layer = entry.layer
    if not isinstance(layer, Identity) or layer.keras2_masks or not entry.mask_used:
        return None
    entry.texts.append("Identity, at which the mask ends in tf-keras, is written as Activation('linear')")
    return Activation("linear", name=layer.name, dtype=layer.dtype)


def refuse_absent(entry: Entry) -> None:
    """Layers and functions that only Keras 3 has."""
    layer = entry.layer
    form = forms.LAYERS.get(layer._class_name)
    if form is not None and "tf.keras" not in form.eras:
        raise entry.refuse(f'tf-keras has no {layer._class_name}: dialect="keras3", or save the weights.')
    for key in tables.ACTIVATION_KEYS & entry.config.keys():
        name = entry.config[key]
        if isinstance(name, str) and name not in tables.ACTIVATIONS["tf.keras"] | {"hard_sigmoid_keras2"}:
            raise entry.refuse(f'tf-keras has no function {name} for its {key}: dialect="keras3".')
    for key, plain in config.KERAS3_ONLY.items():
        if key in entry.config and entry.config[key] not in plain:
            raise entry.refuse(f'tf-keras has no argument {key} for it: dialect="keras3".')


def refuse_otherwise_computed(entry: Entry) -> None:
    """Options that tf-keras takes and does not compute with, or not as Keras 3 does."""
    layer, config = entry.layer, entry.config
    name, stretch = layer._class_name, config.get("dilation_rate")
    if name == "ZeroPadding1D" and config.pop("data_format", None) == "channels_first":
        raise entry.refuse("tf-keras pads the first axis behind the batch alone; put the channels last.")
    if name == "Conv2DTranspose" and stretch is not None and len(set(stretch)) > 1:
        raise entry.refuse(f"dilation_rate={tuple(stretch)}: tf-keras takes one dilation rate for all axes.")
    if name == "Conv3DTranspose" and stretch is not None and set(stretch) != {1}:
        raise entry.refuse(f"dilation_rate={tuple(stretch)}: tf-keras takes dilation rates and does not use them.")
    if name == "AdditiveAttention" and config["use_scale"]:
        query, value = (shape[-1] for shape in layer._in_shape[:2])
        if query != value:
            raise entry.refuse(f"tf-keras's scale needs a query of {value} features, as the value has, got {query}.")


def refuse_dtypes_of_wrappers(entry: Entry) -> None:
    """Wrappers with another dtype than the layer inside: tf-keras ends in that of the layer."""
    layer, native = entry.layer, entry.config.pop("keras2_dtypes", False)
    if isinstance(layer, TimeDistributed):
        computed = layer._inner_dtype()
        inside, apart = layer.layer, computed is not None and computed != layer.layer._computes_in
    elif isinstance(layer, Bidirectional):
        inside = layer.forward_layer
        apart = not native and inside._computes_in != layer._computes_in
    else:
        return
    if apart:
        raise entry.refuse(
            f"its dtype is {policy_name(layer)}, that of the layer inside is {policy_name(inside)}, which tf-keras's "
            "outputs would have; give both the same dtype."
        )


def shapes_of_heads(entry: Entry) -> None:
    """MultiHeadAttention states in tf-keras what it was built for."""
    if entry.layer._class_name == "MultiHeadAttention":
        query, value, *key = map(list, entry.layer._in_shape)
        entry.config.update(query_shape=query, key_shape=key[0] if key else value, value_shape=value)


# ---------------------------------------------------------------- masks

# What tf-keras does with masked steps.
_MASKED: Mapping[str, str] = {
    "Multiply": "tf-keras multiplies masked steps like all others, Keras 3 leaves them out",
    "Maximum": "tf-keras compares masked steps like all others, Keras 3 leaves them out",
    "Minimum": "tf-keras compares masked steps like all others, Keras 3 leaves them out",
    "GroupNormalization": "tf-keras leaves masked places out of the statistics, Keras 3 counts them",
}


def masks_of_keras3(entry: Entry) -> None:
    """Where Keras 3 does other things with masks; `keras2_masks` says that a layer does as tf-keras."""
    native = entry.config.pop("keras2_masks", False)
    name = entry.layer._class_name
    if name.startswith("ConvLSTM"):
        zeros = entry.config.pop("zero_output_for_mask", False)
        if zeros and not native and entry.masked:
            raise entry.refuse("a mask arrives, and tf-keras would not set the masked steps of the output to zero.")
    if native or not entry.masked:
        return
    if name in _MASKED:
        raise entry.refuse(f"a mask arrives, and {_MASKED[name]}; take the mask off before the layer.")
    if name in MERGED_MASKS and entry.masks_differ and entry.mask_used:
        raise entry.refuse(
            "its inputs have different masks. tf-keras counts a step that counts in all of them, Keras 3 one that "
            "counts in any; give both inputs the same mask."
        )
    if name == "MultiHeadAttention":
        entry.texts.append("a query that may look at no key at all gets the mean of the values in tf-keras")


def robust_softmax(entry: Entry) -> None:
    """Whether masked values become exactly 0, and where all are masked; Keras 2 outside of TensorFlow used no masks."""
    native = entry.config.get("robust_masking") is not None
    if entry.layer._class_name != "Softmax" or native or not entry.masked:
        return
    if getattr(entry.layer, "keras2_masks", False):
        raise entry.refuse("a mask arrives that the layer does not use, and tf-keras would; take it off before.")
    entry.texts.append("where all values are masked, the outputs of tf-keras are not 0")


# ---------------------------------------------------------------- arguments


def fused_epsilon(entry: Entry) -> None:
    """TensorFlow's fused kernel has a least epsilon, and its running variance is the unbiased one."""
    if not isinstance(entry.layer, BatchNormalization) or entry.config.pop("fused", False):
        return
    epsilon = least_epsilon(entry.layer)
    if epsilon is None:
        return
    entry.config["fused"] = False
    entry.texts.append("fused=False: TensorFlow's kernel has another least epsilon and another running variance")


def shortest_vector(entry: Entry) -> None:
    """UnitNormalization's bound for short vectors."""
    native = entry.config.pop("least_norm", None) is not None
    if entry.layer._class_name == "UnitNormalization" and not native:
        entry.texts.append("vectors shorter than 1e-6 come out shorter in tf-keras")


def drawn_numbers(entry: Entry) -> None:
    """Seeds that tf-keras does not take."""
    if entry.layer._class_name in config.SEEDLESS and isinstance(entry.config.get("seed"), int):
        entry.texts.append("its seed is left out: tf-keras takes none")


def many_batch_axes(entry: Entry) -> None:
    """tf-keras's convolutions take several batch axes anyway."""
    entry.config.pop("many_batch_axes", None)


DIALECT = Dialect(
    name="keras2",
    keras="tf-keras",
    version=tables.NEWEST["tf.keras"],
    stand_ins=(stand_in, identity_with_mask, shrunk_hard_sigmoid),
    edits=(
        refuse_absent,
        refuse_otherwise_computed,
        refuse_dtypes_of_wrappers,
        shapes_of_heads,
        masks_of_keras3,
        masked_steps_of_before,
        implicit_masks,
        robust_softmax,
        fused_epsilon,
        shortest_vector,
        drawn_numbers,
        many_batch_axes,
        causal_calls,
    ),
    layer=config.layer,
    model=config.model,
    outside_zip=config.outside_zip,
    json={"keras_version": "2.21.0", "backend": "tensorflow"},
    json_training=False,
    order=order_in_keras2,
    attributes={
        "MultiHeadAttention": {f"{part}_dense": f"_{part}_dense" for part in ("query", "key", "value", "output")},
        "DepthwiseConv1D": {"kernel": "depthwise_kernel"},
        "DepthwiseConv2D": {"kernel": "depthwise_kernel"},
    },
    call_masks=unused_masks,
    writer=WRITERS[-1],
    states_names=False,
    weight_end=":0",
    in_place=True,
)
