"""`kt.copy_weights`: Keras's weights into a person's own torch module in one call, and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from _close import apart
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import ArgumentError, MismatchError


class Tagger(nn.Module):
    """What people have: torch's own modules under names of their own."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.words = nn.Embedding(20, 5)
        self.rnn = nn.LSTM(5, 4, num_layers=2, bidirectional=True, batch_first=True, **options)
        self.head = nn.Sequential(nn.LayerNorm(8, eps=1e-3), nn.Dropout(0.5), nn.Linear(8, 3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.head(self.rnn(self.words(x))[0]), -1)


def keras_model(**options: Any) -> Sequential:
    def both() -> Any:
        return layers.Bidirectional(layers.LSTM(4, return_sequences=True, **options))

    model = Sequential(
        [
            Input((None,), dtype="int64"),
            layers.Embedding(20, 5, name="text"),
            both(),
            both(),
            layers.LayerNormalization(),
            layers.TimeDistributed(layers.Dense(3, activation="softmax")),
        ]
    )
    return filled(model)


def filled(model: Any) -> Any:
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for value in model.parameters():
            if value.requires_grad:
                value.normal_(0, 0.5, generator=generator)
    return model.eval()


WORDS = torch.randint(0, 20, (3, 6), generator=torch.Generator().manual_seed(1))
SOURCES: dict[str, Callable[[Sequential, Path], Any]] = {
    "model": lambda model, folder: model,
    "keras": lambda model, folder: saved(kt.save_model, model, folder / "model.keras"),
    "h5": lambda model, folder: saved(kt.save_model, model, folder / "model.h5"),
    "weights": lambda model, folder: saved(kt.save_weights, model, folder / "model.weights.h5"),
    "legacy weights": lambda model, folder: saved(kt.save_weights, model, folder / "model.h5"),
}


def saved(save: Any, model: Any, path: Path) -> Path:
    save(model, path)
    return path


@pytest.mark.parametrize("kind", SOURCES)
def test_one_call_fills_a_module(kind: str, tmp_path: Path) -> None:
    model, module = keras_model(), Tagger().eval()
    copied = kt.copy_weights(SOURCES[kind](model, tmp_path), module)
    assert apart(module(WORDS), model(WORDS)) is None
    places = [place for _, place, _ in copied.rows]
    assert places == [
        "words",
        "rnn (layer 0, forward)",
        "rnn (layer 0, backward)",
        "rnn (layer 1, forward)",
        "rnn (layer 1, backward)",
        "head.0",
        "head.2",
    ]
    assert "(5, 16), (4, 16), (16,) as weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0" in str(copied)
    assert copied.unchecked == ("weights" in kind)
    assert ("nobody could check" in str(copied)) == ("weights" in kind)


def test_and_back() -> None:
    module, model = Tagger().eval(), keras_model()
    before = model.get_weights()
    with pytest.raises(ArgumentError, match="sum_biases=True"):
        kt.copy_weights(module, model)
    assert all((old == new).all() for old, new in zip(before, model.get_weights(), strict=True))
    copied = kt.convert.copy_weights(module, model, sum_biases=True)
    assert apart(model(WORDS), module(WORDS)) is None
    assert copied.rows[1][0] == "rnn (layer 0, forward)"


def test_cells_convolutions_and_normalisations() -> None:
    x = Input((7, 3))
    y = layers.BatchNormalization(epsilon=1e-5)(layers.Conv1D(4, 2)(x))
    y = layers.RNN(layers.GRUCell(5), return_sequences=True)(y)
    model = filled(Model(x, layers.Dense(2, use_bias=False)(layers.SimpleRNN(3, activation="relu")(y))))
    module = nn.ModuleList(
        [
            nn.Conv1d(3, 4, 2),
            nn.BatchNorm1d(4),
            nn.GRUCell(4, 5),
            nn.RNN(5, 3, nonlinearity="relu"),
            nn.Linear(3, 2, False),
        ]
    )
    kt.copy_weights(model, module.eval())
    z = torch.randn(2, 7, 3)
    h, steps = torch.zeros(2, 5), []
    for step in module[1](module[0](z.transpose(1, 2))).unbind(2):
        h = module[2](step, h)
        steps.append(h)
    assert apart(module[4](module[3](torch.stack(steps))[0][-1]), model(z)) is None
    again = filled(Model(x, model.outputs))
    kt.copy_weights(module, again)
    assert apart(again(z), model(z)) is None


def test_a_name_that_both_have_comes_first() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder, self.encoder = nn.Linear(3, 3), nn.Linear(3, 3)

    x = Input((3,))
    model = filled(Model(x, layers.Dense(3, name="decoder")(layers.Dense(3, name="encoder")(x))))
    module = Pair()
    kt.copy_weights(model, module)
    assert apart(module.decoder(module.encoder(torch.ones(1, 3))), model(torch.ones(1, 3))) is None


def test_a_mapping_takes_some_layers_and_says_what_is_left() -> None:
    model = keras_model()
    module = Tagger()
    before = module.head[2].weight.clone()
    first, second = (layer.name for layer in model.layers if isinstance(layer, layers.Bidirectional))
    copied = kt.copy_weights(model, module, {first: "rnn", second: "rnn", "text": "words"})
    assert len(copied.rows) == 5
    assert torch.equal(before, module.head[2].weight)
    assert copied.left[-1] == "head.2"
    assert "left as it was: head.0" in str(copied)
    with pytest.raises(ArgumentError, match=r"mapping: there is no layer 'txt' with weights. Did you mean 'text'"):
        kt.copy_weights(model, module, {"txt": "words"})
    with pytest.raises(ArgumentError, match="mapping: the module has no part 'head' that takes weights"):
        kt.copy_weights(model, module, {"text": "head"})
    with pytest.raises(MismatchError, match=r"the mapping says nothing for rnn \(layer 1, forward\)"):
        kt.copy_weights(model, module, {first: "rnn"})


class Own(nn.Linear):
    def __init__(self) -> None:
        super().__init__(2, 2)
        self.scale = nn.Parameter(torch.ones(2))


REFUSED: dict[str, tuple[Callable[[], Any], Callable[[], nn.Module], str]] = {
    "another size": (keras_model, lambda: Tagger().words, r"'bidirectional.*', arrays \(5, 16\).*, has no place"),
    "an activation": (
        lambda: keras_model(recurrent_activation="hard_sigmoid"),
        Tagger,
        "its recurrent_activation is hard_sigmoid, LSTM's is sigmoid",
    ),
    "no bias": (lambda: keras_model(use_bias=False), Tagger, r"the place takes \(5, 16\), \(4, 16\), \(16,\)"),
    "reset_after": (
        lambda: Sequential([Input((5, 3)), layers.GRU(4, reset_after=False)]),
        lambda: nn.GRU(3, 4),
        "its GRU has reset_after=False, which nn.GRU does not compute",
    ),
    "epsilon": (
        lambda: Sequential([Input((5, 3)), layers.LayerNormalization()]),
        lambda: nn.LayerNorm(3),
        "its epsilon is 0.001, the module's eps is 1e-05",
    ),
    "direction": (
        lambda: Sequential([Input((5, 3)), layers.LSTM(4, go_backwards=True)]),
        lambda: nn.LSTM(3, 4),
        "it goes backwards, the place forwards",
    ),
    "too few layers": (lambda: Sequential([Input((5, 3)), layers.LSTM(4)]), lambda: nn.LSTM(3, 4, 2), "gets nothing"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_and_nothing_changes(name: str) -> None:
    make, module_of, message = REFUSED[name]
    module = module_of()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    with pytest.raises(MismatchError, match=message):
        kt.copy_weights(make(), module)
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())


def test_parameters_that_no_layer_has_are_named() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale, self.line = nn.Parameter(torch.ones(2)), nn.Linear(2, 2)

    model = filled(Sequential([Input((2,)), layers.Dense(2, name="line")]))
    with pytest.raises(MismatchError, match="for which no Keras layer is known: 'scale'"):
        kt.copy_weights(model, Scaled())
    assert kt.copy_weights(model, Scaled(), {"line": "line"}).left == ("scale",)


def test_two_of_one_side_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"both torch modules: use target.load_state_dict"):
        kt.copy_weights(Tagger(), Tagger())
    with pytest.raises(ArgumentError, match=r"both Keras's: use kt.load_weights"):
        kt.copy_weights(keras_model(), keras_model())
    with pytest.raises(ArgumentError, match="target: expected a torch module or a model, got 'str'"):
        kt.copy_weights(keras_model(), "module")  # type: ignore[arg-type]
