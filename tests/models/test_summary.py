"""The table of summary: depths, connections, counts, and torchinfo's table."""

from __future__ import annotations

from typing import Any

import pytest

from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import ArgumentError, NotBuiltError, UnsupportedError


def text_of(model: Any, **options: Any) -> str:
    lines: list[str] = []
    model.summary(print_fn=lines.append, **options)
    (text,) = lines
    return text


def cells(text: str, name: str) -> list[str]:
    """The cells of the one line that starts with this name."""
    (line,) = [line for line in text.splitlines() if line.strip().startswith(name)]
    return [part.strip() for part in line.split("   ") if part.strip()]


def nested() -> Model:
    innermost = Sequential([Input((3,)), layers.Dense(2, name="lowest")], name="innermost")
    inner = Sequential([Input((3,)), innermost, layers.Dense(4, name="middle")], name="inner")
    x = Input((3,), name="x")
    y = inner(x)
    return Model(x, layers.Concatenate(name="both")([y, layers.Dense(1, name="side")(x)]), name="outer")


def test_models_in_models_in_models() -> None:
    model = nested()
    folded = text_of(model)
    assert "lowest" not in folded
    assert "middle" not in folded
    opened = text_of(model, expand_nested=True)
    found = [
        line for line in opened.splitlines() if "(" in line and "params" not in line and "Layer (type)" not in line
    ]
    depths = {line.split()[0]: len(line) - len(line.lstrip()) for line in found}
    start = depths["x"]
    assert {name: (depth - start) // 2 for name, depth in depths.items()} == {
        "x": 0,
        "inner": 0,
        "innermost": 1,
        "lowest": 2,
        "middle": 1,
        "side": 0,
        "both": 0,
    }
    assert cells(opened, "lowest") == ["lowest (Dense)", "(None, 2)", "8", "-"]
    assert cells(opened, "middle") == ["middle (Dense)", "(None, 4)", "12", "-"]
    assert cells(opened, "inner (") == ["inner (Sequential)", "(None, 4)", "20", "x"]
    assert cells(opened, "both") == ["both (Concatenate)", "(None, 5)", "0", "inner, side"]
    assert cells(opened, "x (") == ["x (InputLayer)", "(None, 3)", "0", "-"]
    assert opened.endswith(" Total params: 24\n Trainable params: 24\n Non-trainable params: 0")
    assert opened.startswith('Model: "outer"')


def test_a_layer_that_is_called_twice_is_listed_once_with_all_before_it() -> None:
    a, b = Input((3,), name="a"), Input((3,), name="b")
    shared = layers.Dense(2, name="shared")
    model = Model([a, b], layers.Add(name="sum")([shared(a), shared(b)]))
    text = text_of(model)
    assert cells(text, "shared") == ["shared (Dense)", "(None, 2)", "8", "a, b"]
    assert cells(text, "sum") == ["sum (Add)", "(None, 2)", "0", "shared"]


def test_what_does_not_train_is_counted_apart() -> None:
    model = Sequential([Input((4, 3)), layers.BatchNormalization(name="norm"), layers.GRU(2, name="rnn")])
    model.get_layer("rnn").trainable = False
    text = text_of(model)
    assert cells(text, "norm") == ["norm (BatchNormalization)", "(None, 4, 3)", "12"]
    assert cells(text, "rnn") == ["rnn (GRU)", "(None, 2)", "42"]
    assert text.endswith(" Total params: 54\n Trainable params: 6\n Non-trainable params: 48")
    assert "Connected to" not in text


def test_a_table_is_as_wide_as_its_names() -> None:
    name = "n" * 300
    model = Sequential([Input((3,)), layers.Dense(2, name=name)])
    assert cells(text_of(model), name) == [f"{name} (Dense)", "(None, 2)", "8"]


def test_torchs_table_goes_to_print_fn_alone(capsys: pytest.CaptureFixture[str]) -> None:
    model = nested()
    text = text_of(model, style="torch")
    assert capsys.readouterr().out == ""
    assert "Total params: 24" in text
    other = text_of(model, style="torch", input_size=(7, 3))
    assert "[7, 5]" in other
    assert "[1, 5]" in text
    two = Model([a := Input((2,)), b := Input((None, 3))], [layers.Dense(1)(a), layers.GRU(2)(b)])
    assert "[1, 1, 3]" in text_of(two, style="torch", col_names=("input_size", "output_size"))


def test_what_summary_refuses() -> None:
    model = nested()
    with pytest.raises(UnsupportedError, match="summary: verbose is not taken"):
        model.summary(print_fn=print, style="torch", verbose=1)
    with pytest.raises(ArgumentError, match=r"summary: \['depth'\] go with style='torch' only"):
        model.summary(print_fn=print, depth=3)
    with pytest.raises(ArgumentError, match="style: expected one of"):
        model.summary(print_fn=print, style="table")
    unbuilt = Sequential([layers.Dense(2)])
    with pytest.raises(NotBuiltError, match="is not built, so it has no shapes yet"):
        unbuilt.summary(print_fn=print, style="torch")
    with pytest.raises(ArgumentError, match=r"line_length: expected an integer, got a function; .* summary\(print_fn="):
        model.summary(print)
    with pytest.raises(ArgumentError, match=r"positions: expected rising numbers, one for each of Layer \(type\), Out"):
        model.summary(positions=[0.3, 0.6])
    with pytest.raises(ArgumentError, match=r"columns of \[6, 5, 3, 6\] characters are too narrow, each needs 5"):
        model.summary(line_length=20)
    with pytest.raises(ArgumentError, match=r"layer_range: expected two names of layers, got 'side'"):
        model.summary(layer_range="side")
    with pytest.raises(
        ArgumentError, match=r"no layer is called 'top'; the layers are \['x', 'inner', 'side', 'both'\]"
    ):
        model.summary(layer_range=["x", "top"])


def test_a_model_without_shapes_is_shown_and_a_line_has_its_length() -> None:
    unbuilt = Sequential([layers.LSTM(3, name="rnn"), layers.Dense(2, name="head")])
    text = text_of(unbuilt)
    assert cells(text, "rnn") == ["rnn (LSTM)", "?", "0 (unbuilt)"]
    assert text.endswith(" Total params: 0\n Trainable params: 0\n Non-trainable params: 0")
    unbuilt.build((None, 5, 4))
    unbuilt.get_layer("rnn").trainable = False
    for length in (60, 100):
        text = text_of(unbuilt, line_length=length, show_trainable=True)
        assert max(map(len, text.splitlines())) == length - 1  # and the space behind the last column
    assert cells(text, "rnn") == ["rnn (LSTM)", "(None, 3)", "96", "N"]
    assert cells(text, "head") == ["head (Dense)", "(None, 2)", "8", "Y"]
    assert cells(text_of(nested(), positions=[0.4, 0.7, 1.0]), "side") == ["side (Dense)", "(None, 1)", "4"]
    assert cells(text_of(nested(), positions=[30, 50, 60, 90]), "side") == ["side (Dense)", "(None, 1)", "4", "x"]
    part = text_of(nested(), expand_nested=True, layer_range=["inn", "sid"])
    assert [line.split()[0] for line in part.splitlines() if "(None" in line] == [
        "inner",
        "innermost",
        "lowest",
        "middle",
        "side",
    ]


def test_multiply_adds_behind_texts() -> None:
    words = layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=4, name="words")
    model = Sequential([Input((1,), dtype="string"), words, layers.Embedding(5, 3), layers.LSTM(6, name="lstm")])
    assert cells(text_of(model, columns=["mult_adds"]), "lstm")[-1] == f"{4 * 4 * 6 * (3 + 6):,}"
