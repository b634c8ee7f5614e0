"""Every metric against live Keras, over three batches of different sizes, with weights and masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import apart
from _keras_worker import KerasWorker

from kerastorch import metrics

RNG = np.random.default_rng(4)
SIZES = (4, 4, 3)
MORE = (12, 12, 9)  # of which something is hit
SIGNED = ("Mean", "Sum", "CosineSimilarity")  # what is summed is larger than the sum


def _softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def _normal(rows: int, *shape: int) -> np.ndarray:
    return RNG.normal(size=(rows, *shape)).astype("float32")


def _numbers(rows: int) -> tuple[np.ndarray, np.ndarray]:
    return _normal(rows, 5, 3), _normal(rows, 5, 3)


def _positive(rows: int) -> tuple[np.ndarray, np.ndarray]:
    return np.abs(_normal(rows, 5, 3)) + 0.1, np.abs(_normal(rows, 5, 3)) + 0.1


def _classes(rows: int) -> tuple[np.ndarray, np.ndarray]:
    return RNG.integers(0, 6, size=(rows, 5)), _softmax(_normal(rows, 5, 6))


def _one_hot(rows: int) -> tuple[np.ndarray, np.ndarray]:
    labels, shares = _classes(rows)
    return np.eye(6, dtype="float32")[labels], shares


def _chances(rows: int) -> tuple[np.ndarray, np.ndarray]:
    return RNG.integers(0, 2, size=(rows, 5, 3)).astype("float32"), 1 / (1 + np.exp(-2 * _normal(rows, 5, 3)))


def _equal(rows: int) -> tuple[np.ndarray, np.ndarray]:
    return RNG.integers(0, 3, size=(rows, 5)).astype("float32"), RNG.integers(0, 3, size=(rows, 5)).astype("float32")


MEANS: list[tuple[str, dict[str, Any], Any]] = [
    ("Accuracy", {}, _equal),
    ("BinaryAccuracy", {}, _chances),
    ("BinaryAccuracy", {"threshold": 0.75}, _chances),
    ("CategoricalAccuracy", {}, _one_hot),
    ("SparseCategoricalAccuracy", {}, _classes),
    ("TopKCategoricalAccuracy", {"k": 2}, _one_hot),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, _classes),
    ("MeanSquaredError", {}, _numbers),
    ("MeanAbsoluteError", {}, _numbers),
    ("MeanAbsolutePercentageError", {}, _numbers),
    ("MeanSquaredLogarithmicError", {}, _positive),
    ("RootMeanSquaredError", {}, _numbers),
    ("CosineSimilarity", {}, _numbers),
    ("LogCoshError", {}, _numbers),
    ("KLDivergence", {}, _one_hot),
    ("Poisson", {}, _positive),
    ("Hinge", {}, _chances),
    ("SquaredHinge", {}, _chances),
    ("CategoricalHinge", {}, _one_hot),
    ("BinaryCrossentropy", {"label_smoothing": 0.25}, _chances),
    ("CategoricalCrossentropy", {}, _one_hot),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, _classes),
]
COUNTS: list[tuple[str, dict[str, Any]]] = [
    ("Precision", {}),
    ("Recall", {}),
    ("Precision", {"thresholds": [0.25, 0.5, 0.875]}),
    ("Recall", {"thresholds": 0.75}),
    ("TruePositives", {}),
    ("FalsePositives", {"thresholds": [0.125, 0.75]}),
    ("TrueNegatives", {}),
    ("FalseNegatives", {}),
    ("AUC", {}),
    ("AUC", {"curve": "PR"}),
    ("AUC", {"num_thresholds": 7, "summation_method": "minoring"}),
    ("AUC", {"curve": "PR", "summation_method": "majoring", "thresholds": [0.25, 0.4, 0.75]}),
]


def _wide_numbers(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of which what is true and what is predicted go together, more or less."""
    x = _normal(rows, 5, 6)
    return x, (0.8 * x + 0.3 * _normal(rows, 5, 6) + 0.2).astype("float32")


def _rows(rows: int) -> tuple[np.ndarray, np.ndarray]:
    true, predicted = _wide_numbers(rows)
    return true[:, 0], predicted[:, 0]


def _labels(rows: int) -> tuple[np.ndarray, np.ndarray]:
    return RNG.integers(0, 2, size=(rows, 4)).astype("float32"), RNG.random((rows, 4)).astype("float32")


