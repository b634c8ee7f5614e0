"""ConvLSTM1D, 2D and 3D against live Keras 3 and tf-keras: outputs, states, gradients, masks, dropout, files.

TensorFlow has no convolution with the channels first on a CPU: tests/layers/rnn/test_conv_lstm.py compares that format
with the other one, which is compared with Keras here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from _close import ORTHOGONAL, assert_close
from _keras_worker import KerasWorker

import kerastorch as kt
from kerastorch.errors import UnsupportedFileError

from ._compare import (
    BATCH,
    FORWARD,
    GRADIENT,
    MASKS,
    Case,
    arguments,
    difference,
    differences,
    flat,
    make_layer,
    mask_of,
    numpy,
    parameters,
    run_ours,
    variants,
)

CHANNELS, FILTERS = 3, 2
KERAS3 = ("keras3",)
SEQUENCES = {"return_sequences": True}
ALL_OUTPUTS = {**SEQUENCES, "return_state": True}
BACKWARDS = {"go_backwards": True}
# The two frameworks have other defaults for recurrent_activation.
BASES = {
    rank: Case(
        f"ConvLSTM{rank}D",
        f"ConvLSTM{rank}D",
        {"filters": FILTERS, "kernel_size": kernel, "recurrent_activation": "sigmoid"},
        shapes=((BATCH, 4, *image, CHANNELS),),
        states=0,
        state_size=(*(n - k + 1 for n, k in zip(image, kernel, strict=True)), FILTERS),
    )
    for rank, kernel, image in ((1, (3,), (7,)), (2, (3, 2), (5, 6)), (3, (2, 1, 3), (3, 4, 5)))
}


def _of_each_rank(base: Case) -> list[Case]:
    return [
        variants(base, "last output"),
        variants(base, "everything", ALL_OUTPUTS),
        variants(base, "same", {**ALL_OUTPUTS, "padding": "same"}),
        variants(base, "strides", {**ALL_OUTPUTS, "strides": 2}),
        variants(base, "same strides", {**ALL_OUTPUTS, "padding": "same", "strides": 2}),
        variants(base, "dilation", {**ALL_OUTPUTS, "dilation_rate": 2}),
        variants(base, "no bias backwards", {**ALL_OUTPUTS, **BACKWARDS, "use_bias": False}),
        variants(base, "initial_state holes", ALL_OUTPUTS, states=2, mask="holes"),
        variants(base, "float64", ALL_OUTPUTS, states=2, mask="left", dtype="float64"),
    ]


def _of_two_dimensions(base: Case) -> list[Case]:
    same = variants(base, "same", {"padding": "same", "return_sequences": True})
    cases = [
        *(variants(same, f"kernel {k}", {"kernel_size": k}) for k in (1, 2, (4, 2), (3, 5), (6, 7))),
        *(variants(same, f"strides {s}", {"strides": s}) for s in ((1, 3), (3, 2), (5, 6), (7, 7))),
        *(variants(same, f"dilation {d}", {"dilation_rate": d}) for d in ((2, 1), (3, 3))),
        variants(base, "as large as the image", {"kernel_size": (5, 6), **ALL_OUTPUTS}),
        variants(base, "strides leave a rest", {"strides": (2, 4), **ALL_OUTPUTS}),
        variants(base, "state", {"return_state": True}),
        variants(base, "initial_state backwards", {**ALL_OUTPUTS, **BACKWARDS}, states=2),
        variants(base, "rates in evaluation", {"dropout": 0.5, "recurrent_dropout": 0.5}),
        variants(base, "rates 0 in training", SEQUENCES, training=True),
        # tf-keras itself fails on a rate of 1 while training.
        variants(base, "rates 1", {"dropout": 1.0, "recurrent_dropout": 1.0}, training=True, frameworks=KERAS3),
        variants(base, "other activations", {"activation": "relu", "recurrent_activation": "hard_sigmoid"}),
        # These two look along the axis of the channels.
        variants(base, "softmax", {"activation": "softmax", **ALL_OUTPUTS}),
        variants(base, "recurrent softmax", {"recurrent_activation": "softmax", **ALL_OUTPUTS}),
        variants(base, "one step", ALL_OUTPUTS, shapes=((BATCH, 1, 5, 6, CHANNELS),)),
        variants(base, "one channel", ALL_OUTPUTS, shapes=((BATCH, 4, 5, 6, 1),)),
        variants(base, "spelling", {"padding": "SAME", "data_format": "Channels_Last"}),
    ]
    for mask in (*MASKS, "none at all"):
        cases += [
            variants(base, f"mask {mask} last output", mask=mask),
            variants(base, f"mask {mask}", ALL_OUTPUTS, mask=mask, states=2),
            variants(base, f"mask {mask} zero last output", {"zero_output_for_mask": True}, mask=mask),
            variants(
                base, f"mask {mask} zero_output", {**ALL_OUTPUTS, **BACKWARDS, "zero_output_for_mask": True}, mask=mask
            ),
        ]
    return cases


def _bidirectional(base: Case) -> list[Case]:
    def inner(**options: Any) -> dict[str, Any]:
        return {"layer": {"class_name": base.layer, "config": {**base.config, **options}}}

    plain = replace(base, id=f"Bidirectional({base.id})", layer="Bidirectional", config=inner(**SEQUENCES))
    return [
        plain,
        *(variants(plain, f"mask {mask}", mask=mask) for mask in MASKS),
        *(variants(plain, f"mask {mask} last output", inner(), mask=mask) for mask in ("right", "empty row")),
        *(variants(plain, str(merge), {"merge_mode": merge}) for merge in ("sum", "mul", "ave", None)),
        variants(plain, "everything", {**inner(**ALL_OUTPUTS)}, mask="holes", states=4),
        variants(plain, "float64", {"merge_mode": "sum"}, mask="left", dtype="float64"),
    ]


CASES = [
    *itertools.chain.from_iterable(map(_of_each_rank, BASES.values())),
    *_of_two_dimensions(BASES[2]),
    *_bidirectional(BASES[2]),
    *_bidirectional(BASES[1])[:2],
    *_bidirectional(BASES[3])[:2],
]


def as_in(framework: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with what the loader adds for a file of Keras 2."""
    if framework == "keras3":
        return dict(config)
    if "layer" in config:
        return {**config, "layer": {**config["layer"], "config": as_in(framework, config["layer"]["config"])}}
    return {**config, "keras2_masks": True}


