"""The epochs: `fit` and `evaluate`, and the steps that they are made of."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import optimizers
from ..arrays import check_counts, has_samples, is_text_array, rows_in
from ..callbacks import Callback, CallbackList, History
from ..callbacks.progress import OwnBar
from ..distributed import part
from ..errors import ArgumentError, quote
from ..models.ids import check_ids
from ..structure import leaves, map_structure
from .compiled import Compiled, compiled_of, plain
from .data import Batches, Epochs, batches_of, split
from .several import Several, SharedCallbacks, several_of

_CPU = torch.device("cpu")

# ---------------------------------------------------------------- one batch


def train_step(model: Any, data: Any) -> dict[str, Any]:
    """See `Model.train_step`."""
    x, y, weight = unpack(data)
    compiled, optimizer = compiled_of(model, "fit"), model.optimizer
    if optimizer is None:
        raise ArgumentError(f"{model.name!r} was compiled without an optimizer: it can be evaluated, not trained.")
    if known := getattr(optimizer, "built", True):
        optimizer.zero_grad()  # before the forward pass, which then takes the memory of the old gradients
    y_pred = _predicted(model, compiled, compiled.parallel or compiled.forward, x)
    loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weight)
    compiled.tracker.update(loss, rows_in(x))
    if loss.requires_grad:
        if isinstance(optimizer, optimizers.Optimizer):
            optimizer.build(model)
            loss = optimizer.scale_loss(loss)
        if not known:
            optimizer.zero_grad()
        if compiled.parallel is not None:
            loss = loss * part.of_mean()
        compiled.check_trained(optimizer)
        loss.backward()
        optimizer.step()
    else:
        warnings.warn(f"{model.name!r} has no trainable weights that the loss depends on.", stacklevel=2)
    if compiled.measured:
        with torch.no_grad():
            compiled.measured.update_state(y, y_pred, weight)
    return {}


def test_step(model: Any, data: Any) -> dict[str, Any]:
    """See `Model.test_step`."""
    x, y, weight = unpack(data)
    compiled = compiled_of(model, "evaluate")
    y_pred = _predicted(model, compiled, compiled.forward, x)
    loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weight)
    compiled.tracker.update(loss, rows_in(x))
    compiled.measured.update_state(y, y_pred, weight)
    return {}


def compute_loss(model: Any, y: Any, y_pred: Any, sample_weight: Any) -> Tensor:
    """See `Model.compute_loss`."""
    return compiled_of(model, "compute_loss").loss_of(y, y_pred, sample_weight)


def compute_metrics(model: Any, y: Any, y_pred: Any, sample_weight: Any) -> dict[str, Any]:
    """See `Model.compute_metrics`."""
    compiled = compiled_of(model, "compute_metrics")
    with torch.no_grad():
        compiled.measured.update_state(y, y_pred, sample_weight)
    return compiled.numbers()


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """`x`, `y` and the weights of a batch; None for what it does not have."""
    parts = data if isinstance(data, (list, tuple)) else (data,)
    return (*parts, None, None)[:3]  # type: ignore[return-value]


def _packed(model: Any, batch: Any, device: torch.device) -> Any:
    """A batch on the model's device as a step gets it in Keras: `(x, y, weights)` without what is not there.

    x is in floating-point numbers of the model's own size, as the model casts them.
    """
    if device.type != "cpu":
        check_ids(model, batch[0])
    x, y, weight = map_structure(lambda array: None if array is None else _tensor(array, device), batch)
    if weight is not None:
        return x, y, weight
    if y is not None:
        return x, y
    return (x,) if isinstance(x, (list, tuple)) else x


def _predicted(model: Any, compiled: Compiled, forward: Any, x: Any) -> Any:
    """The outputs, each with its mask, which losses and metrics ask for."""
    if not model.built:  # which torch compiles no part of: the first batch builds it
        forward = model
    if model._graph is None:
        return forward(x)
    y_pred, masks = forward(x, with_masks=True)
    for output, mask in zip(leaves(y_pred), leaves(masks), strict=True):
        if mask is not None:
            output._keras_mask = mask
    return y_pred


def _device_of(model: Any) -> torch.device:
    return next((part.device for part in model.parameters()), _CPU)


def _tensor(array: Any, device: torch.device) -> Any:
    """A tensor on the device; texts as they are."""
    if isinstance(array, Tensor) or is_text_array(array):
        return array.to(device) if isinstance(array, Tensor) else array
    found = np.asarray(array)
    if found.dtype == np.float64:
        found = found.astype("float32")  # Keras's floatx
    if not found.flags.writeable:  # of a memory map or a table; torch has no tensors that cannot be written to
        found = found.copy()
    return torch.from_numpy(np.ascontiguousarray(found)).to(device)


# ---------------------------------------------------------------- one batch, asked for by itself


def train_on_batch(
    model: Any, x: Any, y: Any, sample_weight: Any, class_weight: Any, reset_metrics: bool, return_dict: bool
) -> Any:
    """See `Model.train_on_batch`."""
    compiled = compiled_of(model, "train_on_batch")
    batches = batches_of(x, y, sample_weight, 2**62, 32, False, class_weight, "train_on_batch")
    several = several_of(model, compiled)
    if reset_metrics:
        compiled.reset()
    model.train()
    with part.whole(), nullcontext() if several is None else several.training(alone=True):
        return _on_batch(model, compiled, batches, several, model.train_step, return_dict)


def test_on_batch(model: Any, x: Any, y: Any, sample_weight: Any, reset_metrics: bool, return_dict: bool) -> Any:
    """See `Model.test_on_batch`."""
    compiled = compiled_of(model, "test_on_batch")
    batches = batches_of(x, y, sample_weight, 2**62, 32, False, None, "test_on_batch")
    several = several_of(model, compiled)
    if reset_metrics:
        compiled.reset()
    model.eval()
    with part.whole(), torch.no_grad():
        return _on_batch(model, compiled, batches, several, model.test_step, return_dict)


def _on_batch(
    model: Any, compiled: Compiled, batches: Batches, several: Several | None, step: Any, return_dict: bool
) -> Any:
    batches.several = several
    data = _packed(model, next(batches.one_pass()), _device_of(model))
    logs = step(data) if several is None else several.step(step, data)
    return _shown(compiled, _numbers(compiled, logs, several), return_dict)


def _shown(compiled: Compiled, numbers: dict[str, Any], return_dict: bool) -> Any:
    if return_dict:
        return numbers
    found = compiled.ordered(numbers) if "loss" in numbers else list(numbers.values())
    return found[0] if len(found) == 1 else found


def _numbers(compiled: Compiled, logs: Any, several: Several | None = None) -> dict[str, Any]:
    """What a step has returned, if it is a step of one's own; else the means so far."""
    if several is not None:
        return several.numbers(logs, lambda logs: _numbers(compiled, logs))
    if not logs:
        return compiled.numbers()
    return plain(logs)


