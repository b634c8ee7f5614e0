"""Arguments of `fit`, and callbacks that act within epochs: the same code run with Keras or kerastorch as `k`."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

T, F = 4, 3


def arrays(rows: int = 13, classes: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, T, F)).astype("float32")
    if classes:
        return x, random.integers(0, classes, size=rows)
    return x, random.normal(size=(rows, 1)).astype("float32")


def _model(k: ModuleType, units: int = 1, activation: Any = None, sequences: bool = False, **compiled: Any) -> Any:
    lay = k.layers
    rnn = lay.SimpleRNN(3, return_sequences=sequences)
    model = k.Sequential([k.Input((T, F)), rnn, lay.Dense(units, activation=activation)])
    random = np.random.default_rng(1)
    model.set_weights([random.normal(size=np.shape(one)).astype("float32") * 0.6 for one in model.get_weights()])
    compiled = {"loss": "mse", "run_eagerly": True, **compiled}
    model.compile(compiled.pop("optimizer", None) or k.optimizers.SGD(0.125), **compiled)
    return model


def _fit(model: Any, *data: Any, **options: Any) -> list[Any]:
    options = {"batch_size": 4, "shuffle": False, "verbose": 0, "epochs": 2, **options}
    history = model.fit(*data, **{name: value for name, value in options.items() if value is not None})
    return [history.epoch, sorted(history.history.items()), model.get_weights()]


def _told(act: Callable[[], Any]) -> Any:
    """What comes out, or that it is an error."""
    try:
        return act()
    except (ValueError, TypeError):
        return "an error"


def _every(k: ModuleType, calls: list[Any], acts: dict[tuple[str, int], str]) -> Any:
    """A callback that notes each hook, and sets an attribute of the model at some."""

    def hook(name: str) -> Any:
        def called(self: Any, *args: Any, **named: Any) -> None:
            place = next((int(arg) for arg in args if isinstance(arg, (int, np.integer))), -1)
            logs = named.get("logs", args[-1] if args else None) or {}
            numbers = {key: len(value) if key == "outputs" else float(value) for key, value in logs.items()}
            calls.append((name, place, sorted(numbers.items())))
            if (name, place) in acts:
                setattr(self.model, acts[name, place], True)

        return called

    kinds = ("train", "test", "predict")
    names = [f"on_{kind}_{end}" for kind in kinds for end in ("begin", "end", "batch_begin", "batch_end")]
    return type("Every", (k.callbacks.Callback,), {name: hook(name) for name in (*names, "on_epoch_end")})()


def stops(k: ModuleType) -> list[Any]:
    """A training, an evaluation and a prediction that a callback ends within an epoch, several batches at a time."""
    x, y = arrays(27)
    found: list[Any] = []
    for of_one in (1, 3):
        for hook, batch, what in (
            ("on_train_batch_end", 2, "stop_training"),
            ("on_test_batch_end", of_one - 1, "stop_evaluating"),
            ("on_predict_batch_begin", of_one, "stop_predicting"),
        ):
            calls: list[Any] = []
            every = _every(k, calls, {(hook, batch): what})
            model = _model(k, metrics=["mae"], steps_per_execution=of_one)
            found.append(_fit(model, x, y, validation_data=(x[:9], y[:9]), callbacks=[every]))
            found.append(model.evaluate(x, y, batch_size=4, verbose=0, callbacks=[every]))
            found.append(model.predict(x, batch_size=4, verbose=0, callbacks=[every]))
            found.append(calls)
    return found


def weights(k: ModuleType) -> list[Any]:
    """Weights of classes, of samples and of steps, together and in batches of others."""
    x, labels = arrays(13, 3)
    sparse: dict[str, Any] = {"loss": "sparse_categorical_crossentropy", "weighted_metrics": ["accuracy"]}
    hot: dict[str, Any] = {**sparse, "loss": "categorical_crossentropy", "metrics": ["accuracy"]}
    each = np.random.default_rng(3).uniform(0, 2, size=13).astype("float32")
    by_class = {0: 0.5, 2: 2.0}
    found = [
        _fit(_model(k, 3, "softmax", **sparse), x, labels, class_weight=by_class),
        _fit(_model(k, 3, "softmax", **sparse), x, labels[:, None], class_weight=by_class),
        _fit(_model(k, 3, "softmax", **hot), x, np.eye(3)[labels], class_weight=by_class, validation_split=0.3),
        _fit(_model(k, 3, "softmax", **sparse), x, labels.astype("float32"), class_weight=by_class),
        _told(lambda: _fit(_model(k, 3, "softmax", **sparse), x, labels, class_weight=by_class, sample_weight=each)),
        _fit(_model(k, 3, "softmax", **sparse), x, labels, sample_weight=each, validation_split=0.3),
        _fit(_model(k, 3, "softmax", **sparse), x, labels, sample_weight=each[:, None]),
        _fit(_model(k, 3, "softmax", **sparse), x, labels, validation_data=(x, labels, each)),
    ]
    model = _model(k, 3, "softmax", **sparse)
    found.append(model.evaluate(x, labels, sample_weight=each, batch_size=4, verbose=0))
    found.append(model.train_on_batch(x, labels, sample_weight=each))
    found.append(model.train_on_batch(x, labels, class_weight=by_class))
    found.append(model.test_on_batch(x, labels, sample_weight=each))
    steps = np.random.default_rng(4).uniform(0, 2, size=(13, T)).astype("float32")
    tags = np.random.default_rng(5).integers(0, 3, size=(13, T))
    for target, weight in ((tags, steps), (tags[..., None], steps), (tags, each[:, None])):
        model = _model(k, 3, "softmax", sequences=True, **sparse)
        found.append(_fit(model, x, target, sample_weight=weight, validation_split=0.3))
    return found


def class_weights_of_batches(k: ModuleType) -> list[Any]:
    """Class weights where batches come from elsewhere, with weights of their own or without."""
    x, labels = arrays(12, 3)
    each = np.random.default_rng(3).uniform(0, 2, size=12).astype("float32")

    class Own(k.utils.PyDataset):  # type: ignore[name-defined]
        def __init__(self, weighted: bool) -> None:
            super().__init__()
            self.weighted = weighted

        def __len__(self) -> int:
            return 3

        def __getitem__(self, at: int) -> Any:
            part = slice(4 * at, 4 * at + 4)
            return (x[part], labels[part], each[part]) if self.weighted else (x[part], labels[part])

    found = []
    for weighted in (False, True):

        def run(weighted: bool = weighted) -> Any:
            model = _model(k, 3, "softmax", loss="sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
            return _fit(model, Own(weighted), batch_size=None, class_weight={0: 0.5, 2: 2.0})

        found.append(_told(run))
    return found


def epochs_and_validations(k: ModuleType) -> list[Any]:
    """Which epochs are run and judged, of how many batches, and on what."""
    x, y = arrays(13)
    held = arrays(6)
    found = []
    for options in (
        {"epochs": 5, "validation_data": held, "validation_freq": 2},
        {"epochs": 5, "validation_data": held, "validation_freq": [1, 4]},
        {"epochs": 5, "initial_epoch": 3, "validation_split": 0.4},
        {"epochs": 3, "initial_epoch": 1, "validation_data": held, "validation_freq": 2},
        {"epochs": 3, "steps_per_epoch": 2},
        {"epochs": 2, "steps_per_epoch": 4, "validation_data": held, "validation_steps": 1},
        {"validation_data": held, "validation_batch_size": 5},
        {"validation_split": 0.25, "validation_data": held},
        {"batch_size": 50},
    ):
        found.append(_told(lambda options=options: _fit(_model(k, metrics=["mae"]), x, y, **options)))
    return found


def batches_of_others(k: ModuleType) -> list[Any]:
    """Generators and data sets: endless and ending ones, which are told when an epoch ends."""
    x, y = arrays(12)
    told: list[str] = []

    class Own(k.utils.PyDataset):  # type: ignore[name-defined]
        def __len__(self) -> int:
            return 3

        def __getitem__(self, at: int) -> Any:
            part = slice(4 * at, 4 * at + 4)
            return x[part], y[part]

        def on_epoch_begin(self) -> None:
            told.append("begin")

        def on_epoch_end(self) -> None:
            told.append("end")

    class Endless(k.utils.PyDataset):  # type: ignore[name-defined]
        @property
        def num_batches(self) -> None:
            return None

        def __getitem__(self, at: int) -> Any:
            return x[:4] + at, y[:4]

    def endless() -> Any:
        while True:
            yield from ending()

    def ending() -> Any:
        for at in range(0, 12, 4):
            yield x[at : at + 4], y[at : at + 4]

    nothing = {"batch_size": None}
    found = [
        _fit(_model(k), Own(), **nothing),
        told[told.index("begin") :],  # Keras on TensorFlow ends one before the first, in which it builds the model
        _fit(_model(k), Endless(), steps_per_epoch=2, epochs=3, **nothing),
        _model(k).evaluate(Endless(), steps=3, verbose=0),
        _fit(_model(k), x, y, validation_data=Own()),
        _fit(_model(k), endless(), steps_per_epoch=2, epochs=3, **nothing),
        # Two epochs would show how far Keras on TensorFlow reads ahead in a generator of validation data.
        _fit(
            _model(k), endless(), steps_per_epoch=3, epochs=1, validation_data=endless(), validation_steps=2, **nothing
        ),
        _fit(_model(k), ending(), epochs=1, **nothing),
        _model(k).evaluate(endless(), steps=2, verbose=0),
        _model(k).evaluate(ending(), verbose=0),
        _model(k).predict(Own(), verbose=0),
        _model(k).predict(((x[at : at + 4],) for at in (0, 4)), verbose=0),
    ]
    orders: list[list[int]] = [[]]  # Keras looks at a batch before the first epoch

    class Watched(Own):
        def __getitem__(self, at: int) -> Any:
            orders[-1].append(at)
            return x[:4], y[:4]

        def on_epoch_begin(self) -> None:
            orders.append([])

    _fit(_model(k), Watched(), epochs=9, shuffle=True, batch_size=None)
    found.append([[sorted(order) for order in orders[1:]], all(order == [0, 1, 2] for order in orders[1:])])
    return found


def steering(k: ModuleType) -> list[Any]:
    """Callbacks that end trainings and change the learning rate, with the arguments that say when."""
    x, y = arrays(13)
    calls = k.callbacks
    found = []
    for made in (
        lambda: calls.EarlyStopping("loss", patience=1, min_delta=0.05),
        lambda: calls.EarlyStopping("loss", patience=0, baseline=0.5),
        lambda: calls.EarlyStopping("loss", patience=1, mode="max", start_from_epoch=3, restore_best_weights=True),
        lambda: calls.ReduceLROnPlateau("loss", 0.5, 1, min_delta=0.1, cooldown=2, min_lr=0.02),
        lambda: calls.ReduceLROnPlateau("val_loss", 0.25, 0, mode="max"),
        lambda: calls.LearningRateScheduler(lambda epoch, rate: rate * 0.5),
    ):
        model = _model(k, metrics=["mae"])
        found.append(_fit(model, x, y, epochs=7, validation_split=0.3, callbacks=[made()]))
        found.append(float(np.asarray(model.optimizer.learning_rate)))
    found.append(_fit(_model(k, optimizer=k.optimizers.SGD(1e30)), x, y, callbacks=[calls.TerminateOnNaN()])[0])
    schedule = k.optimizers.schedules.ExponentialDecay(0.125, 2, 0.5)
    model = _model(k, optimizer=k.optimizers.SGD(schedule))
    found.append(_fit(model, x, y))
    found.append(float(np.asarray(model.optimizer.learning_rate)))
    for made in (
        lambda: calls.LearningRateScheduler(lambda epoch: 0.1),
        lambda: calls.ReduceLROnPlateau("loss", 0.5, 0),
    ):
        model = _model(k, optimizer=k.optimizers.SGD(schedule))
        found.append(_told(lambda model=model, made=made: _fit(model, x, y, epochs=3, callbacks=[made()])))
    return found


def files(k: ModuleType, folder: str) -> list[Any]:
    """The files that checkpoints and tables write: their names and what stands in them."""
    x, y = arrays(13)
    calls, home = k.callbacks, Path(folder)
    found: list[Any] = []
    for at, (name, options) in enumerate(
        (
            ("m-{epoch:02d}-{val_loss:.3f}.keras", {}),
            ("w-{epoch}-{batch:03d}.weights.h5", {"save_weights_only": True, "save_freq": 3}),
            ("b-{epoch}.keras", {"save_best_only": True, "monitor": "val_loss"}),
            ("c-{epoch}.weights.h5", {"save_weights_only": True, "save_best_only": True, "monitor": "mae"}),
            ("d-{epoch}.keras", {"save_best_only": True, "initial_value_threshold": 0.0}),
            ("e-{epoch}-{loss:.2f}.keras", {"save_freq": 5}),
        )
    ):
        place = home / str(at)
        place.mkdir()
        model = _model(k, metrics=["mae"])
        checkpoint = calls.ModelCheckpoint(str(place / name), **options)
        _fit(model, x, y, epochs=3, validation_split=0.3, callbacks=[checkpoint])
        found.append(sorted(path.name for path in place.iterdir()))
    for options in ({}, {"separator": ";", "append": True}):
        path = home / "log.csv"
        for _ in range(2):
            _fit(_model(k, metrics=["mae"]), x, y, callbacks=[calls.CSVLogger(str(path), **options)])
        with path.open(newline="") as file:
            rows = list(csv.reader(file, delimiter=options.get("separator", ",")))
        found.append(rows[0])
        found.append([[float(value.replace("NA", "-1")) for value in row] for row in rows[1:]])
        found.append(len(rows))
        path.unlink()
    return found


def missing_numbers(k: ModuleType, folder: str) -> list[Any]:
    """What checkpoints do where there is no number to follow, several batches at a time, and what they print."""
    x, y = arrays(13)
    found: list[Any] = []
    for at, (of_one, options) in enumerate(
        (
            (1, {"save_best_only": True}),
            (1, {"save_best_only": True, "save_freq": 3}),
            (2, {"save_freq": 3, "monitor": "loss"}),
            (3, {"save_freq": 4, "monitor": "loss"}),
            (1, {"save_best_only": True, "monitor": "loss", "mode": "max", "verbose": 1}),
        )
    ):
        place = Path(folder) / str(at)
        place.mkdir()
        model, printed = _model(k, metrics=["mae"], steps_per_execution=of_one), io.StringIO()
        name = "m-{epoch}-{batch}.weights.h5" if "save_freq" in options else "m-{epoch}.weights.h5"
        checkpoint = k.callbacks.ModelCheckpoint(str(place / name), save_weights_only=True, **options)
        with contextlib.redirect_stdout(printed):
            _fit(model, x, y, epochs=4, callbacks=[checkpoint])
        found.append(sorted(path.name for path in place.iterdir()))
        said = printed.getvalue().replace(str(place), "")
        found.append(re.sub(r"\d\.\d{5}", "NUMBER", said))
    model = _model(k, optimizer=k.optimizers.SGD(1e30))
    try:
        _fit(model, x, y, callbacks=[k.callbacks.TerminateOnNaN(raise_error=True)])
    except RuntimeError as error:
        found.append(str(error)[:38])
    return found
