"""Both directions of a Bidirectional as one call of a bidirectional kernel of torch, or as one node of ONNX."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...base.dtype_policy import call_in_policy
from ...dtypes import autocasts
from ...kernels import onnx_operators, packing
from ...kernels.fused import NAMES, PAIRS, fused_lstm, masked, masked_pair
from ...kernels.operators import may_read, wants_operator
from ...kernels.step_engine import onnx_recurrence, outruns
from ...kernels.types import Kernel, States
from ...torch_private import has_global_hooks, has_hooks, is_exporting_to_onnx
from .kernel_choice import drops
from .recurrent import Recurrent
from .sequence import SequenceLayer


class Node(NamedTuple):
    """What a node of ONNX computes in each direction, and its weights there."""

    recurrences: tuple[onnx_operators.Recurrence, ...]
    weights: tuple[onnx_operators.Weights, ...]


def kernel_of(forward: Any, backward: Any, x: Any, mask: Any, training: bool) -> Kernel | Node | None:
    """The kernel, of one direction, that runs both layers at once, or the node; None if they run one after the other.

    One call it is for an LSTM, and for all on CUDA: there the two directions run side by side, with any mask and in
    any dtype. On the CPU torch's kernels for GRU and SimpleRNN gain nothing by it, and the step engine runs in the
    place of many of them; a mask of several rows keeps the two apart there, and so do `torch.autocast` and a mixed
    policy. Active dropout, or a hook on one direction, keeps them apart everywhere.
    """
    if type(forward) is not type(backward):
        return None
    if is_exporting_to_onnx():
        return _node(forward, backward, x, training)
    if wants_operator():
        return None
    if not all(_is_plain(layer, x, mask) for layer in (forward, backward)):
        return None
    if forward.units != backward.units or forward.use_bias != backward.use_bias or forward.go_backwards:
        return None
    kernel = forward._fused()
    if isinstance(kernel, str) or kernel is not backward._fused() or not gains(kernel, x, forward):
        return None
    if _drop(forward, backward, training):
        return None
    if packing.scatters(x):
        alike = _computes_in(forward, x) == _computes_in(backward, x)
        return kernel if alike and (mask is None or _is_of_rows(mask)) else None
    return kernel if not autocasts(x.device) and (mask is None or _is_one_row(mask)) else None


def _node(forward: Any, backward: Any, x: Tensor, training: bool) -> Node | None:
    """The node of ONNX that computes both layers; None: there is none."""
    if not all(_is_own(layer) and not layer.first_state_shows for layer in (forward, backward)):
        return None
    if forward.units != backward.units or forward.use_bias != backward.use_bias or forward.go_backwards:
        return None
    if _drop(forward, backward, training) or autocasts(x.device) or not onnx_operators.has_nodes_for(x.dtype):
        return None
    parts = [_in_onnx(layer) for layer in (forward, backward)]
    recurrences, weights = zip(*parts, strict=True)
    if None in recurrences or recurrences[0].linear_before_reset != recurrences[1].linear_before_reset:
        return None
    return Node(recurrences, weights)


def _in_onnx(layer: Any) -> tuple[onnx_operators.Recurrence | None, onnx_operators.Weights]:
    weights, kernel = layer._kernel_weights(), layer._fused()
    if not isinstance(kernel, str):
        w_ih, w_hh, b_ih, b_hh = [*weights, None, None][:4]
        return onnx_operators.KERNELS[NAMES[kernel]], (w_ih, w_hh, b_ih, b_hh)
    steps = layer._steps(None)
    return onnx_recurrence(steps), (weights[0], weights[1], layer._input_bias(weights), steps.b_hh)


def _drop(forward: Any, backward: Any, training: bool) -> bool:
    """Whether a dropout is at work."""
    return training and any(drops(layer, rate) for layer in (forward, backward) for rate in _rates(layer))


def gains(kernel: Kernel, x: Tensor, layer: Any) -> bool:
    """Whether one call is faster than two."""
    return not x.is_cpu or (kernel is fused_lstm and not outruns(kernel, x, layer._kernel_weights()))


def _is_of_rows(mask: Any) -> bool:
    return type(mask) is Tensor and mask.ndim == 2


def _is_one_row(mask: Any) -> bool:
    """Whether the valid steps of a mask are a sequence without padding, which both directions can run over."""
    return _is_of_rows(mask) and len(mask) == 1 and may_read(mask) and bool(mask.any())


def _is_plain(layer: Any, x: Any, mask: Any) -> bool:
    """Whether a layer runs only its kernel on x."""
    as_now = layer.zero_output_for_mask == layer.return_sequences and not layer.first_state_shows
    own = _is_own(layer) and (mask is None or as_now)
    return own and type(x) is Tensor and _takes_dtype(layer, x)


def _takes_dtype(layer: Any, x: Tensor) -> bool:
    """Whether x has the layer's dtype; on a device, whether the layer casts it, or `torch.autocast` does."""
    if not packing.scatters(x):
        return x.dtype == layer.dtype == layer._computes_in
    if autocasts(x.device):
        return not layer._casts and torch.float64 not in (x.dtype, layer.dtype)
    return layer._casts or x.dtype == layer.dtype


