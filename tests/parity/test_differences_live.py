"""The rows of docs/differences.md: what Keras does, what plain torch does, what kerastorch does. One test a row."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import ORTHOGONAL, OUTPUT, apart, assert_close
from _keras_worker import KerasWorker

import kerastorch as kt
from kerastorch import layers

from ._compare import FEATURES, TIME, UNITS, Case, arguments, run_ours

PAGE = Path(__file__).parents[2] / "docs" / "differences.md"
KERASES = ("keras3", "keras2")


def reference(worker: KerasWorker, case: Case, framework: str = "keras3") -> dict[str, Any]:
    return worker.call(framework, "layers:run_layer", **arguments(case))


def assert_same(theirs: np.ndarray, mine: Any) -> None:
    assert_close(theirs, mine)  # float32, a handful of sums


def torch_from(found: dict[str, Any], cls: Any, kernel: Any, recurrent: Any, *biases: Any) -> Any:
    """A plain torch layer with the given matrices, in torch layout."""
    module = cls(FEATURES, UNITS, batch_first=True)
    state = {"weight_ih_l0": kernel, "weight_hh_l0": recurrent, "bias_ih_l0": biases[0], "bias_hh_l0": biases[1]}
    module.load_state_dict({name: torch.tensor(np.ascontiguousarray(array)) for name, array in state.items()})
    return module


def blocks(array: np.ndarray, order: list[int]) -> np.ndarray:
    parts = np.split(array, len(order), axis=-1)
    return np.concatenate([parts[index] for index in order], axis=-1)


def test_row_lstm_gate_order(keras_worker: KerasWorker) -> None:
    """Keras's i f c o are torch's i f g o: only the kernels are transposed."""
    case = Case("lstm", "LSTM", {"units": UNITS, "return_sequences": True})
    found = reference(keras_worker, case)
    kernel, recurrent, bias = found["weights"]
    module = torch_from(found, torch.nn.LSTM, kernel.T, recurrent.T, bias, 0 * bias)
    x = torch.tensor(arguments(case)["inputs"][0])
    assert_same(found["outputs"][0], module(x)[0])
    assert_same(found["outputs"][0], run_ours(case, found)["outputs"][0])


def test_row_gru_gate_order(keras_worker: KerasWorker) -> None:
    """Keras's z r h must become torch's r z n; moved over as they stand they give other numbers."""
    case = Case("gru", "GRU", {"units": UNITS, "return_sequences": True})
    found = reference(keras_worker, case)
    kernel, recurrent, bias = found["weights"]
    x = torch.tensor(arguments(case)["inputs"][0])
    order = [1, 0, 2]
    right = [blocks(array, order) for array in (kernel, recurrent, bias)]
    module = torch_from(found, torch.nn.GRU, right[0].T, right[1].T, *right[2])
    assert_same(found["outputs"][0], module(x)[0])
    assert_same(found["outputs"][0], run_ours(case, found)["outputs"][0])
    wrong = torch_from(found, torch.nn.GRU, kernel.T, recurrent.T, *bias)(x)[0].detach().numpy()
    assert np.abs(wrong - found["outputs"][0]).max() > 1e-2


def test_row_lstm_biases(keras_worker: KerasWorker) -> None:
    """torch trains two LSTM biases, so one SGD step moves their sum twice as far as Keras's one bias."""
    case = Case("lstm", "LSTM", {"units": UNITS})
    found = reference(keras_worker, case)
    kernel, recurrent, bias = found["weights"]
    module = torch_from(found, torch.nn.LSTM, kernel.T, recurrent.T, bias, 0 * bias)
    out = module(torch.tensor(arguments(case)["inputs"][0]))[0][:, -1]
    (out * torch.tensor(found["upstream"][0])).sum().backward()
    torch.optim.SGD(module.parameters(), lr=1.0).step()
    moved = bias - (module.bias_ih_l0 + module.bias_hh_l0).detach().numpy()
    assert_same(2 * found["grads_weights"][2], moved)
    ours = run_ours(case, found)
    assert_same(found["grads_weights"][2], ours["grads_weights"][2])
    assert len(list(layers.LSTM(3)._parameters)) == 1  # the placeholder: unbuilt
    assert ours["params"] == found["params"] == 4 * UNITS * (FEATURES + UNITS + 1)
    assert sum(p.numel() for p in module.parameters()) == found["params"] + 4 * UNITS


