"""A model as an ONNX file."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
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
_DIGITS = 16  # of a digest in the name of that one


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
    target, weights = os.path.realpath(os.fsdecode(filepath)), None
    with replacing(filepath) as temporary:
        if size > _ALONE:
            weights = _save_apart(program, target, temporary)
        else:
            program.save(temporary, external_data=False)
    _remove_weights(target, weights)


def _save_apart(program: Any, target: str, temporary: str) -> str:
    """Save a large model: the graph to `temporary`, the weights beside `target`; the name of these.

    The name has a digest of the weights, so that those of the graph that still stands are left alone: whoever reads it
    meanwhile, or after a crash, finds what belongs to it.
    """
    name = f"{os.path.basename(target)}.{_digest(program)}"
    with unfinished(target, is_folder=True) as made:
        program.save(os.path.join(made.path, name), external_data=True)
        os.replace(os.path.join(made.path, name), temporary)
        weights = f"{name}.data"
        with replacing(os.path.join(os.path.dirname(target), weights)) as place:
            os.replace(os.path.join(made.path, weights), place)
    return weights


def _digest(program: Any) -> str:
    """Of the names and values of all weights."""
    digest = hashlib.sha256()
    for name, value in program.model.graph.initializers.items():
        tensor = value.const_value
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()[:_DIGITS]


def _remove_weights(target: str, kept: str | None) -> None:
    """Take away the weights that no graph names any longer: what `_save_apart` has written, and nothing else."""
    folder, name = os.path.split(target)
    written = re.compile(rf"{re.escape(name)}\.[0-9a-f]{{{_DIGITS}}}\.data")
    for other in os.listdir(folder):
        if written.fullmatch(other) and other != kept:
            with contextlib.suppress(OSError):  # somebody else was faster, or has it open
                os.remove(os.path.join(folder, other))


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
