"""Masks of a graph that are written once, and steps that are moved once.

A mask with itself is itself, and the same one is not computed again. Steps that one recurrence has moved to the front
stay there for the next one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn

from . import helpers

_SAME = (torch.logical_or, torch.logical_and)


def compute_masks_once(graph: fx.Graph) -> None:
    """Let every use of a mask take the first node that computes it."""
    seen: dict[Any, fx.Node] = {}
    for node in list(graph.nodes):
        if node.op == "call_function" and node.target in _SAME and len(node.args) == 2 and node.args[0] is node.args[1]:
            node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]
            graph.erase_node(node)
        elif node.meta.keys() & {"label"} and _is_plain(node):
            first = seen.setdefault(_key(node), node)
            if first is not node:
                node.replace_all_uses_with(first)
    graph.eliminate_dead_code(is_impure_node=lambda node: node.op in ("placeholder", "output"))


def move_steps_once(root: nn.Module, graph: fx.Graph) -> None:
    """Let a recurrence run on the steps as the one before has left them, where the same mask moves them.

    Dropout may stand between: it drops a step wherever that stands.
    """
    for node in list(graph.nodes):
        if node.target is not helpers.used_first:
            continue
        between, source = [], node.args[0]
        while source.op == "call_module" and type(getattr(root, str(source.target))) is nn.Dropout:
            if len(source.users) > 1:
                break
            between, source = [*between, source], source.args[0]
        if source.target is not helpers.back_in_place or source.args[1] is not node.args[1]:
            continue
        if between and len(source.users) > 1:
            continue
        moved = source.args[0]
        moved.meta.update({key: source.meta[key] for key in ("shape", "layer") if key in source.meta})
        for dropout in between[-1:]:
            dropout.args = (moved,)
        node.replace_all_uses_with(between[0] if between else moved)
    graph.eliminate_dead_code(is_impure_node=lambda node: node.op in ("placeholder", "output"))


def _is_plain(node: fx.Node) -> bool:
    """Whether a node is one of Python's operators on tensors, an index or a comparison."""
    return node.op == "call_function" and getattr(node.target, "__module__", "") == "_operator"


def _key(value: Any) -> Any:
    """What a value is computed from, down to what is no plain operator."""
    if isinstance(value, fx.Node):
        return (value.target, *map(_key, value.args)) if _is_plain(value) else value
    if isinstance(value, (tuple, list)):
        return tuple(map(_key, value))
    return repr(value)
