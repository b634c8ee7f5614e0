"""What is measured while a model is trained: the metrics of `compile`, and those that the model and its layers keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from .. import metrics
from ..errors import ArgumentError, quote
from .outputs import Outputs, outputs_of

_BY_SHAPE = {
    "accuracy": (metrics.BinaryAccuracy, metrics.SparseCategoricalAccuracy, metrics.CategoricalAccuracy),
    "crossentropy": (
        metrics.BinaryCrossentropy,
        metrics.SparseCategoricalCrossentropy,
        metrics.CategoricalCrossentropy,
    ),
}
_BY_SHAPE |= {"acc": _BY_SHAPE["accuracy"], "ce": _BY_SHAPE["crossentropy"]}


class Measured(metrics.Metric):
    """The metrics of `compile` as one, as Keras's own: made when the first batch shows how many outputs there are.

    Args:
        model: The model.
        unweighted: Metrics without weights of samples.
        weighted: Metrics with them.
    """

    def __init__(self, model: Any, unweighted: Any, weighted: Any) -> None:
        super().__init__("compile_metrics")
        self.model, self._given = model, (("metrics", unweighted), ("weighted_metrics", weighted))
        self._found: dict[str, tuple[int, bool, Any]] | None = None
        self._is_given = bool(unweighted or weighted)

    def __bool__(self) -> bool:
        """Whether there is anything to measure."""
        return self._is_given

    @property
    def metrics(self) -> list[Any]:
        """The metrics, each once; none before the first batch."""
        return [metric for _, _, metric in (self._found or {}).values()]

    @property
    def by_name(self) -> dict[str, Any]:
        """The metrics by their names in logs."""
        return {name: metric for name, (_, _, metric) in (self._found or {}).items()}

    @property
    def variables(self) -> list[Any]:
        """What the metrics keep."""
        return [variable for metric in self.metrics for variable in metric.variables]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in.

        Args:
            y_true: What is true, of each output.
            y_pred: The outputs.
            sample_weight: What each sample counts in weighted metrics.
        """
        if not self:
            return
        outputs = outputs_of(self.model, y_pred)
        targets = outputs.spread(y_true, "y")
        weights = outputs.spread(sample_weight, "sample_weight", all_alike=True)
        if self._found is None:
            self._found = self._make(outputs, targets)
        for at, weighted, metric in self._found.values():
            given = {"sample_weight": weights[at]} if weighted and weights[at] is not None else {}
            metric.update_state(targets[at], outputs.values[at], **given)

    def _make(self, outputs: Outputs, targets: list[Any]) -> dict[str, tuple[int, bool, Any]]:
        found: dict[str, tuple[int, bool, Any]] = {}
        for what, given in self._given:
            if given is not None and not isinstance(given, (list, tuple, dict)):
                raise ArgumentError(f"{what}: expected a list or dict, got {quote(given)}.")
            for at, items in enumerate(outputs.spread(given or None, what, several=True)):
                listed = items if isinstance(items, (list, tuple)) else [] if items is None else [items]
                for item in _flat(listed):
                    metric = _metric(item, targets[at], outputs.values[at])
                    names = outputs.metric_names if len(outputs.values) > 1 else None
                    prefix = f"{names[at]}_" if names else ""
                    weighted = what == "weighted_metrics"
                    found[_free(prefix, metric.name, found, weighted)] = (at, weighted, metric)
        return found

    def result(self) -> dict[str, Any]:
        """The values so far by name. What a metric returns as a dict stands under its own names."""
        values: dict[str, Any] = {}
        for name, metric in self.by_name.items():
            value = metric.result()
            values |= value if isinstance(value, dict) else {name: value}
        return values

    def reset_state(self) -> None:
        """Forget all batches."""
        for metric in self.metrics:
            metric.reset_state()


def kept_metrics(model: Any) -> list[Any]:
    """The metrics that a model and its layers have as attributes. Models inside have their own training."""
    found: dict[int, Any] = {}
    for module in model.modules():
        if module is model or not hasattr(module, "train_step"):
            for metric in _metrics_in(vars(module).values()):
                found.setdefault(id(metric), metric)
    return list(found.values())


def _metrics_in(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, metrics.Metric):
            yield value
        elif isinstance(value, (list, tuple, dict)):
            inner = value.values() if isinstance(value, dict) else value
            yield from (item for item in inner if isinstance(item, metrics.Metric))


def _flat(items: Any) -> list[Any]:
    return [inner for item in items for inner in (_flat(item) if isinstance(item, (list, tuple)) else [item])]


def _free(prefix: str, name: str, taken: Any, weighted: bool) -> str:
    if weighted and prefix + name in taken:
        name = f"weighted_{name}"
    name = found = prefix + name
    count = 0
    while found in taken:
        count += 1
        found = f"{name}_{count}"
    return found


def kind_by_shape(y_true: Any, y_pred: Tensor) -> int:
    """0: two classes, 1: labels are numbers of classes, 2: labels are one-hot; as Keras guesses."""
    shape = tuple(y_true.shape)
    if y_pred.shape[-1] == 1:
        return 0
    return 1 if len(shape) < y_pred.ndim or shape[-1] == 1 else 2


def _metric(identifier: Any, y_true: Any, y_pred: Tensor) -> Any:
    if isinstance(identifier, str) and identifier.lower() in _BY_SHAPE:
        return _BY_SHAPE[identifier.lower()][kind_by_shape(y_true, y_pred)](name=identifier)
    metric = metrics.get(identifier)
    if isinstance(identifier, str):
        metric.name = identifier
    return metric
