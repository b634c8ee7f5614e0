"""What Keras code reads and sets on layers beside their arguments, run as it stands with Keras or kerastorch as `k`."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def standard_name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.").removeprefix("<dtype: '").removesuffix("'>")


# Class, arguments; every one is built for inputs of 2 to 6 axes where it takes them.
FIRST = "channels_first"
SPECS: list[tuple[str, dict[str, Any]]] = [
    ("Dense", {"units": 2}),
    ("EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 2)}),
    ("Embedding", {"input_dim": 3, "output_dim": 2}),
    ("Flatten", {}),
    ("Reshape", {"target_shape": (-1,)}),
    ("Permute", {"dims": (2, 1)}),
    ("Permute", {"dims": (2, 3, 1)}),
    ("RepeatVector", {"n": 2}),
    ("Masking", {}),
    ("Activation", {"activation": "relu"}),
    ("PReLU", {}),
    ("PReLU", {"shared_axes": [1]}),
    ("BatchNormalization", {}),
    ("BatchNormalization", {"axis": 1}),
    ("GroupNormalization", {"groups": 1}),
    ("LayerNormalization", {}),
    ("Dropout", {"rate": 0.5}),
    ("LSTM", {"units": 2}),
    ("GRU", {"units": 2}),
    ("SimpleRNN", {"units": 2}),
    *((f"ConvLSTM{n}D", {"filters": 2, "kernel_size": 2}) for n in (1, 2, 3)),
    *((f"Conv{n}D", {"filters": 2, "kernel_size": 2, "data_format": f}) for n in (1, 2, 3) for f in (None, FIRST)),
    *((f"Conv{n}DTranspose", {"filters": 2, "kernel_size": 2}) for n in (1, 2, 3)),
    *((f"SeparableConv{n}D", {"filters": 2, "kernel_size": 2}) for n in (1, 2)),
    *((f"DepthwiseConv{n}D", {"kernel_size": 2}) for n in (1, 2)),
    *((f"{kind}Pooling{n}D", {"pool_size": 2}) for kind in ("Average", "Max") for n in (1, 2, 3)),
    *((f"Global{kind}Pooling{n}D", {}) for kind in ("Average", "Max") for n in (1, 2, 3)),
    *((f"{kind}{n}D", {}) for kind in ("Cropping", "UpSampling", "ZeroPadding") for n in (1, 2, 3)),
    *((f"SpatialDropout{n}D", {"rate": 0.5}) for n in (1, 2, 3)),
]  # fmt: skip
SIZES = (2, 7, 6, 5, 4, 3)


def shown(spec: Any) -> Any:
    if isinstance(spec, list):
        return [shown(item) for item in spec]
    return None if spec is None else [spec.ndim, spec.min_ndim, spec.max_ndim, dict(spec.axes)]


def specs(k: ModuleType) -> list[Any]:
    """What each layer says of its inputs before and after it is built; built for the ranks that it takes here."""
    found = []
    for name, config in SPECS:
        answers = [shown(getattr(k.layers, name)(**config).input_spec)]
        for rank in range(2, 7):
            layer = getattr(k.layers, name)(**config)
            try:
                layer.build(SIZES[:rank])
            except Exception:  # noqa: BLE001 - whatever says that the rank is wrong
                answers.append("refused")
            else:
                answers.append(shown(layer.input_spec))
        found.append([name, config, answers])
    return found


def directions(k: ModuleType) -> list[Any]:
    """Bidirectional's and TimeDistributed's."""
    layers = k.layers
    inner = [layers.LSTM(2), layers.Dense(2), layers.LSTMCell(2)]
    made = [layers.Bidirectional(inner[0]), layers.TimeDistributed(inner[1]), layers.RNN(inner[2])]
    return [shown(layer.input_spec) for layer in made]


def dtypes(k: ModuleType) -> list[Any]:
    """The names of dtypes, by argument, by policy, and set afterwards."""
    found = []
    policy = k.DTypePolicy("mixed_bfloat16")
    for dtype in ("float32", "float64", "mixed_float16", policy, policy.get_config()["name"]):
        for make in (
            lambda d: k.layers.Dense(2, dtype=d),
            lambda d: k.layers.LSTM(2, dtype=d),
            lambda d: k.layers.Layer(dtype=d),
        ):
            layer = make(dtype)
            of = layer.dtype_policy
            found.append([layer.compute_dtype, layer.variable_dtype, layer.input_dtype, layer.autocast])
            found.append([of.name, of.compute_dtype, of.variable_dtype, str(of)])
            found.append([of == k.DTypePolicy(of.name), of == k.DTypePolicy("float16")])
    found.append([k.DTypePolicy.from_config({"name": "float16"}).name, k.dtype_policies.get("float64").name])
    config = k.dtype_policies.serialize(policy)
    found.append([config["class_name"], config["config"], k.dtype_policies.deserialize(config).name])
    layer = k.layers.Dense(2)
    layer.dtype_policy = "mixed_bfloat16"
    output = layer(np.ones((2, 3), "float32"))
    found.append([layer.compute_dtype, standard_name(output.dtype), standard_name(layer.kernel.dtype)])
    layer.dtype_policy = k.DTypePolicy("float32")
    found.append([layer.compute_dtype, standard_name(layer(np.ones((2, 3), "float32")).dtype)])
    return found


def of_one_layer(k: ModuleType) -> dict[str, Any]:
    """Every dtype that a layer under a mixed policy and an input show."""
    layer = k.layers.Dense(2, dtype="mixed_bfloat16")
    layer.build((None, 3))
    names = {"compute": layer.compute_dtype, "variable": layer.variable_dtype, "input": layer.input_dtype}
    return {**names, "layer": layer.dtype, "weight": layer.kernel.dtype, "symbol": k.Input((3,)).dtype}


def autocast(k: ModuleType) -> list[Any]:
    """Which dtypes arrive in a layer of one's own, and what it says of itself."""
    seen: list[str] = []

    class Probe(k.layers.Layer):  # type: ignore[name-defined]
        def call(self, x: Any) -> Any:
            seen.append(standard_name(x.dtype))
            return x

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

    x = k.ops.convert_to_tensor(np.ones((2, 3), "float32"))
    for dtype in ("mixed_bfloat16", "float64"):
        for how in (True, False):
            made = Probe(dtype=dtype, autocast=how)
            seen.append(str(made.autocast))
            made(x)
            later = Probe(dtype=dtype)
            later.autocast = how
            seen.append(str(later.autocast))
            later(x)
    return seen


