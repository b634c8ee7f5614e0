"""What a model was compiled with, and what it makes of one batch: the loss, and the metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import losses, metrics, optimizers
from ..arrays import check_counts
from ..distributed import as_part, own_rows
from ..errors import ArgumentError, UnsupportedError, quote
from ..layers import Layer
from ..metrics.metric import dtype_of_sums
from .measured import Measured, kept_metrics, kind_by_shape
from .outputs import Outputs, outputs_of


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
        self.measured, self.forward = Measured(model, metrics, weighted_metrics), forward
        self.steps_per_execution = 1  # batches between two calls of the hooks of batches
        self.parallel: Any = None  # what trains in the place of `forward` where several processes do
        self.given_metrics = {"metrics": metrics, "weighted_metrics": weighted_metrics}
        self.stated: Any = None  # the words of the file that said all this, and the config of its optimizer then
        self.tracker = _LossMean("loss")
        self._losses: list[Any] | None = None
        self._weights: list[float] = []
        self._trackers: list[Any] = []
        self._checked = False

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
            pairs = zip(values, self._weights, strict=True)
            parts = [value if weight == 1.0 else value * weight for value, weight in pairs]
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
                    name = outputs.names[at] if outputs.names else ""
                    if not name or name.endswith("/"):  # nobody has named it
                        name += loss.name
                    self._trackers.append(_LossMean(f"{name}_loss"))

    # ------------------------------------------------------------------ numbers

    @property
    def metrics(self) -> list[Any]:
        """What is set back before an epoch, in Keras's order: the loss, the metrics of `compile`, the losses of the
        outputs, and the metrics that the model and its layers keep.
        """
        return [self.tracker, *([self.measured] if self.measured else []), *self._trackers, *kept_metrics(self.model)]

    def check_trained(self, optimizer: Any) -> None:
        """Once in an epoch: whether the optimizer has the weights that are trained.

        Raises:
            ArgumentError: It has none of them, or was built for the whole model and lacks some, as where a layer was
                added or unfrozen since. Keras does not know such variables either.
        """
        if self._checked:
            return
        known = {id(part) for group in optimizer.param_groups for part in group["params"]}
        named = self.model.named_parameters()
        trained = [
            (name, id(part)) for name, part in named if part.requires_grad and name.rpartition(".")[2] != "unbuilt"
        ]
        left = [name for name, part in trained if part not in known]
        names = f"{', '.join(left[:3])}{' and more' if len(left) > 3 else ''}"
        if left and (len(left) == len(trained) or getattr(optimizer, "_is_whole", False)):
            raise ArgumentError(
                f"{self.model.name!r}: this {type(optimizer).__name__} was made for other weights and would leave "
                f"{names} as they are: compile with a new optimizer after layers were added, replaced or unfrozen, and "
                "with one for each model."
            )
        self._checked = True

    def reset(self) -> None:
        """Begin an epoch or an evaluation."""
        self._checked = False
        given = self.model.metrics  # a model of one's own may name others
        others = [metric for metric in given if isinstance(metric, metrics.Metric)] if isinstance(given, list) else []
        for metric in {id(metric): metric for metric in (*self.metrics, *others)}.values():
            metric.reset_state()

    def numbers(self) -> dict[str, Any]:
        """The means so far by name: the loss, the losses of the outputs, the metrics. Waits for the device once."""
        found = {"loss": self.tracker.result(), **self.measured.result()}
        found |= {tracker.name: tracker.result() for tracker in self._trackers}
        found |= {metric.name: metric.result() for metric in kept_metrics(self.model)}
        return plain(found)

    def ordered(self, numbers: dict[str, Any]) -> list[Any]:
        """The numbers in the order in which Keras's `evaluate` lists them.

        The loss, the metrics by the names of their own, the losses of outputs, and what has another name in the logs,
        sorted. So a metric that is given with and without weights comes twice and then under its second name, as there.
        """
        first: list[str] = []
        for metric in self.model.metrics:
            first += [inner.name for inner in metric.metrics] if metric is self.measured else [metric.name]
        rest = sorted(set(numbers) - set(first))
        return [*(numbers[name] for name in first if name in numbers), *(numbers[name] for name in rest)]


def plain(logs: Any) -> dict[str, Any]:
    """Logs as Python's numbers; what is a dict itself stands under its own names, as in Keras."""
    flat: dict[str, Any] = {}
    for name, value in logs.items():
        flat |= value if isinstance(value, dict) else {name: value}
    held: dict[torch.device, dict[str, Tensor]] = {}  # so that each device is waited for once
    for name, value in flat.items():
        if isinstance(value, Tensor) and (value.ndim == 0 or value.is_floating_point()):
            held.setdefault(value.device, {})[name] = value.detach().to(dtype_of_sums(value.device))
    for tensors in held.values():
        numbers = iter(torch.cat([value.reshape(-1) for value in tensors.values()]).tolist())
        for name, value in tensors.items():
            flat[name] = np.reshape([next(numbers) for _ in range(value.numel())], value.shape)
    return {
        name: value.tolist() if isinstance(value, (Tensor, np.ndarray, np.generic)) else value
        for name, value in flat.items()
    }


