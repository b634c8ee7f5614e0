"""The inputs of a model that is exported: names, shapes in which None is any size, dtypes; and an example of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..base.weighted import repr_of
from ..dtypes import any_dtype, dtype_name
from ..errors import ArgumentError, KerasTorchError, UnsupportedError, counted, quote
from ..structure import is_shape, map_shapes
from ..weights import Shape

# Sizes that are tried for an axis of any size: a kernel or a pool may need more than the first.
_SIZES = (7, 19, 64, 257)
_BATCH = 2  # not 1, which torch.export takes for a constant


class Spec(NamedTuple):
    """One input; `looked_up` in a table, whole numbers are as good in 64 bits, which torch's users have."""

    name: str
    shape: Shape
    dtype: torch.dtype
    looked_up: bool = False

    def example(self, size: int) -> Tensor:
        """Data of this shape: small counting numbers, which every table has, or random ones."""
        shape = [(size if axis else _BATCH) if known is None else known for axis, known in enumerate(self.shape)]
        if self.dtype.is_floating_point:
            return torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(self.dtype)
        return torch.zeros(shape, dtype=self.dtype)

    def free_axes(self) -> dict[int, str]:
        """The axes of any size, by Keras's names."""
        return {
            axis: f"{self.name}_{axis}" if axis else "batch" for axis, size in enumerate(self.shape) if size is None
        }


def signature_of(model: Any, given: Any = None) -> list[Spec]:
    """The inputs of a model in the order in which it takes them.

    Args:
        model: The model.
        given: Keras's `input_signature`: something with a shape and a dtype for each input (an `InputSpec`, a tensor,
            an array), or a shape; nested as the inputs. None: as the model was made, or first called.

    Raises:
        ArgumentError: The inputs are not known, or `given` does not fit them.
        UnsupportedError: An input is text.
    """
    own = _own(model)
    if given is None:
        if own is None:
            raise ArgumentError(
                f"{repr_of(model)}: the shapes of its inputs are not known: call it once, or give input_signature=, "
                "for example [kt.layers.InputSpec(shape=(None, 20, 5))]."
            )
        return own
    found = _flat(given)
    if own is not None and len(own) != len(found):
        raise ArgumentError(
            f"{repr_of(model)}: input_signature: expected {counted(len(own), 'input')}, got {len(found)}."
        )
    specs = []
    for index, item in enumerate(found):
        default = own[index] if own is not None else Spec(f"input_{index}", (), torch.get_default_dtype())
        specs.append(_spec(item, default))
    return specs


def _flat(given: Any) -> list[Any]:
    if is_shape(given):
        return [tuple(given)]
    if isinstance(given, dict):
        return [leaf for key in sorted(given) for leaf in _flat(given[key])]
    if isinstance(given, (list, tuple)):
        return [leaf for item in given for leaf in _flat(item)]
    return [given]


def _spec(item: Any, default: Spec) -> Spec:
    shape = item if isinstance(item, tuple) else getattr(item, "shape", None)
    if shape is None:
        raise ArgumentError(f"input_signature: expected a shape, or something with shape and dtype, got {quote(item)}.")
    dtype = getattr(item, "dtype", None)
    name = getattr(item, "name", None)
    return Spec(
        name if isinstance(name, str) else default.name,
        tuple(None if size is None else int(size) for size in shape),
        default.dtype if dtype is None else any_dtype(dtype),
    )


def _own(model: Any) -> list[Spec] | None:
    """The inputs as the model itself knows them."""
    if getattr(model, "_graph", None) is not None:
        return [_of_layer(model, tensor.node.layer, ids) for tensor, ids in zip(model.inputs, model._ids, strict=True)]
    shapes: list[Shape] = []
    if getattr(model, "_build_shape", None) is None:
        return None
    map_shapes(shapes.append, model._build_shape)
    dtype = torch.int32 if model._takes_ids else model.dtype
    ids = model._takes_ids
    return [Spec(f"input_{index}", (None, *shape[1:]), dtype, ids) for index, shape in enumerate(shapes)]


def described(specs: Sequence[Spec]) -> str:
    """Names, dtypes and shapes of inputs: `words int32 (batch, words_1)`."""
    said = []
    for spec in specs:
        free = spec.free_axes()
        sizes = ", ".join(str(free.get(axis, size)) for axis, size in enumerate(spec.shape))
        said.append(f"{spec.name} {dtype_name(spec.dtype)} ({sizes})")
    return "; ".join(said)


def _of_layer(model: Any, layer: Any, looked_up: bool) -> Spec:
    """An input of a graph, in the dtype that Keras's Input has.

    What is looked up in a table is whole numbers, though: where Keras says floats, as it did where nobody said
    anything, int32, to which Keras's Embedding casts them.
    """
    if layer.is_text:
        raise UnsupportedError(
            f"{repr_of(model)}: input {layer.name!r} is text, which torch has no tensors for: export the model behind "
            "the layer that looks the words up, for example kt.Model(lookup.output, model.output)."
        )
    cast = looked_up and layer.input_dtype.is_floating_point
    return Spec(layer.name, tuple(layer.batch_shape), torch.int32 if cast else layer.input_dtype, looked_up)


def examples(model: Any, specs: Sequence[Spec], run: Any) -> list[Tensor]:
    """Inputs that the model takes: of the first size that is large enough for it.

    Raises:
        KerasTorchError: Of the model, if it takes none of them.
    """
    failure: KerasTorchError | None = None
    for size in _SIZES if any(None in spec.shape[1:] for spec in specs) else _SIZES[:1]:
        made = [spec.example(size).to(model._on_device) for spec in specs]
        try:
            run(*made)
        except KerasTorchError as error:
            failure = failure or error
        else:
            return made
    assert failure is not None
    raise failure