# ---------------------------------------------------------------- epochs


def fit(
    model: Any,
    x: Any,
    y: Any,
    batch_size: int | None,
    epochs: int,
    verbose: Any,
    callbacks: Any,
    validation_split: float,
    validation_data: Any,
    shuffle: Any,
    class_weight: Any,
    sample_weight: Any,
    initial_epoch: int,
    steps_per_epoch: int | None,
    validation_steps: int | None,
    validation_batch_size: int | None,
    validation_freq: Any,
) -> History:
    """See `Model.fit`."""
    compiled = compiled_of(model, "fit")
    where = f"{model.name!r}.fit"
    check_counts(where, batch_size=batch_size, steps_per_epoch=steps_per_epoch, validation_steps=validation_steps)
    if validation_split and validation_data is None:
        (x, y, sample_weight), validation_data = split((x, y, sample_weight), validation_split, where)
    usual = model._usual_rows
    train = Epochs(
        batches_of(x, y, sample_weight, batch_size, usual, shuffle, class_weight, where), steps_per_epoch, where
    )
    judge = None
    if validation_data is not None:
        # As Keras unpacks it: a list of two or three is (x, y) or (x, y, weights) too.
        held: Any = validation_data if isinstance(validation_data, (list, tuple)) else (validation_data,)
        given = unpack(held) if len(held) > 1 else (held[0], None, None)
        size = validation_batch_size or (batch_size if len(held) > 1 or has_samples(held[0]) else None)
        judge = Epochs(batches_of(*given, size, usual, False, None, where), validation_steps, where)
    several, history = several_of(model, compiled), History()
    bar = _bar(verbose, several)
    # The history comes behind the callbacks, so the numbers that they add are in it.
    params = {"epochs": epochs, "steps": train.length, "verbose": verbose}
    listed = _listed(callbacks, [history, *([bar] if bar else [])], model, params, several)
    model.__dict__.update(stop_training=False, history=history, _initial_epoch=initial_epoch)
    run = Run(model, compiled, listed, several)
    with part.whole(), nullcontext() if several is None else several.training():
        listed.call("on_train_begin")
        logs: dict[str, Any] = {}
        for epoch in range(model.__dict__["_initial_epoch"], epochs):  # which a callback may have set, as in Keras
            compiled.reset()
            listed.call("on_epoch_begin", epoch)
            if several is not None:
                several.share_chance()
            model.train()
            logs = run.batches(train, bar, "train")
            if judge is not None and _is_judged(epoch, validation_freq):
                logs |= {f"val_{name}": value for name, value in run.evaluation(judge, None).items()}
            listed.call("on_epoch_end", epoch, logs=logs)
            if model.stop_training:
                break
        model.eval()
        if isinstance(model.optimizer, optimizers.Optimizer):
            model.optimizer.finalize_variable_values()
        listed.call("on_train_end", logs=logs)
    return history