def test_row_forget_gate_bias(keras_worker: KerasWorker) -> None:
    expected = np.concatenate([np.zeros(64), np.ones(64), np.zeros(128)])
    for framework in KERASES:
        assert np.array_equal(
            keras_worker.call(framework, "layers:fresh_weights", "LSTM", {"units": 64}, (None, 3, 8))[2], expected
        )
    layer = layers.LSTM(64)
    layer.build((None, 3, 8))
    assert np.array_equal(layer.get_weights()[2], expected)
    assert (
        float(torch.nn.LSTM(8, 64).bias_ih_l0.detach()[64:128].abs().max()) <= 1 / 8
    )  # uniform(-1/sqrt(U), 1/sqrt(U))


def test_row_kernel_initialiser(keras_worker: KerasWorker) -> None:
    limit = (6 / (100 + 4 * 64)) ** 0.5  # glorot_uniform over the fused kernel (F, 4U)
    for framework in KERASES:
        kernel = keras_worker.call(framework, "layers:fresh_weights", "LSTM", {"units": 64}, (None, 3, 100))[0]
        assert 0.98 * limit < np.abs(kernel).max() <= limit
    layer = layers.LSTM(64)
    layer.build((None, 3, 100))
    assert 0.98 * limit < np.abs(layer.get_weights()[0]).max() <= limit
    assert 0.98 / 8 < float(torch.nn.LSTM(100, 64).weight_ih_l0.detach().abs().max()) <= 1 / 8


def test_row_recurrent_initialiser(keras_worker: KerasWorker) -> None:
    def orthogonal(m: np.ndarray) -> bool:
        return apart(np.matmul(m, m.T, dtype="float64").astype("float32"), np.eye(len(m)), ORTHOGONAL) is None

    for framework in KERASES:
        assert orthogonal(keras_worker.call(framework, "layers:fresh_weights", "GRU", {"units": 16}, (None, 3, 4))[1])
    layer = layers.GRU(16)
    layer.build((None, 3, 4))
    assert orthogonal(layer.get_weights()[1])
    assert not orthogonal(torch.nn.GRU(4, 16).weight_hh_l0.detach().numpy().T)


def test_row_gru_variant(keras_worker: KerasWorker) -> None:
    assert keras_worker.call("keras3", "facts:default", "layers.GRU", "reset_after") is True
    assert layers.GRU(3).reset_after is True
    assert layers.GRU(3, reset_after=False).kernel_choice().path == "step loop"  # torch has the other variant only


@pytest.mark.parametrize("framework", KERASES)
def test_row_masked_steps(keras_worker: KerasWorker, framework: str) -> None:
    """Keras repeats the output at masked steps, packed torch pads with zeros and takes no holes."""
    case = Case("lstm", "LSTM", {"units": UNITS, "return_sequences": True}, mask="right")
    found = reference(keras_worker, case, framework)
    assert_same(found["outputs"][0], run_ours(case, found, framework=framework)["outputs"][0])
    given = arguments(case)
    lengths = torch.tensor(given["mask"].sum(1))
    kernel, recurrent, bias = found["weights"]
    module = torch_from(found, torch.nn.LSTM, kernel.T, recurrent.T, bias, 0 * bias)
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        torch.tensor(given["inputs"][0]), lengths, batch_first=True, enforce_sorted=False
    )
    out, _ = torch.nn.utils.rnn.pad_packed_sequence(module(packed)[0], batch_first=True, total_length=TIME)
    valid = given["mask"]
    assert_same(found["outputs"][0][valid], out.detach().numpy()[valid])
    assert float(out.detach()[torch.tensor(~valid)].abs().max()) == 0.0
    assert np.abs(found["outputs"][0][~valid]).min() > 0.0


def test_row_go_backwards(keras_worker: KerasWorker) -> None:
    """Outputs are in the order of processing: the first one belongs to the last step."""
    case = Case("gru", "GRU", {"units": UNITS, "return_sequences": True, "go_backwards": True})
    found = reference(keras_worker, case)
    ours = run_ours(case, found)
    assert_same(found["outputs"][0], ours["outputs"][0])
    layer = layers.GRU(UNITS, return_sequences=True)
    layer.build((None, TIME, FEATURES))
    layer.set_weights(found["weights"])
    x = torch.tensor(arguments(case)["inputs"][0])
    assert_same(found["outputs"][0], layer(x.flip(1)))


