"""What generated code looks like, and that no text of a file becomes code in it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from _close import apart

from kerastorch import Input, Model, Sequential, layers
from kerastorch.base import naming
from kerastorch.leaving import to_source, to_torch
from kerastorch.leaving.building import class_name

from ._cases import text_of

KEPT = Path(__file__).parent.parent / "goldens" / "source"


def tagger() -> Model:
    words = Input((None,), dtype="int64", name="words")
    x = layers.Embedding(50, 12, mask_zero=True, name="embedding")(words)
    x = layers.Bidirectional(layers.LSTM(8, return_sequences=True, name="lstm"), name="context")(x)
    tags = layers.Dense(6, activation="softmax", name="tags")(x)
    score = layers.Dense(1, activation="sigmoid", name="score")(layers.GRU(4, name="sentence")(x))
    return Model(words, [tags, score], name="tagger")


def translator() -> Model:
    source, target = Input((None, 4), name="source"), Input((None, 3), name="target")
    y, h, c = layers.LSTM(5, return_sequences=True, return_state=True, name="encoder")(source)
    x = layers.LSTM(5, return_sequences=True, name="decoder")(target, initial_state=[h, c])
    x = layers.Concatenate(name="both")([x, layers.Attention(name="attention")([x, y])])
    x = layers.MultiHeadAttention(2, 3, dropout=0.1, name="look_back")(x, x, use_causal_mask=True)
    return Model([source, target], layers.TimeDistributed(layers.Dense(7), name="words")(x), name="translator")


def hearing() -> Model:
    return Sequential(
        [
            Input((16, 3)),
            layers.Conv1D(4, 3, strides=2, padding="same", activation="relu", name="first"),
            layers.BatchNormalization(name="norm"),
            layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode="sum", name="both_ways"),
            layers.LSTM(3, activation="relu", recurrent_activation="hard_sigmoid", return_sequences=True, name="relu"),
            layers.GRU(3, reset_after=False, dropout=0.2, go_backwards=True, name="backwards"),
            layers.Dropout(0.3, name="dropout"),
            layers.Dense(2, trainable=False, name="score"),
        ],
        name="hearing",
    )


def keeping() -> Model:
    x = Input(batch_shape=(2, 5, 3), name="x")
    inner = Sequential([Input((5, 4)), layers.Dense(3, activation="tanh", name="deep")], name="inner")
    y = inner(layers.LSTM(4, return_sequences=True, stateful=True, recurrent_dropout=0.2, name="lstm")(x))
    return Model(x, {"mean": layers.GlobalAveragePooling1D(name="mean")(y), "all": y}, name="keeping")


def stack() -> Sequential:
    """What becomes one module with `num_layers` and two directions."""
    both = [
        layers.Bidirectional(layers.LSTM(6, return_sequences=True, name="lstm"), name=f"level_{n}") for n in range(3)
    ]
    return Sequential([Input((None, 4)), *both, layers.Dense(2, activation="softmax", name="score")], name="stack")


def document() -> Model:
    """A hierarchy: words to sentences to a document."""
    words = Input((None,), dtype="int64", name="words")
    inside = layers.GRU(5, name="read")(layers.Embedding(30, 4, mask_zero=True, name="embedding")(words))
    sentence = Model(words, inside, name="sentence")
    x = Input((None, 12), dtype="int64", name="document")
    y = layers.LSTM(6, name="sum")(layers.TimeDistributed(sentence, name="sentences")(x))
    return Model(x, layers.Dense(1, activation="sigmoid", name="liked")(y), name="document_rating")


def film() -> Sequential:
    return Sequential(
        [
            Input((None, 8, 8, 1)),
            layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True, name="watch"),
            layers.TimeDistributed(layers.MaxPooling2D(2), name="shrink"),
            layers.TimeDistributed(layers.Flatten(), name="flat"),
            layers.SimpleRNN(4, name="remember"),
            layers.Dense(2, name="score"),
        ],
        name="film",
    )


def forecast() -> Model:
    """Arithmetic between layers: a trend is taken off and put back."""
    x = Input((24, 2), name="past")
    level = x[:, -1:, :1]
    y = layers.GRU(8, reset_after=False, name="gru")(x - level)
    y = layers.RepeatVector(6, name="steps")(layers.LayerNormalization(name="norm")(y))
    y = layers.LSTM(8, return_sequences=True, recurrent_activation="hard_sigmoid", name="decoder")(y)
    return Model(x, layers.Dense(1, name="ahead")(y) + level, name="forecast")


def transformer() -> Model:
    x = Input((None, 8), name="steps")
    y = x
    for n in range(2):
        seen = layers.MultiHeadAttention(2, 4, name=f"attention_{n}")(y, y)
        y = layers.LayerNormalization(name=f"norm_{n}")(layers.Add(name=f"add_{n}")([y, seen]))
    return Model(x, layers.GlobalAveragePooling1D(name="mean")(y), name="encoder")


def uncertain() -> Model:
    """Dropout that acts in evaluation, and a part that stays as in evaluation."""
    base = Sequential([Input((5, 3)), layers.Dense(4, activation="relu", name="up")], name="base")
    base.add(layers.BatchNormalization(name="norm"))
    x = Input((5, 3), name="x")
    y = layers.LSTM(4, dropout=0.3, name="read")(base(x, training=False), training=True)
    return Model(x, layers.Dense(1, name="score")(y), name="uncertain")


def repeats() -> Model:
    """What becomes loops: three blocks of attention, and equal layers on each other."""
    x = Input((None,), dtype="int64", name="words")
    y = layers.Embedding(30, 8, mask_zero=True, name="embedding")(x)
    for n in range(3):
        seen = layers.MultiHeadAttention(2, 4, dropout=0.1, name=f"attention_{n}")(y, y)
        y = layers.LayerNormalization(name=f"norm_{n}")(layers.Add(name=f"add_{n}")([y, seen]))
        deep = layers.Dense(8, name=f"down_{n}")(layers.Dense(16, activation="gelu", name=f"up_{n}")(y))
        y = layers.LayerNormalization(name=f"last_norm_{n}")(layers.Add(name=f"sum_{n}")([y, deep]))
    y = layers.GlobalAveragePooling1D(name="mean")(y)
    for n in range(3):
        y = layers.Dense(8, activation="relu", name=f"dense_{n}")(y)
    return Model(x, layers.Dense(2, name="score")(y), name="repeats")


MODELS = (
    tagger, translator, hearing, keeping, stack, document, film, forecast, transformer, uncertain, repeats
)  # fmt: skip


@pytest.mark.parametrize("make", MODELS)
def test_the_text_is_the_one_that_was_kept(make: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m leaving.test_text` in `tests` writes them anew; they are read in review."""
    monkeypatch.setattr(naming, "_used", Counter())  # layers without a name are numbered through the process
    monkeypatch.setattr(naming, "_given", set())
    to_source(make(), tmp_path, origin="From the tests.")  # type: ignore[operator]
    name = make.__name__  # type: ignore[attr-defined]
    assert (tmp_path / "model.py").read_text() == (KEPT / f"{name}.py").read_text()


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (lambda **rates: layers.SimpleRNN(4, activation="elu", **rates), "StepRNN"),
        (lambda **rates: layers.LSTM(4, activation="elu", **rates), "StepLSTM"),
        (lambda **rates: layers.GRU(4, activation="elu", **rates), "StepGRU"),
        (lambda **rates: layers.GRU(4, reset_after=False, use_bias=False, **rates), "ResetBeforeGRU"),
    ],
)
def test_loops_for_inference_have_no_dropout(layer: Callable[..., Any], kind: str) -> None:
    model = Sequential([Input((5, 3)), layer(dropout=0.2, recurrent_dropout=0.3)]).eval()
    module = to_torch(model, inference=True).train()
    assert [type(part).__name__ for part in module.children()] == [kind]
    x = torch.randn(2, 5, 3)
    assert apart(module(x), model(x)) is None


