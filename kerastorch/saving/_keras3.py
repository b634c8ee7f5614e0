"""What Keras 3 has in another way than a model that was read from an older file, or has not at all.

Each function knows one difference. What gives the same numbers in another spelling is changed and reported; what
Keras 3 cannot express is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..base.dtype_policy import ends_in_own_dtype
from ..base.layer import Layer
from ..base.weighted import repr_of
from ..compat.tables import NEWEST
from ..dtypes import dtype_name
from ..errors import SaveError
from ..layers import BatchNormalization, Bidirectional, TimeDistributed
from ..layers.core.operation import Operation
from ..layers.merging.merge import Merge
from ..layers.normalization.batch_normalization import least_epsilon
from ..models.graph import slots_of
from ..models.graph_config import CallMasks
from ..models.input import InputLayer
from ..models.mask_flow import Visit
from ..models.walk import graph_of
from . import _absent
from ._forms import Dialect, Entry
from ._hard_sigmoid import stretched_hard_sigmoid
from ._masks import call_masks, masked_steps_of_before, refuse_trained_calls
from ._order import order_in_keras3

# ---------------------------------------------------------------- arguments

# Classes for which `keras2_masks` changes what a mask does, in words for the refusal.
_MASKED: Mapping[str, str] = {
    "Multiply": "Keras 3 leaves masked steps out of the product",
    "Maximum": "Keras 3 leaves masked steps out of the maximum",
    "Minimum": "Keras 3 leaves masked steps out of the minimum",
    "GroupNormalization": "Keras 3 counts masked places in the statistics",
}
MERGED_MASKS = frozenset({"Add", "Subtract", "Average", "Concatenate"})


def refuse_ragged(entry: Entry) -> None:
    """Ragged inputs: no recurrent layer of Keras 3 runs on the tensors, and a padded one says nothing of its ends."""
    if isinstance(entry.layer, InputLayer) and entry.layer.ragged:
        raise entry.refuse(
            'it is ragged, and no recurrent layer of Keras 3 runs on ragged tensors: dialect="keras2" writes what '
            "tf-keras opens, or save the weights alone."
        )


def dtypes_of_keras2(entry: Entry) -> None:
    """Wrappers whose outputs keep the dtype of what is inside; Keras 3 casts them to the wrapper's."""
    layer, own = entry.layer, entry.config.pop("keras2_dtypes", False)
    if isinstance(layer, TimeDistributed) and layer.keras2_masks and not ends_in_own_dtype(layer.layer):
        inside: Layer = layer.layer
    elif isinstance(layer, Bidirectional) and own:
        inside = layer.forward_layer
    else:
        return
    if inside._has_policy and inside._computes_in != layer._computes_in:
        entry.config["dtype"] = inside.get_config()["dtype"]
        entry.texts.append(
            f"its dtype is that of the layer inside, {entry.config['dtype']}, since Keras 3 casts the output to it; "
            f"the input is not rounded to {dtype_name(layer._computes_in)} before"
        )


