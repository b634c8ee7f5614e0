"""Equal blocks on each other become one `nn.ModuleList`, and a loop in the code.

A block is a run of nodes: each turn takes what the turn before gave, beside values that are the same in all turns, and
nothing else of it is used. A block of one module stays as it is written; of several modules a class is made, so that
the loop has one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import fx, nn
from torch.fx.node import map_arg

from .naming import Names, constructor

_TURNS = 3  # of a block of one module, at least; of one with several two are enough, where they are as many lines
_SAVED = 4  # modules that need no line of their own then


class Loop(NamedTuple):
    """What the nodes of a loop know of it: `node.meta["loop"]`.

    Attributes:
        name: The `nn.ModuleList`.
        turn: Which one the node belongs to.
        enters: What the first turn takes.
        ends: What each turn gives.
    """

    name: str
    turn: int
    enters: fx.Node
    ends: tuple[fx.Node, ...]


class _Repeat(NamedTuple):
    """Equal runs of nodes, one behind the other."""

    turns: list[list[fx.Node]]
    enters: fx.Node
    shared: list[fx.Node]

    @property
    def ends(self) -> tuple[fx.Node, ...]:
        return tuple(turn[-1] for turn in self.turns)


def fold_blocks(root: nn.Module, graph: fx.Graph, class_name: str) -> list[str]:
    """Put equal blocks together, the longest runs first.

    Args:
        root: The modules that the graph calls; changed in place.
        graph: Changed in place.
        class_name: Of the model; the class of a block is named after it.

    Returns:
        The names of the lists, as attributes of `root`.
    """
    made: list[str] = []
    classes = 0
    while (found := _longest(root, graph)) is not None:
        if len(_modules(root, found.turns[0])) > 1:
            classes += 1
            made.append(_as_class(root, graph, found, f"{class_name}Block{classes if classes > 1 else ''}"))
        else:
            made.append(_as_list(root, found))
    return made


# ---------------------------------------------------------------------------- where they are


def _longest(root: nn.Module, graph: fx.Graph) -> _Repeat | None:
    nodes = [node for node in graph.nodes if node.op not in ("placeholder", "output")]
    kinds = [_kind(root, graph, node) for node in nodes]
    best: _Repeat | None = None
    saved = 0
    for length in range(1, len(nodes) // 2 + 1):
        for start in range(len(nodes) - 2 * length + 1):
            count = 1
            while kinds[start : start + length] == kinds[start + count * length : start + (count + 1) * length]:
                count += 1
            if (count - 1) * length <= saved or None in kinds[start : start + length]:
                continue
            turns = [nodes[start + turn * length : start + (turn + 1) * length] for turn in range(count)]
            found = _joined(turns)
            if found is not None and (len(found.turns) - 1) * length > saved and _is_worth(root, found):
                best, saved = found, (len(found.turns) - 1) * length
    return best


def _is_worth(root: nn.Module, found: _Repeat) -> bool:
    modules, turns = len(_modules(root, found.turns[0])), len(found.turns)
    return turns >= _TURNS if modules == 1 else modules > 1 and modules * (turns - 1) >= _SAVED


def _kind(root: nn.Module, graph: fx.Graph, node: fx.Node) -> Any:
    """What two nodes of equal blocks have in common; None for a node that no block has."""
    shape = node.meta.get("shape")
    if "loop" in node.meta or node.meta.get("is_state"):
        return None
    if node.op not in ("call_module", "get_attr"):
        return node.op, node.target, shape
    name = str(node.target)
    module = root._modules.get(name)
    if module is None or any(isinstance(part, fx.GraphModule) for part in module.modules()):
        return None
    if sum(other.op in ("call_module", "get_attr") and other.target == name for other in graph.nodes) > 1:
        return None
    parameters = [(key, value.shape, value.dtype, value.requires_grad) for key, value in module.named_parameters()]
    buffers = [(key, value.shape, value.dtype) for key, value in module.named_buffers()]
    modes = [part.training for part in module.modules()]
    return node.op, constructor(module, Names()), parameters, buffers, modes, shape


def _modules(root: nn.Module, turn: Sequence[fx.Node]) -> list[fx.Node]:
    return [node for node in turn if node.op in ("call_module", "get_attr")]


def _joined(turns: list[list[fx.Node]]) -> _Repeat | None:
    """As many turns as take each other's values alike, from the first on."""
    enters = _entering(turns[0], turns[1])
    if enters is None or not (enters.op == "placeholder" or "layer" in enters.meta):
        return None
    shared = _shared(turns[0], enters)
    count = 1
    while count < len(turns) and _alike(turns[0], turns[count], {enters: turns[count - 1][-1]}):
        count += 1
    found = _Repeat(turns[:count], enters, shared)
    return found if count > 1 and _is_closed(found) else None


def _entering(first: list[fx.Node], second: list[fx.Node]) -> fx.Node | None:
    """What stands in the first turn where the second one takes the first one's end."""
    for mine, theirs in zip(first, second, strict=True):
        given = zip(_references(mine), _references(theirs), strict=False)
        for entered, taken in given:
            if taken is first[-1]:
                return entered
    return None


def _references(node: fx.Node) -> list[fx.Node]:
    """The nodes that a node takes, in order, however often."""
    found: list[fx.Node] = []
    map_arg((node.args, node.kwargs), found.append)  # type: ignore[arg-type]
    return found


def _shared(turn: list[fx.Node], enters: fx.Node) -> list[fx.Node]:
    taken = [given for node in turn for given in _references(node)]
    return [given for given in dict.fromkeys(taken) if given not in turn and given is not enters]