def test_row_bidirectional_last_output(keras_worker: KerasWorker) -> None:
    """Keras's last output joins the final steps; torch's `out[:, -1]` has the backward layer's first step."""
    config = {"layer": {"class_name": "GRU", "config": {"units": UNITS}}}
    case = Case("bidirectional", "Bidirectional", config)
    found = reference(keras_worker, case)
    assert_same(found["outputs"][0], run_ours(case, found)["outputs"][0])
    module = torch.nn.GRU(FEATURES, UNITS, batch_first=True, bidirectional=True)
    order = [1, 0, 2]
    state = {}
    for suffix, (kernel, recurrent, bias) in (("", found["weights"][:3]), ("_reverse", found["weights"][3:])):
        parts = [blocks(array, order) for array in (kernel, recurrent, bias)]
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        for name, array in zip(names, (parts[0].T, parts[1].T, *parts[2]), strict=True):
            state[name + suffix] = torch.tensor(np.ascontiguousarray(array))
    module.load_state_dict(state)
    out, final = module(torch.tensor(arguments(case)["inputs"][0]))
    assert_same(found["outputs"][0], torch.cat([final[0], final[1]], dim=-1))
    assert np.abs(out[:, -1].detach().numpy() - found["outputs"][0])[:, UNITS:].max() > 1e-2


def test_row_dropout(keras_worker: KerasWorker) -> None:
    """Keras drops inputs, one mask for all steps, in every layer; torch drops outputs between stacked layers only."""
    x = np.ones((200, 6, 4), np.float32)
    config = {
        "units": 4,
        "activation": "linear",
        "dropout": 0.5,
        "return_sequences": True,
        "recurrent_initializer": "zeros",
    }
    layer = layers.SimpleRNN(**config).train()
    layer.build((None, 6, 4))
    kernel, _, bias = layer.get_weights()
    layer.set_weights([kernel, np.zeros((4, 4), np.float32), bias])
    out = layer(torch.tensor(x)).detach()
    assert torch.equal(out, out[:, :1].expand_as(out))
    assert float(out.std(0).max()) > 0.0
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last"):
        module = torch.nn.RNN(4, 4, batch_first=True, dropout=0.5)
    module.train()
    assert torch.equal(module(torch.tensor(x))[0], module(torch.tensor(x))[0])
    sample = keras_worker.call("keras3", "layers:dropout_sample", "SimpleRNN", {**config, "recurrent_dropout": 0.0}, x)
    assert sample["outputs"][0].std(0).max() > 0.0


def test_row_recurrent_dropout() -> None:
    with pytest.raises(TypeError, match="recurrent_dropout"):
        torch.nn.LSTM(3, 4, recurrent_dropout=0.5)
    layer = layers.LSTM(4, recurrent_dropout=0.5)
    layer.build((None, 6, 3))
    x = torch.randn(2, 6, 3)
    assert not torch.equal(layer.train()(x), layer(x))
    assert torch.equal(layer.eval()(x), layer(x))


def test_row_stateful() -> None:
    layer = layers.LSTM(4, stateful=True)
    x = torch.randn(2, 6, 3)
    first = layer(x)
    assert not torch.equal(layer(x), first)
    layer.reset_state()
    assert torch.equal(layer(x), first)
    module = torch.nn.LSTM(3, 4, batch_first=True)
    assert torch.equal(module(x)[0], module(x)[0])


def test_row_returns() -> None:
    x = torch.randn(2, 6, 3)
    assert layers.LSTM(4)(x).shape == (2, 4)
    assert [out.shape for out in layers.LSTM(4, return_state=True)(x)] == [(2, 4)] * 3
    out, (h, c) = torch.nn.LSTM(3, 4, batch_first=True)(x)
    assert (out.shape, h.shape, c.shape) == ((2, 6, 4), (1, 2, 4), (1, 2, 4))


@pytest.mark.parametrize("framework", KERASES)
def test_row_batch_normalization(keras_worker: KerasWorker, framework: str) -> None:
    """Keras's momentum weighs the old value, the variance that it keeps is the biased one."""
    case = Case("bn", "BatchNormalization", {"momentum": 0.9}, ((8, FEATURES),), training=True)
    found = reference(keras_worker, case, framework)
    ours = run_ours(case, found, framework=framework)
    for theirs, mine in zip(found["weights_after"], ours["weights_after"], strict=True):
        assert_same(theirs, mine)
    gamma, beta, mean, variance = (torch.tensor(array) for array in found["weights"])
    module = torch.nn.BatchNorm1d(FEATURES, eps=1e-3, momentum=1 - 0.9)
    module.load_state_dict(
        {
            "weight": gamma,
            "bias": beta,
            "running_mean": mean,
            "running_var": variance,
            "num_batches_tracked": torch.tensor(0),
        }
    )
    module(torch.tensor(arguments(case)["inputs"][0]))
    assert_same(found["weights_after"][2], module.running_mean)
    moved = module.running_var.numpy() - 0.9 * found["weights"][3]
    kept = found["weights_after"][3] - 0.9 * found["weights"][3]
    assert_close(moved / kept, np.full_like(kept, 8 / 7), 10 * OUTPUT)  # unbiased in torch; terms ten times larger