def masks_of_keras2(entry: Entry) -> None:
    """`keras2_masks`: without a mask, or with the same one everywhere, there is no difference."""
    if not entry.config.pop("keras2_masks", False):
        return
    name = entry.layer._class_name
    if name in _MASKED and entry.masked:
        raise entry.refuse(
            f"a mask arrives, and {_MASKED[name]}, Keras 2 does not; take the mask off before the layer."
        )
    if name in MERGED_MASKS and entry.masks_differ and entry.mask_used:
        raise entry.refuse(
            "its inputs have different masks. Keras 3 counts a step that counts in any of them, Keras 2 one that "
            "counts in all; give both inputs the same mask."
        )
    if (
        name in ("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
        and entry.masked
        and getattr(entry.layer, "zero_output_for_mask", False)
    ):
        raise entry.refuse("a mask arrives, and Keras 3 would set the masked steps of the output to zero.")
    if name == "MultiHeadAttention":
        entry.texts.append("a query that may look at no key at all gets zeros in Keras 3")


def robust_softmax(entry: Entry) -> None:
    """How large a negative number a masked value gets; Keras 3 writes 0 into the output."""
    stated = [entry.config.pop(key, None) is not None for key in ("robust_masking", "softmax_robust_masking")]
    if any(stated) and entry.masked and entry.layer._class_name == "Softmax":
        entry.texts.append("masked values become exactly 0 in Keras 3; where all are masked the outputs differ")


def implicit_masks(entry: Entry) -> None:
    """Attention that was made before masks arrived by themselves."""
    if entry.config.pop("implicit_masks", True) is False and entry.masked:
        raise entry.refuse("a mask arrives that the layer must not use, and in the Keras that opens the file it would.")


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
    if entry.config.pop("many_batch_axes", False) and len(entry.layer._in_shape) > type(entry.layer).SPATIAL + 2:
        raise entry.refuse("its input has several batch axes, of which Keras 3 takes one: use TimeDistributed.")


def shortest_vector(entry: Entry) -> None:
    """UnitNormalization's bound for short vectors."""
    if entry.config.pop("least_norm", None) is not None:
        entry.texts.append("vectors shorter than 1e-6 come out longer in Keras 3")


def interpolation(entry: Entry) -> None:
    """How UpSampling2D makes values in between, where Keras 3 lacks tf.keras's way."""
    name = entry.config.get("interpolation")
    if name == "area":
        entry.config["interpolation"] = "nearest"
        entry.texts.append('interpolation "area" is written as "nearest", which is the same for whole factors')
    elif name in ("gaussian", "mitchellcubic"):
        raise entry.refuse(f'Keras 3 has no interpolation "{name}": dialect="keras2", or save the weights.')


def input_length(entry: Entry) -> None:
    """Embedding's argument of Keras 2, which says nothing."""
    entry.config.pop("input_length", None)


def causal_calls(entry: Entry) -> None:
    """Attention that is causal in every call; Keras 3 says so in the calls."""
    if entry.config.pop("causal", False):
        entry.call_options["use_causal_mask"] = True


def refuse_operation(entry: Entry) -> None:
    """Operations of which Keras 3 has no class; the others are written by `functional_config`."""
    if isinstance(entry.layer, Operation):
        raise entry.refuse(
            f"Keras 3 has no operation {entry.layer.function} that takes a tensor where this one does; compute it in "
            "another way, or save the weights alone."
        )


def refuse_constants_in_front(visits: Sequence[Visit]) -> None:
    """Merging layers whose first input is a constant: Keras 3 asks it for what only symbolic tensors have."""
    for visit in visits:
        if visit.step is None or not isinstance(visit.layer, Merge):
            continue
        graph = graph_of(visit.model)
        if slots_of(graph.steps[visit.step].args)[0] in graph.constants:
            raise SaveError(
                f"the first input of {repr_of(visit.layer)} is a constant tensor, which Keras 3 takes behind another "
                "input only: change the order, or make it an input of the model."
            )


def look_at_calls(visits: Sequence[Visit]) -> Mapping[int, CallMasks]:
    """The masks that calls must name; calls that Keras 3 overrules, or does not take, are refused."""
    refuse_trained_calls(visits)
    refuse_constants_in_front(visits)
    return call_masks(visits)


DIALECT = Dialect(
    name="keras3",
    keras="Keras 3",
    version=NEWEST["keras3"],
    stand_ins=(_absent.stand_in, stretched_hard_sigmoid),
    edits=(
        refuse_operation,
        refuse_ragged,
        dtypes_of_keras2,
        masks_of_keras2,
        masked_steps_of_before,
        robust_softmax,
        implicit_masks,
        fused_epsilon,
        batch_axes,
        shortest_vector,
        interpolation,
        input_length,
        causal_calls,
    ),
    call_masks=look_at_calls,
    order=order_in_keras3,
)
