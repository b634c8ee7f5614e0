"""Steps, metrics and validations of people's own around `fit`: the same code run with Keras or kerastorch as `k`."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

T, F = 4, 3


def arrays(rows: int = 23) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, T, F)).astype("float32")
    return x, random.normal(size=(rows, 1)).astype("float32")


def _filled(model: Any) -> Any:
    random = np.random.default_rng(1)
    model.set_weights([random.normal(size=np.shape(one)).astype("float32") * 0.6 for one in model.get_weights()])
    return model


def _model(k: ModuleType, base: Any = None, *, classes: bool = False) -> Any:
    last = k.layers.Dense(1, activation="sigmoid" if classes else None)
    return _filled((base or k.Sequential)([k.Input((T, F)), k.layers.LSTM(3), last]))


def _fitted(model: Any, *data: Any, **options: Any) -> list[Any]:
    history = model.fit(*data, batch_size=8, shuffle=False, verbose=0, **{"epochs": 2, **options})
    return [sorted(history.history.items()), model.get_weights()]


def on_batches(k: ModuleType) -> list[Any]:
    """Each call tells of its own batch alone."""
    x, y = arrays()
    model = _model(k)
    model.compile("adam", "mse", metrics=["mae"])
    found = [model.train_on_batch(x[:8], y[:8]), model.train_on_batch(x[8:], y[8:])]
    found += [model.test_on_batch(x, y), model.test_on_batch(x[:3], y[:3]), model.evaluate(x, y, verbose=0)]
    found.append(model.test_on_batch(x, y, None, True))
    return found


def _train_step(k: ModuleType) -> Any:
    def train_step(self: Any, data: Any) -> Any:
        x, y = data
        if k.__name__ == "kerastorch":
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred)
            self.zero_grad()
            loss.backward()
            gradients = [variable.value.grad for variable in self.trainable_weights]
        else:
            import tensorflow as tf

            with tf.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compute_loss(y=y, y_pred=y_pred)
            gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply(gradients, self.trainable_weights)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}

    return train_step


def own_train_step(k: ModuleType) -> list[Any]:
    """The step of Keras's guides: gradients by hand, `self.metrics` updated and read."""
    model = _model(k, type("Own", (k.Sequential,), {"train_step": _train_step(k)}))
    model.compile("adam", "mse", metrics=["mae"])
    x, y = arrays()
    return [*_fitted(model, x, y), [metric.name for metric in model.metrics]]


def own_trackers(k: ModuleType) -> list[Any]:
    """Metrics that a model keeps, which begin anew with each epoch."""

    class Own(k.Sequential):  # type: ignore[name-defined]
        def __init__(self, layers: Any) -> None:
            super().__init__(layers)
            self.tracker = k.metrics.Mean(name="loss")
            self.mae = k.metrics.MeanAbsoluteError(name="mae")

        def test_step(self, data: Any) -> Any:
            x, y = data
            y_pred = self(x, training=False)
            self.tracker.update_state(self.compute_loss(y=y, y_pred=y_pred))
            self.mae.update_state(y, y_pred)
            return {"loss": self.tracker.result(), "mae": self.mae.result()}

        @property
        def metrics(self) -> list[Any]:
            return [self.tracker, self.mae]

    x, y = arrays()
    model = _model(k, Own)
    model.compile("sgd", "mse")
    return [model.evaluate(x[:9], y[:9], verbose=0), model.evaluate(x, y, batch_size=9, verbose=0)]


def metric_of_a_layer(k: ModuleType) -> list[Any]:
    """A metric that a layer keeps is among the numbers."""

    class Watches(k.layers.Layer):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.seen = k.metrics.Mean(name="seen")

        def call(self, x: Any) -> Any:
            self.seen.update_state(k.ops.mean(x))
            return x

    x, y = arrays()
    model = _filled(k.Sequential([k.Input((T, F)), k.layers.LSTM(3), Watches(), k.layers.Dense(1)]))
    model.compile("sgd", "mse")
    return [*_fitted(model, x, y, validation_split=0.3), model.evaluate(x, y, verbose=0)]


