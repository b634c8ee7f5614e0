"""What `save_model` and `save_weights` write, for every place, dialect and kind of model: a set of outcomes.

The report, the places and values of all arrays, how the model was compiled, the state of its optimizer; what a file
gives when it is read again; and what is said of paths and options. See `_outcomes.py`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from _outcomes import plain
from _outcomes_layers import told
from _outcomes_models import WIDTH, models
from _outcomes_saved import quietly

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import KerasTorchError
from kerastorch.files import LegacyWeights, open_archive
from kerastorch.load import load_model_reported
from kerastorch.saving.save import save_model_watched

ENDINGS = (".keras", ".h5")
DIALECTS = ("keras3", "keras2")
KEPT = 2  # of so many cases about one is kept


def short(array: Any) -> list[Any]:
    """What an array is, and a number that another one does not have."""
    values = np.ascontiguousarray(array)
    return [str(values.dtype), list(values.shape), crc32(values.tobytes())]


def content(path: Path) -> dict[str, Any]:
    """What stands in a file."""
    with open_archive(path) as archive:
        found: dict[str, Any] = {"format": archive.format, "version": archive.keras_version}
        held = archive.weights
        if isinstance(held, LegacyWeights):
            groups = [(each.name, each.weights) for each in held.layers] + [("", held.top_level)]
            found["weights"] = [[name, [[key, short(a.read())] for key, a in some]] for name, some in groups]
        elif held is not None:
            found["weights"] = {
                place: [each.name, [[a.where, short(a.read())] for a in each.arrays]]
                for place, each in held.objects.items()
            }
        found["training"] = archive.training_config
        if archive.optimizer is not None:
            state = archive.optimizer
            found["state"] = [state.what, state.name, [[key, short(a.read())] for key, a in state.arrays]]
        found["skipped"] = [[each.what, each.reason] for each in archive.skipped]
    return found


def valued(model: Any) -> Any:
    """The same model with other numbers everywhere: small ones, of which a 1.2th part is a number of its own."""
    for at, variable in enumerate(model.variables):
        size = int(np.prod(variable.shape))
        variable.assign((np.arange(size, dtype="float32").reshape(variable.shape) + 100 * at) / 8)
    return model


def saved_as(make: Callable[[], Any], ending: str, dialect: Any, known: Any = None) -> Any:
    """What is written of a model, what the report says, and what is read again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"m{ending}"
        model = make()
        wrote: list[int] = []
        if ending in (".weights.h5", ".w.h5"):
            report = kt.save_weights(model, path, dialect=dialect)
        else:
            report = save_model_watched(model, path, dialect, wrote.append)
        found = [str(report).replace(folder, ""), sum(wrote), content(path)]
        if ending not in ENDINGS:
            return found
        try:
            again, said = load_model_reported(path, known)
        except KerasTorchError as error:
            return [*found, f"{type(error).__name__}: {error}".replace(folder, "")]
        values = [[each.path, short(each.numpy())] for each in again.variables]
        return [*found, values, [f"{rule.layer}: {rule.text}" for rule in said.rules]]


# ---------------------------------------------------------------- models


