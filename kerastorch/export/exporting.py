"""`model.export`: the formats, and what they share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch

from ..errors import ArgumentError, UnsupportedError, did_you_mean, quote
from ..paths import AnyPath
from ._flat import Flat
from ._signature import Spec, described, examples, signature_of
from .onnx import write_onnx
from .program import write_program

FORMATS = ("onnx", "torch")
_REFUSED = {
    "tf_saved_model": 'a SavedModel is written by TensorFlow alone: write format="onnx" or "torch", or a .keras file '
    "with model.save, which Keras itself exports",
    "openvino": 'write format="onnx", which OpenVINO reads',
    "litert": 'write format="torch" for litert_torch, or a .keras file with model.save, which Keras itself exports',
}


def export_model(
    model: Any,
    filepath: AnyPath,
    format: str = "tf_saved_model",
    verbose: bool | None = None,
    input_signature: Any = None,
    **options: Any,
) -> None:
    """Write a model for other systems; see `Model.export`."""
    if format not in FORMATS:
        if format in _REFUSED:
            raise UnsupportedError(f"export: format={quote(format)} is not supported: {_REFUSED[format]}.")
        known = (*FORMATS, *_REFUSED)
        raise ArgumentError(
            f"export: expected format 'onnx' or 'torch', got {quote(format)}.{did_you_mean(format, known)}"
        )
    specs = _specs(model, format, input_signature)
    write = write_onnx if format == "onnx" else write_program
    flat = Flat(model, len(specs))
    with _for_inference(flat), torch.no_grad():
        inputs = examples(model, specs, flat.model)
        for (layer, name, _), zeros in zip(flat.kept(), flat.states(), strict=True):
            setattr(layer, name, zeros)
        write(flat, specs, inputs, filepath, bool(verbose), **options)
    if verbose is not False:
        print(f"Saved artifact at '{os.fsdecode(filepath)}'. It takes {described(specs)}.")


def _specs(model: Any, format: str, given: Any = None) -> list[Spec]:
    """The inputs of what is exported: a program of torch takes ids of 64 bits, as torch has them."""
    specs = signature_of(model, given)
    if format == "onnx" or given is not None:
        return specs
    return [spec._replace(dtype=torch.int64) if spec.looked_up else spec for spec in specs]


def inputs_text(model: Any, format: str) -> str:
    """What a model takes that was exported in this format: names, dtypes, shapes."""
    return described(_specs(model, format))


@contextlib.contextmanager
def _for_inference(flat: Flat) -> Iterator[None]:
    """Every module in evaluation mode; afterwards each is as it was, with the states that it kept."""
    modes = [(module, module.training) for module in flat.modules()]
    states = [(layer, name, state if state is None else state.clone()) for layer, name, state in flat.kept()]
    flat.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for layer, name, state in states:
            setattr(layer, name, state)
