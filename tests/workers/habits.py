"""What people write around layers, run as it stands with Keras, tf-keras or kerastorch as `k`."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


# ---------------------------------------------------------------- training= and inputs= in every call


def takes_training(k: ModuleType, cases: dict[str, tuple[str, dict[str, Any], Any, int | None]]) -> dict[str, Any]:
    """Of each layer: what goes wrong where it is called with `training=`, by position and by name."""
    found: dict[str, Any] = {}
    for label, (name, config, shapes, words) in cases.items():
        layer = getattr(k.layers, name)(**config)
        several = isinstance(shapes[0], (tuple, list))
        arrays = [
            random(*shape) if words is None else np.zeros(shape, "int32") for shape in (shapes if several else [shapes])
        ]
        if name in ("MultiHeadAttention", "GroupQueryAttention"):
            calls = [lambda t, layer=layer, a=arrays: layer(*a, training=t)]
        else:
            x = arrays if several else arrays[0]
            calls = [
                lambda t, layer=layer, x=x: layer(x, training=t),
                lambda t, layer=layer, x=x: layer(inputs=x, training=t),
                lambda t, layer=layer, x=x: layer(sequences=x, training=t),
            ]
        answers = []
        for call in calls:
            for training in (False, True, None):
                try:
                    call(training)
                    answers.append("fine")
                except (TypeError, ValueError) as error:
                    answers.append(type(error).__name__)
        found[label] = answers
    return found


def reached_by_training(k: ModuleType) -> dict[str, list[bool]]:
    """Which `training` arrives at a layer inside others that say nothing of it."""
    seen: list[bool] = []

    class Probe(k.layers.Layer):  # type: ignore[name-defined]
        def call(self, x: Any, training: Any = None) -> Any:
            seen.append(bool(training))
            return x

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

    class Block(k.layers.Layer):  # type: ignore[name-defined]
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.probe = Probe()

        def call(self, x: Any) -> Any:
            return self.probe(x)

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

        def get_config(self) -> Any:
            return super().get_config()

    class Knowing(Block):
        def call(self, x: Any, training: Any = None) -> Any:
            return self.probe(x)

    class Telling(Block):
        def call(self, x: Any, training: Any = None) -> Any:
            return self.probe(x, training=training)

    class Cell(Block):
        state_size = output_size = 3

        def call(self, x: Any, states: Any) -> Any:
            return self.probe(x), states

    class Own(k.Model):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.block = Block()

        def call(self, x: Any) -> Any:
            return self.block(x)

    def functional() -> Any:
        x = k.Input((4, 3))
        return k.Model(x, Knowing()(Block()(x)))

    makers: dict[str, Any] = {
        "block": Block,
        "knowing": Knowing,
        "telling": Telling,
        "own model": Own,
        "sequential": lambda: k.Sequential([Block(), k.layers.Dense(2), k.layers.Dropout(0.5)]),
        "functional": functional,
        "time distributed": lambda: k.layers.TimeDistributed(Block()),
        "cell": lambda: k.layers.RNN(Cell(), return_sequences=True),
        "stacked": lambda: k.layers.RNN([k.layers.LSTMCell(3), Cell()]),
    }
    x = random(2, 4, 3)
    answers = {}
    for label, make in makers.items():
        layer = make()
        layer(x)
        kept = []
        for training in (True, False):
            seen.clear()
            layer(x, training=training)
            kept.append(sorted(set(seen)))
        answers[label] = kept
    return answers


# ---------------------------------------------------------------- weights under Keras's names


def build(layer: Any, shapes: Any) -> None:
    """Build a layer; one that takes its tensors one by one has one shape for each."""
    if type(layer).__name__ in ("MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention"):
        layer.build(*shapes)
    else:
        layer.build(shapes)


def refill(layer: Any) -> None:
    """Weights that are all different; a variance is positive."""
    rng = np.random.default_rng(3)
    layer.set_weights([(0.5 + rng.random(array.shape)).astype(array.dtype) for array in layer.get_weights()])


def plain(tensor: Any) -> np.ndarray:
    return tensor.detach().clone().numpy() if hasattr(tensor, "detach") else np.asarray(tensor)


def is_variable(value: Any) -> bool:
    return hasattr(value, "assign") and hasattr(value, "shape")


def attributes_of(layer: Any, depth: int = 2) -> dict[str, Any]:
    """The public attributes that are variables, also those of layers in public attributes: "cell.kernel"."""
    found: dict[str, Any] = {}
    for name in dir(layer):
        if name.startswith("_"):
            continue
        try:
            value = getattr(layer, name)
        except (AttributeError, ValueError, RuntimeError):  # a property that has nothing
            continue
        if is_variable(value):
            found[name] = value
        elif depth > 1 and hasattr(value, "get_config") and hasattr(value, "weights"):
            found |= {f"{name}.{inner}": item for inner, item in attributes_of(value, depth - 1).items()}
    return found


def weights_by_name(k: ModuleType, cases: dict[str, Any]) -> dict[str, Any]:
    """Of each layer: the attributes that are variables, with their values, and what `weights` says of each."""
    answers: dict[str, Any] = {}
    for label, (name, config, shapes, _) in cases.items():
        layer = getattr(k.layers, name)(**config, name="it")
        build(layer, shapes)
        refill(layer)
        named = {path: np.asarray(value) for path, value in attributes_of(layer).items()}
        answers[label] = {"attributes": named, "weights": [facts_of(w) for w in layer.weights], "counts": counts(layer)}
    return answers


def facts_of(weight: Any) -> tuple[Any, ...]:
    """The name without the layers around it and TensorFlow's output number, the shape, and the path if there is one."""
    path = getattr(weight, "path", None)
    name = weight.name.split("/")[-1].split(":")[0]
    return name, tuple(weight.shape), path, bool(weight.trainable), int(np.prod(weight.shape))


