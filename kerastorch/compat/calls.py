"""The calls of a functional model in every dialect -> `Call`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import CorruptFileError, UnsupportedFileError, counted, quote
from ..spec import Call, Constant, LayerSpec, ModelSpec, TensorRef, refs_of
from . import forms, tables
from ._constants import argument_in_lists, constant, in_lists
from ._values import MAX_NESTING, is_int, mapping, sequence, switch
from ._writer import Context

_CONSTANT = "_CONSTANT_VALUE"
_SWITCHES = ("training", "use_causal_mask", "return_attention_scores")  # arguments of calls
_TENSORS = (TensorRef, Constant)
_TUPLES = ("__tuple__", "TensorShape")
_ARRAYS = ("__numpy__", "__tensor__")
_CONSTANTS = ("__slice__", "__ellipsis__", *_ARRAYS)  # among the arguments of operations


def is_node(value: Any) -> bool:
    """Whether a list is `[name, node, tensor]` or `[name, node, tensor, kwargs]`."""
    return (
        isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str) and all(map(is_int, value[1:3]))
    )


def node_ref(value: list[Any]) -> TensorRef:
    return TensorRef(value[0], value[1], value[2])


def read_call(context: Context, class_name: str, name: str, data: Any, layer: LayerSpec | ModelSpec | None) -> Call:
    """Convert one entry of `inbound_nodes` of a layer, or of an operation, which has none."""
    where = f"Layer {quote(name)} ({class_name}), inbound_nodes"
    if layer is None:
        return operation_call(data, where)
    meaning = layer.meaning if isinstance(layer, LayerSpec) else ""
    positional, keywords = _arguments_of(data, where, meaning)
    if isinstance(layer, LayerSpec) and _is_of_another_class(layer, positional, keywords):
        meaning = ""
        positional, keywords = _arguments_of(data, where, meaning)
    first = ""
    if not positional:  # Keras 3: layer(query=x, value=y)
        names = ("inputs", "sequences", forms.LAYERS[meaning].first if meaning else "")
        positional = [keywords.pop(key) for key in names if key in keywords][:1]
    if not positional and isinstance(layer, LayerSpec) and not meaning:
        first = next((key for key, value in keywords.items() if refs_of(value)), "")
        positional = [keywords.pop(first)] if first else []
    if not positional:
        raise CorruptFileError(f"{where}: a call without inputs.")
    if isinstance(layer, LayerSpec) and not meaning:
        return Call(tuple(positional), _own_keywords(context, name, positional, keywords), first)
    order = forms.LAYERS[meaning].call if meaning else tables.MODEL_CALL
    if len(positional) > 1 + len(order):
        raise UnsupportedFileError(
            f"{where}: {class_name} is called with {len(positional)} arguments, expected {1 + len(order)} at most."
        )
    for key, value in zip(order, positional[1:], strict=False):
        if key in keywords:
            raise CorruptFileError(f"{where}: {key} is given twice.")
        keywords[key] = value
    return Call((positional[0],), _keywords(context, class_name, name, keywords, order))


def _arguments_of(data: Any, where: str, meaning: str) -> tuple[list[Any], dict[str, Any]]:
    return _keras3_call(data, where) if _is_keras3(data) else _old_call(data, where, meaning)


def _is_of_another_class(layer: LayerSpec, positional: list[Any], keywords: Mapping[str, Any]) -> bool:
    """Whether the file calls a layer as no layer of the class that stands for it there is called."""
    if layer.given is None or layer.given.source != "replace" or not layer.meaning:
        return False
    order = forms.LAYERS[layer.meaning].call
    known = {*order, "training", "mask", "inputs", "sequences", forms.LAYERS[layer.meaning].first}
    return len(positional) > 1 + len(order) or any(key not in known and refs_of(keywords[key]) for key in keywords)


def _own_keywords(context: Context, name: str, positional: list[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by name of a call of a class of one's own: they are for it to judge."""
    kept = _stated(context, keywords)
    if not context.old and isinstance(kept.get("training"), bool) and kept.pop("training"):
        context.rule(name, _OVERRULED)
    if not context.old and not context.own and "mask" not in kept and refs_of([positional[1:], kept], _TENSORS):
        kept["mask"] = None  # as below
    return kept