def compare(reference: Mapping[str, Any], framework: str, case: Case, **planted: Any) -> list[str]:
    ours = replace(case, config=as_in(framework, case.config))
    return differences(reference, run_ours(ours, reference, framework=framework, **planted), case.dtype)


def assert_parity(worker: KerasWorker, framework: str, case: Case) -> None:
    reference = worker.call(framework, "layers:run_layer", **arguments(case))
    found = compare(reference, framework, case)
    assert not found, f"{case.layer}({dict(case.config)}) against {framework}:\n" + "\n".join(found)


@pytest.mark.parametrize(("framework", "case"), parameters(CASES))
def test_conv_lstm(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)


def test_keras_2_does_not_look_at_zero_output_for_mask(keras_worker: KerasWorker) -> None:
    case = variants(BASES[2], "zero_output", {**SEQUENCES, "zero_output_for_mask": True}, mask="holes")
    reference = keras_worker.call("keras2", "layers:run_layer", **arguments(case))
    assert compare(reference, "keras3", case), "the two meanings do not differ here: the case proves nothing"


def swap_gates(kernels: list[np.ndarray]) -> list[np.ndarray]:
    """i and o in each other's place."""
    blocks = [np.split(kernel, 4, axis=-1) for kernel in kernels]
    return [np.concatenate([o, f, c, i], axis=-1) for i, f, c, o in blocks]


