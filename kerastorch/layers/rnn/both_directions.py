"""Both directions of a Bidirectional as one call of a bidirectional kernel of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...dtypes import autocasts
from ...kernels.fused import NAMES, fused_lstm, masked
from ...kernels.operators import may_read, run_pair, wants_operator
from ...kernels.step_engine import outruns
from ...kernels.types import Kernel, States
from ...torch_private import has_global_hooks, has_hooks
from .kernel_choice import drops
from .recurrent import Recurrent
from .sequence import SequenceLayer


def kernel_of(forward: Any, backward: Any, x: Any, mask: Any, training: bool) -> str | None:
    """The name of the kernel that runs both layers at once; None if they run one after the other.

    One call it is for an LSTM, and for all on CUDA: there the two directions run side by side. On the CPU torch's
    kernels for GRU and SimpleRNN gain nothing by it, and the step engine runs in the place of many of them. A mask
    of several rows, a dropout at work and anything that watches one direction by itself keep the two apart.
    """
    if wants_operator() or type(forward) is not type(backward):
        return None
    if not all(_is_plain(layer, x, mask) for layer in (forward, backward)):
        return None
    if forward.units != backward.units or forward.use_bias != backward.use_bias or forward.go_backwards:
        return None
    kernel = forward._fused()
    if isinstance(kernel, str) or kernel is not backward._fused() or not gains(kernel, x, forward):
        return None
    if training and any(drops(layer, rate) for layer in (forward, backward) for rate in _rates(layer)):
        return None
    if autocasts(x.device):
        return None
    return NAMES[kernel] if mask is None or _is_one_row(mask) else None


def gains(kernel: Kernel, x: Tensor, layer: Any) -> bool:
    """Whether one call is faster than two."""
    return not x.is_cpu or (kernel is fused_lstm and not outruns(kernel, x, layer._kernel_weights()))


def _is_one_row(mask: Any) -> bool:
    """Whether the valid steps of a mask are a sequence without padding, which both directions can run over."""
    return type(mask) is Tensor and mask.ndim == 2 and len(mask) == 1 and may_read(mask) and bool(mask.any())


def _is_plain(layer: Any, x: Any, mask: Any) -> bool:
    """Whether a layer computes x by nothing but its kernel."""
    own = isinstance(layer, Recurrent) and type(layer)._run is Recurrent._run
    own = own and type(layer).forward is SequenceLayer.forward and layer._built
    as_now = layer.zero_output_for_mask == layer.return_sequences and not layer.first_state_shows
    own = own and (mask is None or as_now)
    return own and type(x) is Tensor and x.dtype == layer.dtype == layer._computes_in and not _is_watched(layer)


def _is_watched(layer: Any) -> bool:
    return has_global_hooks() or has_hooks(layer) or layer.activity_regularizer is not None


def _rates(layer: Any) -> tuple[float, float]:
    return layer.dropout, layer.recurrent_dropout


def _kernel(name: str) -> Kernel:
    def call(x: Tensor, states: States, weights: Sequence[Tensor]) -> tuple[Tensor, States]:
        out, *last = run_pair(name, x, states, weights)
        return out, tuple(last)

    return call


def run(
    name: str, forward: Any, backward: Any, x: Tensor, mask: Any, initial: Any
) -> tuple[Tensor, Tensor, Tensor, States]:
    """Run both layers.

    Args:
        name: Of the kernel.
        forward: The layer that runs in the order of time.
        backward: The other.
        x: `(B, T, F)`.
        mask: Of one row `(1, T)`, or None.
        initial: The initial states of both, each None if there are none.

    Returns:
        All outputs of both `(B, T, 2U)`, in the order of time, the last output of each `(B, U)`, and the final states
        of both.
    """
    x = forward._check_input(x)
    starts = [layer._start(x, states) for layer, states in zip((forward, backward), initial, strict=True)]
    states = tuple(torch.stack(pair) for pair in zip(*starts, strict=True))
    weights = [*forward._kernel_weights(), *backward._kernel_weights()]
    mask = forward._check_mask(x, mask)
    if mask is None:
        out, last = _kernel(name)(x, states, weights)
    else:
        out, last = masked(_kernel(name), x, states, weights, mask, hide=True)
    finals = [tuple(state[direction] for state in last) for direction in (0, 1)]
    for layer, its in zip((forward, backward), finals, strict=True):
        if layer.stateful:
            layer._keep(its)
    return out, finals[0][0], finals[1][0], (*finals[0], *finals[1])