def composed_metric(k: ModuleType) -> list[Any]:
    """A metric of several parts and several numbers, and functions under their names."""

    class Both(k.metrics.Metric):  # type: ignore[name-defined]
        def __init__(self, name: str = "both", **options: Any) -> None:
            super().__init__(name=name, **options)
            self.low, self.high = k.metrics.Mean(name="low"), k.metrics.Sum(name="high")

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            self.low.update_state(y_pred)
            self.high.update_state(y_true)

        def result(self) -> Any:
            return {"low": self.low.result(), "high": self.high.result()}

    def MeanGap(y_true: Any, y_pred: Any) -> Any:
        return k.ops.mean(y_true - y_pred)

    x, y = arrays()
    model = _model(k)
    model.compile("sgd", "mse", metrics=[Both(), MeanGap, lambda y_true, y_pred: k.ops.max(y_pred)])
    return _fitted(model, x, y, validation_split=0.3)


def validations(k: ModuleType) -> list[Any]:
    """Each validation begins with the first batch; a list is unpacked as a tuple is."""
    x, y = arrays()
    found = []
    for data, options in (([x, y], {}), ((x, y), {"validation_steps": 2}), ([x, y, y[:, 0] ** 2], {})):
        model = _model(k)
        model.compile("sgd", "mse", weighted_metrics=["mae"])
        found += _fitted(model, x, y, validation_data=data, validation_batch_size=5, **options)
    return found


def nothing_to_train(k: ModuleType) -> list[Any]:
    """A model that is frozen as a whole is judged, with a warning."""
    x, y = arrays()
    model = _model(k)
    model.trainable = False
    model.compile("adam", "mse")
    return _fitted(model, x, y)


def directions(k: ModuleType) -> list[Any]:
    """What "auto" follows: the metric knows which way is better, whatever it is called."""
    x, y = arrays()
    found: list[Any] = []
    metrics = k.metrics
    for monitor, metric in (
        ("quality", metrics.AUC(name="quality")),
        ("cosine_similarity", "cosine_similarity"),
        ("inaccuracy", metrics.MeanAbsoluteError(name="inaccuracy")),
        ("recall_of_loss", metrics.BinaryCrossentropy(name="recall_of_loss")),
        ("val_mse", "mse"),
    ):
        model = _model(k, classes=True)
        model.compile(k.optimizers.SGD(0.5), "binary_crossentropy", metrics=[metric])
        stop = k.callbacks.EarlyStopping(monitor=monitor, patience=1, restore_best_weights=True)
        found += _fitted(model, x, y > 0, epochs=7, validation_split=0.3, callbacks=[stop])
    return found


def unknown_directions(k: ModuleType) -> list[Any]:
    """What "auto" refuses."""
    x, y = arrays()
    found = []

    def own(y_true: Any, y_pred: Any) -> Any:
        return k.ops.mean(y_pred - y_true, axis=-1)

    for monitor, metric in (
        ("own", own),
        ("tn", k.metrics.TrueNegatives(name="tn")),
        ("val_los", "mae"),
        ("mean", k.metrics.MeanMetricWrapper(own, name="mean")),
    ):
        for callback in (k.callbacks.EarlyStopping, k.callbacks.ReduceLROnPlateau):
            model = _model(k, classes=True)
            model.compile("sgd", "binary_crossentropy", metrics=[metric])
            try:
                _fitted(model, x, (y > 0).astype("float32"), callbacks=[callback(monitor=monitor)])
            except ValueError:
                found.append((monitor, callback.__name__))
    return found


def table(k: ModuleType, path: str) -> list[Any]:
    """The columns and the first row that CSVLogger writes where validations come later."""
    x, y = arrays()
    model = _model(k)
    model.compile("sgd", "mse", metrics=["mae"])
    _fitted(model, x, y, validation_split=0.3, validation_freq=2, callbacks=[k.callbacks.CSVLogger(path)])
    with open(path) as file:
        rows = [line.strip().split(",") for line in file]
    return [rows[0], *([cell == "NA" for cell in row] for row in rows[1:])]


