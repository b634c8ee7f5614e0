"""SimpleRNN: the Elman network (Elman 1990), as Keras computes it; SimpleRNNCell, one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ... import gates
from ...activations import linear
from ...base.input_spec import InputSpec
from ...base.layer import Example, register
from ...kernels import equations
from ...kernels.equations import Steps
from ...kernels.fused import fused_rnn_relu, fused_rnn_tanh
from ...kernels.types import Kernel
from ...weights import Var
from . import torch_modules
from .gated_cell import CELL_CONFIG, GatedCell, without_layer_number
from .recurrent import COMMON_CONFIG, Recurrent, is_activation, recurrent_weights, second_bias

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .gated_cell import CellOptions
    from .recurrent import RecurrentOptions


@register("SimpleRNN")
class SimpleRNN(Recurrent):
    """A fully connected recurrent layer, as `keras.layers.SimpleRNN`: `h' = tanh(x W + h R + b)`.

    With activation tanh or relu it runs on torch's fused RNN kernel, masked or not; on the CPU, where that is faster,
    on a step loop of kerastorch's own (`kernel_choice` tells).

    Args:
        units: Size of the state and of the output.
        activation: Of the state.
        use_bias: Whether there is a bias.
        **options: `RecurrentOptions`: `return_sequences`, `return_state`, `go_backwards`, `stateful`, `dropout`,
            `recurrent_dropout`, initialisers, regularisers, constraints, `name`, `dtype`, ...

    Variables:
        kernel: `(F, U)` -> `weight_ih_l0` `(U, F)`
        recurrent_kernel: `(U, U)` -> `weight_hh_l0` `(U, U)`
        bias: `(U,)` -> `bias_ih_l0`; `bias_hh_l0` is torch's second bias: zero, not trained, not counted

    Example:
        >>> SimpleRNN(64)(torch.zeros(2, 20, 1)).shape
        torch.Size([2, 64])
    """

    CELL = gates.SIMPLE_RNN
    WEIGHTS = (
        *recurrent_weights(gates.SIMPLE_RNN),
        Var("bias", ("bias_ih_l0",), lambda l, s: (l.units,), when=lambda l: l.use_bias),
    )
    FILLERS = (second_bias(gates.SIMPLE_RNN),)
    CONFIG = ("units", "activation", "use_bias", *COMMON_CONFIG)
    EXAMPLES = (
        Example("default", dict(units=5), (2, 7, 3)),
        Example("relu", dict(units=5, activation="relu", return_sequences=True, return_state=True), (2, 7, 3)),
        Example("other activation", dict(units=4, activation="elu"), (2, 7, 3)),
        Example("no bias, backwards", dict(units=4, use_bias=False, go_backwards=True), (2, 7, 3)),
    )

    def __init__(
        self, units: int, activation: Any = "tanh", use_bias: bool = True, **options: Unpack[RecurrentOptions]
    ) -> None:
        super().__init__(units, activation, use_bias, **options)

    def _keras_spec(self) -> Any:
        return [InputSpec(ndim=3)]

    def _fused(self) -> Kernel | str:
        if is_activation(self.activation, "tanh"):
            return fused_rnn_tanh
        if is_activation(self.activation, "relu"):
            return fused_rnn_relu
        return "torch's RNN kernel has activation tanh or relu only"

    def _to_torch(self, backwards: bool = False) -> nn.RNNBase:
        nonlinearity = "relu" if is_activation(self.activation, "relu") else "tanh"
        return torch_modules.recurrent(nn.RNN, self, backwards, nonlinearity=nonlinearity)

    def _steps(self, drop: Tensor | None) -> Steps:
        return Steps(equations.SimpleRNN, self.weight_hh_l0, None, self.activation, linear, drop)


@register("SimpleRNNCell")
class SimpleRNNCell(GatedCell):
    """One step of `SimpleRNN`, as `keras.layers.SimpleRNNCell`: `h' = tanh(x W + h R + b)`.

    Args:
        units: Size of the state and of the output.
        activation: Of the state.
        use_bias: Whether there is a bias.
        **options: `CellOptions`: `dropout`, `recurrent_dropout`, initialisers, regularisers, constraints, `name`, ...

    Variables:
        kernel: `(F, U)` -> `weight_ih` `(U, F)`, as in nn.RNNCell
        recurrent_kernel: `(U, U)` -> `weight_hh` `(U, U)`
        bias: `(U,)` -> `bias_ih`; `bias_hh` is torch's second bias: zero, not trained, not counted

    Example:
        >>> y, [h] = SimpleRNNCell(5)(torch.zeros(2, 3), [torch.zeros(2, 5)])
        >>> y.shape
        torch.Size([2, 5])
    """

    CELL = gates.SIMPLE_RNN
    WEIGHTS = without_layer_number(SimpleRNN.WEIGHTS)
    FILLERS = without_layer_number(SimpleRNN.FILLERS)
    CONFIG = ("units", "activation", "use_bias", *CELL_CONFIG)
    EXAMPLES = (
        Example("default", dict(units=5), (2, 3)),
        Example("other activation", dict(units=4, activation="elu"), (2, 3)),
        Example("no bias", dict(units=4, use_bias=False), (2, 3)),
    )

    def __init__(
        self, units: int, activation: Any = "tanh", use_bias: bool = True, **options: Unpack[CellOptions]
    ) -> None:
        super().__init__(units, activation, use_bias, **options)

    def _fused(self) -> Kernel | str:
        if is_activation(self.activation, "tanh"):
            return fused_rnn_tanh
        if is_activation(self.activation, "relu"):
            return fused_rnn_relu
        return "torch's RNN kernel has activation tanh or relu only"

    def _to_torch(self) -> nn.Module:
        nonlinearity = "relu" if is_activation(self.activation, "relu") else "tanh"
        return torch_modules.cell(nn.RNNCell, self, nonlinearity=nonlinearity)

    def _steps(self, drop: Tensor | None) -> Steps:
        return Steps(equations.SimpleRNN, self.weight_hh, None, self.activation, linear, drop)