def test_row_epsilons(keras_worker: KerasWorker) -> None:
    for framework in KERASES:
        for name in ("BatchNormalization", "LayerNormalization"):
            assert keras_worker.call(framework, "facts:default", f"layers.{name}", "epsilon") == 1e-3
        assert keras_worker.call(framework, "facts:default", "optimizers.Adam", "epsilon") == 1e-7
    assert layers.BatchNormalization().epsilon == layers.LayerNormalization().epsilon == 1e-3
    assert torch.nn.BatchNorm1d(3).eps == torch.nn.LayerNorm(3).eps == 1e-5
    assert torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))]).defaults["eps"] == 1e-8


def test_row_adam(keras_worker: KerasWorker) -> None:
    """Keras adds epsilon to sqrt(v), torch to sqrt(v) after its bias correction: it shows where gradients are small."""
    floor = 2**-24 / 1e-3 / 2  # of Keras's correction, 1 - 0.999: half a last place of 1, of 1e-3, below a root
    gradient = np.array([1e-6, 1.0], np.float32)
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor(gradient)
    torch.optim.Adam([parameter], lr=0.01, eps=1e-7).step()
    moved = parameter.detach().numpy()
    for framework in KERASES:
        theirs = keras_worker.call(framework, "facts:adam_step", gradient)
        assert_close(theirs[1], moved[1], floor)
        assert abs(theirs[0]) < 0.5 * abs(moved[0])
        # With epsilon divided by the correction, sqrt(1 - 0.999), torch's first step is Keras's.
        scaled = torch.nn.Parameter(torch.zeros(2))
        scaled.grad = torch.tensor(gradient)
        torch.optim.Adam([scaled], lr=0.01, eps=1e-7 / (1 - 0.999) ** 0.5).step()
        assert_close(theirs, scaled.detach().numpy(), floor)


def test_row_hard_sigmoid(keras_worker: KerasWorker) -> None:
    x = np.linspace(-4, 4, 41, dtype=np.float32)
    new = keras_worker.call("keras3", "facts:activation", "hard_sigmoid", x)
    old = keras_worker.call("keras2", "facts:activation", "hard_sigmoid", x)
    assert_same(new, torch.nn.functional.hardsigmoid(torch.tensor(x)))
    assert_same(old, np.clip(0.2 * x + 0.5, 0, 1))
    assert np.abs(new - old).max() > 0.05
    assert_same(new, kt.activations.get("hard_sigmoid")(torch.tensor(x)))
    assert_same(old, kt.activations.get("hard_sigmoid_keras2")(torch.tensor(x)))


def test_row_dense_start(keras_worker: KerasWorker) -> None:
    limit = (6 / (100 + 50)) ** 0.5
    for framework in KERASES:
        kernel, bias = keras_worker.call(framework, "facts:first_weights", "Dense", {"units": 50}, (None, 100))
        assert 0.97 * limit < np.abs(kernel).max() <= limit
        assert not bias.any()
    layer = layers.Dense(50)
    layer.build((None, 100))
    assert 0.97 * limit < np.abs(layer.get_weights()[0]).max() <= limit
    assert not layer.get_weights()[1].any()
    assert float(torch.nn.Linear(100, 50).bias.detach().abs().max()) > 0.0


def test_row_embedding(keras_worker: KerasWorker) -> None:
    for framework in KERASES:
        table = keras_worker.call(
            framework, "facts:first_weights", "Embedding", {"input_dim": 50, "output_dim": 20}, (None, 3)
        )[0]
        assert 0.045 < np.abs(table).max() <= 0.05
    layer = layers.Embedding(50, 20, mask_zero=True)
    layer.build((None, 3))
    assert 0.045 < np.abs(layer.get_weights()[0]).max() <= 0.05
    assert layer.compute_mask(torch.tensor([[1, 0, 2]])).tolist() == [[True, False, True]]
    module = torch.nn.Embedding(50, 20, padding_idx=0)
    assert float(module.weight.detach().std()) > 0.8
    assert not module.weight[0].any()  # torch zeroes the row; Keras keeps it and hands on a mask


