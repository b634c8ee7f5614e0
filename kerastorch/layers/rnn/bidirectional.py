"""Bidirectional (Schuster & Paliwal 1997): a recurrent layer in both directions of time, as Keras merges them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..._serial import keeping_objects
from ...base import check, to_torch
from ...base.dtype_policy import state_dtype_beside
from ...base.inner_layers import inner_layer, serialize_layer
from ...base.input_checks import one_mask
from ...base.layer import Example, Layer, register
from ...base.weighted import repr_of
from ...errors import ArgumentError, ShapeError
from ...kernels import packing
from ...kernels.types import Kernel, KernelChoice
from ...weights import Shape
from . import both_directions, torch_modules
from .given_states import given_states, has_own_forward, parts_of, split_states, states_by_name
from .sequence import SequenceLayer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import CommonOptions

_MERGE = {
    "concat": lambda forward, backward: torch.cat([forward, backward], dim=-1),
    "sum": lambda forward, backward: forward + backward,
    "ave": lambda forward, backward: (forward + backward) / 2,
    "mul": lambda forward, backward: forward * backward,
    None: lambda forward, backward: (forward, backward),
}


@register("Bidirectional")
class Bidirectional(Layer):
    """Runs a recurrent layer forwards and a copy of it backwards, as `keras.layers.Bidirectional`.

    Outputs of the backward layer are flipped back to the order of time before the merge. While sequences are returned
    the output of a masked step is zero in both directions (Keras forces `zero_output_for_mask`), unless `forces_zeros`
    is False.

    Args:
        layer: LSTM, GRU, SimpleRNN, ...: its configuration is used, not its weights.
        merge_mode: "concat", "sum", "ave", "mul", or None for two outputs.
        weights: Initial weights, forward then backward, set when the layer is built.
        backward_layer: Another layer for the backward direction, with the opposite `go_backwards`.
        keras2_dtypes: Whether the merged outputs have the dtype of the layers inside, as in tf.keras; in Keras 3 they
            have that of Bidirectional. It shows where the two have other policies.
        forces_zeros: Whether masked steps are zeros wherever sequences are returned, as in Keras 3 and tf.keras; False:
            as `zero_output_for_mask` of the layers inside says, as in Keras 1 and 2.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        forward_layer's, then backward_layer's.

    Example:
        >>> Bidirectional(LSTM(5, return_sequences=True))(torch.zeros(2, 20, 1)).shape
        torch.Size([2, 20, 10])
    """

    supports_masking = True
    _casts_itself = True
    _hands_training = True
    CONFIG = ("merge_mode", "layer", "backward_layer")
    INERT = ("weights", "keras2_dtypes", "forces_zeros")
    EXAMPLES = (
        Example(
            "concat", dict(layer={"class_name": "LSTM", "config": {"units": 5, "return_sequences": True}}), (2, 7, 3)
        ),
        Example("sum", dict(layer={"class_name": "GRU", "config": {"units": 5}}, merge_mode="sum"), (2, 7, 3)),
        Example(
            "two layers",
            dict(
                layer={"class_name": "SimpleRNN", "config": {"units": 5}},
                backward_layer={"class_name": "SimpleRNN", "config": {"units": 4, "go_backwards": True}},
            ),
            (2, 7, 3),
        ),
    )

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        *,
        keras2_dtypes: bool = False,
        forces_zeros: bool = True,
        **base: Unpack[CommonOptions],
    ) -> None:
        layer = inner_layer("layer", layer)
        super().__init__(**{"batch_input_shape": layer._declared_shape, "weights": weights, **base})
        if not isinstance(layer, SequenceLayer):
            raise ArgumentError(f"{repr_of(self)}: layer: expected a recurrent layer, got {repr_of(layer)}.")
        self.merge_mode = check.one_of("merge_mode", merge_mode, tuple(_MERGE))
        self.keras2_dtypes = check.boolean("keras2_dtypes", keras2_dtypes)
        with keeping_objects():
            config = layer.get_config()
        bare = layer.name.removeprefix("forward_")
        self._layer_name = layer.name
        self.__dict__["_original"] = layer  # no module of this one: it runs if somebody calls it
        self.forward_layer = type(layer).from_config({**config, "name": f"forward_{bare}"})
        self._own_backward = backward_layer is not None
        if backward_layer is None:
            backwards = {**config, "name": f"backward_{bare}", "go_backwards": not layer.go_backwards}
            self.backward_layer = type(layer).from_config(backwards)
        else:
            self.backward_layer = inner_layer("backward_layer", backward_layer)
        self._check_pair()
        state_dtype_beside(self, (layer, backward_layer))
        for direction in self._directions:
            use_cudnn = getattr(layer, "use_cudnn", None)
            if use_cudnn is not None:  # no config has it
                direction.use_cudnn = use_cudnn
            direction._casts = direction._has_policy and (self._casts or layer._casts)
        self.forces_zeros = forces_zeros
        if not self.trainable:
            self.trainable = False  # the directions' too

    def _keras_spec(self) -> Any:
        return self.forward_layer.input_spec

    @property
    def forces_zeros(self) -> bool:
        """Whether masked steps are zeros wherever sequences are returned."""
        return self._forces_zeros

    @forces_zeros.setter
    def forces_zeros(self, value: bool) -> None:
        self._forces_zeros = check.boolean("forces_zeros", value)
        if value:
            for direction in self._directions:
                direction.zero_output_for_mask = direction.return_sequences

    @property
    def _directions(self) -> tuple[Any, Any]:
        return self.forward_layer, self.backward_layer

    def _check_pair(self) -> None:
        forward, backward = self._directions
        if not isinstance(backward, SequenceLayer):
            raise ArgumentError(
                f"{repr_of(self)}: backward_layer: expected a recurrent layer, got {repr_of(backward)}."
            )
        if forward.go_backwards == backward.go_backwards:
            raise ArgumentError(
                f"{repr_of(self)}: layer and backward_layer must differ in go_backwards, "
                f"both have {forward.go_backwards}."
            )
        for option in ("stateful", "return_sequences", "return_state"):
            if getattr(forward, option) != getattr(backward, option):
                raise ArgumentError(
                    f"{repr_of(self)}: layer and backward_layer must agree in {option}, "
                    f"got {getattr(forward, option)} and {getattr(backward, option)}."
                )

    @property
    def return_sequences(self) -> bool:
        """As the layer inside has it."""
        return self.forward_layer.return_sequences

    @property
    def return_state(self) -> bool:
        """As the layer inside has it."""
        return self.forward_layer.return_state

    @property
    def stateful(self) -> bool:
        """As the layer inside has it."""
        return self.forward_layer.stateful

    def get_config(self) -> dict[str, Any]:
        forward, backward = (serialize_layer(direction) for direction in self._directions)
        forward["config"]["name"] = self._layer_name
        if self.forces_zeros:
            forward["config"]["zero_output_for_mask"] = False
        config = {**self._base_config(), "merge_mode": self.merge_mode, "layer": forward}
        # By itself Keras makes a backward layer that goes backwards whatever the forward layer does.
        stated = self._own_backward or self.forward_layer.go_backwards
        config |= {"backward_layer": backward} if stated else {}
        config |= {} if self.forces_zeros else {"forces_zeros": False}
        return config | ({"keras2_dtypes": True} if self.keras2_dtypes else {})

    def _keras_aliases(self) -> list[tuple[str, Any]]:
        original = self.__dict__["_original"]  # tf.keras keeps it, and so its weights, if it is a layer by itself
        return [("layer", original)] if original._built else []

    # ------------------------------------------------------------------ shapes, states

    def _makes_weights(self) -> bool:
        return False

    def _check_input_shape(self, input_shape: Shape) -> None:
        self.forward_layer._check_input_shape(input_shape)

    def build(self, input_shape: Shape) -> None:
        for direction in self._directions:
            direction.build(input_shape)

    def _shape_from_call(self, shapes: Any) -> Any:
        return self.forward_layer._shape_from_call(shapes)

    def _shape_of_call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        output, given = super()._shape_of_call(args, kwargs), given_states(self, args, kwargs)
        if given is not None:
            for direction, half in zip(self._directions, self._halves(parts_of(given)), strict=True):
                if not has_own_forward(direction):
                    direction._check_given(list(half), args[0])
        return output

    def _halves(self, states: Any) -> tuple[Any, Any]:
        """The states that a call gives to each direction."""
        half = self.forward_layer._state_count
        if len(states) != 2 * half:
            raise ShapeError(
                f"{repr_of(self)}: expected {2 * half} initial states (forward's, then backward's), got {len(states)}."
            )
        return states[:half], states[half:]

    def compute_output_shape(self, input_shape: Shape) -> Any:
        pair = [direction.compute_output_shape(input_shape) for direction in self._directions]
        outputs = [shape[0] for shape in pair] if self.return_state else pair
        forward, backward = outputs
        if self.merge_mode == "concat":
            merged: Any = (*forward[:-1], forward[-1] + backward[-1])
        elif forward != backward and self.merge_mode is not None:
            raise ShapeError(f"{repr_of(self)}: cannot {self.merge_mode} outputs of shapes {forward} and {backward}.")
        else:
            merged = forward if self.merge_mode is not None else (forward, backward)
        if not self.return_state:
            return merged
        states = [state for shape in pair for state in shape[1:]]
        return (*merged, *states) if self.merge_mode is None else (merged, *states)

    @property
    def _policy_dtype(self) -> torch.dtype:
        return self._dtype if self._casts else self.dtype

    @property
    def _computes_in(self) -> torch.dtype:
        return super()._computes_in if self._casts else self.forward_layer._computes_in

    @property
    def _merged_dtype(self) -> torch.dtype:
        return self.forward_layer._computes_in if self.keras2_dtypes else self._computes_in

    def _output_dtypes(self, input_dtype: torch.dtype) -> list[torch.dtype]:
        merged = [self._merged_dtype] * (2 if self.merge_mode is None else 1)
        count = self.forward_layer._state_count if self.return_state else 0
        return merged + [direction._computes_in for direction in self._directions for _ in range(count)]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        mask = one_mask(self, mask)
        output: Any = mask if self.return_sequences else None
        outputs = [output, output] if self.merge_mode is None else [output]
        states = [None] * (2 * self.forward_layer._state_count) if self.return_state else []
        return outputs + states if len(outputs + states) > 1 else output

    @property
    def states(self) -> list[Tensor] | None:
        """The kept states of both directions, forward's, then backward's; None before the first batch."""
        forward, backward = (direction.states for direction in self._directions)
        return None if forward is None or backward is None else [*forward, *backward]

    @states.setter
    def states(self, values: Any) -> None:
        self.reset_state(values)

    def reset_state(self, values: Any = None) -> None:
        """Set the kept states of both directions to zeros, or to `values`: forward's states, then backward's."""
        if values is None or not self.stateful:  # the directions say what is wrong
            for direction in self._directions:
                direction.reset_state(values)
            return
        half = len(values) // 2
        parts = zip(self._directions, (values[:half], values[half:]), strict=True)
        kept = [(direction, direction._states_to_keep(part)) for direction, part in parts]
        for direction, states in kept:  # both fit
            direction.reset_state(states)

    def reset_states(self, states: Any = None) -> None:
        """`reset_state(states)`, by the names that tf.keras has."""
        self.reset_state(states)

    def kernel_choice(self, x: Any = None, mask: Any = None, training: bool | None = None) -> KernelChoice:
        """Which computation runs in each direction, and why: the forward layer's choice; or one call for both."""
        choice = type(self.forward_layer).kernel_choice(self.forward_layer, x, mask, training)
        if (
            both_directions.kernel_of(*self._directions, x, mask, self.training if training is None else training)
            is None
        ):
            return choice
        return choice._replace(reason=f"{choice.reason}; both directions in one call")

    # ------------------------------------------------------------------ running

    def _by_name(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return states_by_name(self, args, kwargs)

    def forward(self, x: Tensor, mask: Any = None, initial_state: Any = None, training: bool | None = None) -> Any:
        """Run both directions.

        Args:
            x: `(B, T, F)`.
            mask: bool `(B, T)`, True = use the step.
            initial_state: Forward's states, then backward's, each `(B, U)`.
            training: Whether dropout acts; `self.training` if None.

        Returns:
            The merged outputs: `(B, 2U)` for "concat", `(B, T, 2U)` with `return_sequences`, two tensors for
            `merge_mode=None`; with `return_state` followed by forward's, then backward's states.
        """
        x, initial_state = split_states(self, x, initial_state)
        halves = (None, None) if initial_state is None else self._halves(initial_state)
        training = self.training if training is None else training
        kernel = both_directions.kernel_of(*self._directions, x, mask, training) if self._may_run_as_one(x) else None
        if kernel is not None:
            merged, states = self._run_as_one(kernel, x, mask, halves)
        else:
            results = []
            for direction, state in zip(self._directions, halves, strict=True):
                # The `call` of somebody's own class need not take what is not given.
                given = {"mask": mask, "initial_state": state}
                options = {key: value for key, value in given.items() if value is not None}
                results.append(direction._call_past_masks(x, **options, training=training))
            forward, backward = ([result[0] for result in results]) if self.return_state else results
            if self.return_sequences:
                backward = backward.flip(1)
            forward, backward = forward.to(self._merged_dtype), backward.to(self._merged_dtype)
            merged = _MERGE[self.merge_mode](forward, backward)
            states = [state for result in results for state in result[1:]] if self.return_state else ()
        if not self.return_state:
            return merged
        return (*merged, *states) if self.merge_mode is None else (merged, *states)

    def _may_run_as_one(self, x: Tensor) -> bool:
        """Whether the dtypes allow it: on the CPU there is one of everything; on a device the layers inside cast."""
        if packing.scatters(x):
            return True
        return all(dtype == x.dtype for d in self._directions for dtype in (d.dtype, d._computes_in, self._computes_in))

    def _run_as_one(self, kernel: Kernel | both_directions.Node, x: Tensor, mask: Any, initial: Any) -> tuple[Any, Any]:
        out, forward, backward, states = both_directions.run(kernel, *self._directions, x, mask, initial)
        if out.dtype != self._merged_dtype:
            out, forward, backward = (part.to(self._merged_dtype) for part in (out, forward, backward))
        if self.return_sequences:
            if self.merge_mode == "concat":
                return out, states
            forward, backward = out.chunk(2, dim=-1)
        return _MERGE[self.merge_mode](forward, backward), states

    def _to_torch(self) -> nn.Module:
        if self.merge_mode != "concat":
            raise to_torch.no_module(self, [f"merge_mode={self.merge_mode!r}: torch's module has concat only"])
        forward = to_torch.convert(self.forward_layer)
        return torch_modules.bidirectional(self, forward, to_torch.convert(self.backward_layer, backwards=True))
