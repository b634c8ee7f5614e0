"""A layers model of TensorFlow.js: its config, and its arrays listed layer by layer as in an `.h5` file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kerastorch.errors import UnsupportedFileError, counted, quote

from .._bytes import Bytes
from .._limits import Limits
from .._source import DAMAGED
from .._values import Array, LegacyLayer, LegacyWeights, Skipped
from ..strict_json import parse_model
from .manifest import read_manifest

_MANIFEST = b'"weightsManifest"'
_OF_JAVASCRIPT = "tfjs-layers"  # what stands for the version where TensorFlow.js has saved the model itself
_MEANT = "2.2.4"  # the Keras whose layers those of TensorFlow.js are
_GRAPHS = (
    "this is a graph model of TensorFlow.js, which holds operations and no layers of Keras. Convert the Keras model "
    "that it was made from."
)


@dataclass(frozen=True)
class Contents:
    """What an `Archive` is made of; see there."""

    weights: LegacyWeights
    config: dict[str, Any] | None
    keras_version: str | None
    backend: str | None
    training_config: dict[str, Any] | None
    skipped: tuple[Skipped, ...]


def is_layers_model(text: bytes | memoryview) -> bool:
    """Whether a JSON text is that of a model of TensorFlow.js, which lists its files of weights."""
    content = bytes(text)
    return content[:64].lstrip()[:1] == b"{" and _MANIFEST in content


def read_layers_model(
    raw: memoryview, name: str, limits: Limits, open_file: Callable[[str], Bytes], check_open: Callable[[], None]
) -> Contents:
    """Read `model.json`; the values of arrays are read later.

    Args:
        raw: The text.
        name: What to call it in messages.
        limits: The bounds.
        open_file: From the name of a file beside it to its bytes.
        check_open: Raises where the archive is closed.

    Raises:
        LoadError: See `open_archive`.
    """
    said, problem = parse_model(raw, name, limits)
    topology = said.get("modelTopology")
    if said.get("format") == "graph-model" or (isinstance(topology, dict) and "node" in topology):
        raise UnsupportedFileError(f"{name}: {_GRAPHS}").of("TensorFlow.js")
    topology = topology if isinstance(topology, dict) else {}
    inner = topology.get("model_config")
    config = inner if isinstance(inner, dict) else topology if "class_name" in topology else None
    arrays, others = read_manifest(said.get("weightsManifest"), name, limits, open_file, check_open)
    weights = LegacyWeights(tuple(_by_layer(config, arrays, name)), ())
    skipped = [Skipped("compile_config", f"it cannot be read: {problem}", warns=True)] if problem is not None else []
    if others:
        skipped.append(
            Skipped(f"{counted(len(others), 'array')} of the optimizer", "TensorFlow.js has another order for them")
        )
    version, backend = (topology.get(key) for key in ("keras_version", "backend"))
    if isinstance(version, str) and version.startswith(_OF_JAVASCRIPT):
        version, backend = _MEANT, "tensorflow"
    training = topology.get("training_config")
    return Contents(
        weights,
        config,
        version if isinstance(version, str) else None,
        backend if isinstance(backend, str) else None,
        training if isinstance(training, dict) else None,
        tuple(skipped),
    )


def _by_layer(config: dict[str, Any] | None, arrays: list[tuple[str, Array]], name: str) -> Iterator[LegacyLayer]:
    """The arrays of each layer in the order of the config; of a file without one, in that of the arrays.

    An array is called by the layer that has made it, which may stand inside another: `forward_lstm/kernel`.
    """
    owners = _owners(config)
    found: dict[str, list[tuple[str, Array]]] = {owner: [] for owner in dict.fromkeys(owners.values())}
    strange = []
    for label, array in arrays:
        first = label.partition("/")[0]
        owner = next((owners[part] for part in label.split("/") if part in owners), None)
        if owner is None and config is not None:
            strange.append(label)
        found.setdefault(first if owner is None else owner, []).append((f"{label}:0", array))
    if strange:
        raise UnsupportedFileError(
            f"{name}: {counted(len(strange), 'array has', 'arrays have')} the name of no layer of the model: "
            f"{quote(strange[:5])}. "
            f"{DAMAGED}"
        )
    yield from (LegacyLayer(owner, tuple(weights)) for owner, weights in found.items())


def _owners(config: dict[str, Any] | None) -> dict[str, str]:
    """The name of each layer, also of those inside others -> the name of the layer of the model around it."""
    found: dict[str, str] = {}
    inner = (config or {}).get("config")
    layers = inner.get("layers") if isinstance(inner, dict) else inner
    for item in layers if isinstance(layers, list) else []:
        names = list(_names(item))
        found.update((name, names[0]) for name in names if name not in found)
    for item in layers if isinstance(layers, list) else []:  # those of the model itself come before those inside
        names = list(_names(item))[:1]
        found.update((name, name) for name in names)
    return found


def _names(item: Any) -> Iterator[str]:
    """The names in the config of a layer, its own first. Iterative: a file may be deep."""
    stack = [item]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack.extend(reversed(value))
        elif isinstance(value, dict):
            inner = value.get("config")
            name = inner.get("name") if isinstance(inner, dict) else None
            name = name if isinstance(name, str) else value.get("name")
            if "class_name" in value and isinstance(name, str):
                yield name
            stack.extend(reversed([part for part in value.values() if isinstance(part, (dict, list))]))
