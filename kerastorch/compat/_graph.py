"""A functional graph whose layers and calls are read: references, order, and the masks that Keras 3 writes into it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import CorruptFileError, counted, quote
from ..spec import Call, Constant, Era, LayerSpec, ModelSpec, TensorRef, map_refs, refs_of
from . import forms
from .operations import Expression, lower

NodeKey = tuple[str, int]


@dataclass(frozen=True)
class Operation:
    """A function that stands in a graph like a layer, as the file has it."""

    class_name: str
    name: str
    config: Mapping[str, Any]
    calls: tuple[Call, ...] = ()


Member = LayerSpec | ModelSpec | Operation
Graph = dict[str, Member]


def resolve(graph: Graph, inputs: Any, outputs: Any, where: str, old: bool) -> tuple[Graph, Any, Any]:
    """Make every reference count the calls of this very graph, and check that it leads somewhere."""
    ends = refs_of([inputs, outputs])
    inner = [
        ref
        for member in graph.values()
        for call in member.calls
        for ref in refs_of([list(call.args), dict(call.kwargs)])
    ]
    # A nested model counts the call that made it as its first: Keras 2 everywhere, Keras 3 in the lists of ends only.
    lowest: dict[str, int] = {}
    for ref in inner + ends if old else ends:
        lowest[ref.layer] = min(ref.node, lowest.get(ref.layer, ref.node))

    own_models = {
        name
        for name, member in graph.items()
        if isinstance(member, LayerSpec) and member.given is not None and lowest.get(name, 0) > 0
        if old or _all_are_used(name, len(member.calls), inner, ends)
    }

    def shift(ref: TensorRef, above: bool) -> TensorRef:
        member = graph.get(ref.layer)
        if member is None:
            raise CorruptFileError(f"{where}: {quote(ref.layer)} is referred to, and there is no such layer.")
        nested = (isinstance(member, ModelSpec) and (old or member.kind == "Functional")) or ref.layer in own_models
        node = ref.node - 1 if above and nested and lowest[ref.layer] > 0 else ref.node
        is_input = isinstance(member, LayerSpec) and member.class_name == "InputLayer"
        count = 1 if is_input else len(member.calls)
        if not 0 <= node < count or ref.tensor < 0 or (is_input and ref.tensor):
            raise CorruptFileError(
                f"{where}: output {ref.tensor} of call {ref.node} of layer {quote(ref.layer)} is referred to, "
                f"and the layer has {counted(count, 'call')}."
            )
        return TensorRef(ref.layer, node, ref.tensor)

    def call(old_call: Call) -> Call:
        def one(ref: TensorRef) -> TensorRef:
            return shift(ref, old)

        return replace(old_call, args=map_refs(one, old_call.args), kwargs=map_refs(one, dict(old_call.kwargs)))

    resolved: Graph = {
        name: replace(member, calls=tuple(call(item) for item in member.calls)) for name, member in graph.items()
    }
    return (resolved, *(map_refs(lambda ref: shift(ref, True), end) for end in (inputs, outputs)))


def _all_are_used(name: str, calls: int, inner: Sequence[TensorRef], ends: Sequence[TensorRef]) -> bool:
    """Whether somebody's class in a file of Keras 3 is a graph: only if its ends count from 1 every call has a use.

    Keras writes no call that nothing needs.
    """
    used = {ref.node for ref in inner if ref.layer == name}
    at_ends = {ref.node for ref in ends if ref.layer == name}
    return used | at_ends != set(range(calls)) == used | {node - 1 for node in at_ends}


def in_order(graph: Graph, where: str) -> list[NodeKey]:
    """All calls, each after those that it needs; a cycle is refused. Linear, and not recursive."""
    waiting: dict[NodeKey, int] = {}
    users: dict[NodeKey, list[NodeKey]] = {}
    for name, member in graph.items():
        for index, call in enumerate(member.calls):
            needed = {(ref.layer, ref.node) for ref in refs_of([list(call.args), dict(call.kwargs)])}
            needed = {key for key in needed if graph[key[0]].calls}
            waiting[name, index] = len(needed)
            for key in needed:
                users.setdefault(key, []).append((name, index))
    ready = deque(key for key, count in waiting.items() if count == 0)
    ordered: list[NodeKey] = []
    while ready:
        key = ready.popleft()
        ordered.append(key)
        for user in users.get(key, ()):
            waiting[user] -= 1
            if waiting[user] == 0:
                ready.append(user)
    if len(ordered) < len(waiting):
        stuck = sorted({name for (name, _), count in waiting.items() if count})
        raise CorruptFileError(
            f"{where}: the layers {', '.join(map(quote, stuck[:5]))} depend on each other in a circle."
        )
    return ordered


class Masks:
    """The masks as expressions: what Keras 3.15 computes for each tensor, and what the operations of a file compute.

    Equal expressions get equal numbers, so a deep graph costs no more than its calls.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.numbers: dict[Any, int] = {}
        self.operations: dict[str, int] = {}
        self.expected: dict[TensorRef, int | None] = {}
        self.automatic: set[tuple[NodeKey, str]] = set()  # calls, and their mask arguments that say nothing new

    def number(self, name: str, config: Mapping[str, Any], *arguments: Any) -> int:
        options = tuple(sorted((k, repr(v)) for k, v in config.items() if k != "name" and v is not None))
        key = (name, options, self.frozen(arguments))
        return self.numbers.setdefault(key, len(self.numbers))

    def frozen(self, value: Any) -> Any:
        """What stands for an argument in an expression."""
        if isinstance(value, TensorRef):
            return ("expression", self.operations[value.layer]) if value.layer in self.operations else value
        if isinstance(value, (list, tuple)):
            return tuple(self.frozen(item) for item in value)
        return value if isinstance(value, (int, float, str, type(None), Constant)) else repr(value)

    def note(self, key: NodeKey) -> None:
        """Take in one call, in order; its masks that travel along the edges anyway are noted as automatic."""
        member = self.graph[key[0]]
        call = member.calls[key[1]]
        if isinstance(member, Operation):
            self.operations[member.name] = self.number(member.class_name, {**member.config, **call.kwargs}, *call.args)
            return
        for argument, tensors in mask_arguments(member, call):
            given = call.kwargs.get(argument)
            if given is not None and self._is(given, self.of(tensors)):
                self.automatic.add((key, argument))
        given = call.kwargs.get("mask")
        used = self.of(call.args[0]) if given is None or (key, "mask") in self.automatic else self.frozen(given)
        if isinstance(member, LayerSpec):
            for tensor, mask in enumerate(self.out(member, call.args[0], used)):
                self.expected[TensorRef(*key, tensor)] = mask

    def of(self, value: Any) -> Any:
        """The masks of tensors, nested as they are."""
        if isinstance(value, TensorRef):
            return self.expected.get(value)
        if isinstance(value, (list, tuple)):
            return [self.of(item) for item in value]
        return {key: self.of(item) for key, item in value.items()} if isinstance(value, dict) else None

    def _is(self, given: Any, travelling: Any) -> bool:
        if isinstance(given, TensorRef):
            return given.layer in self.operations and self.operations[given.layer] == travelling
        if isinstance(given, (list, tuple)):
            return (
                isinstance(travelling, list) and len(given) == len(travelling) and all(map(self._is, given, travelling))
            )
        return given is None and travelling is None

    def out(self, layer: LayerSpec, inputs: Any, mask: Any) -> list[Any]:
        """The masks of a call's outputs, from the mask that it gets; outputs that are not listed have none."""
        name, config = layer.meaning, layer.config
        if not name:  # of one's own: whatever the file gives as the next mask, the layer is to hand on the one it got
            return [mask]
        if name == "Embedding":
            return [self.number("NotEqual", {}, inputs, 0)] if config.get("mask_zero") else []
        if name == "Masking":
            unequal = self.number("NotEqual", {}, inputs, config.get("mask_value", 0.0))
            return [self.number("Any", {"axis": -1, "keepdims": False}, ("expression", unequal))]
        if name in forms.KEEPS_MASK:
            return [mask]
        if name in forms.OF_QUERY:
            query = mask[0] if isinstance(mask, (list, tuple)) and mask else None
            query = ("expression", query) if isinstance(query, int) else query  # else it is named by the call
            return [None if query is None else self.number("ConvertToTensor", {}, query)]
        if name == "Bidirectional":
            wrapped = config["layer"]
            mask = mask[0] if isinstance(mask, list) else mask
            keeps = isinstance(wrapped, LayerSpec) and wrapped.config.get("return_sequences", False)
            return [mask if keeps else None] * (2 if config.get("merge_mode", "concat") is None else 1)
        if name in forms.RECURRENT:
            return [mask] if config.get("return_sequences", False) else []
        if name in forms.MERGING - {"Dot"} and isinstance(mask, list) and isinstance(inputs, (list, tuple)):
            return [self._merged(layer, inputs, mask)]
        return []

    def _merged(self, layer: LayerSpec, inputs: Any, masks: list[Any]) -> int | None:
        if layer.meaning != "Concatenate":
            if not masks or any(mask is None for mask in masks):
                return None
            joined = masks[0]
            for mask in masks[1:]:
                joined = self.number("LogicalOr", {}, ("expression", joined), ("expression", mask))
            return joined
        if all(mask is None for mask in masks):
            return None
        parts = []
        for tensor, mask in zip(inputs, masks, strict=True):
            if mask is None:
                parts.append(("expression", self.number("OnesLike", {"dtype": "bool"}, tensor)))
                continue
            wide = self.number("ExpandDims", {"axis": -1}, ("expression", mask))
            zeros = self.number("ZerosLike", {"dtype": "bool"}, tensor)
            parts.append(("expression", self.number("LogicalOr", {}, ("expression", wide), ("expression", zeros))))
        whole = self.number("Concatenate", {"axis": layer.config.get("axis", -1)}, parts)
        return self.number("Any", {"axis": -1, "keepdims": False}, ("expression", whole))


