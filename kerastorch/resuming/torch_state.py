"""The state of Keras's optimizers in those of `torch.optim`, as far as their rules agree."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import torch
from torch import Tensor, optim

from .. import deadline, matching, registered
from ..base.variables import all_variables
from ..compat import lists_state_by_names
from ..compat.training import training_in
from ..errors import ArgumentError, MismatchError, UnsupportedFileError, counted
from ..files import Archive, LegacyWeights, Limits, name_of, open_archive
from ..isolation import open_isolated
from ..models import Model
from ..optimizers import Optimizer
from ..paths import AnyPath
from ..spec import TrainingConfig
from .compiling import Uncompilable, make_optimizer
from .forms import PRODUCT, rule_of
from .state import Unfit, by_names, read_state, set_state

# What torch computes with -> from the optimizer of the file.
Option = Callable[[Any], Any]
_BETAS: Mapping[str, Option] = {"betas": lambda keras: (keras.beta_1, keras.beta_2)}
_EPS: Mapping[str, Option] = {"eps": lambda keras: keras.epsilon}
_DECAY: Mapping[str, Option] = {"weight_decay": lambda keras: keras.weight_decay or 0.0}
_ADAM: Mapping[str, Option] = {**_BETAS, **_EPS, **_DECAY, "amsgrad": lambda keras: keras.amsgrad}


def _as_it_is(value: Tensor, rate: float) -> Tensor:
    return value


def _without_rate(value: Tensor, rate: float) -> Tensor:
    return value / rate


def _against_rate(value: Tensor, rate: float) -> Tensor:
    return -value / rate


_Slots = Mapping[str, "tuple[str, Callable[[Tensor, float], Tensor]]"]


@dataclass(frozen=True)
class _Rule:
    """How the state of an optimizer of Keras stands in one of torch.

    Attributes:
        classes: Torch's.
        slots: Torch's name -> Keras's slot, and how it becomes torch's.
        options: What torch is given -> what it is in Keras.
        apart: How the rules differ, whatever is given; "" if they do not.
        counts: Whether torch counts steps.
    """

    classes: tuple[type[optim.Optimizer], ...]
    slots: _Slots
    options: Mapping[str, Option]
    apart: str = ""
    counts: bool = True


_MOMENTS: _Slots = {"exp_avg": ("momentum", _as_it_is), "exp_avg_sq": ("velocity", _as_it_is)}
_IN_ADAM = "epsilon: Keras adds it to the root of the mean square before its bias is corrected, torch behind it"
_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(
        ("Adam", "AdamW"),
        _Rule((optim.Adam, optim.AdamW), {**_MOMENTS, "max_exp_avg_sq": ("velocity_hat", _as_it_is)}, _ADAM, _IN_ADAM),
    ),
    "Nadam": _Rule(
        (optim.NAdam,),
        _MOMENTS,
        {**_BETAS, **_EPS, **_DECAY, "momentum_decay": lambda keras: getattr(keras, "schedule_decay", 1.0)},
    ),
    "Adamax": _Rule(
        (optim.Adamax,),
        {"exp_avg": ("momentum", _as_it_is), "exp_inf": ("norm", _as_it_is)},
        {**_BETAS, **_EPS, **_DECAY},
        "epsilon: Keras adds it to the largest gradient, torch to each gradient before it is compared",
    ),
    "SGD": _Rule(
        (optim.SGD,),
        {"momentum_buffer": ("momentum", _against_rate)},
        {"momentum": lambda keras: keras.momentum, "nesterov": lambda keras: keras.nesterov, **_DECAY},
        "momentum: the learning rate is inside it in Keras, so a change of the rate acts later there",
        counts=False,
    ),
    "RMSprop": _Rule(
        (optim.RMSprop,),
        {
            "square_avg": ("velocity", _as_it_is),
            "momentum_buffer": ("momentum", _without_rate),
            "grad_avg": ("average_gradient", _as_it_is),
        },
        {
            "alpha": lambda keras: keras.rho,
            "momentum": lambda keras: keras.momentum,
            "centered": lambda keras: keras.centered,
            **_EPS,
            **_DECAY,
        },
        "epsilon: Keras has it under the root, torch adds it to the root",
    ),
    "Adagrad": _Rule(
        (optim.Adagrad,),
        {"sum": ("accumulator", _as_it_is)},
        {**_EPS, **_DECAY},
        "epsilon: Keras has it under the root, torch adds it to the root",
    ),
    "Adadelta": _Rule(
        (optim.Adadelta,),
        {"square_avg": ("accumulated_grad", _as_it_is), "acc_delta": ("accumulated_delta_var", _as_it_is)},
        {"rho": lambda keras: keras.rho, **_EPS, **_DECAY},
    ),
}
_ONLY_KERAS = ("clipnorm", "clipvalue", "global_clipnorm", "use_ema", "gradient_accumulation_steps")


@dataclass(frozen=True)
class StateReport:
    """What `load_keras_state` did.

    Attributes:
        optimizer: The optimizer of the file.
        steps: How many steps it had done.
        filled: The parameters whose state was set, by name.
        left: Parameters of the optimizer that have no state in the file, by name.
        apart: How the next steps differ from Keras's; empty where they do not.
    """

    optimizer: str
    steps: int
    filled: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    apart: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        lines = [
            f"{self.optimizer} after {counted(self.steps, 'step')}: the state of "
            f"{counted(len(self.filled), 'parameter')} is set"
        ]
        lines += [f"  left as it was: {name}" for name in self.left]
        return "\n".join([*lines, *(f"  not as in Keras: {text}" for text in self.apart)])


def load_keras_state(
    model: Model,
    optimizer: optim.Optimizer,
    filepath: AnyPath | BinaryIO,
    custom_objects: Mapping[str, Any] | None = None,
    *,
    limits: Limits | None = None,
    expected_sha256: str | None = None,
    isolate: bool = False,
) -> StateReport:
    """Fill an optimizer of `torch.optim`, or of `kt.optimizers`, with the state in a file of Keras.

    Settings (the learning rate, betas, ...) stay as they are; the report says where they, or the rules, differ.

    Args:
        model: The model, with the weights of the file.
        optimizer: It trains the parameters of the model; `torch.optim` has Adam, AdamW, NAdam, Adamax, SGD, RMSprop,
            Adagrad and Adadelta that fit the file's.
        filepath: A `.keras` or `.h5` file of a whole model.
        custom_objects: See `load_model`.
        limits: See `load_model`; of `seconds` those until the state is set.
        expected_sha256: See `load_model`.
        isolate: See `load_model`.

    Returns:
        What was set, and how the next steps differ from Keras's.

    Raises:
        LoadError: The file cannot be read, or holds no state (`UnsupportedFileError`); its state does not fit the model
            (`MismatchError`). Nothing is changed then.
        ArgumentError: The optimizer is of another rule.

    Example:
        >>> model = kt.load_model("model.keras"); optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)
        >>> print(kt.optimizers.load_keras_state(model, optimizer, "model.keras"))
    """
    if not isinstance(model, Model) or not isinstance(optimizer, optim.Optimizer):
        raise ArgumentError(
            "load_keras_state: expected a model and an optimizer: load_keras_state(model, optimizer, path)."
        )
    seconds = None if limits is None else limits.seconds
    with (
        deadline.within(seconds, name_of(filepath)),
        (open_isolated if isolate else open_archive)(filepath, limits, expected_sha256) as archive,
        registered.custom_object_scope(custom_objects),
    ):
        name = archive.path
        known = training_in(archive.config, archive.training_config, archive.keras_version, archive.backend)
        if known is None or archive.optimizer is None:
            raise UnsupportedFileError(
                f"{name}: the file holds no optimizer and its state: save the whole model, trained, from Keras."
            )
        try:
            made = make_optimizer(known)
        except Uncompilable as error:
            raise UnsupportedFileError(f"{name}: {error}.") from error
        keras = made.optimizer
        able = [variable for variable in all_variables(model) if variable.var.trainable]
        trained = [variable for variable in able if variable.is_trained()]
        _check_rule(optimizer, keras)
        try:
            names = _names(model, archive, known)
            loaded = read_state(keras, archive.optimizer, made.kind, by_names(trained, names), by_names(able, names))
        except Unfit as error:
            raise MismatchError(f"{name}: the state of the optimizer does not fit the model: {error}.") from error
        notes = (*made.notes, *loaded.notes)
        if isinstance(optimizer, Optimizer):
            optimizer.build(model)
            set_state(optimizer, loaded)
            names = tuple(part for part, held in model.named_parameters() if held in optimizer.state)
            return StateReport(rule_of(keras), optimizer.iterations, names, (), (*notes, *_settings(keras, optimizer)))
        keras.build(model)
        set_state(keras, loaded)
    return _fill(model, optimizer, keras, notes)


def _names(model: Model, archive: Archive, known: TrainingConfig) -> dict[int, str] | None:
    """What the file calls the weights, where its state stands in the order of these names."""
    if not isinstance(archive.weights, LegacyWeights) or not lists_state_by_names(known.writer):
        return None
    options = matching.Options(keras1=known.writer.era == "keras1", in_place=True)
    return matching.names_in_file(matching.legacy_pairs(model, archive.weights, options).pairs, archive.weights)


def _check_rule(optimizer: optim.Optimizer, keras: Optimizer) -> None:
    rule = _RULES.get(rule_of(keras))
    same = isinstance(optimizer, Optimizer) and rule_of(optimizer) == rule_of(keras)
    if same or (rule is not None and isinstance(optimizer, rule.classes) and not isinstance(optimizer, Optimizer)):
        return
    fitting = [f"torch.optim.{cls.__name__}" for cls in rule.classes] if rule else []
    wanted = " or ".join([*fitting, f"kt.optimizers.{rule_of(keras)}"])
    raise ArgumentError(
        f"load_keras_state: the file has the state of {rule_of(keras)}, which {type(optimizer).__name__} cannot take: "
        f"expected {wanted}."
    )


def _settings(keras: Optimizer, ours: Optimizer) -> list[str]:
    theirs, mine = keras.get_config(), ours.get_config()
    return [
        f"{key} is {mine.get(key)!r} here and {value!r} in the file"
        for key, value in theirs.items()
        if key not in ("name", "learning_rate") and mine.get(key) != value
    ]


@torch.no_grad()
def _fill(model: Model, optimizer: optim.Optimizer, keras: Optimizer, notes: tuple[str, ...]) -> StateReport:
    rule = _RULES[rule_of(keras)]
    names = {id(part): name for name, part in model.named_parameters()}
    filled, left, apart = [], [], list(notes)
    for group in optimizer.param_groups:
        apart += [text for text in _differences(rule, group, keras) if text not in apart]
        for part in group["params"]:
            held = keras.state.get(part)
            name = names.get(id(part), f"a parameter of shape {tuple(part.shape)} that is not the model's")
            if held is None and keras.state:
                left.append(name)
                continue
            state = {
                torchs: change(held[slot], keras.learning_rate).clone()
                for torchs, (slot, change) in rule.slots.items()
                if held is not None and slot in held
            }
            if rule.counts:
                state["step"] = torch.tensor(float(keras.iterations))
            if rule_of(keras) == "Nadam":
                state["mu_product"] = torch.tensor(float(keras.param_groups[0][PRODUCT]))
            optimizer.state[part].update(state)
            filled.append(name)
    if rule.apart and not (rule_of(keras) == "SGD" and keras.has_set_rate):
        apart.append(rule.apart)
    missing = [name for name in _ONLY_KERAS if getattr(keras, name)]
    apart += [f"{name} is {getattr(keras, name)!r} in the file, and torch's optimizers have none" for name in missing]
    return StateReport(rule_of(keras), keras.iterations, tuple(filled), tuple(left), tuple(apart))


def _differences(rule: _Rule, group: Mapping[str, Any], keras: Optimizer) -> list[str]:
    """What torch computes with and the file says otherwise."""
    wanted = {"lr": keras.learning_rate, **{key: option(keras) for key, option in rule.options.items()}}
    return [
        f"{key} is {group[key]!r} here and {value!r} in the file"
        for key, value in wanted.items()
        if not _alike(group.get(key), value)
    ]


def _alike(mine: Any, theirs: Any) -> bool:
    if isinstance(theirs, tuple):
        return len(mine) == len(theirs) and all(map(_alike, mine, theirs))
    return math.isclose(float(mine), float(theirs), rel_tol=1e-6)  # a file has float32
