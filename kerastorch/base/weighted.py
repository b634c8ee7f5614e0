"""The weights of a layer as Keras sees them: numpy arrays in Keras's order and layout."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import constraints, initializers, regularizers
from ..dtypes import weight_dtype
from ..errors import ArgumentError, NotBuiltError, ShapeError, counted, quote
from ..forward_pass import current
from ..weights import Fixed, Var, check_shapes, owned, take_room
from . import check
from .free_names import is_free, yielding
from .tracking import Tracking
from .variable import Variable, to_numpy
from .variables import UnbuiltParameter, all_variables, own_variables
from .weight_tensors import WeightBuffer, WeightParameter


class Weighted(Tracking):
    """The part of `Layer` that reads and sets weights; abstract."""

    _watched: bool = False  # whether its calls can have penalties: of its outputs, or by `add_loss`
    _adds_losses: bool = False
    _penalties: tuple[Tensor, ...] = ()  # of the outputs, in the latest forward pass
    _values_on: torch.device | None = None  # where a layer of somebody's own makes values while a file is read

    def _not_built(self, what: str) -> NotBuiltError:
        return NotBuiltError(
            f"{repr_of(self)} is not built, so it has no {what} yet. Call it on data, put it in a Model, "
            "or call build(input_shape), for example build((None, 20, 1))."
        )

    def _forget_states(self) -> None:
        """Set what is kept between batches to zeros; a layer over time does so."""

    def _keras_children(self) -> list[tuple[str, Any]]:
        """The layers inside, each under the attribute by which Keras finds it."""
        return list(self.named_children())

    def _keras_aliases(self) -> list[tuple[str, Any]]:
        """Layers that stand elsewhere, each under the attribute by which some Keras versions find it here, too."""
        return []

    def _held_variables(self) -> list[Variable]:
        """Variables of the layers inside that Keras finds in an attribute of this one, and writes a second time."""
        return []

    def add_weight(
        self,
        *positional: Any,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
    ) -> Any:
        """Make one weight, in a subclass's `build` (Keras's `Layer.add_weight`).

        Args:
            *positional: `shape`, `initializer` and `dtype` may be given without their names, in this order.
            shape: Its sizes, all known; a number for one axis; `()` if None.
            initializer: As of a layer; if None glorot_uniform, and zeros for integers and bool.
            dtype: That of the layer if None.
            trainable: False: a buffer.
            regularizer: Penalty on the weight: part of `losses`.
            constraint: What it is brought to after an update.
            name: Of the Keras variable; several may have the same.

        Returns:
            A parameter (a buffer if not trainable) of `shape`, with Keras's methods (`assign`, `numpy`, ...); keep it:
            `self.w = self.add_weight(...)`.

        Raises:
            ArgumentError: The name stands first, as in Keras 2, or an argument is given twice.
        """
        given = _by_position(self, positional, {"shape": shape, "initializer": initializer, "dtype": dtype})
        shape = () if given["shape"] is None else given["shape"]
        shape = check.shape("shape", (shape,) if isinstance(shape, int) else shape)
        if None in shape:
            raise ShapeError(f"{repr_of(self)}: add_weight needs known sizes, got shape {shape}.")
        take_room([size for size in shape if size is not None], self, f"weight {quote(name or '')}")
        dtype = self.dtype if given["dtype"] is None else weight_dtype(given["dtype"])
        default = "glorot_uniform" if dtype.is_floating_point else "zeros"
        make = initializers.get(default if given["initializer"] is None else given["initializer"])
        assert make is not None
        value = owned(make(shape, dtype=dtype, device=self._weight_device()))
        trained = self._trainable and dtype.is_floating_point
        weight = WeightParameter(value, requires_grad=trained) if trainable else WeightBuffer.of(value.detach())
        rules = {"regularizer": regularizers.get(regularizer), "constraint": constraints.get(constraint)}
        index = len(self._added_weights)
        label = name or f"variable_{index}"
        fixed = tuple(int(size) for size in shape if size is not None)
        self._added_weights.append(Var(label, (label,), Fixed(fixed), trainable=trainable, rules=rules))
        self.__dict__.setdefault("_pending", {})[index] = weight
        return weight

    def _adopt_added_weights(self) -> None:
        """Register what `add_weight` made, under the attribute that the subclass chose, else under its name."""
        pending: dict[int, WeightParameter | WeightBuffer] = self.__dict__.pop("_pending", {})
        for index, weight in pending.items():
            var = self._added_weights[index]
            held = weight.shown if isinstance(weight, WeightBuffer) else weight
            held_by = {**self.__dict__, **self._buffers, **self._parameters}
            attribute = next((key for key, value in held_by.items() if value is weight or value is held), None)
            if attribute in self.__dict__:
                del self.__dict__[attribute]
            attribute = attribute or _unused(self, var.name.replace(".", "_"))
            if isinstance(weight, WeightBuffer):
                self.register_buffer(attribute, weight.shown)
                self.__dict__.setdefault("_shown", {})[attribute] = weight
            else:
                self.register_parameter(attribute, weight)
            self._added_weights[index] = replace(var, params=(attribute,))

    @property
    def variables(self) -> list[Variable]:
        """Every Keras variable of the layer and of the layers inside it, in Keras's order; what is not built has none.

        `parameters()` and `buffers()` have the torch tensors, for optimizers and the like.
        """
        return list(all_variables(self))

    def _built_variables(self) -> list[Variable]:
        """`variables`, for what needs all of them.

        A layer of a person's own model that the model has never called has none, as in Keras.

        Raises:
            NotBuiltError: There are none yet.
        """
        unbuilt = next((m for m in self.modules() if isinstance(m, Weighted) and "unbuilt" in m._parameters), None)
        if unbuilt is not None and not self._built and not self._build_depth:
            raise unbuilt._not_built("weights")
        return list(all_variables(self))

    def _own_variables(self) -> list[Variable]:
        return own_variables(self)

    def _weight_by_name(self, name: str) -> Variable | None:
        """The variable that Keras has as an attribute of this name; None where the layer's arguments leave it out."""
        if not self._built:
            raise self._not_built(name)
        found = own_variables(self)
        return next((item for item in found if name == item.name or name in item.var.also), None)

    def _set_weight(self, name: str, value: Any) -> None:
        """`dense.kernel = array`: the values of a weight, under Keras's name and in Keras's layout."""
        variable = self._weight_by_name(name)
        if variable is None:
            raise ArgumentError(f"{repr_of(self)} has no weight {quote(name)}: its arguments leave it out.")
        variable.assign(value)

    @property
    def weights(self) -> list[Variable]:
        """`variables`, under Keras's other name."""
        return self.variables

    @property
    def trainable_weights(self) -> list[Variable]:
        """The variables that are trained: as many as `keras.Layer.trainable_weights` has; frozen ones are not in it."""
        return [variable for variable in self.variables if variable.is_trained()]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The variables that are not trained: running statistics, and what is frozen."""
        return [variable for variable in self.variables if not variable.is_trained()]

    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights as numpy arrays, in Keras's order and layout."""
        return [variable.numpy() for variable in self.variables]

    def set_weights(self, weights: Any) -> None:
        """Set all weights from arrays in Keras's order and layout (as `get_weights` gives them).

        Raises:
            ShapeError: The number of arrays or a shape differs; nothing is changed then.
        """
        variables = self._built_variables()
        arrays = check.arrays(f"{repr_of(self)}.set_weights", weights)
        wanted = [(variable.name, variable.shape) for variable in variables]
        check_shapes(f"{repr_of(self)}.set_weights", wanted, [tuple(array.shape) for array in arrays])
        for variable, array in zip(variables, arrays, strict=True):
            variable.write(array)

    def get_gradients(self) -> list[np.ndarray | None]:
        """The gradients of all weights in Keras's order and layout; None where there is none."""
        found = [variable.gradient() for variable in self.variables]
        return [None if gradient is None else to_numpy(gradient) for gradient in found]

    def count_params(self) -> int:
        """The number of values in all weights, as Keras counts them."""
        return sum(part.numel() for variable in self._built_variables() for part in variable.parts())

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = check.boolean("trainable", value)
        for module in self.modules():
            if isinstance(module, Weighted):
                module._trainable = value
        for parameter in self.parameters():
            if not isinstance(parameter, UnbuiltParameter):  # `build` makes its weights by `_trainable`
                parameter.requires_grad_(value)

    @property
    def activity_regularizer(self) -> Callable[[Tensor], Tensor] | None:
        """The penalty on the outputs, or None."""
        return self._activity_regularizer

    @activity_regularizer.setter
    def activity_regularizer(self, value: Any) -> None:
        self._activity_regularizer = regularizers.get(value)
        self._watched = self._activity_regularizer is not None or self._adds_losses
        self.__dict__.pop("_penalties", None)

    @property
    def losses(self) -> list[Tensor]:
        """The penalties of the layer and of what is inside it, as `keras.Layer.losses`: scalars, with their graph.

        First those of the outputs (`activity_regularizer`), each divided by the batch size, of the latest forward pass
        through the outermost layer or model; the next pass replaces them. Then those of the weights; a frozen weight
        costs nothing.
        """
        found: list[Tensor] = []
        penalised = False
        for module in _modules_of(self):
            penalised = penalised or _may_have(module, "regularizer")
            if isinstance(module, Weighted) and module._watched:
                running = current.so_far(module)
                found += module._penalties if running is None else running
        for variable in self.variables if penalised else ():
            regularizer = variable.var.option(variable.module, "regularizer")
            if regularizer is not None and variable.is_trained():
                found.append(regularizer(variable.value))
        return found

    def regularization_loss(self) -> Tensor:
        """The sum of `losses`, which Keras adds to the loss in `fit`: add it to yours, after the forward pass.

        Example:
            >>> loss = criterion(model(x), y) + model.regularization_loss()
        """
        total = torch.zeros((), dtype=self.dtype, device=self._on_device)
        for penalty in self.losses:
            total = total + penalty
        return total

    def _constrained_variables(self) -> list[tuple[Variable, Callable[[Tensor], Tensor]]]:
        """The layer's own trainable variables that have a constraint, each with it."""
        if "unbuilt" in self._parameters:
            raise self._not_built("weights")
        pairs = [(variable, variable.var.option(variable.module, "constraint")) for variable in own_variables(self)]
        return [(variable, rule) for variable, rule in pairs if rule is not None and variable.is_trained()]

    @torch.no_grad()
    def apply_constraints(self) -> None:
        """Bring each trainable weight of the layer and of what is inside it to what its constraint allows, in place.

        Keras does this after each update; `kerastorch.constraints.attach(optimizer, model)` makes an optimizer do it.
        """
        for module in _modules_of(self):
            if isinstance(module, Weighted) and ("unbuilt" in module._parameters or _may_have(module, "constraint")):
                for variable, constraint in module._constrained_variables():
                    variable.write(constraint(variable.value))

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights (follows `.to()`, `.half()`, `.double()`)."""
        tensor = self._first_tensor()
        return self._dtype if tensor is None or not tensor.is_floating_point() else tensor.dtype

    @property
    def _policy_dtype(self) -> torch.dtype:
        """The dtype that is the layer's own: that of its weights; a layer around others has one of its own."""
        return self.dtype

    @yielding
    def device(self) -> torch.device:
        """Where the layer computes: the device of its weights, or where they are to go."""
        return self._on_device

    @property
    def _on_device(self) -> torch.device:
        device = self._weight_device()
        return self._values_on if self._values_on is not None and device.type == "meta" else device

    def _weight_device(self) -> torch.device:
        """Where `build` makes weights: on "meta", without values, while a file is read that has them."""
        tensor = self._first_tensor()
        return torch.get_default_device() if tensor is None else tensor.device

    def _first_tensor(self) -> Tensor | None:
        for holder in (self._parameters, self._buffers):
            for tensor in list(holder.values()):
                if tensor is not None:
                    return tensor
        stack: list[nn.Module] = [self]
        while stack:  # as next(self.parameters()), but of lists: another thread may be building a layer inside
            module = stack.pop()
            for tensor in list(module._parameters.values()):
                if tensor is not None:
                    return tensor
            stack += [child for child in reversed(list(module._modules.values())) if child is not None]
        return None


