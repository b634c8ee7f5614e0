"""What Keras code does with models: the same lines run in Keras and, with kerastorch as `k`, here."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from . import model_parts as model_parts  # its cases are in the table, too
from ._model_cases import CASES as CASES
from ._model_cases import FEATURES, TIME, both, case, data, fill, load, recurrent, value
from ._model_cases import KERAS_2 as KERAS_2
from ._model_cases import run as run


class Frame:
    """What `predict` asks of a pandas DataFrame, without pandas."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values
        self.shape, self.columns = values.shape, [f"c{place}" for place in range(values.shape[-1])]

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, column: str) -> np.ndarray:
        return self._values[:, self.columns.index(column)]

    def to_numpy(self) -> np.ndarray:
        return self._values


# ---------------------------------------------------------------- files


@both
def load_without_compiling(k: Any, directory: str) -> Any:
    path = os.path.join(directory, "net.keras")
    recurrent(k).save(path)
    return load(k, path, compile=False).predict(data(4, TIME, FEATURES), verbose=0)


@both
def load_by_every_name(k: Any, directory: str) -> Any:
    path = os.path.join(directory, "net.h5")
    recurrent(k).save(path)
    model = load(k, filepath=path, custom_objects=None, compile=True, safe_mode=False)
    return load(k, path, None, False, True).name, model.predict(data(4, TIME, FEATURES), verbose=0)


@both
def save_over_what_stood_there(k: Any, directory: str) -> Any:
    path = os.path.join(directory, "net.h5")
    model = recurrent(k)
    model.save(path, overwrite=True, include_optimizer=False)
    fill(model, 8).save(path, overwrite=True)
    model.save_weights(os.path.join(directory, "net.weights.h5"), overwrite=True)
    model.load_weights(os.path.join(directory, "net.weights.h5"), skip_mismatch=False)
    return load(k, path).predict(data(4, TIME, FEATURES), verbose=0)


@both
def save_in_a_named_format(k: Any, directory: str) -> Any:
    found = []
    for end, name in (("h5", "h5"), ("keras", "keras")):
        path = os.path.join(directory, f"net.{end}")
        recurrent(k).save(path, save_format=name)
        found.append(load(k, path).predict(data(4, TIME, FEATURES), verbose=0))
    return found


# ---------------------------------------------------------------- predict


@both
def predict_with_every_argument(k: Any, directory: str) -> Any:
    model = recurrent(k)
    options: dict[str, Any] = {"batch_size": 3, "verbose": 0, "steps": None, "callbacks": []}
    if "tf_keras" in k.__name__ or k.__name__ == "kerastorch":
        options |= {"max_queue_size": 5, "workers": 2, "use_multiprocessing": False}
    return model.predict(data(7, TIME, FEATURES), **options)


@both
def predict_one_batch(k: Any, directory: str) -> Any:
    x = k.Input((TIME, FEATURES), name="x")
    sequence, *states = k.layers.LSTM(4, return_sequences=True, return_state=True)(x)
    model = fill(k.Model(x, {"sequence": sequence, "state": states[0]}))
    found = model.predict_on_batch(data(40, TIME, FEATURES))
    return sorted(found), found["sequence"], found["state"], type(found["state"]).__name__


# ---------------------------------------------------------------- shapes of layers of one's own


def tensors_of(k: Any, count: int) -> list[Any]:
    return [k.Input((TIME, FEATURES + place)) for place in range(count)]


