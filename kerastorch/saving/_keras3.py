"""What Keras 3 has in another way than a model that was read from an older file, or has not at all.

Each function knows one difference. What gives the same numbers in another spelling is changed and reported; what
Keras 3 cannot express is refused.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import activations
from ..layers import Activation, BatchNormalization, Rescaling
from ..layers._base import Layer
from ..layers._variables import own_variables
from ..layers.batch_normalization import least_epsilon
from ..models import Sequential
from . import _absent
from ._forms import Dialect, Entry

# ---------------------------------------------------------------- hard_sigmoid

_OLD, _NEW = activations.hard_sigmoid_keras2, activations.hard_sigmoid
_STRETCH = 1.2  # clip(0.2 x + 0.5, 0, 1) = clip(1.2 x / 6 + 0.5, 0, 1)

# Layers whose weights are in blocks of `units` columns, one for each gate -> the arguments that act on each block.
_GATES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(
        ("LSTM", "LSTMCell", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"),
        (("recurrent_activation",), ("recurrent_activation",), (), ("recurrent_activation",)),
    ),
    **dict.fromkeys(("GRU", "GRUCell"), (("recurrent_activation",), ("recurrent_activation",), ("activation",))),
}
# Layers that apply their activation to a sum in which each of these weights is a factor; all weights if not stated.
_LINEAR: Mapping[str, tuple[str, ...] | None] = {
    **dict.fromkeys(("Dense", "EinsumDense", "SimpleRNN", "SimpleRNNCell", "Conv1D", "Conv2D", "Conv3D"), None),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), None),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), None),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), ("pointwise_kernel", "bias")),
}


def stretch_hard_sigmoid(entry: Entry) -> Layer | None:
    """Keras 3's `hard_sigmoid` of weights that are 1.2 times as large is that of Keras 2."""
    layer = entry.layer
    keys = [key for key in ("activation", "recurrent_activation") if getattr(layer, key, None) is _OLD]
    if not keys:
        return None
    if isinstance(layer, Activation):
        entry.texts.append("clip(0.2 x + 0.5, 0, 1) is written as hard_sigmoid of 1.2 x")
        inner = [Rescaling(_STRETCH, name=f"{layer.name}_stretch"), Activation(_NEW, name=f"{layer.name}_clip")]
        return Sequential(inner, name=layer.name)
    gates, linear = _GATES.get(layer.class_name), layer.class_name in _LINEAR
    reached = {key for block in gates or () for key in block} if gates else {"activation"} if linear else set()
    if not set(keys) <= reached:
        raise entry.refuse(
            f"{', '.join(sorted(set(keys) - reached))} is clip(0.2 x + 0.5, 0, 1), the hard_sigmoid of Keras 2, which "
            "Keras 3 does not have, and here no weight can be scaled instead."
        )
    new: Any = copy.deepcopy(layer)
    for key in keys:
        setattr(new, key, _NEW)
    names = _LINEAR.get(layer.class_name)
    for variable in own_variables(new):
        if gates is not None:
            blocks = [_STRETCH if set(block) & set(keys) else 1.0 for block in gates]
            variable.assign(_scaled_blocks(variable.value().detach(), blocks))
        elif names is None or variable.name in names:
            variable.assign(variable.value().detach() * _STRETCH)
    part = "columns of its gates" if gates is not None else "weights"
    regularized = any(getattr(layer, f"{kind}_regularizer", None) for kind in ("kernel", "recurrent", "bias"))
    penalty = "; its regularizers see the larger ones" if regularized else ""
    entry.texts.append(
        f"{' and '.join(keys)}: clip(0.2 x + 0.5, 0, 1) is Keras 3's hard_sigmoid of 1.2 x, so the {part} are 1.2 "
        f"times as large{penalty}"
    )
    return new


def _scaled_blocks(value: Tensor, factors: Sequence[float]) -> Tensor:
    blocks = value.chunk(len(factors), dim=-1)
    return torch.cat([block * factor for block, factor in zip(blocks, factors, strict=True)], dim=-1)


