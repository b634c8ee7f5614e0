"""Plan, match, assign: every variable of a model against every array of a file, completely, before anything is set.

`legacy_pairs` and `tree_pairs` say which array each variable would take; `check` compares shapes and dtypes of all
pairs and collects everything that is missing, left over or misshapen; `assign` then reads and sets.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from .errors import KerasTorchError, MismatchError, quote
from .files import Array, LegacyWeights, TreeWeights
from .keras1_weights import gates_joined
from .layers._base import Layer
from .layers._naming import snake_case
from .layers._variables import Variable, all_variables, fillers, own_variables
from .models import Model

_SHOWN = 40  # problems listed in one message


@dataclass(frozen=True)
class Pair:
    """A variable of the model, the array for it, and how messages name the variable."""

    label: str
    variable: Variable
    array: Array


@dataclass
class Match:
    """All pairs, and all that stands in the way of them."""

    pairs: list[Pair] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def missing(self, label: str, variable: Variable) -> None:
        self.problems.append(f"missing in the file: {label} {variable.shape()}")

    def extra(self, array: Array) -> None:
        self.problems.append(f"left over in the file: {array.where} {array.shape}")


# ---------------------------------------------------------------- V3 tree


def tree_pairs(model: Layer, weights: TreeWeights, check_names: bool) -> Match:
    """Pair the variables with the arrays of a Keras 3 weights tree, by path.

    Args:
        check_names: Whether the names in the file must be those of the layers (a full model's are).
    """
    match = Match()
    used: set[str] = set()
    dependencies = any(path.startswith("_layer_checkpoint_dependencies") for path in weights.objects)
    for path, layer, variables in _tree(model, dependencies):
        found = weights.objects.get(path)
        home = f"{path}/{layer.VARS_PATH}".strip("/") if layer is not None and layer.VARS_PATH else path
        if check_names and layer is not None and found is not None and found.name not in (None, layer.name):
            match.problems.append(
                f"{path or 'the model'}: named {quote(found.name)} in the file, {quote(layer.name)} in the config"
            )
        holder = weights.objects.get(home)
        arrays = () if holder is None else holder.arrays
        used.update((path, home))
        label = f"layer {layer.name!r}" if layer is not None else path
        for index, variable in enumerate(variables):
            if index < len(arrays):
                match.pairs.append(Pair(f"{label}: {variable.name}", variable, arrays[index]))
            else:
                match.missing(f"{label}: {variable.name}", variable)
        for array in arrays[len(variables) :]:
            match.extra(array)
    for path, found in weights.objects.items():
        if path not in used:
            for array in found.arrays:
                match.extra(array)
    return match


def _tree(model: Layer, dependencies: bool) -> Iterable[tuple[str, Layer | None, list[Variable]]]:
    """Path, layer and own variables of the model and everything in it, as Keras 3 walks it. Shared layers once.

    A plain torch module, such as a person's own cell, has no layer.
    """
    seen: set[int] = set()
    stack: list[tuple[str, nn.Module]] = [("", model)]
    while stack:
        path, layer = stack.pop()
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        yield path, layer if isinstance(layer, Layer) else None, own_variables(layer)
        prefix = f"{path}/" if path else ""
        if isinstance(layer, Model):
            names = _container_names(layer, dependencies)
            container = "_layer_checkpoint_dependencies" if dependencies else "layers"
            children: list[tuple[str, nn.Module]] = [(f"{prefix}{container}/{name}", inner) for name, inner in names]
        else:
            named = layer.keras_children() if isinstance(layer, Layer) else layer.named_children()
            children = [(prefix + attribute, inner) for attribute, inner in named]
        stack.extend(reversed(children))


def _container_names(model: Model, dependencies: bool) -> list[tuple[str, Layer]]:
    """The name of each layer in a model's container: snake_case of the class, numbered per class.

    TensorFlow 2.12 and 2.13 wrote a container in which each layer with weights stands twice, and numbered both.
    """
    count: Counter[str] = Counter()
    named = []
    for layer in model.sublayers():
        name = snake_case(layer.class_name)  # type: ignore[arg-type]
        number = count[name]
        named.append((f"{name}_{number}" if number else name, layer))
        twice = dependencies and any(True for _ in all_variables(layer))
        count[name] += 2 if twice else 1
    return named  # type: ignore[return-value]


# ---------------------------------------------------------------- legacy HDF5


def legacy_pairs(model: Model, weights: LegacyWeights, by_name: bool) -> Match:
    """Pair the variables with the arrays of a legacy HDF5 file: layers in order, weights in order within each.

    Args:
        by_name: Whether the layers' names must be the file's (a full model's are); else the order alone decides.
    """
    match = Match()
    ours = [(layer, _legacy_order(layer)) for layer in model.sublayers() if isinstance(layer, Layer)]
    ours = [(layer, variables) for layer, variables in ours if variables]
    theirs = [layer for layer in weights.layers if layer.weights]
    if by_name and [layer.name for layer, _ in ours] != [layer.name for layer in theirs]:
        _compare_names(match, [layer.name for layer, _ in ours], [layer.name for layer in theirs])
        if match.problems:
            return match
    for (layer, variables), stored in zip(ours, theirs, strict=False):
        _pair_layer(match, layer, variables, stored.weights)
    for layer, variables in ours[len(theirs) :]:
        for variable in variables:
            match.missing(f"layer {layer.name!r}: {variable.name}", variable)
    for stored in theirs[len(ours) :]:
        for _, array in stored.weights:
            match.extra(array)
    for _, array in weights.top_level:
        match.extra(array)
    return match


def _compare_names(match: Match, ours: Sequence[str], theirs: Sequence[str]) -> None:
    for name in ours:
        if name not in theirs:
            match.problems.append(f"missing in the file: all weights of layer {quote(name)}")
    for name in theirs:
        if name not in ours:
            match.problems.append(f"left over in the file: all weights of layer {quote(name)}")
    if not match.problems:
        match.problems.append(
            f"the file lists its layers in another order than the config: {list(theirs)[:10]} and {list(ours)[:10]}"
        )


def _legacy_order(layer: Layer) -> list[Variable]:
    """A layer's variables as legacy files list them: trainable ones, then the others (frozen ones among them)."""
    variables = list(all_variables(layer))
    return sorted(variables, key=lambda variable: not _trains(variable))


def _trains(variable: Variable) -> bool:
    return variable.trainable and all(part.requires_grad for part in variable.parts())


def _pair_layer(match: Match, layer: Layer, variables: list[Variable], stored: Sequence[tuple[str, Array]]) -> None:
    label = f"layer {layer.name!r}"
    stored = gates_joined(variables, stored)
    if len(variables) != len(stored):
        wanted = ", ".join(f"{variable.name} {variable.shape()}" for variable in variables)
        listed = ", ".join(f"{name} {array.shape}" for name, array in stored)
        match.problems.append(
            f"{label}: expected {len(variables)} arrays ({wanted}), the file has {len(stored)} ({listed})"
        )
        return
    for variable, (name, array) in zip(variables, stored, strict=True):
        last = _last_part(name)
        if last in _KNOWN_NAMES and last != variable.name:
            match.problems.append(
                f"{label}: expected {variable.name} {variable.shape()}, the file has {quote(name)} in its place"
            )
        match.pairs.append(Pair(f"{label}: {variable.name}", variable, array))


_KNOWN_NAMES = {
    "kernel",
    "recurrent_kernel",
    "bias",
    "gamma",
    "beta",
    "moving_mean",
    "moving_variance",
    "embeddings",
}


def _last_part(weight_name: str) -> str:
    """`bidi/forward_gru/gru_cell/kernel_1:0` -> `kernel`."""
    return re.sub(r"(_\d+)?(:\d+)?$", "", weight_name.rsplit("/", 1)[-1])


# ---------------------------------------------------------------- check and assign


def check(match: Match, where: str) -> None:
    """Raise one `MismatchError` that lists everything that does not fit; nothing has been changed then."""
    problems = list(match.problems)
    for pair in match.pairs:
        wanted, where_in = pair.variable.shape(), pair.array.where
        if wanted != tuple(pair.array.shape):
            problems.append(
                f"wrong shape: {pair.label}: expected {wanted}, the file has {pair.array.shape} at {where_in}"
            )
        elif not _compatible(pair):
            problems.append(
                f"wrong dtype: {pair.label}: expected floating point, the file has {pair.array.dtype} at {where_in}"
            )
    if problems:
        shown = problems[:_SHOWN] + ([f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else [])
        raise MismatchError(
            f"{where}: the weights do not fit the model, nothing was changed ({len(problems)} problem(s)):\n  "
            + "\n  ".join(shown)
        )


def _compatible(pair: Pair) -> bool:
    # Legacy files write bfloat16 as two bytes without a name: only a bfloat16 layer says what they mean.
    if pair.array.dtype == "opaque2":
        return pair.variable.parts()[0].dtype == torch.bfloat16
    return pair.array.dtype in ("float16", "float32", "float64", "bfloat16")


def read_all(match: Match, where: str) -> list[tuple[Variable, list[Tensor]]]:
    """Read every array and bring it to torch layout and the parameters' dtypes; still nothing is set.

    Raises:
        MismatchError: A value would change on the way into a narrower dtype.
    """
    ready = []
    for pair in match.pairs:
        array = pair.array.read()
        tensor = _as_tensor(array, pair.array.dtype)
        wanted = pair.variable.parts()[0].dtype
        converted = tensor.to(wanted)
        if converted.dtype != tensor.dtype and not torch.equal(
            converted.to(tensor.dtype).nan_to_num(), tensor.nan_to_num()
        ):
            raise MismatchError(
                f"{where}: {pair.label} is {pair.array.dtype} in the file and its values are not exact in {wanted}; "
                "nothing was changed. Build the model in the file's dtype, for example model.double()."
            )
        ready.append((pair.variable, list(pair.variable.var.map.forward((converted,)))))
    return ready


def _as_tensor(array: np.ndarray, dtype: str) -> Tensor:
    if dtype in ("bfloat16", "opaque2"):
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return torch.from_numpy(array if array.flags.writeable else array.copy())


@torch.no_grad()
def assign(ready: list[tuple[Variable, list[Tensor]]]) -> None:
    """Set all values; into fresh storage where a parameter has none yet (it was made on the meta device)."""
    for variable, values in ready:
        for name, value in zip(variable.var.params, values, strict=True):
            held = getattr(variable.module, name)
            if not held.is_meta:
                held.copy_(value)
            elif isinstance(held, nn.Parameter):
                variable.module._parameters[name] = nn.Parameter(value.contiguous(), requires_grad=held.requires_grad)
            else:
                variable.module._buffers[name] = value.contiguous()


@torch.no_grad()
def materialize_fillers(model: nn.Module, device: torch.device) -> None:
    """Give the buffers that no file holds (second biases) their zeros, in a model that was made on the meta device."""
    for module in model.modules():
        for filler in fillers(module):
            held = module._buffers[filler.name]
            assert held is not None
            if held.is_meta:
                module._buffers[filler.name] = torch.zeros(held.shape, dtype=held.dtype, device=device)
    left = [name for name, tensor in [*model.named_parameters(), *model.named_buffers()] if tensor.is_meta]
    if left:
        raise KerasTorchError(f"no values for {left[:5]}; this is a fault of kerastorch, please report it")
