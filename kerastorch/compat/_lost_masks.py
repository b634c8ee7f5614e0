"""Masks that get lost on the way in models of Keras 3.8 and later.

When such a model runs, masks hang on the tensors, and a MultiHeadAttention takes them off its query, value and key: the
layers that read one of these tensors after it find none. Keras's graph still says which mask belongs to which tensor,
and some calls in the file name it (those of a single tensor, and until 3.9 all): they get it all the same. So whether a
mask arrives depends on the order in which Keras runs the calls, and this module runs them in that order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..errors import UnsupportedFileError, quote
from ..spec import Call, LayerSpec, TensorRef, refs_of
from . import forms
from ._depths import depths
from ._graph import Graph, Masks, NodeKey, Operation, mask_arguments
from ._writer import Context
from .forms.form import keys

_FIRST_VERSION = (3, 8)
# Their output is their input itself while nothing is trained: a mask that is taken off one is off the other, too.
_SAME_TENSOR = keys(
    "Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout GaussianNoise AlphaDropout Identity"
)


def in_keras_order(graph: Graph, outputs: Any) -> list[NodeKey]:
    """The calls in the order in which Keras 3 runs them: by their distance from the outputs, far ones first."""
    inputs = {
        (name, index): [(ref.layer, ref.node) for ref in refs_of([list(call.args), _sorted(dict(call.kwargs))])]
        for name, member in graph.items()
        for index, call in enumerate(member.calls)
    }
    calls = depths(inputs, [(ref.layer, ref.node) for ref in refs_of(outputs)]).calls
    return [key for key in sorted(calls, key=lambda key: -calls[key]) if key in inputs]


def _sorted(value: Any) -> Any:
    return dict(sorted(value.items())) if isinstance(value, dict) else value


def lost_masks(context: Context, graph: Graph, outputs: Any, masks: Masks, where: str) -> Graph:
    """Say `mask=None` in the calls whose masks do not arrive.

    Args:
        context: The conversion.
        graph: Resolved, its operations included.
        outputs: Of the model.
        masks: What every call would get if none were lost, and which calls name theirs.
        where: For messages.
    """
    has_heads = any(isinstance(item, LayerSpec) and item.meaning == "MultiHeadAttention" for item in graph.values())
    if not has_heads or not context.is_keras3_from(*_FIRST_VERSION):
        return graph
    run = _Run(graph, masks, where, context.is_keras3_from(3, 12))
    for key in in_keras_order(graph, outputs):
        run.call(key)
    changed: Graph = dict(graph)
    for (name, index), options in run.changes.items():
        member = changed[name]
        calls = list(member.calls)
        kept = {key: value for key, value in calls[index].kwargs.items() if key not in options}
        calls[index] = replace(calls[index], kwargs={**kept, **{k: v for k, v in options.items() if v is None}})
        changed[name] = replace(member, calls=tuple(calls))
    for name in sorted({name for name, _ in run.lost}):
        context.rule(name, "a MultiHeadAttention before it took a mask off its input, as Keras 3.8 and later do")
    return changed


class _Run:
    """The masks that hang on tensors while a model of Keras runs."""

    def __init__(self, graph: Graph, masks: Masks, where: str, named_goes_on: bool) -> None:
        self.named_goes_on = named_goes_on  # whether outputs get the mask that a call names, and not its input's
        self.graph = graph
        self.masks = masks
        self.where = where
        self.hanging: dict[TensorRef, Any] = {}
        self.same: dict[TensorRef, TensorRef] = {}
        # For each call the mask arguments that change: None for no mask, "" for the one that comes along the edge.
        self.changes: dict[NodeKey, dict[str, Any]] = {}
        self.lost: set[NodeKey] = set()

    def call(self, key: NodeKey) -> None:
        member = self.graph[key[0]]
        call = member.calls[key[1]]
        if isinstance(member, Operation):
            return
        if not isinstance(member, LayerSpec):  # what happens inside a model is not followed
            self.hanging.update({ref: mask for ref, mask in self.masks.expected.items() if ref.layer == key[0]})
            return
        if member.meaning == "MultiHeadAttention":
            self._heads(key, call)
            return
        first, named = call.args[0], call.kwargs.get("mask")
        form = forms.LAYERS.get(member.meaning)  # a class of one's own takes what it likes
        for argument, tensors in mask_arguments(member, call):
            if (form is None or argument in form.call) and argument not in call.kwargs:
                self._miss(key, argument, tensors)
        incoming = self._on(first)
        if named is not None and self.named_goes_on:
            incoming = self.masks.of(first) if (key, "mask") in self.masks.automatic else self.masks.frozen(named)
        for tensor, mask in enumerate(self.masks.out(member, first, incoming)):
            self.hanging[TensorRef(*key, tensor)] = mask
        if member.meaning in _SAME_TENSOR and isinstance(first, TensorRef):
            self.same[TensorRef(*key)] = self._real(first)

    def _heads(self, key: NodeKey, call: Call) -> None:
        tensors = {"query": call.args[0], "value": call.kwargs.get("value"), "key": call.kwargs.get("key")}
        query = self._on(tensors["query"])
        # Whatever the call says: the mask that hangs on the query is used.
        self._set(key, "query_mask", None if query is None else "")
        if query is None and self.masks.of(tensors["query"]) is not None:
            self.lost.add(key)
        for name in ("value", "key"):
            argument = f"{name}_mask"
            if call.kwargs.get(argument) is None and (key, argument) not in self.masks.automatic:
                self._miss(key, argument, tensors[name])
        for ref in refs_of(list(tensors.values())):
            self.hanging.pop(self._real(ref), None)
        self.hanging[TensorRef(*key)] = query

    def _miss(self, key: NodeKey, argument: str, tensors: Any) -> None:
        """Note a mask that would come along the edge and does not hang on the tensor any more."""
        refs = refs_of([tensors])
        gone = [ref for ref in refs if self.masks.of(ref) is not None and self._on(ref) is None]
        if not gone:
            return
        if any(self._on(ref) is not None for ref in refs):
            raise UnsupportedFileError(
                f"{self.where}: layer {quote(key[0])} gets the mask of one of its inputs, but that of "
                f"{quote(gone[0].layer)} was taken off by a MultiHeadAttention before, as Keras 3.8 and later do. One "
                "without the other is not supported: pass mask=... to that layer in Keras."
            )
        self._set(key, argument, None)
        self.lost.add(key)

    def _set(self, key: NodeKey, argument: str, value: Any) -> None:
        self.changes.setdefault(key, {})[argument] = value

    def _real(self, ref: TensorRef) -> TensorRef:
        return self.same.get(ref, ref)

    def _on(self, value: Any) -> Any:
        """The masks that hang on tensors, nested as they are."""
        if isinstance(value, TensorRef):
            return self.hanging.get(self._real(value))
        if isinstance(value, (list, tuple)):
            return [self._on(item) for item in value]
        return {key: self._on(item) for key, item in value.items()} if isinstance(value, dict) else None
