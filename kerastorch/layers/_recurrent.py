"""What LSTM, GRU and SimpleRNN share: arguments, masks, states, direction, dropout, and the choice of the kernel.

A subclass says which fused kernel fits its configuration (`_fused`), how one step of it is computed (`_cell`), and its
weights; everything else is here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import activations
from ..errors import ArgumentError, ShapeError, UnsupportedError, quote
from ..weights import Filler, Shape, Var, transpose
from . import _check
from ._base import Layer, repr_of
from ._kernels import Activation, Cell, Kernel, States, gate_linear, loop, masked

if TYPE_CHECKING:
    from typing_extensions import TypedDict

    class RecurrentOptions(TypedDict, total=False):
        """The arguments that every recurrent layer takes by keyword; Keras's names, defaults and meaning."""

        kernel_initializer: Any
        recurrent_initializer: Any
        bias_initializer: Any
        kernel_regularizer: Any
        recurrent_regularizer: Any
        bias_regularizer: Any
        activity_regularizer: Any
        kernel_constraint: Any
        recurrent_constraint: Any
        bias_constraint: Any
        dropout: float
        recurrent_dropout: float
        seed: int | None
        return_sequences: bool
        return_state: bool
        go_backwards: bool
        stateful: bool
        unroll: bool
        zero_output_for_mask: bool
        time_major: bool
        implementation: Literal[0, 1, 2]
        use_cudnn: Literal["auto"] | bool
        name: str | None
        dtype: Any
        trainable: bool
        input_shape: Any
        batch_input_shape: Any
        input_dim: int | None
        input_length: int | None
        batch_size: int | None
        weights: Any


COMMON_CONFIG = (
    "kernel_initializer",
    "recurrent_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "recurrent_regularizer",
    "bias_regularizer",
    "activity_regularizer",
    "kernel_constraint",
    "recurrent_constraint",
    "bias_constraint",
    "dropout",
    "recurrent_dropout",
    "seed",
    "return_sequences",
    "return_state",
    "go_backwards",
    "stateful",
    "unroll",
    "zero_output_for_mask",
)


class KernelChoice(NamedTuple):
    """Which computation runs, and why."""

    path: Literal["fused", "step loop"]
    reason: str


def recurrent_weights(gate_count: int, order: Any) -> tuple[Var, Var]:
    """The two kernels of a recurrent layer: `order` is the map of the gates, Keras -> torch."""
    return (
        Var("kernel", ("weight_ih_l0",), lambda l, s: (s[-1], gate_count * l.units), order >> transpose),
        Var(
            "recurrent_kernel",
            ("weight_hh_l0",),
            lambda l, s: (l.units, gate_count * l.units),
            order >> transpose,
            stem="recurrent",
        ),
    )


def second_bias(gate_count: int) -> Filler:
    """torch's kernels add two biases, Keras has one: the second is zero and never trains."""
    return Filler("bias_hh_l0", lambda l: (gate_count * l.units,), lambda l: l.use_bias)