def _modules_of(root: nn.Module) -> list[nn.Module]:
    """As `list(root.modules())`, which takes several times as long: each step of a training asks twice."""
    found: list[nn.Module] = []
    seen: set[int] = set()
    stack: list[nn.Module | None] = [root]
    while stack:
        module = stack.pop()
        if module is None or id(module) in seen:
            continue
        seen.add(id(module))
        found.append(module)
        stack += reversed(list(module._modules.values()))  # of a list: another thread may be building a layer inside
    return found


def _may_have(module: nn.Module, kind: str) -> bool:
    """Whether a weight of the module itself may have a regularizer or a constraint.

    `variables` makes lists, which costs more than a small step of a training does.
    """
    held = module.__dict__
    if not held["_parameters"] and not held["_buffers"]:
        return False
    if "_added_weights" not in held:  # torch's own
        return any(name.endswith(kind) for name in held)
    for name in _rule_names(type(module), kind):
        if getattr(module, name, None) is not None:
            return True
    added: list[Var] = held["_added_weights"]
    return any(var.option(module, kind) is not None for var in added) if added else False


@functools.cache
def _rule_names(kind_of_layer: type, kind: str) -> tuple[str, ...]:
    """The attributes in which a class of layers keeps rules for the weights that it declares."""
    declared: tuple[Var, ...] = getattr(kind_of_layer, "WEIGHTS", ())
    return tuple(f"{var.stem or var.name}_{kind}" for var in declared)


