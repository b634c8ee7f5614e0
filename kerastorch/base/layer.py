"""Layer: what every layer is. Building, calling, configuration, weights, shapes, masks.

A subclass declares `WEIGHTS`, `CONFIG` and `EXAMPLES` as data and defines `forward` and `compute_output_shape`. The
weights are made here; `configurable.py` reads `CONFIG`, the tests and `self_check` read `EXAMPLES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np
import torch
from torch import Tensor, nn

from .. import regularizers
from ..dtypes import mixed_dtype, refuse_integers, variable_dtype
from ..errors import ArgumentError, NotDefinedError, quote
from ..structure import map_shapes, map_structure
from ..weights import Filler, Var
from . import attached_masks, call_arguments, check, penalties, ragged, to_torch
from .building import alone, finishing
from .configurable import unknown_arguments
from .dtype_policy import as_tensor, call_in_policy, dtype_in_policy
from .graph import SymbolicTensor, shapes_of, symbolic_leaves
from .input_spec import check_specs
from .keras_names import KerasNames
from .naming import given_name, inside, snake_case, unique_name
from .registry import REGISTRY as REGISTRY
from .registry import Example as Example
from .registry import register as register
from .shape_inference import infer_output_shape
from .training_mode import in_mode, phases, take_training
from .variable import plain_value
from .variables import fillers, mark, unbuilt_parameter
from .weighted import repr_of


class Layer(KerasNames):
    """The base of every layer; subclass it to write your own, in the Keras way or in the torch way.

    Keras way: `__init__`, `build(input_shape)` with `add_weight`, `call`, and if needed `compute_output_shape`,
    `compute_mask`, `get_config`. Torch way: make modules and parameters in `__init__`, define `forward`.

    Args:
        name: Name in the model and in files; made from the class name if None.
        dtype: Of the weights: "float32", "float64", "float16", "bfloat16", a torch dtype, or None for torch's default.
            "mixed_float16" and "mixed_bfloat16" keep float32 weights and compute in half precision, as in Keras. A
            layer with a stated dtype casts its float inputs to it, as in Keras; one without refuses other dtypes.
        trainable: Whether the weights are trained.
        activity_regularizer: Penalty on each output, divided by the batch size: part of `losses` after a call.
        input_shape: Shape without the batch axis; a `Sequential` starts from it (Keras 2 habit).
        batch_input_shape: The same with the batch axis.
        input_dim: The last size of `input_shape` (Keras 2 habit); `input_length` and `batch_size` add the others.
        weights: Arrays in Keras's layout that the layer starts with, instead of its initialisers' (Keras 2 habit).
        autocast: False: no cast of inputs and weights by `dtype`; torch says where dtypes differ.
    """

    WEIGHTS: ClassVar[tuple[Var, ...]] = ()
    FILLERS: ClassVar[tuple[Filler, ...]] = ()
    EXAMPLES: ClassVar[tuple[Example, ...]] = ()
    TAKES_STEPS: ClassVar[bool] = False  # whether inputs are (batch, timesteps, features)
    SPATIAL: ClassVar[int] = 0  # axes of an image without channels, where `data_format` says where these stand
    VARS_PATH: ClassVar[str] = ""  # where Keras 3 keeps the layer's own weights, below the layer's place in a file

    supports_masking: bool = False
    _keeps_image: bool = True  # where SPATIAL is not 0: whether the output is an image as well
    _weight_names: ClassVar[frozenset[str]] = frozenset()  # Keras's, of the declared weights
    _has_policy: ClassVar[bool] = True  # False: a container, which leaves all casts to its layers
    _casts_itself: ClassVar[bool] = False  # whether its computation ends with the casts of outputs that Keras makes
    _borrowed: torch.dtype | None = None  # what it computes in while a layer around it says so
    _takes_ids: bool = False  # whether its input is looked up in a table
    _graph: Any = None  # the calls of the layers inside, of a model that knows them: it can return masks of outputs
    _makes_mask: bool = False  # whether its output can have a mask where no input has one
    _takes_masks_off: bool = False  # whether its inputs have no masks after a call, as in Keras
    _runs_call: ClassVar[bool] = False  # whether its own `forward` runs the `call` of a class that has one
    _own_code: ClassVar[bool] = False  # whether a call runs somebody's code, which may call layers by hand
    _takes_mask: ClassVar[bool] = False
    _takes_training: ClassVar[bool] = False
    _hands_training: bool = False  # whether it calls what is inside it with its own call's `training`
    _call_arguments: call_arguments.CallArguments = call_arguments.CallArguments(("x",))
    # How a layer begins; attributes of its own take their places.
    _parent_path: str | None = None  # None: it has not been built or called yet
    _built: bool = False
    _build_depth: int = 0
    _build_shape: Any = None
    _any_shape: Any = None  # a shape to build for where none is given: of layers whose weights do not depend on it
    _initial_weights: list[Any] | None = None

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
            raise unknown_arguments(type(self), unknown)
        if name is not None and (not isinstance(name, str) or not name):
            raise ArgumentError(f"name: expected a non-empty string, got {quote(name)}.")
        self._named = name is not None
        self.name = given_name(name) if name else unique_name(snake_case(type(self).__name__))
        if type(self).WEIGHTS:
            refuse_integers(dtype, type(self).__name__, self._takes_ids)
        self._dtype = variable_dtype(dtype)
        self._mixed = mixed_dtype(dtype)
        self._states_dtype = dtype is not None
        self.autocast = check.boolean("autocast", autocast)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self._trainable = check.boolean("trainable", trainable)
        self._added_weights: list[Var] = []
        self._variable_objects: dict[Any, Any] = {}
        self._nodes = []
        stated = (batch_size, input_shape, input_dim, input_length)
        self._declared_shape = check.declared_shape(batch_input_shape, *stated, type(self).TAKES_STEPS)
        if weights is not None:
            self._initial_weights = check.arrays(f"{type(self).__name__}: weights", weights)
        if self._makes_weights():
            reads_itself = type(self).load_own_variables is not Layer.load_own_variables
            self.register_parameter("unbuilt", unbuilt_parameter(repr_of(self), self._dtype, reads_itself))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._class_name = cls.__name__
        cls._tracks = True
        cls._weight_names = frozenset(name for var in cls.WEIGHTS for name in (var.name, *var.also))
        if "build" in cls.__dict__:
            cls.build = finishing(cls.__dict__["build"])  # type: ignore[method-assign]
        call_arguments.join_names(cls, Layer.forward)
        call = getattr(cls, "call", cls.forward)
        cls._call_arguments = call_arguments.read(call, cls.build, cls.compute_output_shape)
        cls._own_code = cls._own_code or not call_arguments.is_ours(call)
        if "compute_mask" in cls.__dict__ and not call_arguments.is_ours(cls.compute_mask):
            cls._makes_mask = True
        cls._takes_mask = "mask" in cls._call_arguments.names
        cls._takes_training = "training" in cls._call_arguments.names

    def _makes_weights(self) -> bool:
        """Whether `build` will make parameters of this very layer."""
        return bool(type(self).WEIGHTS) or type(self).build is not Layer.build

    # ------------------------------------------------------------------ building

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of this shape.

        Args:
            input_shape: With the batch axis, None where a size is not known: `(None, 20, 1)`; a list of shapes for
                layers with several inputs.
        """
        self._check_input_shape(input_shape)
        dtype, device = self.dtype, self._weight_device()
        for var in type(self).WEIGHTS:
            if not var.when(self):
                continue
            initial = var.initial(self, input_shape, dtype, device)
            for name, part in zip(var.params, var.to_torch(initial), strict=True):
                if var.trainable:
                    self.register_parameter(name, nn.Parameter(part, requires_grad=self._trainable))
                else:
                    self.register_buffer(name, part)
        for filler in fillers(self):
            self.register_buffer(filler.name, filler.make(self, dtype, device))

    def _check_input_shape(self, input_shape: Any) -> None:
        """Raise `ShapeError` if the layer cannot take inputs of this shape."""
        if "input_spec" in self.__dict__ or type(self).input_spec is not KerasNames.input_spec:
            check_specs(repr_of(self), self.input_spec, input_shape)

    @property
    def _keeps_states(self) -> bool:
        """Whether it keeps states between batches: a built-in or a user-defined stateful layer."""
        return bool(getattr(self, "stateful", False))

    @property
    def built(self) -> bool:
        """Whether there is nothing left to build; a layer without weights never has anything."""
        return self._built or self._is_ready()

    def _is_ready(self) -> bool:
        cls = type(self)
        return not (cls._tracks or cls.WEIGHTS or self._modules) and cls.build is Layer.build

    @built.setter
    def built(self, value: bool) -> None:  # Keras code sets it at the end of `build`
        self._built = bool(value)

    # ------------------------------------------------------------------ calling

    if TYPE_CHECKING:
        # What most layers return. Several outputs come as a list, which is unpacked and indexed like a tensor.
        @overload
        def __call__(self, inputs: SymbolicTensor, /, *args: Any, **kwargs: Any) -> SymbolicTensor: ...
        @overload
        def __call__(self, inputs: Tensor | np.ndarray, /, *args: Any, **kwargs: Any) -> Tensor: ...
        @overload
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call_layer(args, kwargs)

    def _call_layer(self, args: tuple[Any, ...], kwargs: dict[str, Any], by_hand: bool = True) -> Any:
        """Call the layer; `by_hand`: masks come and go with the tensors, and not along the edges of a graph."""
        if "training" in kwargs:
            modules, training = take_training(self, kwargs)
            if modules:
                with in_mode(modules, training):
                    return self._call_layer(args, kwargs, by_hand)
        if not (self._built and args and type(args[0]) is Tensor) or self._call_arguments.tensors:
            if not args:
                args = self._call_arguments.first_by_name(kwargs)  # layer(inputs=x)
            ragged.refuse_packed(self, args, kwargs)
            args, kwargs = self._by_name(args, kwargs)
            with alone(self):
                if symbolic_leaves((args, kwargs)):
                    with inside(self):
                        return self._call_symbolic(args, kwargs)
                args, kwargs = map_structure(self._as_tensor, args), map_structure(self._as_tensor, kwargs)
                first = not self._built
                self._ensure_built(args, kwargs)
            if first and self._built:
                with inside(self):  # what is built by being called stands below this layer
                    return Layer._call_layer(self, args, kwargs, by_hand)
        elif len(args) > 1:
            args, kwargs = self._by_name(args, kwargs)
        if by_hand and self._graph is None and attached_masks.concerned(self, args, kwargs):
            return attached_masks.call(self, args, kwargs)
        return self._call_on_tensors(args, kwargs)

    def _call_past_masks(self, *args: Any, **kwargs: Any) -> Any:
        """Call the layer where masks are passed as arguments, and those that hang on tensors say nothing."""
        if type(self).__call__ is not Layer.__call__:
            return self(*args, **kwargs)
        return self._call_layer(args, kwargs, by_hand=False)

    def _call_on_tensors(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Compute a call whose arguments are tensors, and note its penalties."""
        if (self._watched or self._modules) and penalties.penalises(self):
            return penalties.call(self, self._compute, args, kwargs)
        return self._compute(*args, **kwargs)

    def _by_name(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a call, those by name that Keras has in one list with the input, or in other places."""
        return args, kwargs

    def _compute(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward`, with the casts of the dtype policy around it."""
        if self._casts:
            return call_in_policy(self, super().__call__, args, kwargs)
        return super().__call__(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the layer; a subclass defines this, or `call`."""
        call = getattr(self, "call", None)
        if call is None:
            raise NotDefinedError(f"{type(self).__name__} defines neither call nor forward.")
        if "input_spec" in self.__dict__:
            self._check_input_shape(shapes_of(call_arguments.inputs_of(self, args, kwargs)))
        if self._takes_training and kwargs.get("training") is None:
            kwargs["training"] = self.training
        phases.append(bool(kwargs.get("training", self.training)))
        try:
            return call(*args, **kwargs)
        finally:
            phases.pop()

    def _ensure_built(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if not self._built:
            shapes = shapes_of(call_arguments.inputs_to_build_on(self, args, kwargs))
            self._check_input_shape(shapes)  # a message shows the sizes as they are
            self._build_for_call(self._shape_from_call(shapes))

    def _build_for_call(self, shapes: Any) -> None:
        """Build the layer; the call that follows builds what is inside."""
        self.build(shapes)

    def _shape_from_call(self, shapes: Any) -> Any:
        """The shape to build for when the layer meets real data: any batch size is fine."""
        return map_shapes(lambda shape: (None, *shape[1:]), shapes)

    def _as_tensor(self, leaf: Any) -> Any:
        """Numpy arrays become tensors of the layer's device, floats of its dtype."""
        if isinstance(leaf, Tensor):
            return leaf
        tensor = as_tensor(plain_value(leaf), self._on_device)
        return tensor.to(self.dtype) if isinstance(tensor, Tensor) and tensor.is_floating_point() else tensor

    # ------------------------------------------------------------------ shapes and masks

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The output shape, or a tuple of them, for an input shape; None where a size is not known.

        A subclass that does not define it is run a few times on the meta device, which computes nothing; on numbers
        where torch has no such version of an operation.
        """
        return infer_output_shape(self, input_shape)

    def _shape_of_call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The output shape of a call, given with shapes in the place of tensors: its options can decide it too."""
        shapes = call_arguments.inputs_of(self, args, kwargs)
        if self._call_arguments.shapes:
            return self.compute_output_shape(**call_arguments.told_shapes(self, args, kwargs))
        return self._output_shape(shapes)

    def _output_shape(self, shapes: Any) -> Any:
        taken = self._call_arguments
        if taken.shapes == taken.tensors[: len(taken.shapes)] and taken.shapes:
            return self.compute_output_shape(*shapes[: len(taken.shapes)])
        if taken.shapes and self._called_on is not None:  # it takes more than `build`
            return self._shape_of_call(*shapes_of(self._called_on))
        defines_it = type(self).compute_output_shape is not Layer.compute_output_shape
        return self.compute_output_shape(shapes[0] if taken.tensors and defines_it else shapes)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self.dtype if type(self).WEIGHTS else input_dtype

    def _output_dtypes(self, input_dtype: torch.dtype) -> list[torch.dtype]:
        """The dtypes of the outputs; one is that of all."""
        return [dtype_in_policy(self, self._compute_output_dtype(input_dtype))]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the output, from the inputs and their masks: bool tensors `(B, T)`, True = use the step.

        Returns:
            One mask for each output, or None where there is none. Defaults to the mask of the input, as in Keras 3; a
            layer without `supports_masking` drops it.
        """
        return mask

    def _mask_behind(self, inputs: Any, mask: Any) -> Any:
        """The mask of a call's output. A layer that does not support masking drops it."""
        if not self.supports_masking and type(self).compute_mask is Layer.compute_mask:
            return None
        return self.compute_mask(inputs, mask)

    @property
    def _computes_in(self) -> torch.dtype:
        """What the layer computes in: `dtype`, or half precision under a mixed policy.

        A layer that was brought to another dtype, by `.double()` say, computes in that one.
        """
        dtype = self._policy_dtype
        return self._mixed if self._mixed is not None and self._has_policy and dtype == torch.float32 else dtype

    # ------------------------------------------------------------------ torch's own protocols

    def to_torch(self) -> nn.Module:
        """A module of torch.nn that computes the same, with copies of the weights: `nn.LSTM`, `nn.Linear`, ...

        Device, dtype, mode (`train`, `eval`) and frozen weights are as here. Regularisers, constraints, masks and names
        have no place in it. nn.LSTM, nn.GRU and nn.RNN take `(B, T, F)` and return the output of every step and the
        final states, whatever `return_sequences` and `return_state` say; the second bias that an nn.LSTM or nn.RNN
        gets is zero and frozen, so that a training step moves the bias as here. nn.BatchNorm computes the same outputs,
        but its running variance follows the unbiased variance of the batches. nn.Conv1d and the like take and return
        the channels behind the batch axis, whatever `data_format` says.
        nn.MultiheadAttention takes query, key and value, in this order, with masks in which True is what is left out,
        and returns a tuple.

        Raises:
            UnsupportedError: torch has no such module; every reason is told.
            NotBuiltError: The layer has no weights yet.
        """
        return to_torch.convert(self)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        super()._apply(fn, recurse)
        self._dtype = fn(torch.empty(0, dtype=self._dtype)).dtype  # a layer without weights follows .half() too
        mark(self)
        return self

    def __getstate__(self) -> dict[str, Any]:
        # A copy of a layer is in no graph and has not been called.
        left = ("_penalties", "_holders", "_inner_cell", "_shown")
        kept = {key: value for key, value in self.__dict__.items() if key not in left}
        return {**kept, "_nodes": [], "_variable_objects": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        mark(self)


Layer.build = finishing(Layer.build)  # type: ignore[method-assign]
