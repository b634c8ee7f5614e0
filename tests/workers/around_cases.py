"""The same code in Keras and in kerastorch: `k` is the framework. What is random is seeded by the case."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

TEXTS = ["The cat sat on the mat.", "A dog, a cat & THE bird", "", "bird\tbird\nbird"]
WORDS = [["The", "cat"], ["mat", "Cat", "cow"]]
SEQUENCES = [[1, 2, 3, 4], [], [5], [6, 7]]
VECTORS = [np.arange(6.0).reshape(2, 3), np.ones((1, 3)), np.zeros((0, 3)), -np.arange(12.0).reshape(4, 3)]
SERIES = np.sin(np.arange(40.0)).reshape(20, 2)
FLOATS = SERIES.astype("float32")
GOALS = np.cos(np.arange(20.0))
WHOLE = np.array([[1, 2, 0], [0, 1, 3]]), np.array([[3, 2, 1], [0, 2, 2]])
CLASSES = np.array([[1, 3], [0, 2]])


def _batches(dataset: Any) -> list[Any]:
    return [list(batch) if isinstance(batch, tuple) else batch for batch in dataset]


def _windows(k: Any, targets: Any = GOALS, **options: Any) -> list[Any]:
    return _batches(k.utils.timeseries_dataset_from_array(SERIES, targets, **options))


def _wrong(name: str, value: Any) -> Callable[[Any], Any]:
    options = {"sequence_length": 3, name: value}
    return lambda k: len(_windows(k, **options))


Cases = dict[str, Callable[[Any], Any]]

CASES: Cases = {
    "pad": lambda k: k.utils.pad_sequences(SEQUENCES),
    "pad post": lambda k: k.preprocessing.sequence.pad_sequences(SEQUENCES, padding="post", value=-1),
    "pad short": lambda k: k.utils.pad_sequences(SEQUENCES, maxlen=2),
    "pad short post": lambda k: k.utils.pad_sequences(SEQUENCES, 2, truncating="post", padding="post"),
    "pad long": lambda k: k.utils.pad_sequences(SEQUENCES, maxlen=6, dtype="float32", value=0.5),
    "pad vectors": lambda k: k.utils.pad_sequences(VECTORS, dtype="float64", value=9.0, maxlen=3),
    "pad texts": lambda k: k.utils.pad_sequences([["a"], ["b", "c"]], dtype=object, value="-").tolist(),
    "pad wrong side": lambda k: k.utils.pad_sequences(SEQUENCES, padding="before"),
    "pad wrong cut": lambda k: k.utils.pad_sequences(SEQUENCES, 2, truncating="before"),
    "pad no list": lambda k: k.utils.pad_sequences([1, 2]),
    "pad generator": lambda k: k.utils.pad_sequences(iter(SEQUENCES)),
    "pad text in numbers": lambda k: k.utils.pad_sequences(SEQUENCES, value="x"),
    "pad other shapes": lambda k: k.utils.pad_sequences([np.ones((2, 3)), np.ones((2, 4))]),
    "classes": lambda k: k.utils.to_categorical([0, 3, 1]),
    "classes given": lambda k: k.utils.to_categorical(np.array([[1], [2]]), num_classes=5),
    "classes matrix": lambda k: k.utils.to_categorical(CLASSES),
    "classes from the end": lambda k: k.utils.to_categorical([-1, 0], 3),
    "classes scalar": lambda k: k.utils.to_categorical(2, 4),
    "classes too large": lambda k: k.utils.to_categorical([0, 3], num_classes=3),
    "classes tensor": lambda k: k.utils.to_categorical(k.ops.convert_to_tensor(CLASSES), 4),
    "normalize": lambda k: k.utils.normalize(SERIES),
    "normalize other norm": lambda k: k.utils.normalize(SERIES, axis=1, order=1),
    "normalize zeros": lambda k: k.utils.normalize(np.zeros((2, 3))),
    "normalize tensor": lambda k: k.utils.normalize(k.ops.convert_to_tensor(SERIES.astype("float32")), axis=0),
    "pack": lambda k: [k.utils.pack_x_y_sample_weight(1), k.utils.pack_x_y_sample_weight([1], [2], [3])],
    "pack list": lambda k: k.utils.pack_x_y_sample_weight([[1.0, 2.0]]),
    "unpack": lambda k: [k.utils.unpack_x_y_sample_weight(item) for item in (1, (1,), (1, 2), (1, 2, 3), [1, 2])],
    "unpack too much": lambda k: k.utils.unpack_x_y_sample_weight((1, 2, 3, 4)),
    "windows": lambda k: _windows(k, sequence_length=4),
    "windows alone": lambda k: _windows(k, None, sequence_length=4, batch_size=7),
    "windows apart": lambda k: _windows(k, sequence_length=3, sequence_stride=2, sampling_rate=3, batch_size=4),
    "windows between": lambda k: _windows(k, sequence_length=3, start_index=4, end_index=15),
    "windows from": lambda k: _windows(k, sequence_length=3, start_index=4),
    "windows one by one": lambda k: _windows(k, sequence_length=17, batch_size=None),
    "windows few goals": lambda k: _windows(k, GOALS[:5], sequence_length=3),
    "windows too long": lambda k: _windows(k, sequence_length=30),
    "windows wrong start": _wrong("start_index", 20),
    "windows wrong end": _wrong("end_index", 20),
    "windows negative end": _wrong("end_index", -3),
    "windows negative start": _wrong("start_index", -3),
    "windows wrong rate": _wrong("sampling_rate", 0),
    "windows large rate": _wrong("sampling_rate", 20),
    "windows wrong stride": _wrong("sequence_stride", -1),
    "windows large stride": _wrong("sequence_stride", 20),
    "merge": lambda k: [
        getattr(k.layers, name)([k.ops.convert_to_tensor(FLOATS[:4]), k.ops.convert_to_tensor(FLOATS[4:8])])
        for name in ("add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate", "dot")
    ],
    "merge options": lambda k: [
        k.layers.concatenate([k.ops.convert_to_tensor(FLOATS), k.ops.convert_to_tensor(FLOATS)], axis=0),
        k.layers.dot([k.ops.convert_to_tensor(FLOATS), k.ops.convert_to_tensor(1 + FLOATS)], 1, normalize=True),
    ],
    "merge in a graph": lambda k: [
        k.Model(ends, getattr(k.layers, name)(ends, name="m")).get_layer("m").output.shape
        for name in ("add", "concatenate", "dot")
        for ends in [[k.layers.Input((3,)), k.Input((3,))]]
    ],
    "random shapes": lambda k: [
        list(k.random.normal((2, 3)).shape),
        list(k.random.categorical(k.ops.convert_to_tensor(SERIES), 5, seed=1).shape),
        list(k.random.shuffle(k.ops.convert_to_tensor(SERIES), seed=2).shape),
        list(k.random.beta((4,), 2.0, 3.0).shape),
    ],
    "seed generator": lambda k: k.random.SeedGenerator.from_config({"seed": 3, "name": "s"}).get_config(),
}


def _own(k: Any, register: bool = True) -> Any:
    """A layer, an activation and a regularizer of one's own, registered or not."""

    def entered(name: str | None = None) -> Any:
        return k.saving.register_keras_serializable("mine", name) if register else lambda thing: thing

    @entered()
    class Twice(k.layers.Layer):
        def __init__(self, factor: float = 2.0, **base: Any) -> None:
            super().__init__(**base)
            self.factor = factor

        def call(self, x: Any) -> Any:
            return x * self.factor

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "factor": self.factor}

    @entered("cubed")
    def cube(x: Any) -> Any:
        return x * x * x

    @entered()
    class Small(k.regularizers.Regularizer):
        def __init__(self, weight: float) -> None:
            self.weight = weight

        def __call__(self, x: Any) -> Any:
            return self.weight * k.ops.sum(x)

        def get_config(self) -> dict[str, Any]:
            return {"weight": self.weight}

    return Twice, cube, Small


