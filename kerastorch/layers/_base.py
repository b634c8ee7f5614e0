"""Layer: what every layer is. Registration, building, calling, configuration, weights, shapes, masks.

A subclass declares `WEIGHTS`, `CONFIG` and `EXAMPLES` as data and defines `forward` and `compute_output_shape`;
everything that reads those declarations is here.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from .. import activations, constraints, initializers, regularizers
from ..errors import ArgumentError, KerasTorchError, NotBuiltError, ShapeError, quote
from ..weights import Filler, Shape, Var, check_shapes
from . import _check
from ._dtypes import dtype_name, variable_dtype
from ._graph import Node, SymbolicTensor, leaves, map_structure, shapes_of, symbolic_leaves
from ._naming import snake_case, unique_name
from ._variables import UnbuiltParameter, Variable, all_variables, fillers, unbuilt_parameter

# One table for all files and configs: a class is found here or not at all.
REGISTRY: dict[str, type[Layer]] = {}

_L = TypeVar("_L", bound="type[Layer]")

# How an argument is understood and written, by the end of its name.
_KINDS = {
    "_initializer": initializers,
    "_regularizer": regularizers,
    "_constraint": constraints,
    "activation": activations,
}


@dataclass(frozen=True)
class Example:
    """A small configuration of a layer, read by the tests, the self-check and the docs."""

    name: str
    config: Mapping[str, Any]
    input_shape: Any  # one shape, or a list of shapes


def register(name: str) -> Callable[[_L], _L]:
    """Enter a layer class in the table under Keras's class name; it must declare what the machinery reads."""

    def enter(cls: _L) -> _L:
        if name in REGISTRY:
            raise ValueError(f"layer {name!r} is registered twice: {REGISTRY[name]} and {cls}")
        missing = [item for item in ("CONFIG", "EXAMPLES") if item not in cls.__dict__]
        if missing or not cls.__doc__:
            raise TypeError(f"layer {name!r} must declare {', '.join(missing) or 'a docstring'}")
        cls.class_name = name
        REGISTRY[name] = cls
        return cls

    return enter