def mask_arguments(member: Member, call: Call) -> list[tuple[str, Any]]:
    """The mask arguments of a call, each with the tensors whose masks Keras 3 passes there by itself."""
    form = forms.LAYERS.get(member.meaning) if isinstance(member, LayerSpec) else None
    if form is None or not form.first:
        return [("mask", call.args[0])]
    given = {form.first: call.args[0], **call.kwargs}
    return [(f"{name}_mask", given[name]) for name in given if f"{name}_mask" in form.call]


def follow_masks(graph: Graph, where: str) -> Masks:
    """The mask of every tensor, as Keras 3 passes it along by itself, and the calls that name it."""
    masks = Masks(graph)
    for key in in_order(graph, where):
        masks.note(key)
    return masks


def without_automatic_masks(graph: Graph, masks: Masks) -> tuple[Graph, list[str]]:
    """Leave out the masks that Keras 3 passed along by itself: ours travel along the edges in the same way.

    Returns:
        The graph, and the names of the layers whose masks were left out.
    """
    if not masks.automatic:
        return graph, []
    cleaned: Graph = {}
    for name, member in graph.items():
        calls = []
        for index, call in enumerate(member.calls):
            kwargs = {
                key: value
                for key, value in call.kwargs.items()
                if value is None or ((name, index), key) not in masks.automatic
            }
            calls.append(replace(call, kwargs=kwargs))
        cleaned[name] = replace(member, calls=tuple(calls))
    return cleaned, sorted({name for (name, _), _ in masks.automatic})


