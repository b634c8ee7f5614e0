"""The arguments that a gated layer and its cell share, checked and kept in one place."""

from __future__ import annotations

from typing import Any

from . import _check


def keep_gated_arguments(
    layer: Any,
    units: int,
    use_bias: bool,
    dropout: float,
    recurrent_dropout: float,
    seed: int | None,
    implementation: int,
    **described: Any,
) -> None:
    """Keep the arguments as attributes of a layer or cell.

    Args:
        layer: The layer.
        units: Size of the state.
        use_bias: Whether there is a bias.
        dropout: Of the inputs.
        recurrent_dropout: Of the state.
        seed: Kept for the config.
        implementation: 1 draws a dropout mask for each gate; `recurrent_dropout` switches it on, as in Keras.
        **described: The activation, and the initializers, regularizers and constraints of kernel, recurrent and bias.
    """
    layer._configure(**described)
    layer.units = _check.positive("units", units)
    layer.use_bias = _check.boolean("use_bias", use_bias)
    layer.dropout = _check.rate("dropout", dropout)
    layer.recurrent_dropout = _check.rate("recurrent_dropout", recurrent_dropout)
    layer.seed = seed
    layer.implementation = 1 if layer.recurrent_dropout else _check.one_of("implementation", implementation, (0, 1, 2))


def drops(layer: Any, rate: float) -> bool:
    """Whether a rate drops anything while training: at 1, Keras's layers with gates drop nothing, SimpleRNN all."""
    return 0.0 < rate < 1.0 or (rate == 1.0 and layer.GATES == 1)
