"""Recurrent layers on each other become one module of torch with `num_layers`, where it computes the same."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import fx, nn

_KINDS = (nn.LSTM, nn.GRU, nn.RNN)


class _Run(NamedTuple):
    """One call of a recurrent module, and all its outputs."""

    name: str
    module: Any
    call: fx.Node
    out: fx.Node


def merge_stacks(root: nn.Module, graph: fx.Graph) -> None:
    """Merge runs of equal modules, with equal dropout between them or none; the first one's name stays.

    A merged module has the names of its layers in `stack`. Nothing is merged whose states somebody uses, and no module
    that is called more than once: a state of a stack has another shape.
    """
    while any(_merge(root, graph, run) for run in list(_runs(root, graph))):
        pass


def _runs(root: nn.Module, graph: fx.Graph) -> Iterator[_Run]:
    calls: dict[str, int] = {}
    for node in graph.nodes:
        if node.op in ("call_module", "get_attr"):
            calls[str(node.target)] = calls.get(str(node.target), 0) + 1
    for node in graph.nodes:
        if node.op == "call_module" and len(node.args) == 1 and not node.kwargs:
            name, outs = str(node.target), list(node.users)
            module = getattr(root, name)
            if type(module) not in _KINDS or calls[name] != 1:
                continue
            if len(outs) == 1 and outs[0].target is operator.getitem and outs[0].args[1] == 0:
                yield _Run(name, module, node, outs[0])


def _merge(root: nn.Module, graph: fx.Graph, lower: _Run) -> bool:
    """Merge a run with the one on it, if there is one that fits."""
    if len(lower.out.users) != 1:
        return False
    (user,) = lower.out.users
    between = getattr(root, str(user.target)) if user.op == "call_module" else None
    dropout = between.p if type(between) is nn.Dropout and len(user.users) == 1 else None
    source = lower.out if dropout is None else user
    upper = next((run for run in _runs(root, graph) if run.call.args[0] is source and run.call is not lower.call), None)
    if upper is None or not _fit(lower, upper, dropout or 0.0):
        return False
    merged = _stacked(lower, upper, dropout or 0.0)
    setattr(root, lower.name, merged)
    lower.out.meta.update({key: upper.out.meta[key] for key in ("shape", "layer") if key in upper.out.meta})
    upper.out.replace_all_uses_with(lower.out)
    for node in [upper.out, upper.call, *([user] if dropout is not None else [])]:
        graph.erase_node(node)
    delattr(root, upper.name)
    if dropout is not None:
        delattr(root, str(user.target))
    return True


def _fit(lower: _Run, upper: _Run, dropout: float) -> bool:
    a, b = lower.module, upper.module
    same = ("hidden_size", "bias", "bidirectional", "batch_first", "training")
    directions = 2 if a.bidirectional else 1
    return (
        type(a) is type(b)
        and b.num_layers == 1
        and all(getattr(a, name) == getattr(b, name) for name in same)
        and getattr(a, "nonlinearity", None) == getattr(b, "nonlinearity", None)
        and b.input_size == directions * a.hidden_size
        and (a.num_layers == 1 or a.dropout == dropout)
        and next(a.parameters()).dtype == next(b.parameters()).dtype
    )


@torch.no_grad()
def _stacked(lower: _Run, upper: _Run, dropout: float) -> nn.Module:
    a, b = lower.module, upper.module
    options: dict[str, Any] = {"nonlinearity": a.nonlinearity} if isinstance(a, nn.RNN) else {}
    with torch.device("meta"):
        merged: Any = type(a)(
            a.input_size,
            a.hidden_size,
            num_layers=a.num_layers + 1,
            bias=a.bias,
            batch_first=True,
            dropout=dropout,
            bidirectional=a.bidirectional,
            **options,
        )
    some = next(a.parameters())
    merged = merged.to(some.dtype).to_empty(device=some.device).train(a.training)
    held = dict(a.named_parameters())
    held |= {name.replace("_l0", f"_l{a.num_layers}"): value for name, value in b.named_parameters()}
    for name, target in merged.named_parameters():
        target.copy_(held[name])
        target.requires_grad_(held[name].requires_grad)
    merged.stack = (*getattr(a, "stack", (lower.name,)), upper.name)
    return merged