def _is_shape(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(size is None or isinstance(size, int) for size in value)


def map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """Apply `function` to each shape of nested lists, tuples and dicts of shapes."""
    if _is_shape(shapes):
        return function(tuple(shapes))
    if isinstance(shapes, dict):
        return {key: map_shapes(function, item) for key, item in shapes.items()}
    return type(shapes)(map_shapes(function, item) for item in shapes)


class Layer(nn.Module):
    """The base of every layer; subclass it to write your own, in the Keras way or in the torch way.

    Keras way: `__init__`, `build(input_shape)` with `add_weight`, `call`, and if needed `compute_output_shape`,
    `compute_mask`, `get_config`. Torch way: make modules and parameters in `__init__`, define `forward`.

    Args:
        name: Name in the model and in files; made from the class name if None.
        dtype: Of the weights: "float32", "float64", "float16", "bfloat16", a torch dtype, or None for torch's default.
        trainable: Whether the weights are trained.
        activity_regularizer: Penalty on the output, added to `losses`.
        input_shape: Shape without the batch axis; a `Sequential` starts from it (Keras 2 habit).
        batch_input_shape: The same with the batch axis.
        input_dim: The last size of `input_shape` (Keras 2 habit); `input_length` and `batch_size` add the others.
        weights: Arrays in Keras's layout that the layer starts with, instead of its initialisers' (Keras 2 habit).
        autocast: Accepted; tensors are never cast here, torch says where dtypes differ.
    """

    WEIGHTS: ClassVar[tuple[Var, ...]] = ()
    FILLERS: ClassVar[tuple[Filler, ...]] = ()
    CONFIG: ClassVar[tuple[str, ...]] = ()  # constructor arguments that get_config writes, in Keras's order
    INERT: ClassVar[tuple[str, ...]] = ()  # Keras arguments that are accepted and change no number
    EXAMPLES: ClassVar[tuple[Example, ...]] = ()
    BASE_CONFIG: ClassVar[tuple[str, ...]] = ("name", "trainable", "dtype")
    TAKES_STEPS: ClassVar[bool] = False  # whether inputs are (batch, timesteps, features)
    VARS_PATH: ClassVar[str] = ""  # where Keras 3 keeps the layer's own weights, below the layer's place in a file
    class_name: ClassVar[str] = "Layer"

    supports_masking: bool = False
    _takes_mask: ClassVar[bool] = False
    _takes_training: ClassVar[bool] = False

    def __init__(
        self,
        *,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
        activity_regularizer: Any = None,
        input_shape: Any = None,
        batch_input_shape: Any = None,
        input_dim: int | None = None,
        input_length: int | None = None,
        batch_size: int | None = None,
        weights: Any = None,
        autocast: bool = True,
        **unknown: Any,
    ) -> None:
        super().__init__()
        if unknown:
            raise ArgumentError(
                f"{type(self).__name__} has no argument {', '.join(map(repr, sorted(unknown)))}. "
                f"It takes: {', '.join(type(self).config_keys())}."
            )
        if name is not None and (not isinstance(name, str) or not name):
            raise ArgumentError(f"name: expected a non-empty string, got {quote(name)}.")
        self.name = name or unique_name(snake_case(type(self).__name__))
        self._dtype = variable_dtype(dtype)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self._trainable = _check.boolean("trainable", trainable)
        self._built = False
        self._build_depth = 0
        self._build_shape: Any = None
        self._added_weights: list[Var] = []
        self._nodes: list[Node] = []
        self._declared_shape = self._declare(batch_input_shape, batch_size, input_shape, input_dim, input_length)
        self._initial_weights = None if weights is None else list(weights)
        _check.boolean("autocast", autocast)
        if self._makes_weights():
            self.register_parameter("unbuilt", unbuilt_parameter(repr_of(self), self._dtype))

    def _declare(self, batched: Any, batch_size: Any, shape: Any, features: Any, steps: Any) -> Shape | None:
        """The input shape that the constructor's arguments state, in any of Keras's ways."""
        if batched is not None:
            return _check.shape("batch_input_shape", batched)
        if shape is None and features is not None:
            size = _check.positive("input_dim", features)
            shape = (size,) if not self.TAKES_STEPS and steps is None else (steps, size)
        return None if shape is None else _check.shape("input_shape", (batch_size, *_check.shape("input_shape", shape)))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.class_name = cls.__name__
        if "build" in cls.__dict__:
            cls.build = _finishing(cls.__dict__["build"])  # type: ignore[method-assign]
        names = inspect.signature(getattr(cls, "call", cls.forward)).parameters
        cls._takes_mask = "mask" in names
        cls._takes_training = "training" in names

    def _makes_weights(self) -> bool:
        """Whether `build` will make parameters of this very layer."""
        return bool(self.WEIGHTS) or type(self).build is not Layer.build

    # ------------------------------------------------------------------ configuration

    def _configure(self, **arguments: Any) -> None:
        """Keep constructor arguments as attributes, each understood by the end of its name."""
        for key, value in arguments.items():
            kind = next((module for end, module in _KINDS.items() if key.endswith(end)), None)
            setattr(self, key, kind.get(value) if kind else value)

    @classmethod
    def config_keys(cls) -> tuple[str, ...]:
        """Every key that `from_config` accepts."""
        return (*cls.BASE_CONFIG, *cls.CONFIG, *(key for key in cls.INERT if key not in cls.CONFIG))

    def get_config(self) -> dict[str, Any]:
        """The constructor arguments as plain values, in Keras 3's spelling."""
        config = self._base_config()
        for key in self.CONFIG:
            value = getattr(self, key)
            kind = next((module for end, module in _KINDS.items() if key.endswith(end)), None)
            config[key] = kind.serialize(value) if kind else value
        return config

    def _base_config(self) -> dict[str, Any]:
        return {"name": self.name, "trainable": self.trainable, "dtype": dtype_name(self.dtype)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Make a layer from `get_config()`'s result.

        Raises:
            ArgumentError: A key is not one of this class, or a value has the wrong type.
        """
        if cls.CONFIG or cls.class_name in REGISTRY:
            unknown = sorted(
                set(config) - set(cls.config_keys()) - {"activity_regularizer", "batch_input_shape", "input_shape"}
            )
            if unknown:
                raise ArgumentError(
                    f"{cls.class_name}: unknown key(s) in the config: {', '.join(map(quote, unknown))}."
                )
        return cls(**config)

    # ------------------------------------------------------------------ building

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of this shape.

        Args:
            input_shape: With the batch axis, None where a size is not known: `(None, 20, 1)`; a list of shapes for
                layers with several inputs.
        """
        self.check_input_shape(input_shape)
        device = self.device
        for var in self.WEIGHTS:
            if not var.when(self):
                continue
            array = var.initializer(self)(var.shape(self, input_shape), dtype=self.dtype, device=device)
            for name, part in zip(var.params, var.to_torch(array), strict=True):
                if var.trainable:
                    self.register_parameter(name, nn.Parameter(part, requires_grad=self._trainable))
                else:
                    self.register_buffer(name, part)
        for filler in fillers(self):
            self.register_buffer(filler.name, torch.zeros(filler.shape(self), dtype=self.dtype, device=device))

    def check_input_shape(self, input_shape: Any) -> None:
        """Raise `ShapeError` if the layer cannot take inputs of this shape."""

    def add_weight(
        self,
        shape: Any = (),
        initializer: Any = "glorot_uniform",
        dtype: Any = None,
        trainable: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
    ) -> Any:
        """Make one weight, in a subclass's `build` (Keras's `Layer.add_weight`).

        Returns:
            A parameter (a plain tensor if not trainable) of `shape`; keep it: `self.w = self.add_weight(...)`.
        """
        shape = _check.shape("shape", (shape,) if isinstance(shape, int) else shape)
        if None in shape:
            raise ShapeError(f"{repr_of(self)}: add_weight needs known sizes, got shape {shape}.")
        dtype = self.dtype if dtype is None else variable_dtype(dtype)
        make = initializers.get("zeros" if initializer is None else initializer)
        assert make is not None
        value = make(shape, dtype=dtype, device=self.device)
        label = name or f"variable_{len(self._added_weights)}"
        if any(var.name == label for var in self._added_weights):
            raise ArgumentError(f"{repr_of(self)}: add_weight was called twice with name={label!r}.")
        weight = nn.Parameter(value, requires_grad=self._trainable) if trainable else value
        fixed = tuple(int(size) for size in shape if size is not None)
        self._added_weights.append(Var(label, (label,), lambda layer, s: fixed, trainable=trainable))
        self.__dict__.setdefault("_pending", {})[label] = weight
        for kind, module, option in (
            ("regularizer", regularizers, regularizer),
            ("constraint", constraints, constraint),
        ):
            if option is not None:
                setattr(self, f"{label}_{kind}", module.get(option))
        return weight

    def _adopt_added_weights(self) -> None:
        """Register what `add_weight` made, under the attribute that the subclass chose, else under its name."""
        pending: dict[str, Tensor] = self.__dict__.pop("_pending", {})
        for index, var in enumerate(self._added_weights):
            if var.name not in pending:
                continue
            weight = pending[var.name]
            holder = self._parameters if var.trainable else self.__dict__
            attribute = next((key for key, value in holder.items() if value is weight), None)
            if not var.trainable and attribute is not None:
                del self.__dict__[attribute]
            attribute = attribute or var.name.replace(".", "_")
            if var.trainable:
                self.register_parameter(attribute, weight)  # type: ignore[arg-type]
            else:
                self.register_buffer(attribute, weight)
            self._added_weights[index] = Var(var.name, (attribute,), var.shape, trainable=var.trainable)

    @property
    def built(self) -> bool:
        return self._built

    @built.setter
    def built(self, value: bool) -> None:  # Keras code sets it at the end of `build`
        self._built = bool(value)

    # ------------------------------------------------------------------ calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not (self._built and args and type(args[0]) is Tensor):
            if symbolic_leaves((args, kwargs)):
                return self._call_symbolic(args, kwargs)
            args, kwargs = map_structure(self._as_tensor, args), map_structure(self._as_tensor, kwargs)
            self._ensure_built(args, kwargs)
        return super().__call__(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the layer; a subclass defines this, or `call`."""
        call = getattr(self, "call", None)
        if call is None:
            raise KerasTorchError(f"{type(self).__name__} defines neither call nor forward.")
        if self._takes_training and kwargs.get("training") is None:
            kwargs["training"] = self.training
        return call(*args, **kwargs)

    def _ensure_built(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if not self._built:
            if not args:
                raise ArgumentError(f"{repr_of(self)} was called without an input; pass it as the first argument.")
            shapes = shapes_of(args[0])
            self.check_input_shape(shapes)  # a message shows the sizes as they are
            self.build(self._shape_from_call(shapes))

    def _shape_from_call(self, shapes: Any) -> Any:
        """The shape to build for when the layer meets real data: any batch size is fine."""
        return map_shapes(lambda shape: (None, *shape[1:]), shapes)

    def _as_tensor(self, leaf: Any) -> Any:
        """Numpy arrays become tensors of the layer's device, floats of its dtype."""
        if not isinstance(leaf, (np.ndarray, np.generic)):
            return leaf
        tensor = torch.as_tensor(np.ascontiguousarray(leaf), device=self.device)
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor

    def _call_symbolic(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record the call in the graph and return symbolic outputs."""
        shapes = shapes_of(args[0])
        if not self._built:
            self.build(shapes)
        else:
            self.check_input_shape(shapes)
        node = Node(self, args, kwargs)
        output_shapes = self.compute_output_shape(shapes)
        dtype = self.compute_output_dtype(symbolic_leaves((args, kwargs))[0].dtype)

        def make(shape: Shape) -> SymbolicTensor:
            node.outputs.append(SymbolicTensor(shape, dtype, node, len(node.outputs)))
            return node.outputs[-1]

        node.structure = map_shapes(make, output_shapes)
        self._nodes.append(node)
        return node.structure

    # ------------------------------------------------------------------ shapes and masks

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The output shape, or a tuple of them, for an input shape; None where a size is not known.

        A subclass that does not define it is run once or twice on the meta device, which computes nothing.
        """
        return infer_output_shape(self, input_shape)

    def compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self.dtype if self.WEIGHTS else input_dtype

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the output, from the inputs and their masks: bool tensors `(B, T)`, True = use the step.

        Returns:
            One mask for each output, or None where there is none. A layer that does not support masks drops them.
        """
        return mask if self.supports_masking else None

    @property
    def input_shape(self) -> Any:
        """The shape that the layer was built for, with the batch axis."""
        if self._build_shape is None:
            raise self._not_built("input_shape")
        return self._build_shape

    @property
    def output_shape(self) -> Any:
        """The output shape for `input_shape`."""
        return self.compute_output_shape(self.input_shape)

    def _not_built(self, what: str) -> NotBuiltError:
        return NotBuiltError(
            f"{repr_of(self)} is not built, so it has no {what} yet. Call it on data, put it in a Model, "
            "or call build(input_shape), for example build((None, 20, 1))."
        )

    # ------------------------------------------------------------------ weights

    def keras_children(self) -> list[tuple[str, Layer]]:
        """The layers inside, each under the attribute by which Keras finds it."""
        return [(name, module) for name, module in self.named_children() if isinstance(module, Layer)]

    def sublayers(self) -> list[nn.Module]:
        """The modules inside, in the order in which Keras lists their weights."""
        return list(self.children())

    @property
    def variables(self) -> list[Variable]:
        """Every Keras variable of the layer and of the layers inside it, in Keras's order."""
        unbuilt = next((m for m in self.modules() if isinstance(m, Layer) and "unbuilt" in m._parameters), None)
        if unbuilt is not None:
            raise unbuilt._not_built("weights")
        return list(all_variables(self))

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights as numpy arrays, in Keras's order and layout."""
        return [to_numpy(variable.value()) for variable in self.variables]

    def set_weights(self, weights: Any) -> None:
        """Set all weights from arrays in Keras's order and layout (as `get_weights` gives them).

        Raises:
            ShapeError: The number of arrays or a shape differs; nothing is changed then.
        """
        variables = self.variables
        arrays = [torch.as_tensor(np.asarray(array) if not isinstance(array, Tensor) else array) for array in weights]
        wanted = [(variable.name, variable.shape()) for variable in variables]
        check_shapes(f"{repr_of(self)}.set_weights", wanted, [tuple(array.shape) for array in arrays])
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)

    def get_gradients(self) -> list[np.ndarray | None]:
        """The gradients of all weights in Keras's order and layout; None where there is none."""
        found = [variable.gradient() for variable in self.variables]
        return [None if gradient is None else to_numpy(gradient) for gradient in found]

    def count_params(self) -> int:
        """The number of values in all weights, as Keras counts them."""
        return sum(part.numel() for variable in self.variables for part in variable.parts())

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = _check.boolean("trainable", value)
        for module in self.modules():
            if isinstance(module, Layer):
                module._trainable = value
        for parameter in self.parameters():
            if not isinstance(parameter, UnbuiltParameter):  # `build` makes its weights by `_trainable`
                parameter.requires_grad_(value)

    def regularization_loss(self) -> Tensor:
        """The sum of all weight penalties of the layer and of what is inside it: add it to the loss."""
        total = torch.zeros((), dtype=self.dtype, device=self.device)
        for variable in self.variables:
            penalty = variable.var.option(variable.module, "regularizer")
            if penalty is not None:
                total = total + penalty(variable.value())
        return total

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights (follows `.to()`, `.half()`, `.double()`)."""
        tensor = self._first_tensor()
        return self._dtype if tensor is None or not tensor.is_floating_point() else tensor.dtype

    @property
    def device(self) -> torch.device:
        tensor = self._first_tensor()
        return torch.get_default_device() if tensor is None else tensor.device

    def _first_tensor(self) -> Tensor | None:
        for holder in (self._parameters, self._buffers):
            for tensor in holder.values():
                if tensor is not None:
                    return tensor
        return next(self.parameters(), None)

    # ------------------------------------------------------------------ torch's own protocols

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        if "unbuilt" in self._parameters:
            raise self._not_built("weights to load a state dict into")
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        if "unbuilt" in self._parameters:
            raise self._not_built("state dict")
        super()._save_to_state_dict(destination, prefix, keep_vars)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_nodes": []}  # a copy of a layer is in no graph

    def extra_repr(self) -> str:
        shown = [f"{key}={getattr(self, key)!r}" for key in self.CONFIG[:1]]
        return ", ".join([*shown, f"name={self.name!r}"])


def _finishing(build: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Wrap a class's `build`: the outermost call of a chain of `super().build` marks the layer as built."""

    @functools.wraps(build)
    def wrapped(self: Layer, input_shape: Any) -> None:
        if self._build_depth == 0:
            if self._built and "unbuilt" not in self._parameters and self._build_shape is not None:
                self.check_input_shape(input_shape)
                return
            input_shape = map_shapes(lambda shape: _check.shape("input_shape", shape), input_shape)
            placeholder = self._parameters.get("unbuilt")
            if isinstance(placeholder, UnbuiltParameter):
                # Not removed yet: it holds the device and dtype that .to() left.
                self._dtype = placeholder.dtype
        self._build_depth += 1
        try:
            with torch.no_grad():
                build(self, input_shape)
        finally:
            self._build_depth -= 1
        if self._build_depth == 0:
            self._parameters.pop("unbuilt", None)
            self._adopt_added_weights()
            self._build_shape = input_shape
            self._built = True
            if self._initial_weights is not None:
                weights, self._initial_weights = self._initial_weights, None
                self.set_weights(weights)

    return wrapped


Layer.build = _finishing(Layer.build)  # type: ignore[method-assign]


def to_numpy(tensor: Tensor) -> np.ndarray:
    """A numpy copy; bfloat16, which numpy does not have, becomes float32."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy().copy()


def repr_of(layer: Layer) -> str:
    """How messages name a layer: `LSTM 'lstm_1'`."""
    return f"{type(layer).__name__} {quote(layer.name)}"


def infer_output_shape(layer: Layer, input_shape: Any) -> Any:
    """Run the layer on meta tensors; sizes that follow an unknown input size come out as None."""
    if not layer.built:
        layer.build(input_shape)

    def run(unknown: int) -> Any:
        filled = map_shapes(
            lambda shape: torch.empty(
                [unknown if size is None else size for size in shape], device="meta", dtype=layer.dtype
            ),
            input_shape,
        )
        state = {name: tensor.to("meta") for name, tensor in [*layer.named_parameters(), *layer.named_buffers()]}
        was_training = layer.training
        try:
            layer.eval()
            return shapes_of(torch.func.functional_call(layer, state, (filled,)))
        finally:
            layer.train(was_training)

    first, second = run(7), run(11)
    flat = iter(leaves(second))
    return _none_where_different(first, flat)


def _none_where_different(first: Any, second: Any) -> Any:
    if isinstance(first, int):
        return first if first == next(second) else None
    return type(first)(_none_where_different(item, second) for item in first)
