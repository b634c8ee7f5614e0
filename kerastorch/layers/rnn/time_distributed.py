"""TimeDistributed: one layer, applied to every time step."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...base import check
from ...base.dtype_policy import computing_in, ends_in_own_dtype, state_dtype_beside
from ...base.inner_layers import inner_layer, serialize_layer
from ...base.layer import Example, Layer, register
from ...base.penalties import penalises, steps_apart, unseen
from ...base.ragged import refuse_layout
from ...base.shape_inference import run_on_meta
from ...base.weighted import repr_of
from ...errors import ShapeError, UnsupportedError
from ...kernels.types import KernelChoice
from ...structure import leaves, map_shapes, map_structure
from ...weights import Shape
from .sequence import KEPT_STEPS

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions


@register("TimeDistributed")
class TimeDistributed(Layer):
    """Applies a layer or a model to each time step, as `keras.layers.TimeDistributed`.

    All steps run in one call, on `(B * T, ...)`. While training, a BatchNormalization inside therefore takes its
    statistics over batch and time together, as tf.keras does. An `activity_regularizer` of the inner layer costs
    nothing, as in Keras 3 (with `keras2_masks` it acts, as in tf.keras); one of TimeDistributed itself does.

    Args:
        layer: Any layer or model; a stateful one is refused.
        keras2_masks: Hand on the mask that the inner layer computes, as Keras 2 does; Keras 3 hands on its own input's.
            The inner layer's penalties are Keras 2's then, too.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        The inner layer's.

    Example:
        >>> TimeDistributed(Dense(2))(torch.zeros(4, 20, 3)).shape
        torch.Size([4, 20, 2])
    """

    supports_masking = True
    _casts_itself = True
    _hands_training = True
    CONFIG = ("layer",)
    INERT = ("keras2_masks",)
    EXAMPLES = (
        Example("dense", dict(layer={"class_name": "Dense", "config": {"units": 2}}), (2, 7, 3)),
        Example("lstm", dict(layer={"class_name": "LSTM", "config": {"units": 2}}), (2, 4, 7, 3)),
    )

    def __init__(self, layer: Any, *, keras2_masks: bool = False, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        self.layer = inner_layer("layer", layer)
        state_dtype_beside(self, (self.layer,))
        self.keras2_masks = check.boolean("keras2_masks", keras2_masks)
        if not self.trainable:
            self.trainable = False  # the inner layer's too
        stateful = [m.name for m in self.layer.modules() if isinstance(m, Layer) and m._keeps_states]
        if stateful:
            raise UnsupportedError(
                f"{repr_of(self)}: the inner layer {stateful[0]!r} is stateful; steps run all at once here."
            )

    def get_config(self) -> dict[str, Any]:
        config = {**self._base_config(), "layer": serialize_layer(self.layer)}
        return config | ({"keras2_masks": True} if self.keras2_masks else {})

    def _makes_weights(self) -> bool:
        return False

    @property
    def _takes_ids(self) -> bool:
        return self.layer._takes_ids

    def _check_input_shape(self, input_shape: Shape) -> None:
        if len(input_shape) < 3:
            raise ShapeError(
                f"{repr_of(self)}: expected input of shape (batch, timesteps, ...) with at least 3 axes, "
                f"got {tuple(input_shape)}. {KEPT_STEPS}"
            )

    def build(self, input_shape: Shape) -> None:
        self._check_input_shape(input_shape)
        self.layer.build(_step_shape(input_shape))

    def compute_output_shape(self, input_shape: Shape) -> Any:
        self._check_input_shape(input_shape)
        inner = self.layer.compute_output_shape(_step_shape(input_shape))
        return map_shapes(lambda shape: (input_shape[0], input_shape[1], *shape[1:]), inner)

    def _compute_output_dtype(self, input_dtype: Any) -> Any:
        dtype = self._computes_in if self._casts and input_dtype.is_floating_point else input_dtype
        made = self.layer._output_dtypes(dtype)[0]
        inner = self._inner_dtype()
        return made if inner is None or not made.is_floating_point else inner

    def _output_dtypes(self, input_dtype: Any) -> list[Any]:
        return [self._compute_output_dtype(input_dtype)]

    @property
    def _policy_dtype(self) -> torch.dtype:
        return self._dtype if self._casts else self.dtype

    def _inner_dtype(self) -> torch.dtype | None:
        """What the inner layer computes in where its own policy does not count; None where it does.

        Keras 3 runs the inner layer's `call`, without what surrounds a call: inputs stay in TimeDistributed's dtype,
        and a mixed policy of that casts the inner weights. A layer that ends with a cast of its own still makes that.
        """
        if not self._casts or self.keras2_masks or ends_in_own_dtype(self.layer):
            return None
        outer = self._computes_in
        mixed = outer != self._policy_dtype
        return outer if mixed or not self.layer.variables else torch.promote_types(outer, self.layer.dtype)

    @property
    def _makes_mask(self) -> bool:  # type: ignore[override]
        return self.keras2_masks and any(getattr(part, "_makes_mask", False) for part in self.layer.modules())

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if not self.keras2_masks:
            return mask
        flat, flat_mask = inputs.flatten(0, 1), None if mask is None else mask.flatten(0, 1)
        if self.layer._graph is None:
            inner = self.layer._mask_behind(flat, flat_mask)
        elif self._makes_mask or (flat_mask is not None and flat_mask.ndim > 1):
            inner = self._mask_behind_model(flat, flat_mask)
        else:
            inner = None  # a mask of whole steps: it stays what it is, whatever the model does with it
        if inner is not None:
            return inner.unflatten(0, inputs.shape[:2])
        return mask if mask is None else mask.flatten(2).any(-1) if mask.ndim > 2 else mask

    def _mask_behind_model(self, inputs: Tensor, mask: Tensor | None) -> Any:
        """The mask of a model's first output: its layers say it, so they run, as in Keras 2."""
        options = {"mask": mask, "training": False, "with_masks": True}
        if inputs.is_meta:
            _, masks = run_on_meta(self.layer, (inputs,), options)
        else:
            with torch.no_grad(), unseen():
                _, masks = self.layer._call_past_masks(inputs, **options)
        return leaves(masks)[0]

    def kernel_choice(self, x: Any = None, mask: Any = None, training: bool | None = None) -> KernelChoice:
        """Which computation the inner layer runs, and why."""
        choice = getattr(type(self.layer), "kernel_choice", None)
        if choice is None:
            return KernelChoice("fused", "the inner layer runs once for all steps")
        return choice(self.layer, None, None, training)

    def forward(self, x: Tensor, mask: Tensor | None = None, training: bool | None = None) -> Any:
        """Run the layer on every step.

        Args:
            x: `(B, T, ...)`.
            mask: bool `(B, T, ...)`; its steps go to the inner layer if that takes a mask.
            training: Handed to the inner layer.

        Returns:
            `(B, T, ...)`: the inner layer's outputs, stacked over time.
        """
        refuse_layout(self, x)
        self._check_input_shape(tuple(x.shape))
        if mask is not None and tuple(mask.shape[:2]) != tuple(x.shape[:2]):
            raise ShapeError(
                f"{repr_of(self)}: expected a mask that starts with (batch, timesteps) = {tuple(x.shape[:2])}, "
                f"got {tuple(mask.shape)}."
            )
        options: dict[str, Any] = {}
        if self.layer._takes_mask and mask is not None:
            options["mask"] = mask.flatten(0, 1)
        if self.layer._takes_training:
            options["training"] = self.training if training is None else training
        steps = x.shape[:2]
        plain = self.keras2_masks or not penalises(self.layer)  # Keras 2 also runs the inner layer once
        flat, dtype = x.flatten(0, 1), self._inner_dtype()
        if self._casts and dtype is None and not self.layer._casts and flat.is_floating_point():
            flat = flat.to(self.layer.dtype)
        with (
            nullcontext() if plain else steps_apart(self.layer, steps[1]),
            nullcontext() if dtype is None else computing_in(self.layer, dtype),
        ):
            outputs = self.layer._call_past_masks(flat, **options)
        return map_structure(lambda out: out.unflatten(0, steps), outputs)


def _step_shape(shape: Shape) -> Shape:
    return (None, *shape[2:])
