"""The tree of objects in which Keras v3 keeps weights: one file, or the union of several shards."""

from __future__ import annotations

from collections.abc import Sequence

from kerastorch.errors import LoadError, counted, quote

from ._hdf5 import Dataset, Group
from ._values import Array, OptimizerState, Skipped, TreeObject, TreeWeights
from ._weights import MakeArray, check_disjoint, walk

CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
_ROOTS = {"vars", *CONTAINERS}
_NOT_PLAIN = frozenset(("", ".", ".."))
_NOT_MODEL = {"optimizer": "only that of the whole model is read", "metrics": "metric state is not read"}

NO_STATE = "the file holds no state of it"

# The root of one file, and how its datasets become arrays.
Part = tuple[Group, MakeArray]


def is_tree(root: Group) -> bool:
    """Whether the group is the root of a Keras v3 weights tree."""
    return any(name.split("\\")[0] in _ROOTS for name in root)


def read_tree(
    parts: Sequence[Part], optimizer: str | None = None
) -> tuple[TreeWeights, list[Skipped], OptimizerState | None]:
    """Read the tree of objects of a Keras v3 weights file, or of all its shards, and the state of the optimizer.

    Args:
        parts: The files. One object's variables may be spread over several, each variable once.
        optimizer: What the config says of the optimizer, for the note on its state.
    """
    objects: dict[str, list[Part]] = {}
    states: dict[str, int] = {}
    held: list[Part] = []
    for root, make in parts:
        found: dict[str, Group] = {}
        state = _walk_part(root, found, states)
        held += [] if state is None else [(state, make)]
        for path, group in found.items():
            objects.setdefault(path, []).append((group, make))
    read: dict[int, list[Dataset]] = {}
    kept = {path: _read_object(groups, read) for path, groups in objects.items()}
    for datasets in read.values():
        check_disjoint(datasets)
    kept = {path: item for path, item in kept.items() if item.arrays or item.name is not None}
    notes = [Skipped(f"{what}: {counted(count, 'array')}", _NOT_MODEL[what]) for what, count in states.items()]
    state = _read_state(held, optimizer, notes) if held else None
    if optimizer and not held:
        notes.append(Skipped(optimizer, NO_STATE))
    return TreeWeights(kept), notes, state


def _read_state(parts: Sequence[Part], optimizer: str | None, notes: list[Skipped]) -> OptimizerState | None:
    """The arrays of the optimizer; where they cannot be read, a note: no weight depends on them."""
    named = [(group.attrs.get("name"), group, make) for group, make in parts]
    name = next((name for name, _, _ in named if isinstance(name, str)), None)
    what = optimizer or (f"optimizer {quote(name)}" if name else "optimizer")
    read: dict[int, list[Dataset]] = {}
    try:
        found = _read_object(parts, read)
        if found.strange is not None:
            raise found.strange
        for datasets in read.values():
            check_disjoint(datasets)
    except LoadError as error:
        notes.append(Skipped(what, f"its state cannot be read: {error}"))
        return None
    arrays = tuple((str(at), array) for at, array in enumerate(found.arrays))
    return OptimizerState(arrays, f"{what}: {counted(len(arrays), 'array')}", name)


