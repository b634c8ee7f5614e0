"""What LSTM, GRU and SimpleRNN share: their arguments, dropout, and the choice of the kernel.

A subclass says which fused kernel fits its configuration (`_fused`), how one step of it is computed (`_steps`), and its
weights; everything else is here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from torch import Tensor
from torch.nn import functional as F

from ... import activations
from ...base import check
from ...base.free_names import yielding
from ...base.variable import VariableAttribute
from ...gates import Cell
from ...kernels import input_product, step_engine
from ...kernels.equations import Steps
from ...kernels.fused import fused_lstm, masked
from ...kernels.operators import is_followed
from ...kernels.types import Activation, Kernel, KernelChoice, States
from ...weights import Filler, Shape, Var
from .inner_cell import cell_in
from .kernel_choice import choice_of, drops, keep_gated_arguments, kernel_for
from .sequence import SEQUENCE_CONFIG, SequenceLayer

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    from ...base.options import BaseOptions

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
        first_state_shows: bool
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
    *SEQUENCE_CONFIG,
)


def recurrent_weights(cell: Cell) -> tuple[Var, Var]:
    """The two kernels of a recurrent layer with these gates."""
    return (
        Var("kernel", ("weight_ih_l0",), lambda l, s: (s[-1], cell.count * l.units), cell.matrix("torch")),
        Var(
            "recurrent_kernel",
            ("weight_hh_l0",),
            lambda l, s: (l.units, cell.count * l.units),
            cell.matrix("torch"),
            stem="recurrent",
        ),
    )


def second_bias(cell: Cell) -> Filler:
    """torch's kernels add two biases, Keras has one: the second is zero and never trains."""
    return Filler("bias_hh_l0", lambda l: (cell.count * l.units,), lambda l: l.use_bias)