class _LossMean(metrics.Metric):
    """The mean of a loss over the rows of all batches: one operation for each batch, and none that waits."""

    rows = 0
    _direction = "down"
    _counted = ("rows",)

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """`update` under Keras's name, for steps of one's own.

        Args:
            values: The loss of a batch.
            sample_weight: How many rows it has; 1 if None.
        """
        self.update(torch.as_tensor(values).float().mean(), 1 if sample_weight is None else int(sample_weight))

    def update(self, loss: Tensor, rows: int) -> None:
        """Take the loss of a batch in."""
        rows = own_rows(rows)
        self.add_state("total", loss).add_(loss.detach(), alpha=rows)
        self.rows += rows

    def result(self) -> Tensor:
        """The mean so far; 0 before the first batch."""
        return self._state["total"] / self.rows if self.rows else torch.tensor(0.0)

    def reset_state(self) -> None:
        """Forget all batches."""
        super().reset_state()
        self.rows = 0


class _TorchLoss:
    """A loss module of torch, which takes what is predicted first."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.name = module, type(module).__name__.lower()

    def __call__(self, y_true: Any, y_pred: Tensor, sample_weight: Any = None) -> Tensor:
        if sample_weight is not None:
            raise UnsupportedError(
                f"torch's {type(self.module).__name__} takes no sample_weight: use one of kt.losses."
            )
        loss = self.module(y_pred, y_true)
        return as_part(loss) if getattr(self.module, "reduction", None) == "sum" else loss


def _loss(identifier: Any, y_true: Any, y_pred: Tensor) -> Any:
    if isinstance(identifier, (list, tuple)) and len(identifier) == 1:  # of one output, as metrics are written
        (identifier,) = identifier
    if isinstance(identifier, str) and identifier.lower() in ("crossentropy", "ce"):
        kinds = ("binary_crossentropy", "sparse_categorical_crossentropy", "categorical_crossentropy")
        return losses.FunctionLoss(losses.get(kinds[kind_by_shape(y_true, y_pred)]), name=identifier)
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
    check_counts("compile", steps_per_execution=steps_per_execution or 0)
    made = None if optimizer is None else optimizers.get(optimizer)
    if made is not None and auto_scale_loss and _computes_in_float16(model):
        made = _scaling(made)
    jit = jit_compile is True and not run_eagerly
    forward = torch.compile(model) if jit else model
    compiled = Compiled(model, loss, loss_weights, metrics, weighted_metrics, forward)
    compiled.steps_per_execution = steps_per_execution
    model.__dict__.update(_compiled=compiled, optimizer=made, loss=loss, stop_training=False, _uncompiled=None)


def _scaling(optimizer: Any) -> Any:
    """The optimizer, in one that scales losses."""
    if isinstance(optimizer, optimizers.LossScaleOptimizer):
        return optimizer
    if not isinstance(optimizer, optimizers.Optimizer):
        raise UnsupportedError(
            f"compile: gradients vanish in float16, and torch's {type(optimizer).__name__} scales no losses: use one "
            "of kt.optimizers or mixed_bfloat16, or compile with auto_scale_loss=False and scale them yourself."
        )
    return optimizers.LossScaleOptimizer(optimizer)


def compiled_of(model: Any, method: str) -> Compiled:
    """What a model was compiled with.

    Raises:
        ArgumentError: It is not compiled.
    """
    found = model.__dict__.get("_compiled")
    if found is None:
        why = model.__dict__.get("_uncompiled")
        raise ArgumentError(
            f"{model.name!r} must be compiled before {method}: model.compile(optimizer, loss)."
            + (f" {why}." if why else "")
        )
    found.model = model  # a copied model has copied it
    return found


def metrics_of(model: Any) -> list[Any]:
    """See `Model.metrics`."""
    found = model.__dict__.get("_compiled")
    return kept_metrics(model) if found is None else found.metrics


def metrics_names(model: Any) -> list[str]:
    """See `Model.metrics_names`."""
    found: list[str] = []
    for metric in model.metrics:
        found += list(metric.by_name) if isinstance(metric, Measured) else [metric.name]
    return found


def reset_metrics(model: Any) -> None:
    """See `Model.reset_metrics`."""
    found = model.__dict__.get("_compiled")
    if found is not None:
        found.reset()
    else:
        for metric in model.metrics:
            metric.reset_state()


def get_metrics_result(model: Any) -> dict[str, Any]:
    """See `Model.get_metrics_result`."""
    return compiled_of(model, "get_metrics_result").numbers()


def _computes_in_float16(model: Any) -> bool:
    return any(getattr(layer, "_mixed", None) == torch.float16 for layer in model.modules() if isinstance(layer, Layer))
