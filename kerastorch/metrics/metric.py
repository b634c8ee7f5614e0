"""The base of metrics, and the mean, of which most are made."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from .. import initializers
from .._serial import snake_case
from ..absent_methods import no_attribute
from ..arguments import of_function
from ..dtypes import weight_dtype
from ..errors import ArgumentError, ShapeError, quote
from ..forward_pass import current
from ..losses.aligning import same_rank, widened
from ..losses.registry import is_keras_loss


class MetricVariable(nn.Parameter):
    """A tensor that a metric keeps, with the methods of Keras's variables. It follows what it is given to its device.

    Args:
        data: What it starts from.
        name: Its name.
    """

    _called: str | None = None
    aggregation = "sum"

    def __new__(cls, data: Tensor, name: str | None = None) -> MetricVariable:
        made = super().__new__(cls, data, requires_grad=False)
        made._called = name
        return made

    @property
    def name(self) -> str | None:  # type: ignore[override]
        """The name that it was given."""
        return self._called

    @property
    def value(self) -> Tensor:
        """A copy of it as it is now."""
        return self.detach().clone()

    def numpy(self) -> Any:  # type: ignore[override]
        """A copy as a numpy array."""
        return self.detach().cpu().numpy().copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:  # type: ignore[override]
        array = self.numpy()  # later batches do not change it
        return array if dtype is None else array.astype(dtype)

    def assign(self, value: Any) -> Tensor:
        """Set it from a number, or from an array or a tensor of its shape.

        Raises:
            ShapeError: The shape is another one; nothing is changed then.
        """
        found = torch.as_tensor(value).detach()
        if found.ndim and found.shape != self.shape:
            raise ShapeError(
                f"{quote(self.name)}: assign: expected shape {tuple(self.shape)}, got {tuple(found.shape)}."
            )
        if isinstance(value, Tensor) and value.device != self.device:
            self.data = self.data.to(value.device)
        self.copy_(found)
        return self.value

    def assign_add(self, value: Any) -> Tensor:
        """Add to it."""
        return self.assign(self._beside(value) + torch.as_tensor(value))

    def assign_sub(self, value: Any) -> Tensor:
        """Subtract from it."""
        return self.assign(self._beside(value) - torch.as_tensor(value))

    def _beside(self, value: Any) -> Tensor:
        return self.detach().to(value.device) if isinstance(value, Tensor) else self.detach()


def _on_data(update_state: Callable[..., Any]) -> Callable[..., Any]:
    """Nothing is taken in where a layer that keeps the metric is run for its shapes or its masks alone."""

    @functools.wraps(update_state)
    def updates(*args: Any, **kwargs: Any) -> Any:
        return None if current.factor == 0 else update_state(*args, **kwargs)

    return updates


class Metric:
    """Base of metrics (`keras.metrics.Metric`). A subclass defines `update_state` and `result`.

    State stands in tensors that `add_state` makes, in variables, or in metrics that are attributes; `reset_state` sets
    all of it back. What is predicted in float16 or bfloat16 is taken in float32, where Keras computes most of them in
    halves.

    Args:
        name: Its name in logs.
        dtype: Kept for configs; sums are kept in float64 where the device has it.
    """

    _direction: str | None = None  # "up" or "down": which way is better, where the class knows
    _counted: ClassVar[tuple[str, ...]] = ()  # attributes that are numbers of Python, which batches add to

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        self.name = snake_case(type(self).__name__) if name is None else name
        self.dtype = dtype
        self._state: dict[str, MetricVariable] = {}
        self._variables: list[MetricVariable] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "update_state" in vars(cls):
            cls.update_state = _on_data(vars(cls)["update_state"])  # type: ignore[method-assign]

    def add_variable(
        self, shape: Any = (), initializer: Any = "zeros", dtype: Any = None, aggregation: str = "sum", name: Any = None
    ) -> MetricVariable:
        """State of a subclass, under Keras's name: `assign` and `assign_add` change it, `reset_state` sets it to zero.

        Args:
            shape: Its shape.
            initializer: What it starts from.
            dtype: Its dtype; float32 if None.
            aggregation: How several processes join it: "sum", "mean", or "only_first_replica".
            name: Its name.
        """
        start = initializers.get(initializer)
        data = torch.zeros(tuple(shape)) if start is None else start(tuple(shape))
        made = MetricVariable(data.to(weight_dtype(dtype)), name)
        made.aggregation = aggregation or "only_first_replica"
        self._variables.append(made)
        return made

    def add_weight(
        self, name: Any = None, shape: Any = (), aggregation: str = "sum", initializer: Any = "zeros", dtype: Any = None
    ) -> MetricVariable:
        """`add_variable`, with the arguments of tf.keras."""
        if isinstance(name, (tuple, list)):  # Keras 3 has the shape first
            name, shape = None, name
        return self.add_variable(shape, initializer, dtype, aggregation, name)

    @property
    def variables(self) -> list[MetricVariable]:
        """What the metric gathers in, and then what is gathered by the metrics that it is made of."""
        for name, shape in self._shapes().items():
            if name not in self._state:
                self.add_state(name, torch.empty(0), shape)
        inner = [item for part in self._metrics_inside() for item in part.variables]
        return [*self._sums(), *inner]

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """What a class of Keras's gathers in, by Keras's names: the shapes, as far as they do not wait for a batch."""
        return {}

    def add_state(self, name: str, like: Tensor, shape: tuple[int, ...] = ()) -> Tensor:
        """A sum that starts from zero, on the device of a tensor; the same at every call."""
        held, dtype = self._state.get(name), dtype_of_sums(like.device)
        if held is None:
            with torch.inference_mode(False):  # `predict` may be the first to see it
                held = MetricVariable(torch.zeros(shape, dtype=dtype, device=like.device))
            self._state[name], held._called = held, name
        elif held.device != like.device:
            held.data = held.data.to(like.device, dtype)
        return held

    def _parts(self) -> list[Metric]:
        """The metrics that this one is made of, and itself."""
        return [self, *(item for part in self._metrics_inside() for item in part._parts())]

    def _metrics_inside(self) -> list[Metric]:
        """The metrics that are attributes of this one."""
        return [value for value in vars(self).values() if isinstance(value, Metric)]

    def _sums(self) -> list[MetricVariable]:
        """The tensors that batches are added to, without those of other parts."""
        return [*self._state.values(), *self._variables]

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take a batch in."""
        raise NotImplementedError(f"{type(self).__name__} must define update_state.")

    def result(self) -> Any:
        """The value over all batches since the last `reset_state`: a scalar tensor."""
        raise NotImplementedError(f"{type(self).__name__} must define result.")

    def reset_state(self) -> None:
        """Forget all batches."""
        for variable in self._sums():
            variable.zero_()
        for part in self._metrics_inside():
            part.reset_state()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take a batch in, and return the value over all batches so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Metric:
        """Make the metric that `config` describes; its state is not in it."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    if not TYPE_CHECKING:  # a type checker would take every name for one that is there

        def __getattr__(self, name: str) -> Any:
            """What the metric gathers in, by Keras's name of it: `metric.true_positives`."""
            if "_state" in vars(self) and not name.startswith("_") and name != "variables":
                for item in self.variables:
                    if item.name == name:
                        return item
            raise no_attribute(self, name)


