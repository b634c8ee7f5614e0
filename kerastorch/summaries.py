"""`kt.summary`: the table of any module of torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from .base.layer import Layer
from .errors import ArgumentError, quote
from .models.model import Model
from .models.summary_columns import bias_note, table_of_torchinfo
from .models.summary_rows import count


def summary(
    module: nn.Module, input_size: Any = None, *, print_fn: Callable[[str], Any] | None = None, **options: Any
) -> None:
    """Print the layers of a model, or of any module of torch.

    A kerastorch model without `input_size` has Keras's table (`Model.summary`, with `options` for it); everything else
    torchinfo's. Where Keras and torch count parameters otherwise, a last line says why.

    Args:
        module: A model, a layer, or any `nn.Module`.
        input_size: The shape of the input with the batch, or a list of them; without it torchinfo shows parameters
            alone.
        print_fn: Called once with the text; `print` if None.
        **options: For torchinfo: `input_data`, `col_names`, `depth`, `dtypes`, ...

    Raises:
        ArgumentError: It is no module.

    Example:
        >>> summary(nn.LSTM(1, 5), (2, 7, 1), print_fn=lambda text: print(text.splitlines()[-1]))
        parameters: Keras 140, torch 160: torch has a second bias in each LSTM and RNN (20)
    """
    if not isinstance(module, nn.Module):
        raise ArgumentError(f"summary: expected a module of torch, got {quote(type(module).__name__)}.")
    if isinstance(module, Model) and input_size is None and "input_data" not in options:
        module.summary(print_fn=print_fn, **options)
        return
    if input_size is not None:
        options["input_size"] = input_size
    text = table_of_torchinfo(module, options)
    note = _note(module)
    (print_fn or print)(f"{text}\n{note}" if note else text)


def _note(module: nn.Module) -> str:
    if isinstance(module, Layer):
        return bias_note(module, sum(count(module)))
    second = sum(
        parameter.numel()
        for inner in module.modules()
        if isinstance(inner, (nn.LSTM, nn.RNN, nn.LSTMCell, nn.RNNCell))
        for name, parameter in inner.named_parameters(recurse=False)
        if name.startswith("bias_hh")
    )
    total = sum(parameter.numel() for parameter in module.parameters())
    if not second:
        return ""
    return (
        f"parameters: Keras {total - second:,}, torch {total:,}: torch has a second bias in each LSTM and RNN "
        f"({second:,})"
    )
