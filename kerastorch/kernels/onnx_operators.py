"""ONNX's LSTM, GRU and RNN, for models that `torch.onnx.export` takes.

The exporter writes an operator of torch that is called `onnx::NAME.opsetN` as the node NAME of ONNX, so nobody has to
give it translations. Each computes here what ONNX says of the node: torch's own check of an export runs it.

Masks need no sort: the valid steps of each row are moved to its front by their counts, `sequence_lens` says how many
there are, and the node leaves the states of a row as they are behind its end.

Shapes: as in `step_loop` outside, as in ONNX inside: X `(T, B, F)`, W `(D, G*U, F)`, R `(D, G*U, U)`, B `(D, 2*G*U)`,
Y `(T, D, B, U)`, states `(D, B, U)`, of D directions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import activations, gates
from ..activations.records import RECORDS
from ..errors import UnsupportedError
from . import step_loop
from .types import Activation, States

Weights = tuple[Tensor, Tensor, "Tensor | None", "Tensor | None"]  # w_ih, w_hh, b_ih, b_hh


# A function that is not here keeps a recurrence out of these nodes: it becomes a Scan.
FUNCTIONS = {record.function: record.onnx for record in RECORDS if record.onnx is not None}


class Recurrence(NamedTuple):
    """What a node computes: its name, the activations in ONNX's order, and on which side of the product r stands."""

    name: str
    functions: tuple[Activation, ...]
    linear_before_reset: bool = False

    @property
    def cell(self) -> gates.Cell:
        return _CELLS[self.name]

    def step(self, w_hh: Tensor, b_hh: Tensor | None) -> step_loop.Cell:
        """One step, with weights in torch's layout."""
        *inner, last = self.functions[:2]
        if self.name == "LSTM":
            return step_loop.lstm_cell(w_hh, last, inner[0], None)
        if self.name == "RNN":
            return step_loop.rnn_cell(w_hh, last, None)
        if self.linear_before_reset:
            return step_loop.gru_cell(w_hh, b_hh, last, inner[0], None)
        return step_loop.gru_cell_reset_before(w_hh, last, inner[0], None)


_CELLS = {"LSTM": gates.LSTM, "GRU": gates.GRU, "RNN": gates.SIMPLE_RNN}
# What torch's kernels compute.
KERNELS = {
    "lstm": Recurrence("LSTM", (activations.sigmoid, activations.tanh, activations.tanh)),
    "gru": Recurrence("GRU", (activations.sigmoid, activations.tanh), True),
    "rnn_tanh": Recurrence("RNN", (activations.tanh,)),
    "rnn_relu": Recurrence("RNN", (activations.relu,)),
}


def run(
    recurrence: Recurrence, x: Tensor, states: States, weights: Weights, mask: Tensor | None = None
) -> tuple[Tensor, States]:
    """Run a recurrence over all steps; a masked step repeats the output and keeps the states.

    Args:
        recurrence: What to compute.
        x: `(B, T, F)`.
        states: `(B, U)` each.
        weights: In torch's layout; without b_ih there is no b_hh.
        mask: bool `(B, T)`, True = use the step, or None.

    Returns:
        outputs `(B, T, U)`, final states. At a masked step before the first valid one the output is zeros.
    """
    if not has_nodes_for(x.dtype):
        return _scan(recurrence, x, states, weights, mask)
    outputs, finals = _over_valid_steps((recurrence,), x, (states,), (weights,), mask)
    return outputs[0], finals[0]


def run_both(
    recurrences: Sequence[Recurrence],
    x: Tensor,
    states: Sequence[States],
    weights: Sequence[Weights],
    mask: Tensor | None = None,
) -> tuple[list[Tensor], list[States]]:
    """Run a recurrence forwards and one of the same kind and size backwards, as one node.

    Args:
        recurrences: What to compute forwards, and backwards.
        x: `(B, T, F)`, of a dtype that `has_nodes_for`.
        states: Of each direction, `(B, U)` each.
        weights: Of each direction.
        mask: As in `run`.

    Returns:
        Of each direction the outputs `(B, T, U)`, in the order of time, and the final states.
    """
    return _over_valid_steps(recurrences, x, states, weights, mask)


def has_nodes_for(dtype: torch.dtype) -> bool:
    """Whether onnxruntime has these nodes for a dtype."""
    return dtype in (torch.float32, torch.float16)


