"""A model as a program of `torch.export`, a .pt2 file."""

from __future__ import annotations

import inspect
import operator
import os
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from ..errors import ArgumentError, did_you_mean, quote
from ..files.replacing import replacing
from ..paths import AnyPath
from ..structure import map_structure
from ._flat import Flat
from ._signature import Spec

_OURS = ("mod", "args", "kwargs")  # the arguments of torch.export.export that are made here
_OPERATORS = ("lstm", "gru", "rnn_tanh", "rnn_relu")  # torch's own have the same names


def write_program(
    flat: Flat,
    specs: Sequence[Spec],
    inputs: Sequence[Tensor],
    filepath: AnyPath,
    verbose: bool,
    *,
    standalone: bool = True,
    **options: Any,
) -> None:
    """Write the model.

    Args:
        flat: The model.
        specs: Its inputs.
        inputs: An example of each.
        filepath: Where to, with the ending .pt2.
        verbose: Not needed.
        standalone: Whether the file shall load where there is no kerastorch.
        **options: Those of `torch.export.export`: `strict`, `dynamic_shapes`, ...
    """
    if not os.fsdecode(filepath).endswith(".pt2"):
        raise ArgumentError(f'export: format="torch" writes .pt2 files, got {quote(os.fsdecode(filepath))}.')
    known = [
        name for name in inspect.signature(torch.export.export).parameters if name not in ("mod", "args", "kwargs")
    ]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ArgumentError(
            f'export: format="torch" has no option {", ".join(map(repr, unknown))}; it takes standalone, '
            f"{', '.join(known)}.{did_you_mean(unknown[0], known)}"
        )
    model = flat.model.inner
    nested = _nested(model, list(inputs))
    if "dynamic_shapes" not in options:
        free: list[Any] = [dict.fromkeys(spec.free_axes(), torch.export.Dim.DYNAMIC) for spec in specs]
        options["dynamic_shapes"] = (_nested(model, free),)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"copyreg|torch\..*")
        program = torch.export.export(model, (nested,), **options)
    if standalone:
        program = with_torch_alone(program)
    with replacing(filepath) as temporary, open(temporary, "wb") as file:
        torch.export.save(program, file)


def _nested(model: Any, values: list[Any]) -> Any:
    """One value for each input, nested as the model's inputs are."""
    if getattr(model, "_graph", None) is None:
        return values[0] if len(values) == 1 else values
    rest = iter(values)
    return map_structure(lambda _: next(rest), model.input)


def with_torch_alone(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """The program with torch's own LSTM, GRU and RNN in the place of our operators of the same names.

    It is changed in place. Loaded, it needs torch alone, and runs the same kernels.
    """
    graph = program.graph_module.graph
    for name in _OPERATORS:
        ours = getattr(torch.ops.kerastorch, name).default
        theirs = getattr(torch.ops.aten, name).input
        for node in graph.find_nodes(op="call_function", target=ours):
            _replace(graph, node, theirs)
    graph.lint()
    program.graph_module.recompile()
    return program


def _replace(graph: fx.Graph, node: fx.Node, theirs: Any) -> None:
    """One call. The nodes that take its results stay, with their names: the program's signature knows these."""
    values = node.meta["val"]
    x, *states, w_ih, w_hh, b_ih, b_hh = node.args
    weights = [weight for weight in (w_ih, w_hh, b_ih, b_hh) if weight is not None]
    with graph.inserting_before(node), values[0].fake_mode:
        layered = [_call(graph, torch.ops.aten.unsqueeze.default, (state, 0)) for state in states]
        for made, value in zip(layered, values[1:], strict=True):
            made.meta["val"] = value.unsqueeze(0)
        hidden = layered if len(layered) == 2 else layered[0]
        call = _call(graph, theirs, (x, hidden, weights, len(weights) == 4, 1, 0.0, False, False, True))
        call.meta["val"] = (values[0], *(value.unsqueeze(0) for value in values[1:]))
    for user in list(node.users):
        index: Any = user.args[1]
        if index == 0:
            user.args = (call, 0)
            continue
        with graph.inserting_before(user):
            state = _call(graph, operator.getitem, (call, index))
        state.meta["val"] = call.meta["val"][index]
        user.target, user.args = torch.ops.aten.select.int, (state, 0, 0)
    graph.erase_node(node)


def _call(graph: fx.Graph, target: Any, args: tuple[Any, ...]) -> fx.Node:
    return graph.call_function(target, args)
