"""Names as Keras makes them: snake_case of the class, numbered over the process."""

from __future__ import annotations

import re
from collections import Counter

_used: Counter[str] = Counter()


def snake_case(class_name: str) -> str:
    """`ConvLSTM2D` -> `conv_lstm2d`, `SimpleRNN` -> `simple_rnn`, as Keras does."""
    name = re.sub(r"\W+", "", class_name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def unique_name(prefix: str) -> str:
    """`lstm`, `lstm_1`, `lstm_2`, ... in the order of asking."""
    number = _used[prefix]
    _used[prefix] += 1
    return f"{prefix}_{number}" if number else prefix
