"""What a ConvLSTM says of arguments, inputs, masks and states that it cannot take."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from _conv_lstms import MASK, images, make

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"filters": 0}, "filters: expected an integer >= 1, got 0."),
        ({"kernel_size": (3, 3, 3)}, "kernel_size: expected an integer or 2 of them, got 3: (3, 3, 3)."),
        ({"kernel_size": "3"}, "kernel_size: expected a sequence of integers, got '3'."),
        ({"strides": (0, 1)}, "strides[0]: expected an integer >= 1, got 0."),
        ({"padding": "causal"}, "padding: expected one of ['valid', 'same'], got 'causal'."),
        ({"data_format": "NHWC"}, "data_format: expected one of ['channels_last', 'channels_first'], got 'nhwc'."),
        (
            {"strides": 2, "dilation_rate": 3},
            "ConvLSTM2D 'c': strides above 1 and a dilation_rate above 1 exclude each other, got strides=(2, 2) and "
            "dilation_rate=(3, 3); set one of them to 1.",
        ),
        ({"recurrent_dropout": 2}, "recurrent_dropout: expected a fraction between 0 and 1, got 2."),
        ({"implementation": 1}, "ConvLSTM2D has no argument 'implementation'."),
    ],
)
def test_arguments_are_checked(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        layers.ConvLSTM2D(**{"filters": 2, "kernel_size": 3, "name": "c", **config})


def test_time_major_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="time_major=True is not supported"):
        layers.ConvLSTM2D(2, 3, time_major=True)


@pytest.mark.parametrize(
    ("data_format", "shape", "message"),
    [
        (
            "channels_last",
            (3, 4, 5, 6),
            "expected input of shape (batch, timesteps, rows, columns, channels), got (3, 4, 5, 6). "
            "Images of one channel? Pass x.unsqueeze(-1). "
            "Behind a recurrent layer? Give that one return_sequences=True.",
        ),
        (
            "channels_first",
            (3, 4, 5, 6),
            "expected input of shape (batch, timesteps, channels, rows, columns), got (3, 4, 5, 6). "
            "Images of one channel? Pass x.unsqueeze(2). "
            "Behind a recurrent layer? Give that one return_sequences=True.",
        ),
        ("channels_last", (3, 4), "expected input of shape (batch, timesteps, rows, columns, channels), got (3, 4)."),
        ("channels_last", (3, 4, 5, 6, 2), "expected 3 channels, got 2 (input of shape (3, 4, 5, 6, 2)"),
        ("channels_first", (3, 4, 2, 6, 3), "expected 3 channels, got 2 (input of shape (3, 4, 2, 6, 3)"),
        (
            "channels_last",
            (3, 4, 2, 6, 3),
            "the kernel (3, 3) (dilation_rate (1, 1)) does not fit into images of input (3, 4, 2, 6, 3)",
        ),
        ("channels_last", (3, 4, 5, 6, 0), "expected 3 channels, got 0 (input of shape (3, 4, 5, 6, 0)"),
        ("channels_last", (3, 0, 5, 6, 3), "expected at least one timestep, got (3, 0, 5, 6, 3)."),
    ],
)
def test_inputs_are_checked(data_format: str, shape: tuple[int, ...], message: str) -> None:
    layer = make(data_format=data_format, name="c")
    with pytest.raises(ShapeError, match=re.escape(f"ConvLSTM2D 'c': {message}")):
        layer(torch.zeros(shape, dtype=torch.float64))


def test_images_without_channels_are_refused() -> None:
    """The compiled code once wrote behind the end of the gates, of which torch had made none."""
    for data_format, shape in (("channels_last", (3, 4, 5, 6, 0)), ("channels_first", (3, 4, 0, 5, 6))):
        with pytest.raises(ShapeError, match="expected at least one channel, got 0"):
            layers.ConvLSTM2D(2, 3, data_format=data_format)(torch.zeros(shape))


@pytest.mark.parametrize(
    "layer",
    [
        layers.ConvLSTM1D(2, 3),
        layers.LSTM(2),
        layers.Bidirectional(layers.GRU(2)),
        layers.RNN(layers.SimpleRNNCell(2)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_list_of_no_masks_is_refused(layer: kt.layers.Layer) -> None:
    """A file may say `mask=[]`; Keras's IndexError says nothing."""
    shape = (3, 4, 6, 2) if isinstance(layer, layers.ConvLSTM1D) else (3, 4, 2)
    with pytest.raises(ArgumentError, match=r"mask: expected a tensor of bools, or a list that has one, got \[\]\."):
        layer(torch.zeros(shape), mask=[])


def test_shapes_masks_and_states_are_checked() -> None:
    with pytest.raises(ShapeError, match="the number of channels must be known, got"):
        kt.Sequential([kt.Input((None, 5, 6, None)), layers.ConvLSTM2D(2, 3)])
    with pytest.raises(ShapeError, match=r"does not fit into images of input \(None, None, 2, None, 3\)"):
        layers.ConvLSTM2D(2, 3).compute_output_shape((None, None, 2, None, 3))
    with pytest.raises(ShapeError, match="is stateful, so the batch size must be known"):
        layers.ConvLSTM2D(2, 3, stateful=True).build((None, 4, 5, 6, 3))
    layer = make(name="c")
    wanted = "expected a mask (batch, timesteps) = (3, 4), or one for each place of the output (3, 4, 3, 4), got (3, 4,"
    with pytest.raises(ShapeError, match=re.escape(wanted)):
        layer(images(), mask=torch.ones(3, 4, 5, 6, dtype=torch.bool))
    with pytest.raises(ShapeError, match=re.escape("expected a mask of shape (batch, timesteps) = (3, 4), got (4, 3)")):
        layer(images(), mask=MASK.T)
    state = torch.zeros(3, 5, 6, 2)
    with pytest.raises(ShapeError, match=re.escape("state 0: expected shape (3, 3, 4, 2) for input of shape (3, 4, 5")):
        layer(images(), initial_state=[state, state])
    with pytest.raises(ShapeError, match=re.escape("expected 2 states of shape (batch, None, None, 2)")):
        layer(images(), initial_state=[state])
    with pytest.raises(ShapeError, match=re.escape("state 0: expected shape (3, None, None, 2), got (3, 2)")):
        layer(images(), initial_state=[state[:, 0, 0]] * 2)