def _alike(first: list[fx.Node], other: list[fx.Node], stands_for: dict[fx.Node, fx.Node]) -> bool:
    """Whether a turn computes what the first one does; the rest of what both take is the same."""
    stands_for = {**stands_for, **dict(zip(first, other, strict=True))}
    for mine, theirs in zip(first, other, strict=True):
        said = map_arg((mine.args, mine.kwargs), lambda node: stands_for.get(node, node))
        if said != map_arg((theirs.args, theirs.kwargs), lambda node: node):
            return False
    return True


def _is_closed(found: _Repeat) -> bool:
    """Whether nothing but the last end leaves, and what enters is needed nowhere else."""
    if any(user not in found.turns[0] for user in found.enters.users):
        return False
    for number, turn in enumerate(found.turns):
        for node in turn[:-1]:
            if any(user not in turn for user in node.users):
                return False
        if number + 1 < len(found.turns) and any(user not in found.turns[number + 1] for user in turn[-1].users):
            return False
    return True


# ---------------------------------------------------------------------------- what becomes of them


def _as_list(root: nn.Module, found: _Repeat) -> str:
    """Blocks of one module: the modules become a list."""
    calls = [_modules(root, turn)[0] for turn in found.turns]
    names = [str(node.target) for node in calls]
    modules = [root._modules[name] for name in names]
    for name in names:
        delattr(root, name)
    made = _put(root, _stem(names), modules, list(_names_of(names, modules)))
    for turn, call in enumerate(calls):
        call.target = f"{made}.{turn}"
    for turn, nodes in enumerate(found.turns):
        for node in nodes:
            node.meta["loop"] = Loop(made, turn, found.enters, found.ends)
    return made


def _as_class(root: nn.Module, graph: fx.Graph, found: _Repeat, class_name: str) -> str:
    """Blocks of several modules: each becomes a module of one class, called with what enters and what is shared."""
    names = [[str(node.target) for node in _modules(root, turn)] for turn in found.turns]
    inner = _distinct([_stem(each) for each in zip(*names, strict=True)])
    for nodes in zip(*found.turns, strict=True):
        if "layer" in nodes[0].meta:  # variables are named after it
            layer = _stem([node.meta["layer"] for node in nodes])
            for node in nodes:
                node.meta["layer"] = layer
    blocks = [
        _block(root, turn, enters, found.shared, inner, class_name)
        for turn, enters in zip(found.turns, (found.enters, *found.ends), strict=False)
    ]
    for each in names:
        for name in each:
            delattr(root, name)
    made = _put(root, "blocks", blocks, [f"{each[0]} to {each[-1]}" for each in names])
    calls: list[fx.Node] = []
    enters = found.enters
    for turn, nodes in enumerate(found.turns):
        with graph.inserting_after(nodes[-1]):
            call = graph.call_module(f"{made}.{turn}", (enters, *found.shared))
        call.meta.update({key: value for key, value in nodes[-1].meta.items() if key in ("shape", "layer", "dtype")})
        nodes[-1].replace_all_uses_with(call)
        for node in reversed(nodes):
            graph.erase_node(node)
        enters = call
        calls.append(call)
    for turn, call in enumerate(calls):
        call.meta["loop"] = Loop(made, turn, found.enters, tuple(calls))
    return made


def _block(
    root: nn.Module, turn: list[fx.Node], enters: fx.Node, shared: list[fx.Node], inner: list[str], class_name: str
) -> fx.GraphModule:
    graph, held = fx.Graph(), nn.Module()
    held.training = root.training
    stands_for: dict[fx.Node, fx.Node] = {}
    for node, name in zip((enters, *shared), _distinct(["x", *map(_argument, shared)]), strict=True):
        made = graph.placeholder(name)
        made.meta.update({key: value for key, value in node.meta.items() if key in ("shape", "dtype")})
        if "shape" in made.meta:
            made.meta.setdefault("dtype", torch.float32)
        stands_for[node] = made
    names = iter(inner)
    for node in turn:
        made = graph.node_copy(node, stands_for.__getitem__)
        made.meta.pop("parts", None)
        stands_for[node] = made
        if node.op in ("call_module", "get_attr"):
            made.target = next(names)
            held.add_module(str(made.target), root._modules[str(node.target)])
    graph.output(stands_for[turn[-1]])
    return fx.GraphModule(held, graph, class_name=class_name)


def _argument(node: fx.Node) -> str:
    return str(node.meta.get("label") or node.name)


def _put(root: nn.Module, name: str, modules: Sequence[Any], names: list[str]) -> str:
    number, made = 1, name
    while hasattr(root, made):
        number += 1
        made = f"{name}_{number}"
    held: Any = nn.ModuleList(modules)
    held.training = root.training
    held.stack = tuple(names)
    root.add_module(made, held)
    return made


def _names_of(names: Sequence[str], modules: Sequence[Any]) -> Iterator[str]:
    for name, module in zip(names, modules, strict=True):
        yield from getattr(module, "stack", (name,))


def _stem(names: Sequence[str]) -> str:
    """What names have in common that differ by a number at their end; the first one if there is nothing."""
    stems = {re.sub(r"_?\d+$", "", name) for name in names}
    (stem, *others) = stems
    return names[0] if others or not stem else stem


def _distinct(names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        number, made = 1, name
        while made in found:
            number += 1
            made = f"{name}_{number}"
        found.append(made)
    return found