def _one_class(rows: int) -> tuple[np.ndarray, np.ndarray]:
    labels, shares = _one_hot(rows)
    return labels[:, 0], shares[:, 0]


def _pixels(rows: int) -> tuple[np.ndarray, np.ndarray]:
    return RNG.integers(0, 4, size=(rows, 6)), RNG.integers(-1, 5, size=(rows, 6))


def _shares(rows: int) -> tuple[np.ndarray, np.ndarray]:
    return RNG.integers(0, 2, size=(rows, 6)), RNG.random((rows, 6)).astype("float32")


def _channels(rows: int) -> tuple[np.ndarray, np.ndarray]:
    return np.eye(4, dtype="float32")[RNG.integers(0, 4, size=(rows, 6))], _normal(rows, 6, 4)


def _mixed(rows: int) -> tuple[np.ndarray, np.ndarray]:
    labels, shares = _channels(rows)
    return labels.argmax(-1), shares


# Name, arguments, batches, and the shapes of weights behind the first axis.
SCORES: list[tuple[str, dict[str, Any], Any, tuple[tuple[int, ...], ...]]] = [
    ("Precision", {"top_k": 2}, _one_class, ((), (6,))),
    ("Precision", {"top_k": 3, "thresholds": [0.125, 0.25]}, _one_class, ((),)),
    ("Precision", {"class_id": 1}, _labels, ((),)),
    ("Recall", {"top_k": 2, "class_id": 3}, _one_class, ((),)),
    ("Recall", {"class_id": 0, "thresholds": [0.1, 0.3]}, _chances, ((5,),)),
    ("SensitivityAtSpecificity", {"specificity": 0.4}, _labels, ((), (4,))),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6, "num_thresholds": 50}, _labels, ((),)),
    ("PrecisionAtRecall", {"recall": 0.3, "class_id": 2}, _labels, ((),)),
    ("RecallAtPrecision", {"precision": 0.3, "num_thresholds": 1}, _labels, ((),)),
    ("AUC", {"multi_label": True}, _labels, ((),)),
    ("AUC", {"multi_label": True, "num_labels": 4, "curve": "PR", "label_weights": [0.5, 2, 0, 1]}, _labels, ((),)),
    ("AUC", {"multi_label": True, "thresholds": [0.25, 0.4, 0.75], "summation_method": "majoring"}, _labels, ((4,),)),
    ("AUC", {"label_weights": [0.5, 2, 0, 1]}, _labels, ((),)),
    ("AUC", {"curve": "PRGAIN"}, _labels, ((),)),
    ("AUC", {"curve": "prgain", "summation_method": "minoring", "num_thresholds": 7}, _labels, ((),)),
    ("F1Score", {}, _one_class, ((),)),
    ("F1Score", {"average": "micro", "threshold": 0.25}, _one_class, ((),)),
    ("FBetaScore", {"average": "macro", "beta": 2.0}, _one_class, ((),)),
    ("FBetaScore", {"average": "weighted", "beta": 0.5, "threshold": 0.2}, _one_class, ((),)),
    ("R2Score", {}, _rows, ((), (6,))),
    ("R2Score", {"class_aggregation": None}, _rows, ((),)),
    ("R2Score", {"class_aggregation": "variance_weighted_average", "num_regressors": 3}, _rows, ((),)),
    ("PearsonCorrelation", {}, _wide_numbers, ((), (5,))),
    ("PearsonCorrelation", {"axis": 1}, _wide_numbers, ((),)),
    ("ConcordanceCorrelation", {}, _wide_numbers, ((), (5,))),
    ("IoU", {"num_classes": 4, "target_class_ids": [1, 3], "dtype": "float32"}, _pixels, ((6,),)),
    ("MeanIoU", {"num_classes": 4}, _pixels, ((6,),)),
    ("MeanIoU", {"num_classes": 4, "ignore_class": 2, "dtype": "float32"}, _pixels, ((6,),)),
    ("MeanIoU", {"num_classes": 4, "sparse_y_pred": False}, _mixed, ()),
    ("BinaryIoU", {"threshold": 0.3, "dtype": "float32"}, _shares, ((6,),)),
    ("BinaryIoU", {"target_class_ids": [1]}, _shares, ()),
    ("OneHotIoU", {"num_classes": 4, "target_class_ids": [0, 2], "dtype": "float32"}, _channels, ((6,),)),
    ("OneHotMeanIoU", {"num_classes": 4}, _channels, ()),
]


