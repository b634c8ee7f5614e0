"""Operation: a function of Keras as a layer of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...base import constants
from ...base.free_names import yielding
from ...base.graph import Node, SymbolicTensor, operators_are, symbolic_leaves
from ...base.layer import Example, Layer, register
from ...base.naming import snake_case, unique_name
from ...base.weighted import repr_of
from ...dtypes import dtype_name
from ...errors import ArgumentError, ShapeError, UnsupportedError, counted, quote
from ...functions import FOLLOWED, FUNCTIONS, RETURNS_ITSELF, Kit
from ...functions.arguments import Place, argument_leaves, decode, encode, map_arguments
from ...functions.indexing import shape_of_item
from ...functions.outlines import Outline, infer
from ...operations import OPERATIONS, bind
from ...structure import leaves, map_shapes, map_structure

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions


@register("Operation")
class Operation(Layer):
    """A function in the graph of a model: arithmetic, slices, sums, ..., as Keras's operations on symbolic tensors.

    `x + y`, `x[:, -1]` and the functions of `kerastorch.ops` on symbolic tensors make these, and so do operations in
    files of every Keras. A mask ends here, as in Keras, unless the function returns its input as it is.

    Args:
        function: The name of a class in `keras.ops`: "Add", "GetItem", "Mean", ...
        arguments: All its arguments by name, as plain values and arrays. `{"class_name": "__input__", "config": 0}`
            stands for the first tensor that the layer is called on.
        **base: `name`, ...

    Example:
        >>> first = {"class_name": "__input__", "config": 0}
        >>> Operation("Add", {"x1": first, "x2": 2.0})(torch.tensor([1.0, 5.0]))
        tensor([3., 7.])
    """

    CONFIG = ("function", "arguments")
    EXAMPLES = (
        Example(
            "mean", dict(function="Mean", arguments=dict(x={"class_name": "__input__", "config": 0}, axis=1)), (2, 7, 3)
        ),
        Example(
            "two inputs",
            dict(
                function="Matmul",
                arguments=dict(
                    x1={"class_name": "__input__", "config": 0}, x2={"class_name": "__input__", "config": 1}
                ),
            ),
            [(2, 7, 3), (2, 3, 4)],
        ),
        Example(
            "parts",
            dict(
                function="Split",
                arguments=dict(x={"class_name": "__input__", "config": 0}, indices_or_sections=[1, 4], axis=1),
            ),
            (2, 7, 3),
        ),
        Example(
            "constant array",
            dict(
                function="Multiply",
                arguments=dict(x1=[[0.5], [1.5], [-2.0]], x2={"class_name": "__input__", "config": 0}),
            ),
            (2, 3, 4),
        ),
    )
    _has_policy = False

    def __init__(self, function: str, arguments: Mapping[str, Any], **base: Unpack[BaseOptions]) -> None:
        if function not in tuple(OPERATIONS):
            raise UnsupportedError(f"there is no operation {quote(function)}; known are {', '.join(OPERATIONS)}.")
        base["name"] = base.get("name") or unique_name(snake_case(function))
        super().__init__(**base)
        self.function = function
        given = bind(function, kwargs=decode(dict(arguments)))
        if function == "GetItem" and not isinstance(given["key"], (int, list)):
            given["key"] = [given["key"]]  # Keras reads a slice, None or Ellipsis only in a row of them
        self._template = self._with_buffers(given)
        places = sorted({leaf.index for leaf in argument_leaves(self._template) if isinstance(leaf, Place)})
        if places != list(range(len(places))) or not places:
            raise ArgumentError(
                f"{function}: expected places for one tensor or more, numbered from 0, in its arguments; got {places}."
            )
        self._count = len(places)
        self._float_name = dtype_name(self._dtype)
        self._outlines: list[Outline] | None = None

    def _with_buffers(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Make buffers of constant arrays, so that they follow the model to its device."""
        sign = OPERATIONS[self.function]

        def hold(value: Any) -> Any:
            if not isinstance(value, np.ndarray):
                return value
            if value.dtype.kind not in "fiub":
                raise ArgumentError(f"{self.function}: expected numbers, got {quote(value.tolist())}.")
            kinds = {"f": None, "i": None, "b": torch.bool, "u": torch.int64 if value.itemsize > 1 else torch.uint8}
            tensor = torch.tensor(
                value.astype(value.dtype.newbyteorder("=")), dtype=kinds[value.dtype.kind], device="cpu"
            )
            return Held(constants.hold(self, tensor))

        def as_array(value: Any) -> Any:
            """A list of numbers in the place of a tensor is one."""
            numbers = isinstance(value, list) and not any(
                isinstance(leaf, (Place, np.ndarray)) for leaf in argument_leaves(value)
            )
            if not numbers:
                return value
            try:
                array = np.asarray(value)
            except ValueError as error:  # rows of several lengths
                raise ArgumentError(
                    f"{self.function}: expected numbers in rows of one length, got {quote(value)}."
                ) from (error)
            kind = {"i": np.int32, "f": np.dtype(dtype_name(self._dtype)) if self._dtype.itemsize > 2 else np.float32}
            return array.astype(kind.get(array.dtype.kind, array.dtype))

        held = {}
        for name, value in arguments.items():
            if name in sign.lists and isinstance(value, list):
                value = [as_array(item) for item in value]
            elif name in sign.call and name != "key":
                if isinstance(value, dict) or (value is None and name not in sign.optional):
                    raise ArgumentError(f"{self.function}: {name}: expected a tensor or numbers, got {quote(value)}.")
                value = as_array(value)
            held[name] = map_arguments(hold, value)
        return held

    # ------------------------------------------------------------------ configuration

    @property
    def _kind(self) -> str:
        return self.function

    @property
    def dtype(self) -> torch.dtype:
        """What Keras calls `floatx`: the dtype that integers become where floats are made of them."""
        return self._dtype

    @yielding
    def arguments(self) -> dict[str, Any]:
        """All arguments by name, as plain values."""
        return encode(self._filled(None))

    def get_config(self) -> dict[str, Any]:
        return {**self._base_config(), "function": self.function, "arguments": encode(self._filled(None))}

    @property
    def _in_keras3(self) -> bool:
        """Whether Keras 3 has a class for it, with no tensor in that class's constructor or as the bound of a slice."""
        sign = OPERATIONS[self.function]
        fixed = [leaf for name in sign.config for leaf in argument_leaves(self._template[name])]
        fixed += [bound for name in sign.call for bound in _bounds(self._template[name])]
        return bool(sign.module) and not any(isinstance(leaf, Place) for leaf in fixed)

    def _keras3_layer(self) -> dict[str, Any]:
        """The operation among the layers of a Functional model, as Keras 3 writes it, without its calls."""
        sign, filled = OPERATIONS[self.function], self._filled(None)
        return {
            "module": sign.module,
            "class_name": self.function,
            "config": {"name": self.name, **{name: encode(filled[name]) for name in sign.config}},
            "registered_name": self.function,
        }

    def _keras3_call(self, inputs: list[Any]) -> dict[str, Any]:
        """The call of `_keras3_layer`'s operation on `inputs`, as Keras 3 writes it."""
        sign, filled = OPERATIONS[self.function], self._filled(None)

        def written(value: Any) -> Any:
            if isinstance(value, Place):
                return inputs[value.index]
            return [written(item) for item in value] if isinstance(value, list) else encode(value)

        args = [written(filled[name]) for name in sign.call]
        while args[-1] is None:  # left out
            args.pop()
        return {"args": args[0] if sign.starred else args, "kwargs": {}}

    # ------------------------------------------------------------------ computing

    def _filled(self, inputs: list[Tensor] | None) -> dict[str, Any]:
        """The arguments with tensors in their places; without `inputs` with places and arrays."""

        def fill(value: Any) -> Any:
            if isinstance(value, Held):
                tensor: Tensor = self._buffers[value.name]  # type: ignore[assignment]
                return tensor if inputs is not None else tensor.cpu().numpy()
            return inputs[value.index] if isinstance(value, Place) and inputs is not None else value

        return {name: map_arguments(fill, value) for name, value in self._template.items()}

    def forward(self, x: Any) -> Any:
        """Compute the function.

        Args:
            x: One tensor `(B, ...)`, or a list of as many as the arguments have places for.

        Returns:
            A tensor, or a list of them, as the function.
        """
        inputs = leaves(x)
        if len(inputs) != self._count:
            raise ArgumentError(f"{repr_of(self)}: expected {counted(self._count, 'tensor')}, got {len(inputs)}.")
        renamed = ((self._float_name, self._dtype),) if dtype_name(self._dtype) != self._float_name else ()
        kit = Kit(self._dtype, _device(inputs), renamed)
        try:
            return FUNCTIONS[self.function](kit, **self._filled(inputs))
        except UnsupportedError as error:
            raise UnsupportedError(f"{repr_of(self)}: {error}") from error
        except ArgumentError as error:
            raise ArgumentError(f"{repr_of(self)}: {error}") from error

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None or self.function not in RETURNS_ITSELF or not isinstance(inputs, Tensor):
            return None
        return mask if self.forward(inputs) is inputs else None

    # ------------------------------------------------------------------ shapes

    def _call_symbolic(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._graph_calls()  # the calls of the layer's own model come first
        given = symbolic_leaves((args, kwargs))
        if kwargs or len(args) != 1 or len(given) != self._count or len(given) != len(leaves(args)):
            raise ArgumentError(
                f"{repr_of(self)}: expected {counted(self._count, 'symbolic tensor')} and nothing else."
            )
        self._outlines = [Outline(tensor.shape, tensor.dtype, tensor.values) for tensor in given]
        self.build(map_structure(lambda tensor: tensor.shape, args[0]))
        node = Node(self, args, kwargs)

        def make(outline: Outline) -> SymbolicTensor:
            made = SymbolicTensor(outline.shape, outline.dtype, node, len(node.outputs), outline.values)
            node.outputs.append(made)
            return made

        node.structure = map_structure(make, self._infer(self._outlines))
        self._nodes.append(node)
        return node.structure

    def _ensure_built(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if self._outlines is None:
            self._outlines = [Outline(tuple(tensor.shape), tensor.dtype) for tensor in leaves(args)]
        super()._ensure_built(args, kwargs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes: list[Any] = []
        map_shapes(shapes.append, input_shape)
        if len(shapes) != self._count:
            raise ShapeError(f"{repr_of(self)}: expected {counted(self._count, 'input shape')}, got {len(shapes)}.")
        known = self._outlines or [Outline(shape, self.dtype) for shape in shapes]
        outlines = [
            Outline(tuple(shape), item.dtype, item.values if tuple(shape) == item.shape else None)
            for shape, item in zip(shapes, known, strict=True)
        ]
        return map_structure(lambda outline: outline.shape, self._infer(outlines))

    def _infer(self, inputs: list[Outline]) -> Any:
        try:
            source = self._template.get("x")
            if self.function == "GetItem" and isinstance(source, Place) and inputs[source.index].values is None:
                # Not run: Keras does not say how long a slice of an unknown size is, even where the bounds tell.
                filled = self._filled([torch.empty((), device="meta") for _ in inputs])
                item = inputs[source.index]
                return Outline(shape_of_item(item.shape, filled["key"]), item.dtype)
            if self.function == "Reshape" and (shape := self._reshaped(inputs)) is not None:
                return Outline(shape, inputs[0].dtype)
            if self.function == "Unstack":
                self._check_unstacked(inputs)
            return infer(self.forward, [self._follow(place, item) for place, item in enumerate(inputs)])
        except (ShapeError, ArgumentError) as error:
            raise ShapeError(f"{repr_of(self)}: {error}") from error

    def _check_unstacked(self, inputs: list[Outline]) -> None:
        axis = self._template["axis"]
        shape = inputs[0].shape if self._template["x"] == Place(0) else ()
        if self._template["num"] is None and -len(shape) <= axis < len(shape) and shape[axis] is None:
            raise ShapeError(f"axis {axis} of {shape} is not known, and so not how many tensors there are: give num")

    def _reshaped(self, inputs: list[Outline]) -> Any:
        """The stated shape where the input's is not known: whether it divides only the data will tell."""
        wanted = self._template["newshape"]
        plain = isinstance(wanted, list) and all(size is None or isinstance(size, int) for size in wanted)
        if not plain or self._template["x"] != Place(0) or None not in inputs[0].shape:
            return None
        return tuple(None if size in (None, -1) else size for size in wanted)

    def _follow(self, place: int, item: Outline) -> Outline:
        """The values of an input only where they are needed: nothing large is computed before there is data."""
        sign = OPERATIONS[self.function]
        tensors = [leaf for name in sign.call for leaf in argument_leaves(self._template[name])]
        if self.function in FOLLOWED or Place(place) not in tensors:
            return item
        return Outline(item.shape, item.dtype)


class Held:
    """The place of a constant array: the name of its buffer."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def _bounds(value: Any) -> list[Any]:
    """The bounds of all slices in an argument."""
    if isinstance(value, (list, tuple)):
        return [bound for item in value for bound in _bounds(item)]
    return argument_leaves(value) if isinstance(value, slice) else []


def _device(tensors: list[Tensor]) -> torch.device:
    return next((tensor.device for tensor in tensors if tensor.device.type != "cpu"), tensors[0].device)


def apply(function: str, /, *args: Any, **kwargs: Any) -> Any:
    """Use an operation on symbolic tensors, which may stand anywhere among its arguments.

    Raises:
        ArgumentError: An argument is missing, unknown or wrong, or there is no symbolic tensor.
    """
    bound = bind(function, args, kwargs)
    inputs: list[SymbolicTensor] = []

    def place(value: Any) -> Any:
        if not isinstance(value, SymbolicTensor):
            return value
        known = next((index for index, other in enumerate(inputs) if other is value), None)
        if known is None:
            known = len(inputs)
            inputs.append(value)
        return Place(known)

    arguments = {name: map_arguments(place, value) for name, value in bound.items()}
    if not inputs:
        raise ArgumentError(f"{function}: expected a symbolic tensor, as Input and layers called on one return.")
    layer = Operation(function, arguments)
    return layer(inputs[0] if len(inputs) == 1 else inputs)


operators_are(apply)