def own_model(k: Any) -> Any:
    """A model with the three, registered."""
    twice, cube, small = _own(k)
    layers = [k.layers.TimeDistributed(twice(3.0)), k.layers.Dense(2, activation=cube, kernel_regularizer=small(0.5))]
    return k.Sequential([k.Input((4, 3)), *layers])


def _round_trip(k: Any, scoped: bool) -> list[Any]:
    twice, cube, small = _own(k, not scoped)
    own = {"Twice": twice, "cube": cube, "Small": small}
    layer = k.layers.TimeDistributed(twice(3.0, name="t"))
    dense = k.layers.Dense(2, activation=cube, kernel_regularizer=small(0.5), name="d")
    model = k.Sequential([k.Input((4, 3)), layer, dense])
    with k.saving.custom_object_scope(own if scoped else {}):
        made = [
            k.layers.deserialize(k.layers.serialize(layer)).layer.factor,
            k.layers.Dense.from_config(dense.get_config()).kernel_regularizer.weight,
            k.saving.deserialize_keras_object(k.saving.serialize_keras_object(dense)).units,
            k.models.model_from_json(model.to_json()).layers[0].layer.factor,
            k.models.clone_model(model).layers[1].kernel_regularizer.weight,
        ]
    made += [k.saving.get_registered_object("mine>Twice") is twice, k.saving.get_registered_object("mine>Nothing")]
    made += [sorted(k.saving.get_custom_objects()), k.utils.get_registered_name(cube)]
    k.saving.get_custom_objects().clear()
    return made