def _scores() -> list[dict[str, Any]]:
    cases = []
    for name, config, draw, shapes in SCORES:
        for shape in (None, *shapes):
            batches = [{"values": draw(rows)} for rows in MORE]
            for rows, batch in zip(MORE, batches, strict=True):
                drawn = RNG.uniform(0, 2, size=(rows, *(shape or ()))).astype("float32")
                # Where Keras keeps integers, it keeps what is whole of the weights.
                whole = name.endswith("IoU") and "dtype" not in config
                batch["sample_weight"] = None if shape is None else np.ceil(drawn) if whole else drawn
            cases.append({"name": name, "config": config, "batches": batches})
    return cases


def _mask(rows: int) -> np.ndarray:
    return RNG.random((rows, 5)) > 0.4


def _cases() -> list[dict[str, Any]]:
    cases = []
    for name, config, draw in MEANS:
        # Where a value has as many axes as there are weights, each step can have one.
        for weighted, masked in ((False, False), (True, False), (False, True), (True, True)):
            batches = [{"values": draw(rows)} for rows in SIZES]
            for rows, batch in zip(SIZES, batches, strict=True):
                batch["sample_weight"] = RNG.uniform(0, 2, size=(rows, 5)).astype("float32") if weighted else None
                batch["mask"] = _mask(rows) if masked else None
            cases.append({"name": name, "config": config, "batches": batches})
        batches = [{"values": draw(rows), "sample_weight": RNG.uniform(0, 2, size=rows)} for rows in SIZES]
        cases.append({"name": name, "config": config, "batches": batches})
    for name, config in COUNTS:
        for weight in (None, (5, 3)):
            batches = [{"values": _chances(rows)} for rows in SIZES]
            for rows, batch in zip(SIZES, batches, strict=True):
                batch["sample_weight"] = None if weight is None else RNG.uniform(0, 2, size=(rows, *weight))
            cases.append({"name": name, "config": config, "batches": batches})
    for name in ("Mean", "Sum"):
        for shape in ((), (5,), (5, 3)):
            batches = [{"values": (_normal(rows, *shape),)} for rows in SIZES]
            cases.append({"name": name, "batches": batches})
            weighted = [
                {**batch, "sample_weight": RNG.uniform(0, 2, size=(len(batch["values"][0]),))} for batch in batches
            ]
            cases.append({"name": name, "batches": weighted})
    return cases


def _differences(reference: list[list[np.ndarray]], cases: list[dict[str, Any]], spoiled: float = 1.0) -> list[str]:
    found = []
    for case, expected in zip(cases, reference, strict=True):
        metric = getattr(metrics, case["name"])(**case.get("config", {}))
        for at, (batch, theirs) in enumerate(zip(case["batches"], expected, strict=True)):
            given = [torch.from_numpy(np.asarray(array)) for array in batch["values"]]
            extra = {} if batch.get("mask") is None else {"mask": batch["mask"]}
            metric.update_state(*given, sample_weight=batch.get("sample_weight"), **extra)
            mine = metric.result().numpy().astype("float32") * np.float32(spoiled)
            # Keras sums in float32: up to 15 numbers of a sample, and some 100 over the batches.
            if text := apart(mine, theirs.astype("float64"), 2e-6, scale=1.0 if case["name"] in SIGNED else 0.0):
                found.append(f"{case['name']} {case.get('config', {})}, batch {at}: {text}")
    return found


def test_keras3(keras_worker: KerasWorker) -> None:
    cases = _cases()
    reference = keras_worker.call("keras3", "metrics:run", cases)
    found = _differences(reference, cases)
    assert not found, "\n".join(found)
    assert len(_differences(reference, cases, 1.001)) > 2.9 * len(cases), "a fault of 0.1 % goes unseen"


def test_scores(keras_worker: KerasWorker) -> None:
    cases = _scores()
    reference = keras_worker.call("keras3", "metrics:run", cases)
    found = _differences(reference, cases)
    assert not found, "\n".join(found)
    shown = sum(bool(np.any(value)) for values in reference for value in values)  # a thousandth of 0 is 0
    assert shown > 2.9 * len(cases)
    assert len(_differences(reference, cases, 1.001)) == shown, "a fault of 0.1 % goes unseen"