PLANTED: dict[str, Callable[[list[np.ndarray]], list[np.ndarray]]] = {
    "gates": swap_gates,
    "rotated kernels": lambda arrays: [np.flip(a, axis=(0, 1)) if a.ndim == 4 else a for a in arrays],
    "rows for columns": lambda arrays: [a.swapaxes(0, 1) if a.ndim == 4 else a for a in arrays],
    "channels of the state": lambda arrays: [a if a.shape[-2:-1] != (FILTERS,) else a[..., ::-1, :] for a in arrays],
    "bias": lambda arrays: [np.roll(a, 1) if a.ndim == 1 else a for a in arrays],
}


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_rejected(keras_worker: KerasWorker, framework: str, fault: str) -> None:
    case = variants(BASES[2], "planted", {**ALL_OUTPUTS, "kernel_size": 3, "padding": "same"}, mask="holes")
    reference = keras_worker.call(framework, "layers:run_layer", **arguments(case))
    assert not compare(reference, framework, case)
    wrong = [np.ascontiguousarray(array) for array in PLANTED[fault](reference["weights"])]
    found = compare(reference, framework, case, weights=wrong)
    assert any(text.startswith("outputs") for text in found), found


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_a_lost_mask_is_rejected(keras_worker: KerasWorker, framework: str) -> None:
    case = variants(BASES[2], "lost", SEQUENCES, mask="holes")
    reference = keras_worker.call(framework, "layers:run_layer", **arguments(case))
    assert compare(reference, framework, case, drop_mask=True)


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize("wrapped", [False, True], ids=["", "Bidirectional"])
def test_masks_of_places(
    keras_worker: KerasWorker, framework: str, wrapped: bool, rng: np.random.Generator
) -> None:  # as Masking makes them
    name, config = "ConvLSTM2D", {**BASES[2].config, **SEQUENCES, "padding": "same"}
    if wrapped:
        name, config = "Bidirectional", {"layer": {"class_name": name, "config": config}}
    x = rng.normal(size=BASES[2].shapes[0]).astype("float32")
    mask = rng.random(x.shape[:-1]) < 0.5
    reference = keras_worker.call(framework, "layers:run_layer", name, config, [x], mask=mask)
    layer = make_layer(name, as_in(framework, config), "float32")
    layer.build(x.shape)
    layer.set_weights(reference["weights"])
    source = torch.tensor(x, requires_grad=True)
    y = layer(source, mask=torch.tensor(mask))
    (y * torch.tensor(reference["upstream"][0])).sum().backward()
    assert difference(reference["outputs"][0], numpy(y), FORWARD["float32"]) is None
    assert difference(reference["grads_inputs"][0], numpy(source.grad), GRADIENT["float32"]) is None
    assert difference(reference["mask_out"][0], numpy(layer.compute_mask(source, torch.tensor(mask))), 0) is None
    assert difference(reference["outputs"][0], numpy(layer(source)), FORWARD["float32"]) is not None


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize("rates", [("dropout",), ("recurrent_dropout",), ("dropout", "recurrent_dropout")], ids=str)
def test_dropout_by_given_masks(
    keras_worker: KerasWorker, framework: str, rates: tuple[str, ...], rng: np.random.Generator
) -> None:
    base = BASES[2]
    config = {**base.config, **ALL_OUTPUTS, "strides": 2, **{rate: 0.3 + 0.1 * i for i, rate in enumerate(rates)}}
    x = rng.normal(size=base.shapes[0]).astype("float32")
    shapes = {"dropout": (4, BATCH, *x.shape[2:]), "recurrent_dropout": (4, BATCH, 2, 3, FILTERS)}
    masks = {
        rate: (rng.uniform(0.5, 2, shapes[rate]) * (rng.random(shapes[rate]) > 0.3)).astype("f4") for rate in rates
    }
    mask = mask_of("holes", *x.shape[:2])
    reference = keras_worker.call(framework, "training:frozen_dropout", base.layer, config, x, [masks], mask=mask)
    layer = make_layer(base.layer, config, "float32")
    layer.build(x.shape)
    layer.set_weights(reference["weights"])

    def gaps(given: Mapping[str, np.ndarray]) -> list[str | None]:
        frozen = {config[rate]: torch.tensor(value) for rate, value in given.items()}
        layer._dropout_masks = lambda like, rate: frozen[rate]
        layer.zero_grad()
        source = torch.tensor(x, requires_grad=True)
        outputs = flat(layer.train()(source, mask=torch.tensor(mask)))
        sum((y * torch.tensor(u)).sum() for y, u in zip(outputs, reference["upstream"], strict=True)).backward()
        theirs = [*reference["outputs"], *reference["grads_sources"], *reference["grads_variables"]]
        ours = [*map(numpy, outputs), numpy(source.grad), *layer.get_gradients()]
        return [difference(a, b, GRADIENT["float32"]) for a, b in zip(theirs, ours, strict=True)]

    assert not any(gaps(masks)), gaps(masks)
    for rate in rates:
        assert any(gaps({**masks, rate: np.roll(masks[rate], 1, axis=0)})), f"another order of {rate} goes unseen"


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize("wrapped", [False, True], ids=["", "Bidirectional"])
def test_stateful(keras_worker: KerasWorker, framework: str, wrapped: bool, rng: np.random.Generator) -> None:
    name, config = "ConvLSTM2D", {**BASES[2].config, "stateful": True}
    if wrapped:
        name, config = "Bidirectional", {"layer": {"class_name": name, "config": config}}
    xs = [rng.normal(size=BASES[2].shapes[0]).astype("float32") for _ in range(2)]
    mask = mask_of("right", *xs[0].shape[:2])
    reference = keras_worker.call(framework, "layers:run_stateful", name, config, xs, mask=mask)
    layer = make_layer(name, config, "float32").eval()
    layer.build(xs[0].shape)
    layer.set_weights(reference["weights"])
    ours = [numpy(layer(torch.tensor(x), mask=torch.tensor(mask))) for x in xs]
    layer.reset_state()
    ours.append(numpy(layer(torch.tensor(xs[0]), mask=torch.tensor(mask))))
    for index, (theirs, mine) in enumerate(zip(reference["outputs"], ours, strict=True)):
        assert difference(theirs[0], mine, FORWARD["float32"]) is None, index
    fresh = make_layer(name, config, "float32")
    fresh.build(xs[1].shape)
    fresh.set_weights(reference["weights"])
    started = numpy(fresh(torch.tensor(xs[1]), mask=torch.tensor(mask)))
    assert difference(reference["outputs"][1][0], started, FORWARD["float32"]) is not None, "the state counts"


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_sgd(keras_worker: KerasWorker, framework: str, rng: np.random.Generator) -> None:
    case = variants(BASES[2], "sgd", {"padding": "same"})
    x = rng.normal(size=case.shapes[0]).astype("float32")
    target = rng.normal(size=(BATCH, *x.shape[2:-1], FILTERS)).astype("float32")
    reference = keras_worker.call(framework, "layers:sgd_step", case.layer, case.config, x, target, rate=5.0, steps=3)
    layer = make_layer(case.layer, case.config, "float32")
    layer.build(x.shape)
    layer.set_weights(reference["weights"])
    optimizer = torch.optim.SGD(layer.parameters(), lr=5.0)
    for _ in range(3):
        optimizer.zero_grad()
        (layer(torch.tensor(x)) - torch.tensor(target)).square().mean().backward()
        optimizer.step()
    for before, theirs, ours in zip(reference["weights"], reference["weights_after"], layer.get_weights(), strict=True):
        assert np.abs(theirs - before).max() > 1e-2
        assert difference(theirs, ours, GRADIENT["float32"]) is None


