"""Torch's fused kernels over all steps of a sequence, and masks around them.

Shapes: `x` is `(B, T, F)`, states are `(B, U)`, masks are bool `(B, T)`; weights as in `step_loop`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .. import torch_private
from ..dtypes import autocasts
from . import onnx_operators, packing
from .operators import call_operator, may_read, run_kernel, run_pair, wants_operator
from .types import Kernel, States


def _fused(name: str) -> Kernel:
    def call(x: Tensor, states: States, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
        if torch_private.is_exporting_to_onnx():
            out, last = _in_onnx(name, x, states, weights, None)
            return out, *last
        return (call_operator if wants_operator() else run_kernel)(name, x, states, weights)

    return _in_autocast(call)


def _paired(name: str) -> Kernel:
    return _in_autocast(lambda x, states, weights: run_pair(name, x, states, weights))


def _in_autocast(call: Callable[[Tensor, States, Sequence[Tensor]], tuple[Tensor, ...]]) -> Kernel:
    """The call of a kernel, in the dtype that `torch.autocast` asks for."""

    def run(x: Tensor, states: States, weights: Sequence[Tensor]) -> tuple[Tensor, States]:
        if autocasts(x.device) and x.dtype != torch.float64:
            dtype = torch.get_autocast_dtype(x.device.type)
            x, states = x.to(dtype), tuple(state.to(dtype) for state in states)
            weights = [weight.to(dtype) for weight in weights]
            with torch.autocast(x.device.type, enabled=False):
                out, *last = call(x, states, weights)
        else:
            out, *last = call(x, states, weights)
        return out, tuple(last)

    return run


def _in_onnx(
    name: str, x: Tensor, states: States, weights: Sequence[Tensor], mask: Tensor | None
) -> tuple[Tensor, States]:
    w_ih, w_hh, *biases = weights
    b_ih, b_hh = biases or (None, None)
    return onnx_operators.run(onnx_operators.KERNELS[name], x, states, (w_ih, w_hh, b_ih, b_hh), mask)


# Over all steps (cuDNN on CUDA, oneDNN on CPU). `weights`: w_ih, w_hh and, with bias, b_ih, b_hh.
fused_lstm = _fused("lstm")
fused_gru = _fused("gru")
fused_rnn_tanh = _fused("rnn_tanh")
fused_rnn_relu = _fused("rnn_relu")
NAMES = {fused_lstm: "lstm", fused_gru: "gru", fused_rnn_tanh: "rnn_tanh", fused_rnn_relu: "rnn_relu"}
# In both directions at once: states `(2, B, U)`, weights of the way forwards, then of the way back.
PAIRS = {kernel: _paired(name) for kernel, name in NAMES.items()}


def take_steps(x: Tensor, index: Tensor) -> Tensor:
    """`x[b, index[b, t]]` for `x` `(B, T, F)`, `index` `(B, S)`."""
    if wants_operator() or torch_private.is_tracing():  # a graph serves any batch and any memory order
        return x.gather(1, index.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
    # As whole rows of one matrix: up to ten times as fast as gather.
    batch, steps = x.shape[:2]
    if batch == 1:
        return x.index_select(1, index[0])
    index = index.t()
    if x.stride(0) < x.stride(1):  # as the kernels give it: step after step
        rows = x.transpose(0, 1).flatten(0, 1)
        places = index * batch + torch.arange(batch, device=x.device)
    else:
        rows = x.flatten(0, 1)
        places = index + torch.arange(batch, device=x.device) * steps
    return rows.index_select(0, places.flatten()).unflatten(0, index.shape).transpose(0, 1)


def masked(
    kernel: Kernel,
    x: Tensor,
    states: States,
    weights: Sequence[Tensor],
    mask: Tensor,
    *,
    want_states: bool = True,
    only_last: bool = False,
    hide: bool = False,
) -> tuple[Tensor, States]:
    """Run a fused kernel on the valid steps of each row only.

    The valid steps are moved to the front (on a device as `packing` says), the dense kernel runs, and each step takes
    the output of the latest valid step: any pattern of holes, no host synchronisation, no data-dependent shape. What
    stands behind a row's last valid step cannot reach its outputs. In front of the outputs stands a row of zeros, for
    the steps without a valid one.

    On the CPU the lengths of the rows are read: no step is computed behind the longest, and none moved without holes.

    Args:
        want_states: Whether the final states are needed; `()` is returned in their place otherwise. The final cell
            state of an LSTM comes from the same run: an extra input that is 1 on padding holds the input gate at 0 and
            the forget gate at 1 there.
        only_last: Whether the output of the last step is enough, as `(B, 1, U)`.
        hide: Whether the output of a masked step is zero, not that of the latest valid step.
    """
    if torch_private.is_exporting_to_onnx():
        out, finals = _in_onnx(NAMES[kernel], x, states, weights, mask)
        out = out * mask.unsqueeze(-1) if hide else out
        return out[:, -1:] if only_last else out, finals
    seen = onnx_operators.counts(mask)
    last = seen[:, -1:]
    shortest, longest = _lengths(last, mask.shape[1])
    if shortest == mask.shape[1]:
        return kernel(x, states, weights)
    if torch_private.is_exporting() or torch_private.is_traced_to_onnx():  # ONNX has no stable sort
        packed = onnx_operators.to_front(x, mask, seen)
    elif packing.scatters(x):
        packed = packing.placed(x, mask, seen - 1).transpose(0, 1)
    elif shortest == longest and len(mask) == 1:
        packed = take_steps(x, mask.nonzero()[:, 1].unsqueeze(0))
    else:
        packed = take_steps(x, torch.argsort(mask, dim=1, descending=True, stable=True)[:, :longest])
    if want_states and len(states) == 2 and shortest < longest:
        if packing.scatters(x):
            padding = packing.after(last, longest, x)
            packed = packing.beside([packed.transpose(0, 1), padding]).transpose(0, 1)
        else:
            padding = torch.arange(longest, device=mask.device) >= last
            packed = torch.cat([packed, padding.unsqueeze(-1).to(x.dtype)], dim=-1)
        w_ih = packing.weights_beside([weights[0], _hold_column(weights[0])], packed.shape[-1])
        weights = [w_ih, *weights[1:]]
    out, finals = kernel(packed, states, weights)
    out = torch.cat([out.new_zeros(1, out.shape[0], out.shape[2]), out.transpose(0, 1)]).transpose(0, 1)
    source = seen * mask if hide else seen
    result = take_steps(out, source[:, -1:] if only_last else source)
    if not want_states:
        return result, ()
    if shortest == longest:
        return result, finals
    h = torch.where(last > 0, take_steps(out, last)[:, 0], states[0])
    return result, (h, *finals[1:])


def masked_pair(
    kernel: Kernel,
    x: Tensor,
    states: Sequence[States],
    weights: Sequence[Sequence[Tensor]],
    mask: Tensor,
    *,
    want_states: bool,
    only_last: bool,
) -> tuple[Tensor, tuple[Tensor, Tensor], Sequence[States]]:
    """Run a fused kernel on the valid steps of each row in both directions of time, in one call (see `packing`).

    Args:
        kernel: For one direction.
        x: `(B, T, F)`.
        states: The initial ones of each direction, `(B, U)` each.
        weights: Of each direction.
        mask: bool `(B, T)`.
        want_states: Whether the final states are needed; each has `()` in their place otherwise.
        only_last: Whether the last outputs are enough; they stand in the place of all then.

    Returns:
        The outputs of both `(B, T, 2U)`, zeros at masked steps; the last output of each `(B, U)`, in the order in which
        it runs, zeros in rows without a valid step; the final states of each.
    """
    steps = x.shape[1]
    seen = onnx_operators.counts(mask)
    last = seen[:, -1:]
    begin = steps - last  # of the valid steps on the way back, which end with the last step
    parts = [packing.placed(x, mask, seen - 1), packing.placed(x, mask, begin + seen - 1)]
    holds = want_states and len(states[0]) == 2
    if holds:
        parts += [packing.after(last, steps, x), packing.before(begin, steps, x)]
    wide = packing.beside(parts)
    arranged: list[Tensor] = []
    for direction, (w_ih, *others) in enumerate(weights):
        columns: list[Tensor | int] = [part.shape[-1] for part in parts]  # zeros, but for its own
        columns[direction] = w_ih
        if holds:
            columns[2 + direction] = _hold_column(w_ih)
        arranged += [packing.weights_beside(columns, wide.shape[-1]), *others]
    starts = tuple(torch.stack(pair) for pair in zip(*states, strict=True))
    out, finals = PAIRS[kernel](wide.transpose(0, 1), starts, arranged)
    out = out.transpose(0, 1)
    ends = packing.taken(out, [last, (begin + 1) * (last > 0)])[:, 0]
    result = ends if only_last else packing.taken(out, [seen * mask, (begin + seen) * mask])
    ends_of = ends.chunk(2, dim=-1)
    h = [torch.where(last > 0, end, its[0]) for end, its in zip(ends_of, states, strict=True)]
    kept = [(h[index], *(final[index] for final in finals[1:])) for index in (0, 1)] if want_states else [(), ()]
    return result, (ends_of[0], ends_of[1]), kept


def _lengths(last: Tensor, steps: int) -> tuple[int, int]:
    """The fewest and the most valid steps of a row, as far as they may be known; at least one step is computed."""
    if not may_read(last) or not len(last):
        return 0, steps
    fewest, most = last.aminmax()
    return int(fewest), max(int(most), 1)


def _hold_column(w_ih: Tensor) -> Tensor:
    """LSTM input weights `(4U, 1)` that close the input gate and open the forget gate: sigmoid is then exactly 0, 1."""
    units = w_ih.shape[0] // 4
    closed = w_ih.new_full((units, 1), -1e4)
    return torch.cat([closed, -closed, w_ih.new_zeros(2 * units, 1)])
