"""predict: numpy in, numpy out, in batches, without a graph."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ShapeError
from ..layers._graph import leaves, map_structure
from ..layers._variables import to_numpy
from ..layers._weighted import repr_of

if TYPE_CHECKING:
    from .model import Model


def predict(model: Model, x: Any, batch_size: int | None) -> Any:
    """See `Model.predict`."""
    arrays = map_structure(np.asarray, x) if not _is_plain_list(x) else np.asarray(x)
    flat = leaves(arrays)
    counts = {len(array) if array.ndim else 0 for array in flat}
    if len(counts) != 1:
        raise ShapeError(f"{repr_of(model)}.predict: the inputs have different numbers of rows: {sorted(counts)}.")
    rows = counts.pop()
    if rows == 0:
        raise ShapeError(f"{repr_of(model)}.predict: expected at least one row, got an input of shape {flat[0].shape}.")
    if batch_size is None:
        batch_size = _fixed_batch(model) or 32
    modes = [(module, module.training) for module in model.modules()]  # layers of a loaded model have their own
    model.eval()
    batches = []
    try:
        with torch.inference_mode():
            for start in range(0, rows, batch_size):
                part = map_structure(partial(_batch, model, start, batch_size), arrays)
                batches.append(map_structure(to_numpy, model(part)))
    finally:
        for module, training in modes:
            module.training = training
    if len(batches) == 1:
        return batches[0]
    parts = [iter(leaves(batch)) for batch in batches]
    return map_structure(lambda _: np.concatenate([next(part) for part in parts]), batches[0])


def _is_plain_list(x: Any) -> bool:
    """A nested list of numbers is one array, a list of arrays is several."""
    while isinstance(x, (list, tuple)) and x:
        x = x[0]
    return isinstance(x, (int, float))


def _fixed_batch(model: Model) -> int | None:
    shape = model._build_shape
    while isinstance(shape, (list, tuple)) and shape and isinstance(shape[0], (list, tuple)):
        shape = shape[0]
    return shape[0] if isinstance(shape, (list, tuple)) and shape and isinstance(shape[0], int) else None


def _batch(model: Model, start: int, size: int, array: np.ndarray) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array[start : start + size])).to(model.device)
    return tensor.to(model.dtype) if tensor.is_floating_point() else tensor