@pytest.mark.parametrize("rank", BASES)
@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_fresh_weights(keras_worker: KerasWorker, framework: str, rank: int) -> None:
    config = {"filters": 16, "kernel_size": 3}
    shape = (None, 4, *[5] * rank, 6)
    theirs = keras_worker.call(framework, "layers:fresh_weights", f"ConvLSTM{rank}D", config, shape)
    layer = make_layer(f"ConvLSTM{rank}D", config, "float32")
    layer.build(shape)
    kernel, recurrent, bias = layer.get_weights()
    assert [array.shape for array in theirs] == [kernel.shape, recurrent.shape, bias.shape]
    np.testing.assert_array_equal(bias, theirs[2])
    limit = np.sqrt(6 / (3**rank * (6 + 64)))  # Glorot's: the fans count the kernel's places
    for found in (kernel, theirs[0]):
        assert limit * 0.99 < np.abs(found).max() <= limit
    for found in (recurrent, theirs[1]):
        matrix = found.reshape(-1, 64).astype("float64")  # Keras draws another in each run: no rounding of ours on top
        product = (matrix @ matrix.T if len(matrix) < 64 else matrix.T @ matrix).astype("float32")
        assert_close(product, np.eye(len(product)), ORTHOGONAL)


FILES = [("keras3", "m.keras"), ("keras3", "m.h5"), ("keras2", "m.keras"), ("keras2", "m.h5")]
FILES += [("keras3", "m.weights.h5"), ("keras2", "m.weights.h5")]


@pytest.mark.parametrize(("framework", "file"), FILES)
def test_a_file_of_keras(
    keras_worker: KerasWorker, framework: str, file: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    x = rng.normal(size=(BATCH, 4, 5, 7, 2)).astype("float32")
    x *= rng.random((*x.shape[:-1], 1)) < 0.7  # Masking finds places without values
    path = tmp_path / file
    weights_only = ".weights." in file
    text, theirs = keras_worker.call(framework, "conv_lstm:save_model", str(path), x, weights_only)
    if weights_only:
        model = kt.model_from_json(text)
        kt.load_weights(model, path)
    else:
        model = kt.load_model(path)
    assert difference(theirs, model.predict(x), FORWARD["float32"]) is None
    assert theirs.std() > 0.05


@pytest.mark.parametrize("file", ["m.h5", "m.weights.h5"])
def test_a_file_of_theano_is_refused(
    keras_worker: KerasWorker, file: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    x = rng.normal(size=(BATCH, 4, 5, 7, 2)).astype("float32")
    weights_only = ".weights." in file
    path = tmp_path / "m.h5"  # under the other name, tf-keras writes the new format
    text, _ = keras_worker.call("keras2", "conv_lstm:save_model", str(path), x, weights_only)
    model = kt.model_from_json(text)
    kt.load_weights(model, path)
    before = model.get_weights()
    with h5py.File(path, "r+") as stored:
        stored.attrs["backend"] = "theano"
    with pytest.raises(UnsupportedFileError, match="Theano wrote this file, which rotated the kernels"):
        kt.load_weights(model, path) if weights_only else kt.load_model(path)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