def _listed(
    callbacks: Any, ours: list[Callback], model: Any, params: dict[str, Any], several: Several | None
) -> CallbackList:
    asked = callbacks if isinstance(callbacks, (list, tuple)) else [] if callbacks is None else [callbacks]
    if several is None:
        return CallbackList([*asked, *ours], model=model, **params)
    return SharedCallbacks([*asked, *ours], model, params, several)


class Run:
    """What all epochs and evaluations of a call have in common.

    Args:
        model: The model.
        compiled: What it was compiled with.
        listed: The callbacks.
        several: The processes that share the work; None: there is one.
    """

    def __init__(self, model: Any, compiled: Compiled, listed: CallbackList, several: Several | None) -> None:
        self.model, self.compiled, self.listed, self.several = model, compiled, listed, several

    def batches(self, epochs: Epochs, bar: OwnBar | None, kind: str) -> dict[str, Any]:
        """All batches of an epoch or an evaluation; the numbers at its end.

        Args:
            epochs: Where they come from.
            bar: What is told of each.
            kind: "train" or "test".
        """
        model, listed, several = self.model, self.listed, self.several
        epochs.batches.several = several
        step = model.train_step if kind == "train" else model.test_step
        stop = "stop_training" if kind == "train" else "stop_evaluating"
        of_one, follows = self.compiled.steps_per_execution, listed.follows_batches
        device = _device_of(model)
        logs: Any = {}
        with nullcontext() if kind == "train" else torch.no_grad():
            for at, batch in enumerate(epochs.epoch()):
                if follows and at % of_one == 0:
                    listed.call(f"on_{kind}_batch_begin", at)
                data = _packed(model, batch, device)
                logs = step(data) if several is None else several.step(step, data)
                if bar is not None:
                    bar.advance(lambda logs=logs: _numbers(self.compiled, logs))
                if (at + 1) % of_one:
                    continue
                if follows:
                    listed.call(f"on_{kind}_batch_end", at, logs=self._numbers(logs))
                if model.__dict__[stop]:
                    break
            else:
                left = epochs.drawn % of_one
                if follows and left:  # named as the last of a whole number of batches, as in Keras
                    listed.call(f"on_{kind}_batch_end", epochs.drawn - left + of_one - 1, logs=self._numbers(logs))
        if several is not None and kind == "train":
            several.share_buffers()
        return self._numbers(logs)

    def _numbers(self, logs: Any) -> dict[str, Any]:
        return _numbers(self.compiled, logs, self.several)

    def evaluation(self, epochs: Epochs, bar: OwnBar | None) -> dict[str, Any]:
        """One evaluation; its numbers."""
        self.model.eval()
        self.compiled.reset()
        epochs.restart()  # each validation begins with the first batch
        self.model.__dict__.update(stop_evaluating=False)
        self.listed.call("on_test_begin")
        logs = self.batches(epochs, bar, "test")
        self.listed.call("on_test_end", logs=logs)
        return logs


def evaluate(
    model: Any,
    x: Any,
    y: Any,
    batch_size: int | None,
    verbose: Any,
    sample_weight: Any,
    steps: int | None,
    callbacks: Any,
    return_dict: bool,
) -> Any:
    """See `Model.evaluate`."""
    compiled = compiled_of(model, "evaluate")
    where = f"{model.name!r}.evaluate"
    check_counts(where, batch_size=batch_size, steps=steps)
    batches = batches_of(x, y, sample_weight, batch_size, model._usual_rows, False, None, where)
    several = several_of(model, compiled)
    epochs, bar = Epochs(batches, steps, where), _bar(verbose, several)
    params = {"epochs": 1, "steps": epochs.length, "verbose": verbose}
    listed = _listed(callbacks, [bar] if bar else [], model, params, several)
    with part.whole():
        numbers = Run(model, compiled, listed, several).evaluation(epochs, bar)
    return _shown(compiled, numbers, return_dict)


def _is_judged(epoch: int, frequency: Any) -> bool:
    """Whether an epoch, counted from 0, ends with a validation: every so many, or those in a list, counted from 1."""
    return (epoch + 1) % frequency == 0 if isinstance(frequency, int) else epoch + 1 in frequency


def _bar(verbose: Any, several: Several | None) -> OwnBar | None:
    """What prints; of several processes the first one."""
    if verbose not in ("auto", 0, 1, 2):
        raise ArgumentError(f'verbose: expected 0, 1, 2 or "auto", got {quote(verbose)}.')
    return None if verbose == 0 or not (several is None or several.is_first) else OwnBar(2 if verbose == 2 else 1)
