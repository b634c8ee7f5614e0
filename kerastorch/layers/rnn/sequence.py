"""What every layer over time shares: masks, states, direction, and which outputs are returned.

A subclass computes all steps at once in `_run`; the order of time, the initial and kept states and the form of the
result are decided here. Inputs are `(B, T, ...)`; states are flat: one tensor `(B, ...)` each.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ... import torch_private
from ...base import check, ragged
from ...base.input_checks import mask_of_steps, one_mask
from ...base.layer import Layer
from ...base.weighted import repr_of
from ...dtypes import any_dtype, autocasts
from ...errors import ArgumentError, ShapeError, UnsupportedError, quote
from ...kernels.operators import is_followed
from ...kernels.types import KernelChoice, States
from ...weights import Shape
from .given_states import (
    begun_with,
    check_count,
    check_fit,
    check_rows,
    check_shapes,
    given_states,
    in_dtype,
    parts_of,
    refuse_in_onnx,
    split_states,
    states_by_name,
    stay_in_place,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions

# The arguments of every such layer, in Keras's order.
SEQUENCE_CONFIG = (
    "return_sequences",
    "return_state",
    "go_backwards",
    "stateful",
    "unroll",
    "zero_output_for_mask",
)
# The hint of a layer over time whose input lacks the axis of time.
KEPT_STEPS = "Behind a recurrent layer? Give that one return_sequences=True."


class SequenceLayer(Layer):
    """A layer over time; abstract. See `LSTM`, `GRU`, `SimpleRNN`.

    Args:
        return_sequences: Return the output of every step instead of the last.
        return_state: Return the final states behind the output.
        go_backwards: Process the steps from the last to the first; outputs are in the order of processing.
        stateful: Start each batch with the final states of the one before.
        unroll: Accepted; it changes no number.
        zero_output_for_mask: Give zeros at masked steps, instead of the output before.
        time_major: Refused if True.
        first_state_shows: Give the initial state at masked steps before the first valid one, as Keras up to 2.2.4 on
            TensorFlow, instead of zeros. It shows where states are given or kept.
        **base: `name`, `dtype`, `trainable`, ...
    """

    supports_masking = True
    _casts_itself = True
    TAKES_STEPS = True
    _captured: bool = False  # whether a CUDA graph has been captured that reads and writes the kept states
    _rank = 3  # axes of the input
    _meaning = "(batch, timesteps, features)"
    _one_axis_less = "One feature per step? Pass x[..., None]."

    def __init__(
        self,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        time_major: bool = False,
        first_state_shows: bool = False,
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(**base)
        self.return_sequences = check.boolean("return_sequences", return_sequences)
        self.return_state = check.boolean("return_state", return_state)
        self.go_backwards = check.boolean("go_backwards", go_backwards)
        self.stateful = check.boolean("stateful", stateful)
        self.unroll = check.boolean("unroll", unroll)
        self.zero_output_for_mask = check.boolean("zero_output_for_mask", zero_output_for_mask)
        self.first_state_shows = check.boolean("first_state_shows", first_state_shows)
        if time_major:
            raise UnsupportedError(
                f"{repr_of(self)}: time_major=True is not supported; "
                "pass x.transpose(0, 1), that is (batch, timesteps, features)."
            )

    # ------------------------------------------------------------------ what a subclass defines

    @property
    @abstractmethod
    def _state_sizes(self) -> list[Shape]:
        """The shape of each state, without the batch axis."""

    @abstractmethod
    def _output_size(self, input_shape: Shape) -> Shape:
        """The shape of one step's output, without the batch axis."""

    @abstractmethod
    def _run(self, x: Tensor, states: States, mask: Tensor | None, training: bool) -> tuple[Tensor, States]:
        """All steps in order: outputs `(B, T, ...)` and the final states.

        A masked step repeats the output before it, or with `zero_output_for_mask` gives zeros (`_hide`). Outputs may be
        the last alone, `(B, 1, ...)`, and states may be left out, where the layer does not return them.
        """

    def kernel_choice(self, x: Any = None, mask: Any = None, training: bool | None = None) -> KernelChoice:
        """Which computation runs for this configuration, and why.

        Args:
            x: Not needed; the choice depends on the configuration only.
            mask: Likewise: masks run on the same kernel.
            training: As in `forward`; dropout can change the choice while training.
        """
        return KernelChoice("step loop", f"torch has no kernel for {type(self).__name__}")

    def _base_config(self) -> dict[str, Any]:
        config = super()._base_config()
        return {**config, "first_state_shows": True} if self.first_state_shows else config

    # ------------------------------------------------------------------ shapes

    def _check_input_shape(self, input_shape: Shape) -> None:
        # The sizes of a trace are tensors.
        if len(input_shape) != self._rank or not isinstance(input_shape[-1], (int, Tensor, type(None))):
            hint = f" {self._one_axis_less} {KEPT_STEPS}" if len(input_shape) == self._rank - 1 else ""
            raise ShapeError(
                f"{repr_of(self)}: expected input of shape {self._meaning}, got {tuple(input_shape)}.{hint}"
            )
        self._check_features(input_shape)
        if self.stateful and self._build_depth and input_shape[0] is None:
            raise ShapeError(
                f"{repr_of(self)} is stateful, so the batch size must be known, got {tuple(input_shape)}; "
                "give Input a batch_size or a batch_shape, for example Input(batch_shape=(32, 20, 1))."
            )

    def _check_features(self, input_shape: Shape) -> None:
        """Raise unless the last axis is known and as it was when the layer was built."""
        features = input_shape[-1]
        if features is None:
            raise ShapeError(
                f"{repr_of(self)}: the last axis (features) must be known, got {tuple(input_shape)}; "
                "give Input or build the number of features."
            )
        expected = self._build_shape[-1] if self._built and self._build_shape is not None else features
        if features != expected:
            raise ShapeError(
                f"{repr_of(self)}: expected {expected} features, got {features} (input of shape {tuple(input_shape)})."
            )

    def _shape_from_call(self, shapes: Any) -> Any:
        return shapes if self.stateful else super()._shape_from_call(shapes)

    def _shape_of_call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        output, given = super()._shape_of_call(args, kwargs), given_states(self, args, kwargs)
        if given is not None:
            self._check_given(given, args[0])
        return output

    def compute_output_shape(self, input_shape: Shape) -> Any:
        self._check_input_shape(input_shape)
        batch, steps = input_shape[:2]
        size = self._output_size(input_shape)
        output = (batch, steps, *size) if self.return_sequences else (batch, *size)
        return (output, *((batch, *size) for size in self._state_sizes)) if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        mask = one_mask(self, mask)
        output = mask if self.return_sequences else None
        return [output, *(None for _ in self._state_sizes)] if self.return_state else output

    # ------------------------------------------------------------------ states

    def _register_states(self, count: int) -> None:
        """Make room for the states that a stateful layer keeps: buffers, so that they move with the layer."""
        self._state_count = count
        for index in range(count if self.stateful else 0):  # torch.export miscounts the buffers behind an empty one
            self.register_buffer(f"_state_{index}", None, persistent=False)

    @property
    def states(self) -> list[Tensor] | None:
        """The states that a stateful layer keeps, each `(B, ...)`; None before the first batch."""
        kept = [getattr(self, f"_state_{index}") for index in range(self._state_count if self.stateful else 0)]
        return kept if kept and kept[0] is not None else None

    @states.setter
    def states(self, values: Any) -> None:
        self.reset_state(values)

    @torch.no_grad()
    def reset_state(self, values: Sequence[Any] | None = None) -> None:
        """Set the kept states of a stateful layer to zeros, or to `values`: one array `(B, ...)` for each state.

        Raises:
            ShapeError: The values are none for the batch size that the layer was built for, or that it keeps states of.
        """
        if not self.stateful:
            raise ArgumentError(f"{repr_of(self)} keeps no state between batches; make it with stateful=True.")
        if values is None:
            for state in self.states or ():
                state.zero_()
            return
        self._keep(self._states_to_keep(values))

    def _states_to_keep(self, values: Any) -> States:
        return check_rows(self, self._as_states(values, self._rows_kept()))

    def _rows_kept(self) -> int | None:
        """The batch size that a stateful layer has; None while it can be any."""
        kept = getattr(self, "_state_0", None)
        if kept is not None:
            return len(kept)
        return self._build_shape[0] if self._built and self._build_shape is not None else None

    def _forget_states(self) -> None:
        if self.stateful:
            self.reset_state()

    def get_initial_state(self, batch_size: Any = None, inputs: Any = None, dtype: Any = None) -> list[Tensor]:
        """The states that a batch starts with: zeros `(B, ...)`, one for each state.

        Args:
            batch_size: B; in its place `inputs`, as tf.keras has it.
            inputs: A tensor whose rows, device and dtype are taken.
            dtype: Of the zeros; that of the weights, or of `inputs`, if None.
        """
        if isinstance(batch_size, Tensor):
            batch_size, inputs = None, batch_size
        if batch_size is None and inputs is None:
            raise ArgumentError(f"{repr_of(self)}.get_initial_state: give a batch_size.")
        rows = len(inputs) if batch_size is None else int(batch_size)
        dtype = dtype or (self.dtype if inputs is None else inputs.dtype)
        device = self._on_device if inputs is None else inputs.device
        return [torch.zeros(rows, *size, dtype=any_dtype(dtype), device=device) for size in self._state_sizes]

    def reset_states(self, states: Any = None) -> None:
        """`reset_state(states)`, by the names that tf.keras has."""
        self.reset_state(states)

    def _as_states(self, values: Any, batch: int | None) -> States:
        """Check given states and bring them to the layer's device and dtype."""
        values = list(values) if isinstance(values, (list, tuple)) else [values]
        sizes = self._state_sizes
        check_count(self, values, sizes)
        states = tuple(
            torch.as_tensor(value, dtype=dtype, device=self._on_device)
            for value, dtype in zip(values, self._state_dtypes(), strict=True)
        )
        for index, (state, size) in enumerate(zip(states, sizes, strict=True)):
            check_fit(self, index, tuple(state.shape), size, batch)
        return states

    def _check_given(self, given: Any, input_shape: Shape) -> None:
        """Raise if the states of a call, with shapes in the place of tensors, do not fit."""
        check_shapes(self, self._values_of(given), self._state_sizes_for(input_shape), input_shape[0])

    def _values_of(self, given: Any) -> list[Any]:
        """The states in what a call gives, each a shape or a tensor."""
        return parts_of(given)

    def _state_sizes_for(self, input_shape: Shape) -> list[Shape]:
        """`_state_sizes`, where the sizes of the input decide them too."""
        return self._state_sizes

    def _start(self, x: Tensor, initial_state: Any) -> States:
        batch = x.shape[0]
        if initial_state is not None:
            return tuple(in_dtype(state, x.dtype) for state in self._as_states(initial_state, batch))
        kept = self.states if self.stateful else None
        if kept is None:
            return self._initial_states(x)
        if kept[0].shape[0] != batch:
            raise ShapeError(
                f"{repr_of(self)} is stateful and keeps states for a batch of {kept[0].shape[0]}, "
                f"got a batch of {batch}. "
                "Keep the batch size, or make a layer for the other one and give it these weights."
            )
        return tuple(in_dtype(state, x.dtype) for state in begun_with(self, kept))

    def _state_dtypes(self) -> list[torch.dtype]:
        """The dtype of each state, as it is given and kept."""
        return [self.dtype] * len(self._state_sizes)

    def _initial_states(self, x: Tensor) -> States:
        return tuple(x.new_zeros(x.shape[0], *size) for size in self._state_sizes)

    def _keep(self, states: States) -> None:
        if torch_private.transforms_active():
            raise UnsupportedError(
                f"{repr_of(self)} is stateful: its states would keep tensors of torch.func beyond the transform. "
                "Make it with stateful=False, and pass initial_state and take return_state instead."
            )
        refuse_in_onnx(self)
        for index, state in enumerate(states):
            name, new = f"_state_{index}", state.detach()
            old = getattr(self, name, None)
            if old is not None and stay_in_place(self, old, new):
                old.copy_(new)
                continue
            with torch.inference_mode(False):  # a state from predict() must also serve in training
                setattr(self, name, new.clone())

    # ------------------------------------------------------------------ running

    def _by_name(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return states_by_name(self, args, kwargs)

    def forward(self, x: Tensor, mask: Any = None, initial_state: Any = None, training: bool | None = None) -> Any:
        """Run the layer.

        Args:
            x: `(B, T, ...)`, of the layer's dtype.
            mask: bool `(B, T)`, True = use the step. A masked step keeps the states and repeats the output (zeros
                before the first valid step, or everywhere with `zero_output_for_mask`).
            initial_state: One tensor `(B, ...)` for each state; zeros, or the kept states if stateful, if None.
            training: Whether dropout acts; `self.training` if None.

        Returns:
            The last output `(B, ...)`, or all `(B, T, ...)` with `return_sequences`; with `return_state` a tuple of it
            and the final states.

        Raises:
            ShapeError: x, mask or a state has another shape than the layer needs.
        """
        x, initial_state = split_states(self, x, initial_state)
        training = self.training if training is None else training
        x = self._check_input(x)
        states = self._start(x, initial_state)
        valid = self._check_mask(x, mask)
        if self.go_backwards:
            x = x.flip(1)
            valid = None if valid is None else valid.flip(1)
        first = self._shown_state(states)
        out, states = self._run(x, states, valid, training)
        if valid is not None and self.first_state_shows and not self.zero_output_for_mask:
            begun = valid.cumsum(1)[:, -out.shape[1] :] > 0
            out = torch.where(begun.reshape(*begun.shape, *[1] * (out.ndim - 2)), out, first.unsqueeze(1).to(out.dtype))
        if self.stateful:
            self._keep(states)
        result = out if self.return_sequences else out.select(1, -1)
        if result is not out and out.requires_grad and not is_followed():
            result = result.clone()  # torch's kernel keeps its outputs, and this one may be changed in place
        return (result, *states) if self.return_state else result

    def _shown_state(self, states: States) -> Tensor:
        """The state that is the output of a step."""
        return states[0]

    def _hide(self, out: Tensor, valid: Tensor | None) -> Tensor:
        """Outputs `(B, T, ...)` with zeros at masked steps, if the layer's arguments ask for it."""
        if valid is None or not self.zero_output_for_mask:
            return out
        return out * valid.reshape(*valid.shape, *[1] * (out.ndim - valid.ndim))

    def _check_input(self, x: Any) -> Tensor:
        if not isinstance(x, Tensor):
            raise ArgumentError(f"{repr_of(self)}: expected a tensor {self._meaning}, got {quote(type(x).__name__)}.")
        ragged.refuse_layout(self, x)
        if x.ndim != self._rank or x.shape[-1] != self._build_shape[-1]:
            self._check_input_shape(tuple(x.shape))
        if x.shape[1] == 0:
            raise ShapeError(f"{repr_of(self)}: expected at least one timestep, got {tuple(x.shape)}.")
        dtype = self.dtype
        if not x.is_floating_point():
            x = x.to(dtype)
        if autocasts(x.device):
            return x if x.dtype == torch.float64 else x.to(torch.get_autocast_dtype(x.device.type))
        if x.dtype != dtype:
            raise ArgumentError(
                f"{repr_of(self)}: the input is {x.dtype}, the weights are {dtype}; "
                "convert one of them, for example x.to(layer.dtype)."
            )
        return x

    def _check_mask(self, x: Tensor, mask: Any) -> Tensor | None:
        return mask_of_steps(self, x, mask)