def hard() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Layers with the hard_sigmoid of the other Keras, of every class that has weights for it, or none."""
    gated = ({"recurrent_activation": "it"}, {"activation": "it"}, {"activation": "it", "recurrent_activation": "it"})
    made: list[tuple[str, tuple[Any, ...], tuple[int, ...], tuple[dict[str, Any], ...]]] = [
        ("LSTM", (2,), (5, 3), gated),
        ("GRU", (2,), (5, 3), gated),
        ("SimpleRNN", (2,), (5, 3), gated[1:2]),
        ("Dense", (2,), (5, 3), ({"activation": "it"}, {"activation": "it", "kernel_regularizer": "l2"})),
        ("Activation", (), (5, 3), ({"activation": "it"},)),
        ("Conv1D", (2, 2), (5, 3), ({"activation": "it"}, {"activation": "it", "bias_regularizer": "l1"})),
        ("DepthwiseConv1D", (2,), (5, 3), gated[1:2]),
        ("SeparableConv1D", (2, 2), (5, 3), gated[1:2]),
        ("LocallyConnected1D", (2, 2), (5, 3), gated[1:2]),
        ("Conv2DTranspose", (2, 2), (4, 5, 3), gated[1:2]),
        ("EinsumDense", ("abc,cd->abd", (5, 2)), (5, 3), gated[1:2]),
        ("ConvLSTM2D", (2, 2), (3, 4, 4, 2), gated),
        ("ConvLSTM1D", (2, 2), (3, 4, 2), gated[:1]),
        ("TimeDistributed", ("Dense",), (5, 3), ({},)),
        ("Bidirectional", ("GRU",), (5, 3), ({},)),
        ("RNN", ("LSTMCell",), (5, 3), ({},)),
    ]
    for (name, args, shape, options), meant in product(made, ("hard_sigmoid", "hard_sigmoid_keras2")):
        for option in options:

            def model(name: str = name, args: Any = args, shape: Any = shape, option: Any = option, meant: str = meant):
                given = {key: meant if value == "it" else value for key, value in option.items()}
                if name in ("TimeDistributed", "Bidirectional", "RNN"):
                    inner = {"recurrent_activation": meant} if args[0] != "Dense" else {"activation": meant}
                    layer = getattr(layers, name)(getattr(layers, args[0])(2, name="i", **inner), name="it")
                else:
                    layer = getattr(layers, name)(*args, name="it", **given)
                return valued(kt.Sequential([kt.Input(shape, name="x"), layer], name="model"))

            yield f"{name} {option} of {meant}", model


class Kept(layers.Layer):
    """A layer that keeps what it likes, under names of its own."""

    def __init__(self, store: str = "", **base: Any) -> None:
        super().__init__(**base)
        self.store = store

    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight(shape=(input_shape[-1],), name="w")

    def call(self, x: Any) -> Any:
        return x * self.w

    def save_own_variables(self, store: Any) -> None:
        strange = {"": {"mine": self.w, "count": np.arange(3)}, "number": {"a": 3.5}, "list": {"b": [1, 2]}}
        wrong: dict[str, Any] = {"text": {"a": "text"}, "slash": {"a/b": 1}, "empty": {"": 1}, "dots": {"..": 1}}
        wrong |= {"object": {"a": object()}, "key": {3: 1}, "nothing": {}}
        store.update({**strange, **wrong}[self.store])

    def load_own_variables(self, store: Any) -> None:
        self.w.assign(store["mine"])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "store": self.store}


def shared() -> Any:
    """A layer, a wrapper and a model that stand in several models."""
    dense, each = layers.Dense(WIDTH, name="shared"), layers.TimeDistributed(layers.Dense(WIDTH, name="i"), name="each")
    a = kt.Sequential([kt.Input((2, WIDTH), name="i"), dense, each, layers.Dense(WIDTH, name="a_own")], name="a")
    b = kt.Sequential([kt.Input((2, WIDTH), name="i"), dense, each], name="b")
    x = kt.Input((2, WIDTH), name="x")
    inner = kt.Model(z := kt.Input((2, WIDTH), name="z"), b(a(z)), name="inner")
    return valued(kt.Model(x, [layers.Add(name="sum")([inner(x), a(x)]), dense(x)], name="outer"))


COMPILED: dict[str, Callable[[], dict[str, Any]]] = {
    "adam": lambda: {"optimizer": "adam", "loss": "mse"},
    "sgd": lambda: {"optimizer": kt.optimizers.SGD(0.5), "loss": "mse"},
    "sgd with momentum": lambda: {"optimizer": kt.optimizers.SGD(0.5, momentum=0.25, nesterov=True), "loss": "mae"},
    "nadam": lambda: {"optimizer": kt.optimizers.Nadam(0.5), "loss": "mse", "metrics": ["mae"]},
    "rmsprop": lambda: {"optimizer": kt.optimizers.RMSprop(0.5, centered=True), "loss": "mse", "loss_weights": [2.0]},
    "lion": lambda: {"optimizer": kt.optimizers.Lion(0.5), "loss": "mse"},
    "own loss": lambda: {"optimizer": "adam", "loss": lambda y, p: (y - p) ** 2},
}


def compiled(options: Callable[[], dict[str, Any]], steps: int | None) -> Any:
    """A compiled model whose optimizer has numbers of its own, after so many steps; None: it is not built."""
    frozen = layers.Dense(WIDTH, name="frozen")
    parts = [kt.Input((WIDTH,), name="x"), frozen, layers.Dense(2, name="free"), layers.BatchNormalization(name="norm")]
    model = valued(kt.Sequential(parts, name="model"))
    frozen.trainable = False
    return trained(model, options, steps)


def trained(model: Any, options: Callable[[], dict[str, Any]], steps: int | None) -> Any:
    model.compile(**options())
    if steps is not None:
        optimizer = model.optimizer
        optimizer.build(model)
        for _ in range(steps):
            for part in (parameter for group in optimizer.param_groups for parameter in group["params"]):
                part.grad = torch.ones_like(part)
            optimizer.step()
        for at, (_, slots) in enumerate(sorted_state(model, optimizer)):
            for number, name in enumerate(sorted(slots)):
                if isinstance(slots[name], torch.Tensor):
                    slots[name].copy_(torch.arange(slots[name].numel()).reshape(slots[name].shape) + 100 * at + number)
        valued(model)
    return model


def sorted_state(model: Any, optimizer: Any) -> list[tuple[int, Any]]:
    """The state of each parameter, in the order of the model."""
    order = {id(part): at for at, part in enumerate(model.parameters())}
    found = ((order[id(part)], slots) for part, slots in optimizer.state.items())
    return sorted(found, key=lambda item: item[0])


def written_models() -> Iterator[tuple[str, Callable[[], Any], Any]]:
    yield from ((name, lambda name=name: models()[name], None) for name in models())
    yield from ((name, make, None) for name, make in hard())
    yield "shared", shared, None
    for name in ("adam", "sgd with momentum"):
        yield f"shared, compiled {name}", lambda name=name: trained(shared(), COMPILED[name], 2), None
    for store in ("", "number", "list", "text", "slash", "empty", "dots", "object", "key", "nothing"):
        parts = [kt.Input((WIDTH,), name="x"), layers.Dense(WIDTH, name="d")]
        make = lambda store=store, parts=parts: valued(kt.Sequential([*parts, Kept(store, name="kept")], name="model"))  # noqa: E731
        yield f"own part {store}", make, {"Kept": Kept}
    for (name, options), steps in product(COMPILED.items(), (None, 0, 3)):
        yield f"compiled {name}, {steps} steps", lambda options=options, steps=steps: compiled(options, steps), None


def all_written() -> Iterator[tuple[str, Callable[[], Any]]]:
    for name, make, known in written_models():
        for ending, dialect in product((*ENDINGS, ".weights.h5", ".w.h5"), DIALECTS):
            label = f"{name} as {ending} for {dialect}"
            if crc32(label.encode()) % KEPT == 0:
                yield (
                    label,
                    lambda make=make, end=ending, dialect=dialect, known=known: saved_as(make, end, dialect, known),
                )


# ---------------------------------------------------------------- paths and options


class Unsaved(kt.Model):
    def call(self, x: Any) -> Any:
        return x


PATHS: tuple[Any, ...] = (
    *("m.keras", "m.h5", "m.hdf5", "m.weights.h5", "m.weights.hdf5", "m.tf", "m", "M.KERAS", "there.keras", "there.h5"),
    *("there.weights.h5", "nowhere/m.keras", "folder", b"m.keras", 3, None),
)


def options() -> Iterator[tuple[str, Callable[[], Any]]]:
    of_model: list[dict[str, Any]] = [{"save_format": each} for each in ("keras", "h5", "tf", "x", 3)]
    of_model += [{"overwrite": each} for each in (False, 3, None)] + [{"zipped": each} for each in (True, False, 3)]
    of_model += [{"dialect": each} for each in ("keras2", "keras1", None)]
    of_model += [{"include_optimizer": each} for each in (False, 1)]
    of_model += [{"save_format": "h5", "overwrite": False}, {"overwrite": False, "zipped": False}, {}]
    of_weights: list[dict[str, Any]] = [{"save_format": each} for each in ("keras", "h5", "tf", 3)]
    of_weights += [{"overwrite": False}, {"max_shard_size": 1}, {"max_shard_size": 0}, {"dialect": "keras2"}]
    of_weights += [{"dialect": 3}, {}]
    whole: dict[str, Callable[[], Any]] = {
        "a model": lambda: compiled(COMPILED["adam"], 2),
        "one that is not built": lambda: kt.Sequential([layers.Dense(2, name="d")], name="model"),
        "one of an own class": lambda: Unsaved(name="own"),
        "a layer": lambda: layers.Dense(2, name="d"),
        "nothing": lambda: None,
    }
    for (function, every), (what, make) in product(
        (("save_model", of_model), ("save_weights", of_weights)), whole.items()
    ):
        for path, given in product(PATHS, every) if what == "a model" else product(PATHS[:4], every[::4]):
            label = f"{function} of {what} to {path!r} with {given}"
            if crc32(label.encode()) % (2 * KEPT):
                continue

            def write(function: str = function, make: Any = make, path: Any = path, given: Any = given) -> Any:
                with tempfile.TemporaryDirectory() as folder:
                    (Path(folder) / "folder").mkdir()
                    for name in ("there.keras", "there.h5", "there.weights.h5"):
                        (Path(folder) / name).write_text("there")
                    full: Any = path
                    if isinstance(path, str):
                        full = Path(folder) / path
                    elif isinstance(path, bytes):
                        full = os.fsencode(folder) + b"/" + path
                    try:
                        report = getattr(kt, function)(make(), full, **given)
                    except KerasTorchError as error:
                        return [f"{type(error).__name__}: {error}".replace(folder, ""), sorted(os.listdir(folder))]
                    with open_archive(report.path) as archive:
                        has = [archive.training_config is not None, archive.optimizer is not None]
                    return [str(report).replace(folder, ""), sorted(os.listdir(folder)), has]

            yield label, write
    for (what, make), dialect in product(whole.items(), ("keras3", "keras2", "x", 3)):
        yield f"to_json of {what}, {dialect}", lambda make=make, dialect=dialect: kt.to_json(make(), dialect=dialect)


@cache
def files() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for some in (all_written, options):
        cases.update(some())
    return {key: told(lambda case=case: plain(quietly(case))) for key, case in cases.items()}