def predicting(k: ModuleType) -> list[Any]:
    """What `predict` tells a callback, and how one ends it."""
    told: list[Any] = []

    class Told(k.callbacks.Callback):  # type: ignore[name-defined]
        def on_predict_begin(self, logs: Any = None) -> None:
            told.append(["begin", logs, self.model.name, self.params["steps"]])

        def on_predict_end(self, logs: Any = None) -> None:
            told.append(["end", logs])

        def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
            told.append(["batch begin", batch, logs])

        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            told.append(["batch end", batch, sorted(logs), np.asarray(logs["outputs"]).tolist()])

    class Stops(k.callbacks.Callback):  # type: ignore[name-defined]
        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_predicting = batch == 1

    model = k.Sequential([k.Input((2,)), k.layers.Rescaling(2.0)], name="twice")
    x = np.arange(10, dtype="float32").reshape(5, 2)
    told.append(model.predict(x, batch_size=2, verbose=0, callbacks=[Told()]).tolist())
    told.append(model.predict(x, batch_size=2, verbose=0, callbacks=Told()).tolist())
    told.append(model.predict(x, batch_size=1, verbose=0, callbacks=[Stops()]).tolist())
    told.append(len(model.predict(x, batch_size=1, verbose=0)))
    return told


def variables(k: ModuleType) -> list[Any]:
    """Variables that are made by hand: alone, and in a layer."""
    made = [
        k.Variable(np.arange(6, dtype="float32").reshape(2, 3), name="mine"),
        k.Variable(2.5),
        k.Variable(3, trainable=False),
        k.Variable("ones", shape=(2,), dtype="float64"),
        k.Variable(k.initializers.Constant(0.5), shape=(3,), trainable=False),
        k.Variable(np.ones(2, "float64"), dtype="float32"),
    ]
    found: list[Any] = []
    for variable in made:
        found.append([list(variable.shape), standard_name(variable.dtype), variable.trainable])
        variable.assign_add(np.ones(variable.shape, standard_name(variable.dtype)))
        found.append([np.asarray(variable.numpy()).tolist(), isinstance(variable, k.Variable)])
    found.append([made[0].name, made[0].path, isinstance(np.ones(2), k.Variable)])

    class Counting(k.layers.Layer):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.scale = k.Variable(np.full(3, 2.0, "float32"))
            self.count = k.Variable(0.0, trainable=False)

        def call(self, x: Any) -> Any:
            self.count.assign_add(1.0)
            return x * self.scale

    layer = Counting()
    x = np.ones((2, 3), "float32")
    found.append([np.asarray(k.ops.convert_to_numpy(layer(x))).tolist() for _ in range(2)])
    found.append([float(layer.count.numpy()), len(layer.trainable_weights), len(layer.non_trainable_weights)])
    found.append([array.tolist() for array in layer.get_weights()])
    layer.set_weights([np.arange(3, dtype="float32"), np.asarray(7.0, "float32")])
    found.append([layer.scale.numpy().tolist(), float(layer.count.numpy())])
    first = k.Variable(x)
    found.append(np.asarray(k.ops.convert_to_numpy(k.layers.Add()([first, k.Variable(x)]))).tolist())
    return found


