"""What a match is made of, and the decision whether it may stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import nn

from ..base.layer import Layer
from ..base.torch_layouts import is_keras_layout
from ..base.variables import Variable
from ..errors import MismatchError, counted
from ..files import Array, LegacyWeights, Skipped
from ..spec import Rule
from .convert import bias_hint

_SHOWN = 40  # problems listed in one message
_FLOATS = ("float16", "float32", "float64", "bfloat16")
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8")


class Slot(NamedTuple):
    """A variable of the model: the layer it belongs to, by its path of names, and what messages call it."""

    unit: str
    label: str
    variable: Variable


class Pair(NamedTuple):
    """A variable and the array for it."""

    slot: Slot
    array: Array


@dataclass(frozen=True)
class OwnPart:
    """What a file has for a layer that reads it itself.

    Args:
        layer: The layer.
        label: What messages call it.
        arrays: By the names that its `save_own_variables` gave them.
        words: Its vocabulary, where the file has one beside the arrays.
    """

    layer: Layer
    label: str
    arrays: Mapping[str, Array]
    words: Sequence[str] | None = None


@dataclass(frozen=True)
class Misfit:
    """A layer whose arrays are not those that it needs."""

    unit: str
    text: str
    slots: Sequence[Slot] = ()
    arrays: Sequence[Array] = ()


@dataclass
class Match:
    """All pairs, and all that stands in the way of them.

    Attributes:
        pairs: Variables with their arrays; shapes and dtypes are not compared yet.
        misfits: Layers whose arrays do not fit: `skip_mismatch` leaves such layers as they are.
        missing: Variables that have no array in the file.
        extra: Arrays that no variable takes.
        problems: What no option forgives.
        own: What layers of a person's own class read themselves.
        rules: What was converted on the way.
        from_cudnn: The modules whose arrays a CuDNNLSTM or a CuDNNGRU wrote, so that its activations are known.
        hint: What to do about a match that fails.
    """

    pairs: list[Pair] = field(default_factory=list)
    misfits: list[Misfit] = field(default_factory=list)
    missing: list[Slot] = field(default_factory=list)
    extra: list[Array] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    own: list[OwnPart] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    from_cudnn: list[nn.Module] = field(default_factory=list)
    hint: str = ""


@dataclass(frozen=True)
class Settled:
    """A match that stands: the pairs to assign, what layers read themselves, what either side leaves out and why."""

    pairs: tuple[Pair, ...]
    unset: tuple[Skipped, ...] = ()
    unused: tuple[Skipped, ...] = ()
    own: tuple[OwnPart, ...] = ()


def settle(match: Match, where: str, *, strict: bool = True, skip_mismatch: bool = False) -> Settled:
    """Compare shapes and dtypes of all pairs, and decide.

    Args:
        match: The match.
        where: The file, for messages.
        strict: Whether every variable and every array must be in a pair.
        skip_mismatch: Whether a layer whose arrays do not fit is left as it is; else it is a problem.

    Raises:
        MismatchError: It lists everything that is wrong; nothing has been changed then.
    """
    misfits = [*match.misfits, *filter(None, map(_misfit, match.pairs))]
    problems = list(match.problems)
    unset: list[Skipped] = []
    unused: list[Skipped] = []
    left_out: set[str] = set()
    if skip_mismatch:
        left_out = {misfit.unit for misfit in misfits}
        for misfit in misfits:
            unset += [Skipped(_describe(slot), misfit.text) for slot in misfit.slots]
            unused += [Skipped(_place(array), misfit.text) for array in misfit.arrays]
        for pair in match.pairs:
            if pair.slot.unit in left_out:
                reason = f"an array of its layer {pair.slot.unit!r} does not fit"
                unset.append(Skipped(_describe(pair.slot), reason))
                unused.append(Skipped(_place(pair.array), reason))
    else:
        problems += [misfit.text for misfit in misfits]
    if strict:
        problems += [f"missing in the file: {_describe(slot)}" for slot in match.missing]
        problems += [f"left over in the file: {_place(array)}" for array in match.extra]
    else:
        unset += [Skipped(_describe(slot), "it is not in the file") for slot in match.missing]
        unused += [Skipped(_place(array), "the model has no layer for it") for array in match.extra]
    if problems:
        shown = problems[:_SHOWN] + ([f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else [])
        raise MismatchError(
            f"{where}: the weights do not fit the model, nothing was changed ({counted(len(problems), 'problem')}):\n  "
            + "\n  ".join([*shown, *filter(None, [match.hint])])
        )
    pairs = tuple(pair for pair in match.pairs if pair.slot.unit not in left_out)
    return Settled(pairs, tuple(unset), tuple(unused), tuple(match.own))


def names_in_file(pairs: Iterable[Pair], weights: LegacyWeights) -> dict[int, str]:
    """What a legacy file calls each variable: the `id` of its first tensor -> the name of the array that it took."""
    groups = [*(layer.weights for layer in weights.layers), weights.top_level]
    names = {array.where: name for group in groups for name, array in group}
    return {id(pair.slot.variable.parts()[0]): names[pair.array.where] for pair in pairs if pair.array.where in names}


def _describe(slot: Slot) -> str:
    return f"{slot.label} {slot.variable.shape}"


def _place(array: Array) -> str:
    return f"{array.where} {array.shape}"


def _misfit(pair: Pair) -> Misfit | None:
    slot, array = pair
    wanted = slot.variable.shape
    problem = None
    if wanted != tuple(array.shape):
        problem = f"wrong shape: {slot.label}: expected {wanted}, the file has {array.shape} at {array.where}"
        problem += bias_hint(slot.variable, tuple(array.shape))
    elif not _same_kind(pair):
        kind = "floating point" if slot.variable.parts()[0].is_floating_point() else "integers"
        quantized = " (a quantized model cannot be read)" if array.dtype in ("int8", "uint8") else ""
        problem = f"wrong dtype: {slot.label}: expected {kind}, the file has {array.dtype}{quantized} at {array.where}"
    return Misfit(slot.unit, problem) if problem else None


def _same_kind(pair: Pair) -> bool:
    part = pair.slot.variable.parts()[0]
    # Legacy files write bfloat16 as two bytes without a name: only a bfloat16 layer says what they mean.
    if pair.array.dtype == "opaque2":
        return str(part.dtype) == "torch.bfloat16"
    return pair.array.dtype in (_FLOATS if part.is_floating_point() else _INTEGERS)


def strange_layouts(match: Match) -> list[str]:
    """The variables of torch modules whose arrays Keras lays out otherwise, nobody knows how."""
    return [
        f"{slot.label}: {type(slot.variable.module).__name__} of torch has a layout of its own, not Keras's; "
        "use kerastorch's layer in its place"
        for slot, _ in match.pairs
        if not all(is_keras_layout(slot.variable.module, name) for name in slot.variable.var.params)
    ]
