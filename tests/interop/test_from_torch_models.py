"""Models as people write them in torch, as models here and in Keras's files: outputs, states, gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from _close import assert_close
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import layers

from ._helpers import DTYPES, arrays, batch_first, in_dtype, inputs_of, of_model, of_module, of_zoo
from ._zoo import BATCH, CRNN, ZOO, AttentionPooling, Classifier, Seq2Seq, series, words

OPEN_TIME = [name for name in ZOO if name not in ("crnn", "autoencoder", "conv lstm", "decoder", "luong", "sequential")]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ZOO)
def test_outputs_and_states(name: str, dtype: torch.dtype) -> None:
    module, example, options = of_zoo(name, dtype)
    model = kt.from_torch(module, example, **options)
    assert type(model) is kt.Model
    other = in_dtype(ZOO[name][1](), dtype)  # other numbers than those that it was made with
    with torch.no_grad():
        actual = of_model(model, other, options.get("batch_axis", 0))
        assert_close(actual, batch_first(of_module(module, other), BATCH))
    assert all(out.dtype == dtype for out in actual)


def stretched(example: Any, batch_axis: int) -> Any:
    """Five rows, and three steps more."""

    def stretch(tensor: Tensor) -> Tensor:
        tensor = tensor.movedim(batch_axis, 0)
        tensor = torch.cat([tensor, tensor[:2]])
        if tensor.ndim > 1 and tensor.shape[1] > 4:
            tensor = torch.cat([tensor, tensor[:, :3]], 1)
        return tensor.movedim(0, batch_axis)

    if isinstance(example, dict):
        return {key: stretch(value) for key, value in example.items()}
    return tuple(map(stretch, example)) if isinstance(example, tuple) else stretch(example)


@pytest.mark.parametrize("name", OPEN_TIME)
def test_time_stays_open(name: str) -> None:
    module, example, options = of_zoo(name, torch.float64)
    model: Any = kt.from_torch(module, example, **options)
    assert None in model.inputs[0].shape[1:]
    longer = stretched(example, options.get("batch_axis", 0))
    with torch.no_grad():
        actual = of_model(model, longer, options.get("batch_axis", 0))
        assert_close(actual, batch_first(of_module(module, longer), 5))


@pytest.mark.parametrize("name", ZOO)
def test_gradients(name: str) -> None:
    module, example, options = of_zoo(name, torch.float64)
    model: Any = kt.from_torch(module, example, **options)
    batch_axis = options.get("batch_axis", 0)
    for outputs in (of_module(module, example), of_model(model, example, batch_axis)):
        sum((out.square().sum() + out.sum() for out in outputs), torch.zeros(())).backward()
    ours = sum(p.grad.square().sum() for p in model.parameters() if p.grad is not None)
    theirs = sum(
        p.grad.square().sum()
        for name, p in module.named_parameters()
        # One bias where torch has two equal ones; the gradient of each is that of the sum.
        if p.grad is not None and not ("bias_hh" in name and not of_gru(module, name))
    )
    assert_close(ours, theirs)


def of_gru(module: nn.Module, name: str) -> bool:
    return isinstance(module.get_submodule(name.rpartition(".")[0]), (nn.GRU, nn.GRUCell))


@pytest.mark.parametrize("name", ZOO)
def test_keras_predicts_the_same(name: str, keras_worker: Any, tmp_path: Path) -> None:
    module, example, options = of_zoo(name)
    batch_axis = options.get("batch_axis", 0)
    model: Any = kt.from_torch(module, example, **options)
    path = str(tmp_path / "model.keras")
    kt.save_model(model, path)
    given = arrays(inputs_of(example, batch_axis))
    predicted = keras_worker.call("keras3", "predictions:predictions", path, given)
    with torch.no_grad():
        expected = batch_first(of_module(module, example), BATCH)
    if isinstance(example, dict):
        expected = [out for _, out in sorted(zip(module(**example), expected, strict=True))]
    assert_close(predicted, expected)


@pytest.mark.parametrize("name", ["classifier", "crnn", "seq2seq"])
def test_the_older_format_too(name: str, keras_worker: Any, tmp_path: Path) -> None:
    module, example, options = of_zoo(name)
    path = str(tmp_path / "model.h5")
    kt.save_model(kt.from_torch(module, example, **options), path)  # type: ignore[arg-type]
    predicted = keras_worker.call("keras3", "predictions:predictions", path, arrays(inputs_of(example)))
    with torch.no_grad():
        assert_close(predicted, batch_first(of_module(module, example), BATCH))


@pytest.mark.parametrize("name", ["classifier", "crnn", "learned query", "bare gru with states"])
def test_a_wrong_weight_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from kerastorch.interop import _filling, _recurrent

    def wrong(layer: Any, tensors: Any) -> None:
        _filling.fill(layer, {key: value.flip(0) for key, value in tensors.items()})

    monkeypatch.setattr(_recurrent, "fill", wrong)  # of both directions: the gates in another order
    module, example, options = of_zoo(name)
    with pytest.raises(kt.KerasTorchError, match=r"output 0 differs by .* from the module's"):
        kt.from_torch(module, example, **options)
    kt.from_torch(module, example, check=False, dynamic_axes=(), **options)


# ---------------------------------------------------------------- what the models look like


def kinds(model: Any) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


def test_a_classifier_is_the_model_that_one_would_write_in_keras() -> None:
    model: Any = kt.from_torch(Classifier(), words())
    assert [(layer.name, type(layer).__name__) for layer in model.layers] == [
        ("text", "InputLayer"),
        ("embedding", "Embedding"),
        ("dropout", "Dropout"),
        ("lstm_0", "Bidirectional"),
        ("lstm_dropout_1", "Dropout"),
        ("lstm_1", "Bidirectional"),
        ("concatenate", "Concatenate"),
        ("fc", "Dense"),
    ]
    assert model.get_layer("lstm_dropout_1").rate == 0.3
    assert model.output_shape == (None, 3)


def test_channels_are_last_inside_and_nothing_is_moved_for_nothing() -> None:
    model: Any = kt.from_torch(CRNN(), torch.randn(2, 1, 8, 10))
    assert kinds(model).count("Permute") == 3  # in, before the view, and time before the features
    assert {layer.data_format for layer in model.layers if hasattr(layer, "data_format")} == {"channels_last"}
    assert model.get_layer("cnn_1").axis in (-1, 3)
    assert model.input_shape == (None, 1, 8, 10)


def test_states_go_from_the_encoder_to_the_decoder_as_they_are() -> None:
    model: Any = kt.from_torch(Seq2Seq(), (words(), words()))
    assert kinds(model).count("Operation") == 2  # the final states h and c, stacked as torch has them
    assert model.input_names == ["src", "trg"]


def test_a_layer_without_used_states_returns_none() -> None:
    model: Any = kt.from_torch(AttentionPooling(), series())
    assert not model.get_layer("gru").return_state
    assert model.get_layer("gru").return_sequences


def test_a_module_that_is_called_twice_is_one_layer() -> None:
    class Twins(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(4, 5, batch_first=True)
            self.fc = nn.Linear(5, 2)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            one, other = self.lstm(a)[1][0][-1], self.lstm(b)[0][:, -1]
            return (self.fc(one) - self.fc(other)).abs()

    model: Any = kt.from_torch(Twins(), (series(), series()))
    assert kinds(model).count("LSTM") == kinds(model).count("Dense") == 1
    assert model.count_params() == 4 * 5 * (4 + 5 + 1) + 12


def test_modes_and_frozen_weights_are_kept_and_the_module_is_as_before() -> None:
    module = CRNN().train()
    module.cnn[1].eval()
    module.fc.requires_grad_(False)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    model: Any = kt.from_torch(module, torch.randn(2, 1, 8, 10))
    assert model.training
    assert module.training
    assert not module.cnn[1].training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert not model.get_layer("fc").trainable
    assert model.get_layer("rnn").trainable
    assert nn.Module.__call__.__module__.startswith("torch.")


def test_a_layer_of_kerastorch_may_stand_in_the_module() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = layers.LSTM(5, recurrent_dropout=0.2, activation="relu")
            self.fc = nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.lstm(x))

    module = Mixed().eval()
    x = series()
    module(x)
    model: Any = kt.from_torch(module, x)
    assert_close(model(x), module(x))