def test_weights_that_are_taken_as_integers(keras_worker: KerasWorker) -> None:
    """Keras's IoU has an integer dtype, which the fractions of weights do not fit into; both say so."""
    batches = [{"values": _pixels(rows), "sample_weight": RNG.uniform(0, 3, size=(rows, 6))} for rows in SIZES]
    case = {"name": "IoU", "config": {"num_classes": 4, "target_class_ids": [0, 1, 2]}, "batches": batches}
    reference = keras_worker.call("keras3", "metrics:run", [case])
    with pytest.warns(UserWarning, match="IoU: weights lose their fractions.*dtype='float32'"):
        found = _differences(reference, [case])
    assert not found, "\n".join(found)


def test_variables(keras_worker: KerasWorker) -> None:
    """A metric gathers in variables: Keras's, from the beginning where no batch is needed to know their shapes."""
    firsts = {case["name"]: case for case in reversed([*_cases(), *_scores()])}
    theirs = keras_worker.call("keras3", "metrics:variables", list(firsts.values()))
    for (name, case), expected in zip(firsts.items(), theirs, strict=True):
        metric = getattr(metrics, name)(**case.get("config", {}))
        given = [torch.from_numpy(np.asarray(array)) for array in case["batches"][0]["values"]]
        if name not in ("F1Score", "FBetaScore", "R2Score"):  # of which Keras's R2Score counts rows before the first
            assert [tuple(item.shape) for item in metric.variables] == [shape for _, shape in expected["before"]], name
        metric.update_state(*given)
        held = metric.variables
        assert [(item.name, tuple(item.shape)) for item in held] == expected["after"], name
        for item, array in zip(held, expected["values"], strict=True):
            scale = 100.0 if name in SIGNED else 0.0  # what is summed is larger than the sum
            text = apart(item.numpy().astype("float32"), array.astype("float64"), 2e-6, scale=scale)
            assert not text, f"{item.name} of {name}: {text}"
        before = [item.numpy() for item in held]
        metric.reset_state()
        assert not any(item.numpy().any() for item in held), name
        metric.update_state(*given)
        assert all(np.array_equal(item.numpy(), array) for item, array in zip(held, before, strict=True)), name


def _whole(rows: int) -> tuple[np.ndarray, np.ndarray]:
    return tuple(RNG.integers(0, 2, size=(2, rows, 5, 3)))  # type: ignore[return-value]


def _whole_rows(rows: int) -> tuple[np.ndarray, np.ndarray]:
    return tuple(values.reshape(-1, 3) for values in _whole(rows))  # type: ignore[return-value]


def _sorted_classes(rows: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(_normal(rows, 6), axis=-1)
    return RNG.integers(0, 6, size=rows), order[:, :4]


def test_predictions_that_are_whole_numbers(keras_worker: KerasWorker) -> None:
    """0 and 1 beside thresholds between them; and classes in order, a row without a batch, classes that count as 0."""
    names = (
        *("AUC", "Precision", "Recall", "TruePositives", "BinaryAccuracy", "RootMeanSquaredError", "MeanSquaredError"),
        *("F1Score", "R2Score", "CategoricalAccuracy"),
    )
    makes = [(name, {}, _whole_rows if name in ("F1Score", "R2Score") else _whole) for name in names]
    makes[3] = ("TruePositives", {"thresholds": [0.0, 0.25, 1.0]}, _whole)
    makes += [
        ("SensitivityAtSpecificity", {"specificity": 0.25}, _whole),
        ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, _sorted_classes),
        ("SparseCategoricalCrossentropy", {"ignore_class": 2}, _classes),
        ("Precision", {"top_k": 2}, lambda rows: tuple(array[0] for array in _one_hot(rows))),
        ("Recall", {"top_k": 2}, lambda rows: tuple(array[0, 0] for array in _one_hot(rows))),
    ]
    cases: list[dict[str, Any]] = [
        {"name": name, "config": config, "batches": [{"values": make(rows)} for rows in MORE]}
        for name, config, make in makes
    ]
    reference = keras_worker.call("keras3", "metrics:run", cases)
    assert sum(bool(np.any(values)) for values in reference) >= len(cases) - 1
    for dtype in ("int64", "bool", "uint8"):
        for case in cases[: len(names) + 1]:
            for batch in case["batches"]:
                batch["values"] = (batch["values"][0], batch["values"][1].astype(dtype))
        assert not _differences(reference, cases)


