"""Layers of a person's own class that read their part of a file themselves, by `load_own_variables`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..base.keras_names import KerasNames
from ..base.layer import Layer
from ..base.variable import to_numpy
from ..errors import MismatchError
from ..files import Array, TreeObject, TreeWeights
from ..layers import TextVectorization
from ..layers.preprocessing.index_lookup import IndexLookup
from ..layers.preprocessing.vocabulary_files import COUNTS, VOCABULARY
from ..spec import Rule
from ._match import Match, OwnPart
from .assign import as_tensor
from .finite import Remarkable

_OF_CODE = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


def reads_itself(module: nn.Module) -> bool:
    """Whether the class of a layer has a `load_own_variables` of its own."""
    return isinstance(module, Layer) and type(module).load_own_variables is not KerasNames.load_own_variables


def own_part(layer: Layer, label: str, found: TreeObject | None) -> OwnPart:
    arrays = () if found is None else found.arrays
    names = tuple(map(str, range(len(arrays)))) if found is None or found.keys is None else found.keys
    words = None if found is None else found.words
    return OwnPart(layer, label, dict(zip(names, arrays, strict=True)), words)


def without_counts(model: nn.Module, weights: TreeWeights, match: Match) -> TreeWeights:
    """Leave out what words count where no layer of the model counts words: the caller has given another layer."""
    if any(isinstance(module, IndexLookup) for module in model.modules()):
        return weights
    left = [path for path, found in weights.objects.items() if found.keys == (COUNTS,)]
    match.rules += [Rule(path, "what the file says its words count is not used") for path in left]
    return TreeWeights({path: found for path, found in weights.objects.items() if path not in left})


@contextmanager
def own_loaded(parts: Iterable[OwnPart], where: str, not_finite: Remarkable) -> Iterator[None]:
    """Hand every layer its arrays. If one of them fails, or what is done meanwhile, all have the values again that they
    had.

    Args:
        parts: The layers and their arrays.
        where: The file, for messages.
        not_finite: Takes note of values that are.

    Raises:
        MismatchError: What a layer's method raised.
    """
    parts = list(parts)
    before = [(tensor, tensor.detach().clone()) for part in parts for tensor in _tensors(part.layer)]
    done = False
    try:
        for part in parts:
            _load(part, where, not_finite)
        yield
        done = True
    finally:
        if not done:
            with torch.no_grad():
                for tensor, values in before:
                    tensor.copy_(values)


def _load(part: OwnPart, where: str, not_finite: Remarkable) -> None:
    arrays = part.arrays.items()
    store: dict[str, Any] = {
        name: _numpy(not_finite.watch(f"{part.layer.name}/{name}", array)) for name, array in arrays
    }
    if part.words is not None and isinstance(part.layer, (IndexLookup, TextVectorization)):
        store[VOCABULARY] = part.words
    try:
        part.layer.load_own_variables(store)
    except _OF_CODE as error:
        raise MismatchError(
            f"{where}: load_own_variables of {part.label} failed, nothing was changed: {type(error).__name__}: "
            f"{error} (the file has {', '.join(sorted(part.arrays)) or 'no arrays'} for it)."
        ) from error


def _numpy(array: Array) -> np.ndarray:
    return to_numpy(as_tensor(array.read(), array.dtype))


def _tensors(layer: Layer) -> list[Tensor]:
    return [tensor for tensor in (*layer.parameters(), *layer.buffers()) if not tensor.is_meta]
