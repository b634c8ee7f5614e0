"""Recurrent layers, their cells, and the wrappers over time."""

from __future__ import annotations

from collections.abc import Mapping

from ...spec import Era
from .form import KERAS2, RANDOM, WEIGHT, Form, keys

_RECURRENT_WEIGHT = "recurrent_initializer recurrent_regularizer recurrent_constraint"
SEQUENCE = "return_sequences return_state go_backwards stateful"
_RNN = (
    f"units activation use_bias {WEIGHT} {_RECURRENT_WEIGHT} dropout recurrent_dropout {SEQUENCE} unroll "
    "zero_output_for_mask seed implementation"
)
_RNN_OLD = keys("time_major num_constants enable_caching_device return_runtime")
_RNN_CALL = ("initial_state", "mask", "training")


def _rnn(extra: str = "") -> Form:
    return Form(keys(_RNN, extra), ("units",), call=_RNN_CALL, ignored=keys("use_cudnn"), old=_RNN_OLD | RANDOM)


def _cell(extra: str = "") -> Form:
    taken = keys(
        f"units activation use_bias {WEIGHT} {_RECURRENT_WEIGHT} dropout recurrent_dropout seed implementation", extra
    )
    return Form(taken, ("units",), call=("states", "training"), old=keys("enable_caching_device") | RANDOM)


def _cudnn(extra: str = "") -> Form:
    taken = keys("units", WEIGHT, _RECURRENT_WEIGHT, SEQUENCE, extra)
    return Form(taken, ("units",), KERAS2, _RNN_CALL, keys("unroll"), _RNN_OLD)


def _conv_lstm(*eras: Era) -> Form:
    taken = keys(
        "filters kernel_size strides padding data_format dilation_rate activation recurrent_activation use_bias",
        f"unit_forget_bias {WEIGHT} {_RECURRENT_WEIGHT} dropout recurrent_dropout seed {SEQUENCE} unroll",
        "zero_output_for_mask",
    )
    ignored = keys("implementation")  # what it chose in Keras 2 is the same computation
    return Form(taken, ("filters", "kernel_size"), frozenset(eras), _RNN_CALL, ignored, _RNN_OLD)


FORMS: Mapping[str, Form] = {
    "LSTM": _rnn("recurrent_activation unit_forget_bias"),
    "GRU": _rnn("recurrent_activation reset_after"),
    "SimpleRNN": _rnn(),
    "CuDNNLSTM": _cudnn("unit_forget_bias"),
    "CuDNNGRU": _cudnn(),
    "ConvLSTM1D": _conv_lstm("tf.keras", "keras3"),
    "ConvLSTM2D": _conv_lstm("keras2", "tf.keras", "keras3"),
    "ConvLSTM3D": _conv_lstm("tf.keras", "keras3"),
    "RNN": Form(
        keys("cell unroll zero_output_for_mask", SEQUENCE),
        ("cell",),
        call=(*_RNN_CALL, "constants"),
        old=_RNN_OLD - {"num_constants"},
        old_keys=keys("num_constants"),
    ),
    "LSTMCell": _cell("recurrent_activation unit_forget_bias"),
    "GRUCell": _cell("recurrent_activation reset_after"),
    "SimpleRNNCell": _cell(),
    "StackedRNNCells": Form(keys("cells"), ("cells",), call=("states", "training"), old=keys("reverse_state_order")),
    "Bidirectional": Form(
        keys("layer merge_mode backward_layer weights"), ("layer",), call=_RNN_CALL, old=keys("num_constants")
    ),
    "TimeDistributed": Form(keys("layer"), ("layer",), call=("training", "mask"), keeps_mask=True),
}
_CONVOLUTIONS = frozenset({"ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})
RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "CuDNNLSTM", "CuDNNGRU", "Bidirectional", "RNN"}) | _CONVOLUTIONS
STATE_AXES: Mapping[str, int] = {"ConvLSTM1D": 3, "ConvLSTM2D": 4, "ConvLSTM3D": 5}  # those of the others have 2
# Layers whose files may leave out recurrent_activation -> the field of `Profile` with what it is then.
RECURRENT_ACTIVATION: Mapping[str, str] = {
    **dict.fromkeys(("LSTM", "GRU", "LSTMCell", "GRUCell"), "recurrent_activation"),
    **dict.fromkeys(_CONVOLUTIONS, "conv_recurrent_activation"),
}