def learning_rates(k: ModuleType) -> list[Any]:
    """A rate that is read, set, and assigned to as the variable that it is in Keras."""
    x, y = arrays()
    model = _model(k)
    model.compile(k.optimizers.Adam(0.1), "mse")
    found = _fitted(model, x, y)
    model.optimizer.learning_rate.assign(0.05)
    found += [*_fitted(model, x, y), float(model.optimizer.learning_rate.numpy())]
    model.optimizer.learning_rate = 0.02
    found += [*_fitted(model, x, y), float(np.asarray(model.optimizer.learning_rate.value))]
    model.optimizer.learning_rate.assign(model.optimizer.learning_rate * 0.5)
    return [*found, *_fitted(model, x, y), float(np.float32(model.optimizer.learning_rate))]


def names_of_outputs(k: ModuleType) -> list[Any]:
    """The order and the names of the numbers of several outputs, in a list and in a dict."""
    x, y = arrays()
    found = []
    for as_dict in (True, False):
        inputs = k.Input((T, F))
        states = k.layers.LSTM(3)(inputs)
        first, second = k.layers.Dense(1, name="v")(states), k.layers.Dense(1, name="u")(states)
        model = _filled(k.Model(inputs, {"v": first, "u": second} if as_dict else [first, second]))
        metrics = {"u": ["mae", "mse"], "v": ["mse"]}
        model.compile("sgd", {"u": "mae", "v": "mse"}, metrics=metrics, weighted_metrics={"v": ["mse"]})
        target = {"v": y, "u": -y} if as_dict else [y, -y]
        found += [model.evaluate(x, target, verbose=0), model.evaluate(x, target, verbose=0, return_dict=True)]
        found += [model.train_on_batch(x, target), [metric.name for metric in model.metrics]]
    return found


def embeddings_that_repeat(k: ModuleType) -> list[Any]:
    """Adam on a table of which a batch takes rows several times: in Keras with the table as the kernel of a Dense."""
    ids = np.random.default_rng(2).integers(0, 3, size=(23, T))
    if k.__name__ == "kerastorch":
        start, inputs = [k.layers.Embedding(3, F)], ids
    else:  # on TensorFlow an Embedding's gradient has a part for each place, and Adam squares them one by one
        start, inputs = [k.layers.Dense(F, use_bias=False)], np.eye(3, dtype="float32")[ids]
    model = _filled(k.Sequential([k.Input(inputs.shape[1:]), *start, k.layers.LSTM(2), k.layers.Dense(1)]))
    model.compile(k.optimizers.Adam(0.01, epsilon=0.1), "mse")  # gradients near zero give rounding no weight
    return _fitted(model, inputs, np.arange(23.0)[:, None] % 2)


def optimizers_of_others(k: ModuleType) -> list[Any]:
    """An optimizer that does not know what is trained: of another model, or of a layer that was frozen."""
    x, y = arrays()
    found: list[Any] = []

    def tried(name: str, model: Any) -> None:
        try:
            _fitted(model, x, y)
        except ValueError:
            found.append(name)

    shared = k.optimizers.SGD()
    model, other, frozen = _model(k), _model(k), _model(k)
    model.compile(shared, "mse")
    found += _fitted(model, x, y)
    other.compile(shared, "mse")
    tried("other", other)
    frozen.layers[0].trainable = False
    frozen.compile(optimizer := k.optimizers.SGD(), "mse")
    found += _fitted(frozen, x, y)
    frozen.layers[0].trainable = True
    frozen.compile(optimizer, "mse")
    tried("unfrozen, with the same optimizer", frozen)
    frozen.compile("sgd", "mse")
    return [*found, *_fitted(frozen, x, y)]