def test_row_newer_keras(keras_worker: KerasWorker, tmp_path: Path) -> None:
    words = np.array([[1, 2, 3, 0, 0, 0], [4, 3, 2, 1, 4, 0]], "int32")
    theirs = keras_worker.call("keras3", "files:run", "files:stacked", words, str(tmp_path), (".keras",))["outputs"][""]
    newer = tmp_path / "newer.keras"
    with zipfile.ZipFile(tmp_path / "model.keras") as old, zipfile.ZipFile(newer, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"keras_version": "3.15.1"', b'"keras_version": "3.16.0.dev0"'))
    with pytest.warns(UserWarning, match=r"written by Keras 3\.16\.0\.dev0, and kerastorch is tested up to 3\.15\.1"):
        model = kt.load_model(newer)
    x = torch.tensor(words)
    assert_same(theirs[0], model(x))
    for layer in model.layers[1:-1]:  # the masks as that version has them: none behind the first layer over time
        x = (layer(x, mask=torch.tensor(words != 0)) if isinstance(layer, layers.RNN) else layer(x)).clone()
    unmasked = model.layers[-1](x)
    assert float((unmasked.detach() - torch.tensor(theirs[0])).abs().max()) > 1e-2


def test_row_same_padding(keras_worker: KerasWorker) -> None:
    """With strides 2 over 6 steps Keras puts the one zero that it needs behind; torch would put one on each side."""
    config = {"filters": UNITS, "kernel_size": 3, "strides": 2, "padding": "same"}
    case = Case("conv", "Conv1D", config, ((2, 6, FEATURES),))
    found = reference(keras_worker, case)
    kernel, bias = (torch.tensor(array) for array in found["weights"])
    x = torch.tensor(arguments(case)["inputs"][0]).transpose(1, 2)
    behind = torch.nn.functional.pad(x, (0, 1))
    right = torch.nn.functional.conv1d(behind, kernel.permute(2, 1, 0), bias, 2).transpose(1, 2)
    assert_same(found["outputs"][0], right)
    assert_same(found["outputs"][0], run_ours(case, found)["outputs"][0])
    wrong = torch.nn.functional.conv1d(x, kernel.permute(2, 1, 0), bias, 2, padding=1).transpose(1, 2)
    assert wrong.shape == right.shape
    assert float((wrong - right).abs().max()) > 1e-2
    with pytest.raises(ValueError, match="padding='same' is not supported for strided convolutions"):
        torch.nn.Conv1d(FEATURES, UNITS, 3, stride=2, padding="same")


def test_row_equal_maxima(keras_worker: KerasWorker) -> None:
    for rank, everywhere in ((1, False), (2, False), (3, True)):
        x = np.zeros((1, *(2,) * rank, 1), "float32")
        given = {"class_name": f"MaxPooling{rank}D", "config": {"pool_size": 2}, "inputs": [x]}
        found = keras_worker.call("keras3", "layers:run_layer", **given)
        upstream = found["upstream"][0].item()
        first = np.zeros(2**rank, "float32")
        first[:1] = upstream
        assert_same(found["grads_inputs"][0].reshape(-1), first * 0 + upstream if everywhere else first)
        leaf = torch.tensor(x, requires_grad=True)
        (getattr(layers, f"MaxPooling{rank}D")(2)(leaf) * upstream).sum().backward()
        assert leaf.grad is not None
        assert_same(first, leaf.grad.reshape(-1))
        plain = torch.tensor(x, requires_grad=True)
        module = getattr(torch.nn, f"MaxPool{rank}d")(2)
        (module(plain.movedim(-1, 1)) * upstream).sum().backward()
        assert plain.grad is not None
        assert_same(first, plain.grad.reshape(-1))


def test_row_order_of_axes() -> None:
    """(batch, timesteps, features) is the only order in Keras; in torch it must be asked for."""
    assert layers.LSTM(4, return_sequences=True)(torch.zeros(2, 6, 3)).shape == (2, 6, 4)
    assert torch.nn.LSTM(3, 4)(torch.zeros(6, 2, 3))[0].shape == (6, 2, 4)


def test_every_row_has_its_test_and_every_test_its_row() -> None:
    rows = re.findall(r"`(test_row_\w+)`", PAGE.read_text())
    sources = [path.read_text() for path in Path(__file__).parent.glob("test_differences*_live.py")]
    tests = [name for source in sources for name in re.findall(r"^def (test_row_\w+)", source, re.MULTILINE)]
    assert len(rows) == len(set(rows)) >= 20
    assert set(rows) == set(tests)
