"""What LSTMCell, GRUCell and SimpleRNNCell share: one step, all steps at once, dropout masks, and the states."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ...base.dtype_policy import call_in_policy
from ...base.input_checks import float_tensor, one_shape, sizes_at
from ...base.layer import Layer
from ...base.variable import VariableAttribute
from ...base.weighted import repr_of
from ...errors import ShapeError, UnsupportedError
from ...gates import Cell
from ...kernels import input_product, step_engine
from ...kernels.equations import Steps
from ...kernels.fused import masked
from ...kernels.step_loop import gate_linear
from ...kernels.types import Activation, Kernel, KernelChoice, States
from ...weights import Filler, Shape, Var
from .given_states import check_count, check_fit, check_shapes, given_states, parts_of
from .kernel_choice import choice_of, drops, keep_gated_arguments, kernel_for
from .recurrent import COMMON_CONFIG
from .sequence import SEQUENCE_CONFIG

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    from ...base.options import BaseOptions

    class CellOptions(TypedDict, total=False):
        """The arguments that every cell takes by keyword; Keras's names, defaults and meaning."""

        kernel_initializer: Any
        recurrent_initializer: Any
        bias_initializer: Any
        kernel_regularizer: Any
        recurrent_regularizer: Any
        bias_regularizer: Any
        kernel_constraint: Any
        recurrent_constraint: Any
        bias_constraint: Any
        dropout: float
        recurrent_dropout: float
        seed: int | None
        implementation: Literal[0, 1, 2]
        name: str | None
        dtype: Any
        trainable: bool


# What a layer over time and its cell have in common.
CELL_CONFIG = tuple(key for key in COMMON_CONFIG if key not in (*SEQUENCE_CONFIG, "activity_regularizer"))
_Declared = TypeVar("_Declared", Var, Filler)


def without_layer_number(declared: Iterable[_Declared]) -> tuple[_Declared, ...]:
    """The declarations of a layer for its cell: `weight_ih_l0` of nn.LSTM is `weight_ih` of nn.LSTMCell."""
    made = []
    for item in declared:
        if isinstance(item, Var):
            made.append(replace(item, params=tuple(name.removesuffix("_l0") for name in item.params)))
        else:
            made.append(replace(item, name=item.name.removesuffix("_l0")))
    return tuple(made)


