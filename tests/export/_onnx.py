"""Models exported to ONNX and run by onnxruntime, on batches and numbers of steps that the export has not seen."""

from __future__ import annotations

import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from _close import assert_close
from _needs import needs
from torch import Tensor, nn

THERE = all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime"))
needs_onnx = needs(THERE, "onnx, onnxscript and onnxruntime are not installed")
DYNAMIC = torch.export.Dim.DYNAMIC


@contextmanager
def quiet() -> Iterator[None]:
    """What torch's exporter says of itself: of torchvision, of its own old names."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Several(nn.Module):
    """Layers side by side, each with an input of its own or all with one: an export of many costs little more."""

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(layers)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> dict[str, Any]:
        given = {} if mask is None else {"mask": mask}
        return {name: layer(x, **given) for name, layer in self.layers.items()}


def randomised(model: nn.Module, scale: float = 0.5) -> nn.Module:
    """With random distinct values in every parameter, for inference."""
    for weight in model.parameters():
        nn.init.normal_(weight, std=scale)
    return model.eval()


def exported(model: nn.Module, args: Sequence[Tensor], axes: int = 2) -> bytes:
    """The model as ONNX, with the first axes of each input free."""
    return program_of(model, args, axes).model_proto.SerializeToString()


def program_of(model: nn.Module, args: Sequence[Tensor], axes: int = 2) -> Any:
    """What `torch.onnx.export` returns."""
    shapes = tuple(dict.fromkeys(range(min(axes, arg.ndim)), DYNAMIC) for arg in args)
    with quiet():
        return torch.onnx.export(model, tuple(args), dynamo=True, dynamic_shapes=shapes, verbose=False)


def traced(model: nn.Module, args: Sequence[Tensor], axes: int = 2) -> bytes:
    """The same with dynamo=False."""
    file, names = io.BytesIO(), [f"input_{index}" for index in range(len(args))]
    with quiet():
        free = {name: {axis: f"axis_{axis}" for axis in range(axes)} for name in names}
        torch.onnx.export(model, tuple(args), file, dynamo=False, input_names=names, dynamic_axes=free)
    return file.getvalue()


def ran(data: bytes, args: Sequence[Tensor]) -> list[Any]:
    """What onnxruntime computes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    inputs = {node.name: arg.numpy() for node, arg in zip(session.get_inputs(), args, strict=True)}
    return session.run(None, inputs)


def operators(data: bytes) -> list[str]:
    """The names of all nodes of the graph."""
    import onnx

    return [node.op_type for node in onnx.load_from_string(data).graph.node]


def assert_same(data: bytes, model: nn.Module, args: Sequence[Tensor]) -> None:
    """Fail unless onnxruntime computes what the model computes, but for rounding."""
    with torch.no_grad():
        want = leaves(model(*args))
    assert_close(ran(data, args), [part.numpy() for part in want])


def leaves(found: Any) -> list[Tensor]:
    """The tensors of what a model returns."""
    if isinstance(found, Tensor):
        return [found]
    return [leaf for part in (found.values() if isinstance(found, dict) else found) for leaf in leaves(part)]