@case
def shapes_of_two_tensors(k: Any, directory: str) -> Any:
    class Both(k.layers.Layer):
        def call(self, a: Any, b: Any) -> Any:
            return b

        def compute_output_shape(self, a_shape: Any, b_shape: Any) -> Any:
            return (*a_shape[:-1], b_shape[-1])

    class OneBuilt(Both):
        def build(self, a_shape: Any) -> None:
            self.seen = tuple(a_shape)
            super().build(a_shape)

    class FirstTold(k.layers.Layer):
        def build(self, a_shape: Any, b_shape: Any) -> None:
            self.seen = (tuple(a_shape), tuple(b_shape))

        def call(self, a: Any, b: Any) -> Any:
            return a

        def compute_output_shape(self, a_shape: Any) -> Any:
            return a_shape

    class Maybe(Both):
        def call(self, a: Any, b: Any = None) -> Any:
            return a if b is None else b

        def compute_output_shape(self, a_shape: Any, b_shape: Any = None) -> Any:
            return a_shape if b_shape is None else b_shape

    a, b = tensors_of(k, 2)
    one, first = OneBuilt(), FirstTold()
    found = [Both()(a, b).shape, Both()(a, b=b).shape, one(a, b).shape, first(a, b).shape]
    found += [Maybe()(a).shape, Maybe()(a, b).shape, Maybe()(a, b=b).shape]
    model = k.Model([a, b], k.layers.Dense(2)(OneBuilt()(a, b)))
    return [tuple(shape) for shape in found], one.seen, first.seen, model.output_shape


@both
def stated_shapes_of_several_outputs(k: Any, directory: str) -> Any:
    def parts(x: Any) -> Any:
        return [x, x[:, 0]]

    def swapped(tensors: Any) -> Any:
        return tensors[1], tensors[0]

    a, b = tensors_of(k, 2)
    found = []
    for stated in (
        [(TIME, FEATURES), (FEATURES,)],
        ((TIME, FEATURES), (FEATURES,)),
        lambda shape: [tuple(shape), (shape[0], shape[2])],
        lambda shape: (tuple(shape), (shape[0], shape[2])),
    ):
        outputs = k.layers.Lambda(parts, output_shape=stated)(a)
        model = fill(k.Model(a, [k.layers.LSTM(2)(outputs[0]), k.layers.Dense(3)(outputs[1])]))
        found.append(([tuple(one.shape) for one in outputs], model.predict(data(4, TIME, FEATURES), verbose=0)))
    second, first = k.layers.Lambda(swapped, output_shape=lambda shapes: (shapes[1], shapes[0]))([a, b])
    return found, tuple(first.shape), tuple(second.shape)


# ---------------------------------------------------------------- several outputs, ranks, tuples


@case
def several_outputs_of_the_last_layer(k: Any, directory: str) -> Any:
    found = []
    for first in ([k.Input((TIME, FEATURES))], []):
        model = k.Sequential([*first, k.layers.LSTM(4, return_sequences=True), k.layers.GRU(3, return_state=True)])
        model(data(2, TIME, FEATURES))
        fill(model)
        outputs = model.predict(data(4, TIME, FEATURES), verbose=0)
        called = model(data(4, TIME, FEATURES))
        found.append((len(called), outputs))
    whole = k.Sequential([k.Input((TIME, FEATURES)), k.layers.LSTM(4, return_sequences=True, return_state=True)])
    fill(whole)
    x = k.Input((TIME, FEATURES))
    sequence, _, cell = whole(x)
    outer = fill(k.Model(x, [k.layers.Dense(2)(sequence), cell]))
    return (
        found,
        [tuple(shape) for shape in whole.output_shape],
        len(whole.outputs),
        outer.predict(data(3, TIME, FEATURES), verbose=0),
    )


@both
def ranks_are_adapted(k: Any, directory: str) -> Any:
    one = k.Input((1,), name="one")
    steps = k.Input((None, 1), name="steps")
    plain = k.Input((4,), name="plain")
    joined = k.layers.Concatenate()([k.layers.Dense(2)(one), k.layers.LSTM(3)(steps), k.layers.Dense(2)(plain)])
    model = fill(k.Model([one, steps, plain], joined))
    chain = fill(k.Sequential([k.Input((TIME, 1)), k.layers.GRU(3), k.layers.Dense(1)]))
    found = [
        model.predict([data(6), data(6, TIME), data(6, 4, 1)], verbose=0),
        value(model([data(6), data(6, TIME, 1), data(6, 4)])),
        chain.predict(data(6, TIME), verbose=0),
        value(chain(data(6, TIME))),
    ]
    wrong = []
    for given in (data(6, TIME, 1, 1, 1), data(6)):
        try:
            chain(given)
            wrong.append("fine")
        except ValueError:
            wrong.append("ValueError")
    return found, wrong


