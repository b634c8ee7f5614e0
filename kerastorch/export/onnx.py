"""A model as an ONNX file."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, UnsupportedError, did_you_mean
from ..files.replacing import replacing
from ..files.unfinished import unfinished
from ..packaged import install
from ..paths import AnyPath
from ..structure import leaves
from ._flat import Flat, unique
from ._signature import Spec

_ALONE = 2**31  # bytes: a larger model stands in two files, of which one holds the weights


def write_onnx(
    flat: Flat,
    specs: Sequence[Spec],
    inputs: Sequence[Tensor],
    filepath: AnyPath,
    verbose: bool,
    *,
    opset_version: int | None = None,
    **unknown: Any,
) -> None:
    """Write the model.

    Args:
        flat: The model.
        specs: Its inputs.
        inputs: An example of each.
        filepath: Where to.
        verbose: Whether torch's exporter prints what it does.
        opset_version: Of ONNX; torch's default if None.
        **unknown: Refused.

    Raises:
        UnsupportedError: A package is missing, or the model has a part that ONNX, or torch's exporter, has nothing for.
    """
    if unknown:
        known = ("opset_version",)
        raise ArgumentError(
            f'export: format="onnx" takes opset_version alone, got {", ".join(map(repr, sorted(unknown)))}.'
            f"{did_you_mean(min(unknown), known)}"
        )
    try:
        import onnxscript  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UnsupportedError(f'export: format="onnx" needs onnx and onnxscript: {install("onnx")}.') from error
    states = flat.states() if flat.state_names else []
    outputs = _output_names(flat, flat.model(*inputs)[0])
    input_names = unique([*(spec.name for spec in specs), *flat.state_names])
    output_names = unique([*input_names, *outputs, *(f"{name}_out" for name in flat.state_names)])[len(input_names) :]
    free = [spec.free_axes() for spec in specs]
    options: dict[str, Any] = {} if opset_version is None else {"opset_version": opset_version}
    with _without_remarks(verbose):
        program = torch.onnx.export(
            flat,
            (*inputs, *states),
            dynamo=True,
            dynamic_shapes=((*free, *({} for _ in states)),),
            input_names=input_names,
            output_names=output_names,
            verbose=verbose,
            **options,
        )
    assert program is not None
    size = sum(tensor.numel() * tensor.element_size() for tensor in (*flat.parameters(), *flat.buffers()))
    with replacing(filepath) as temporary:
        if size > _ALONE:
            _save_apart(program, os.fsdecode(filepath), temporary)
        else:
            program.save(temporary, external_data=False)


def _save_apart(program: Any, filepath: str, temporary: str) -> None:
    """Save a large model: the graph to `temporary`, the weights beside `filepath`, to which the graph says `NAME.data`.

    Each is whole or not there. The weights take their place first, and the graph when the caller is done.
    """
    target = os.path.realpath(filepath)
    name = os.path.basename(target)
    with unfinished(target, is_folder=True) as made:
        program.save(os.path.join(made.path, name), external_data=True)
        os.replace(os.path.join(made.path, name), temporary)
        with replacing(f"{target}.data") as weights:
            os.replace(os.path.join(made.path, f"{name}.data"), weights)


def _output_names(flat: Flat, outputs: Any) -> list[str]:
    count, model = len(leaves(outputs)), flat.model.inner
    names = list(model.output_names) if getattr(model, "_graph", None) is not None else []
    return names if len(names) == count else [f"output_{index}" for index in range(count)]


@contextlib.contextmanager
def _without_remarks(verbose: bool) -> Iterator[None]:
    """Keep from the reader what torch's exporter says of torch's own old names, and of packages it does not need."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in () if verbose else loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, module=r"copyreg|torch\..*")
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            warnings.filterwarnings("ignore", message=".*axis name.*", category=UserWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
