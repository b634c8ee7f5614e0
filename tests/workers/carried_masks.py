"""Layers called by hand on tensors that masks hang on: the same code with Keras or kerastorch as `k`."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import numpy as np

B, T, F = 2, 4, 3
IDS = np.array([[1, 2, 0, 0], [3, 0, 2, 1]])
STEPS = np.array([[True, True, False, False], [False, True, False, True], [True, False, True, True]])


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def padded() -> np.ndarray:
    x = random(B, T, F, seed=1)
    x[0, 2:], x[1, 1] = 0, 0
    return x


def filled(layer: Any) -> Any:
    """The layer with random distinct weights."""
    rng = np.random.default_rng(5)
    layer.set_weights([0.1 + rng.uniform(0.1, 0.7, w.shape).astype(w.dtype) for w in layer.get_weights()])
    return layer


def tensor(k: ModuleType, values: np.ndarray) -> Any:
    if k.__name__ != "kerastorch":
        import tensorflow as tf  # the backend of both Kerases here

        return tf.convert_to_tensor(values)
    import torch  # only here: it shares no process with TensorFlow

    return torch.from_numpy(values)


def tree(function: Any, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [tree(function, item) for item in value]
    if isinstance(value, dict):
        return {key: tree(function, value[key]) for key in sorted(value)}
    return function(value)


def array(value: Any) -> Any:
    if value is None:
        return None
    value = value.detach() if hasattr(value, "detach") else value
    return np.asarray(value)


def shown(value: Any) -> Any:
    """The values of tensors, and the masks that hang on them."""
    return {"values": tree(array, value), "masks": tree(lambda leaf: array(getattr(leaf, "_keras_mask", None)), value)}


def own_layers(k: ModuleType) -> dict[str, Any]:
    class Marked(k.layers.Layer):  # type: ignore[name-defined]
        """Makes a mask of the first two axes."""

        def call(self, x: Any) -> Any:
            return x * 1.0

        def compute_mask(self, x: Any, mask: Any = None) -> Any:
            return tensor(k, STEPS[: x.shape[0], np.arange(x.shape[1]) % T])

    class Plain(k.layers.Layer):  # type: ignore[name-defined]
        def call(self, x: Any) -> Any:
            return x * 2.0

    class Same(k.layers.Layer):  # type: ignore[name-defined]
        def call(self, x: Any) -> Any:
            return x

    class Supporting(Plain):
        def __init__(self) -> None:
            super().__init__()
            self.supports_masking = True

    class Using(k.layers.Layer):  # type: ignore[name-defined]
        def call(self, x: Any, mask: Any = None) -> Any:
            return x * 2.0 if mask is None else x * 3.0

    class UsingOfTwo(k.layers.Layer):  # type: ignore[name-defined]
        def call(self, x: Any, y: Any, mask: Any = None) -> Any:
            return x + y if mask is None else x * 3.0 + y

    class UsingEach(k.layers.Layer):  # type: ignore[name-defined]
        def call(self, x: Any, y: Any, x_mask: Any = None, y_mask: Any = None) -> Any:
            return x * (2.0 if x_mask is None else 3.0) + y * (5.0 if y_mask is None else 7.0)

    class UsingList(k.layers.Layer):  # type: ignore[name-defined]
        def call(self, inputs: Any, mask: Any = None) -> Any:
            factors = [1.0 if mask is None or item is None else 3.0 for item in mask or [None] * len(inputs)]
            return inputs[0] * factors[0] + 2.0 * inputs[1] * factors[1]

    class Changing(k.layers.Layer):  # type: ignore[name-defined]
        """Hands on the mask without its first step."""

        def call(self, x: Any) -> Any:
            return x[:, 1:]

        def compute_mask(self, x: Any, mask: Any = None) -> Any:
            return None if mask is None else mask[:, 1:]

    class Pair(k.layers.Layer):  # type: ignore[name-defined]
        def call(self, x: Any) -> Any:
            return x * 2.0, x * 3.0

        def compute_mask(self, x: Any, mask: Any = None) -> Any:
            return [None, mask]

    class Table(k.layers.Layer):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.supports_masking = True

        def call(self, x: Any) -> Any:
            return {"b": x * 2.0, "a": x * 3.0}

    return {name: value for name, value in locals().items() if name != "k"}


def through_layers(k: ModuleType, cases: dict[str, tuple[str, dict[str, Any], Any]]) -> dict[str, Any]:
    """What each layer makes of masked tensors, called by hand."""
    marked = own_layers(k)["Marked"]()
    found: dict[str, Any] = {}
    for label, (name, config, shapes) in cases.items():
        several = isinstance(shapes[0], (tuple, list))
        inputs = [marked(random(*shape, seed=3 + i)) for i, shape in enumerate(shapes if several else [shapes])]
        apart = name in ("MultiHeadAttention", "GroupQueryAttention")
        for which in ["all", *(["first", "last"] if several else [])]:
            given = [x * 1.0 if which not in ("all", ["first", "last"][i > 0]) else x for i, x in enumerate(inputs)]
            if apart:  # which takes the masks off
                given = [marked(x) if hasattr(x, "_keras_mask") else x for x in given]
            args = given if apart else [given if several else given[0]]
            layer = getattr(k.layers, name)(**config)
            if name in ("Bidirectional", "TimeDistributed", "RNN"):
                raise AssertionError(f"{name} is in `chains`")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    layer(*args, training=False)
                    if apart:
                        args = [
                            marked(x) if i < len(inputs) and which in ("all", ["first", "last"][i > 0]) else x
                            for i, x in enumerate(args)
                        ]
                    found[f"{label}, {which}"] = shown(filled(layer)(*args, training=False))
                except Exception as error:  # noqa: BLE001 - the kind of it is the result
                    found[f"{label}, {which}"] = f"raises {type(error).__name__}"
        if not several and not apart:
            x = inputs[0] * 1.0
            mask = tensor(k, STEPS[: x.shape[0], np.arange(x.shape[1]) % T])
            found[f"{label}, asked"] = [tree(array, layer.compute_mask(x, its)) for its in (mask, None)]
    return found


def chains(k: ModuleType) -> dict[str, Any]:
    """Pieces of people's code, each with what it gives."""
    lay, own = k.layers, own_layers(k)
    found: dict[str, Any] = {}

    def note(label: str, value: Any) -> None:
        assert label not in found
        found[label] = shown(value)

    def made(layer: Any, *args: Any, **kwargs: Any) -> Any:
        """The layer, built by this call, with weights."""
        layer(*args, training=False, **kwargs)
        return filled(layer)

    def words() -> Any:
        return embedding(IDS)

    embedding = made(lay.Embedding(5, F, mask_zero=True), IDS)
    masking = lay.Masking()
    lstm = made(lay.LSTM(F, return_sequences=True), padded())
    states = [tensor(k, random(B, F, seed=s)) for s in (7, 8)]
    other = STEPS[:B]
    sources = {
        "Embedding": words,
        "Masking": lambda: masking(padded()),
        "own": lambda: own["Marked"]()(padded()),
        "named": lambda: lstm(padded(), mask=tensor(k, other)),
    }
    users = {
        "LSTM": lambda: lstm,
        "GRU": lambda: made(lay.GRU(3, return_sequences=True, return_state=True), padded()),
        "SimpleRNN backwards": lambda: made(lay.SimpleRNN(3, go_backwards=True), padded()),
        "RNN": lambda: made(lay.RNN(lay.LSTMCell(3), return_sequences=True), padded()),
        "RNN of several": lambda: made(lay.RNN([lay.GRUCell(3), lay.LSTMCell(2)]), padded()),
        "Bidirectional": lambda: made(lay.Bidirectional(lay.LSTM(2, return_sequences=True)), padded()),
        "Bidirectional, ave": lambda: made(lay.Bidirectional(lay.GRU(2), merge_mode="ave"), padded()),
        "TimeDistributed": lambda: made(lay.TimeDistributed(lay.Dense(2)), padded()),
        "GlobalAveragePooling1D": lambda: lay.GlobalAveragePooling1D(),
        "Dense": lambda: made(lay.Dense(3), padded()),
        **{name: (lambda name=name: own[name]()) for name in own if not name.startswith(("Using", "Marked"))},
        "Using": lambda: own["Using"](),
        "Lambda": lambda: lay.Lambda(lambda x: x * 2.0),
        "Lambda with a mask": lambda: lay.Lambda(lambda x: x * 2.0, mask=lambda x, mask: mask),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for first, source in sources.items():
            for second, user in users.items():
                note(f"{first} -> {second}", user()(source(), training=False))
        # Arguments of a call.
        steps = tensor(k, other)
        note("a mask that is named", lstm(words(), mask=steps))
        note("None that is named", lstm(words(), mask=None))
        note("with states", lstm(words(), initial_state=states))
        note("with states and a mask", lstm(words(), initial_state=states, mask=steps))
        both = made(lay.Bidirectional(lay.LSTM(F, return_sequences=True)), padded())
        note("both directions with states", both(words(), initial_state=[*states, *states]))
        note("two tensors and one mask", own["UsingOfTwo"]()(words(), words()))
        note("two tensors, a mask for each", own["UsingEach"]()(words(), padded()))
        note("two tensors, a mask for the other", own["UsingEach"]()(padded(), y=words()))
        note("a list", own["UsingList"]()([words(), masking(padded())]))
        note("a list, one without", own["UsingList"]()([words(), tensor(k, padded())]))
        # What plain operations do.
        note("plus", words() + 1.0)
        note("a slice", words()[:, :2])
        note("a residual", lstm(words() + lstm(words())))
        note("Add of both", lay.Add()([words(), lstm(words())]))
        heads = made(lay.MultiHeadAttention(2, 3), padded(), padded())
        x = words()
        attended = heads(x, x)
        note("attention", attended)
        note("the query afterwards", x)
        note("Add behind attention", lay.Add()([x, attended]))
        note("attention to others", heads(words(), masking(padded()), masking(padded())))
        # Keras's scores carry the mask of the softmax inside, of another shape; ours carry none.
        note("attention with scores", heads(words(), words(), return_attention_scores=True)[0])

        # Models.
        class Whole(k.Model):  # type: ignore[name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.masking, self.lstm = masking, lstm

            def call(self, x: Any) -> Any:
                return self.lstm(self.masking(x))

        class Block(k.Model):  # type: ignore[name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.inner = lstm

            def call(self, x: Any) -> Any:
                return self.inner(x)

        class Nested(k.layers.Layer):  # type: ignore[name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.block = Block()

            def call(self, x: Any) -> Any:
                return self.block(x) * 2.0

        class Pooled(k.Model):  # type: ignore[name-defined]
            def call(self, x: Any) -> Any:
                return x[:, 0]

        class Telling(k.Model):  # type: ignore[name-defined]
            def call(self, x: Any, factor: float = 1.0, training: Any = None) -> Any:
                return lstm(x) * factor

        class Masked(k.Model):  # type: ignore[name-defined]
            def call(self, x: Any, mask: Any = None) -> Any:
                return lstm(x * 1.0, mask=mask)

        note("a model of one's own", Whole()(padded()))
        note("its block on a masked tensor", Block()(words()))
        note("a block in a layer", Nested()(words()))
        note("a model that takes masks", Masked()(words()))
        note("a model with an argument of its own", Telling()(words(), factor=3.0))
        note("a model that drops steps", Pooled()(words()))
        inputs = k.Input((T,), dtype="int32")
        note("a block in a graph", k.Model(inputs, Block()(embedding(inputs)))(IDS))
        note("a layer in a graph", k.Model(inputs, lstm(Nested()(embedding(inputs))))(IDS))
        note("pooling in a graph", k.Model(inputs, Pooled()(embedding(inputs)))(IDS))
        note("a block in a Sequential", k.Sequential([embedding, Block(), lay.Dropout(0.5)])(IDS, training=False))
        note("a layer behind a block", k.Sequential([embedding, Block(), lstm])(IDS))
        values = k.Input((T, F))
        graph, chain = k.Model(values, lstm(values)), k.Sequential([lstm, lay.Dropout(0.5)])
        note("a graph on a masked tensor", graph(words()))
        note("a Sequential on a masked tensor", chain(words(), training=False))
        note("a graph that ends in a mask", lstm(k.Model(inputs, embedding(inputs))(IDS)))
        note("a graph that is given a mask", graph(words(), mask=steps))
        note(
            "a graph of two inputs",
            k.Model([values, inputs], [lstm(values), embedding(inputs)])([words(), tensor(k, IDS)]),
        )
        note("in a graph around", k.Model(inputs, graph(embedding(inputs)))(IDS))
        note("a Lambda that calls a layer", lay.Lambda(lambda x: lstm(x))(words()))
        note("a Lambda in a Sequential", k.Sequential([embedding, lay.Lambda(lambda x: lstm(x) * 1.0)])(IDS))
        note("predicted", [np.asarray(k.Sequential([embedding, Block()]).predict(IDS, verbose=0))])
    return found


def states_beside_a_mask(k: ModuleType) -> dict[str, np.ndarray]:
    """An LSTM with states on an input that has a mask; with the mask named; and on an input that has none."""
    words, lstm = k.layers.Embedding(5, F, mask_zero=True), k.layers.LSTM(F)
    x = words(IDS)
    lstm(x)
    filled(words), filled(lstm)
    x, states = words(IDS), [tensor(k, random(B, F, seed=s)) for s in (7, 8)]
    found = {
        "by hand": lstm(x, initial_state=states),
        "named": lstm(x, initial_state=states, mask=tensor(k, IDS != 0)),
        "none": lstm(x * 1.0, initial_state=states),
    }
    return {label: array(value) for label, value in found.items()}


def plain_operations(k: ModuleType) -> dict[str, bool]:
    """Whether a mask is there behind some operations."""
    x = k.layers.Embedding(5, F, mask_zero=True)(IDS)
    results = {"itself": x, "a layer": k.layers.Dense(2)(x), "plus": x + 1.0, "a slice": x[:, :2], "times": x * x}
    return {label: getattr(value, "_keras_mask", None) is not None for label, value in results.items()}


def of_a_fresh_model(k: ModuleType) -> list[np.ndarray]:
    """What a model that was just made gives where it is called, and where it predicts: dropout or none."""
    model = k.Sequential([k.Input((100,)), k.layers.Dropout(0.5)])
    x = np.ones((2, 100), "float32")
    return [array(model(tensor(k, x))), np.asarray(model.predict(x, verbose=0))]


def models_at_every_step(k: ModuleType) -> dict[str, Any]:
    """What a TimeDistributed of Keras 2 says of the masks of a model inside it, and the model of their mask."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, 4, 5, 2)).astype("float32")
    x[0, 1, 3:] = x[2, 0, :2] = 0
    mask = rng.random(x.shape[:3]) < 0.6
    mask[..., 0] = True
    old = {"keras2_masks": True} if k.__name__ == "kerastorch" else {}
    inside = {
        "masking": [k.layers.Masking()],
        "states": [k.layers.LSTM(3)],
        "sequences": [k.layers.LSTM(3, return_sequences=True)],
        "masking, sequences": [k.layers.Masking(), k.layers.GRU(3, return_sequences=True)],
        "dense": [k.layers.Dense(3)],
    }
    found: dict[str, Any] = {}
    for name, layers in inside.items():
        for depth in (1, 2):
            model = k.Sequential([k.Input((5, 2)), *layers])
            model = model if depth == 1 else k.Sequential([k.Input((5, 2)), model])
            layer = filled_after(k.layers.TimeDistributed(model, **old), tensor(k, x))
            for label, its in (("mask", tensor(k, mask)), ("none", None)):
                asked = layer.compute_mask(tensor(k, x), its)
                found[f"{name}, {depth}, {label}"] = [array(layer(tensor(k, x), mask=its)), array(asked)]
    return found


def filled_after(layer: Any, x: Any) -> Any:
    """A layer with random weights that a call makes."""
    layer(x)
    return filled(layer)