@case
def embeddings_are_built_without_a_shape(k: Any, directory: str) -> Any:
    layer = k.layers.Embedding(4, 2)
    layer.build()
    other = k.layers.Embedding(4, 2)
    other.build(None)
    return layer.built, other.built, [array.shape for array in layer.get_weights()], len(other.get_weights())


@case
def nesting_stays(k: Any, directory: str) -> Any:
    def kinds(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [type(value).__name__, *(kinds(item) for item in value)]
        if isinstance(value, dict):
            return {key: kinds(item) for key, item in value.items()}
        return "leaf"

    class Pair(k.layers.Layer):
        def call(self, x: Any) -> Any:
            return x, (x, [x])

        def compute_output_shape(self, shape: Any) -> Any:
            return tuple(shape), (tuple(shape), [tuple(shape)])

    class Nested(k.layers.Layer):
        def call(self, inputs: Any) -> Any:
            first, (second, third) = inputs
            return first + second + third["x"]

        def compute_output_shape(self, shapes: Any) -> Any:
            return shapes[0]

    x, y = k.Input((3,), name="x"), k.Input((3,), name="y")
    found = [kinds(Pair()(x)), kinds(Pair()(data(2, 3)))]
    model = k.Model((x, y), (k.layers.Dense(2)(x), [y, (x,)]))
    values = (data(2, 3), data(2, 3))
    found += [kinds(model(values)), kinds(model.predict(values, verbose=0)), kinds(model.output), kinds(model.input)]
    path = os.path.join(directory, "nested.keras")
    model.save(path)
    again = load(k, path)
    found += [kinds(again(values)), kinds(again.predict(values, verbose=0))]
    copied = k.models.clone_model(model)
    found += [kinds(copied(values)), kinds(k.Model.from_config(model.get_config())(values))]
    own = k.Model((x, y), Nested()((x, (y, {"x": x}))))
    found += [kinds(own(values)), kinds(Nested()((data(2, 3), (data(2, 3), {"x": data(2, 3)}))))]
    found += [kinds(k.layers.LSTM(2, return_state=True)(k.Input((4, 3))))]
    found += [kinds(k.layers.LSTM(2, return_state=True)(data(2, 4, 3)))]
    return found


@case
def optional_inputs(k: Any, directory: str) -> Any:
    class Maybe(k.layers.Layer):
        def call(self, x: Any, y: Any = None) -> Any:
            return x * 2.0 if y is None else x + y

        def compute_output_shape(self, x_shape: Any, y_shape: Any = None) -> Any:
            return x_shape

    first, second = k.Input((3,), name="first"), k.Input((3,), name="second", optional=True)
    outputs = Maybe()(first, second)
    model = k.Model([first, second], outputs)
    named = k.Model({"first": first, "second": second}, outputs)
    x, y = data(2, 3), data(2, 3) + 1
    found = [value(model([x, None])), value(model([x, y]))]
    found += [value(named({"first": x, "second": None})), value(named({"first": x, "second": y}))]
    found.append(k.layers.InputLayer((3,), optional=True).get_config()["optional"])
    path = os.path.join(directory, "optional.keras")
    model.save(path)
    again = k.models.load_model(path, custom_objects={"Maybe": Maybe})
    found += [value(again([x, None])), again.get_layer("second").optional, again.get_layer("first").optional]
    for wrong in ([None, y], [None, None]):
        try:
            model(wrong)
        except ValueError as error:
            found.append("not optional" in str(error))
    return found
