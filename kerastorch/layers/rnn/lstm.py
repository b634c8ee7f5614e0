"""LSTM (Hochreiter & Schmidhuber 1997), as Keras computes it; CuDNNLSTM, its two-bias form of Keras 2; LSTMCell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ... import activations, gates
from ...base import check
from ...base.input_spec import with_axes
from ...base.layer import Example, register
from ...kernels import equations
from ...kernels.equations import Steps
from ...kernels.fused import fused_lstm
from ...kernels.types import Activation, Kernel
from ...weights import Var, halves, per_gate, reinterpret
from . import torch_modules
from .gated_cell import CELL_CONFIG, GatedCell, without_layer_number
from .recurrent import COMMON_CONFIG, Recurrent, fused_if, is_activation, recurrent_weights, second_bias

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .gated_cell import CellOptions
    from .recurrent import RecurrentOptions


def _bias_with_open_forget_gate(layer: Any) -> Callable[..., Tensor]:
    """Ones for the forget gate, so that a fresh layer remembers (Jozefowicz et al. 2015)."""
    if not layer.unit_forget_bias:
        return layer.bias_initializer
    initializer, units = check.initializer(layer, "bias_initializer", "unit_forget_bias=True"), layer.units

    def init(shape: tuple[int, ...], dtype: Any = None, device: Any = None) -> Tensor:
        bias = initializer(shape, dtype=dtype, device=device)
        forget = slice(units, 2 * units)  # i f c o
        return torch.cat([bias[:units], torch.ones_like(bias[forget]), bias[2 * units : 4 * units], bias[4 * units :]])

    return init


@register("LSTM")
class LSTM(Recurrent):
    """Long short-term memory, as `keras.layers.LSTM`.

    Per step, with gates i f c o: `c' = sigmoid(f) * c + sigmoid(i) * tanh(g)`, `h' = sigmoid(o) * tanh(c')`. With the
    default activations it runs on torch's fused LSTM kernel, masked or not.

    Args:
        units: Size of the state and of the output.
        activation: Of the candidate and of the cell on its way out.
        recurrent_activation: Of the three gates.
        use_bias: Whether there is a bias.
        unit_forget_bias: Whether a fresh layer's forget-gate bias is 1.
        **options: `RecurrentOptions`: `return_sequences`, `return_state`, `go_backwards`, `stateful`, `dropout`,
            `recurrent_dropout`, initialisers, regularisers, constraints, `name`, `dtype`, ...

    Variables:
        kernel: `(F, 4U)`, gates i f c o -> `weight_ih_l0` `(4U, F)`
        recurrent_kernel: `(U, 4U)` -> `weight_hh_l0` `(4U, U)`
        bias: `(4U,)` -> `bias_ih_l0`; `bias_hh_l0` is torch's second bias: zero, not trained, not counted

    Example:
        >>> LSTM(5, return_sequences=True)(torch.zeros(2, 20, 1)).shape
        torch.Size([2, 20, 5])
    """

    _keras_spec = with_axes(3)
    CELL = gates.LSTM
    STATES = 2
    WEIGHTS = (
        *recurrent_weights(gates.LSTM),
        Var(
            "bias",
            ("bias_ih_l0",),
            lambda l, s: (4 * l.units,),
            when=lambda l: l.use_bias,
            init=_bias_with_open_forget_gate,
        ),
    )
    FILLERS = (second_bias(gates.LSTM),)
    CONFIG = ("units", "activation", "recurrent_activation", "use_bias", "unit_forget_bias", *COMMON_CONFIG)
    EXAMPLES = (
        Example("default", dict(units=5), (2, 7, 3)),
        Example("all outputs", dict(units=5, return_sequences=True, return_state=True), (2, 7, 3)),
        Example("other activations", dict(units=4, activation="relu", recurrent_activation="hard_sigmoid"), (2, 7, 3)),
        Example("no bias, backwards", dict(units=4, use_bias=False, go_backwards=True), (2, 7, 3)),
    )

    recurrent_activation: Activation

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        *,
        unit_forget_bias: bool = True,
        **options: Unpack[RecurrentOptions],
    ) -> None:
        super().__init__(units, activation, use_bias, **options)
        self._configure(recurrent_activation=recurrent_activation)
        self.unit_forget_bias = check.boolean("unit_forget_bias", unit_forget_bias)

    def _fused(self) -> Kernel | str:
        return fused_if(
            (
                (is_activation(self.activation, "tanh"), "torch's LSTM kernel has activation tanh only"),
                (
                    is_activation(self.recurrent_activation, "sigmoid"),
                    "torch's LSTM kernel has recurrent_activation sigmoid only",
                ),
            ),
            fused_lstm,
        )

    def _to_torch(self, backwards: bool = False) -> nn.RNNBase:
        return torch_modules.recurrent(nn.LSTM, self, backwards)

    def _steps(self, drop: Tensor | None) -> Steps:
        return Steps(equations.LSTM, self.weight_hh_l0, None, self.activation, self.recurrent_activation, drop)


@register("CuDNNLSTM")
class CuDNNLSTM(Recurrent):
    """`keras.layers.CuDNNLSTM` of Keras 2: an LSTM with cuDNN's two biases, both trained and counted.

    Args:
        units: Size of the state and of the output.
        unit_forget_bias: Whether a fresh layer's (input) forget-gate bias is 1.
        **options: `RecurrentOptions`, as far as CuDNNLSTM had them (no dropout, no activations).

    Variables:
        kernel: `(F, 4U)`, gates i f c o, each block in cuDNN's memory order -> `weight_ih_l0` `(4U, F)`
        recurrent_kernel: `(U, 4U)` -> `weight_hh_l0` `(4U, U)`
        bias: `(8U,)`, input then recurrent -> `bias_ih_l0`, `bias_hh_l0`

    Example:
        >>> CuDNNLSTM(5)(torch.zeros(2, 20, 1)).shape
        torch.Size([2, 5])
    """

    VARS_PATH = ""  # the layer has no cell
    CELL = gates.LSTM
    STATES = 2
    WEIGHTS = (
        Var("kernel", ("weight_ih_l0",), lambda l, s: (s[-1], 4 * l.units), per_gate(gates.LSTM.torch, reinterpret)),
        Var(
            "recurrent_kernel",
            ("weight_hh_l0",),
            lambda l, s: (l.units, 4 * l.units),
            per_gate(gates.LSTM.torch, reinterpret),
            stem="recurrent",
        ),
        Var(
            "bias",
            ("bias_ih_l0", "bias_hh_l0"),
            lambda l, s: (8 * l.units,),
            halves(),
            init=_bias_with_open_forget_gate,
        ),
    )
    CONFIG = (
        "units",
        "unit_forget_bias",
        *(key for key in COMMON_CONFIG if key not in ("dropout", "recurrent_dropout", "unroll", "seed")),
    )
    INERT = ()
    EXAMPLES = (Example("default", dict(units=5, return_sequences=True), (2, 7, 3)),)

    def __init__(self, units: int, *, unit_forget_bias: bool = True, **options: Unpack[RecurrentOptions]) -> None:
        super().__init__(units, **options)
        self.unit_forget_bias = check.boolean("unit_forget_bias", unit_forget_bias)

    def _fused(self) -> Kernel | str:
        return fused_lstm

    def _to_torch(self, backwards: bool = False) -> nn.RNNBase:
        return torch_modules.recurrent(nn.LSTM, self, backwards)

    def _input_bias(self, weights: Sequence[Tensor]) -> Tensor | None:
        return weights[2] + weights[3]

    def _steps(self, drop: Tensor | None) -> Steps:
        return Steps(equations.LSTM, self.weight_hh_l0, None, activations.tanh, activations.sigmoid, drop)


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

    CELL = gates.LSTM
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
        return torch_modules.cell(nn.LSTMCell, self)

    def _steps(self, drop: Tensor | None) -> Steps:
        return Steps(equations.LSTM, self.weight_hh, None, self.activation, self.recurrent_activation, drop)