class Recurrent(SequenceLayer):
    """A gated layer over `(B, T, F)`; abstract. See `LSTM`, `GRU`, `SimpleRNN`."""

    INERT = ("unroll", "implementation", "use_cudnn", "time_major", "seed", "first_state_shows")
    VARS_PATH = "cell"
    CELL: ClassVar[Cell]
    units: int
    use_bias: bool
    dropout: float
    recurrent_dropout: float
    implementation: int
    kernel: VariableAttribute
    recurrent_kernel: VariableAttribute
    bias: VariableAttribute
    seed: Any
    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor
    activation: Activation
    recurrent_activation: Activation
    STATES: ClassVar[int] = 1
    _inner_cell: Any = None  # once somebody has asked for `cell`

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
        use_cudnn: Any = "auto",
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(**base)
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
        self.use_cudnn = check.one_of("use_cudnn", use_cudnn, ("auto", True, False))
        self._register_states(type(self).STATES)

    # ------------------------------------------------------------------ what a subclass defines

    @abstractmethod
    def _fused(self) -> Kernel | str:
        """The fused kernel for this configuration, or the reason why there is none."""

    @abstractmethod
    def _steps(self, drop: Tensor | None) -> Steps:
        """The recurrence, for the step loop; `drop` is the recurrent dropout mask of each gate."""

    @yielding
    def cell(self) -> Any:
        """The cell inside, as Keras has it: `LSTMCell` and the like, with this layer's own weights."""
        if not type(self).VARS_PATH:
            raise AttributeError(f"{type(self).__name__} has no cell: its kernels are cuDNN's")
        return cell_in(self)

    # ------------------------------------------------------------------ shapes

    @property
    def state_size(self) -> list[int]:
        """The size of each state."""
        return [self.units] * type(self).STATES

    @property
    def _state_sizes(self) -> list[Shape]:
        return [(self.units,)] * type(self).STATES

    def _output_size(self, input_shape: Shape) -> Shape:
        return (self.units,)

    # ------------------------------------------------------------------ running

    def kernel_choice(self, x: Any = None, mask: Any = None, training: bool | None = None) -> KernelChoice:
        """Which computation runs for this configuration, and why.

        Args:
            x: The input, or None if its size is not known; then it is taken for a batch of more than one row.
            mask: Not needed: masks run on the same kernel.
            training: As in `forward`; recurrent dropout changes the choice while training.
        """
        training = self.training if training is None else training
        if self._drops_weights(x, training):
            return KernelChoice("fused", "dropout in a batch of one is the same as weights with zeros in them")
        computes = f"torch's {type(self).__name__} kernel computes this configuration"
        weights = [] if x is None else self._kernel_weights()
        return choice_of(kernel_for(self, self._fused(), x, weights, training), computes)

    def _drops_weights(self, x: Tensor | None, training: bool) -> bool:
        """Whether torch's kernel runs with weights that are dropped, for a batch of one."""
        if not training or x is None or not _is_one(x) or not (self.dropout or self.recurrent_dropout):
            return False
        # torch's other kernels are loops on the CPU, and train more slowly than ours.
        kernel = self._fused()
        if isinstance(kernel, str) or (x.is_cpu and kernel is not fused_lstm):
            return False
        dropped = drops(self, self.dropout) or drops(self, self.recurrent_dropout)
        return dropped and not step_engine.outruns(kernel, x, self._kernel_weights())

    def _run(self, x: Tensor, states: States, mask: Tensor | None, training: bool) -> tuple[Tensor, States]:
        weights = self._kernel_weights()
        kernel = self._fused()
        if not self._drops_weights(x, training):
            kernel = kernel_for(self, kernel, x, weights, training)
        drop = self._gate_masks(x[:, 0], self.dropout) if training and drops(self, self.dropout) else None
        recurrent_drop = None
        if training and drops(self, self.recurrent_dropout):
            recurrent_drop = self._gate_masks(states[0], self.recurrent_dropout)
        if (drop is not None or recurrent_drop is not None) and _is_one(x):
            weights[0], weights[1] = _dropped(weights[0], drop), _dropped(weights[1], recurrent_drop)
            drop = recurrent_drop = None
        if not isinstance(kernel, (KernelChoice, str)):
            x = x if drop is None else x * drop[0].unsqueeze(1)
            if mask is None:
                return kernel(x, states, weights)
            return masked(
                kernel,
                x,
                states,
                weights,
                mask,
                want_states=self.return_state or self.stateful,
                only_last=not self.return_sequences,
                hide=self.zero_output_for_mask,
            )
        inputs = step_engine.Inputs(x, weights[0], self._input_bias(weights), drop, input_product.LINEAR)
        steps = self._steps(recurrent_drop)._replace(w_hh=weights[1])
        out, states = step_engine.run(steps, inputs, states, mask, only_last=not self.return_sequences)
        return self._hide(out, None if mask is None else mask[:, -out.shape[1] :]), states

    def _kernel_weights(self) -> list[Tensor]:
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")[: 4 if self.use_bias else 2]
        return [getattr(self, name) for name in names]

    def _input_bias(self, weights: Sequence[Tensor]) -> Tensor | None:
        """What is added to the inputs' part of the gates."""
        return weights[2] if self.use_bias else None

    def _dropout_masks(self, like: Tensor, rate: float) -> Tensor:
        """Draw masks `(1, B, F)` for the whole sequence, or `(G, B, F)`, one for each gate, in implementation 1.

        The gates are in Keras's order. All noise of the layer comes from here: the tests put given masks in its place.
        """
        count = type(self).CELL.count if self.implementation == 1 else 1
        return F.dropout(like.new_ones(count, *like.shape), rate, training=True)

    def _gate_masks(self, like: Tensor, rate: float) -> Tensor:
        """`_dropout_masks`, with the gates in torch's order."""
        masks = self._dropout_masks(like, rate)
        return masks if len(masks) == 1 else type(self).CELL.stacked("torch", masks)


def _is_one(x: Tensor) -> bool:
    """Whether x is a batch of one, and no graph is taken, which must serve any batch."""
    return not is_followed() and x.shape[0] == 1


def _dropped(weight: Tensor, masks: Tensor | None) -> Tensor:
    """`(G*U, F)` with the dropout masks `(G, 1, F)`, or `(1, 1, F)`, of what it is multiplied with put into it."""
    return weight if masks is None else (weight.unflatten(0, (len(masks), -1)) * masks).flatten(0, 1)


def fused_if(conditions: Sequence[tuple[bool, str]], kernel: Kernel) -> Kernel | str:
    """`kernel` if every condition holds, else the reasons of those that do not."""
    reasons = [reason for holds, reason in conditions if not holds]
    return "; ".join(reasons) if reasons else kernel


def is_activation(function: Any, name: str) -> bool:
    return function is activations.get(name)