def _walk_part(root: Group, found: dict[str, Group], states: dict[str, int]) -> Group | None:
    """Find the `vars` of every object of one file; count what belongs to no layer; return the optimizer's `vars`."""
    source = root.source
    optimizer: Group | None = None
    seen = {root.address}
    todo: list[tuple[Group, tuple[str, ...]]] = [(root, ())]
    while todo:
        group, path = todo.pop()
        below: list[tuple[Group, tuple[str, ...]]] = []
        for name, child in group.items():
            parts = (*path, *name.split("\\"))
            if not _NOT_PLAIN.isdisjoint(parts):
                raise source.unsafe(child.path, "it is not a plain name")
            if len(parts) > source.limits.group_depth:
                raise source.too_deep(child.path)
            if child.address in seen:
                raise source.unsafe(child.path, "the same object stands at two places")
            seen.add(child.address)
            if not isinstance(child, Group):
                raise source.unsupported(
                    child.path, "it is an array outside every group `vars`, which no Keras layer reads"
                )
            kind = _state_in(parts, len(path))
            if parts == ("optimizer",):
                count = sum(1 for _ in walk(child))  # which looks at all that is inside
                holder = child.get("vars")
                if isinstance(holder, Group) and len(list(holder)):
                    optimizer = holder
                elif count:
                    states["optimizer"] = states.get("optimizer", 0) + count
            elif kind is not None:
                states[kind] = states.get(kind, 0) + sum(1 for _ in walk(child))
            elif name == "vars":
                key = "/".join(path)
                if key in found:
                    raise source.unsafe(child.path, f"two objects have the path {quote(key)}")
                found[key] = child
            else:
                below.append((child, parts))
        todo += reversed(below)
    return optimizer


def _state_in(parts: Sequence[str], start: int) -> str | None:
    """Whether one of the parts from `start` on is the optimizer or the metrics of a model: which of the two.

    A model inside another one may have been compiled, too.
    """
    for at in range(start, len(parts)):
        if parts[at] in _NOT_MODEL and (at == 0 or (at > 1 and parts[at - 2] in CONTAINERS)):
            return parts[at]
    return None


def _read_object(parts: Sequence[Part], read: dict[int, list[Dataset]]) -> TreeObject:
    """The variables of one object, from all files that hold some of them."""
    holders: dict[str, Part] = {}
    name = None
    for group, make in parts:
        for key in group.keys():  # noqa: SIM118 - a Group is no dict
            if key in holders:
                raise group.source.unsafe(group.path, f"the array {quote(key)} stands in two shards")
            holders[key] = group, make
        stated = _stated(group, "name")
        if None not in (stated, name) and stated != name:
            raise group.source.corrupt(group.path, f"it is called {quote(stated)}, in another shard {quote(name)}")
        name = name if stated is None else stated
    keys = tuple(str(i) for i in range(len(holders)))
    strange = None
    if holders.keys() != set(keys):
        keys = tuple(sorted(holders))
        group, _ = parts[0]
        strange = group.source.unsupported(
            group.path,
            f"its arrays are called {quote(', '.join(keys))}, expected 0 to {len(holders) - 1}",
            "A layer with its own format of weights (a lookup layer, a wrapped torch module) cannot be read, but by a "
            "class of yours with a load_own_variables.",
        )
    arrays = tuple(_read_array(*holders[key], key, read) for key in keys)
    return TreeObject(arrays, name, keys if strange is not None else None, strange)


def _stated(item: Group | Dataset, key: str) -> str | None:
    """What an attribute says, if it is there: text."""
    value = item.attrs.get(key)
    if value is None or isinstance(value, str):
        return value
    raise item.source.corrupt(item.path, f"its attribute `{key}` is {type(value).__name__}, expected text")


def _read_array(group: Group, make: MakeArray, key: str, read: dict[int, list[Dataset]]) -> Array:
    source, dataset = group.source, group.get(key)
    if not isinstance(dataset, Dataset):
        raise source.corrupt(group.path, f"{quote(key)} is a group, expected an array")
    stated = _stated(dataset, "dtype")
    if dataset.dtype == "opaque2" and stated != "bfloat16":
        raise source.unsupported(dataset.path, f"it holds opaque bytes, called {quote(stated)}; expected bfloat16")
    if dataset.dtype != "opaque2" and stated not in (None, dataset.dtype):
        raise source.corrupt(dataset.path, f"it holds {dataset.dtype}, it says itself that it is {quote(stated)}")
    read.setdefault(id(source), []).append(dataset)
    return make(dataset, "bfloat16" if dataset.dtype == "opaque2" else "")