def _over_valid_steps(
    recurrences: Sequence[Recurrence],
    x: Tensor,
    states: Sequence[States],
    weights: Sequence[Weights],
    mask: Tensor | None,
) -> tuple[list[Tensor], list[States]]:
    if mask is None:
        return _node(recurrences, x, states, weights, None)
    seen = counts(mask)
    lengths = seen[:, -1]
    outputs, finals = _node(recurrences, to_front(x, mask, seen), states, weights, lengths.to(torch.int32))
    any_valid = (lengths > 0).unsqueeze(-1)
    kept = [
        tuple(torch.where(any_valid, new, old) for new, old in zip(new_ones, old_ones, strict=True))
        for new_ones, old_ones in zip(finals, states, strict=True)
    ]
    # Backwards the step before a masked one is the next valid one. Behind the last one the node gives zeros.
    sources = (seen, seen + (~mask).to(torch.int64))
    return [_taken(out, source) for out, source in zip(outputs, sources, strict=False)], kept


def _taken(out: Tensor, source: Tensor) -> Tensor:
    """For each step an output by its number; 0 is a row of zeros, for the steps without a valid one before them."""
    out = torch.cat([out.new_zeros(out[:, :1].shape), out], dim=1)
    return out.gather(1, source.unsqueeze(-1).expand(-1, -1, out.shape[-1]))


def counts(mask: Tensor) -> Tensor:
    """How many steps are True up to each, itself included."""
    return mask.cumsum(1, dtype=torch.int64)  # with the dtype: ONNX sums no bool


def to_front(x: Tensor, mask: Tensor, seen: Tensor) -> Tensor:
    """The valid steps of each row, then the others; each in their order."""
    unseen = counts(~mask)
    place = torch.where(mask, seen - 1, seen[:, -1:] + unseen - 1)
    return torch.zeros_like(x).scatter(1, place.unsqueeze(-1).expand(-1, -1, x.shape[-1]), x)


def _scan(
    recurrence: Recurrence, x: Tensor, states: States, weights: Weights, mask: Tensor | None
) -> tuple[Tensor, States]:
    w_ih, w_hh, b_ih, b_hh = weights
    if b_hh is not None and not recurrence.linear_before_reset:
        b_ih = b_hh if b_ih is None else b_ih + b_hh
    gates_x = F.linear(x.transpose(0, 1), w_ih, b_ih)
    return step_loop.loop(recurrence.step(w_hh, b_hh), gates_x, states, mask)


def _node(
    recurrences: Sequence[Recurrence],
    x: Tensor,
    states: Sequence[States],
    weights: Sequence[Weights],
    lengths: Tensor | None,
) -> tuple[list[Tensor], list[States]]:
    """One node for one direction, or for both."""
    first = recurrences[0]
    order = functools.partial(_reordered, first.cell.torch, first.cell.onnx)
    bias = None
    if weights[0][2] is not None:
        bias = torch.stack([_bias(order, b_ih, b_hh) for _, _, b_ih, b_hh in weights])
    functions = [FUNCTIONS[function] for recurrence in recurrences for function in recurrence.functions]
    constants = {
        "activation_alpha": [function.alpha for function in functions if function.alpha is not None],
        "activation_beta": [function.beta for function in functions if function.beta is not None],
    }
    options: dict[str, Any] = {key: values for key, values in constants.items() if values}
    if first.linear_before_reset:
        options["linear_before_reset"] = 1
    if len(recurrences) == 2:
        options["direction"] = "bidirectional"
    out, *last = operator(first.name)(
        x.transpose(0, 1),
        torch.stack([order(w_ih) for w_ih, *_ in weights]),
        torch.stack([order(w_hh) for _, w_hh, *_ in weights]),
        bias,
        lengths,
        *(torch.stack(each) for each in zip(*states, strict=True)),
        activations=[function.name for function in functions],
        hidden_size=weights[0][1].shape[1],
        **options,
    )
    places = range(len(recurrences))
    return [out[:, place].transpose(0, 1) for place in places], [
        tuple(state[place] for state in last) for place in places
    ]


def _bias(order: Callable[[Tensor], Tensor], b_ih: Tensor | None, b_hh: Tensor | None) -> Tensor:
    """ONNX adds two: behind one alone stand zeros, not of `new_zeros`, which is no constant there."""
    assert b_ih is not None
    return torch.cat([order(b_ih), b_ih * 0 if b_hh is None else order(b_hh)])


def _reordered(old: str, new: str, weight: Tensor) -> Tensor:
    """Blocks of gates along the first axis, in another order."""
    if old == new:
        return weight
    units = len(weight) // len(old)
    # Slices: the exporter moves them into the weights, which it does not with `chunk`.
    return torch.cat([weight[old.index(gate) * units : (old.index(gate) + 1) * units] for gate in new])


# ---------------------------------------------------------------- the operators


