"""What a model was compiled with, and what it makes of one batch: the loss, and the metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .. import losses, metrics, optimizers
from ..errors import ArgumentError, UnsupportedError, quote
from ..layers import Layer
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


class Compiled:
    """The arguments of `compile`, resolved when the first batch shows how many outputs there are.

    Args:
        model: The model.
        loss: A loss, or a list or dict of them.
        loss_weights: What each counts.
        metrics: Metrics without weights of samples.
        weighted_metrics: Metrics with them.
        forward: What computes the outputs: the model, or the model compiled by torch.
    """

    def __init__(
        self, model: Any, loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any, forward: Callable[..., Any]
    ) -> None:
        self.model, self.loss, self.loss_weights = model, loss, loss_weights
        self.metrics, self.weighted_metrics, self.forward = metrics, weighted_metrics, forward
        self.tracker = _LossMean("loss")
        self._losses: list[Any] | None = None
        self._weights: list[float] = []
        self._trackers: list[Any] = []
        self._measured: dict[str, tuple[int, bool, Any]] | None = None

    # ------------------------------------------------------------------ the loss

    def loss_of(self, y: Any, y_pred: Any, sample_weight: Any) -> Tensor:
        """The loss of a batch: that of each output by its weight, and the penalties of the layers.

        Raises:
            ArgumentError: There is nothing to minimise, or the targets do not fit the outputs.
        """
        outputs = outputs_of(self.model, y_pred)
        parts: list[Tensor] = []
        if self.loss is not None:
            targets = outputs.spread(y, "y")
            weights = outputs.spread(sample_weight, "sample_weight", all_alike=True)
            if self._losses is None:
                self._resolve(outputs, targets)
            assert self._losses is not None
            values = []
            for at, loss in enumerate(self._losses):
                if loss is None:
                    continue
                if targets[at] is None:
                    raise ArgumentError(f"y: output {at} has a loss and no target.")
                value = loss(targets[at], outputs.values[at], weights[at])
                if value.ndim:
                    raise ArgumentError(f"The loss {loss!r} returned shape {tuple(value.shape)}, expected one number.")
                values.append(value)
            for tracker, value in zip(self._trackers, values, strict=False):
                tracker.update(value, len(outputs.values[0]))
            parts = [value * weight for value, weight in zip(values, self._weights, strict=True)]
        parts += [penalty.sum() for penalty in getattr(self.model, "losses", [])]
        if not parts:
            raise ArgumentError("There is no loss: give compile a loss, or the layers penalties.")
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def _resolve(self, outputs: Outputs, targets: list[Any]) -> None:
        found = outputs.spread(self.loss, "loss", all_alike=True)
        given = self.loss_weights
        if isinstance(given, (int, float)) and len(outputs.values) > 1:
            raise ArgumentError(f"loss_weights: expected one number for each output, got {quote(given)}.")
        weights = outputs.spread(given, "loss_weights")
        self._losses = [
            None if item is None else _loss(item, target, value)
            for item, target, value in zip(found, targets, outputs.values, strict=True)
        ]
        self._weights = [
            1.0 if weight is None else float(weight)
            for weight, loss in zip(weights, self._losses, strict=True)
            if loss is not None
        ]
        if len(self._weights) > 1:
            for at, loss in enumerate(self._losses):
                if loss is not None:
                    name = outputs.names[at] if outputs.names else loss.name
                    self._trackers.append(_LossMean(f"{name}_loss"))

    # ------------------------------------------------------------------ metrics

    def update(self, y: Any, y_pred: Any, sample_weight: Any) -> None:
        """Take a batch into the metrics."""
        if not self.metrics and not self.weighted_metrics:
            return
        outputs = outputs_of(self.model, y_pred)
        targets = outputs.spread(y, "y")
        weights = outputs.spread(sample_weight, "sample_weight", all_alike=True)
        if self._measured is None:
            self._measured = self._measure(outputs, targets)
        for at, weighted, metric in self._measured.values():
            given = {"sample_weight": weights[at]} if weighted and weights[at] is not None else {}
            metric.update_state(targets[at], outputs.values[at], **given)

    def _measure(self, outputs: Outputs, targets: list[Any]) -> dict[str, tuple[int, bool, Any]]:
        found: dict[str, tuple[int, bool, Any]] = {}
        for given, weighted in ((self.metrics, False), (self.weighted_metrics, True)):
            what = "weighted_metrics" if weighted else "metrics"
            if given is not None and not isinstance(given, (list, tuple, dict)):
                raise ArgumentError(f"{what}: expected a list or dict, got {quote(given)}.")
            for at, items in enumerate(outputs.spread(given or None, what, several=True)):
                listed = items if isinstance(items, (list, tuple)) else [] if items is None else [items]
                for item in _flat(listed):
                    metric = _metric(item, targets[at], outputs.values[at])
                    several = len(outputs.values) > 1 and outputs.names
                    name = f"{outputs.names[at]}_{metric.name}" if several and outputs.names else metric.name
                    found[_free(name, found, weighted)] = (at, weighted, metric)
        return found

    # ------------------------------------------------------------------ numbers

    def reset(self) -> None:
        """Begin an epoch or an evaluation."""
        self.tracker.reset_state()
        for tracker in self._trackers:
            tracker.reset_state()
        for _, _, metric in (self._measured or {}).values():
            metric.reset_state()

    def numbers(self) -> dict[str, Any]:
        """The means so far by name: the loss, the losses of the outputs, the metrics. Waits for the device once."""
        found: dict[str, Any] = {"loss": self.tracker.result()}
        found |= {name: metric.result() for name, (_, _, metric) in (self._measured or {}).items()}
        found |= {tracker.name: tracker.result() for tracker in self._trackers}
        scalars = {name: value for name, value in found.items() if isinstance(value, Tensor) and value.ndim == 0}
        if scalars:
            stacked = torch.stack([value.detach().to("cpu", torch.float64) for value in scalars.values()])
            found |= dict(zip(scalars, stacked.tolist(), strict=True))
        return {name: value.tolist() if isinstance(value, Tensor) else value for name, value in found.items()}

    def ordered(self, numbers: dict[str, Any]) -> list[Any]:
        """The numbers in the order in which Keras's `evaluate` lists them.

        The loss, the metrics by the names of their own, the losses of outputs, and what has another name in the logs,
        sorted. So a metric that is given with and without weights comes twice and then under its second name, as there.
        """
        own = [metric.name for _, _, metric in (self._measured or {}).values()]
        first = ["loss", *own, *(tracker.name for tracker in self._trackers)]
        rest = sorted(set(numbers) - set(first))
        return [*(numbers[name] for name in first if name in numbers), *(numbers[name] for name in rest)]


class _LossMean(metrics.Metric):
    """The mean of a loss over the rows of all batches: one operation for each batch, and none that waits."""

    rows = 0

    def update(self, loss: Tensor, rows: int) -> None:
        """Take the loss of a batch in."""
        self.add_state("total", loss).add_(loss.detach(), alpha=rows)
        self.rows += rows

    def result(self) -> Tensor:
        """The mean so far; 0 before the first batch."""
        return self._state["total"] / self.rows if self.rows else torch.tensor(0.0)

    def reset_state(self) -> None:
        """Forget all batches."""
        super().reset_state()
        self.rows = 0


def _flat(items: Any) -> list[Any]:
    return [inner for item in items for inner in (_flat(item) if isinstance(item, (list, tuple)) else [item])]


def _free(name: str, taken: Any, weighted: bool) -> str:
    if name in taken and weighted and f"weighted_{name}" not in taken:
        return f"weighted_{name}"
    found, count = name, 0
    while found in taken:
        count += 1
        found = f"{name}_{count}"
    return found


def _kind_by_shape(y_true: Any, y_pred: Tensor) -> int:
    """0: two classes, 1: labels are numbers of classes, 2: labels are one-hot; as Keras guesses."""
    shape = tuple(y_true.shape)
    if y_pred.shape[-1] == 1:
        return 0
    return 1 if len(shape) < y_pred.ndim or shape[-1] == 1 else 2


def _metric(identifier: Any, y_true: Any, y_pred: Tensor) -> Any:
    if isinstance(identifier, str) and identifier.lower() in _BY_SHAPE:
        return _BY_SHAPE[identifier.lower()][_kind_by_shape(y_true, y_pred)](name=identifier)
    metric = metrics.get(identifier)
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


class _TorchLoss:
    """A loss module of torch, which takes what is predicted first."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.name = module, type(module).__name__.lower()

    def __call__(self, y_true: Any, y_pred: Tensor, sample_weight: Any = None) -> Tensor:
        if sample_weight is not None:
            raise UnsupportedError(
                f"torch's {type(self.module).__name__} takes no sample_weight: use one of kt.losses."
            )
        return self.module(y_pred, y_true)