def test_arguments_and_sums_are_attributes() -> None:
    assert metrics.AUC(thresholds=[0.3, 0.5]).num_thresholds == 4
    assert metrics.PrecisionAtRecall(0.4).recall == 0.4  # type: ignore[attr-defined]
    assert metrics.TopKCategoricalAccuracy(k=3).k == 3  # type: ignore[attr-defined]
    metric = metrics.Recall()
    metric.update_state([1, 1, 0], [0.9, 0.2, 0.9])
    assert (float(metric.true_positives), float(metric.false_negatives)) == (1.0, 1.0)  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="'Recall' object has no attribute 'false_positives'"):
        metric.false_positives  # type: ignore[attr-defined]  # noqa: B018


def _halves(rows: int) -> tuple[np.ndarray, np.ndarray]:
    labels, chances = _chances(rows)
    return labels, np.where(RNG.random(chances.shape) > 0.5, np.round(chances), chances).astype("float16")


def _truths(rows: int) -> tuple[np.ndarray, np.ndarray]:
    return RNG.random((rows, 5)) > 0.5, _softmax(_normal(rows, 5, 6))


def test_dtypes(keras_worker: KerasWorker) -> None:
    """What is predicted in float16 is taken in float32; labels may be of any dtype, also where there are classes."""
    named = [name for name, config, _ in [*MEANS, *((name, config, None) for name, config in COUNTS)] if not config]
    # Of classes that all have a share of 0 there is no cross entropy.
    names = [name for name in dict.fromkeys(named) if not name.startswith(("Sparse", "Categorical"))]
    cases: list[dict[str, Any]] = [
        {"name": name, "batches": [{"values": _halves(rows)} for rows in SIZES]} for name in names
    ]
    for name in ("SparseCategoricalAccuracy", "SparseTopKCategoricalAccuracy", "SparseCategoricalCrossentropy"):
        cases.append({"name": name, "batches": [{"values": _truths(rows)} for rows in SIZES]})
    for name in ("CategoricalAccuracy", "CategoricalHinge", "CategoricalCrossentropy"):
        drawn = [_one_hot(rows) for rows in SIZES]
        batches = [{"values": (labels, shares.astype("float16"))} for labels, shares in drawn]
        cases.append({"name": name, "batches": batches})
    wide = [{**case, "batches": [{"values": _wide(batch["values"])} for batch in case["batches"]]} for case in cases]
    found = _differences(keras_worker.call("keras3", "metrics:run", wide), cases)
    assert not found, "\n".join(found)


def _wide(values: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """The same numbers in float32: in float16 Keras itself rounds and overflows."""
    return tuple(array.astype("float32") if array.dtype == "float16" else array for array in values)


def test_classes_beyond_the_dtype_of_the_labels() -> None:
    shares = torch.eye(300)[[44, 299, 256]]
    for dtype, labels in ((torch.uint8, [44, 43, 0]), (torch.int8, [44, 43, 0]), (torch.bool, [1, 1, 0])):
        metric = metrics.SparseCategoricalAccuracy()
        metric.update_state(torch.tensor(labels, dtype=dtype), shares)
        assert metric.result() == sum(at == label for at, label in zip((44, 299, 256), labels, strict=True)) / 3


NAMES = ["mse", "MSE", "mae", "mape", "msle", "bce", "binary_accuracy", "sparse_categorical_accuracy"]
NAMES += ["categorical_accuracy", "AUC", "Precision", "Recall", "MeanSquaredError", "cosine_similarity"]
NAMES += ["f1_score", "f_beta_score", "r2_score", "binary_io_u", "true_negatives", "pearson_correlation", "mean"]


def test_names(keras_worker: KerasWorker) -> None:
    # Keras's `get` returns the function itself where kerastorch makes a mean of it.
    theirs = keras_worker.call("keras3", "metrics:names", NAMES)
    for name, expected in zip(NAMES, theirs, strict=True):
        mine = type(metrics.get(name)).__name__
        assert mine == expected or expected == "function", (name, mine, expected)
