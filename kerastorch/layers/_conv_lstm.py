"""An LSTM whose products are convolutions (Shi et al. 2015), for images of any rank. The layers: `conv_lstm.py`.

The inputs of all steps are convolved at once; the loop over the steps holds the convolution of the state and pointwise
work. Tensors keep Keras's layout throughout: channels move to the front only around a convolution, as a view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ShapeError
from ..weights import Shape, Var, convolution
from . import _check
from ._convolution import convolve, output_size
from ._kernels import Activation, States
from ._ops import is_followed
from ._pointwise import overwriting
from ._recurrent import COMMON_CONFIG
from ._sequence import KernelChoice, SequenceLayer
from ._weighted import repr_of
from ._windows import axes_named, data_format_of, padding_of, refuse_strides_with_dilation, sizes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._recurrent import RecurrentOptions

_GATES = 4  # i f c o, in Keras as here
_FUNCTIONS = {
    "kernel_initializer": "glorot_uniform",
    "recurrent_initializer": "orthogonal",
    "bias_initializer": "zeros",
    **dict.fromkeys(
        f"{stem}_{kind}" for kind in ("regularizer", "constraint") for stem in ("kernel", "recurrent", "bias")
    ),
}
CONV_LSTM_CONFIG = (
    "filters",
    "kernel_size",
    "strides",
    "padding",
    "data_format",
    "dilation_rate",
    "activation",
    "recurrent_activation",
    "use_bias",
    "unit_forget_bias",
    *COMMON_CONFIG,
)


def _bias_with_open_forget_gate(layer: Any) -> Callable[..., Tensor]:
    """Ones for the forget gate, so that a fresh layer remembers (Jozefowicz et al. 2015)."""
    if not layer.unit_forget_bias:
        return layer.bias_initializer

    def init(shape: tuple[int, ...], dtype: Any = None, device: Any = None) -> Tensor:
        bias = layer.bias_initializer(shape, dtype=dtype, device=device)
        i, f, c, o = bias.chunk(_GATES)
        return torch.cat([i, torch.ones_like(f), c, o])

    return init


class ConvLSTM(SequenceLayer):
    """A convolutional LSTM over images of any rank; abstract. See `ConvLSTM1D`, `ConvLSTM2D`, `ConvLSTM3D`."""

    VARS_PATH = "cell"
    INERT = ("unroll", "time_major", "seed", "keras2_masks")
    WEIGHTS = (
        Var(
            "kernel",
            ("weight_ih",),
            lambda l, s: (*l.kernel_size, s[l.channel_axis], _GATES * l.filters),
            convolution,
            convolved=True,
        ),
        Var(
            "recurrent_kernel",
            ("weight_hh",),
            lambda l, s: (*l.kernel_size, l.filters, _GATES * l.filters),
            convolution,
            stem="recurrent",
            convolved=True,
        ),
        Var(
            "bias",
            ("bias",),
            lambda l, s: (_GATES * l.filters,),
            when=lambda l: l.use_bias,
            init=_bias_with_open_forget_gate,
        ),
    )
    weight_ih: Tensor
    weight_hh: Tensor
    bias: Tensor
    activation: Activation
    recurrent_activation: Activation

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        *,
        unit_forget_bias: bool = True,
        keras2_masks: bool = False,
        **options: Unpack[RecurrentOptions],
    ) -> None:
        given: dict[str, Any] = {"dropout": 0.0, "recurrent_dropout": 0.0, "seed": None, **_FUNCTIONS, **options}
        functions = {key: given.pop(key) for key in _FUNCTIONS}
        dropout, recurrent_dropout, seed = (given.pop(key) for key in ("dropout", "recurrent_dropout", "seed"))
        super().__init__(**given)
        self._configure(activation=activation, recurrent_activation=recurrent_activation, **functions)
        self.filters = _check.positive("filters", filters)
        rank = self.RANK - 3
        self.kernel_size = sizes("kernel_size", kernel_size, rank)
        self.strides = sizes("strides", strides, rank)
        self.padding = padding_of(padding)
        self.data_format = data_format_of(data_format)
        self.dilation_rate = sizes("dilation_rate", dilation_rate, rank)
        refuse_strides_with_dilation(self)
        self.use_bias = _check.boolean("use_bias", use_bias)
        self.unit_forget_bias = _check.boolean("unit_forget_bias", unit_forget_bias)
        self.dropout = _check.rate("dropout", dropout)
        self.recurrent_dropout = _check.rate("recurrent_dropout", recurrent_dropout)
        self.seed = seed
        self.keras2_masks = _check.boolean("keras2_masks", keras2_masks)
        self._channels_first = self.data_format == "channels_first"
        self._register_states(2)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return config | ({"keras2_masks": True} if self.keras2_masks else {})

    # ------------------------------------------------------------------ shapes

    @property
    def MEANING(self) -> str:
        return f"(batch, timesteps, {axes_named(self.RANK - 3, self._channels_first)})"

    @property
    def channel_axis(self) -> int:
        """The axis of the channels in the input."""
        return 2 if self._channels_first else -1

    @property
    def _step_axis(self) -> int:
        """The axis of the channels in one step."""
        return 1 if self._channels_first else -1

    @property
    def state_sizes(self) -> list[Shape]:
        return [self._output_size((None,) * self.RANK)] * 2  # the image's sizes may change from call to call

    def _output_size(self, input_shape: Shape) -> Shape:
        image = input_shape[3:] if self._channels_first else input_shape[2:-1]
        sizes = tuple(
            None if n is None else output_size(n, k, stride, rate, self.padding)
            for n, k, stride, rate in zip(image, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        )
        return (self.filters, *sizes) if self._channels_first else (*sizes, self.filters)

    def check_input_shape(self, input_shape: Shape) -> None:
        if len(input_shape) == self.RANK - 1:
            axis = f"{'2' if self._channels_first else '-1'}"
            raise ShapeError(
                f"{repr_of(self)}: expected input of shape {self.MEANING}, got {tuple(input_shape)}. "
                f"Images of one channel? Pass x.unsqueeze({axis})."
            )
        super().check_input_shape(input_shape)
        if any(size is not None and size < 1 for size in self._output_size(input_shape)):
            raise ShapeError(
                f"{repr_of(self)}: the kernel {self.kernel_size} (dilation_rate {self.dilation_rate}) does not fit "
                f"into images of input {tuple(input_shape)}, that is {self.MEANING}; use a smaller kernel or "
                'padding="same".'
            )

    def _check_features(self, input_shape: Shape) -> None:
        channels = input_shape[self.channel_axis]
        if channels is None:
            raise ShapeError(
                f"{repr_of(self)}: the number of channels must be known, got {tuple(input_shape)} for {self.MEANING}; "
                "give it to Input or build."
            )
        expected = self._build_shape[self.channel_axis] if self._built and self._build_shape is not None else channels
        if channels != expected:
            raise ShapeError(
                f"{repr_of(self)}: expected {expected} channels, got {channels} (input of shape {tuple(input_shape)}, "
                f"that is {self.MEANING})."
            )

    def compute_output_shape(self, input_shape: Shape) -> Any:
        self.check_input_shape(input_shape)
        step = (input_shape[0], *self._output_size(input_shape))
        output = (*input_shape[:2], *step[1:]) if self.return_sequences else step
        return (output, step, step) if self.return_state else output

    # ------------------------------------------------------------------ states and masks

    def _initial_states(self, x: Tensor) -> States:
        return tuple(x.new_zeros(x.shape[0], *self._output_size(tuple(x.shape))) for _ in range(2))

    def _start(self, x: Tensor, initial_state: Any) -> States:
        states = super()._start(x, initial_state)
        wanted = (x.shape[0], *self._output_size(tuple(x.shape)))
        for index, state in enumerate(states):
            if tuple(state.shape) != wanted:
                raise ShapeError(
                    f"{repr_of(self)}: state {index}: expected shape {wanted} for input of shape {tuple(x.shape)}, "
                    f"got {tuple(state.shape)}."
                    + (" Reset or set the kept states with reset_state." if initial_state is None else "")
                )
        return states

    def _check_input(self, x: Any) -> Tensor:
        if isinstance(x, Tensor):
            self.check_input_shape(tuple(x.shape))
        return super()._check_input(x)

    def _check_mask(self, x: Tensor, mask: Any) -> Tensor | None:
        """A mask of whole steps `(B, T)`; or of places, as Masking makes it: all axes of the input but the last."""
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        if mask is None or mask.ndim != x.ndim - 1 or tuple(mask.shape) == (*x.shape[:2], 1):
            return super()._check_mask(x, mask)
        mask = torch.as_tensor(mask, device=x.device)
        wanted = (*x.shape[:2], *self._output_size(tuple(x.shape))[:-1])
        if tuple(mask.shape) != wanted:
            raise ShapeError(
                f"{repr_of(self)}: expected a mask (batch, timesteps) = {tuple(x.shape[:2])}, or one for each place of "
                f"the output {wanted}, got {tuple(mask.shape)}; "
                "reduce it to whole steps, for example mask.flatten(2).any(-1)."
            )
        return mask if mask.dtype == torch.bool else mask != 0

    def _hide(self, out: Tensor, valid: Tensor | None) -> Tensor:
        # Keras 2 accepts zero_output_for_mask, which its Bidirectional also sets, and does not look at it here.
        return out if self.keras2_masks else super()._hide(out, valid)

    # ------------------------------------------------------------------ running

    def kernel_choice(self, x: Any = None, mask: Any = None, training: bool | None = None) -> KernelChoice:
        return KernelChoice(
            "step loop",
            f"torch has no kernel for {type(self).__name__}: one convolution over the inputs of all steps, "
            "then one over the state at each step",
        )

    def _run(self, x: Tensor, states: States, mask: Tensor | None, training: bool) -> tuple[Tensor, States]:
        axis = self._step_axis
        drop = self._drawn(x[:, 0], self.dropout, training)
        recurrent_drop = self._drawn(states[0], self.recurrent_dropout, training)
        if drop is not None:
            x = torch.cat([x * gate.unsqueeze(1) for gate in drop], dim=self.channel_axis)
        gates = convolve(
            x.flatten(0, 1),
            self.weight_ih,
            self.bias if self.use_bias else None,
            padding=self.padding,
            channel_axis=axis,
            strides=self.strides,
            dilation=self.dilation_rate,
            groups=1 if drop is None else _GATES,
        ).unflatten(0, x.shape[:2])
        use = None if mask is None else mask.reshape(*mask.shape, *[1] * (gates.ndim - mask.ndim))
        h, c = states
        outputs: list[Tensor] = []
        activation, recurrent = self.activation, self.recurrent_activation
        ours = not (torch.is_grad_enabled() or is_followed())  # what is made below: nobody else knows of it
        if ours:
            activation, recurrent = overwriting(activation), overwriting(recurrent)
        for step, from_x in enumerate(gates.unbind(1)):
            dropped = h if recurrent_drop is None else torch.cat([h * gate for gate in recurrent_drop], dim=axis)
            from_h = convolve(
                dropped,
                self.weight_hh,
                padding="same",
                channel_axis=axis,
                groups=1 if recurrent_drop is None else _GATES,
            )
            i, f, g, o = self._gates(from_h.add_(from_x) if ours else from_x + from_h)
            new_c = (recurrent(f) * c).add_(recurrent(i) * activation(g))
            new_h = recurrent(o) * activation(new_c.clone() if ours else new_c)
            if use is not None:
                new_h, new_c = torch.where(use[:, step], new_h, h), torch.where(use[:, step], new_c, c)
            h, c = new_h, new_c
            if self.return_sequences:
                outputs.append(h)
        out = torch.stack(outputs, dim=1) if self.return_sequences else h.unsqueeze(1)
        if use is not None and mask is not None:
            seen = use.cumsum(1) > 0
            seen, mask = (seen, mask) if self.return_sequences else (seen[:, -1:], mask[:, -1:])
            out = out * seen  # zeros, not the initial state, before the first valid step
        return self._hide(out, mask), (h, c)

    def _gates(self, total: Tensor) -> Sequence[Tensor]:
        """The gates before their activations, each without gaps in memory: else these take up to 20 times as long."""
        if self._channels_first:
            return total.chunk(_GATES, dim=1)
        return total.unflatten(-1, (_GATES, -1)).movedim(-2, 0).contiguous().unbind()

    def _drawn(self, like: Tensor, rate: float, training: bool) -> Tensor | None:
        """The dropout masks of one sequence; none at a rate of 1, as in Keras."""
        return self._dropout_masks(like, rate) if training and 0 < rate < 1 else None

    def _dropout_masks(self, like: Tensor, rate: float) -> Tensor:
        """Draw masks `(G, B, ...)` for the whole sequence, one for each gate.

        All noise of the layer comes from here: the tests put given masks in its place.
        """
        return F.dropout(like.new_ones(_GATES, *like.shape), rate, training=True)