def test_code_for_inference_has_no_dropout(tmp_path: Path) -> None:
    x = Input((6, 4), name="x")
    y = layers.LSTM(4, return_sequences=True, recurrent_dropout=0.2, name="first")(layers.Dropout(0.3)(x))
    y = layers.Dropout(0.5)(layers.LSTM(4, return_sequences=True, name="second")(layers.GaussianNoise(0.1)(y)))
    model = Model(x, layers.MultiHeadAttention(2, 3, dropout=0.4, name="look")(y, y), name="quiet")
    module = to_torch(model, inference=True).train()
    assert [type(part).__name__ for part in module.children()] == ["LSTM", "MultiHeadAttention"]
    assert module.first.num_layers == 2
    z = torch.randn(2, 6, 4)
    assert apart(module(z), model.eval()(z)) is None
    to_source(model, tmp_path / "out", inference=True)
    text = (tmp_path / "out" / "model.py").read_text()
    assert "Dropout(0" not in text
    assert "dropout=0.4" not in text


def test_what_a_class_takes_stands_in_lines_that_fit() -> None:
    inputs = [Input((None, 7), name=f"sensor_of_the_{place}_side") for place in ("left", "right", "upper", "lower")]
    text = text_of(to_torch(Model(inputs, layers.Add()(inputs), name="sides").eval()))
    assert max(map(len, text.splitlines())) <= 120
    about = ast.get_docstring(next(node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)))
    assert about is not None
    assert " ".join(about.split()) == "; ".join(f"{x.node.layer.name}: float32 (B, T, 7)" for x in inputs) + "."