def dtype_of_sums(device: torch.device) -> torch.dtype:
    """In what sums over batches are kept: float64, where the device has it."""
    return torch.float32 if device.type == "mps" else torch.float64


def integer(metric: Metric, name: str, value: Any, least: int) -> int:
    """An argument that is an int and no bool, at least `least`.

    Raises:
        ArgumentError: It is something else.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < least:
        raise ArgumentError(
            f"{type(metric).__name__}: {name} is {quote(value)}, expected an integer of at least {least}."
        )
    return int(value)


def spread(metric: Metric, weight: Tensor, predicted: Tensor) -> Tensor:
    """Weights in the shape of what is predicted.

    Raises:
        ShapeError: They do not fit it.
    """
    try:
        return weight.broadcast_to(predicted.shape)
    except RuntimeError as error:
        raise ShapeError(
            f"{type(metric).__name__}: weights of shape {tuple(weight.shape)} do not fit predictions of shape "
            f"{tuple(predicted.shape)}."
        ) from error


def over_nothing(total: Tensor, count: Tensor) -> Tensor:
    """`total / count`, 0 where the count is 0."""
    return torch.where(count == 0, 0.0, total / torch.where(count == 0, 1.0, count))


def per_sample(
    values: Tensor, weight: Tensor | None, reduce: Callable[[Tensor, int], Tensor] = torch.mean
) -> tuple[Tensor, Tensor | None]:
    """One value and one weight of each sample: values times weights, and both averaged over further axes, as in Keras.

    Args:
        values: `(B, ...)`.
        weight: What each counts: of the same number of axes or fewer.
        reduce: In the place of the average.
    """
    if weight is not None:
        values, weight = same_rank(values, weight)
        if values.ndim > weight.ndim:
            values = reduce(values.flatten(weight.ndim), -1)
        try:
            weight = weight.broadcast_to(values.shape)
        except RuntimeError as error:
            raise ShapeError(
                f"Weights of shape {tuple(weight.shape)} do not fit values of shape {tuple(values.shape)}."
            ) from error
        values = values * weight
        if weight.ndim > 1:
            weight = reduce(weight.flatten(1), -1)
    return (reduce(values.flatten(1), -1) if values.ndim > 1 else values), weight


class Mean(Metric):
    """The weighted mean of values (`keras.metrics.Mean`)."""

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {"total": (), "count": ()}

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take values in.

        Args:
            values: Any shape; with more than one axis each sample is averaged first.
            sample_weight: What each counts.
        """
        values = torch.as_tensor(values).detach()
        total, count = self.add_state("total", values), self.add_state("count", values)
        if sample_weight is None and values.ndim == 1:
            total.add_(values.sum(dtype=total.dtype))
            count.add_(len(values))
            return
        weight = None if sample_weight is None else torch.as_tensor(sample_weight).detach().to(total)
        values, weight = per_sample(values.to(total.dtype), weight)
        total.add_(values.sum())
        count.add_(weight.sum() if weight is not None else len(values) if values.ndim else 1)

    def result(self) -> Tensor:
        """The mean so far; 0 before the first value."""
        if not self._state:
            return torch.tensor(0.0)
        return over_nothing(self._state["total"], self._state["count"])


