"""An example to record: random inputs that a model takes, and what it makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..parity.needs import random_inputs
from ..structure import leaves

if TYPE_CHECKING:
    from ..models import Model

_LENGTHS = (7, 32, 128)  # tried where a length is open: a convolution may need more than a few steps


def recorded_example(model: Model) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs, some of their steps masked, and the outputs in inference, from fresh states.

    Raises:
        ArgumentError: The inputs' sizes are open and none of those that were tried fits.
    """
    why = ""
    for length in _LENGTHS:
        try:
            inputs = random_inputs(model, length)
            if model.stateful:
                model.reset_states()
            given = inputs if len(inputs) > 1 else inputs[0]
            outputs = model.predict(given, batch_size=len(inputs[0]), verbose=0)
        except ShapeError as error:
            why = str(error)
            continue
        finally:
            if model.stateful:
                model.reset_states()
        dtypes = [tensor.dtype for tensor in model.inputs]
        given = [torch.from_numpy(value) for value in inputs]
        return [x.to(dtype) if x.is_floating_point() else x for x, dtype in zip(given, dtypes, strict=True)], [
            torch.from_numpy(np.ascontiguousarray(value)) for value in leaves(outputs)
        ]
    raise ArgumentError(f"no open length of {_LENGTHS} fits the model: {why}")
