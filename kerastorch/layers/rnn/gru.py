"""GRU (Cho et al. 2014), in Keras's two variants; CuDNNGRU, the cuDNN form of Keras 2; GRUCell, one step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ... import activations, gates
from ...base import check
from ...base.input_spec import with_axes
from ...base.layer import Example, register
from ...kernels import equations
from ...kernels.equations import Steps
from ...kernels.fused import fused_gru
from ...kernels.types import Activation, Kernel
from ...weights import Var, halves, per_gate, reinterpret, unstack
from . import torch_modules
from .gated_cell import CELL_CONFIG, GatedCell, without_layer_number
from .recurrent import COMMON_CONFIG, Recurrent, fused_if, is_activation, recurrent_weights, second_bias

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .gated_cell import CellOptions
    from .recurrent import RecurrentOptions

_ORDER = gates.GRU.order("torch")
_TWO_BIASES = _ORDER >> unstack(2)
_CUDNN = _ORDER >> per_gate(gates.GRU.torch, reinterpret)


@register("GRU")
class GRU(Recurrent):
    """Gated recurrent unit, as `keras.layers.GRU`.

    Per step: `h' = z * h + (1 - z) * tanh(xh + hh)`, where the reset gate acts after the recurrent product
    (`reset_after=True`, cuDNN's form, Keras 3's default) or before it (the original paper, Keras 2's default). With
    `reset_after=True` and the default activations it runs on torch's fused GRU kernel, masked or not; on the CPU, where
    that is faster, on a step loop of kerastorch's own (`kernel_choice` tells).

    Args:
        units: Size of the state and of the output.
        activation: Of the candidate.
        recurrent_activation: Of the two gates.
        use_bias: Whether there is a bias.
        reset_after: Which variant.
        **options: `RecurrentOptions`: `return_sequences`, `return_state`, `go_backwards`, `stateful`, `dropout`,
            `recurrent_dropout`, initialisers, regularisers, constraints, `name`, `dtype`, ...

    Variables:
        kernel: `(F, 3U)`, gates z r h -> `weight_ih_l0` `(3U, F)`, gates r z n
        recurrent_kernel: `(U, 3U)` -> `weight_hh_l0` `(3U, U)`
        bias: `(2, 3U)`, input, recurrent -> `bias_ih_l0`, `bias_hh_l0`; `(3U,)` -> `bias_ih_l0` without `reset_after`

    Example:
        >>> GRU(5)(torch.zeros(2, 20, 1)).shape
        torch.Size([2, 5])
    """

    _keras_spec = with_axes(3)
    CELL = gates.GRU
    WEIGHTS = (
        *recurrent_weights(gates.GRU),
        Var(
            "bias",
            ("bias_ih_l0", "bias_hh_l0"),
            lambda l, s: (2, 3 * l.units),
            _TWO_BIASES,
            when=lambda l: l.use_bias and l.reset_after,
        ),
        Var(
            "bias",
            ("bias_ih_l0",),
            lambda l, s: (3 * l.units,),
            _ORDER,
            when=lambda l: l.use_bias and not l.reset_after,
        ),
    )
    FILLERS = (replace(second_bias(gates.GRU), when=lambda l: l.use_bias and not l.reset_after),)
    CONFIG = ("units", "activation", "recurrent_activation", "use_bias", *COMMON_CONFIG, "reset_after")
    EXAMPLES = (
        Example("default", dict(units=5), (2, 7, 3)),
        Example("reset before", dict(units=5, reset_after=False, return_sequences=True, return_state=True), (2, 7, 3)),
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
        reset_after: bool = True,
        **options: Unpack[RecurrentOptions],
    ) -> None:
        super().__init__(units, activation, use_bias, **options)
        self._configure(recurrent_activation=recurrent_activation)
        self.reset_after = check.boolean("reset_after", reset_after)

    def _fused(self) -> Kernel | str:
        return fused_if(
            (
                (is_activation(self.activation, "tanh"), "torch's GRU kernel has activation tanh only"),
                (
                    is_activation(self.recurrent_activation, "sigmoid"),
                    "torch's GRU kernel has recurrent_activation sigmoid only",
                ),
                (self.reset_after, "torch's GRU kernel has reset_after=True only"),
            ),
            fused_gru,
        )

    def _to_torch(self, backwards: bool = False) -> nn.RNNBase:
        return torch_modules.recurrent(nn.GRU, self, backwards)

    def _steps(self, drop: Tensor | None) -> Steps:
        kind = equations.GRU if self.reset_after else equations.GRUResetBefore
        bias = self.bias_hh_l0 if self.use_bias and self.reset_after else None
        return Steps(kind, self.weight_hh_l0, bias, self.activation, self.recurrent_activation, drop)


@register("CuDNNGRU")
class CuDNNGRU(Recurrent):
    """`keras.layers.CuDNNGRU` of Keras 2: a GRU (`reset_after=True`) in cuDNN's weight layout.

    Args:
        units: Size of the state and of the output.
        **options: `RecurrentOptions`, as far as CuDNNGRU had them (no dropout, no activations).

    Variables:
        kernel: `(F, 3U)`, gates z r h, each block in cuDNN's memory order -> `weight_ih_l0` `(3U, F)`, gates r z n
        recurrent_kernel: `(U, 3U)` -> `weight_hh_l0` `(3U, U)`
        bias: `(6U,)`, input then recurrent -> `bias_ih_l0`, `bias_hh_l0`

    Example:
        >>> CuDNNGRU(5)(torch.zeros(2, 20, 1)).shape
        torch.Size([2, 5])
    """

    VARS_PATH = ""  # the layer has no cell
    CELL = gates.GRU
    WEIGHTS = (
        Var("kernel", ("weight_ih_l0",), lambda l, s: (s[-1], 3 * l.units), _CUDNN),
        Var("recurrent_kernel", ("weight_hh_l0",), lambda l, s: (l.units, 3 * l.units), _CUDNN, stem="recurrent"),
        Var("bias", ("bias_ih_l0", "bias_hh_l0"), lambda l, s: (6 * l.units,), halves() >> _ORDER),
    )
    CONFIG = ("units", *(key for key in COMMON_CONFIG if key not in ("dropout", "recurrent_dropout", "unroll", "seed")))
    INERT = ()
    EXAMPLES = (Example("default", dict(units=5, return_sequences=True), (2, 7, 3)),)

    def __init__(self, units: int, **options: Unpack[RecurrentOptions]) -> None:
        super().__init__(units, **options)

    def _fused(self) -> Kernel | str:
        return fused_gru

    def _to_torch(self, backwards: bool = False) -> nn.RNNBase:
        return torch_modules.recurrent(nn.GRU, self, backwards)

    def _steps(self, drop: Tensor | None) -> Steps:
        bias = self.bias_hh_l0 if self.use_bias else None
        return Steps(equations.GRU, self.weight_hh_l0, bias, activations.tanh, activations.sigmoid, drop)


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

    CELL = gates.GRU
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
        return torch_modules.cell(nn.GRUCell, self)

    def _steps(self, drop: Tensor | None) -> Steps:
        kind = equations.GRU if self.reset_after else equations.GRUResetBefore
        bias = self.bias_hh if self.use_bias and self.reset_after else None
        return Steps(kind, self.weight_hh, bias, self.activation, self.recurrent_activation, drop)