def counts(layer: Any) -> list[int]:
    groups = layer.weights, layer.trainable_weights, layer.non_trainable_weights, layer.trainable_variables
    return [len(group) for group in groups]  # `variables` of Keras has the states of random generators as well


def use_of_variables(k: ModuleType) -> dict[str, Any]:
    """What is done with variables: read, computed with, assigned."""
    layer = k.layers.Dense(2, name="it")
    found: dict[str, Any] = {"unbuilt": [len(layer.weights), len(layer.trainable_weights), len(layer.get_weights())]}
    layer.build((None, 3))
    layer.set_weights([random(3, 2), random(2, seed=1)])
    for name in ("kernel", "bias"):
        w, other = getattr(layer, name), random(*getattr(layer, name).shape, seed=2)
        found[name] = [np.asarray(w), w.numpy(), *(plain(part) for part in (w.value, -w, abs(w)))]
        found[f"{name} computed"] = [
            plain(part)
            for part in (w + 1, 1 - w, w * other, other * w, w / 2, 2 / w, w**2, w > 0, w == w, w[0], w * w, w - w)
        ]
        w.assign(other)
        found[f"{name} assigned"] = [np.asarray(w), *layer.get_weights()]
        w.assign_add(other)
        w.assign_sub(other * 0.5)
        found[f"{name} added"] = [np.asarray(w), *layer.get_weights()]
        try:
            w.assign(np.zeros(7, "float32"))
        except ValueError:
            found[f"{name} refused"] = "ValueError"
    found["matmul"] = np.asarray(random(4, 3) @ np.asarray(layer.kernel)) - np.asarray(layer.bias)
    found["same object"] = [layer.kernel is layer.weights[0], layer.weights[0] is layer.trainable_variables[0]]
    layer.trainable = False
    found["frozen"] = [w.trainable for w in layer.weights] + [len(layer.trainable_weights)]
    layer.trainable = True
    lstm = k.layers.LSTM(3, name="lstm")
    found["before"] = [lstm.cell.units, len(lstm.cell.weights)]
    lstm.build((None, 4, 2))
    lstm.cell.recurrent_kernel.assign(random(3, 12, seed=5))
    lstm.cell.bias.assign(random(12, seed=6))
    found["cell"] = [*lstm.get_weights()[1:], list(lstm.cell.state_size), lstm.cell.units]
    return found


def own_weights(k: ModuleType) -> dict[str, Any]:
    """A layer with weights of its own, which it writes in `call`."""

    class Counter(k.layers.Layer):  # type: ignore[name-defined]
        def build(self, input_shape: Any) -> None:
            self.total = self.add_weight(shape=(), initializer="zeros", trainable=False, name="total")
            self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
            self.total.assign(2.0)
            self.built = True

        def call(self, x: Any) -> Any:
            self.total.assign_add(1.0)
            return x * self.scale * self.total

    layer = Counter(name="counter")
    x = random(2, 3)
    found: dict[str, Any] = {"outputs": [plain(layer(x)) for _ in range(2)]}
    layer.scale.assign([1.0, 2.0, 3.0])
    found["assigned"] = [plain(layer(x)), *layer.get_weights()]
    found["facts"] = [facts_of(layer.scale), facts_of(layer.total), *(facts_of(w) for w in layer.weights)]
    return found