class Recurrent(Layer):
    """A recurrent layer over `(B, T, F)`; abstract. See `LSTM`, `GRU`, `SimpleRNN`."""

    supports_masking = True
    INERT = ("unroll", "implementation", "use_cudnn", "time_major", "seed")
    TAKES_STEPS = True
    VARS_PATH = "cell"
    GATES: ClassVar[int]
    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor
    activation: Activation
    STATES: ClassVar[int] = 1

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        *,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        time_major: bool = False,
        implementation: int = 2,
        use_cudnn: Any = "auto",
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self._configure(
            activation=activation,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
        )
        self.units = _check.positive("units", units)
        self.use_bias = _check.boolean("use_bias", use_bias)
        self.dropout = _check.rate("dropout", dropout)
        self.recurrent_dropout = _check.rate("recurrent_dropout", recurrent_dropout)
        self.seed = seed
        self.return_sequences = _check.boolean("return_sequences", return_sequences)
        self.return_state = _check.boolean("return_state", return_state)
        self.go_backwards = _check.boolean("go_backwards", go_backwards)
        self.stateful = _check.boolean("stateful", stateful)
        self.unroll = _check.boolean("unroll", unroll)
        self.zero_output_for_mask = _check.boolean("zero_output_for_mask", zero_output_for_mask)
        if time_major:
            raise UnsupportedError(
                f"{repr_of(self)}: time_major=True is not supported; "
                "pass x.transpose(0, 1), that is (batch, timesteps, features)."
            )
        # Keras draws one dropout mask per gate in implementation 1, which recurrent_dropout switches on.
        self.implementation = (
            1 if self.recurrent_dropout else _check.one_of("implementation", implementation, (0, 1, 2))
        )
        self.use_cudnn = _check.one_of("use_cudnn", use_cudnn, ("auto", True, False))
        for index in range(self.STATES):
            self.register_buffer(f"state_{index}", None, persistent=False)

    # ------------------------------------------------------------------ what a subclass defines

    @abstractmethod
    def _fused(self) -> Kernel | str:
        """The fused kernel for this configuration, or the reason why there is none."""

    @abstractmethod
    def _cell(self, drop: Tensor | None) -> Cell:
        """One step, for the step loop; `drop` is the recurrent dropout mask of each gate."""

    # ------------------------------------------------------------------ shapes

    def check_input_shape(self, input_shape: Shape) -> None:
        if len(input_shape) != 3 or not (input_shape[-1] is None or isinstance(input_shape[-1], int)):
            hint = " One feature per step? Pass x[..., None]." if len(input_shape) == 2 else ""
            raise ShapeError(
                f"{repr_of(self)}: expected input of shape (batch, timesteps, features), "
                f"got {tuple(input_shape)}.{hint}"
            )
        features = input_shape[-1]
        if features is None:
            raise ShapeError(
                f"{repr_of(self)}: the last axis (features) must be known, got {tuple(input_shape)}; "
                "give Input or build the number of features."
            )
        expected = self.weight_ih_l0.shape[1] if self._built and "weight_ih_l0" in self._parameters else features
        if features != expected:
            raise ShapeError(
                f"{repr_of(self)}: expected {expected} features, got {features} (input of shape {tuple(input_shape)})."
            )
        if self.stateful and self._build_depth and input_shape[0] is None:
            raise ShapeError(
                f"{repr_of(self)} is stateful, so the batch size must be known, got {tuple(input_shape)}; "
                "give Input a batch_size or a batch_shape, for example Input(batch_shape=(32, 20, 1))."
            )

    def _shape_from_call(self, shapes: Any) -> Any:
        return shapes if self.stateful else super()._shape_from_call(shapes)

    def compute_output_shape(self, input_shape: Shape) -> Any:
        self.check_input_shape(input_shape)
        batch, steps, _ = input_shape
        output = (batch, steps, self.units) if self.return_sequences else (batch, self.units)
        return (output, *((batch, self.units) for _ in range(self.STATES))) if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        output = mask if self.return_sequences else None
        return [output, *(None for _ in range(self.STATES))] if self.return_state else output

    # ------------------------------------------------------------------ states

    @property
    def states(self) -> list[Tensor] | None:
        """The states that a stateful layer keeps, each `(B, U)`; None before the first batch."""
        kept = [getattr(self, f"state_{index}") for index in range(self.STATES)]
        return None if kept[0] is None else kept

    @states.setter
    def states(self, values: Any) -> None:
        self.reset_state(values)

    @torch.no_grad()
    def reset_state(self, values: Sequence[Any] | None = None) -> None:
        """Set the kept states of a stateful layer to zeros, or to `values`: one array `(B, U)` for each state."""
        if not self.stateful:
            raise ArgumentError(f"{repr_of(self)} keeps no state between batches; make it with stateful=True.")
        if values is None:
            for state in self.states or ():
                state.zero_()
            return
        self._keep(self._as_states(values, None))

    reset_states = reset_state

    def _as_states(self, values: Any, batch: int | None) -> States:
        """Check given states and bring them to the layer's device and dtype."""
        values = [values] if isinstance(values, Tensor) or not isinstance(values, (list, tuple)) else list(values)
        if len(values) != self.STATES:
            raise ShapeError(
                f"{repr_of(self)}: expected {self.STATES} state(s) of shape (batch, {self.units}), got {len(values)}."
            )
        states = tuple(torch.as_tensor(value, dtype=self.dtype, device=self.device) for value in values)
        for index, state in enumerate(states):
            if state.ndim != 2 or state.shape[1] != self.units or (batch is not None and state.shape[0] != batch):
                expected = (batch if batch is not None else "batch", self.units)
                raise ShapeError(
                    f"{repr_of(self)}: state {index}: expected shape {expected}, got {tuple(state.shape)}."
                )
        return states

    def _start(self, x: Tensor, initial_state: Any) -> States:
        batch = x.shape[0]
        if initial_state is not None:
            return self._as_states(initial_state, batch)
        if self.stateful and self.states is not None:
            kept = self.states
            if kept[0].shape[0] != batch:
                raise ShapeError(
                    f"{repr_of(self)} is stateful and keeps states for a batch of {kept[0].shape[0]}, "
                    f"got a batch of {batch}. "
                    "Keep the batch size, or set the states with reset_state(values)."
                )
            return tuple(state.to(x.dtype) for state in kept)
        return tuple(x.new_zeros(batch, self.units) for _ in range(self.STATES))

    def _keep(self, states: States) -> None:
        with torch.inference_mode(False):  # a state from predict() must also serve in training
            for index, state in enumerate(states):
                setattr(self, f"state_{index}", state.detach().clone())

    # ------------------------------------------------------------------ running

    def kernel_choice(self, x: Any = None, mask: Any = None, training: bool | None = None) -> KernelChoice:
        """Which computation runs for this configuration, and why.

        Args:
            x: Not needed; the choice depends on the configuration only.
            mask: Likewise: masks run on the same kernel.
            training: As in `forward`; recurrent dropout changes the choice while training.
        """
        training = self.training if training is None else training
        fused = self._fused()
        if isinstance(fused, str):
            return KernelChoice("step loop", fused)
        if training and self.recurrent_dropout:
            return KernelChoice("step loop", "recurrent_dropout changes the state between the steps while training")
        return KernelChoice("fused", f"torch's {type(self).__name__} kernel computes this configuration")

    def forward(self, x: Tensor, mask: Any = None, initial_state: Any = None, training: bool | None = None) -> Any:
        """Run the layer.

        Args:
            x: `(B, T, F)`, of the layer's dtype.
            mask: bool `(B, T)`, True = use the step. A masked step keeps the states and repeats the output (zeros
                before the first valid step, or everywhere with `zero_output_for_mask`).
            initial_state: One tensor `(B, U)` for each state; zeros, or the kept states if stateful, if None.
            training: Whether dropout acts; `self.training` if None.

        Returns:
            `(B, U)`, or `(B, T, U)` with `return_sequences`; with `return_state` a tuple of it and the final states.

        Raises:
            ShapeError: x, mask or a state has another shape than the layer needs.
        """
        if isinstance(x, (list, tuple)):  # Keras 2 passes the states behind the input
            x, initial_state = x[0], list(x[1:]) or initial_state
        training = self.training if training is None else training
        x = self._check_input(x)
        states = self._start(x, initial_state)
        valid = self._check_mask(x, mask)
        if self.go_backwards:
            x = x.flip(1)
            valid = None if valid is None else valid.flip(1)
        out, states = self._run(x, states, valid, training)
        if self.stateful:
            self._keep(states)
        if valid is not None and self.zero_output_for_mask:
            out = out * valid.unsqueeze(-1)
        result = out if self.return_sequences else out[:, -1]
        return (result, *states) if self.return_state else result

    def _run(self, x: Tensor, states: States, mask: Tensor | None, training: bool) -> tuple[Tensor, States]:
        choice = self.kernel_choice(training=training)
        drop = self._dropout_masks(x[:, 0], self.dropout) if training and self.dropout else None
        if choice.path == "fused" and (drop is None or drop.shape[0] == 1):
            kernel = self._fused()
            assert not isinstance(kernel, str)
            x = x if drop is None else x * drop[0].unsqueeze(1)
            weights = self._kernel_weights()
            if mask is None:
                return kernel(x, states, weights)
            want_cell = self.STATES == 2 and (self.return_state or self.stateful)
            return masked(kernel, x, states, weights, mask, want_cell)
        recurrent_drop = None
        if training and self.recurrent_dropout:
            recurrent_drop = self._dropout_masks(states[0], self.recurrent_dropout)
        gates = gate_linear(x, self.weight_ih_l0, self.bias_ih_l0 if self.use_bias else None, drop)
        return loop(self._cell(recurrent_drop), gates, states, mask)

    def _kernel_weights(self) -> list[Tensor]:
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")[: 4 if self.use_bias else 2]
        return [getattr(self, name) for name in names]

    def _dropout_masks(self, like: Tensor, rate: float) -> Tensor:
        """Dropout masks `(1, B, F)` for the whole sequence, or `(G, B, F)`, one for each gate, in implementation 1."""
        count = self.GATES if self.implementation == 1 else 1
        return F.dropout(like.new_ones(count, *like.shape), rate, training=True)

    # ------------------------------------------------------------------ checks

    def _check_input(self, x: Any) -> Tensor:
        if not isinstance(x, Tensor):
            raise ArgumentError(
                f"{repr_of(self)}: expected a tensor (batch, timesteps, features), got {quote(type(x).__name__)}."
            )
        if x.ndim != 3 or x.shape[2] != self.weight_ih_l0.shape[1]:
            self.check_input_shape(tuple(x.shape))
        if x.shape[1] == 0:
            raise ShapeError(f"{repr_of(self)}: expected at least one timestep, got {tuple(x.shape)}.")
        if not x.is_floating_point():
            x = x.to(self.weight_ih_l0.dtype)
        if x.dtype != self.weight_ih_l0.dtype and not torch.is_autocast_enabled(x.device.type):
            raise ArgumentError(
                f"{repr_of(self)}: the input is {x.dtype}, the weights are {self.weight_ih_l0.dtype}; "
                "convert one of them, for example x.to(layer.dtype)."
            )
        return x

    def _check_mask(self, x: Tensor, mask: Any) -> Tensor | None:
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        if mask is None:
            return None
        mask = torch.as_tensor(mask, device=x.device)
        if mask.ndim == 3 and mask.shape[-1] == 1:
            mask = mask[..., 0]
        if tuple(mask.shape) != tuple(x.shape[:2]):
            raise ShapeError(
                f"{repr_of(self)}: expected a mask of shape (batch, timesteps) = {tuple(x.shape[:2])}, "
                f"got {tuple(mask.shape)}."
            )
        return mask if mask.dtype == torch.bool else mask != 0


def fused_if(conditions: Sequence[tuple[bool, str]], kernel: Kernel) -> Kernel | str:
    """`kernel` if every condition holds, else the reasons of those that do not."""
    reasons = [reason for holds, reason in conditions if not holds]
    return "; ".join(reasons) if reasons else kernel


def is_activation(function: Any, name: str) -> bool:
    return function is activations.get(name)
