"""An LSTM whose products are convolutions (Shi et al. 2015), for images of any rank. The layers: `conv_lstm.py`.

The inputs of all steps are convolved at once; the loop over the steps (`kernels/conv_lstm.py`) holds the convolution of
the state and pointwise work. Tensors keep Keras's layout throughout: channels move only as a view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...base import check
from ...base.free_names import yielding
from ...base.input_checks import channels_at, mask_tensor, one_mask
from ...base.input_spec import InputSpec
from ...base.variable import VariableAttribute
from ...base.weight_tensors import ParameterAttribute
from ...base.weighted import repr_of
from ...base.windows import axes_named, data_format_of, padding_of, refuse_strides_with_dilation, sizes
from ...errors import ShapeError
from ...kernels import compiled, step_engine
from ...kernels.conv_lstm import GATES, ChannelsFirst, ChannelsLast, InputConvolution
from ...kernels.convolution import output_size
from ...kernels.equations import Steps
from ...kernels.operators import is_followed, may_read
from ...kernels.types import Activation, KernelChoice, States
from ...weights import Shape, Var, convolution
from .inner_cell import CellOfImages
from .recurrent import COMMON_CONFIG
from .sequence import SequenceLayer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .recurrent import RecurrentOptions

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
    initializer = check.initializer(layer, "bias_initializer", "unit_forget_bias=True")

    def init(shape: tuple[int, ...], dtype: Any = None, device: Any = None) -> Tensor:
        bias = initializer(shape, dtype=dtype, device=device)
        i, f, c, o = bias.chunk(GATES)
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
            lambda l, s: (*l.kernel_size, s[l._channel_axis], GATES * l.filters),
            convolution,
            convolved=True,
        ),
        Var(
            "recurrent_kernel",
            ("weight_hh",),
            lambda l, s: (*l.kernel_size, l.filters, GATES * l.filters),
            convolution,
            stem="recurrent",
            convolved=True,
        ),
        Var(
            "bias",
            ("bias",),
            lambda l, s: (GATES * l.filters,),
            when=lambda l: l.use_bias,
            init=_bias_with_open_forget_gate,
        ),
    )
    kernel: VariableAttribute
    recurrent_kernel: VariableAttribute
    weight_ih: Tensor
    weight_hh: Tensor
    bias: ParameterAttribute
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
        self.filters = check.positive("filters", filters)
        rank = self._rank - 3
        self.kernel_size = sizes("kernel_size", kernel_size, rank)
        self.strides = sizes("strides", strides, rank)
        self.padding = padding_of(padding)
        self.data_format = data_format_of(data_format)
        self.dilation_rate = sizes("dilation_rate", dilation_rate, rank)
        refuse_strides_with_dilation(self)
        self.use_bias = check.boolean("use_bias", use_bias)
        self.unit_forget_bias = check.boolean("unit_forget_bias", unit_forget_bias)
        self.dropout = check.rate("dropout", dropout)
        self.recurrent_dropout = check.rate("recurrent_dropout", recurrent_dropout)
        self.seed = seed
        self.keras2_masks = check.boolean("keras2_masks", keras2_masks)
        self._channels_first = self.data_format == "channels_first"
        self._register_states(2)

    def _keras_spec(self) -> Any:
        return InputSpec(ndim=self._rank)

    @yielding
    def cell(self) -> CellOfImages:
        """The weights and arguments of the cell inside."""
        return CellOfImages(self)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return config | ({"keras2_masks": True} if self.keras2_masks else {})

    # ------------------------------------------------------------------ shapes

    @property
    def _meaning(self) -> str:
        return f"(batch, timesteps, {axes_named(self._rank - 3, self._channels_first)})"

    @property
    def _one_axis_less(self) -> str:
        return f"Images of one channel? Pass x.unsqueeze({2 if self._channels_first else -1})."

    @property
    def _channel_axis(self) -> int:
        """The axis of the channels in the input."""
        return 2 if self._channels_first else -1

    @property
    def _state_sizes(self) -> list[Shape]:
        return [self._output_size((None,) * self._rank)] * 2  # the image's sizes may change from call to call

    def _state_sizes_for(self, input_shape: Shape) -> list[Shape]:
        return [self._output_size(input_shape)] * 2

    def _output_size(self, input_shape: Shape) -> Shape:
        image = input_shape[3:] if self._channels_first else input_shape[2:-1]
        sizes = tuple(
            None if n is None else output_size(n, k, stride, rate, self.padding)
            for n, k, stride, rate in zip(image, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        )
        return (self.filters, *sizes) if self._channels_first else (*sizes, self.filters)

    def _check_input_shape(self, input_shape: Shape) -> None:
        super()._check_input_shape(input_shape)
        if any(size is not None and size < 1 for size in self._output_size(input_shape)):
            raise ShapeError(
                f"{repr_of(self)}: the kernel {self.kernel_size} (dilation_rate {self.dilation_rate}) does not fit "
                f"into images of input {tuple(input_shape)}, that is {self._meaning}; use a smaller kernel or "
                'padding="same".'
            )

    def _check_features(self, input_shape: Shape) -> None:
        if input_shape[self._channel_axis] is None:
            raise ShapeError(
                f"{repr_of(self)}: the number of channels must be known, got {tuple(input_shape)} for {self._meaning}; "
                "give it to Input or build."
            )
        channels_at(self, input_shape, self._channel_axis, self._meaning)

    def compute_output_shape(self, input_shape: Shape) -> Any:
        self._check_input_shape(input_shape)
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
            self._check_input_shape(tuple(x.shape))
        return super()._check_input(x)

    def _check_mask(self, x: Tensor, mask: Any) -> Tensor | None:
        """A mask of whole steps `(B, T)`; or of places, as Masking makes it: all axes of the input but the last."""
        mask = one_mask(self, mask)
        mask = None if mask is None else mask_tensor(self, mask, x.device)
        if mask is None or mask.ndim != x.ndim - 1 or tuple(mask.shape) == (*x.shape[:2], 1):
            return super()._check_mask(x, mask)
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
        reason = (
            f"torch has no kernel for {type(self).__name__}: one convolution over the inputs of all steps, "
            "then one over the state at each step"
        )
        remark = step_engine.remark(self.activation, self.recurrent_activation)
        return KernelChoice("step loop", f"{reason}; {remark}" if remark else reason)

    def _run(self, x: Tensor, states: States, mask: Tensor | None, training: bool) -> tuple[Tensor, States]:
        drop = self._drawn(x[:, 0], self.dropout, training)
        recurrent_drop = self._drawn(states[0], self.recurrent_dropout, training)
        use = None if mask is None else mask.reshape(*mask.shape, *[1] * (x.ndim - 1 - mask.ndim))
        equations = ChannelsFirst if self._channels_first else ChannelsLast
        turned = self._channels_first and (mask is None or mask.ndim == 2) and self._wants_channels_last(x, states)
        if turned:
            equations, x, states = ChannelsLast, x.movedim(2, -1), tuple(state.movedim(1, -1) for state in states)
            drop, recurrent_drop = (None if masks is None else masks.movedim(2, -1) for masks in (drop, recurrent_drop))
        product = InputConvolution(equations.CHANNEL_AXIS, self.padding, self.strides, self.dilation_rate)
        inputs = step_engine.Inputs(x, self.weight_ih, self.bias if self.use_bias else None, drop, product)
        steps = Steps(equations, self.weight_hh, None, self.activation, self.recurrent_activation, recurrent_drop)
        out, states = step_engine.run(steps, inputs, states, use, only_last=not self.return_sequences)
        if not self.return_sequences:
            out, mask = out[:, -1:], None if mask is None else mask[:, -1:]
        if turned:
            out, states = out.movedim(-1, 2), tuple(state.movedim(-1, 1) for state in states)
        return self._hide(out, mask), states

    def _wants_channels_last(self, x: Tensor, states: States) -> bool:
        """Whether what runs takes the channels last: compiled code, and a device."""
        functions = self.activation, self.recurrent_activation
        if may_read(x) and compiled.find(ChannelsLast, functions, self.weight_hh, states) is not None:
            return True
        return ChannelsLast.by_hand(x) and not is_followed()

    def _drawn(self, like: Tensor, rate: float, training: bool) -> Tensor | None:
        """The dropout masks of one sequence; none at a rate of 1, as in Keras."""
        return self._dropout_masks(like, rate) if training and 0 < rate < 1 else None

    def _dropout_masks(self, like: Tensor, rate: float) -> Tensor:
        """Draw masks `(G, B, ...)` for the whole sequence, one for each gate.

        All noise of the layer comes from here: the tests put given masks in its place.
        """
        return F.dropout(like.new_ones(GATES, *like.shape), rate, training=True)