def _config(config: Any) -> Any:
    """A config without the place of a class, which is the framework's."""
    if isinstance(config, dict):
        return {
            key: _config(value)
            for key, value in config.items()
            if key not in ("module", "dtype", "quantization_config")
        }
    return [_config(item) for item in config] if isinstance(config, (list, tuple)) else config


def _given(k: Any) -> Any:
    """custom_objects reach what is inside."""
    twice, _, _ = _own(k, False)
    config = k.layers.serialize(k.layers.TimeDistributed(twice(5.0)))
    return k.layers.deserialize(config, custom_objects={"Twice": twice}).layer.factor


def _kernel(k: Any) -> Any:
    dense = k.layers.Dense(2)
    dense.build((None, 20))
    dense.set_weights([FLOATS, np.zeros(2)])
    return dense.kernel


def _of_a_training(k: Any) -> list[Any]:
    rate = k.optimizers.schedules.ExponentialDecay(0.125, 2, 0.5)
    return [
        k.losses.MeanSquaredError(reduction="sum"),
        k.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.25),
        k.metrics.MeanAbsoluteError(name="mine"),
        k.metrics.BinaryAccuracy(threshold=0.25),
        k.optimizers.SGD(0.25, momentum=0.5),
        k.optimizers.Adam(rate, beta_1=0.5),
        rate,
    ]


