"""Names as Keras makes them: snake_case of the class, numbered over the process."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import torch

_used: Counter[str] = Counter()
_given: set[str] = set()


@lru_cache(maxsize=1024)  # some of the names come from files
def snake_case(class_name: str) -> str:
    """`ConvLSTM2D` -> `conv_lstm2d`, `SimpleRNN` -> `simple_rnn`, as Keras does."""
    name = re.sub(r"\W+", "", class_name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def given_name(name: str) -> str:
    """Note a name that a person or a file chose."""
    _given.add(name)
    return name


def unique_name(prefix: str) -> str:
    """`lstm`, `lstm_1`, `lstm_2`, ... in the order of asking.

    Names that were given are left out: a layer that is added to a model from a file must not meet its own name there.
    """
    while True:
        number = _used[prefix]
        _used[prefix] += 1
        name = f"{prefix}_{number}" if number else prefix
        if name not in _given:
            return name


def cell_name(class_name: str) -> str:
    """What Keras calls the cell inside a recurrent layer: `LSTM` -> `lstm_cell`, `ConvLSTM2D` -> `conv_lstm_cell`."""
    return snake_case(f"{re.sub(r'[123]D$', '', class_name)}Cell")


# Classes that have another name in Python than in configs.
_IN_FILES = {"GroupQueryAttention": "grouped_query_attention"}


def name_in_files(class_name: str) -> str:
    """What a layer of this class is called in the weights trees of Keras 3, before it is numbered."""
    return _IN_FILES.get(class_name, snake_case(class_name))


_around: ContextVar[str] = ContextVar("around", default="")  # the path of the layer that is being built or called


@contextmanager
def inside(layer: Any) -> Iterator[None]:
    """What is built meanwhile stands below this layer; that one stands, for good, where it is met first."""
    if torch.compiler.is_compiling():
        yield
        return
    if layer._parent_path is None:
        layer._parent_path = _around.get()
    token = _around.set(layer._path)
    try:
        yield
    finally:
        _around.reset(token)
