"""The calls of a graph in Keras 3's form -> Keras 2's `inbound_nodes`, with operations as functions of TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..compat import forms, operations, tables
from ..compat.calls import operation_call
from ..errors import SaveError, UnsupportedFileError, quote
from ..spec import TensorRef, map_refs, refs_of

Config = dict[str, Any]
Node = list[Any]  # [layer, call, output], and the other arguments of the call behind them
_CONSTANT = "_CONSTANT_VALUE"


def is_operation(item: Config) -> bool:
    """Whether one of the layers of a graph is a function."""
    return item.get("class_name") == "Operation" or operations.is_operation(item)


def written_calls(item: Config, first: Mapping[str, int]) -> list[Any]:
    """`inbound_nodes` of a layer.

    Args:
        item: The layer, with Keras 3's `inbound_nodes`.
        first: The number of the first call of each layer.
    """
    name, where = item["class_name"], f"layer {quote(item['name'])} ({item['class_name']})"
    form = forms.LAYERS.get(name)
    order = form.call if form is not None else tables.MODEL_CALL

    def place(node: Node) -> Node:
        layer, number, output = node
        return [layer, number + first[layer], output]

    nodes = []
    for data in item["inbound_nodes"]:
        args, kwargs = list(data["args"]), dict(data["kwargs"])
        if not args:
            raise SaveError(f"{where}: a call without inputs cannot be written.")
        if _has_constant([args, kwargs]):
            raise SaveError(
                f"{where} is called with a constant tensor, which tf-keras writes and cannot read again: make it an "
                "input of the model, or save for Keras 3."
            )
        named = {**dict(zip(order, args[1:], strict=False)), **kwargs}
        inputs = args[0]
        if name in forms.RECURRENT:
            states = [*_leaves(named.pop("initial_state", None)), *_leaves(named.pop("constants", None))]
            inputs = [inputs, *states] if states else inputs
        named = {key: _argument(key, value, where) for key, value in named.items()}
        options = _mapped({key: value for key, value in named.items() if value is not None or key == "mask"}, place)
        nodes.append(_in_list(_mapped(inputs, lambda node, options=options: [*place(node), options])))
    return nodes


def _argument(key: str, value: Any, where: str) -> Any:
    if key == "mask" and value is False:  # neither used nor handed on
        return None
    if key.endswith("_mask") and key not in ("attention_mask", "use_causal_mask"):
        raise SaveError(
            f"{where} is called with {key}; tf-keras takes that mask from the tensor itself: leave {key} out, or take "
            "the mask off before the layer."
        )
    return value


def _has_constant(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get("class_name") == "__tensor__" or any(map(_has_constant, value.values()))
    return isinstance(value, list) and any(map(_has_constant, value))


def _leaves(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return [leaf for inner in value for leaf in _leaves(inner)]
    return [value]


def _in_list(value: Any) -> Any:
    """Keras 2 lists the inputs of a call, if it is one alone, too."""
    single = isinstance(value, list) and bool(value) and isinstance(value[0], str)
    return [value] if single else value


def _history(value: Any) -> Node | None:
    if not isinstance(value, dict) or value.get("class_name") != "__keras_tensor__":
        return None
    return list(value["config"]["keras_history"])


def _mapped(value: Any, at: Callable[[Node], Any]) -> Any:
    """A value with `at([layer, call, output])` in the place of each tensor."""
    node = _history(value)
    if node is not None:
        return at(node)
    if isinstance(value, (list, tuple)):
        return [_mapped(inner, at) for inner in value]
    return {key: _mapped(inner, at) for key, inner in value.items()} if isinstance(value, dict) else value


# ---------------------------------------------------------------- operations


def operation_layer(item: Config, first: Mapping[str, int]) -> Config:
    """An operation as the layer that stands for a function of TensorFlow; with its calls."""
    where, name = f"operation {quote(item['name'])}", item["name"]

    def node(ref: TensorRef) -> Node:
        return [ref.layer, ref.node + first[ref.layer], ref.tensor]

    nodes, symbols = [], []
    for data in item["inbound_nodes"]:
        function, arguments = _expression(item, data, where)
        kinds = {
            TensorRef(*config["keras_history"]): (config["dtype"], len(config["shape"])) for config in _tensors(data)
        }
        try:
            made = operations.in_tensorflow(function, arguments, kinds)
        except operations.NotSupported as error:
            reason = str(error).rstrip(".")
            raise SaveError(
                f"{where}: tf-keras has no {function} with these arguments: {reason}; compute it in another way, or "
                "save the weights alone."
            ) from error
        options = map_refs(node, dict(made.options))
        start = map_refs(lambda ref, options=options: [*node(ref), options], made.first)
        nodes.append(start if refs_of(made.first) else [_CONSTANT, -1, made.first, options])
        symbols.append(made.symbol)
    (symbol,) = set(symbols)
    kind = "SlicingOpLambda" if symbol == "__operators__.getitem" else "TFOpLambda"
    return {
        "module": "tf_keras.src.layers.core.tf_op_layer",
        "class_name": kind,
        "config": {"name": name, "trainable": True, "dtype": "float32", "function": symbol},
        "registered_name": kind,
        "name": name,
        "inbound_nodes": nodes,
    }


def _expression(item: Config, data: Config, where: str) -> tuple[str, dict[str, Any]]:
    call = operation_call(data, where)
    if item["class_name"] != "Operation":
        try:
            found = operations.lower(item["class_name"], item["name"], item["config"], call, where)
        except UnsupportedFileError as error:
            raise SaveError(str(error)) from error
        return found.function, dict(found.arguments)
    refs = refs_of(list(call.args))
    config = item["config"]

    def placed(value: Any) -> Any:
        if isinstance(value, dict):
            if value.get("class_name") == "__input__":
                return refs[value["config"]]
            return {key: placed(inner) for key, inner in value.items()}
        return [placed(inner) for inner in value] if isinstance(value, (list, tuple)) else value

    return config["function"], placed(config["arguments"])


def _tensors(value: Any) -> list[Config]:
    """The configs of all symbolic tensors in a call."""
    if _history(value) is not None:
        return [value["config"]]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [config for item in inner for config in _tensors(item)]
