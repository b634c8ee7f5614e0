"""Convolutions of every kind against live Keras 3 and tf-keras: outputs, gradients, shapes, masks, files.

What TensorFlow does not compute on a CPU is compared with what it does compute: channels first with channels last, and
a dilated transposed convolution with the gradient of the dilated one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker

import kerastorch as kt

from ._compare import (
    BATCH,
    FORWARD,
    GRADIENT,
    Case,
    arguments,
    assert_parity,
    difference,
    differences,
    flat,
    make_layer,
    numpy,
    parameters,
    run_ours,
)
from ._conv_cases import CASES, CHANNELS, FILTERS, base, shape

FRAMEWORKS = ["keras3", "keras2"]


@pytest.mark.parametrize(("framework", "case"), parameters(CASES))
def test_convolution(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)


def channels_first(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(array, -1, 1))


ONE_OF_EACH = [
    base("Conv1D", filters=FILTERS, kernel_size=3, strides=2, padding="same", groups=2),
    base("Conv1D", filters=FILTERS, kernel_size=3, dilation_rate=2, padding="causal"),
    base("Conv2D", filters=FILTERS, kernel_size=(2, 3), strides=(2, 1), padding="same"),
    base("Conv3D", filters=FILTERS, kernel_size=(2, 1, 3), padding="same", activation="tanh"),
    base("DepthwiseConv1D", kernel_size=3, depth_multiplier=2, dilation_rate=2),
    base("DepthwiseConv2D", kernel_size=(2, 3), depth_multiplier=3, padding="same"),
    base("SeparableConv1D", filters=FILTERS, kernel_size=2, depth_multiplier=2, strides=2, padding="same"),
    base("SeparableConv2D", filters=FILTERS, kernel_size=(3, 2), depth_multiplier=2),
    base("Conv1DTranspose", filters=FILTERS, kernel_size=3, strides=2, padding="same"),
    base("Conv2DTranspose", filters=FILTERS, kernel_size=(2, 3), strides=(3, 2), output_padding=(2, 1)),
    base("Conv3DTranspose", filters=FILTERS, kernel_size=(2, 1, 3), strides=2, padding="same"),
]
each = pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: f"{case.layer} {dict(case.config)}")


@pytest.mark.parametrize("framework", FRAMEWORKS)
@each
def test_channels_first(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    reference = keras_worker.call(framework, "layers:run_layer", **arguments(case))
    layer = make_layer(case.layer, {**case.config, "data_format": "channels_first"}, "float32")
    x = torch.tensor(channels_first(arguments(case)["inputs"][0]), requires_grad=True)
    layer.build((None, *x.shape[1:]))
    layer.set_weights(reference["weights"])  # the kernels have one layout for both formats
    y = layer(x)
    (y * torch.tensor(channels_first(reference["upstream"][0]))).sum().backward()
    assert difference(channels_first(reference["outputs"][0]), numpy(y), FORWARD["float32"]) is None
    assert difference(channels_first(reference["grads_inputs"][0]), numpy(x.grad), GRADIENT["float32"]) is None
    gaps = [
        difference(theirs, ours, GRADIENT["float32"])
        for theirs, ours in zip(reference["grads_weights"], layer.get_gradients(), strict=True)
    ]
    assert not any(gaps), gaps
    batch, *image, channels = reference["output_shape"][0]
    assert layer.compute_output_shape((None, *x.shape[1:])) == (batch, channels, *image)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize("rate", [2, 3])
@pytest.mark.parametrize("rank", [1, 2])
def test_dilated_transposed(
    keras_worker: KerasWorker, framework: str, rank: int, rate: int, kernel: int, padding: str
) -> None:
    window = {"kernel_size": kernel, "dilation_rate": rate, "padding": padding, "use_bias": False}
    case = Case("", f"Conv{rank}D", {"filters": CHANNELS, **window}, (shape(rank, FILTERS),))
    reference = keras_worker.call(framework, "layers:run_layer", **arguments(case))
    layer = make_layer(f"Conv{rank}DTranspose", {"filters": FILTERS, **window}, "float32")
    x = torch.tensor(reference["upstream"][0], requires_grad=True)
    layer.build((None, *x.shape[1:]))
    layer.set_weights(reference["weights"])
    y = layer(x)
    (y * torch.tensor(arguments(case)["inputs"][0])).sum().backward()
    assert difference(reference["grads_inputs"][0], numpy(y), GRADIENT["float32"]) is None
    assert difference(reference["outputs"][0], numpy(x.grad), GRADIENT["float32"]) is None
    assert difference(reference["grads_weights"][0], layer.get_gradients()[0], GRADIENT["float32"]) is None


# ---------------------------------------------------------------------------------------------- planted faults

Arrays = list[np.ndarray]


def _first(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Arrays], Arrays]:
    return lambda arrays: [change(arrays[0]).reshape(arrays[0].shape), *arrays[1:]]


PLANTED: dict[str, Callable[[Arrays], Arrays]] = {
    "rotated": _first(lambda kernel: kernel[::-1]),
    "channels in and out": _first(lambda kernel: kernel.swapaxes(-1, -2)),
    "channels in order": _first(lambda kernel: kernel[..., ::-1, :]),
    "filters": _first(lambda kernel: np.roll(kernel, 1, axis=-1)),
    "bias": lambda arrays: [*arrays[:-1], np.roll(arrays[-1], 1)],
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("fault", PLANTED)
@each
def test_a_planted_fault_is_rejected(keras_worker: KerasWorker, framework: str, case: Case, fault: str) -> None:
    reference = keras_worker.call(framework, "layers:run_layer", **arguments(case))
    wrong = [np.ascontiguousarray(array) for array in PLANTED[fault](reference["weights"])]
    assert not all(np.array_equal(a, b) for a, b in zip(wrong, reference["weights"], strict=True))
    found = differences(reference, run_ours(case, reference, framework=framework, weights=wrong))
    assert any(text.startswith("outputs") for text in found), found


# ---------------------------------------------------------------------------------------------- in other layers


def _wrapped(case: Case, steps: int = 3) -> Case:
    (image,) = case.shapes
    config = {"layer": {"class_name": case.layer, "config": case.config}}
    return Case(f"TimeDistributed({case.layer})", "TimeDistributed", config, ((image[0], steps, *image[1:]),))


@pytest.mark.parametrize("framework", FRAMEWORKS)
@each
def test_time_distributed(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, _wrapped(case))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_sgd(keras_worker: KerasWorker, framework: str, rng: np.random.Generator) -> None:
    config = {"filters": FILTERS, "kernel_size": 3, "padding": "same"}
    x = rng.normal(size=shape(1)).astype("float32")
    target = rng.normal(size=(*x.shape[:2], FILTERS)).astype("float32")
    reference = keras_worker.call(framework, "layers:sgd_step", "Conv1D", config, x, target, rate=1.0, steps=3)
    layer = make_layer("Conv1D", config, "float32")
    layer.build(x.shape)
    layer.set_weights(reference["weights"])
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    for _ in range(3):
        optimizer.zero_grad()
        (layer(torch.tensor(x)) - torch.tensor(target)).square().mean().backward()
        optimizer.step()
    for before, theirs, ours in zip(reference["weights"], reference["weights_after"], layer.get_weights(), strict=True):
        assert np.abs(theirs - before).max() > 1e-2
        assert difference(theirs, ours, GRADIENT["float32"]) is None


FRESH = [
    ("Conv1D", {"filters": 16, "kernel_size": 3}, 3 * (6 + 16)),
    ("Conv2D", {"filters": 16, "kernel_size": 3, "groups": 2}, 9 * (3 + 16)),
    ("Conv2DTranspose", {"filters": 16, "kernel_size": 3}, 9 * (6 + 16)),
    ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 16}, 9 * (6 + 16)),
]


@pytest.mark.parametrize(("name", "config", "fans"), FRESH)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_fresh_weights(keras_worker: KerasWorker, framework: str, name: str, config: Any, fans: int) -> None:
    image = (None, 5, 6) if "1D" in name else (None, 5, 5, 6)
    theirs = keras_worker.call(framework, "layers:fresh_weights", name, config, image)
    layer = make_layer(name, config, "float32")
    layer.build(image)
    ours = layer.get_weights()
    assert [array.shape for array in ours] == [array.shape for array in theirs]
    limit = np.sqrt(6 / fans)  # Glorot's: the fans count the kernel's places
    for kernel, bias in (ours, theirs):
        assert limit * 0.97 < np.abs(kernel).max() <= limit
        assert not bias.any()


# ---------------------------------------------------------------------------------------------- models and files

SHAPES = {"over_time": (12, 4), "over_images": (3, 7, 6, 2), "local": (8, 3), "masked": (9,), "batches": (3, 7, 6, 2)}
NAMES = ("m.keras", "m.h5", "m.weights.h5")
FILES = [
    (framework, builder, name)
    for builder in SHAPES
    for framework in (FRAMEWORKS if builder not in ("local", "batches") else ["keras2"])
    for name in NAMES
]


def data(builder: str) -> np.ndarray:
    rng = np.random.default_rng(2)
    if builder != "masked":
        return rng.normal(size=(BATCH, *SHAPES[builder])).astype("float32")
    words = rng.integers(1, 6, size=(BATCH, 9)).astype("int32")
    return words * (np.arange(9) < np.array([[9], [4], [6]]))


def read(keras_worker: KerasWorker, framework: str, builder: str, path: Path) -> tuple[Any, list[Any]]:
    """Our model from a file that Keras writes, and Keras's outputs."""
    weights_only = ".weights." in path.name
    call = (framework, "convolution:save_model", builder, str(path), data(builder), weights_only)
    text, theirs = keras_worker.call(*call)
    if not weights_only:
        return kt.load_model(path), theirs
    model = kt.model_from_json(text)
    kt.load_weights(model, path)
    return model, theirs


