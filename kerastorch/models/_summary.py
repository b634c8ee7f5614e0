"""summary: Keras's table of layers, output shapes and parameter counts."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import torch

from ..errors import ArgumentError, UnsupportedError
from ..layers import _check
from ..layers._base import Layer
from ..layers._variables import all_variables
from ..structure import map_shapes
from ._plan import map_template, slots_of
from .model import Model
from .sequential import Sequential


def summary(
    model: Model, print_fn: Callable[[str], Any], expand_nested: bool, style: str, options: dict[str, Any]
) -> None:
    """See `Model.summary`."""
    if _check.one_of("style", style, ("keras", "torch")) == "torch":
        print_fn(_torch_summary(model, options))
        return
    if options:
        raise ArgumentError(f"summary: {sorted(options)} go with style='torch' only.")
    print_fn(_keras_summary(model, expand_nested))


def count(layer: Layer) -> tuple[int, int]:
    """Trainable and other values in the weights of a layer, as Keras counts them."""
    totals = [0, 0]
    for variable in all_variables(layer):
        for part in variable.parts():
            totals[0 if part.requires_grad else 1] += part.numel()
    return totals[0], totals[1]


def rows(model: Model, expand_nested: bool = False, depth: int = 0) -> Iterator[tuple[int, Layer, Any, list[str]]]:
    """Depth, layer, output shape and the names of the layers before it, for each layer of a model, in order."""
    for layer, shape, before in _calls(model):
        yield depth, layer, shape, before
        if expand_nested and isinstance(layer, Model):
            yield from rows(layer, True, depth + 1)


def _calls(model: Model) -> Iterator[tuple[Layer, Any, list[str]]]:
    if isinstance(model, Sequential):
        yield from zip(model.layers, model._shapes(), ([] for _ in model.layers), strict=True)  # type: ignore[misc]
        return
    if not model._carries_masks:
        yield from ((layer, _own_shape(layer), []) for layer in model.layers)
        return
    shapes, makers = _shapes_by_slot(model)
    first: dict[int, tuple[Any, list[str]]] = {}
    for slot, layer in model._inputs_by_slot().items():
        first[id(layer)] = (shapes[slot], [])
    for step in model._require_plan().steps:
        before = [makers[slot.index] for slot in slots_of((step.args, step.kwargs)) if slot.index in makers]
        outputs = [shapes[slot.index] for slot in step.outputs]
        shape = outputs[0] if len(outputs) == 1 else outputs
        known = first.setdefault(id(model.layers[step.layer]), (shape, []))
        known[1].extend(name for name in before if name not in known[1])
    for layer in model.layers:
        yield layer, *first[id(layer)]  # type: ignore[misc]


def _own_shape(layer: Layer) -> Any:
    """The output shape of a layer that a model of someone's own calls: as it was built; "?" where nobody says it."""
    stated = type(layer).compute_output_shape not in (Layer.compute_output_shape, Model.compute_output_shape)
    known = layer._carries_masks or stated
    return layer._out_shape if known and layer.built and layer._build_shape is not None else "?"


def _shapes_by_slot(model: Model) -> tuple[list[Any], dict[int, str]]:
    """The shape in each slot of the plan, and the name of the layer that fills it, but for constants."""
    plan, shapes = model._begin(lambda tensor: tuple(tensor.shape))
    makers: dict[int, str] = {}
    for slot, layer in model._inputs_by_slot().items():
        shapes[slot], makers[slot] = layer.batch_shape, layer.name
    for step in plan.steps:
        layer = model._layer_of(step)
        args, kwargs = map_template(lambda slot: shapes[slot.index], (step.args, step.kwargs))
        found: list[Any] = []
        map_shapes(found.append, layer._shape_of_call(args, kwargs))
        for slot, shape in zip(step.outputs, found, strict=True):
            shapes[slot.index], makers[slot.index] = shape, layer.name
    return shapes, makers


def _keras_summary(model: Model, expand_nested: bool) -> str:
    """The table as text."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    graph = model._plan is not None
    table = Table(box=box.SIMPLE_HEAD, title=f'Model: "{model.name}"', title_justify="left")
    for heading in ("Layer (type)", "Output Shape", "Param #", *(["Connected to"] if graph else [])):
        table.add_column(heading, justify="right" if heading == "Param #" else "left", no_wrap=True)
    for depth, layer, shape, before in rows(model, expand_nested):
        cells = ["  " * depth + f"{layer.name} ({layer._kind})", str(shape), f"{sum(count(layer)):,}"]
        table.add_row(*cells, *([", ".join(before) or "-"] if graph else []))
    buffer = io.StringIO()
    console = Console(file=buffer, width=10_000, markup=False, emoji=False, highlight=False)
    console.print(table)
    text = "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())
    trainable, other = count(model)
    totals = [
        f" Total params: {trainable + other:,}",
        f" Trainable params: {trainable:,}",
        f" Non-trainable params: {other:,}",
    ]
    return text.rstrip("\n") + "\n" + "\n".join(totals)


def _torch_summary(model: Model, options: dict[str, Any]) -> str:
    """torchinfo's table, on an input of ones of the model's shapes (1 row, unknown sizes 1)."""
    import torchinfo

    if not model.built:
        raise model._not_built("shapes")
    if "input_data" not in options and "input_size" not in options:
        data: list[Any] = []
        map_shapes(
            lambda shape: data.append(torch.ones([size or 1 for size in shape], dtype=model.dtype)), model._in_shape
        )
        options["input_data"] = [data if len(data) > 1 else data[0]]
    if options.pop("verbose", 0):
        raise UnsupportedError("summary: verbose is not taken; the text goes to print_fn.")
    return str(torchinfo.summary(model, verbose=0, **options))
