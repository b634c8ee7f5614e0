"""predict: numpy in, numpy out, in batches, without a graph."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..arrays import check_counts
from ..base.ragged import refuse_packed
from ..base.weighted import repr_of
from ..callbacks.callback_list import CallbackList
from ..errors import ArgumentError, ShapeError, counted, quote
from ..structure import leaves, map_structure
from ._batches import Slices, Source, source_of
from ._progress import progress
from ._transfer import transfer_to

if TYPE_CHECKING:
    from ._protocol import AnyModel


def predict(
    model: AnyModel, x: Any, mask: Any, batch_size: int | None, verbose: Any, steps: int | None, callbacks: Any
) -> Any:
    """See `Runs.predict`."""
    check_counts("predict", batch_size=batch_size, steps=steps)
    refuse_packed(model, (x,), {})
    where = f"{repr_of(model)}.predict"
    source = source_of(x, _given(mask), batch_size, model._usual_rows, where)
    count = steps if source.batches is None else min(source.batches, steps or source.batches)
    params = {"epochs": 1, "steps": count, "verbose": verbose}
    listed = CallbackList(callbacks, model=model, **params) if callbacks else None
    return _run(model, source, mask, count, steps, verbose, where, listed)


def predict_on_batch(model: AnyModel, x: Any, mask: Any) -> Any:
    """See `Runs.predict_on_batch`."""
    refuse_packed(model, (x,), {})
    where = f"{repr_of(model)}.predict_on_batch"
    source = source_of(x, _given(mask), None, sys.maxsize, where)
    if not isinstance(source, Slices):
        raise ArgumentError(
            f"{where}: expected one batch, an array or a list or dict of them, got {quote(type(x).__name__)}; "
            "predict takes what makes batches."
        )
    return _run(model, source, mask, 1, None, 0, where)


def _given(mask: Any) -> list[Any] | None:
    """The masks that there are; inputs may have none."""
    return [leaf for leaf in leaves(mask) if leaf is not None] or None


def _call(model: AnyModel, batch: Any, mask: Any) -> Any:
    """The outputs for a batch, which has the masks beside the inputs where some were given."""
    if _given(mask) is None:
        return model(batch)
    inputs, masks = batch
    rest = iter(masks)
    return model(inputs, mask=map_structure(lambda leaf: None if leaf is None else next(rest), mask))


def _run(
    model: AnyModel,
    source: Source,
    mask: Any,
    count: int | None,
    steps: int | None,
    verbose: Any,
    where: str,
    listed: CallbackList | None = None,
) -> Any:
    """The outputs for the first `count` batches; `steps` are the batches that the caller asks for."""
    if listed is not None:
        model.__dict__.update(stop_predicting=False)
        listed.call("on_predict_begin")
    of_one = getattr(model.__dict__.get("_compiled"), "steps_per_execution", 1)  # batches between two hooks
    gathered: Gathered | None = None
    together: list[Any] = []
    done = 0
    with _inference(model), progress(verbose, count) as advance:
        transfer = transfer_to(model, source.draw(count), _given(mask) is not None)
        batch = transfer.next()
        while batch is not None and not (listed is not None and model.stop_predicting and not together):
            if listed is not None and not together:
                listed.call("on_predict_batch_begin", done)
            outputs = _call(model, batch.ready(), mask)
            following = transfer.next() if transfer.overlaps else None  # while the device computes
            if gathered is None:
                gathered = Gathered(outputs, batch.rows, source.rows_of(count), where)
            gathered.add(outputs)
            if listed is not None:
                together.append(outputs)
                if len(together) == of_one:
                    listed.call("on_predict_batch_end", done, logs={"outputs": _joined(together)})
                    together = []
            done += 1
            advance()
            batch = following if transfer.overlaps else transfer.next()
    if listed is not None and together:  # named as the last of a whole number of batches, as in Keras
        listed.call("on_predict_batch_end", done - len(together) + of_one - 1, logs={"outputs": _joined(together)})
    if gathered is None:
        raise ShapeError(f"{where}: expected at least one batch, got none.")
    if steps is not None and done < steps:
        warnings.warn(
            f"{where}: steps={steps}, but the data ended after {counted(done, 'batch', 'batches')}.", stacklevel=4
        )
    if listed is not None:
        listed.call("on_predict_end")
    return gathered.result()


def _joined(outputs: list[Any]) -> Any:
    """The outputs of several batches as those of one."""
    if len(outputs) == 1:
        return outputs[0]
    columns = iter([torch.cat(column) for column in zip(*map(leaves, outputs), strict=True)])
    return map_structure(lambda _: next(columns), outputs[0])


@contextmanager
def _inference(model: AnyModel) -> Iterator[None]:
    """Every layer out of training, and back into its own mode: layers of a loaded model each have theirs."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, training in modes:
            module.training = training


class Gathered:
    """The outputs of all batches, each written to its place in one array.

    Args:
        outputs: Those of the first batch: their nesting, shapes and dtypes are those of all.
        rows: Rows of the first batch.
        total: Rows of all batches, where that is known.
        where: For messages.
    """

    def __init__(self, outputs: Any, rows: int, total: int | None, where: str) -> None:
        self.nesting = outputs
        self.columns: list[_Column] = []
        for output in leaves(outputs):
            # An output that has another number of rows than its input grows as it comes.
            known = total if total is not None and output.ndim and output.shape[0] == rows else None
            self.columns.append(_Column(known, where))

    def add(self, outputs: Any) -> None:
        for column, output in zip(self.columns, leaves(outputs), strict=True):
            column.add(output)

    def result(self) -> Any:
        arrays = iter([column.result() for column in self.columns])
        return map_structure(lambda _: next(arrays), self.nesting)


class _Column:
    """One output over all batches."""

    def __init__(self, rows: int | None, where: str) -> None:
        self.rows, self.where = rows, where
        self.array: np.ndarray | None = None
        self.filled = 0

    def add(self, output: Tensor) -> None:
        if output.ndim == 0:
            raise ShapeError(f"{self.where}: an output has no batch axis: its shape is ().")
        values = output.detach()
        if values.dtype == torch.bfloat16:
            values = values.float()  # numpy has none
        end = self.filled + len(values)
        if self.array is None:
            first = values.cpu().numpy()
            self.array = np.empty((self.rows or end, *first.shape[1:]), first.dtype)
        if values.shape[1:] != self.array.shape[1:]:
            raise ShapeError(
                f"{self.where}: the outputs of two batches do not fit together: {tuple(values.shape[1:])} after "
                f"{self.array.shape[1:]} for a row; predict the batches one by one."
            )
        if end > len(self.array):
            # Grown in its place: the system moves pages, no second array of all outputs is there.
            self.array.resize((max(end, len(self.array) * 3 // 2), *self.array.shape[1:]), refcheck=False)
        torch.from_numpy(self.array[self.filled : end]).copy_(values)
        self.filled = end

    def result(self) -> np.ndarray:
        assert self.array is not None
        if self.filled < len(self.array):
            self.array.resize((self.filled, *self.array.shape[1:]), refcheck=False)
        return self.array