@pytest.mark.parametrize(("framework", "builder", "name"), FILES)
def test_a_file_of_keras(keras_worker: KerasWorker, framework: str, builder: str, name: str, tmp_path: Path) -> None:
    model, theirs = read(keras_worker, framework, builder, tmp_path / name)
    ours = flat(model.predict(data(builder)))
    for one, other in zip(theirs, ours, strict=True):
        assert difference(one, other, FORWARD["float32"]) is None
        assert one.std() > 0.01


def test_a_mask_that_passed_would_show(keras_worker: KerasWorker, tmp_path: Path) -> None:
    model, theirs = read(keras_worker, "keras3", "masked", tmp_path / "m.keras")
    for layer in model.modules():
        if getattr(layer, "padding", None) == "same":
            layer.supports_masking = True
    ours = flat(model.predict(data("masked")))
    gaps = [difference(a, b, 1e-3) for a, b in zip(theirs[1:5], ours[1:5], strict=True)]  # far more than rounding
    assert all(gaps), gaps


def test_keras_3_takes_one_batch_axis() -> None:
    layer = kt.layers.Conv2D(4, 3)
    with pytest.raises(kt.KerasTorchError, match="Wrap the layer in TimeDistributed"):
        layer(torch.zeros(2, 3, 7, 6, 2))
