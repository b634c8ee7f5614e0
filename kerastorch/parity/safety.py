"""What a model file would make Keras do, told before Keras gets it.

Keras looks classes and functions up by the modules that a file names, and runs the code of a Lambda layer. Here nothing
of a file is run; so it is read here first, and what it names is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..compat.training.tables import OPTIMIZER_NAMES
from ..errors import ArgumentError, MissingLayersError, UnsafeFileError, quote
from ..files import limits_of
from ..files.architectures import parse_architecture
from ..paths import AnyPath

if TYPE_CHECKING:
    from ..models import Model

# Where the classes live that a model is made of. Others of Keras's modules have functions that fetch and write files.
PARTS = {
    "activations",
    "constraints",
    "dtype_policies",
    "engine",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "regularizers",
}


# What Keras writes of Python's own: a function stands for one of Keras's, or is told of by its name.
_OF_PYTHON = {("builtins", name) for name in ("function", "int", "float", "bool", "str", "slice", "tuple", "dtype")}


def load_checked(
    file: AnyPath,
    arch: AnyPath | None,
    trust: bool,
    custom_objects: Mapping[str, Any] | None = None,
    reading: Mapping[str, Any] | None = None,
) -> Model:
    """The model of a file, read here, after a look at what Keras would run.

    Args:
        file: The model file, or with `arch` a file of weights.
        arch: A file with the model's `to_json()` text.
        trust: Whether that does not matter.
        custom_objects: For classes and functions that are somebody's own: see `load_model`.
        reading: `limits`, `expected_sha256` and `isolate`: likewise.

    Raises:
        UnsafeFileError: Keras would run what the file says, and it is not trusted.
        LoadError: The file cannot be read here.
    """
    from ..architectures import model_from_json_reported
    from ..load import load_model, load_weights

    reading = reading or {}
    found = [] if trust else concerns(file, arch, reading)
    if found:
        raise _refused(file, found)
    try:
        if arch is None:
            return load_model(file, custom_objects, **reading)
        limits = reading.get("limits")
        model, _ = model_from_json_reported(_text(arch), custom_objects, limits=limits, what="--arch")
        load_weights(model, file, **reading)
        return model
    except MissingLayersError as error:
        if trust:
            raise
        raise _refused(file, ["layers of somebody's own, or Lambda layers"], error) from error


def _refused(file: AnyPath, found: list[str], cause: Exception | None = None) -> UnsafeFileError:
    shown = "; ".join(found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
    why = f" Here: {cause}" if cause else ""
    return UnsafeFileError(
        f"{os.fsdecode(file)}: to compare it, Keras would run what the file says: {shown}. If you know where it is "
        f"from, allow it by --trust (check_parity: trust=True).{why}"
    )


def concerns(file: AnyPath, arch: AnyPath | None = None, reading: Mapping[str, Any] | None = None) -> list[str]:
    """What in a file Keras would look up or run and is not plainly a part of Keras's models; empty if all is."""
    from ..making import opened

    if arch is not None:
        limits = limits_of((reading or {}).get("limits"))
        config, _ = parse_architecture(_text(arch), f"--arch {quote(os.fsdecode(arch))}", limits)
        return list(dict.fromkeys(_in_config(config)))
    reading = {"limits": None, "expected_sha256": None, "isolate": False, **(reading or {})}
    with opened(file, reading.pop("limits"), **reading, arrays=False) as archive:
        # Keras compiles a model that is trained for the comparison: a `.h5` says how beside its config.
        return list(dict.fromkeys(_in_config([archive.config, archive.training_config])))


def _text(path: AnyPath) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"--arch {quote(os.fsdecode(path))} cannot be read as text: {error}") from error


# What tf.keras since 2.11 calls its own optimizers in `.h5` files.
_OF_TF_KERAS = frozenset(f"Custom>{name}" for name in OPTIMIZER_NAMES.values())


def _in_config(value: Any) -> Iterator[str]:
    """Every dict in nested configs, without recursion: a file may be deep."""
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, list):
            left.extend(value)
        elif isinstance(value, dict):
            left.extend(value.values())
            yield from _in_entry(value)


def _in_entry(entry: dict[str, Any]) -> Iterator[str]:
    name, module, registered = (entry.get(key) for key in ("class_name", "module", "registered_name"))
    shown = quote(name, 60)
    if name in ("Lambda", "__lambda__"):
        yield "Python code of a Lambda"
    elif name == "function":
        yield f"a function of somebody's own, {quote(entry.get('config'), 60)}"
    if isinstance(name, str) and ">" in name and name not in _OF_TF_KERAS:
        yield f"a class of somebody's own, {shown}"
    elif (
        isinstance(registered, str)
        and ">" in registered
        and registered not in _OF_TF_KERAS
        and not registered.startswith(("keras>", "Keras>"))
    ):
        yield f"a class of somebody's own, {quote(registered, 60)}"
    if isinstance(name, str) and module is not None and not (_is_known(module) or (module, name) in _OF_PYTHON):
        yield f"{shown} of the module {quote(module, 60)}"


def _is_known(module: object) -> bool:
    parts = module.split(".") if isinstance(module, str) else []
    if not parts or parts[0] not in ("keras", "tf_keras"):
        return False
    inner = [part for part in parts[1:] if part != "src"]
    return not inner or inner[0] in PARTS