def _loss(identifier: Any, y_true: Any, y_pred: Tensor) -> Any:
    if isinstance(identifier, str) and identifier.lower() in ("crossentropy", "ce"):
        kinds = ("binary_crossentropy", "sparse_categorical_crossentropy", "categorical_crossentropy")
        return losses.FunctionLoss(losses.get(kinds[_kind_by_shape(y_true, y_pred)]), name=identifier)
    if isinstance(identifier, nn.Module):
        return _TorchLoss(identifier)
    loss = losses.get(identifier)
    if isinstance(loss, losses.Loss):
        return loss
    return losses.FunctionLoss(loss, name=identifier if isinstance(identifier, str) else None)


def compile_model(
    model: Any,
    optimizer: Any,
    loss: Any,
    loss_weights: Any,
    metrics: Any,
    weighted_metrics: Any,
    run_eagerly: bool,
    steps_per_execution: int,
    jit_compile: Any,
    auto_scale_loss: bool,
) -> None:
    """See `Model.compile`."""
    if steps_per_execution != 1:
        raise UnsupportedError("compile: steps_per_execution must be 1, as with Keras on torch.")
    if auto_scale_loss and _computes_in_float16(model):
        raise UnsupportedError(
            "compile: mixed_float16 needs Keras's LossScaleOptimizer, which is not there yet: use mixed_bfloat16, or "
            "give the optimizer a loss_scale_factor and compile with auto_scale_loss=False."
        )
    made = None if optimizer is None else optimizers.get(optimizer)
    jit = jit_compile is True and not run_eagerly
    forward = torch.compile(model) if jit else model
    compiled = Compiled(model, loss, loss_weights, metrics, weighted_metrics, forward)
    model.__dict__.update(_compiled=compiled, optimizer=made, loss=loss, stop_training=False)


def compiled_of(model: Any, method: str) -> Compiled:
    """What a model was compiled with.

    Raises:
        ArgumentError: It is not compiled.
    """
    found = model.__dict__.get("_compiled")
    if found is None:
        raise ArgumentError(f"{model.name!r} must be compiled before {method}: model.compile(optimizer, loss).")
    found.model = model  # a copied model has copied it
    return found


def _computes_in_float16(model: Any) -> bool:
    return any(getattr(layer, "_mixed", None) == torch.float16 for layer in model.modules() if isinstance(layer, Layer))