CASES |= {
    "registered": lambda k: _round_trip(k, False),
    "scoped": lambda k: _round_trip(k, True),
    "given inside": _given,
    "registered configs": lambda k: [
        _config(k.saving.serialize_keras_object(thing))
        for twice, cube, small in [_own(k)]
        for thing in (twice(4.0, name="t"), small(0.5), cube)
    ],
    "register no class": lambda k: k.saving.register_keras_serializable()(type("NoConfig", (), {})),
    "plain objects": lambda k: [
        _config(k.saving.serialize_keras_object(thing))
        for thing in (None, 1, "x", [1, 2.5], {"a": [True]}, b"b", slice(1, None, 2), np.arange(3.0), np.float32(2))
    ],
    "plain objects back": lambda k: [
        k.saving.deserialize_keras_object(k.saving.serialize_keras_object(thing))
        for thing in (None, 1, "x", [1, 2.5], {"a": [True]}, np.arange(3.0), [slice(1, None, 2)][0].stop)
    ],
    "objects back": lambda k: [
        k.saving.deserialize_keras_object(k.saving.serialize_keras_object(thing)).get_config()
        for thing in (k.initializers.RandomNormal(0.5, 2.0, 3), k.regularizers.L1(0.25), k.constraints.MaxNorm(3))
    ],
    "objects of a training": lambda k: [
        [_config(config), _config(k.saving.serialize_keras_object(k.saving.deserialize_keras_object(config)))]
        for thing in _of_a_training(k)
        for config in [k.saving.serialize_keras_object(thing)]
    ],
    "whole numbers in losses": lambda k: [
        k.ops.convert_to_numpy(getattr(k.losses, name)()(WHOLE[0], WHOLE[1]))
        for name in [
            "MeanAbsoluteError",
            "MeanSquaredError",
            "MeanAbsolutePercentageError",
            "MeanSquaredLogarithmicError",
            "Huber",
            "LogCosh",
            "Hinge",
            "SquaredHinge",
            "CategoricalHinge",
            "Poisson",
            "CosineSimilarity",
            "KLDivergence",
        ]
    ],
    "whole numbers in functions of losses": lambda k: [
        k.ops.convert_to_numpy(getattr(k.losses, name)(*WHOLE))
        for name in ("mean_absolute_error", "mean_squared_error")
    ],
    "penalties and limits": lambda k: [
        k.ops.convert_to_numpy(rule(value))
        for rule in (
            *(k.regularizers.L1(0.5), k.regularizers.L2(0.5), k.regularizers.L1L2(0.5, 0.25)),
            *(k.regularizers.OrthogonalRegularizer(0.5), k.constraints.MaxNorm(0.5), k.constraints.UnitNorm()),
            *(k.constraints.NonNeg(), k.constraints.MinMaxNorm(0.5, 0.75, 0.5)),
        )
        for value in (_kernel(k), FLOATS)
    ],
    "deserialize by kind": lambda k: [
        k.initializers.deserialize("ones").get_config(),
        k.regularizers.deserialize({"class_name": "L2", "config": {"l2": 0.5}}).get_config(),
        k.constraints.deserialize("non_neg").get_config(),
        k.activations.deserialize("relu")(k.ops.convert_to_tensor(FLOATS)),
    ],
}


def _tokenizer(k: Any, texts: Any = TEXTS, **options: Any) -> Any:
    tokenizer = k.preprocessing.text.Tokenizer(**options)
    tokenizer.fit_on_texts(texts)
    return tokenizer


def _facts(tokenizer: Any) -> list[Any]:
    facts = [getattr(tokenizer, name) for name in ("word_counts", "word_docs", "word_index", "index_word")]
    # In Keras some are OrderedDict and defaultdict, whose order may hang on a set.
    return [sorted(dict(fact).items()) for fact in [*facts, tokenizer.index_docs]] + [tokenizer.document_count]


def _skipgrams(k: Any, **options: Any) -> Any:
    random.seed(4)
    return k.preprocessing.sequence.skipgrams([1, 2, 0, 3, 4, 5], 9, **options)


def _generator(k: Any, **options: Any) -> list[Any]:
    made = k.preprocessing.sequence.TimeseriesGenerator(SERIES, GOALS, **options)
    return [len(made), *(list(made[index]) for index in range(len(made)))]


