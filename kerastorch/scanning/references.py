"""Every class, function, module, path and piece of code that a config names, wherever it stands in it.

A loader that runs what a file says does four things with these: it unpacks code (Lambda, `__lambda__`), it imports a
module and takes something out of it by name, it opens a path or fetches a URL, and it makes layers whose own loading
runs code. All four are looked for in the whole config, also in the parts that are never read here.
"""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .. import compat
from ..compat.operations import read_node_def
from ..errors import KerasTorchError, quote
from ..registered import OF_KERASTORCH
from .report import LOADS, UNSAFE, Finding

# Classes of Keras whose loading, or whose first call, runs what the file holds or names.
_RUNS = {
    "TorchModuleWrapper": "unpickles a torch module that stands in the file",
    "TFSMLayer": "loads a TensorFlow SavedModel from a path and runs its graph",
    "JaxLayer": "unpacks the code of a function that stands in the file",
    "FlaxLayer": "unpacks the code of a module that stands in the file",
}
# Modules that come with a Keras, and hold functions that read, write, fetch or run: what they are imported for in a
# file is never a layer of somebody's own.
_LIBRARIES = frozenset(
    """
    tensorflow tensorflow_core numpy torch torchvision jax jaxlib flax scipy h5py absl pandas sklearn joblib dill
    cloudpickle pip setuptools pkg_resources wheel distutils yaml requests urllib3 google grpc tensorboard optree
    rich namex ml_dtypes IPython nt posix imp commands urllib2 cPickle PIL cv2 six psutil ray mlflow wandb
    __builtin__ asynchat asyncore smtpd aifc audioop cgi cgitb chunk crypt imghdr mailcap msilib nis nntplib ossaudiodev
    pipes sndhdr spwd sunau telnetlib uu xdrlib lib2to3 binhex formatter macpath popen2 md5 sha
    """.split()  # noqa: SIM905
)
_OLD_BUILTINS = frozenset({"execfile", "apply", "reload", "file", "raw_input", "unicode"})
# Parts of Keras that are no layers, losses and the like, and whose functions read, write, fetch or unlock.
_UTILITIES = frozenset({"utils", "saving", "config", "export", "datasets", "callbacks", "trainers", "visualization"})
_LOADERS = frozenset({"models", "applications", "legacy"})  # of these only functions
_FUNCTIONS = frozenset({"get_file", "load_model", "load_weights", "enable_unsafe_deserialization"})
_IN_UTILITIES = frozenset({"FeatureSpace", "CustomObjectScope"})
# The same in TensorFlow, whose functions a TFOpLambda names.
_TENSORFLOW = re.compile(
    r"(^|\.)(io|raw_ops|py_func|py_function|numpy_function|gfile|saved_model|train|summary|load_library|"
    r"load_op_library|config|data|autograph)(\.|$)"
)
_GRAPH_OPERATIONS = re.compile(
    r"PyFunc|ReadFile|WriteFile|SaveV?\d?$|RestoreV?\d?$|Save$|LoadAnd|MatchingFiles|RemoteCall|Dataset|Iterator|"
    r"DebugIdentity|WholeFileReader|FixedLengthRecordReader|MergeV2|Shell"
)
# Arguments that Keras opens as a path, or fetches.
_PATHS = re.compile(
    r"vocabulary|idf_weights|vocab(ulary)?_(file|path)|file_?(path|name)|fname|path|origin|url|cache_dir|cache_subdir|"
    r"(weights|model|asset|save|checkpoint|download)_(path|file|dir)|directory"
)
_URL = re.compile(
    r"(https?|ftps?|file|gs|s3|hdfs|hf|gcs|az|abfss?|webhdfs|viewfs|smb|kaggle|data)://?[^\s]", re.IGNORECASE
)
_PATH_MODULE = re.compile(r"[/\\:~]|\.\.|\0")
_NAMED_PATH = re.compile(r"^[/~]|^[A-Za-z]:|\\|(^|/)\.\.(/|$)|\0")
# Arguments whose text is the name of a function or a class.
_CALLED = re.compile(
    r"(activation|initializer|regularizer|constraint|loss|metrics|optimizer|standardize|split)(\.\w+)?(\[\d+\])*$"
)
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_OWN = "a class or function of one's own"
_CODE = "Python code that stands in the file, compiled and packed"
# How packed code begins, in base64 and as Keras 1 wrote it: a code object, then a small number of arguments.
_PACKED = re.compile(r"\s*(4w|Yw)[AEIMQUYcgkosw048]AAA|[\xe3c][\x00-\x0f]\x00{3}")


