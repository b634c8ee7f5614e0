"""ConvLSTM1D, ConvLSTM2D, ConvLSTM3D (Shi et al. 2015), as Keras computes them.

The computation: `conv_lstm_base.py`.
"""

from __future__ import annotations

from ...base.layer import Example, register
from .conv_lstm_base import CONV_LSTM_CONFIG, ConvLSTM


@register("ConvLSTM1D")
class ConvLSTM1D(ConvLSTM):
    """A convolutional LSTM over rows of values, as `keras.layers.ConvLSTM1D`. See `ConvLSTM2D`.

    Args:
        filters: Number of channels of the state and of the output.
        kernel_size: Of both convolutions: an integer, or one in a tuple.
        strides: Of the input convolution.
        padding: Of the input convolution: "valid" or "same"; the state is always padded.
        data_format: "channels_last" `(B, T, W, C)`, which None also means, or "channels_first" `(B, T, C, W)`.
        dilation_rate: Of the input convolution.
        activation: Of the candidate and of the cell on its way out.
        recurrent_activation: Of the three gates.
        use_bias: Whether there is a bias.
        unit_forget_bias: Whether a fresh layer's forget-gate bias is 1.
        keras2_masks: Ignore `zero_output_for_mask`, as Keras 2 does.
        **options: `RecurrentOptions`, as for `LSTM`.

    Variables:
        kernel: `(k, C, 4 * filters)`, gates i f c o -> `weight_ih` `(4 * filters, C, k)`
        recurrent_kernel: `(k, filters, 4 * filters)` -> `weight_hh` `(4 * filters, filters, k)`
        bias: `(4 * filters,)` -> `bias`

    Example:
        >>> ConvLSTM1D(4, 3, padding="same")(torch.zeros(2, 5, 8, 1)).shape
        torch.Size([2, 8, 4])
    """

    _rank = 4
    CONFIG = CONV_LSTM_CONFIG
    EXAMPLES = (
        Example("default", dict(filters=4, kernel_size=(3,)), (2, 5, 8, 3)),
        Example("even kernel", dict(filters=2, kernel_size=(2,), padding="same", return_state=True), (2, 5, 7, 3)),
    )


@register("ConvLSTM2D")
class ConvLSTM2D(ConvLSTM):
    """A convolutional LSTM over images (Shi et al. 2015, without peepholes), as `keras.layers.ConvLSTM2D`.

    Per step, with gates i f c o that are convolutions of the input and of h: `c' = sigmoid(f) * c + sigmoid(i) *
    tanh(g)`, `h' = sigmoid(o) * tanh(c')`. The size of the images may be unknown (None) and may change between calls.

    Args:
        filters: Number of channels of the state and of the output.
        kernel_size: Of both convolutions: an integer, or two of them.
        strides: Of the input convolution.
        padding: Of the input convolution: "valid" or "same"; the state is always padded.
        data_format: "channels_last" `(B, T, H, W, C)`, which None also means, or "channels_first" `(B, T, C, H, W)`.
        dilation_rate: Of the input convolution.
        activation: Of the candidate and of the cell on its way out.
        recurrent_activation: Of the three gates.
        use_bias: Whether there is a bias.
        unit_forget_bias: Whether a fresh layer's forget-gate bias is 1.
        keras2_masks: Ignore `zero_output_for_mask`, as Keras 2 does.
        **options: `RecurrentOptions`, as for `LSTM`. A mask is `(B, T)`, or `(B, T, H, W)` as Masking makes it.

    Variables:
        kernel: `(kh, kw, C, 4 * filters)`, gates i f c o -> `weight_ih` `(4 * filters, C, kh, kw)`
        recurrent_kernel: `(kh, kw, filters, 4 * filters)` -> `weight_hh` `(4 * filters, filters, kh, kw)`
        bias: `(4 * filters,)` -> `bias`

    Example:
        >>> ConvLSTM2D(4, (3, 3), return_sequences=True)(torch.zeros(2, 5, 8, 9, 1)).shape
        torch.Size([2, 5, 6, 7, 4])
    """

    _rank = 5
    CONFIG = CONV_LSTM_CONFIG
    EXAMPLES = (
        Example("default", dict(filters=4, kernel_size=(3, 3)), (2, 5, 8, 9, 3)),
        Example(
            "all outputs",
            dict(filters=2, kernel_size=(2, 3), padding="same", return_sequences=True, return_state=True),
            (2, 3, 4, 5, 3),
        ),
        Example(
            "channels first, strides",
            dict(filters=4, kernel_size=(3, 2), strides=(2, 2), data_format="channels_first", use_bias=False),
            (2, 3, 3, 6, 7),
        ),
    )


@register("ConvLSTM3D")
class ConvLSTM3D(ConvLSTM):
    """A convolutional LSTM over volumes, as `keras.layers.ConvLSTM3D`. See `ConvLSTM2D`.

    Args:
        filters: Number of channels of the state and of the output.
        kernel_size: Of both convolutions: an integer, or three of them.
        strides: Of the input convolution.
        padding: Of the input convolution: "valid" or "same"; the state is always padded.
        data_format: "channels_last" `(B, T, H, W, D, C)`, which None also means, or "channels_first".
        dilation_rate: Of the input convolution.
        activation: Of the candidate and of the cell on its way out.
        recurrent_activation: Of the three gates.
        use_bias: Whether there is a bias.
        unit_forget_bias: Whether a fresh layer's forget-gate bias is 1.
        keras2_masks: Ignore `zero_output_for_mask`, as Keras 2 does.
        **options: `RecurrentOptions`, as for `LSTM`.

    Variables:
        kernel: `(kh, kw, kd, C, 4 * filters)`, gates i f c o -> `weight_ih` `(4 * filters, C, kh, kw, kd)`
        recurrent_kernel: `(kh, kw, kd, filters, 4 * filters)` -> `weight_hh` `(4 * filters, filters, kh, kw, kd)`
        bias: `(4 * filters,)` -> `bias`

    Example:
        >>> ConvLSTM3D(4, 2)(torch.zeros(2, 3, 4, 5, 6, 1)).shape
        torch.Size([2, 3, 4, 5, 4])
    """

    _rank = 6
    CONFIG = CONV_LSTM_CONFIG
    EXAMPLES = (
        Example("default", dict(filters=2, kernel_size=(2, 2, 2)), (2, 3, 4, 5, 3, 2)),
        Example("same", dict(filters=2, kernel_size=(1, 2, 3), padding="same", strides=(2, 2, 2)), (2, 3, 4, 5, 3, 2)),
    )