class Sum(Metric):
    """The weighted sum of values (`keras.metrics.Sum`)."""

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {"total": ()}

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take values in; see `Mean.update_state`."""
        values = torch.as_tensor(values).detach()
        dtype = self.add_state("total", values).dtype
        weight = None if sample_weight is None else torch.as_tensor(sample_weight).detach().to(values.device, dtype)
        self.add_state("total", values).add_(per_sample(values.to(dtype), weight, torch.sum)[0].sum())

    def result(self) -> Tensor:
        """The sum so far."""
        return self._state["total"].clone() if self._state else torch.tensor(0.0)


class MeanMetricWrapper(Mean):
    """The mean of what a function computes of each sample (`keras.metrics.MeanMetricWrapper`).

    Args:
        fn: `fn(y_true, y_pred, **arguments)`: a value of each sample, or of each step of it. A `Loss` is called too.
        name: Its name in logs; None: the function's.
        dtype: See `Metric`.
        **arguments: Further arguments of `fn`.
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **arguments: Any) -> None:
        of_function(type(self).__name__, fn, arguments)
        super().__init__(name or getattr(fn, "name", None) or _name_of(fn), dtype)
        self.fn, self.arguments = fn, arguments
        for argument, value in arguments.items():
            if not hasattr(type(self), argument):
                setattr(self, argument, value)
        if self._direction is None and is_keras_loss(fn):
            self._direction = "down"

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None, mask: Any = None) -> None:
        """Take a batch in.

        Args:
            y_true: What is true.
            y_pred: What is predicted.
            sample_weight: What each sample, or each step, counts.
            mask: True where a step counts. None: the mask that `y_pred` brings along.
        """
        mask = getattr(y_pred, "_keras_mask", None) if mask is None else mask
        y_pred = widened(y_pred).detach()
        values = torch.as_tensor(self.fn(torch.as_tensor(y_true).to(y_pred.device), y_pred, **self.arguments))
        super().update_state(values, masked_weight(values, sample_weight, mask))

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {**super().get_config(), **self.arguments}


def _name_of(fn: Callable[..., Any]) -> str | None:
    found = getattr(fn, "__name__", None)
    return None if found is None else snake_case(re.sub(r"\W", "", found))  # "lambda" for one without a name


def masked_weight(values: Tensor, sample_weight: Any, mask: Any) -> Any:
    """Weights that are 0 where a mask is False."""
    if mask is None:
        return sample_weight
    valid = torch.as_tensor(mask).to(values.device, values.dtype if values.is_floating_point() else torch.float32)
    if sample_weight is None:
        return valid
    valid, weight = same_rank(valid, torch.as_tensor(sample_weight).to(valid))
    return valid * weight
