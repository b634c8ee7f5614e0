"""The models that must become plain torch: every golden file, and a model around every example of every layer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from _goldens import expected_files, unpack
from torch import fx, nn

import kerastorch as kt
from kerastorch import Input, Model
from kerastorch.base.layer import REGISTRY
from kerastorch.errors import KerasTorchError
from kerastorch.leaving.module_text import ModuleText
from kerastorch.models import InputLayer
from kerastorch.structure import map_shapes


def golden_models(folder: Path) -> Iterator[tuple[str, Model]]:
    """Every model of `tests/goldens` that loads without code of somebody's own, in one file format of each Keras."""
    root = unpack(folder)
    seen: set[str] = set()
    for packed, name, ending in expected_files():
        label = f"{packed}-{name}"
        if label in seen:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = kt.load_model(root / packed / f"{name}{ending}")
        except KerasTorchError:
            continue  # weights alone, or code that the test of goldens passes
        seen.add(label)
        yield label, model


def example_models() -> Iterator[tuple[str, Model]]:
    """A model around each example of each layer, with distinct weights, in evaluation mode."""
    for cls in REGISTRY.values():
        for example in () if issubclass(cls, InputLayer) else cls.EXAMPLES:
            layer = cls.from_config(dict(example.config))
            dtype = "int64" if layer._takes_ids else "float32"
            inputs = map_shapes(
                lambda shape: Input(shape[1:], dtype=dtype),  # noqa: B023
                example.input_shape,
            )
            several = layer._call_arguments.tensors and isinstance(inputs, (list, tuple))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                outputs = layer(*inputs) if several else layer(inputs)
            model = Model(inputs, outputs, name=f"{cls._class_name}_model").eval()
            randomize(model)
            yield f"{cls._class_name}-{example.name}", model


def randomize(model: Model) -> None:
    """Random distinct values for every weight."""
    generator = torch.Generator().manual_seed(len(model.name))
    with torch.no_grad():
        for name, value in [*model.named_parameters(), *model.named_buffers()]:
            if "var" in name:
                value.uniform_(0.5, 2, generator=generator)
            elif value.is_floating_point() and (value.requires_grad or "mean" in name):
                value.normal_(0, 0.5, generator=generator)


def text_of(module: fx.GraphModule) -> str:
    """The text of `model.py`."""
    return ModuleText(module, type(module).__name__, None, True, False).model()


def from_text(module: fx.GraphModule) -> nn.Module:
    """The model that the generated code makes, in this process, with the weights of the live module."""
    text = ModuleText(module, type(module).__name__, None, True, False)
    names: dict[str, Any] = {"__name__": "generated", "__file__": "model.py"}
    exec(compile(text.model(), "model.py", "exec"), names)
    made: nn.Module = names[text.name]()
    dtypes = {value.dtype for value in module.parameters() if value.is_floating_point()} - {torch.float32}
    made = made.to(next(iter(dtypes))) if len(dtypes) == 1 else made
    made.load_state_dict(module.state_dict(), strict=True)
    return made.train(module.training)
