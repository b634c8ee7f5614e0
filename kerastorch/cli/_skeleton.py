"""What can be said of a model by the arrays of a file that holds nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import quote

if TYPE_CHECKING:
    from ..files import Archive

Shapes = Sequence[tuple[int, ...]]


def skeleton(archive: Archive) -> list[str]:
    """The layers that fit the arrays of a file of weights, one line of code for each that has any."""
    return [f"{_layer(shapes)},  # {quote(name)}: {', '.join(map(str, shapes))}" for name, shapes in _owners(archive)]


def _owners(archive: Archive) -> list[tuple[str, Shapes]]:
    """The shapes of the arrays of each layer, in the order of the file."""
    from ..files import LegacyWeights

    weights = archive.weights
    if weights is None:
        return []
    if isinstance(weights, LegacyWeights):
        found = [(layer.name, [tuple(array.shape) for _, array in layer.weights]) for layer in weights.layers]
        return [(name, shapes) for name, shapes in found if shapes]
    gathered: dict[str, list[tuple[int, ...]]] = {}
    for path, item in weights.objects.items():
        parts = path.split("/")
        name = "/".join(parts[: 2 if parts[0] in ("layers", "_layer_checkpoint_dependencies") else 1])
        gathered.setdefault(name, []).extend(tuple(array.shape) for array in item.arrays)
    return [(name, shapes) for name, shapes in gathered.items() if shapes]


def _layer(shapes: Shapes) -> str:
    half = len(shapes) // 2
    if len(shapes) in (4, 6) and shapes[:half] == shapes[half:]:
        inner = _recurrent(shapes[:half])
        if inner:
            return f"kt.layers.Bidirectional({inner})"
    return _recurrent(shapes) or _other(shapes) or "...  # no layer that is known by these shapes"


def _recurrent(shapes: Shapes) -> str | None:
    if len(shapes) not in (2, 3) or len(shapes[0]) != len(shapes[1]) or len(shapes[0]) < 2:
        return None
    kernel, recurrent, *bias = shapes
    units, wide = recurrent[-2:]
    if not units or wide % units or kernel[-1] != wide:
        return None
    gates, no_bias = wide // units, "" if bias else ", use_bias=False"
    if len(kernel) in (3, 4, 5) and gates == 4 and kernel[:-2] == recurrent[:-2]:
        return f"kt.layers.ConvLSTM{len(kernel) - 2}D({units}, {kernel[:-2]}{no_bias})"
    if len(kernel) != 2 or (bias and bias[0] not in ((wide,), (2, wide), (2 * wide,))):
        return None
    if gates == 3:
        after = ", reset_after=False" if bias and bias[0] == (wide,) else ""
        return f"kt.layers.GRU({units}{after}{no_bias})"
    name = {1: "SimpleRNN", 4: "LSTM"}.get(gates)
    return None if name is None else f"kt.layers.{name}({units}{no_bias})"


def _other(shapes: Shapes) -> str | None:
    first, *rest = shapes
    if len(shapes) > 2:
        equal = len(set(shapes)) == 1 and len(first) == 1
        return "kt.layers.BatchNormalization()" if equal and len(shapes) in (3, 4) else None
    if rest and rest[0] == first and len(first) == 1:
        return "kt.layers.LayerNormalization()"
    if rest and rest[0] != first[-1:]:
        return None
    if len(first) == 2:
        return f"kt.layers.Dense({first[1]})" if rest else f"kt.layers.Embedding{first}"
    if len(first) in (3, 4, 5):
        no_bias = "" if rest else ", use_bias=False"
        return f"kt.layers.Conv{len(first) - 2}D({first[-1]}, {first[:-2]}{no_bias})"
    return None