@dataclass(frozen=True)
class Reference:
    """A finding in a config, and the object around it.

    Attributes:
        finding: What was found.
        owner: `id()` of the object in the config that it belongs to: the layer, or the object itself.
        own: Whether it is a class or function of one's own, which a loader may ask for.
    """

    finding: Finding
    owner: int
    own: bool = False


def references(config: Any, source: str) -> Iterator[Reference]:
    """What a config names, in the order of the file. Iterative: nothing is known of its depth.

    Args:
        config: Parsed JSON.
        source: Where it stands ("config.json").
    """
    stack: list[tuple[Any, str, str, Mapping[str, Any]]] = [(config, "", "", {})]
    coded: set[int] = set()  # objects whose code was named already
    while stack:
        value, path, layer, owner = stack.pop()
        inside: list[tuple[Any, str, str, Mapping[str, Any]]] = []
        if isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, (list, dict, str)):
                    inside.append((item, f"{path}[{index}]", layer, owner))
        elif isinstance(value, dict):
            name = value.get("class_name")
            if isinstance(name, str) and name != "function" and not name.startswith("__"):
                owner, layer = value, _layer(value) or layer
            for found in _judge(value, _place(source, path, layer), owner):
                coded |= {found.owner} if found.finding.why == _CODE else set()
                yield found
            for key, item in value.items():
                words = key == "vocabulary" and isinstance(item, list)  # may look like anything
                if isinstance(item, (list, dict, str)) and key != "name" and not words:
                    inside.append((item, f"{path}.{_key(key)}" if path else _key(key), layer, owner))
        elif _PACKED.match(value):
            if id(owner) not in coded:
                yield _unsafe("code", _place(source, path, layer), _CODE, owner)
        elif _CALLED.search(path) and _DOTTED.fullmatch(value):
            yield from _judge_name(value, None, _place(source, path, layer), owner)
        elif _URL.match(value):
            yield _unsafe(
                value, _place(source, path, layer), "a URL, which a loader that takes paths would fetch", owner
            )
        stack.extend(reversed(inside))


def _layer(item: Mapping[str, Any]) -> str:
    config = item.get("config")
    name = item.get("name", config.get("name") if isinstance(config, dict) else None)
    return name if isinstance(name, str) else ""


def _place(source: str, path: str, layer: str) -> str:
    named = f" (layer {quote(layer, 80)})" if layer else ""
    return f"{source}: {path}{named}" if path else f"{source}{named}"


def _key(key: str) -> str:
    return key if key.isidentifier() else quote(key, 60)


def _unsafe(what: str, where: str, why: str, owner: Mapping[str, Any]) -> Reference:
    return Reference(Finding(UNSAFE, quote(what, 80)[1:-1], where, why), id(owner))


def _judge(value: Mapping[str, Any], where: str, owner: Mapping[str, Any]) -> Iterator[Reference]:
    """What one object of a config says."""
    name, module, config = value.get("class_name"), value.get("module"), value.get("config")
    if isinstance(name, str):
        yield from _judge_class(value, name, module, config, where, owner)
    called = _layer(value)
    if isinstance(name, str) and _NAMED_PATH.search(called):
        yield _unsafe(called, where, "a name that is a path, under which Keras puts files of a layer", owner)
    for key, kind in value.items():
        # Keras 1 and 2 say beside a function what it is: code, or a name and a module.
        if not isinstance(key, str) or not key.endswith("_type") or not isinstance(kind, str):
            continue
        argument = key.removesuffix("_type")
        given = value.get(argument)
        if kind == "lambda" and given is not None:
            yield _unsafe("Lambda", f"{where}, {argument}", _CODE, owner)
        elif kind == "function" and isinstance(given, str):
            stated = value.get("module" if argument == "function" else f"{argument}_module", value.get("module"))
            yield from _judge_name(given, stated, f"{where}, {argument}", owner)
    for key, given in value.items():
        if (
            isinstance(given, str)
            and given
            and _PATHS.fullmatch(key)
            and not _URL.match(given)
            and compat.is_own(owner)
        ):
            why = f"{key} is a path, which a loader of Keras opens or writes to"
            yield _unsafe(given, f"{where}, {key}", why, owner)
        elif key == "fn" and isinstance(given, str):
            yield from _judge_name(given, None, f"{where}, {key}", owner)