@functools.cache
def operator(name: str) -> Any:
    """The operator that becomes a node of this name; it is made when it is first asked for.

    Not before: a later torch may bring operators of these names, and would find its names taken.
    """
    qualified = f"onnx::{name}.opset14"
    states = 2 if name == "LSTM" else 1
    extra = ", int linear_before_reset=0" if name == "GRU" else ""
    try:
        torch.library.define(
            qualified,
            "(Tensor X, Tensor W, Tensor R, Tensor? B=None, Tensor? sequence_lens=None, Tensor? initial_h=None, "
            f"{'Tensor? initial_c=None, ' if states == 2 else ''}*, str[] activations, float[]? activation_alpha=None, "
            f"float[]? activation_beta=None, str direction='forward', int hidden_size{extra}) "
            f"-> ({', '.join(['Tensor'] * (1 + states))})",
        )
    except RuntimeError as error:
        raise UnsupportedError(
            f"torch {torch.__version__} has an operator {qualified} of its own, whose arguments are not known here: "
            "use a newer kerastorch, or an older torch."
        ) from error

    def forward(X: Tensor, W: Tensor, R: Tensor, *others: Any, **options: Any) -> tuple[Tensor, ...]:
        return _compute(name, X, W, R, others, options)

    def fake(X: Tensor, W: Tensor, R: Tensor, *others: Any, **options: Any) -> tuple[Tensor, ...]:
        steps, batch = X.shape[:2]
        count, units = len(W), options["hidden_size"]
        return X.new_empty(steps, count, batch, units), *(X.new_empty(count, batch, units) for _ in range(states))

    torch.library.impl(qualified, "default", forward)
    torch.library.register_fake(qualified, fake)
    return getattr(torch.ops.onnx, name).opset14


def _compute(name: str, X: Tensor, W: Tensor, R: Tensor, others: Any, options: Any) -> tuple[Tensor, ...]:
    """What ONNX says of a node."""
    bias, lengths, *initial = others
    cell = _CELLS[name]
    order = functools.partial(_reordered, cell.onnx, cell.torch)
    functions = _functions(**options)
    count = len(functions) // len(W)
    mask = None if lengths is None else torch.arange(len(X), device=X.device) < lengths.unsqueeze(1)
    found = []
    for place in range(len(W)):
        recurrence = Recurrence(
            name, functions[place * count : (place + 1) * count], bool(options.get("linear_before_reset"))
        )
        b_ih, b_hh = (None, None) if bias is None else (order(part) for part in bias[place].chunk(2))
        states = tuple(state[place] for state in initial)
        x = _reversed(X, lengths) if place else X
        weights = order(W[place]), order(R[place]), b_ih, b_hh
        out, last = _scan(recurrence, x.transpose(0, 1), states, weights, mask)
        out = out.transpose(0, 1) if mask is None else (out * mask.unsqueeze(-1)).transpose(0, 1)
        found.append((_reversed(out, lengths) if place else out, *last))
    out, *last = zip(*found, strict=True)
    return torch.stack(out, dim=1), *(torch.stack(state) for state in last)


def _reversed(x: Tensor, lengths: Tensor | None) -> Tensor:
    """`(T, B, ...)` with the first steps of each row in the opposite order, as many as it has; all without lengths."""
    if lengths is None:
        return x.flip(0)
    steps = torch.arange(len(x), device=x.device).unsqueeze(1)
    source = torch.where(steps < lengths, lengths - 1 - steps, steps).to(torch.int64)
    return x.gather(0, source.unsqueeze(-1).expand(-1, -1, x.shape[-1]))


def _functions(
    activations: Sequence[str],
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    **_: Any,
) -> tuple[Activation, ...]:
    """The activations that a node names. Their constants stand in lists, those that have none have no place there."""
    takes = {function.name: function for function in FUNCTIONS.values()}
    alphas, betas = iter(activation_alpha or ()), iter(activation_beta or ())
    found = []
    for name in activations:
        constants = [
            next(values) for values, one in zip((alphas, betas), takes[name][1:], strict=True) if one is not None
        ]
        found.append(functools.partial(_FORMULAS[name], *constants) if constants else _FORMULAS[name])
    return tuple(found)


_FORMULAS: dict[str, Callable[..., Tensor]] = {
    "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid,
    "Relu": torch.relu,
    "Softsign": F.softsign,
    "HardSigmoid": lambda alpha, beta, x: (alpha * x + beta).clamp(0, 1),
    "Affine": lambda alpha, beta, x: alpha * x + beta,
    "LeakyRelu": lambda alpha, x: F.leaky_relu(x, alpha),
    "Elu": lambda alpha, x: F.elu(x, alpha),
}
