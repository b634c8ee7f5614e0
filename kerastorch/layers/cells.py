"""LSTMCell, GRUCell, SimpleRNNCell: one step of LSTM, GRU and SimpleRNN, as Keras computes it; for `RNN`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ..activations import linear
from ..base import check
from ..base.layer import Example, register
from ..kernels import equations
from ..kernels.equations import Steps
from ..kernels.fused import fused_gru, fused_lstm, fused_rnn_relu, fused_rnn_tanh
from ..kernels.types import Kernel
from . import _recurrent_to_torch
from ._gated_cell import CELL_CONFIG, GatedCell, without_layer_number
from ._recurrent import fused_if, is_activation
from .gru import GRU
from .lstm import LSTM
from .simple_rnn import SimpleRNN

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._gated_cell import CellOptions


@register("LSTMCell")
class LSTMCell(GatedCell):
    """One step of `LSTM`, as `keras.layers.LSTMCell`; `RNN(LSTMCell(5))` computes what `LSTM(5)` computes.

    Args:
        units: Size of the state and of the output.
        activation: Of the candidate and of the cell on its way out.
        recurrent_activation: Of the three gates.
        use_bias: Whether there is a bias.
        unit_forget_bias: Whether a fresh cell's forget-gate bias is 1.
        **options: `CellOptions`: `dropout`, `recurrent_dropout`, initialisers, regularisers, constraints, `name`, ...

    Variables:
        kernel: `(F, 4U)`, gates i f c o -> `weight_ih` `(4U, F)`, as in nn.LSTMCell
        recurrent_kernel: `(U, 4U)` -> `weight_hh` `(4U, U)`
        bias: `(4U,)` -> `bias_ih`; `bias_hh` is torch's second bias: zero, not trained, not counted

    Example:
        >>> y, (h, c) = LSTMCell(5)(torch.zeros(2, 3), [torch.zeros(2, 5), torch.zeros(2, 5)])
        >>> y.shape
        torch.Size([2, 5])
    """

    GATES = 4
    STATES = 2
    WEIGHTS = without_layer_number(LSTM.WEIGHTS)
    FILLERS = without_layer_number(LSTM.FILLERS)
    CONFIG = ("units", "activation", "recurrent_activation", "use_bias", "unit_forget_bias", *CELL_CONFIG)
    EXAMPLES = (
        Example("default", dict(units=5), (2, 3)),
        Example("other activations", dict(units=4, activation="relu", recurrent_activation="hard_sigmoid"), (2, 3)),
        Example("no bias", dict(units=4, use_bias=False), (2, 3)),
    )

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        *,
        unit_forget_bias: bool = True,
        **options: Unpack[CellOptions],
    ) -> None:
        super().__init__(units, activation, use_bias, **options)
        self._configure(recurrent_activation=recurrent_activation)
        self.unit_forget_bias = check.boolean("unit_forget_bias", unit_forget_bias)

    def _fused(self) -> Kernel | str:
        tanh, sigmoid = is_activation(self.activation, "tanh"), is_activation(self.recurrent_activation, "sigmoid")
        return fused_if(
            (
                (tanh, "torch's LSTM kernel has activation tanh only"),
                (sigmoid, "torch's LSTM kernel has recurrent_activation sigmoid only"),
            ),
            fused_lstm,
        )

    def _to_torch(self) -> nn.Module:
        return _recurrent_to_torch.cell(nn.LSTMCell, self)

    def _steps(self, drop: Tensor | None) -> Steps:
        return Steps(equations.LSTM, self.weight_hh, None, self.activation, self.recurrent_activation, drop)


@register("GRUCell")
class GRUCell(GatedCell):
    """One step of `GRU`, as `keras.layers.GRUCell`; `RNN(GRUCell(5))` computes what `GRU(5)` computes.

    Args:
        units: Size of the state and of the output.
        activation: Of the candidate.
        recurrent_activation: Of the two gates.
        use_bias: Whether there is a bias.
        reset_after: Whether the reset gate acts after the recurrent product (cuDNN) or before it (the original paper).
        **options: `CellOptions`: `dropout`, `recurrent_dropout`, initialisers, regularisers, constraints, `name`, ...

    Variables:
        kernel: `(F, 3U)`, gates z r h -> `weight_ih` `(3U, F)`, gates r z n, as in nn.GRUCell
        recurrent_kernel: `(U, 3U)` -> `weight_hh` `(3U, U)`
        bias: `(2, 3U)`, input, recurrent -> `bias_ih`, `bias_hh`; `(3U,)` -> `bias_ih` without `reset_after`

    Example:
        >>> y, [h] = GRUCell(5)(torch.zeros(2, 3), [torch.zeros(2, 5)])
        >>> y.shape
        torch.Size([2, 5])
    """

    GATES = 3
    MASK_ORDER = GRU.MASK_ORDER
    WEIGHTS = without_layer_number(GRU.WEIGHTS)
    FILLERS = without_layer_number(GRU.FILLERS)
    CONFIG = ("units", "activation", "recurrent_activation", "use_bias", *CELL_CONFIG, "reset_after")
    EXAMPLES = (
        Example("default", dict(units=5), (2, 3)),
        Example("reset before", dict(units=5, reset_after=False), (2, 3)),
        Example("no bias", dict(units=4, use_bias=False), (2, 3)),
    )

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        *,
        reset_after: bool = True,
        **options: Unpack[CellOptions],
    ) -> None:
        super().__init__(units, activation, use_bias, **options)
        self._configure(recurrent_activation=recurrent_activation)
        self.reset_after = check.boolean("reset_after", reset_after)

    def _fused(self) -> Kernel | str:
        tanh, sigmoid = is_activation(self.activation, "tanh"), is_activation(self.recurrent_activation, "sigmoid")
        return fused_if(
            (
                (tanh, "torch's GRU kernel has activation tanh only"),
                (sigmoid, "torch's GRU kernel has recurrent_activation sigmoid only"),
                (self.reset_after, "torch's GRU kernel has reset_after=True only"),
            ),
            fused_gru,
        )

    def _to_torch(self) -> nn.Module:
        return _recurrent_to_torch.cell(nn.GRUCell, self)

    def _steps(self, drop: Tensor | None) -> Steps:
        kind = equations.GRU if self.reset_after else equations.GRUResetBefore
        bias = self.bias_hh if self.use_bias and self.reset_after else None
        return Steps(kind, self.weight_hh, bias, self.activation, self.recurrent_activation, drop)


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

    GATES = 1
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
        return _recurrent_to_torch.cell(nn.RNNCell, self, nonlinearity=nonlinearity)

    def _steps(self, drop: Tensor | None) -> Steps:
        return Steps(equations.SimpleRNN, self.weight_hh, None, self.activation, linear, drop)
