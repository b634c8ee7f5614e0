"""tf-keras without what it traces for GPUs, which the Keras process never sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tf_keras.src.layers.rnn import gru_lstm_utils

_REGISTER = gru_lstm_utils.function_register


def _nothing(*_: Any, **__: Any) -> None:
    """Beside the step loop of each LSTM and GRU that is called in a graph tf-keras traces another function.

    It holds the kernel of cuDNN, the loop once more behind a condition, and the gradients of both: nine tenths of the
    time that building such a model takes. TensorFlow takes it in the place of the first on a GPU only;
    `test_keras_worker.py` says that nothing hangs on it.
    """


def leave_out() -> None:
    """Let tf-keras trace no function that only a GPU runs."""
    gru_lstm_utils.function_register = _nothing


@contextmanager
def as_it_is() -> Iterator[list[Any]]:
    """Let tf-keras trace them again for a while; gives the functions that it registers."""
    found: list[Any] = []

    def register(*args: Any, **kwargs: Any) -> Any:
        found.append(_REGISTER(*args, **kwargs))
        return found[-1]

    gru_lstm_utils.function_register = register
    try:
        yield found
    finally:
        leave_out()