def _by_position(layer: nn.Module, values: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `add_weight` that may be given by position, by name."""
    where = f"{repr_of(layer)}: add_weight"
    if values and isinstance(values[0], str):
        raise ArgumentError(
            f"{where}: the name is given by keyword, the shape stands first: "
            f"add_weight(shape=..., name={values[0]!r}), got add_weight({values[0]!r}, ...)."
        )
    if len(values) > len(named):
        raise ArgumentError(
            f"{where}: only {', '.join(named)} may stand without a name, got {counted(len(values), 'value')}."
        )
    for key, value in zip(named, values, strict=False):
        if named[key] is not None:
            raise ArgumentError(f"{where}: {key} is given twice: by position and by keyword.")
        named[key] = value
    return named


def _unused(module: nn.Module, name: str) -> str:
    """An attribute for a weight: its name, with a number behind it where the layer has something of this name."""
    tried = name
    for number in itertools.count(1):
        held = any(tried in module.__dict__.get(kind, ()) for kind in ("_parameters", "_buffers", "_modules"))
        if not held and tried not in module.__dict__ and is_free(type(module), tried):
            break
        tried = f"{name}_{number}"
    return tried


def repr_of(layer: nn.Module) -> str:
    """How messages name a layer: `LSTM 'lstm_1'`."""
    return f"{type(layer).__name__} {quote(layer.name)}"