# ---------------------------------------------------------------- arguments

# Classes for which `keras2_masks` changes what a mask does, in words for the refusal.
_MASKED: Mapping[str, str] = {
    "Multiply": "Keras 3 leaves masked steps out of the product",
    "Maximum": "Keras 3 leaves masked steps out of the maximum",
    "Minimum": "Keras 3 leaves masked steps out of the minimum",
    "GroupNormalization": "Keras 3 counts masked places in the statistics",
}
_ANY_MASK = frozenset({"Add", "Subtract", "Average", "Concatenate"})


def masks_of_keras2(entry: Entry) -> None:
    """`keras2_masks`: without a mask, or with the same one everywhere, there is no difference."""
    if not entry.config.pop("keras2_masks", False):
        return
    name = entry.layer.class_name
    if name in _MASKED and entry.masked:
        raise entry.refuse(
            f"a mask arrives, and {_MASKED[name]}, Keras 2 does not; take the mask off before the layer."
        )
    if name in _ANY_MASK and entry.masks_differ:
        raise entry.refuse(
            "its inputs have different masks. Keras 3 counts a step that counts in any of them, Keras 2 one that "
            "counts in all; give both inputs the same mask."
        )
    if name in ("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D") and entry.masked and entry.layer.zero_output_for_mask:
        raise entry.refuse("a mask arrives, and Keras 3 would set the masked steps of the output to zero.")
    if name == "MultiHeadAttention":
        entry.texts.append("a query that may look at no key at all gets zeros in Keras 3")


def robust_softmax(entry: Entry) -> None:
    """How large a negative number a masked value gets; Keras 3 writes 0 into the output."""
    stated = [entry.config.pop(key, None) is not None for key in ("robust_masking", "softmax_robust_masking")]
    if any(stated) and entry.masked and entry.layer.class_name == "Softmax":
        entry.texts.append("masked values become exactly 0 in Keras 3; where all are masked the outputs differ")


def implicit_masks(entry: Entry) -> None:
    """Attention that was made before masks arrived by themselves."""
    if entry.config.pop("implicit_masks", True) is False and entry.masked:
        raise entry.refuse("a mask arrives that the layer must not use, and in Keras 3 it would.")


def fused_epsilon(entry: Entry) -> None:
    """TensorFlow's fused kernel has a least epsilon, and its running variance is the unbiased one."""
    if not entry.config.pop("fused", False) or not isinstance(entry.layer, BatchNormalization):
        return
    epsilon = least_epsilon(entry.layer)
    if epsilon is None:
        return
    if epsilon != entry.config["epsilon"]:
        entry.texts.append(f"epsilon is {epsilon}, the least one of the kernel that it ran on")
        entry.config["epsilon"] = epsilon
    entry.texts.append("in training its running variance follows the biased variance of the batches in Keras 3")


def batch_axes(entry: Entry) -> None:
    """Convolutions with several batch axes in front."""
    if entry.config.pop("many_batch_axes", False) and len(entry.layer.input_shape) > entry.layer.SPATIAL + 2:
        raise entry.refuse("its input has several batch axes, of which Keras 3 takes one: use TimeDistributed.")


def shortest_vector(entry: Entry) -> None:
    """UnitNormalization's bound for short vectors."""
    if entry.config.pop("least_norm", None) is not None:
        entry.texts.append("vectors shorter than 1e-6 come out longer in Keras 3")


def input_length(entry: Entry) -> None:
    """Embedding's argument of Keras 2, which says nothing."""
    entry.config.pop("input_length", None)


def causal_calls(entry: Entry) -> None:
    """Attention that is causal in every call; Keras 3 says so in the calls."""
    if entry.config.pop("causal", False):
        entry.call_options["use_causal_mask"] = True


DIALECT = Dialect(
    stand_ins=(_absent.stand_in, stretch_hard_sigmoid),
    edits=(
        masks_of_keras2,
        robust_softmax,
        implicit_masks,
        fused_epsilon,
        batch_axes,
        shortest_vector,
        input_length,
        causal_calls,
    ),
)
