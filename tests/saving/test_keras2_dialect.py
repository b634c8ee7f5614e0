"""What tf-keras would compute otherwise: each refusal and each key of its dialect, without a Keras."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from _close import apart, assert_close

import kerastorch as kt
from kerastorch import layers as L
from kerastorch.errors import SaveError

from ._cases import outputs_of, randomize

NEW = "hard_sigmoid"


def written(model: kt.Model, path: Path, dialect: str = "keras2") -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The config of each layer in the file by its name, and the report."""
    report = kt.save_model(model, path, dialect=dialect)  # type: ignore[arg-type]
    with zipfile.ZipFile(path) as file:
        config = json.loads(file.read("config.json"))
    return {item["config"]["name"]: item["config"] for item in config["config"]["layers"]}, [
        f"{rule.layer}: {rule.text}" for rule in report.rules
    ]


def words(name: str) -> tuple[Any, Any]:
    x = kt.Input((6,), name=name)
    return x, L.Embedding(9, 4, mask_zero=True, name=f"embed_{name}")(x)


def masked(layer: L.Layer, shape: tuple[int, ...] = (6, 4)) -> kt.Model:
    return kt.Sequential([kt.Input(shape), L.Masking(name="masks"), layer])


def merged(make: Callable[[], L.Layer], same: bool = True, used: bool = True) -> kt.Model:
    (a, left), (b, right) = words("a"), words("b")
    out = make()([left, L.Dropout(0.1, name="drop")(left) if same else right])
    inputs = [a] if same else [a, b]
    return kt.Model(inputs, L.LSTM(3, name="user")(out) if used else L.Flatten(name="user")(out))


def scores(layer: L.Layer) -> kt.Model:
    """A mask `(B, 4)` on values `(B, 4, 4)`."""
    return masked(layer, (4, 4))


def softmax_of_keras2() -> kt.Model:
    return masked(L.Softmax(keras2_masks=True, name="it"))