_MODES = ("binary", "count", "freq", "tfidf")
# Keras 2's, in tf-keras.
CASES2: Cases = {
    "words": lambda k: [k.preprocessing.text.text_to_word_sequence(text) for text in TEXTS],
    "words options": lambda k: k.preprocessing.text.text_to_word_sequence("A,b;C", filters=";", lower=False, split=","),
    "hashing": lambda k: k.preprocessing.text.hashing_trick(TEXTS[1], 50, "md5"),
    "hashing function": lambda k: k.preprocessing.text.hashing_trick(TEXTS[1], 50, len),
    "hashing analyzer": lambda k: k.preprocessing.text.hashing_trick(TEXTS[1], 50, "md5", analyzer=list),
    "tokenizer": lambda k: _facts(_tokenizer(k)),
    "tokenizer again": lambda k: _facts(_tokenizer(k, [*TEXTS, *WORDS])),
    "tokenizer of words": lambda k: _facts(_tokenizer(k, WORDS)),
    "tokenizer of characters": lambda k: _facts(_tokenizer(k, char_level=True)),
    "tokenizer with capitals": lambda k: _facts(_tokenizer(k, lower=False, filters="", split="t")),
    "tokenizer analyzer": lambda k: _facts(_tokenizer(k, analyzer=str.split)),
    "sequences": lambda k: _tokenizer(k).texts_to_sequences([*TEXTS, "cow cat"]),
    "sequences few": lambda k: _tokenizer(k, num_words=4).texts_to_sequences(TEXTS),
    "sequences unknown": lambda k: _tokenizer(k, num_words=4, oov_token="?").texts_to_sequences([*TEXTS, "cow cat"]),
    "sequences of words": lambda k: _tokenizer(k, oov_token="?").texts_to_sequences(WORDS),
    "texts": lambda k: _tokenizer(k).sequences_to_texts([[1, 2, 99], [3]]),
    "texts unknown": lambda k: _tokenizer(k, num_words=4, oov_token="?").sequences_to_texts([[1, 2, 5, 99], [3], []]),
    "matrix": lambda k: [_tokenizer(k).texts_to_matrix(TEXTS, mode) for mode in _MODES],
    "matrix few": lambda k: [_tokenizer(k, num_words=5).texts_to_matrix(TEXTS, mode) for mode in _MODES],
    "matrix of numbers": lambda k: [
        t.fit_on_sequences(SEQUENCES) or t.sequences_to_matrix(SEQUENCES, mode)
        for t in [k.preprocessing.text.Tokenizer(num_words=9)]
        for mode in _MODES
    ],
    "matrix unknown mode": lambda k: _tokenizer(k).texts_to_matrix(TEXTS, "mean"),
    "matrix without words": lambda k: k.preprocessing.text.Tokenizer().sequences_to_matrix(SEQUENCES),
    "matrix without texts": lambda k: k.preprocessing.text.Tokenizer(9).sequences_to_matrix(SEQUENCES, "tfidf"),
    "config": lambda k: {
        key: value
        for key, value in _tokenizer(k, num_words=7, oov_token="?").get_config().items()
        if key not in ("word_docs", "index_docs")  # in Keras in the order of a set
    },
    "json": lambda k: _facts(k.preprocessing.text.tokenizer_from_json(_tokenizer(k, oov_token="?").to_json())),
    "sampling": lambda k: k.preprocessing.sequence.make_sampling_table(12, 0.01),
    "skipgrams": lambda k: _skipgrams(k, seed=3),
    "skipgrams in order": lambda k: _skipgrams(k, window_size=1, negative_samples=2.0, shuffle=False, categorical=True),
    "skipgrams sampled": lambda k: _skipgrams(k, sampling_table=np.linspace(0, 1, 9), negative_samples=0, seed=3),
    "generator": lambda k: _generator(k, length=4),
    "generator apart": lambda k: _generator(k, length=6, sampling_rate=2, stride=3, batch_size=2, reverse=True),
    "generator between": lambda k: _generator(k, length=3, start_index=5, end_index=12, batch_size=3),
    "generator wrong": lambda k: _generator(k, length=30),
    "ordinal": lambda k: k.utils.to_ordinal(CLASSES),
    "classes": lambda k: k.utils.to_categorical([0, 3, 1], dtype="float32"),
    "pad": lambda k: k.preprocessing.sequence.pad_sequences(SEQUENCES, maxlen=3, padding="post"),
    "clone": lambda k: (
        k.models.clone_model(k.models.Sequential([k.layers.Input((3,)), k.layers.Dense(2)])).output_shape
    ),
    "model from config": lambda k: (
        k.models.model_from_config(
            {
                "class_name": "Sequential",
                "config": k.models.Sequential([k.layers.Input((3, 2)), k.layers.LSTM(2)]).get_config(),
            }
        ).output_shape
    ),
    "model from json": lambda k: (
        k.models.model_from_json(k.models.Sequential([k.layers.Input((3, 2)), k.layers.LSTM(2)]).to_json()).output_shape
    ),
}