class GatedCell(Layer):
    """One step of a gated recurrent layer; abstract. See `LSTMCell`, `GRUCell`, `SimpleRNNCell`."""

    INERT = ("implementation", "seed")
    CELL: ClassVar[Cell]
    units: int
    use_bias: bool
    dropout: float
    recurrent_dropout: float
    implementation: int
    STATES: ClassVar[int] = 1
    kernel: VariableAttribute
    recurrent_kernel: VariableAttribute
    bias: VariableAttribute
    seed: Any
    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor
    activation: Activation
    recurrent_activation: Activation  # of a cell that has gates

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
        implementation: int = 2,
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(**base)
        if self.activity_regularizer is not None:
            raise UnsupportedError(
                f"{repr_of(self)}: activity_regularizer is not supported on a cell (in Keras its penalty depends on "
                "how often the layer around happens to call the cell); give it to that layer."
            )
        keep_gated_arguments(
            self,
            units,
            use_bias,
            dropout,
            recurrent_dropout,
            seed,
            implementation,
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
        self._dropout_mask: Tensor | None = None
        self._recurrent_dropout_mask: Tensor | None = None

    # ------------------------------------------------------------------ what a subclass defines

    @abstractmethod
    def _fused(self) -> Kernel | str:
        """The fused kernel that runs this cell over time, or the reason why there is none."""

    @abstractmethod
    def _steps(self, drop: Tensor | None) -> Steps:
        """The recurrence; `drop` is the recurrent dropout mask of each gate."""

    # ------------------------------------------------------------------ shapes and states

    @property
    def state_size(self) -> Any:
        """The size of the state: one integer, or a list of one for each state."""
        return self.units if type(self).STATES == 1 else [self.units] * type(self).STATES

    @property
    def output_size(self) -> int:
        return self.units

    def get_initial_state(self, batch_size: int | None = None, inputs: Any = None, dtype: Any = None) -> list[Tensor]:
        """Zeros `(B, U)`, one for each state.

        Args:
            batch_size: B; that of `inputs` if None, else 1.
            inputs: Where the batch size, device and dtype come from, if given.
            dtype: Of the zeros; that of the weights if None.
        """
        device = self._on_device if inputs is None else inputs.device
        dtype = dtype or (self.dtype if inputs is None else inputs.dtype)
        rows = batch_size if batch_size is not None else 1 if inputs is None else inputs.shape[0]
        return [torch.zeros(rows, self.units, dtype=dtype, device=device) for _ in range(type(self).STATES)]

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, rank=2, meaning="(batch, features)")
        (features,) = sizes_at(self, input_shape, (1,))
        expected = self._build_shape[-1] if self._built and self._build_shape is not None else features
        if features != expected:
            raise ShapeError(
                f"{repr_of(self)}: expected {expected} features, got {features} (input of shape {tuple(input_shape)})."
            )

    def compute_output_shape(self, input_shape: Shape) -> Any:
        self._check_input_shape(input_shape)
        shape = (input_shape[0], self.units)
        return shape, [shape] * type(self).STATES

    def _shape_of_call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        output, given = super()._shape_of_call(args, kwargs), given_states(self, args, kwargs, "states")
        if given is not None:
            check_shapes(self, parts_of(given), [(self.units,)] * type(self).STATES, args[0][0] if args else None)
        return output

    # ------------------------------------------------------------------ dropout

    def get_dropout_mask(self, x: Tensor) -> Tensor | None:
        """The mask for inputs like `x` `(B, F)`, or None where there is no dropout.

        It is drawn once and kept until `reset_dropout_mask`, so that all steps of a sequence drop the same; `RNN`
        resets it behind each sequence.

        Returns:
            `(1, B, F)`, or in implementation 1 `(G, B, F)`, one for each gate in Keras's order.
        """
        self._dropout_mask = self._mask(self._dropout_mask, x, self.dropout)
        return self._dropout_mask

    def get_recurrent_dropout_mask(self, h: Tensor) -> Tensor | None:
        """Likewise for the state `h` `(B, U)`."""
        self._recurrent_dropout_mask = self._mask(self._recurrent_dropout_mask, h, self.recurrent_dropout)
        return self._recurrent_dropout_mask

    def reset_dropout_mask(self) -> None:
        """Draw a new mask at the next step."""
        self._dropout_mask = None

    def reset_recurrent_dropout_mask(self) -> None:
        """Draw a new mask at the next step."""
        self._recurrent_dropout_mask = None

    def _mask(self, kept: Tensor | None, like: Tensor, rate: float) -> Tensor | None:
        if not drops(self, rate):
            return None
        if kept is not None and kept.shape[1:] == like.shape:
            return kept.to(like)
        count = type(self).CELL.count if self.implementation == 1 else 1
        return F.dropout(like.new_ones(count, *like.shape), rate, training=True)

    def _gate_masks(self, x: Tensor, h: Tensor, training: bool) -> tuple[Tensor | None, Tensor | None]:
        """Both masks, with the gates in torch's order."""
        if not training:
            return None, None
        masks = self.get_dropout_mask(x), self.get_recurrent_dropout_mask(h)
        x_mask, h_mask = (
            mask if mask is None or len(mask) == 1 else type(self).CELL.stacked("torch", mask) for mask in masks
        )
        return x_mask, h_mask

    # ------------------------------------------------------------------ running

    def forward(self, x: Tensor, states: Any = None, training: bool | None = None) -> tuple[Tensor, Any]:
        """Compute one step.

        Args:
            x: `(B, F)`, of the cell's dtype.
            states: One tensor `(B, U)` for each state; zeros if None.
            training: Whether dropout acts; `self.training` if None.

        Returns:
            The output `(B, U)`, and the new states as a list (as one tensor if `states` is one).

        Raises:
            ShapeError: x or a state has another shape than the cell needs.
        """
        x = float_tensor(self, x, self.dtype)
        self._check_input_shape(tuple(x.shape))
        bare = isinstance(states, Tensor)
        flat = self._check_states(x, self.get_initial_state(inputs=x) if states is None else states)
        drop, recurrent_drop = self._gate_masks(x, flat[0], self.training if training is None else training)
        gates = gate_linear(x, self.weight_ih, self.bias_ih if self.use_bias else None, drop)
        steps = self._steps(recurrent_drop)
        new = steps.equations.cell(steps)(gates, flat)
        return new[0], new[0] if bare else list(new)

    def _check_states(self, x: Tensor, states: Any) -> States:
        given, sizes = parts_of(states), [(self.units,)] * type(self).STATES
        check_count(self, given, sizes)
        flat = tuple(torch.as_tensor(state, dtype=self.dtype, device=x.device) for state in given)
        for index, (state, size) in enumerate(zip(flat, sizes, strict=True)):
            check_fit(self, index, tuple(state.shape), size, x.shape[0])
        return flat

    def kernel_choice(self, x: Any = None, mask: Any = None, training: bool | None = None) -> KernelChoice:
        """Which computation `RNN` runs for this cell's configuration, and why.

        Args:
            x: The sequences `(B, T, F)`, or None if their size is not known.
            mask: Not needed: masks run on the same kernel.
            training: As in `forward`; recurrent dropout changes the choice while training.
        """
        weights = [] if x is None else self._kernel_weights()
        kernel = kernel_for(self, self._fused(), x, weights, self.training if training is None else training)
        return choice_of(kernel, f"torch's kernel for sequences computes this {type(self).__name__}")

    def _kernel_weights(self) -> list[Tensor]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if self.use_bias else 2]
        return [getattr(self, name) for name in names]

    def _run_all(
        self, x: Tensor, states: States, mask: Tensor | None, training: bool, want_states: bool
    ) -> tuple[Tensor, States]:
        """All steps of `x` `(B, T, F)` at once, with the numbers of one call for each step.

        Args:
            x: `(B, T, F)`.
            states: `(B, U)` each.
            mask: bool `(B, T)`; a masked step repeats the output (zeros before the first valid one), keeps the states.
            training: Whether dropout acts.
            want_states: Whether all final states are needed, or only the first.

        Returns:
            Outputs `(B, T, U)` and the final states.
        """
        run = call_in_policy if self._casts else lambda cell, function, args, options: function(*args, **options)
        return run(self, self._run, (x, states, mask, training, want_states), {})

    def _run(
        self, x: Tensor, states: States, mask: Tensor | None, training: bool, want_states: bool
    ) -> tuple[Tensor, States]:
        drop, recurrent_drop = self._gate_masks(x[:, 0], states[0], training)
        weights = self._kernel_weights()
        kernel = kernel_for(self, self._fused(), x, weights, training)
        if isinstance(kernel, KernelChoice):
            inputs = step_engine.Inputs(
                x, self.weight_ih, self.bias_ih if self.use_bias else None, drop, input_product.LINEAR
            )
            return step_engine.run(self._steps(recurrent_drop), inputs, states, mask)
        x = x if drop is None else x * drop[0].unsqueeze(1)
        if mask is None:
            return kernel(x, states, weights)
        return masked(kernel, x, states, weights, mask, want_states=want_states)
