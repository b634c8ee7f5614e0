from __future__ import annotations

import copy
import json
import re
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from torch import nn

from kerastorch import model_from_json
from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError
from kerastorch.initializers import Constant
from kerastorch.layers import LSTM, BatchNormalization, Dense, Layer, LayerNormalization, ReLU, SpectralNormalization

Array = np.ndarray


def weighted(rng: np.random.Generator, layer: BatchNormalization, shape: tuple[int, ...]) -> dict[str, Array]:
    """Random distinct weights, positive so that they may be variances; by Keras's name."""
    layer.build(shape)
    arrays = {v.name: (0.5 + rng.random(v.shape)).astype("float32") for v in layer.variables}
    layer.set_weights(list(arrays.values()))
    return arrays


def around(axis: int, rank: int, array: Array) -> Array:
    shape = [1] * rank
    shape[axis] = -1
    return array.reshape(shape)


def normalised(x: Array, mean: Array, variance: Array, w: dict[str, Array], axis: int, epsilon: float) -> Array:
    mean, variance, gamma, beta = (
        around(axis, x.ndim, a) for a in (mean, variance, w.get("gamma", np.ones(1)), w.get("beta", np.zeros(1)))
    )
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


SHAPES = [((6, 3), -1), ((4, 5, 3), -1), ((4, 5, 3), 1), ((4, 3, 5, 2), 1), ((2, 3, 5, 2), 2), ((4, 5, 3), -2)]


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_inference(rng: np.random.Generator, shape: tuple[int, ...], axis: int) -> None:
    layer = BatchNormalization(axis, epsilon=0.01).eval()
    w = weighted(rng, layer, shape)
    assert list(w) == ["gamma", "beta", "moving_mean", "moving_variance"]
    x = rng.normal(size=shape).astype("float32")
    wanted = normalised(x, w["moving_mean"], w["moving_variance"], w, axis, 0.01)
    assert_close(layer(x).detach(), wanted)
    for name, array in zip(w, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(array, w[name])


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_training(rng: np.random.Generator, shape: tuple[int, ...], axis: int) -> None:
    layer = BatchNormalization(axis, momentum=0.8)
    w = weighted(rng, layer, shape)
    x = (rng.normal(size=shape) * 2 + 1).astype("float32")
    others = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
    mean, variance = x.mean(others), x.var(others)
    assert_close(layer(x).detach(), normalised(x, mean, variance, w, axis, 1e-3))
    assert_close(layer.running_mean, 0.8 * w["moving_mean"] + 0.2 * mean)
    assert_close(layer.running_var, 0.8 * w["moving_variance"] + 0.2 * variance)
    layer(x, training=False)
    assert_close(layer.running_mean, 0.8 * w["moving_mean"] + 0.2 * mean)


def test_masked_steps_do_not_count(rng: np.random.Generator) -> None:
    layer = BatchNormalization(momentum=0.5)
    w = weighted(rng, layer, (4, 5, 3))
    x = rng.normal(size=(4, 5, 3)).astype("float32")
    mask = rng.random((4, 5)) < 0.5
    mask[2] = False
    other = x.copy()
    other[~mask] = np.nan  # what is masked changes no number elsewhere
    mean, variance = x[mask].mean(0), x[mask].var(0)
    y = layer(torch.from_numpy(other), mask=torch.from_numpy(mask)).detach().numpy()
    assert_close(y[mask], normalised(x, mean, variance, w, -1, 1e-3)[mask])
    assert_close(layer.running_mean, 0.5 * (w["moving_mean"] + mean))
    assert_close(layer.running_var, 0.5 * (w["moving_variance"] + variance))


def test_no_step_at_all_counts() -> None:
    layer = BatchNormalization(momentum=0.5)
    y = layer(torch.randn(2, 5, 3), mask=torch.zeros(2, 5, dtype=torch.bool))
    assert y.isfinite().all()
    assert layer.running_mean.tolist() == [0.0] * 3
    assert layer.running_var.tolist() == [0.5] * 3


@pytest.mark.parametrize("masked", [False, True])
def test_gradients(masked: bool) -> None:
    layer = BatchNormalization(dtype="float64")
    layer.build((None, 5, 3))
    mask = torch.rand(4, 5) < 0.6 if masked else None
    x = torch.randn(4, 5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: layer(x, mask=mask), (x, layer.weight, layer.bias))


def test_frozen_means_inference(rng: np.random.Generator) -> None:
    layer = BatchNormalization(trainable=False).train()
    w = weighted(rng, layer, (6, 3))
    x = rng.normal(size=(6, 3)).astype("float32")
    wanted = normalised(x, w["moving_mean"], w["moving_variance"], w, -1, 1e-3)
    assert_close(layer(x, training=True), wanted)
    np.testing.assert_array_equal(layer.running_mean, w["moving_mean"])
    layer.trainable = True
    layer(x)
    assert not np.array_equal(layer.running_mean, w["moving_mean"])


@pytest.mark.parametrize(
    ("shape", "axis", "unbiased"),
    [
        ((2, 3, 4, 5), 1, True),
        ((2, 3, 4, 5), -1, True),
        ((2, 2, 3, 4, 5), 4, True),
        ((2, 3, 4, 5), 2, False),
        ((2, 3, 5), 1, False),
    ],
)
def test_the_fused_kernel_of_keras_2(
    rng: np.random.Generator, shape: tuple[int, ...], axis: int, unbiased: bool
) -> None:
    layer = BatchNormalization(axis, momentum=0.5, fused=True)
    w = weighted(rng, layer, shape)
    x = rng.normal(size=shape).astype("float32")
    others = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
    y = layer(x, mask=rng.random(shape[:-1]) < 0.5) if unbiased else layer(x)
    mean, variance = x.mean(others), x.var(others)
    assert_close(y.detach(), normalised(x, mean, variance, w, axis, 1e-3))
    moved = x.var(others, ddof=1) if unbiased else variance
    assert_close(layer.running_var, 0.5 * (w["moving_variance"] + moved))
    assert layer.get_config()["fused"] is True
    assert "fused" not in BatchNormalization(fused=False).get_config()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bits_are_computed_in_32(dtype: torch.dtype) -> None:
    x = torch.randn(64, 3) * 300 + 1000  # the squares overflow in float16
    layer = BatchNormalization()
    layer.build((None, 3))
    half = copy.deepcopy(layer).to(dtype)
    y = half(x.to(dtype))
    assert y.dtype == dtype
    assert_close(y.float(), layer(x.to(dtype).float()), torch.finfo(dtype).eps / 2)  # the output alone is rounded


def test_one_value_for_each_feature() -> None:
    x, layer = torch.randn(1, 3), BatchNormalization()
    assert_close(layer(x), torch.zeros(1, 3), scale=float(x.abs().max()) / layer.epsilon**0.5)


def test_torchs_batch_norm_takes_the_state_dict_and_gives_it_back(rng: np.random.Generator) -> None:
    layer = BatchNormalization(momentum=0.9)
    weighted(rng, layer, (6, 3))
    torchs = nn.BatchNorm1d(3, eps=1e-3, momentum=0.1)
    torchs.load_state_dict(layer.state_dict())
    x = torch.randn(6, 3)
    assert_close(torchs(x), layer(x))
    assert_close(torchs.running_mean, layer.running_mean)
    holder = nn.Sequential(BatchNormalization())
    holder[0].build((None, 3))
    holder.load_state_dict(nn.Sequential(torchs).state_dict())
    assert torch.equal(holder[0].running_var, torchs.running_var)
    assert len(layer.get_weights()) == 4


@pytest.mark.parametrize("given", [[2], (2,), 2])
def test_axis_in_a_list(given: object) -> None:
    layer = BatchNormalization(given)
    assert layer.get_config()["axis"] == 2
    assert layer(torch.randn(2, 4, 3)).shape == (2, 4, 3)


def test_batch_normalization_errors() -> None:
    layer = BatchNormalization(name="bn")
    layer.build((None, 5, 3))
    message = "BatchNormalization 'bn': expected 3 features at axis -1, got 4 (input of shape (2, 5, 4))."
    with pytest.raises(ShapeError, match=re.escape(message)):
        layer(torch.zeros(2, 5, 4))
    message = "BatchNormalization 'bn': expected a mask of shape (2, 5) for input of shape (2, 5, 3), got (2, 4)."
    with pytest.raises(ShapeError, match=re.escape(message)):
        layer(torch.zeros(2, 5, 3), mask=torch.ones(2, 4))
    with pytest.raises(ArgumentError, match=r"the input is torch.float64, the weights are torch.float32"):
        layer(torch.zeros(2, 5, 3, dtype=torch.float64))
    message = "axis 3 is out of bounds for input of shape (2, 5, 3); it can be -3 to 2."
    with pytest.raises(ShapeError, match=re.escape(message)):
        BatchNormalization(3).build((2, 5, 3))
    with pytest.raises(UnsupportedError, match=r"axis=\(1, 2\) is not supported: expected one axis, got 2"):
        BatchNormalization([1, 2])
    with pytest.raises(ArgumentError, match="axis: expected an integer"):
        BatchNormalization("last")


@pytest.mark.parametrize("option", [{"synchronized": True}, {"virtual_batch_size": 4}, {"adjustment": len}])
def test_what_is_not_supported_is_refused(option: dict[str, object]) -> None:
    with pytest.raises(UnsupportedError, match=f"{next(iter(option))}=.* is not supported: "):
        BatchNormalization(**option)


@pytest.mark.parametrize(
    ("clipping", "message"),
    [
        ({"max": 1.0}, r"renorm_clipping: expected a dict with keys of \['rmax', 'rmin', 'dmax'\], got {'max': 1.0}"),
        ({"rmax": 1.0, "rmin": 2.0}, "rmax must not be below rmin, got rmax=1.0, rmin=2.0"),
        ({"dmax": -1.0}, "dmax must not be negative, got -1.0"),
        ({"rmax": "high"}, r"renorm_clipping\['rmax'\]: expected a number"),
    ],
)
def test_bounds_of_renormalisation_are_checked(clipping: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        BatchNormalization(renorm=True, renorm_clipping=clipping)
    BatchNormalization(renorm_clipping=clipping)  # of no effect
    with pytest.raises(ArgumentError, match="fused=True and renorm=True exclude each other"):
        BatchNormalization(renorm=True, fused=True)


def test_renormalisation_stays_in_configs_and_is_not_torch_s() -> None:
    layer = BatchNormalization(renorm=True, renorm_clipping={"dmax": 2.0}, renorm_momentum=0.7, axis=1)
    again = BatchNormalization.from_config(layer.get_config())
    assert (again.renorm, again.renorm_clipping, again.renorm_momentum) == (True, {"dmax": 2.0}, 0.7)
    assert "renorm" not in BatchNormalization().get_config()
    layer.build((None, 3))
    names = ["moving_mean", "moving_variance", "moving_stddev", "renorm_mean", "renorm_stddev"]
    assert [variable.name for variable in layer.non_trainable_weights] == names
    started = BatchNormalization(renorm=True, moving_variance_initializer=Constant(4.0))
    started.build((None, 3))
    assert started.moving_stddev.eq(2.0).all()
    assert started.renorm_stddev.eq(2.0).all()
    with pytest.raises(UnsupportedError, match="torch's has no batch renormalisation"):
        layer.to_torch()


def test_rms_scaling_warns_as_keras_does() -> None:
    with pytest.warns(UserWarning, match="rms_scaling=True divides by the standard deviation"):
        layer = LayerNormalization(rms_scaling=True)
    layer.build((None, 3))
    assert [variable.name for variable in layer.weights] == ["gamma"]
    with pytest.warns(UserWarning, match="use RMSNormalization"):
        assert LayerNormalization.from_config(layer.get_config()).rms_scaling
    with pytest.raises(UnsupportedError, match="torch's has no division without centring"):
        layer.to_torch()


def test_keras_3_configs_are_read() -> None:
    BatchNormalization.from_config(
        {"axis": -1, "renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99, "synchronized": False}
    )
    LayerNormalization.from_config({"axis": [-1], "rms_scaling": False})


@pytest.mark.parametrize(
    ("axis", "axes"), [(-1, (2,)), (1, (1,)), ([1, 2], (1, 2)), ([-1, -2], (1, 2)), ([0, 2], (0, 2))]
)
def test_layer_normalization(rng: np.random.Generator, axis: object, axes: tuple[int, ...]) -> None:
    layer = LayerNormalization(axis, epsilon=0.01)
    w = weighted(rng, layer, (4, 5, 3))
    x = rng.normal(size=(4, 5, 3)).astype("float32")
    assert w["gamma"].shape == tuple(x.shape[i] for i in axes)
    shape = [size if i in axes else 1 for i, size in enumerate(x.shape)]
    wanted = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 0.01)
    wanted = wanted * w["gamma"].reshape(shape) + w["beta"].reshape(shape)
    assert_close(layer(x).detach(), wanted)


def test_layer_normalization_without_weights(rng: np.random.Generator) -> None:
    layer = LayerNormalization(scale=False, center=False)
    x = rng.normal(size=(4, 3))
    wanted = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-3)
    assert_close(layer(torch.from_numpy(x)), wanted)
    assert layer.get_weights() == []
    assert layer(torch.tensor([[1, 2, 3]])).dtype == torch.float32


def test_torchs_layer_norm_takes_the_state_dict(rng: np.random.Generator) -> None:
    layer = LayerNormalization()
    weighted(rng, layer, (4, 3))
    torchs = nn.LayerNorm(3, eps=1e-3)
    torchs.load_state_dict(layer.state_dict())
    x = torch.randn(4, 3)
    assert torch.equal(torchs(x), layer(x))


def test_layer_normalization_errors() -> None:
    layer = LayerNormalization([1, 2], name="ln")
    layer.build((None, 5, 3))
    message = "LayerNormalization 'ln': expected sizes (5, 3) at axis [1, 2], got (5, 4) (input of shape (2, 5, 4))."
    with pytest.raises(ShapeError, match=re.escape(message)):
        layer(torch.zeros(2, 5, 4))
    with pytest.raises(ShapeError, match="the size of axis 1 must be known"):
        LayerNormalization(1).build((None, None, 3))
    for axis in ([], [1, 1], [1, -1]):
        with pytest.raises(ArgumentError, match="axis: expected an axis or a list of different axes"):
            LayerNormalization(axis)


def test_a_file_of_tensorflow_1_with_renormalisation() -> None:
    config = {"name": "it", "batch_input_shape": [None, 2, 2, 3], "axis": [3], "renorm": True}
    config |= {"renorm_clipping": {"rmax": 3.0}, "renorm_momentum": 0.9}
    layers = [{"class_name": "BatchNormalization", "config": config}]
    text = {"class_name": "Sequential", "keras_version": "2.2.4-tf", "backend": "tensorflow"}
    model = model_from_json(json.dumps({**text, "config": {"name": "m", "layers": layers}}))
    layer: Any = model.layers[0]
    assert (layer.renorm, layer.renorm_clipping, layer.renorm_momentum) == (True, {"rmax": 3.0}, 0.9)
    assert not layer.fused
    config.pop("renorm")
    model = model_from_json(json.dumps({**text, "config": {"name": "m", "layers": layers}}))
    assert model.layers[0].fused  # type: ignore[attr-defined]


class Product(Layer):
    """A layer of one's own, whose weight has no name but the attribute's."""

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], 3))

    def call(self, x: Any) -> Any:
        return x @ self.kernel


