"""Whether a written file gives the numbers of the model that it was written from, on random inputs."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..errors import ArgumentError, ShapeError
from ..parity.golden import Comparison, beside, predict, run_rounded
from ..parity.needs import random_inputs

if TYPE_CHECKING:
    from ..models import Model

_LENGTHS = (7, 32, 128)  # tried where a length is open: a convolution may need more than a few steps


def compare_file(model: Model, path: str) -> list[Comparison]:
    """Read a file again and run it and the original on the same random inputs, some steps masked.

    Args:
        model: The original.
        path: A Keras file, or a `.safetensors` of the model's state dict.

    Returns:
        Each output of the original beside that of the new file.

    Raises:
        ArgumentError: The inputs' sizes are open and none of those that were tried fits.
    """
    new = _read(model, path)
    inputs = _try(model)
    ours, *others = (made[0] for made in run_rounded(model, [inputs], _fresh))
    _fresh(new)
    return list(beside(model.output_names, ours, predict(new, inputs), others))


def _read(model: Model, path: str) -> Model:
    if not path.lower().endswith(".safetensors"):
        from ..load import load_model

        return load_model(path)
    from safetensors.torch import load_file

    new = copy.deepcopy(model)
    with torch.no_grad():
        for tensor in (*new.parameters(), *new.buffers()):
            tensor.zero_()  # whatever it computes now comes from the file
    new.load_state_dict(load_file(path), strict=True)
    return new.eval()


def _fresh(model: Model) -> None:
    """The same state for both: no states kept, and the same random numbers where a model draws any."""
    torch.manual_seed(0)
    if model.stateful:
        model.reset_states()


def _try(model: Model) -> list[np.ndarray]:
    """Random inputs that the model takes."""
    why = ""
    for length in _LENGTHS:
        try:
            inputs = random_inputs(model, length)
            _fresh(model)
            predict(model, inputs)
            return inputs
        except ShapeError as error:
            why = str(error)
    raise ArgumentError(f"--check: no open length of {_LENGTHS} fits the model: {why}")
