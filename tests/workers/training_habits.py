"""What people write around a training, run as it stands with Keras, tf-keras or kerastorch as `k`."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

HOOKS = [
    *(f"on_{kind}_{end}" for kind in ("train", "test", "predict") for end in ("begin", "end")),
    *(f"on_{kind}_batch_{end}" for kind in ("train", "test", "predict") for end in ("begin", "end")),
    *("on_epoch_begin", "on_epoch_end"),
]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def hooks(k: ModuleType) -> list[Any]:
    """Every hook that is called, with its place and the names in its logs."""
    calls: list[Any] = []

    def hook(name: str) -> Any:
        def called(self: Any, *args: Any, **named: Any) -> None:
            logs = named.get("logs", args[-1])  # fails where a hook gets none
            calls.append((name, [arg for arg in args if isinstance(arg, int)], sorted(logs)))

        return called

    every = type("Every", (k.callbacks.Callback,), {name: hook(name) for name in HOOKS})()
    model = k.Sequential([k.Input((3,)), k.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    x, y = numbers(10, 3), numbers(10, 1, seed=1)
    model.fit(x, y, batch_size=4, epochs=2, validation_split=0.2, verbose=0, callbacks=[every])
    model.evaluate(x, y, batch_size=5, verbose=0, callbacks=[every])
    model.predict(x, batch_size=5, verbose=0, callbacks=[every])
    model.predict(x, verbose=0, callbacks=[])
    return calls


def outputs_of_batches(k: ModuleType) -> list[Any]:
    """What `predict` tells a callback of each batch."""
    found: list[Any] = []

    class Collect(k.callbacks.Callback):  # type: ignore[name-defined]
        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            found.append(np.asarray(logs["outputs"]))

    model = k.Sequential([k.Input((3,)), k.layers.Lambda(lambda x: x * 2)])
    model.predict(numbers(5, 3), batch_size=2, verbose=0, callbacks=[Collect()])
    return found


def on_batches(k: ModuleType) -> list[Any]:
    """The numbers of batches by themselves, and with those before where that is asked for."""
    model = k.Sequential([k.Input((3,)), k.layers.Lambda(lambda x: x * 2)])
    model.compile(loss="mse", metrics=["mae"])
    x, y = numbers(6, 3), numbers(6, 3, seed=1)
    found = [model.test_on_batch(x[:2], y[:2]), model.test_on_batch(x[2:], y[2:])]
    found.append(model.test_on_batch(x[1:3], y[1:3], return_dict=True))
    trained = k.Sequential([k.Input((3,)), k.layers.Dense(3, kernel_initializer="ones")])
    trained.compile("sgd", "mse", metrics=["mae"])
    found += [trained.train_on_batch(x[a : a + 3], y[a : a + 3]) for a in (0, 3)]
    return [dict(zip(("loss", "mae"), item, strict=True)) if not isinstance(item, dict) else item for item in found]


def own_metric(k: ModuleType) -> list[Any]:
    """A metric whose state is variables, by hand and in `evaluate`."""
    tf_keras = not hasattr(k, "ops")

    class Right(k.metrics.Metric):  # type: ignore[name-defined]
        def __init__(self, name: str = "right", **options: Any) -> None:
            super().__init__(name=name, **options)
            if tf_keras:
                self.count = self.add_weight(name="count", initializer="zeros")
                self.seen = self.add_weight("seen", shape=(2,), initializer="ones")
            else:
                self.count = self.add_variable(shape=(), name="count", initializer="zeros")
                self.seen = self.add_weight(shape=(2,), name="seen", initializer="ones")

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            hits = (y_true > 0) == (y_pred > 0)
            sum_of = k.backend.sum if tf_keras else k.ops.sum
            cast = k.backend.cast if tf_keras else k.ops.cast
            self.count.assign_add(sum_of(cast(hits, "float32")))
            self.seen.assign_sub([1.0, 2.0])

        def result(self) -> Any:
            return self.count / 2

    metric = Right()
    found: list[Any] = [metric.name, len(metric.variables), [str(v.name).split(":")[0] for v in metric.variables]]
    tensor = k.backend.constant if tf_keras else k.ops.convert_to_tensor
    y, z = tensor(numbers(6, 1)), tensor(numbers(6, 1, seed=1))
    metric.update_state(y, z)
    found += [np.asarray(metric.result()), np.asarray(metric.count), np.asarray(metric.seen)]
    metric(y, y)
    found += [np.asarray(metric.result()), np.asarray(metric.seen + 1)]
    metric.reset_state()
    found += [np.asarray(metric.result()), np.asarray(metric.seen)]
    metric.count.assign(4)
    found += [np.asarray(metric.count)]
    model = k.Sequential([k.Input((1,)), k.layers.Activation("linear")])
    model.compile(loss="mse", metrics=[metric])
    found.append(model.evaluate(np.asarray(y), np.asarray(z), batch_size=4, verbose=0))
    return found


def relies_on_its_mask(k: ModuleType) -> list[Any]:
    """A layer that fails without a mask, in graphs: the mask comes along their edges."""

    class Shares(k.layers.Layer):  # type: ignore[name-defined]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.supports_masking = True

        def call(self, x: Any, mask: Any = None) -> Any:
            assert mask is not None
            kept = k.ops.exp(x) * k.ops.expand_dims(k.ops.cast(mask, "float32"), -1)
            return kept / k.ops.sum(kept, axis=1, keepdims=True)

    found = []
    for length in (None, 4):
        inputs = k.Input((length,), dtype="int32")
        embedded = k.layers.Embedding(5, 1, mask_zero=True, embeddings_initializer="ones")(inputs)
        outputs = Shares()(embedded)
        found += [outputs.shape, k.Model(inputs, outputs).predict(np.array([[1, 2, 0, 0], [3, 0, 4, 1]]), verbose=0)]
    return found


def windows_in_part(k: ModuleType) -> list[Any]:
    """`take` and `skip` of a dataset of windows."""
    made = k.utils.timeseries_dataset_from_array(np.arange(20.0), np.arange(20), 3, batch_size=4)
    parts = [made.take(2), made.take(-1), made.skip(3), made.take(3).skip(1), made.skip(1).take(2), made.take(99)]
    parts += [made.skip(99), made.skip(-1), made.take(0), made.cache().prefetch(2).skip(4)]
    return [[[np.asarray(item) for item in batch] for batch in part] + [len(part)] for part in parts]


def losses_in_lists(k: ModuleType) -> list[Any]:
    """The loss of each output in a list of its own, as its metrics are written."""
    x, y, z = numbers(8, 3), numbers(8, 1, seed=1), numbers(8, 2, seed=2)
    found = []
    for loss in ({"a": ["mse"], "b": ["mae"]}, [["mse"], "mae"], [("mse",), ["mae"]], {"a": ["mse"], "b": "mae"}):
        inputs = k.Input((3,))
        ends = [k.layers.Dense(1, name="a")(inputs), k.layers.Dense(2, name="b")(inputs)]
        model = k.Model(inputs, ends)
        model.set_weights([numbers(*w.shape, seed=at) for at, w in enumerate(model.get_weights())])
        model.compile("sgd", loss=loss, loss_weights=[1.0, 0.5])
        found.append(model.fit(x, [y, z], batch_size=4, epochs=2, shuffle=False, verbose=0).history)
    return found


def inputs_left_out(k: ModuleType) -> list[Any]:
    """An optional input in fit, evaluate and predict: given, and left out, in dicts whose first name it is or not."""

    class Added(k.layers.Layer):  # type: ignore[name-defined]
        def call(self, x: Any, other: Any = None) -> Any:
            return x if other is None else x + other

    found: list[Any] = []
    for names in (("x", "o"), ("o", "x")):
        main, other = k.Input((3,), name=names[0]), k.Input((3,), name=names[1], optional=True)
        model = k.Model({names[0]: main, names[1]: other}, k.layers.Dense(1)(Added()(main, other)))
        model.set_weights([numbers(*w.shape, seed=at) for at, w in enumerate(model.get_weights())])
        model.compile("sgd", "mse")
        for second in (numbers(8, 3, seed=3), None):
            x, y = {names[0]: numbers(8, 3), names[1]: second}, numbers(8, 1, seed=1)
            found.append(model.fit(x, y, batch_size=3, epochs=2, shuffle=False, verbose=0).history["loss"])
            found.append(model.evaluate(x, y, batch_size=3, verbose=0))
            found.append(model.predict(x, batch_size=3, verbose=0))
    return found