@pytest.mark.parametrize("inner", [Dense, lambda _: Product()], ids=["Dense", "own"])
def test_a_kernel_has_the_spectral_norm_1(inner: Any) -> None:
    layer = SpectralNormalization(inner(3), 40)
    layer.build((None, 4))
    kernel = np.diag([0.2, 2.0, 0.1, 0.0])[:, :3].astype("float32")
    layer.layer.kernel.assign(kernel)
    y = layer(torch.randn(2, 4))
    assert_close(layer.layer.kernel.numpy(), kernel / 2)
    assert [variable.value.shape for variable in layer.weights][:2] == [(4, 3), (1, 3)]
    y.sum().backward()
    assert layer.layer.kernel.value.grad is not None
    before = layer.get_weights()
    layer(torch.randn(2, 4), training=False)
    for one, other in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_kernel_of_zeros_stays() -> None:
    layer = SpectralNormalization(Dense(3, kernel_initializer="zeros"))
    layer.build((None, 4))
    before = layer.vector_u.clone()
    assert not layer(torch.ones(2, 4)).any()
    assert not layer.layer.kernel.numpy().any()
    assert torch.equal(layer.vector_u, before)


def test_spectral_normalisation_in_one_graph() -> None:
    layer = SpectralNormalization(Dense(3))
    layer.build((None, 4))
    other, x = copy.deepcopy(layer), torch.randn(2, 4)
    assert_close(torch.compile(layer, fullgraph=True, backend="eager")(x), other(x))
    assert_close(layer.layer.kernel.numpy(), other.layer.kernel.numpy())


@pytest.mark.parametrize("inner", [ReLU(name="it"), LSTM(2, name="it")], ids=["ReLU", "LSTM"])
def test_nothing_to_normalise(inner: Layer) -> None:
    with pytest.raises(ArgumentError, match="'it', has no weight named kernel or embeddings"):
        SpectralNormalization(inner)(torch.zeros(1, 2, 3))


def test_spectral_normalisation_knows_its_input() -> None:
    layer = SpectralNormalization(Dense(3), name="s")
    layer(torch.zeros(1, 4))
    with pytest.raises(ShapeError, match=r"'s': expected 4 as the last size of the input, got input of shape \(1, 5\)"):
        layer(torch.zeros(1, 5))
    with pytest.raises(ArgumentError, match="power_iterations: expected an integer >= 1, got 0"):
        SpectralNormalization(Dense(3), power_iterations=0)