def with_operation_layers(graph: Graph, outputs: Any, where: str, era: Era) -> tuple[Graph, Any]:
    """Make a layer of each operation that something needs.

    Returns:
        The graph without members of the class `Operation`, and the outputs.
    """
    if not any(isinstance(member, Operation) for member in graph.values()):
        return graph, outputs
    needed = _needed_operations(graph, outputs)
    names = set(graph)
    results: dict[NodeKey, str] = {}  # a call of an operation -> the layer that it became
    layers: Graph = {}
    for name, member in graph.items():
        if not isinstance(member, Operation):
            layers[name] = member
            continue
        for index, call in enumerate(member.calls):
            if (name, index) in needed:
                root = lower(member.class_name, name, member.config, call, where)
                results[name, index] = _emit(root, name if index == 0 else _free(name, names), names, layers, era)

    def moved(ref: TensorRef) -> TensorRef:
        layer = results.get((ref.layer, ref.node))
        return ref if layer is None else TensorRef(layer, 0, ref.tensor)

    def moved_call(old: Call) -> Call:
        return replace(old, args=map_refs(moved, old.args), kwargs=map_refs(moved, dict(old.kwargs)))

    layers = {name: replace(layer, calls=tuple(map(moved_call, layer.calls))) for name, layer in layers.items()}
    return layers, map_refs(moved, outputs)


def _needed_operations(graph: Graph, outputs: Any) -> set[NodeKey]:
    """The calls of operations from which a layer or an output follows."""
    waiting = [
        ref
        for member in graph.values()
        if not isinstance(member, Operation)
        for call in member.calls
        for ref in refs_of([list(call.args), dict(call.kwargs)])
    ]
    waiting += refs_of(outputs)
    needed: set[NodeKey] = set()
    while waiting:
        ref = waiting.pop()
        member, key = graph[ref.layer], (ref.layer, ref.node)
        if isinstance(member, Operation) and key not in needed:
            needed.add(key)
            call = member.calls[ref.node]
            waiting += refs_of([list(call.args), dict(call.kwargs)])
    return needed


def _free(name: str, names: set[str]) -> str:
    """A name that no layer has yet."""
    number = 1
    while f"{name}_{number}" in names:
        number += 1
    names.add(f"{name}_{number}")
    return f"{name}_{number}"


def _emit(expression: Expression, name: str, names: set[str], layers: Graph, era: Era) -> str:
    """Add the layers that an expression is, the innermost first; returns the name of the last one."""
    inputs: list[TensorRef] = []

    def placed(value: Any) -> Any:
        if isinstance(value, Expression):
            value = TensorRef(_emit(value, _free(name, names), names, layers, era))
        if isinstance(value, TensorRef):
            if value not in inputs:
                inputs.append(value)
            return {"class_name": "__input__", "config": inputs.index(value)}
        if isinstance(value, (list, tuple)):
            return [placed(item) for item in value]
        return {key: placed(item) for key, item in value.items()} if isinstance(value, dict) else value

    arguments = {key: placed(value) for key, value in expression.arguments.items()}
    first = inputs[0] if len(inputs) == 1 else inputs
    config = {"function": expression.function, "arguments": arguments}
    layers[name] = LayerSpec("Operation", name, config, calls=(Call((first,)),), era=era)
    return name