def paths_in_models(k: ModuleType) -> dict[str, list[str]]:
    """The paths of the variables in models of all kinds."""

    class Block(k.layers.Layer):  # type: ignore[name-defined]
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.dense = k.layers.Dense(2, name="inner")

        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight(shape=(2,), name="w")
            self.dense.build(input_shape)
            self.built = True

        def call(self, x: Any) -> Any:
            return self.dense(x) * self.w

    class Own(k.Model):  # type: ignore[name-defined]
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.first, self.block = k.layers.LSTM(3, name="first"), Block(name="block")

        def call(self, x: Any) -> Any:
            return self.block(self.first(x))

    def sequential(*around: Any) -> Any:
        return k.Sequential([*around, k.layers.GRU(2, name="gru"), k.layers.Dense(1, name="dense")], name="chain")

    x = k.Input((4, 3))
    functional = k.Model(
        x, k.layers.Dense(1, name="last")(k.layers.Bidirectional(k.layers.LSTM(2, name="l"), name="b")(x))
    )
    called = sequential()
    called(random(2, 4, 3))
    own = Own(name="own")
    own(random(2, 4, 3))
    stacked = k.layers.RNN([k.layers.LSTMCell(2, name="one"), k.layers.GRUCell(3, name="two")], name="rnn")
    stacked.build((None, 4, 3))
    distributed = k.layers.TimeDistributed(k.layers.Dense(2, name="d"), name="td")
    distributed.build((None, 4, 3))
    nested = k.Sequential([k.Input((4, 3)), sequential(k.Input((4, 3)))], name="outer")
    models = {
        "sequential": sequential(k.Input((4, 3))),
        "called": called,
        "functional": functional,
        "own": own,
        "stacked": stacked,
        "distributed": distributed,
        "nested": nested,
    }
    return {label: [w.path for w in model.weights] for label, model in models.items()}


# ---------------------------------------------------------------- what layers say of themselves


def are_built(k: ModuleType, cases: dict[str, Any]) -> dict[str, Any]:
    """Of each layer: whether it is built when it is made, and what its path is before and after."""
    found = {}
    for label, (name, config, shapes, _) in cases.items():
        layer = getattr(k.layers, name)(**config, name="it")
        before = layer.built
        build(layer, shapes)
        found[label] = [before, layer.built, layer.path]
    return found


def said_of_layers(k: ModuleType) -> dict[str, Any]:
    """Losses, specs, shapes and states that layers give."""

    class Costly(k.layers.Layer):  # type: ignore[name-defined]
        def __init__(self, factor: float = 1.0, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.factor = factor
            self.input_spec = k.layers.InputSpec(min_ndim=2, axes={-1: 3})

        def call(self, x: Any) -> Any:
            self.add_loss(self.factor * k.ops.sum(x))
            self.add_loss([k.ops.sum(x * x), 0.0 * k.ops.sum(x)])
            return x

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

    class Twice(k.layers.Wrapper):  # type: ignore[name-defined]
        def call(self, x: Any) -> Any:
            return self.layer(self.layer(x))

    x = random(2, 3)
    found: dict[str, Any] = {}
    layer = Costly(0.5)
    for _ in range(2):
        layer(x)
        found["losses"] = [plain(loss) for loss in layer.losses]
    model = k.Sequential(
        [Costly(2.0), k.layers.Dense(3, activity_regularizer="l2", kernel_initializer="ones"), Costly()]
    )
    for _ in range(2):
        model(x)
    found["losses of a model"] = [plain(loss) for loss in model.losses]
    for label, wrong in {"axis": random(2, 4), "rank": random(3)}.items():
        try:
            Costly()(wrong)
            found[label] = "taken"
        except ValueError:
            found[label] = "refused"
    try:
        layer.add_metric(1.0)
    except NotImplementedError:
        found["add_metric"] = "refused"
    twice = Twice(k.layers.Dense(3, kernel_initializer="ones", name="inner"), name="twice")
    found["wrapper"] = [plain(twice(x)), len(twice.weights), [w.path for w in twice.weights]]
    try:
        k.layers.Wrapper(3)
    except ValueError:
        found["no layer"] = "refused"
    lstm = k.layers.LSTM(3, return_sequences=True, return_state=True)
    specs = lstm.compute_output_spec(k.Input((4, 2)))
    found["specs"] = [tuple(spec.shape) for spec in specs]
    found["states"] = [list(lstm.state_size), [plain(s) for s in lstm.get_initial_state(batch_size=2)]]
    both = k.layers.Bidirectional(k.layers.GRU(2, use_cudnn=False))
    found["cudnn"] = [both.forward_layer.use_cudnn, both.backward_layer.use_cudnn]
    mixed = k.layers.Dense(2, dtype="mixed_float16")
    found["policy"] = [mixed.dtype_policy.name, str(mixed.compute_dtype)[-7:], str(mixed.variable_dtype)[-7:]]
    specs = [k.layers.InputSpec(ndim=3, axes={1: 2}), k.layers.InputSpec(shape=(None, 4))]
    found["spec"] = [(spec.ndim, spec.axes, spec.shape) for spec in specs]
    return found
