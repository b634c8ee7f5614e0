"""Operations in the graphs of every Keras -> those of `kerastorch.operations`, by closed tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import CorruptFileError, counted, quote
from ...operations import OPERATIONS
from ...spec import Call, TensorRef
from . import _graph_operations, _tensorflow
from ._expression import Expression as Expression
from ._expression import NotSupported as NotSupported
from ._expression import bound, refuse
from ._inverse import TensorFlowCall as TensorFlowCall
from ._inverse import in_tensorflow as in_tensorflow
from ._node_def import read_node_def as read_node_def

# The layers that stand for a function in the graphs of tf.keras.
TENSORFLOW_LAYERS = frozenset({"TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer"})
_RUN_TIME = frozenset({"ClassMethod", "InstanceProperty", "InstanceMethod"})
_MODULES = ("keras.src.ops.", "keras.ops", "keras.src.activations.", "keras.src.backend.", "keras.src.random.")


def is_operation(item: Mapping[str, Any]) -> bool:
    """Whether a layer of a Functional config is a function: an operation of Keras 3 or of TensorFlow."""
    class_name, module = item.get("class_name"), item.get("module")
    if class_name in tuple(TENSORFLOW_LAYERS | _RUN_TIME):
        return True
    if module is not None:
        return isinstance(module, str) and module.startswith(_MODULES)
    # The .h5 files of Keras 3 state no module. Add, say, is a layer too, whose config always says `trainable`.
    nodes, config = item.get("inbound_nodes"), item.get("config")
    in_keras3_form = isinstance(nodes, list) and bool(nodes) and all(isinstance(node, dict) for node in nodes)
    if class_name not in tuple(OPERATIONS) or not in_keras3_form or not isinstance(config, dict):
        return False
    return "trainable" not in config and (bool(OPERATIONS[class_name].lists) or not _merges(nodes))


def _merges(nodes: Any) -> bool:
    """Whether the first call is on one list, as that of a merging layer."""
    args = nodes[0].get("args")
    return isinstance(args, list) and len(args) == 1 and isinstance(args[0], list)


def lower(class_name: str, name: str, config: Mapping[str, Any], call: Call, where: str) -> Expression:
    """One call of an operation of any Keras, as operations of today.

    Raises:
        UnsupportedFileError: There is no such operation here, or not with these arguments.
    """
    where = f"{where}: {quote(name)}"
    what, shown = class_name, {**config, "args": list(call.args), **call.kwargs}
    shown = {key: value for key, value in shown.items() if key not in ("name", "trainable", "dtype") or not value}
    try:
        if class_name in OPERATIONS:
            arguments = {key: value for key, value in config.items() if key != "name"}
            return bound(class_name, call.args, call.kwargs, arguments)
        if class_name == "TensorFlowOpLayer":
            node = read_node_def(config.get("node_def"), where)
            what = node.operation
            return _graph_operation(node, config, call, where)
        if class_name in TENSORFLOW_LAYERS:
            what = str(config.get("function"))
            return _function(what, call)
        raise NotSupported("kerastorch has no such operation")
    except NotSupported as error:
        raise refuse(where, quote(what), _shown(shown), str(error).rstrip(".")) from error


def _function(symbol: str, call: Call) -> Expression:
    """TFOpLambda: the first argument of the function, and the others by name."""
    plain = symbol.removeprefix("compat.v1.").removeprefix("dtypes.")
    row = _tensorflow.FUNCTIONS.get(plain) or _tensorflow.FUNCTIONS.get(f"math.{plain}")
    if row is None:
        raise NotSupported("kerastorch has no such function of TensorFlow")
    first = next(iter(row.names))
    return row.lower({first: call.args[0], **call.kwargs})


def _graph_operation(node: Any, config: Mapping[str, Any], call: Call, where: str) -> Expression:
    """TensorFlowOpLayer: inputs from the graph, and constants between them, at the places that the file states."""
    row = _graph_operations.OPERATIONS.get(node.operation)
    if row is None:
        raise NotSupported("kerastorch has no such operation of TensorFlow")
    given = call.args[0]
    inputs = list(given) if isinstance(given, list) else [given]
    constants = config.get("constants") or {}
    if not isinstance(constants, dict) or not all(str(place).isdigit() for place in constants):
        raise CorruptFileError(f"{where}: expected an object of constants, got {quote(constants)}.")
    for place in sorted(constants, key=int):
        inputs.insert(int(place), constants[place])
    if len(inputs) != node.inputs:
        raise CorruptFileError(
            f"{where}: {node.operation} has {counted(node.inputs, 'input')}, and the file has {len(inputs)}."
        )
    arguments: dict[str, Any] = {}
    names = list(row.inputs)
    starred = next((at for at, name in enumerate(names) if name.startswith("*")), None)
    if starred is not None:  # a list takes what the other inputs leave
        behind = len(names) - starred - 1
        end = len(inputs) - behind
        inputs[starred:end] = [inputs[starred:end]]
        names[starred] = names[starred][1:]
    if len(inputs) > len(names):
        raise NotSupported(f"it has {counted(len(inputs), 'input')}, expected {len(names)}")
    arguments = dict(zip(names, inputs, strict=False))
    arguments |= {name: node.attributes[name] for name in row.attributes if name in node.attributes}
    return row.row.lower(arguments)


def _shown(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_text(value)}" for key, value in arguments.items() if value not in ({}, [], None))


def _text(value: Any) -> str:
    if isinstance(value, TensorRef):
        return f"<output {value.tensor} of {value.layer!r}>"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_text, value))}]"
    return repr(value)
