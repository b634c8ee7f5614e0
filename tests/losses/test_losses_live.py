"""Every loss against live Keras: values and gradients, with weights and masks, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import GRADIENT, OUTPUT, apart
from _keras_worker import KerasWorker

from kerastorch import losses

RNG = np.random.default_rng(11)
SHAPE = (3, 4, 5)


def _softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


REAL, OTHER = RNG.normal(size=SHAPE), RNG.normal(size=SHAPE)
POSITIVE, OTHER_POSITIVE = RNG.uniform(0.1, 3, size=SHAPE), RNG.uniform(0.1, 3, size=SHAPE)
SHARES = _softmax(RNG.normal(size=SHAPE))
# Of some class nothing is left, and some sum is not 1.
UNEVEN = SHARES * RNG.uniform(0.5, 2, size=(3, 4, 1)) * (RNG.random(SHAPE) > 0.1)
ZEROS_AND_ONES = RNG.integers(0, 2, size=SHAPE).astype(float)
SIGNS = 2 * ZEROS_AND_ONES - 1
CHANCES = 1 / (1 + np.exp(-RNG.normal(size=SHAPE) * 4))
CLASSES = RNG.integers(0, 5, size=SHAPE[:2])
ONE_HOT = np.eye(5)[CLASSES]
TEXT = np.array([[1, 2, 2, 0], [3, 0, 0, 0], [4, 1, 3, 0]])
SPEECH = RNG.normal(size=(3, 8, 5))
MASK = np.array([[1, 1, 0, 0], [1, 0, 1, 1], [0, 0, 0, 1]], bool)
STEP_WEIGHTS = RNG.uniform(0, 2, size=SHAPE[:2])

# name, arguments, what is true, what is predicted
KINDS: list[tuple[str, dict[str, Any], np.ndarray, np.ndarray]] = [
    ("MeanSquaredError", {}, REAL, OTHER),
    ("MeanAbsoluteError", {}, REAL, OTHER),
    ("MeanAbsolutePercentageError", {}, REAL, OTHER),
    ("MeanSquaredLogarithmicError", {}, POSITIVE, OTHER_POSITIVE),
    ("CosineSimilarity", {}, REAL, OTHER),
    ("CosineSimilarity", {"axis": 1}, REAL, OTHER),
    ("Huber", {}, REAL, 3 * OTHER),
    ("Huber", {"delta": 0.5}, REAL, OTHER),
    ("LogCosh", {}, REAL, OTHER),
    ("Hinge", {}, ZEROS_AND_ONES, OTHER),
    ("Hinge", {}, SIGNS, OTHER),
    ("SquaredHinge", {}, ZEROS_AND_ONES, OTHER),
    ("CategoricalHinge", {}, ONE_HOT, OTHER),
    ("KLDivergence", {}, SHARES, UNEVEN),
    ("Poisson", {}, POSITIVE, OTHER_POSITIVE),
    ("BinaryCrossentropy", {}, ZEROS_AND_ONES, CHANCES),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.25}, ZEROS_AND_ONES, OTHER),
    ("BinaryCrossentropy", {"axis": 1}, ZEROS_AND_ONES, CHANCES),
    ("BinaryFocalCrossentropy", {}, ZEROS_AND_ONES, CHANCES),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.5, "gamma": 3.0}, ZEROS_AND_ONES, CHANCES),
    ("BinaryFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.5}, ZEROS_AND_ONES, OTHER),
    ("CategoricalCrossentropy", {}, ONE_HOT, UNEVEN),
    ("CategoricalCrossentropy", {"label_smoothing": 0.25}, ONE_HOT, SHARES),
    ("CategoricalCrossentropy", {"from_logits": True}, ONE_HOT, OTHER),
    ("CategoricalFocalCrossentropy", {}, ONE_HOT, SHARES),
    ("CategoricalFocalCrossentropy", {"alpha": 0.5, "gamma": 1.0, "from_logits": True}, ONE_HOT, OTHER),
    ("SparseCategoricalCrossentropy", {}, CLASSES, SHARES),
    ("SparseCategoricalCrossentropy", {}, CLASSES[..., None], SHARES),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 2}, CLASSES, OTHER),
    ("CTC", {}, TEXT, SPEECH),
    ("CategoricalGeneralizedCrossEntropy", {}, CLASSES, SHARES),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.75}, CLASSES, SHARES),
    ("Dice", {}, ZEROS_AND_ONES, CHANCES),
    ("Dice", {"axis": -1}, ZEROS_AND_ONES, CHANCES),
    ("Tversky", {}, ZEROS_AND_ONES, CHANCES),
    ("Tversky", {"alpha": 0.25, "beta": 2.0, "axis": -1}, ZEROS_AND_ONES, CHANCES),
]
# Embeddings of length 1.
EMBEDDINGS = RNG.normal(size=(6, 5))
EMBEDDINGS /= np.linalg.norm(EMBEDDINGS, axis=1, keepdims=True)
LABELS = np.array([0, 1, 1, 2, 0, 2])
REDUCED = [
    ("MeanSquaredError", REAL, OTHER),
    ("SparseCategoricalCrossentropy", CLASSES, SHARES),
    ("BinaryCrossentropy", ZEROS_AND_ONES[..., :1], CHANCES[..., :1]),
]
WEIGHTS: list[Any] = [None, STEP_WEIGHTS, STEP_WEIGHTS[:, :1], STEP_WEIGHTS[..., None]]


def _cases() -> list[dict[str, Any]]:
    cases = [{"name": name, "config": config, "y_true": a, "y_pred": b} for name, config, a, b in KINDS]
    for name, a, b in REDUCED:
        for reduction in losses.loss.REDUCTIONS:
            for weight in WEIGHTS:
                for mask in (None, MASK, np.zeros_like(MASK)):
                    case = {"name": name, "config": {"reduction": reduction}, "y_true": a, "y_pred": b}
                    cases.append({**case, "sample_weight": weight, "mask": mask})
    # One number for each sample, where a sample has one loss; and a column beside a vector.
    for weight in (None, STEP_WEIGHTS[:, 0], STEP_WEIGHTS[:, :1]):
        cases.append({"name": "MeanSquaredError", "y_true": REAL[:, 0], "y_pred": OTHER[:, 0], "sample_weight": weight})
        for y_true in (REAL[:, 0, 0], REAL[:, 0, :1]):
            cases.append({"name": "Huber", "y_true": y_true, "y_pred": OTHER[:, 0, :1], "sample_weight": weight})
    ignoring = {"name": "SparseCategoricalCrossentropy", "config": {"ignore_class": 2, "from_logits": True}}
    cases.append({**ignoring, "y_true": CLASSES, "y_pred": OTHER, "mask": MASK, "sample_weight": STEP_WEIGHTS})
    circle = {"name": "Circle", "y_true": LABELS, "y_pred": EMBEDDINGS}
    for config in ({}, {"gamma": 8.0, "margin": 0.25}, {"remove_diagonal": False, "gamma": 4.0}, {"reduction": None}):
        cases.append({**circle, "config": config})
    cases.append({**circle, "y_true": LABELS[:, None], "config": {"gamma": 2.0}})
    beside = {"sample_weight": STEP_WEIGHTS.reshape(-1)[:6], "mask": np.array([1, 1, 0, 1, 0, 1], bool)}
    cases.append({**circle, "config": {"gamma": 8.0}, **beside})
    for name in ("Dice", "Tversky"):
        region = {"name": name, "y_true": ZEROS_AND_ONES, "y_pred": CHANCES}
        cases.append({**region, "config": {"axis": -1}, "sample_weight": STEP_WEIGHTS, "mask": MASK})
        cases.append({**region, "sample_weight": STEP_WEIGHTS[:, 0]})
    return cases


def _differences(
    reference: list[dict[str, Any]], cases: list[dict[str, Any]], narrower: tuple[str, ...] = ()
) -> list[str]:
    found = []
    for case, expected in zip(cases, reference, strict=True):
        y_pred = torch.tensor(case["y_pred"], requires_grad=True)
        made = getattr(losses, case["name"])(**case.get("config", {}))
        weight = case.get("sample_weight")
        value = made(torch.tensor(case["y_true"]), y_pred, sample_weight=weight, mask=case.get("mask"))
        (gradient,) = torch.autograd.grad(value.sum(), [y_pred])
        for what, mine, floor in (("value", value, OUTPUT), ("gradient", gradient, GRADIENT)):
            # TensorFlow's CTC is in float32, and so is the logarithm of 2 in Keras's LogCosh, and Huber of tf-keras.
            narrow = ("CTC", "LogCosh", *narrower)
            array = mine.detach().numpy().astype("float32" if case["name"] in narrow else "float64")
            if text := apart(array, expected[what].astype("float64"), floor):
                shown = {key: np.shape(item) if isinstance(item, np.ndarray) else item for key, item in case.items()}
                found.append(f"{what} of {shown}: {text}")
    return found


def test_keras3(keras_worker: KerasWorker) -> None:
    cases = _cases()
    reference = keras_worker.call("keras3", "losses:run", [{**case, "config": _float64(case)} for case in cases])
    found = _differences(reference, cases)
    assert not found, "\n".join(found)
    wrong = [{**case, "y_pred": case["y_pred"] * 1.001} for case in cases]
    assert len(_differences(reference, wrong)) > 0.9 * len(cases), "a fault of 0.1 % goes unseen"


# Those that have one loss for each step: a mask of steps and weights of steps apply to them.
BY_STEP = [kind for kind in KINDS if kind[0] not in ("CTC", "Dice", "Tversky") and kind[1].get("axis", -1) == -1]
BESIDE = [(None, None), (MASK, None), (None, STEP_WEIGHTS), (MASK, STEP_WEIGHTS), (MASK, STEP_WEIGHTS[:, :1])]


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_every_loss_with_masks_and_weights(keras_worker: KerasWorker, framework: str) -> None:
    """What is valid divides, in Keras 3 and in tf.keras since 2.10.

    tf-keras has one other formula: of probabilities that no sigmoid has made it takes `log(p + 1e-7)`; of those of a
    sigmoid both take the logits.
    """
    absent = () if framework == "keras3" else ("CategoricalGeneralizedCrossEntropy",)
    cases = [
        {"name": name, "config": config, "y_true": a, "y_pred": b, "mask": mask, "sample_weight": weight}
        for name, config, a, b in BY_STEP
        for mask, weight in BESIDE
        if name not in absent and not (absent and name.startswith("Binary") and not config.get("from_logits"))
    ]
    asked = [{**case, "config": _float64(case)} for case in cases] if framework == "keras3" else cases
    narrower = () if framework == "keras3" else ("Huber",)
    found = _differences(keras_worker.call(framework, "losses:run", asked), cases, narrower)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("mask", "weight"), BESIDE[:4])
@pytest.mark.parametrize("masking", ["all", "weights"])
def test_every_loss_by_the_rules_of_older_eras(masking: Any, mask: Any, weight: Any) -> None:
    """tf.keras 2.0 to 2.9 divide by all there is; Keras up to 2.2 by the mask, and by the share of weights not 0."""
    for name, config, a, b in BY_STEP:
        loss = getattr(losses, name)
        each = loss(**config, reduction=None)(torch.tensor(a), torch.tensor(b)).numpy()
        valid = np.ones_like(each) if mask is None else mask.astype(float)
        counts = np.ones_like(each) if weight is None else weight
        expected = (each * valid * counts).sum() / each.size
        if masking == "weights":
            expected *= each.size / valid.sum() * (each.size / (counts != 0).sum())
        value = loss(**config, masking=masking)(torch.tensor(a), torch.tensor(b), sample_weight=weight, mask=mask)
        found = apart(value, np.asarray(expected))
        assert found is None, f"{name}: {found}"


def test_a_label_that_stands_alone(keras_worker: KerasWorker) -> None:
    """Its row has no loss, counts for nothing in the mean, and has a gradient through the others alone."""
    labels = np.array([0, 1, 1, 2, 0, 0])
    cases = [
        {"name": "Circle", "y_true": labels, "y_pred": EMBEDDINGS, "config": {"reduction": reduction, "gamma": 8.0}}
        for reduction in ("sum_over_batch_size", None)
    ]
    for case, expected in zip(cases, keras_worker.call("keras3", "losses:run", cases), strict=True):
        y_pred = torch.tensor(EMBEDDINGS, requires_grad=True)
        value = losses.Circle(**case["config"])(torch.tensor(labels), y_pred)
        assert not apart(value.detach().numpy().astype("float32"), expected["value"].astype("float64"))
        # Not against Keras: TensorFlow's gradient of a row without a pair is not a number.
        assert torch.autograd.gradcheck(lambda y, c=case: losses.Circle(**c["config"])(torch.tensor(labels), y), y_pred)


def test_halves_are_computed_in_float32(keras_worker: KerasWorker) -> None:
    """In float16 and bfloat16 1 - 1e-7 is 1: there the loss of a probability of 1 would be infinite."""
    sure = np.where(np.roll(ZEROS_AND_ONES, 1) < ZEROS_AND_ONES, np.round(CHANCES), CHANCES).astype("float16")
    others = ("CTC", "SparseCategoricalCrossentropy", "CategoricalGeneralizedCrossEntropy")  # which want other labels
    names = [name for name, config, _, _ in KINDS if not config and name not in others]
    cases = [{"name": name, "y_true": ZEROS_AND_ONES, "y_pred": sure} for name in dict.fromkeys(names)]
    cases.append({"name": "SparseCategoricalCrossentropy", "y_true": CLASSES, "y_pred": SHARES.astype("float16")})
    reference = keras_worker.call("keras3", "losses:run", cases)
    for case, expected in zip(cases, reference, strict=True):
        y_pred = torch.tensor(case["y_pred"], requires_grad=True)
        value = getattr(losses, case["name"])()(case["y_true"], y_pred)
        (gradient,) = torch.autograd.grad(value, [y_pred])
        assert value.dtype == torch.float32
        # Both sum some 60 numbers in float32; a gradient in float16 has 11 bits.
        for what, mine, floor in (("value", value.detach(), 2e-6), ("gradient", gradient, 2**-10)):
            theirs, held = expected[what].astype("float64"), np.isfinite(expected[what])
            # Gradients beyond what float16 holds (100 / 1e-7) are so in both.
            assert np.array_equal(held, np.isfinite(mine.numpy()))
            assert held.mean() > 0.4
            text = apart(mine.float().numpy()[held], theirs[held], floor)
            assert not text, f"{what} of {case['name']}: {text}"


def _float64(case: dict[str, Any]) -> dict[str, Any]:
    return {**case.get("config", {}), "dtype": "float64"}


NAMES = ["mse", "MSE", "mae", "mape", "msle", "kld", "mean_squared_error", "MeanSquaredError", "huber", "log_cosh"]
NAMES += ["binary_crossentropy", "BinaryCrossentropy", "sparse_categorical_crossentropy", "CosineSimilarity", "bce"]


@pytest.mark.parametrize("name", NAMES)
def test_names(keras_worker: KerasWorker, name: str) -> None:
    mine = losses.get(name)
    assert [getattr(mine, "__name__", type(mine).__name__)] == keras_worker.call("keras3", "losses:names", [name])
