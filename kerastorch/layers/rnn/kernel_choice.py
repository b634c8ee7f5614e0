"""Which kernel runs a recurrent layer, and why; and the arguments that a gated layer and its cell share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ...base import check
from ...kernels import step_engine
from ...kernels.types import Kernel, KernelChoice


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
    layer.units = check.positive("units", units)
    layer.use_bias = check.boolean("use_bias", use_bias)
    layer.dropout = check.rate("dropout", dropout)
    layer.recurrent_dropout = check.rate("recurrent_dropout", recurrent_dropout)
    layer.seed = seed
    layer.implementation = 1 if layer.recurrent_dropout else check.one_of("implementation", implementation, (0, 1, 2))


def drops(layer: Any, rate: float) -> bool:
    """Whether a rate drops anything while training: at 1, Keras's layers with gates drop nothing, SimpleRNN all."""
    return 0.0 < rate < 1.0 or (rate == 1.0 and type(layer).CELL.count == 1)


def kernel_for(
    layer: Any, kernel: Kernel | str, x: Tensor | None, weights: Sequence[Tensor], training: bool
) -> Kernel | KernelChoice:
    """torch's kernel for one run of a gated layer or cell, or the choice of the step loop, with the reason.

    Args:
        layer: The layer or cell.
        kernel: torch's kernel for the configuration, or why there is none.
        x: The input `(B, T, F)`; None if its size is not known.
        weights: As the kernel takes them; they are looked at only if x is given.
        training: Whether dropout acts.
    """
    if isinstance(kernel, str):
        gates = (layer.recurrent_activation,) if type(layer).CELL.count > 1 else ()
        remark = step_engine.remark(layer.activation, *gates)
        return KernelChoice("step loop", f"{kernel}; {remark}" if remark else kernel)
    if training and drops(layer, layer.recurrent_dropout):
        return KernelChoice("step loop", "recurrent_dropout changes the state between the steps while training")
    if training and layer.implementation == 1 and drops(layer, layer.dropout):
        return KernelChoice("step loop", "implementation=1 drops inputs for each gate by itself while training")
    if x is not None and step_engine.outruns(kernel, x, weights):
        return KernelChoice("step loop", step_engine.says_faster(kernel))
    return kernel


def choice_of(kernel: Kernel | KernelChoice, computes: str) -> KernelChoice:
    """What to tell of `kernel_for`'s answer; `computes`: the reason if torch's kernel runs."""
    if isinstance(kernel, KernelChoice):
        return kernel
    instead = step_engine.says_instead(kernel)
    return KernelChoice("fused", f"{computes}; {instead}" if instead else computes)