def _stated(context: Context, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that say something; in a config of our own a mask that is None does."""
    own = context.own
    return {
        key: switch(value) if key in _SWITCHES else value
        for key, value in keywords.items()
        if value is not None or (own and key.endswith("mask"))
    }


_OVERRULED = "training=True in the graph is overruled by predict and fit in Keras 3: left out"


def _keywords(
    context: Context, class_name: str, name: str, keywords: Mapping[str, Any], order: tuple[str, ...]
) -> dict[str, Any]:
    kept = _stated(context, keywords)
    where = f"Layer {quote(name)} ({class_name})"
    if "constants" in kept and "constants" not in order:
        raise UnsupportedFileError(f"{where}: constants: {forms.UNLESS['num_constants'].reason}.")
    unknown = sorted(set(kept) - set(order) - {"training"})
    if unknown:
        raise UnsupportedFileError(
            f"{where} is called with {', '.join(map(quote, unknown))}, which is not supported; "
            f"it takes {', '.join(order) or 'its input only'}."
        )
    if "training" in kept:
        if not isinstance(kept["training"], bool):
            raise UnsupportedFileError(f"{where}: training = {quote(kept['training'])}; true and false are supported.")
        if not context.old:
            if kept.pop("training"):
                context.rule(name, _OVERRULED)
        elif "training" not in order:
            del kept["training"]
        elif kept["training"]:
            context.rule(name, "is called with training=True: it works as in training at all times")
    if context.writer.era == "tf.keras" and "mask" in order and keywords.get("mask", ...) is None:
        kept["mask"] = False  # said in the call: tf.keras hands none on then
    # Keras 3 passes `mask` by itself only to calls with a single tensor argument.
    several = any(refs_of(value, _TENSORS) for key, value in kept.items() if key != "mask")
    if not context.old and not context.own and several and "mask" in order and "mask" not in kept:
        kept["mask"] = None
    return kept


def with_constants(layer: LayerSpec | ModelSpec, calls: tuple[Call, ...]) -> tuple[Call, ...]:
    """The calls of a layer, with its constants apart from the states, behind which Keras 2 writes them."""
    count = layer.config.get("num_constants", 0) if isinstance(layer, LayerSpec) and layer.meaning == "RNN" else 0
    made = []
    for call in calls:
        behind = call.kwargs.get("initial_state")
        if not count or call.kwargs.get("constants") is not None or not isinstance(behind, list):
            made.append(call)
            continue
        if len(behind) < count:
            raise CorruptFileError(
                f"Layer {quote(layer.name)} is called with {counted(len(behind), 'tensor')} behind its input, and it "
                f"has {counted(count, 'constant')}."
            )
        states, constants = behind[: len(behind) - count], behind[len(behind) - count :]
        kwargs = {key: value for key, value in call.kwargs.items() if key != "initial_state"}
        made.append(
            Call(call.args, {**kwargs, **({"initial_state": states} if states else {}), "constants": constants})
        )
    return tuple(made)


def _is_keras3(data: Any) -> bool:
    return isinstance(data, dict) and set(data) == {"args", "kwargs"}


def operation_call(data: Any, where: str) -> Call:
    """The call of a function: constants may stand in the place of tensors."""
    if _is_keras3(data):
        args, keywords = _keras3_call(data, where, _CONSTANTS)
        return Call(tuple(args), keywords)
    seen: list[Mapping[str, Any]] = []
    first = _old_inputs(data, where, seen, 0, of_operation=True)
    if any(other != seen[0] for other in seen[1:]):
        raise CorruptFileError(f"{where}: the inputs of one call name different arguments.")
    return Call((first,), {key: _old_value(value, where, 0) for key, value in (seen[0] if seen else {}).items()})


def _keras3_call(
    data: Mapping[str, Any], where: str, constants: tuple[str, ...] = ()
) -> tuple[list[Any], dict[str, Any]]:
    positional = _keras3_value(sequence(data["args"], where), where, 0, constants)
    keywords = _keras3_value(data["kwargs"], where, 0, constants)
    if not isinstance(keywords, dict):
        raise CorruptFileError(f"{where}: expected an object as kwargs, got {quote(data['kwargs'])}.")
    return positional, keywords


def _keras3_value(value: Any, where: str, depth: int, constants: tuple[str, ...] = ()) -> Any:
    if depth > MAX_NESTING:
        raise UnsupportedFileError(f"{where}: nested more than {MAX_NESTING} deep.")
    if isinstance(value, (list, tuple)):
        return [_keras3_value(item, where, depth + 1, constants) for item in value]
    if not isinstance(value, dict):
        return value
    class_name = value.get("class_name")
    if class_name == "__keras_tensor__":
        config = value.get("config")
        history = config.get("keras_history") if isinstance(config, dict) else None
        if not isinstance(history, list) or len(history) != 3 or not is_node(history):
            raise CorruptFileError(f"{where}: expected [layer, node, tensor] as keras_history, got {quote(history)}.")
        return node_ref(history)
    if class_name in _TUPLES:
        return tuple(_keras3_value(item, where, depth + 1, constants) for item in sequence(value, where))
    if class_name in constants:
        return value
    if class_name in _ARRAYS:
        config = mapping(value.get("config"), where)
        return constant(config.get("value"), config.get("dtype"), where)
    if "class_name" in value:
        raise UnsupportedFileError(
            f"{where}: an argument of class {quote(class_name)} is not supported; give it as an input."
        )
    return {key: _keras3_value(item, where, depth + 1, constants) for key, item in value.items()}


def _old_call(data: Any, where: str, class_name: str) -> tuple[list[Any], dict[str, Any]]:
    """Keras 2: the tensors of the first argument, nested as they were; the other arguments stand beside each."""
    seen: list[Mapping[str, Any]] = []
    inputs = _old_inputs(data, where, seen, 0)
    if any(other != seen[0] for other in seen[1:]):
        raise CorruptFileError(f"{where}: the inputs of one call name different arguments.")
    several = len(refs_of(inputs, _TENSORS)) > 1
    keywords = {
        key: _old_value(argument_in_lists(class_name, key, value, several, where) if class_name else value, where, 0)
        for key, value in (seen[0] if seen else {}).items()
    }
    if isinstance(inputs, list) and class_name in forms.RECURRENT and len(inputs) > 1:
        inputs, *states = inputs  # Keras 2 puts the states behind the input
        if keywords.get("initial_state") is not None:
            raise CorruptFileError(f"{where}: initial_state is given twice.")
        keywords["initial_state"] = states
    if isinstance(inputs, list) and len(inputs) == 1 and class_name not in forms.MERGING:
        inputs = inputs[0]
    return [inputs] if inputs != [] else [], keywords


def _old_inputs(data: Any, where: str, seen: list[Mapping[str, Any]], depth: int, of_operation: bool = False) -> Any:
    if depth > MAX_NESTING:
        raise UnsupportedFileError(f"{where}: nested more than {MAX_NESTING} deep.")
    if isinstance(data, list) and data and data[0] == _CONSTANT:
        if len(data) == 3 or (len(data) == 4 and isinstance(data[3], dict)):
            seen.append(data[3] if len(data) == 4 else {})
            found = data[2] if of_operation else in_lists(data[2], where)
            if of_operation or isinstance(found, Constant):
                return found
        raise UnsupportedFileError(
            f"{where}: a constant as an input is not supported unless it is an array, got {quote(data[2:3])}; make it "
            "an input of the model."
        )
    if is_node(data):
        if len(data) == 4 and not isinstance(data[3], dict):
            raise CorruptFileError(f"{where}: expected an object of arguments, got {quote(data[3])}.")
        seen.append(data[3] if len(data) == 4 else {})
        return node_ref(data)
    if isinstance(data, dict) and "class_name" not in data:
        return {key: _old_inputs(item, where, seen, depth + 1, of_operation) for key, item in data.items()}
    return [_old_inputs(item, where, seen, depth + 1, of_operation) for item in sequence(data, where)]


def _old_value(value: Any, where: str, depth: int) -> Any:
    if depth > MAX_NESTING:
        raise UnsupportedFileError(f"{where}: nested more than {MAX_NESTING} deep.")
    if is_node(value):
        return node_ref(value)
    if isinstance(value, Constant):
        return value
    if isinstance(value, (list, tuple)):
        return [_old_value(item, where, depth + 1) for item in value]
    if isinstance(value, dict):
        if value.get("class_name") in _TUPLES:
            return tuple(_old_value(item, where, depth + 1) for item in sequence(value, where))
        return {key: _old_value(item, where, depth + 1) for key, item in value.items()}
    return value


def read_ends(value: Any, where: str, depth: int = 0) -> Any:
    """`input_layers` or `output_layers` in any nesting; a list of one stands for its tensor."""
    if depth > MAX_NESTING:
        raise UnsupportedFileError(f"{where}: nested more than {MAX_NESTING} deep.")
    if is_node(value):
        return node_ref(value)
    if isinstance(value, dict) and value.get("class_name") not in _TUPLES:
        return {key: read_ends(item, where, depth + 1) for key, item in value.items()}
    items = [read_ends(item, where, depth + 1) for item in sequence(value, where)]
    if not items:
        raise CorruptFileError(f"{where} is empty.")
    if depth == 0 and len(items) == 1:
        return items[0]
    return tuple(items) if isinstance(value, (tuple, dict)) else items