REFUSED: dict[str, tuple[Callable[[], kt.Model], str]] = {
    **{
        name: (
            lambda name=name: merged(lambda: getattr(L, name)(name="it")),
            f"{name} 'it': a mask arrives, and tf-keras {verb} masked steps like all others, Keras 3 leaves them out; "
            "take the mask off before the layer.",
        )
        for name, verb in (("Multiply", "multiplies"), ("Maximum", "compares"), ("Minimum", "compares"))
    },
    "GroupNormalization": (
        lambda: masked(L.GroupNormalization(2, name="it")),
        "GroupNormalization 'it': a mask arrives, and tf-keras leaves masked places out of the statistics, Keras 3 "
        "counts them; take the mask off before the layer.",
    ),
    **{
        name: (
            lambda name=name: merged(lambda: getattr(L, name)(name="it"), same=False),
            f"{name} 'it': its inputs have different masks. tf-keras counts a step that counts in all of them, Keras 3 "
            "one that counts in any; give both inputs the same mask.",
        )
        for name in ("Add", "Subtract", "Average", "Concatenate")
    },
    "Softmax": (
        softmax_of_keras2,
        "Softmax 'it': a mask arrives that the layer does not use, and tf-keras would; take it off before.",
    ),
    "no such layer": (
        lambda: kt.Sequential([kt.Input((6, 4)), L.RMSNormalization(name="it")]),
        "RMSNormalization 'it': tf-keras has no RMSNormalization: dialect=\"keras3\", or save the weights.",
    ),
    "no such function": (
        lambda: kt.Sequential([kt.Input((6, 4)), L.LSTM(2, recurrent_activation="hard_silu", name="it")]),
        "LSTM 'it': tf-keras has no function hard_silu for its recurrent_activation: dialect=\"keras3\".",
    ),
    **{
        f"no argument {key}": (
            lambda key=key, value=value: kt.Model(
                x := kt.Input((6, 4)), L.MultiHeadAttention(2, 3, name="it", **{key: value})(x, x)
            ),
            f"MultiHeadAttention 'it': tf-keras has no argument {key} for it: dialect=\"keras3\".",
        )
        for key, value in (("use_gate", True), ("sliding_window", 2))
    },
    "ZeroPadding1D": (
        lambda: kt.Sequential([kt.Input((6, 4)), L.ZeroPadding1D(1, data_format="channels_first", name="it")]),
        "ZeroPadding1D 'it': tf-keras pads the first axis behind the batch alone; put the channels last.",
    ),
    "Conv2DTranspose": (
        lambda: kt.Sequential([kt.Input((6, 6, 2)), L.Conv2DTranspose(2, 2, dilation_rate=(1, 2), name="it")]),
        "Conv2DTranspose 'it': dilation_rate=(1, 2): tf-keras takes one dilation rate for all axes.",
    ),
    "Conv3DTranspose": (
        lambda: kt.Sequential([kt.Input((4, 4, 4, 2)), L.Conv3DTranspose(2, 2, dilation_rate=2, name="it")]),
        "Conv3DTranspose 'it': dilation_rate=(2, 2, 2): tf-keras takes dilation rates and does not use them.",
    ),
    "activation on no linear layer": (
        lambda: kt.Sequential([kt.Input((6, 4)), L.LSTM(2, activation=NEW, name="it")]),
        "LSTM 'it': activation is relu6(x + 3) / 6, the hard_sigmoid of Keras 3, which Keras 2 does not have, and here "
        "no weight can be scaled instead.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(tmp_path: Path, name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(SaveError) as caught:
        kt.save_model(make(), tmp_path / "m.keras", dialect="keras2")
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


# What stands beside a refusal: the same layer where the two Kerases agree.
TAKEN: dict[str, tuple[Callable[[], kt.Model], tuple[str, ...]]] = {
    **{
        f"{name} without masks": (
            lambda name=name: kt.Model(x := kt.Input((6, 4)), getattr(L, name)(name="it")([x, L.ReLU(name="r")(x)])),
            (),
        )
        for name in ("Multiply", "Maximum", "Minimum")
    },
    **{
        f"{name} as tf-keras": (lambda name=name: merged(lambda: getattr(L, name)(keras2_masks=True, name="it")), ())
        for name in ("Multiply", "Maximum", "Minimum")
    },
    **{
        f"{name} of one mask": (lambda name=name: merged(lambda: getattr(L, name)(name="it")), ())
        for name in ("Add", "Subtract", "Average", "Concatenate")
    },
    **{
        f"{name} of masks that nobody uses": (
            lambda name=name: merged(lambda: getattr(L, name)(name="it"), same=False, used=False),
            (),
        )
        for name in ("Add", "Subtract", "Average", "Concatenate")
    },
    "GroupNormalization as tf-keras": (
        lambda: kt.Sequential([kt.Input((6, 4)), L.GroupNormalization(2, keras2_masks=True, name="it")]),
        (),
    ),
    "Softmax": (
        lambda: scores(L.Softmax(axis=1, name="it")),
        ("it: where all values are masked, the outputs of tf-keras are not 0",),
    ),
    "Softmax as tf-keras": (lambda: scores(L.Softmax(axis=1, robust_masking=True, name="it")), ()),
    "Softmax without a mask": (lambda: kt.Sequential([kt.Input((6,)), L.Softmax(keras2_masks=True, name="it")]), ()),
    "UnitNormalization": (
        lambda: kt.Sequential([kt.Input((6, 4)), L.UnitNormalization(name="it")]),
        ("it: vectors shorter than 1e-6 come out shorter in tf-keras",),
    ),
    "UnitNormalization as tf-keras": (
        lambda: kt.Sequential([kt.Input((6, 4)), L.UnitNormalization(least_norm=1e-6, name="it")]),
        (),
    ),
    "seed": (
        lambda: kt.Sequential([kt.Input((6, 4)), L.LSTM(2, dropout=0.1, seed=7, name="it")]),
        ("it: its seed is left out: tf-keras takes none",),
    ),
    "seed that it takes": (lambda: kt.Sequential([kt.Input((6, 4)), L.Dropout(0.1, seed=7, name="it")]), ()),
    "AdditiveAttention": (
        lambda: kt.Model(x := kt.Input((6, 4)), L.AdditiveAttention(name="it")([x, L.ReLU(name="r")(x)])),
        (),
    ),
    "Conv2DTranspose": (
        lambda: kt.Sequential([kt.Input((6, 6, 2)), L.Conv2DTranspose(2, 2, dilation_rate=2, name="it")]),
        (),
    ),
    "Conv3DTranspose": (lambda: kt.Sequential([kt.Input((4, 4, 4, 2)), L.Conv3DTranspose(2, 2, name="it")]), ()),
}
ONLY_OURS = {"keras2_masks", "least_norm", "many_batch_axes", "implicit_masks", "softmax_robust_masking", "causal"}
ONLY_OURS |= {"use_gate", "sliding_window", "flash_attention"}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_written_beside(tmp_path: Path, rng: np.random.Generator, name: str) -> None:
    make, texts = TAKEN[name]
    model = make().eval()
    randomize(model, rng)
    configs, report = written(model, tmp_path / "m.keras")
    assert report == list(texts)
    assert not ONLY_OURS & configs["it"].keys()
    assert configs["it"].get("seed") == (7 if name == "seed that it takes" else None)
    assert "robust_masking" not in configs["it"] or configs["it"]["robust_masking"] is not False
    inputs = [rng.integers(1, 9, (4, *shape[1:])).astype("float32") for shape in shapes_of(model)]
    back = kt.load_model(tmp_path / "m.keras")
    for mine, theirs in zip(outputs_of(model, inputs), outputs_of(back, inputs), strict=True):
        np.testing.assert_array_equal(mine, theirs)  # the same layers with the same arrays


def shapes_of(model: kt.Model) -> list[Any]:
    shape: Any = model.input_shape
    return shape if isinstance(shape, list) else [shape]


# ---------------------------------------------------------------- masks


def test_zeros_for_masked_steps_of_a_convolution(tmp_path: Path) -> None:
    def model(masks: bool, **options: Any) -> kt.Model:
        x = kt.Input((4, 5, 2), name="x")
        layer = L.ConvLSTM1D(2, 2, return_sequences=True, name="it", **options)
        steps = kt.Input((4, 3), name="steps")
        if not masks:
            return kt.Model(x, layer(x))
        embedded = L.TimeDistributed(L.Reshape((3, 1)), name="each")(L.Masking(name="masks")(steps))
        return kt.Model(steps, layer(embedded))

    with pytest.raises(SaveError) as caught:
        kt.save_model(model(True, zero_output_for_mask=True), tmp_path / "m.keras", dialect="keras2")
    assert str(caught.value) == (
        "ConvLSTM1D 'it': a mask arrives, and tf-keras would not set the masked steps of the output to zero."
    )
    for masks, options in (
        (True, {}),
        (True, {"zero_output_for_mask": True, "keras2_masks": True}),
        (False, {"zero_output_for_mask": True}),
    ):
        configs, texts = written(model(masks, **options), tmp_path / "m.keras")
        assert texts == []
        assert not {"zero_output_for_mask", "keras2_masks"} & configs["it"].keys()


def test_zeros_for_masked_steps_of_a_dense_recurrent_layer(tmp_path: Path) -> None:
    """tf-keras computes them as Keras 3, and the key is written where it says something."""
    for value in (False, True):
        model = masked(L.GRU(2, return_sequences=True, zero_output_for_mask=value, name="it"))
        configs, texts = written(model, tmp_path / "m.keras")
        assert texts == []
        assert configs["it"].get("zero_output_for_mask", False) is value


def test_an_attention_that_may_look_at_nothing(tmp_path: Path) -> None:
    def model(**options: Any) -> kt.Model:
        x, y = words("a")
        return kt.Model(x, L.MultiHeadAttention(2, 3, name="it", **options)(y, y))

    configs, texts = written(model(), tmp_path / "m.keras")
    assert texts == ["it: a query that may look at no key at all gets the mean of the values in tf-keras"]
    shapes = {key: configs["it"][f"{key}_shape"] for key in ("query", "key", "value")}
    assert shapes == {key: [None, 6, 4] for key in shapes}
    assert not ONLY_OURS & configs["it"].keys()
    assert written(model(keras2_masks=True), tmp_path / "m.keras")[1] == []


def test_an_identity_where_the_mask_goes_on(tmp_path: Path) -> None:
    def model(last: L.Layer, **options: Any) -> kt.Model:
        return kt.Sequential([kt.Input((6, 4)), L.Masking(), L.Identity(name="it", **options), last])

    report = kt.save_model(model(L.LSTM(2)), tmp_path / "m.keras", dialect="keras2")
    assert [str(rule.text) for rule in report.rules] == [
        "Identity, at which the mask ends in tf-keras, is written as Activation('linear')"
    ]
    back = kt.load_model(tmp_path / "m.keras").get_layer("it")
    assert isinstance(back, L.Activation)
    assert back.get_config()["activation"] == "linear"
    for same in (model(L.Flatten()), model(L.LSTM(2), keras2_masks=True)):
        assert kt.save_model(same, tmp_path / "m.keras", dialect="keras2").rules == ()
        assert isinstance(kt.load_model(tmp_path / "m.keras").get_layer("it"), L.Identity)


# ---------------------------------------------------------------- a fused BatchNormalization


@pytest.mark.parametrize(
    ("shape", "options", "fused", "text"),
    [
        ((5, 5, 3), {}, False, True),
        ((5, 5, 3), {"fused": True}, None, False),
        ((5, 3), {}, None, False),
        ((5, 3), {"fused": True}, None, False),
    ],
)
def test_the_least_epsilon_of_the_fused_kernel(
    tmp_path: Path, rng: np.random.Generator, shape: tuple[int, ...], options: dict[str, Any], fused: Any, text: bool
) -> None:
    model = kt.Sequential([kt.Input(shape), L.BatchNormalization(epsilon=1e-7, name="it", **options)]).eval()
    randomize(model, rng)
    variance = next(variable for variable in model.variables if variable.name == "moving_variance")
    variance.assign(torch.tensor([1e-6, 2e-6, 3e-6]))  # so small that the epsilon decides
    configs, texts = written(model, tmp_path / "m.keras")
    assert configs["it"].get("fused") is fused
    assert configs["it"]["epsilon"] == 1e-7
    wanted = "it: fused=False: TensorFlow's kernel has another least epsilon and another running variance"
    assert texts == ([wanted] if text else [])
    data = [rng.normal(size=(2, *shape)).astype("float32")]
    (mine,), (theirs,) = outputs_of(model, data), outputs_of(kt.load_model(tmp_path / "m.keras"), data)
    np.testing.assert_array_equal(mine, theirs)
    other = kt.Sequential([kt.Input(shape), L.BatchNormalization(epsilon=1.001e-5)]).eval()
    other.set_weights(model.get_weights())
    # Where the kernel applies, its own epsilon; elsewhere the one that is stated.
    assert (apart(mine, outputs_of(other, data)[0]) is None) == (len(shape) == 3 and bool(options))


# ---------------------------------------------------------------- the two hard_sigmoids

LINEAR: dict[str, tuple[Callable[[str], L.Layer], tuple[int, ...]]] = {
    "Dense": (lambda name: L.Dense(4, activation=name, name="it"), (3,)),
    "SimpleRNN": (lambda name: L.SimpleRNN(4, activation=name, name="it"), (5, 3)),
    "Conv1D": (lambda name: L.Conv1D(4, 2, activation=name, name="it"), (5, 3)),
    "SeparableConv1D": (lambda name: L.SeparableConv1D(4, 2, activation=name, name="it"), (5, 3)),
    "LSTM": (lambda name: L.LSTM(4, recurrent_activation=name, name="it"), (5, 3)),
    "GRU": (lambda name: L.GRU(4, activation=name, name="it"), (5, 3)),
    "Activation": (lambda name: L.Activation(name, name="it"), (3,)),
}


@pytest.mark.parametrize("dialect", ["keras2", "keras3"])
@pytest.mark.parametrize("name", LINEAR)
def test_one_hard_sigmoid_for_the_other(tmp_path: Path, rng: np.random.Generator, name: str, dialect: str) -> None:
    make, shape = LINEAR[name]
    model = kt.Sequential([kt.Input(shape), make(NEW if dialect == "keras2" else "hard_sigmoid_keras2")]).eval()
    randomize(model, rng)
    _, texts = written(model, tmp_path / "m.keras", dialect)
    size = "0.8333" if dialect == "keras2" else "1.2"
    assert len(texts) == 1
    part = "columns of its gates" if name in ("LSTM", "GRU") else "weights"
    end = f"of {size} x" if name == "Activation" else f"of {size} x, so the {part} are {size} times as large"
    assert texts[0].endswith(end)
    data = [(3 * rng.normal(size=(8, *shape))).astype("float32")]  # some beyond the flat ends
    (mine,), (theirs,) = outputs_of(model, data), outputs_of(kt.load_model(tmp_path / "m.keras"), data)
    # Every weight is rounded once more: a few roundings of float32 of sums of 7 products at most.
    assert_close(torch.as_tensor(theirs), torch.as_tensor(mine))


@pytest.mark.parametrize(("dialect", "slope"), [("keras2", "alpha"), ("keras3", "negative_slope")])
def test_a_layer_as_an_activation_is_written_in_the_words_of_its_keras(dialect: str, slope: str) -> None:
    for layer in (L.Dense(2, activation=L.LeakyReLU(0.2, name="a"), name="it"), L.Activation(L.LeakyReLU(0.2))):
        model = kt.Sequential([kt.Input((3,)), layer])
        config = json.loads(kt.to_json(model, dialect=dialect))["config"]["layers"][-1]["config"]["activation"]  # type: ignore[arg-type]
        assert (config["class_name"], config["config"]) == ("LeakyReLU", {slope: 0.2})


# ---------------------------------------------------------------- where the file puts things


def test_one_input_and_one_output_stand_in_a_list() -> None:
    x, y = kt.Input((3,), name="x"), kt.Input((3,), name="y")
    one = json.loads(kt.to_json(kt.Model(x, L.Dense(2, name="d")(x)), dialect="keras2"))["config"]
    assert (one["input_layers"], one["output_layers"]) == ([["x", 0, 0]], [["d", 0, 0]])
    both = L.Add(name="sum")([x, y])
    two = json.loads(kt.to_json(kt.Model([x, y], [both, L.ReLU(name="r")(both)]), dialect="keras2"))["config"]
    assert two["input_layers"] == [["x", 0, 0], ["y", 0, 0]]
    assert two["output_layers"] == [["sum", 0, 0], ["r", 0, 0]]


class Shared(L.Layer):
    """Its attributes come in another order in each writer: a layer is written where it is met first."""

    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self.one = L.Dense(3, name="dense")
        self.two = self.one
        self.three = L.Dense(3, name="other")

    def call(self, x: torch.Tensor) -> torch.Tensor:
        return self.three(self.two(x))


def test_attributes_are_walked_as_the_newest_tensorflow_does(tmp_path: Path) -> None:
    """From the last name to the first, in TensorFlow 2.14 and later."""
    layer = Shared(name="own")
    layer(torch.ones(1, 3))
    model = kt.Sequential([kt.Input((3,)), layer])
    model(torch.ones(1, 3))
    kt.save_weights(model, tmp_path / "m.weights.h5", dialect="keras2")
    with h5py.File(tmp_path / "m.weights.h5") as file:
        places: list[str] = []
        file.visit(places.append)
    assert sorted(place.split("/")[-3] for place in places if place.endswith("vars/0")) == ["three", "two"]