def _judge_class(
    value: Mapping[str, Any], name: str, module: Any, config: Any, where: str, owner: Mapping[str, Any]
) -> Iterator[Reference]:
    bare = name.rpartition(">")[2].rpartition(".")[2]
    if name == "__lambda__":
        yield _unsafe("__lambda__", where, _CODE, owner)
        return
    if name == "function":
        called = config if isinstance(config, str) else value.get("registered_name")
        yield from _judge_name(called, module, where, owner, function=True)
        return
    if name == "__typespec__":
        if isinstance(module, str) and module.partition(".")[0] != "tensorflow":
            yield from _judge_name(value.get("spec_name"), module, where, owner)
        return
    if bare == "Lambda" and isinstance(config, dict):
        function = config.get("function")
        plain = isinstance(function, str) or (isinstance(function, dict) and "class_name" in function)
        if function is not None and not plain and config.get("function_type") != "lambda":
            yield _unsafe(name, where, _CODE, owner)
        elif isinstance(function, str) and "function_type" not in config:
            yield from _judge_name(function, config.get("module"), f"{where}, function", owner)
    if bare in _RUNS:
        yield _unsafe(name, where, f"its loading in Keras {_RUNS[bare]}", owner)
    elif name == "TFOpLambda" and isinstance(config, dict) and _TENSORFLOW.search(str(config.get("function"))):
        yield _unsafe(str(config["function"]), where, "a function of TensorFlow that reads, writes or runs", owner)
    elif name == "TensorFlowOpLayer" and isinstance(config, dict):
        operation = _operation_of(config.get("node_def"))
        if _GRAPH_OPERATIONS.search(operation):
            yield _unsafe(operation, where, "an operation of TensorFlow that reads, writes or runs Python", owner)
    else:
        danger = list(_judge_name(name, module, where, owner))
        yield from danger
        if not danger and not compat.is_own(value) and value.get("registered_name") not in OF_KERASTORCH:
            yield _own(value.get("registered_name") or name, where, owner)
    registered = value.get("registered_name")
    if isinstance(registered, str) and registered != name and _DOTTED.fullmatch(registered):
        yield from _judge_name(registered, None, where, owner)


def _operation_of(node: Any) -> str:
    try:
        return read_node_def(node, "").operation
    except KerasTorchError:
        return str(node)[:1000]


def _own(name: object, where: str, owner: Mapping[str, Any]) -> Reference:
    return Reference(Finding(LOADS, quote(str(name), 80)[1:-1], where, _OWN), id(owner), own=True)


def _judge_name(
    name: Any, module: Any, where: str, owner: Mapping[str, Any], function: bool = False
) -> Iterator[Reference]:
    """A name that a loader takes out of a module."""
    called = name if isinstance(name, str) else "?"
    shown = f"{module}.{called}" if isinstance(module, str) and module not in ("", "builtins") else called
    why = _danger(called, module, function)
    if why is not None:
        yield _unsafe(shown, where, why, owner)
    elif isinstance(module, str) and not compat.is_own({"module": module}) and module:
        yield _own(shown, where, owner)


def _danger(name: str, module: Any, function: bool) -> str | None:
    """Why it is not safe to take that name out of that module; None if it is, or is left to the caller's own code."""
    if isinstance(module, str) and _PATH_MODULE.search(module):
        return "its module is a path"
    stated = module.split(".") if isinstance(module, str) and module else []
    dotted = name.split(".") if _DOTTED.fullmatch(name) else [name]
    if stated in ([], ["builtins"], ["__builtin__"]):
        if stated and (hasattr(builtins, name) or name in _OLD_BUILTINS):
            return "a builtin of Python, which a loader would call"
        stated = []
    for parts in ([*stated, *dotted[:-1]], dotted[:-1]):
        if not parts:
            continue
        if not compat.is_own({"module": parts[0]}) and not compat.is_own({"module": ".".join(parts)}):
            if parts[0] in sys.stdlib_module_names or parts[0] in _LIBRARIES:
                return f"{parts[0]} is no part of Keras: a loader would import it and take that name out of it"
            continue
        utility = not _UTILITIES.isdisjoint(parts[1:])
        if function:
            utility = utility or dotted[-1] in _FUNCTIONS or not _LOADERS.isdisjoint(parts[1:])
        if utility and dotted[-1] not in _IN_UTILITIES:
            return "a utility of Keras, which is no layer: a loader would call it"
    return None