def _computes_in(layer: Any, x: Tensor) -> torch.dtype:
    return layer._computes_in if layer._casts else x.dtype


def _is_own(layer: Any) -> bool:
    """Whether a layer is computed as ours are, and nobody watches it."""
    own = isinstance(layer, Recurrent) and type(layer)._run is Recurrent._run
    return own and type(layer).forward is SequenceLayer.forward and layer._built and not _is_watched(layer)


def _is_watched(layer: Any) -> bool:
    return has_global_hooks() or has_hooks(layer) or layer.activity_regularizer is not None


def _rates(layer: Any) -> tuple[float, float]:
    return layer.dropout, layer.recurrent_dropout


def run(
    kernel: Kernel | Node, forward: Any, backward: Any, x: Tensor, mask: Any, initial: Any
) -> tuple[Tensor, Tensor, Tensor, States]:
    """Run both layers.

    Args:
        kernel: What `kernel_of` gives.
        forward: The layer that runs in the order of time.
        backward: The other.
        x: `(B, T, F)`.
        mask: Of one row `(1, T)`, or None; of any number of rows for a node, and on a device.
        initial: The initial states of both, each None if there are none.

    Returns:
        All outputs of both `(B, T, 2U)`, in the order of time, the last output of each `(B, U)`, and the final states
        of both.
    """
    layers = forward, backward

    def compute(x: Tensor, mask: Any, initial: Any) -> tuple[Tensor, Tensor, Tensor, States]:
        x = forward._check_input(x)
        starts = [layer._start(x, states) for layer, states in zip(layers, initial, strict=True)]
        mask = forward._check_mask(x, mask)
        run = _as_node if isinstance(kernel, Node) else _by_kernel
        out, last_forward, last_backward, finals = run(kernel, forward, backward, x, mask, starts)
        for layer, its in zip(layers, finals, strict=True):
            if layer.stateful:
                layer._keep(its)
        return out, last_forward, last_backward, (*finals[0], *finals[1])

    function: Callable[..., Any] = compute
    for layer in layers:
        if layer._casts and not x.dtype == layer.dtype == layer._computes_in:
            function = functools.partial(_in_policy, layer, function)
    return function(x, mask, initial)


def _in_policy(layer: Any, function: Callable[..., Any], *args: Any) -> Any:
    return call_in_policy(layer, function, args, {})


def _by_kernel(
    kernel: Any, forward: Any, backward: Any, x: Tensor, mask: Tensor | None, starts: Sequence[States]
) -> tuple[Tensor, Tensor, Tensor, Sequence[States]]:
    weights = [layer._kernel_weights() for layer in (forward, backward)]
    if mask is not None and packing.scatters(x):
        wanted = {"want_states": forward.return_state or forward.stateful, "only_last": not forward.return_sequences}
        out, lasts, finals = masked_pair(kernel, x, starts, weights, mask, **wanted)
        return out, *lasts, finals
    states = tuple(torch.stack(pair) for pair in zip(*starts, strict=True))
    arguments = PAIRS[kernel], x, states, [*weights[0], *weights[1]]
    out, last = arguments[0](*arguments[1:]) if mask is None else masked(*arguments, mask, hide=True)
    finals = [tuple(state[direction] for state in last) for direction in (0, 1)]
    return out, finals[0][0], finals[1][0], finals


def _as_node(
    node: Any, forward: Any, backward: Any, x: Tensor, mask: Tensor | None, starts: Sequence[States]
) -> tuple[Tensor, Tensor, Tensor, Sequence[States]]:
    outputs, finals = onnx_operators.run_both(node.recurrences, x, starts, node.weights, mask)
    if mask is not None:
        outputs = [layer._hide(out, mask) for layer, out in zip((forward, backward), outputs, strict=True)]
    return torch.cat(outputs, dim=-1), outputs[0][:, -1], outputs[1][:, 0], finals
