"""Weights layer by layer, as Keras laid them out before v3 (and still does in `.h5`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import numpy as np

from kerastorch.errors import LoadError, counted, quote

from ._hdf5 import Dataset, Group
from ._values import Array, LegacyLayer, LegacyWeights, OptimizerState, Skipped

MakeArray = Callable[[Dataset, str], Array]

_TOP_LEVEL = "top_level_model_weights"


def read_names(group: Group, key: str) -> tuple[str, ...] | None:
    """Return a list of names from an attribute, or from the numbered ones that Keras cuts a long list into.

    Returns:
        The names; None if there is no such attribute.

    Raises:
        CorruptFileError: It is not a list of strings, or a numbered part is missing.
        UnsafeFileError: A name is no plain name, stands twice, or both forms are there.
    """
    source, attrs = group.source, group.attrs
    where = f"{group.path}@{key}"
    numbers = [int(name[len(key) :]) for name in attrs if re.fullmatch(re.escape(key) + "(0|[1-9][0-9]{0,5})", name)]
    if key in attrs:
        if numbers:
            raise source.unsafe(where, "the list stands there in one piece and in numbered pieces as well")
        keys = [key]
    elif numbers:
        if sorted(numbers) != list(range(len(numbers))):
            raise source.corrupt(where, "the list is cut into numbered pieces, and one of them is missing")
        keys = [f"{key}{number}" for number in sorted(numbers)]
    else:
        return None
    names: list[str] = []
    for part in keys:
        value = attrs[part]
        if isinstance(value, np.ndarray) and value.size == 0:
            continue
        if not isinstance(value, list) or (not value and part != key):
            raise source.corrupt(where, f"it holds {type(value).__name__}, expected a list of names")
        names += value
    seen: set[str] = set()
    for name in names:
        if len(name) > source.limits.name_length:
            raise source.beyond(where, f"{quote(name)} has {counted(len(name), 'character')}", "name_length")
        if any(part in ("", ".", "..") for part in name.split("/")):
            raise source.unsafe(where, f"{quote(name)} is not a plain name")
        if name in seen:
            raise source.unsafe(where, f"the name {quote(name)} stands twice")
        seen.add(name)
    return tuple(names)


def read_legacy(base: Group, make: MakeArray) -> tuple[LegacyWeights, list[Skipped]]:
    """Read what stands in `model_weights`, or at the root of a file of weights."""
    source = base.source
    names = read_names(base, "layer_names")
    if names is None:
        raise source.corrupt(base.path, "it has no list of layers (attribute layer_names)")
    read: list[Dataset] = []

    def weights(group: Group, keys: tuple[str, ...]) -> tuple[tuple[str, Array], ...]:
        found = []
        for key in keys:
            dataset = group.get(key)
            if not isinstance(dataset, Dataset):
                raise source.corrupt(group.path, f"the array {quote(key)} is listed but is not there")
            read.append(dataset)
            found.append((key, make(dataset, "")))
        return tuple(found)

    layers = []
    for name in names:
        group = base.get(name)
        if not isinstance(group, Group):
            raise source.corrupt(base.path, f"the layer {quote(name)} is listed but is not there")
        keys = read_names(group, "weight_names")
        if keys is None:
            raise source.corrupt(group.path, "the layer has no list of its weights (attribute weight_names)")
        layers.append(LegacyLayer(name, weights(group, keys)))
    top = base.get(_TOP_LEVEL) if _TOP_LEVEL in base and _TOP_LEVEL not in names else None
    top_level = weights(top, read_names(top, "weight_names") or ()) if isinstance(top, Group) else ()
    check_disjoint(read)

    listed = {name.split("/")[0] for name in names} | ({_TOP_LEVEL} if top else set())
    known = {dataset.address for dataset in read}
    skipped = []
    for name in base:
        if name not in listed and name != "optimizer_weights":
            skipped.append(Skipped(f"group {quote(name)}", "not part of a Keras model"))
            continue
        child = base.get(name)
        if name in listed and isinstance(child, Group):
            extra = [dataset.path for dataset in walk(child) if dataset.address not in known]
            if extra:
                what = f"{counted(len(extra), 'array')} in group {quote(name)}, the first {quote(extra[0])}"
                skipped.append(Skipped(what, "not listed as weights of a layer"))
    return LegacyWeights(tuple(layers), top_level), skipped


def read_state(group: Group, make: MakeArray, optimizer: str | None, notes: list[Skipped]) -> OptimizerState | None:
    """The arrays of the optimizer in `optimizer_weights`; where they cannot be read, a note."""
    what = optimizer or "optimizer"
    try:
        keys = read_names(group, "weight_names")
        if keys is None:
            raise group.source.corrupt(group.path, "it has no list of its arrays (attribute weight_names)")
        read: list[Dataset] = []
        for key in keys:
            dataset = group.get(key)
            if not isinstance(dataset, Dataset):
                raise group.source.corrupt(group.path, f"the array {quote(key)} is listed but is not there")
            read.append(dataset)
        check_disjoint(read)
    except LoadError as error:
        notes.append(Skipped(what, f"its state cannot be read: {error}"))
        return None
    arrays = tuple((key, make(dataset, "")) for key, dataset in zip(keys, read, strict=True))
    return OptimizerState(arrays, f"{what}: {counted(len(arrays), 'array')}")


def walk(group: Group) -> Iterator[Dataset]:
    """Yield every dataset below a group, each object once."""
    seen = {group.address}
    todo = [(group, 0)]
    while todo:
        current, depth = todo.pop()
        for name in current:
            child = current.get(name)
            if child is None or child.address in seen:
                continue
            seen.add(child.address)
            if isinstance(child, Dataset):
                yield child
            elif depth >= current.source.limits.group_depth:
                raise current.source.too_deep(child.path)
            else:
                todo.append((child, depth + 1))


def check_disjoint(datasets: Iterable[Dataset]) -> None:
    """Refuse weights that share bytes: one of them would be somebody else's values."""
    seen: dict[int, Dataset] = {}
    ranges: list[tuple[int, int, Dataset]] = []
    for dataset in datasets:
        if dataset.address in seen:
            other = seen[dataset.address].path
            raise dataset.source.unsafe(dataset.path, f"it is the same array as {quote(other)}")
        seen[dataset.address] = dataset
        start, size = dataset.stored
        if size:
            ranges.append((start, start + size, dataset))
    ranges.sort(key=lambda item: item[0])
    for (_, end, before), (start, _, dataset) in pairwise(ranges):
        if start < end:
            raise dataset.source.unsafe(dataset.path, f"it shares bytes with {quote(before.path)}")