def without_a_shape(k: ModuleType) -> list[Any]:
    """A layer that is built for no shape, one of whose inputs is None, a dtype of numpy, a mask that spreads."""

    class Shapeless(k.layers.Layer):  # type: ignore[name-defined]
        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(shape=(2,), initializer="ones", name="scale")

        def call(self, x: Any) -> Any:
            return x * self.scale

    seen: dict[str, Any] = {}

    class Either(k.layers.Layer):  # type: ignore[name-defined]
        def build(self, input_shape: Any) -> None:
            seen.update({key: None if shape is None else list(shape)[1:] for key, shape in input_shape.items()})

        def call(self, inputs: Any) -> Any:
            return inputs["a"] if inputs["b"] is None else inputs["a"] + inputs["b"]

    layer = Shapeless()
    layer.build(None)
    x = np.ones((2, 2), "float32")
    found: list[Any] = [layer.built, len(layer.weights), np.asarray(k.ops.convert_to_numpy(layer(x))).tolist()]
    either = Either()
    found.append([np.asarray(k.ops.convert_to_numpy(either({"a": x, "b": None}))).tolist(), seen])
    for dtype in (x.dtype, np.int32):
        found.append(standard_name(k.ops.cast(k.ops.convert_to_tensor(x), dtype).dtype))
    data = np.arange(24, dtype="float32").reshape(1, 2, 3, 4)
    normal = k.layers.BatchNormalization(momentum=0.5)
    mask = k.ops.convert_to_tensor(np.array([[[True], [False]]]))
    output = normal(k.ops.convert_to_tensor(data), training=True, mask=mask)
    found.append(np.round(np.asarray(k.ops.convert_to_numpy(output)), 2).tolist())
    found.append([np.round(array, 2).tolist() for array in normal.get_weights()])
    return found


def lists_of_weights(k: ModuleType) -> list[Any]:
    """Lists of weights beside the attributes that hold them; single ones by their values."""

    class Own(k.layers.Layer):  # type: ignore[name-defined]
        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight(shape=(3, 2), name="w")
            self.u = self.add_weight(shape=(3, 2), trainable=False, initializer="zeros", name="u")

        def call(self, x: Any) -> Any:
            return x @ self.w + x @ self.u

    own, dense, norm = Own(), k.layers.Dense(2), k.layers.BatchNormalization()
    for layer in (own, dense, norm):
        layer.build((None, 3))
    found: list[Any] = [
        own.weights == [own.w, own.u],
        [own.w, own.u] == own.weights,
        own.weights != [own.w, own.u],
        own.trainable_weights == [own.w],
        own.non_trainable_weights == [own.u],
        own.weights.index(own.w),
        dense.weights == [dense.kernel, dense.bias],
        norm.weights == [norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance],
        norm.trainable_weights == [norm.gamma, norm.beta],
    ]
    own.u.assign(own.w)
    for same in (own.w == own.u, own.weights[0] == own.u, own.u != own.weights[0], own.weights[1] == 0.0):
        found.append(np.asarray(k.ops.convert_to_numpy(same)).tolist())
    return found


CASES = {
    function.__name__: function
    for function in (specs, directions, dtypes, autocast, predicting, variables, without_a_shape, lists_of_weights)
}


def run(k: ModuleType, name: str) -> Any:
    return CASES[name](k)
