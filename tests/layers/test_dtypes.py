"""Dtypes: float64, half precision, autocast, and Keras's mixed policies against real Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import FLOAT64, MARGIN, OUTPUT, assert_close
from _keras_worker import KerasWorker
from _needs import SHARED_FILES, needs
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import Input, Sequential, layers
from kerastorch.errors import ArgumentError

# Half precision rounds at each step to 11 bits (float16) or 8 (bfloat16): some roundings of values near 1.
BOUND = {torch.float16: 4e-3, torch.bfloat16: 3e-2, torch.float64: MARGIN * FLOAT64}
POLICIES = {"mixed_float16": torch.float16, "mixed_bfloat16": torch.bfloat16}
SPECIAL = Path(__file__).resolve().parents[3] / "shared" / "layouts" / "special"

RECURRENT = [
    ("LSTM", {"return_state": True}),
    ("GRU", {}),
    ("SimpleRNN", {}),
    ("LSTM", {"activation": "relu", "recurrent_activation": "hard_sigmoid"}),
    ("GRU", {"reset_after": False, "go_backwards": True}),
]
recurrent = pytest.mark.parametrize(("name", "config"), RECURRENT, ids=[f"{n}-{'-'.join(c)}" for n, c in RECURRENT])
halves = pytest.mark.parametrize("half", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
policies = pytest.mark.parametrize("policy", POLICIES)


def make(name: str, config: dict[str, Any], **base: Any) -> Any:
    layer = getattr(layers, name)(5, **{"return_sequences": True, **config, **base})
    layer.build((None, None, 4))
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return layer.eval()


def twin(layer: Any, name: str, config: dict[str, Any], **base: Any) -> Any:
    made = make(name, config, **base)
    made.load_state_dict(layer.state_dict())
    return made


def data() -> tuple[Tensor, Tensor]:
    x, mask = torch.randn(3, 6, 4), torch.rand(3, 6) > 0.4
    mask[1] = False
    return x, mask


def flat(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)


def gap(found: Any, expected: Any) -> float:
    """The largest difference, of the largest value of each array."""
    pairs = zip([a.detach().double() for a in flat(found)], [b.detach().double() for b in flat(expected)], strict=True)
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


# ---------------------------------------------------------------- .double(), .half(), .bfloat16()


@recurrent
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_a_layer_in_another_dtype(name: str, config: dict[str, Any], dtype: torch.dtype) -> None:
    layer = make(name, config)
    x, mask = data()
    other = twin(layer, name, config).to(dtype)
    reference = twin(layer, name, config).double()
    assert other.dtype == other._computes_in == dtype
    for options in ({}, {"mask": mask}):
        expected, found = reference(x.double(), **options), other(x.to(dtype), **options)
        assert {part.dtype for part in flat(found)} == {dtype}
        assert gap(found, expected) < BOUND[dtype]
        sum(part.double().square().sum() for part in flat(found)).backward()
        sum(part.square().sum() for part in flat(expected)).backward()
        pairs = list(zip(other.parameters(), reference.parameters(), strict=True))
        assert gap([p.grad for p, _ in pairs], [r.grad for _, r in pairs]) < 10 * BOUND[dtype]  # a sum over 18 steps


@halves
def test_the_cell_state_is_held_exactly_on_padding_in_half_precision(half: torch.dtype) -> None:
    layer = make("LSTM", {"return_state": True, "return_sequences": False}).to(half)
    x, mask = data()
    mask = torch.arange(6) < torch.tensor([[2], [4], [6]])
    with torch.no_grad():
        found = layer(x.to(half), mask=mask)
        for row, steps in enumerate((2, 4, 6)):
            alone = layer(x[row : row + 1, :steps].to(half))
            assert gap([part[row : row + 1] for part in found], alone) < BOUND[half]
        unmasked = layer(x.to(half))
    assert gap(found[2][:2], unmasked[2][:2]) > 5 * BOUND[half]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_a_model_in_another_dtype(dtype: torch.dtype) -> None:
    def make_model() -> Any:
        return Sequential(
            [
                Input((None, 4)),
                layers.Masking(),
                layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
                layers.GRU(4, dtype="float32"),
                layers.Activation("tanh", dtype="float32"),  # without weights: it must follow .half() as well
                layers.Dense(2),
            ]
        ).eval()

    model, other = make_model(), make_model()
    other.load_state_dict(model.state_dict())
    other.to(dtype)
    x, mask = data()
    x = x * mask.unsqueeze(-1)
    found = other(x.to(dtype))
    assert found.dtype == dtype
    assert gap(found, model(x)) < (MARGIN * OUTPUT if dtype == torch.float64 else BOUND[dtype])
    assert other.layers[3].get_config()["dtype"] == str(dtype).removeprefix("torch.")


def test_a_dtype_is_never_narrowed_silently() -> None:
    layer = layers.LSTM(5, name="wide")
    layer.build((None, None, 4))
    with pytest.raises(ArgumentError, match=r"LSTM 'wide': the input is torch.float64, the weights are torch.float32"):
        layer(torch.zeros(2, 3, 4, dtype=torch.float64))


# ---------------------------------------------------------------- autocast


@recurrent
def test_autocast(name: str, config: dict[str, Any]) -> None:
    layer = make(name, config)
    x, mask = data()
    for options in ({}, {"mask": mask}):
        expected = layer(x, **options)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = layer(x, **options)
        assert {part.dtype for part in flat(found)} == {torch.bfloat16}
        assert gap(found, expected) < BOUND[torch.bfloat16]
        grads = torch.autograd.grad(sum(p.float().sum() for p in flat(found)), list(layer.parameters()))
        wanted = torch.autograd.grad(sum(p.sum() for p in flat(expected)), list(layer.parameters()))
        assert {grad.dtype for grad in grads} == {torch.float32}
        assert gap(grads, wanted) < 3 * BOUND[torch.bfloat16]


def test_autocast_leaves_float64_alone() -> None:
    layer = make("LSTM", {}).double()
    x = torch.randn(2, 3, 4, dtype=torch.float64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = layer(x)
    assert torch.equal(found, layer(x))


def test_autocast_over_a_model_that_was_given_dtypes() -> None:
    model = Sequential([Input((None, 4)), layers.LSTM(5, dtype="float32"), layers.Dense(2, dtype="float32")])
    x, _ = data()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(x)
    assert found.dtype == torch.bfloat16
    assert gap(found, model(x)) < BOUND[torch.bfloat16]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@halves
@recurrent
def test_half_precision_on_cuda(name: str, config: dict[str, Any], half: torch.dtype) -> None:
    layer = make(name, config).cuda()
    x, mask = (value.cuda() for value in data())
    expected = layer(x, mask=mask)
    with torch.autocast("cuda", dtype=half):
        assert gap(layer(x, mask=mask), expected) < 2 * BOUND[half]
    assert gap(layer.to(half)(x.to(half), mask=mask), expected) < 2 * BOUND[half]


# ---------------------------------------------------------------- Keras's mixed policies

MIXED = [
    ("LSTM", {"units": 5, "return_sequences": True, "return_state": True}, True),
    ("GRU", {"units": 5, "return_sequences": True}, True),
    ("SimpleRNN", {"units": 5}, True),
    ("LSTM", {"units": 5, "activation": "relu", "recurrent_activation": "hard_sigmoid"}, True),
    ("GRU", {"units": 5, "reset_after": False, "go_backwards": True}, False),
    ("Bidirectional", {"layer": {"class_name": "GRU", "config": {"units": 3, "return_sequences": True}}}, True),
    ("TimeDistributed", {"layer": {"class_name": "Dense", "config": {"units": 3, "activation": "tanh"}}}, False),
    ("Dense", {"units": 3, "activation": "softmax"}, False),
    ("BatchNormalization", {}, False),
    ("LayerNormalization", {}, False),
    ("RMSNormalization", {}, False),
    ("GroupNormalization", {"groups": 2}, False),
    ("UnitNormalization", {"axis": [1, 2]}, False),
    ("Normalization", {"mean": [0.5, 1.0, -0.5, 0.0], "variance": [1.0, 2.0, 0.5, 1.0]}, False),
    ("Rescaling", {"scale": [1.0, 2.0, 0.5, 1.5], "offset": 0.25}, False),
    ("PReLU", {"shared_axes": [1]}, False),
    ("LeakyReLU", {}, False),
    ("Softmax", {"axis": [1, 2]}, False),
    ("Masking", {}, False),
    ("Activation", {"activation": "tanh"}, False),
    ("Concatenate", {}, False),
    ("Add", {}, False),
    ("Embedding", {"input_dim": 11, "output_dim": 4}, False),
]


def made_by_us(class_name: str, config: dict[str, Any], policy: str) -> Any:
    inner = config.get("layer")
    given = {**config, "layer": made_by_us(inner["class_name"], inner["config"], policy)} if inner else config
    return getattr(layers, class_name)(**given, dtype=policy)


@policies
@pytest.mark.parametrize(("name", "config", "masked"), MIXED, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(MIXED)])
def test_mixed_policies_compute_as_keras_does(
    keras_worker: KerasWorker, policy: str, name: str, config: dict[str, Any], masked: bool
) -> None:
    x, mask = data()
    inputs = [x, torch.randn(3, 6, 4)] if name in ("Add", "Concatenate") else [x]
    if name == "Embedding":
        inputs = [torch.randint(0, 11, (3, 6), dtype=torch.int32)]
    given = mask if masked else None
    arrays = [part.numpy() for part in inputs]
    theirs = keras_worker.call(
        "keras3", "dtypes:run_layer", name, config, arrays, policy, None if given is None else given.numpy()
    )
    layer = made_by_us(name, config, policy)
    layer.build([tuple(part.shape) for part in inputs] if len(inputs) > 1 else tuple(inputs[0].shape))
    layer.set_weights(theirs["weights"])
    layer.eval()
    outputs = flat(layer(inputs if len(inputs) > 1 else inputs[0], **({} if given is None else {"mask": given})))
    assert [str(part.dtype).removeprefix("torch.") for part in outputs] == [dtype for dtype, _ in theirs["outputs"]]
    bound = BOUND[POLICIES[policy]]
    assert gap(outputs, [torch.tensor(array) for _, array in theirs["outputs"]]) < bound
    assert theirs["dtypes"] == ("float32", policy.removeprefix("mixed_"))
    assert (layer.dtype, layer._computes_in) == (torch.float32, POLICIES[policy])
    assert layer.get_config()["dtype"] == policy
    if layer.get_weights():
        total = sum((y.float() * torch.tensor(u)).sum() for y, u in zip(outputs, theirs["upstream"], strict=True))
        total.backward()
        found = [torch.tensor(array) for array in layer.get_gradients() if array is not None]
        assert {grad.dtype for grad in found} == {torch.float32}
        # A gradient sums the roundings of 18 steps, and Keras sums them in half precision.
        assert gap(found, [torch.tensor(array) for _, array in theirs["gradients"]]) < 5 * bound
        full = made_by_us(name, config, "float32")
        full.build([tuple(part.shape) for part in inputs] if len(inputs) > 1 else tuple(inputs[0].shape))
        full.set_weights(theirs["weights"])
        full.eval()
        precise = flat(full(inputs[0], **({} if given is None else {"mask": given})))
        assert 0 < gap(precise, outputs) < bound  # the policy does act


@policies
def test_a_file_with_a_mixed_policy(keras_worker: KerasWorker, tmp_path: Path, policy: str) -> None:
    ids = np.array([[1, 2, 3, 4, 0], [5, 6, 0, 0, 0], [10, 9, 8, 7, 6]])
    for suffix in ("keras", "h5"):
        path = str(tmp_path / f"model.{suffix}")
        theirs = keras_worker.call("keras3", "dtypes:run_model", policy, ids, path)
        model = kt.load_model(path)
        found = model(torch.tensor(ids))
        dtype, array = theirs["output"]
        assert dtype == "float32" == str(found.dtype).removeprefix("torch.")
        assert model.outputs[0].dtype == torch.float32
        assert gap(found, torch.tensor(array)) < BOUND[POLICIES[policy]]
        ours = [(layer.dtype, layer._computes_in) for layer in model.layers]
        assert [tuple(str(d).removeprefix("torch.") for d in pair) for pair in ours] == [
            tuple(pair) for pair in theirs["dtypes"]
        ]
        again = type(model).from_config(model.get_config()).eval()
        again.set_weights(model.get_weights())
        assert torch.equal(again(torch.tensor(ids)), found)


@needs(SPECIAL.exists(), SHARED_FILES)
@pytest.mark.parametrize("suffix", ["keras", "h5"])
@policies
def test_shared_files_with_a_mixed_policy(policy: str, suffix: str) -> None:
    model = kt.load_model(SPECIAL / f"{policy}.{suffix}")
    assert [layer._computes_in for layer in model.layers] == [POLICIES[policy]] * len(model.layers)
    assert model(torch.randn(2, 6)).dtype == POLICIES[policy]
    assert {str(array.dtype) for array in model.get_weights()} == {"float32"}
    kt.load_weights(model, SPECIAL / f"{policy}.weights.h5")


@policies
def test_a_mixed_layer_trains_its_float32_weights(policy: str) -> None:
    layer = make("LSTM", {}, dtype=policy)
    assert isinstance(layer.weight_ih_l0, nn.Parameter)
    optimizer = torch.optim.SGD(layer.parameters(), 1e-4)  # steps that bfloat16 weights would round away
    before = [parameter.clone() for parameter in layer.parameters()]
    x, mask = data()
    layer(x, mask=mask).float().sum().backward()
    optimizer.step()
    for parameter, old in zip(layer.parameters(), before, strict=True):
        assert parameter.dtype == torch.float32
        moved = (parameter - old).abs().max()
        assert 0 < moved < 1e-2
        assert_close(parameter, old - 1e-4 * parameter.grad)


@policies
def test_a_mixed_layer_restores_its_weights_when_a_call_fails(policy: str) -> None:
    layer = make("LSTM", {}, dtype=policy)
    with pytest.raises(kt.KerasTorchError):
        layer(torch.zeros(2, 3, 9))
    assert isinstance(layer.weight_ih_l0, nn.Parameter)
    assert {value.dtype for value in layer.state_dict().values()} == {torch.float32}


def test_a_mixed_layer_that_was_cast_computes_in_its_new_dtype() -> None:
    layer = make("LSTM", {}, dtype="mixed_float16").double()
    assert layer(torch.zeros(2, 3, 4, dtype=torch.float64)).dtype == torch.float64
    assert layer.get_config()["dtype"] == "float64"


def test_a_float32_layer_behind_a_mixed_one_widens_and_one_without_dtype_refuses() -> None:
    x = torch.randn(2, 3, 4).half()
    assert make("LSTM", {}, dtype="float32")(x).dtype == torch.float32
    with pytest.raises(ArgumentError, match=r"the input is torch.float16, the weights are torch.float32"):
        make("LSTM", {})(x)
    assert layers.Dropout(0.1)(x).dtype == torch.float16
    assert layers.Dropout(0.1, dtype="float32")(x).dtype == torch.float32


def test_autocast_false_leaves_the_casts_to_the_caller() -> None:
    layer = make("LSTM", {}, dtype="mixed_float16", autocast=False)
    assert layer(torch.zeros(2, 3, 4)).dtype == torch.float32


def test_policies_by_every_spelling() -> None:
    config = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}}
    assert layers.Dense(2, dtype=config)._computes_in == torch.bfloat16
    assert layers.Dense(2, dtype=torch.float64)._computes_in == torch.float64
    with pytest.raises(ArgumentError, match=r"dtype: expected one of .*'mixed_float16'.*, got 'mixed_float8'"):
        layers.Dense(2, dtype="mixed_float8")


def test_a_users_layer_computes_in_its_policy() -> None:
    class Scale(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight((4,), initializer="ones", name="w")

        def call(self, x: Tensor) -> Tensor:
            assert x.dtype == self.w.dtype == torch.bfloat16
            return x * self.w

    layer = Scale(dtype="mixed_bfloat16")
    out = layer(torch.randn(3, 4))
    out.sum().backward()
    assert out.dtype == torch.bfloat16
    assert layer.w.dtype == layer.w.grad.dtype == torch.float32