def test_helpers_can_be_imported(tmp_path: Path) -> None:
    to_source(hearing().eval(), tmp_path / "out", import_helpers=True)
    text = (tmp_path / "out" / "model.py").read_text()
    classes = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    assert classes == ["Hearing"]
    assert "from kerastorch.leaving.helpers import BatchNorm, ResetBeforeGRU, SharedDropout, StepLSTM, " in text
    root = str(Path(__file__).parent.parent.parent)
    code = f"import sys, runpy; sys.path.insert(0, {root!r}); runpy.run_path('model.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("largest difference") == 1
    lint = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "-q", "--isolated", "--line-length", "120", "."], cwd=tmp_path / "out"
    )
    assert lint.returncode == 0


def looped(masked: bool) -> Model:
    x = Input((None, 3))
    y = layers.LSTM(3, activation="relu", return_sequences=True)(layers.Masking()(x) if masked else x)
    return Model(x, layers.MultiHeadAttention(2, 3)(y, y))


@pytest.mark.parametrize(
    ("make", "there", "gone"),
    [
        (lambda: looped(False), [], ["mask", "hide", "gate:", "opening"]),
        (lambda: looped(True), ["if mask is None:", "mask: bool `(B, T)`", "hide: How"], ["gate:", "opening"]),
        (
            lambda: Sequential([Input((4, 2, 6)), layers.ConvLSTM1D(2, 3, data_format="channels_first")]),
            [],
            ["mask"],
        ),
    ],
)
def test_helpers_have_no_lines_that_nothing_uses(make: Callable[[], Model], there: list[str], gone: list[str]) -> None:
    text = text_of(to_torch(make().eval()))
    assert [line for line in there if line not in text] == []
    assert [line for line in gone if line in text] == []


@pytest.mark.parametrize(
    ("name", "outer", "inner"),
    [
        ("text_tagger", "TextTagger", "TextTagger"),
        ("2 towers", "Model2Towers", "Model2Towers"),
        ("sequential", "Model", "Submodel"),
        ("functional_13", "Model", "Submodel13"),
        ("model_1", "Model", "Submodel1"),
        ("sequential_models", "SequentialModels", "SequentialModels"),
    ],
)
def test_names_of_classes(name: str, outer: str, inner: str) -> None:
    """A name that Keras gave by itself says nothing, and `Sequential` would say something else."""
    assert (class_name(name), class_name(name, inside=True)) == (outer, inner)


HOSTILE = '"""\nimport os; os.abort()\n"\\'


def test_no_text_of_a_file_becomes_code(tmp_path: Path) -> None:
    names = ["torch", "self", "load", "train", "class", "9 lives", "pad_same", HOSTILE]
    inputs = [Input((3,), name=name) for name in names]
    x = layers.Add(name="x")(
        [layers.Dense(2, name=f"{name} {n}")(x) for n, (name, x) in enumerate(zip(names, inputs, strict=True))]
    )
    model = Model(inputs, {HOSTILE: x, "it's": x, "b": layers.ReLU(name="F")(x)}, name=HOSTILE).eval()
    to_source(model, tmp_path / "out", origin=f"From {HOSTILE}.")
    text = (tmp_path / "out" / "model.py").read_text()
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)]
    assert not [node for node in calls if node.attr == "abort"]
    assert not [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) and node.names[0].name == "os"
    ]
    done = subprocess.run([sys.executable, str(tmp_path / "out" / "model.py")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("largest difference") == 3


@pytest.mark.parametrize("name", ["tensor", "nn", "torch", "batch norm", "path", "9", "class", ""])
def test_a_class_has_a_name_of_its_own(name: str, tmp_path: Path) -> None:
    model = Sequential([Input((3,)), layers.BatchNormalization(), layers.Dense(2)], name=name or None).eval()
    to_source(model, tmp_path / "out")
    text = (tmp_path / "out" / "model.py").read_text()
    names = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    assert len(names) == len(set(names)) == 2
    assert not {"Tensor", "Path"} & set(names)


def write() -> None:
    import tempfile

    for make in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            to_source(make(), folder, origin="From the tests.")
            (KEPT / f"{make.__name__}.py").write_text((Path(folder) / "model.py").read_text())


if __name__ == "__main__":
    torch.manual_seed(0)
    write()


@pytest.mark.parametrize("length", [30, 44, 45, 46, 60])
def test_a_long_name_breaks_no_line(tmp_path: Path, length: int) -> None:
    layer = layers.Bidirectional(layers.LSTM(3), name="a" * length)
    to_source(Sequential([Input((4, 2)), layer]), tmp_path / "out")
    command = [sys.executable, "-m", "ruff", "format", "-q", "--check", "--isolated", "--line-length", "120", "."]
    assert subprocess.run(command, cwd=tmp_path / "out").returncode == 0
    text = (tmp_path / "out" / "model.py").read_text("utf-8")
    assert text.count("# stays zero: the one bias is") == 2
