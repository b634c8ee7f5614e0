"""Names of `keras.layers.Layer` that are not needed here, and mean in Keras what they mean here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .. import activations
from ..dtypes import DTypePolicy, dtype_name, mixed_dtype, policy_of, variable_dtype
from ..errors import ArgumentError, MismatchError, RemovedError, counted
from ..forward_pass import current
from ..outside import outside
from ..structure import leaves, map_structure
from .configurable import Configurable, kind_of
from .dtype_policy import policy_name
from .free_names import yielding
from .graph import Node, SymbolicTensor
from .input_spec import unsaid
from .naming import cell_name, snake_case
from .variable import Variable
from .variables import listed_variables, unbuilt_parameter
from .weighted import repr_of

_LAST = ("dropout", "recurrent_dropout", "seed")  # what an LSTM returns is more telling


class KerasNames(Configurable):
    """The part of `Layer` that is there for code written for Keras; abstract."""

    _named: bool = False  # whether somebody has given it its name
    _autocast: bool = True
    _keras_spec: ClassVar[Callable[..., Any]] = unsaid  # the `input_spec` of Keras's layer of this class
    _states_dtype: bool = False  # whether its dtype was stated, and is not torch's default one

    @yielding
    def path(self) -> str | None:
        """The names of the layers around it and its own, as `keras.Layer.path`: "sequential/lstm".

        They are those around its first call, or around where it was built; None before.
        """
        return None if self._parent_path is None else self._path

    @property
    def _path(self) -> str:
        return f"{self._parent_path}/{self.name}" if self._parent_path else self.name

    @property
    def _kind(self) -> str:
        """What summaries call the layer: its class."""
        return self._class_name

    @property
    def _variables_path(self) -> str:
        """The path of what has the weights in Keras: the layer, or the cell inside it."""
        return f"{self._path}/{cell_name(self._class_name)}" if type(self).VARS_PATH else self._path

    def add_loss(self, loss: Any) -> None:
        """Add a penalty, in `call`: a scalar, or several; part of `losses` until the next forward pass.

        Args:
            loss: A tensor, or a list of tensors.
        """
        added = leaves(loss if isinstance(loss, (list, tuple)) else [loss])
        wrong = next((item for item in added if not isinstance(item, Tensor)), None)
        if wrong is not None:
            raise ArgumentError(
                f"{repr_of(self)}: add_loss: expected a tensor, computed in `call`, got {type(wrong).__name__}; a "
                "penalty on a weight is add_weight(..., regularizer=...)."
            )
        self.__dict__["_watched"] = self.__dict__["_adds_losses"] = True
        if current.factor == 0:
            return
        if current.found is None:
            self._penalties = (*self._penalties, *added)
        else:
            current.found += [(self, item) for item in added]

    @yielding
    def metrics(self) -> list[Any]:
        """The metrics that are attributes of the layer and of what is inside it, as `keras.Layer.metrics`."""
        return outside("metrics")(self)

    @yielding
    def metrics_variables(self) -> list[Any]:
        """What the metrics in `metrics` keep."""
        return [variable for metric in self.metrics for variable in metric.variables]

    def add_metric(self, *args: Any, **kwargs: Any) -> None:
        """Keras 3 has taken it away: compute the metric beside the loss, or give it to `compile(metrics=[...])`."""
        raise RemovedError(
            f"{repr_of(self)}: add_metric is in Keras 2 alone. Give the metric to model.compile(metrics=[...]), or "
            "keep a kerastorch.metrics object in the layer and call its update_state."
        )

    @yielding
    def input_spec(self) -> Any:
        """What Keras's layer of this class says of its inputs: an `InputSpec`, a list of them, or None.

        The layers of kerastorch have checks and messages of their own. A layer of yours sets it, and its inputs must
        fit it then.
        """
        return self._keras_spec()

    # Names of Keras's alone give what Keras gives, the names of dtypes; `dtype`, as of all that torch has, is torch's.

    @property
    def autocast(self) -> bool:
        """Whether float inputs and weights are cast to `compute_dtype` in a call, where a dtype was stated."""
        return self._autocast

    @autocast.setter
    def autocast(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise ArgumentError(f"{repr_of(self)}: autocast: expected True or False, got {value!r}.")
        self._autocast = value
        self._casts = value and self._has_policy and self._states_dtype

    @property
    def dtype_policy(self) -> DTypePolicy:
        """The dtypes of weights and computation.

        It can be set to a policy or its name. Of a layer that has its weights only what it computes in can change.
        """
        return DTypePolicy(policy_name(self))

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        policy = policy_of(value)
        dtype = variable_dtype(policy.name)
        if dtype != self.dtype and (self._built or "unbuilt" not in self._parameters) and self._parameters:
            raise ArgumentError(
                f"{repr_of(self)}: dtype_policy: the weights are {dtype_name(self.dtype)} already, not "
                f"{policy.variable_dtype}; cast the layer first: layer.to({dtype})."
            )
        if "unbuilt" in self._parameters:
            self._parameters["unbuilt"] = unbuilt_parameter(repr_of(self), dtype)
        self._dtype, self._mixed, self._states_dtype = dtype, mixed_dtype(policy.name), True
        self.autocast = self._autocast

    @property
    def compute_dtype(self) -> str:
        """The name of the dtype that the layer computes in: that of the weights, or a half under a mixed policy."""
        return dtype_name(self._computes_in)

    @yielding
    def variable_dtype(self) -> str:
        """The name of the dtype of the weights; `dtype` is the same as a torch dtype."""
        return dtype_name(self.dtype)

    @yielding
    def input_dtype(self) -> str:
        """What float inputs are cast to: `compute_dtype`."""
        return dtype_name(self._computes_in)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs of a call as symbolic tensors, without recording it in a graph.

        Args:
            *args: Symbolic tensors, or tensors, as in a call.
            **kwargs: The call's other arguments.
        """
        before, called = list(self._nodes), self._called_on

        def symbol(leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            return SymbolicTensor(tuple(leaf.shape), leaf.dtype, Node(self, (), {}), 0)  # type: ignore[arg-type]

        try:
            return self(*map_structure(symbol, args), **map_structure(symbol, kwargs))
        finally:
            self._nodes[:] = before
            self._called_on = called

    # ------------------------------------------------------------------ files

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Put what a file shall hold of this very layer into `store`, as `keras.Layer.save_own_variables`.

        A class of yours may define it, and `load_own_variables` with it: `.keras` and `.weights.h5` files then hold
        what it says. The layers inside have their own places.

        Args:
            store: Name -> array or variable; the layer's own variables, in Keras's order, under "0", "1", ...
        """
        for index, variable in enumerate(self._variables_in_files()):
            store[str(index)] = variable

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Take back what `save_own_variables` has written, as `keras.Layer.load_own_variables`.

        Args:
            store: Name -> numpy array.

        Raises:
            MismatchError: The names are not those of the layer's own variables.
        """
        variables = self._variables_in_files()
        if set(store) != {str(index) for index in range(len(variables))}:
            raise MismatchError(
                f"{repr_of(self)}: load_own_variables: expected {counted(len(variables), 'array')} named 0, 1, ... "
                f"({', '.join(variable.name for variable in variables) or 'it has no variables'}), got "
                f"{', '.join(map(str, store)) or 'none'}."
            )
        for index, variable in enumerate(variables):
            variable.assign(store[str(index)])

    def _variables_in_files(self) -> list[Variable]:
        """The variables at the layer's own place in a file; those of a recurrent layer stand at its cell's."""
        return [] if type(self).VARS_PATH else listed_variables(self)

    # ------------------------------------------------------------------ for people

    def extra_repr(self) -> str:
        if torch.compiler.is_compiling():
            return ""  # torch.func makes a text of what it is given, which nobody reads in a graph
        cls = type(self)
        defaults = _defaults(cls)
        keys = [key for key in cls.CONFIG if key not in _LAST] + [key for key in cls.CONFIG if key in _LAST]
        shown, required = [], True
        for key in keys:
            default = defaults.get(key, inspect.Parameter.empty)
            value = getattr(self, cls.KEPT_AS.get(key, key), _UNKNOWN)
            if value is _UNKNOWN or isinstance(value, nn.Module):
                required = False  # a layer within this one, which torch shows below it
                continue
            if default is not inspect.Parameter.empty and self._is_default(key, value, default):
                required = False
                continue
            required = required and default is inspect.Parameter.empty
            text = _text(key, value)
            shown.append(text if required else f"{key}={text}")
        return ", ".join([*shown, f"name={self.name!r}"] if self._named or (not cls.CONFIG and cls._tracks) else shown)

    def _is_default(self, key: str, value: Any, default: Any) -> bool:
        if default is None and key == "data_format":
            default = "channels_last"
        if default is None and key == "strides":
            default = getattr(self, "pool_size", None)
        return _equal(value, _understood(key, default))

    def __dir__(self) -> list[str]:
        return sorted(name for name in super().__dir__() if name not in _DECLARATIONS)


_UNKNOWN = object()
# What classes declare for the machinery, and people need not see.
_DECLARATIONS = frozenset(
    [
        *("BASE_CONFIG", "CELL", "CONFIG", "EXAMPLES", "FILLERS", "INERT", "KEPT_AS", "REFUSED"),
        *("SPATIAL", "STATES", "TAKES_STEPS", "VARS_PATH", "WEIGHTS", "_UNTRACKED"),
    ]
)


def _defaults(cls: type) -> dict[str, Any]:
    """The defaults of a class's arguments, its bases' among them."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if "__init__" in base.__dict__ and base is not object:
            parameters = inspect.signature(base.__init__).parameters.values()
            found.update({parameter.name: parameter.default for parameter in parameters})
    return found


def _understood(key: str, default: Any) -> Any:
    kind = kind_of(key)
    return kind.get(default) if kind and default is not None else activations.linear if kind is activations else default


def _equal(value: Any, default: Any) -> bool:
    if value is default:
        return True
    if isinstance(value, tuple) and isinstance(default, int):
        default = (default,) * len(value)
    return type(value) is type(default) and bool(value == default)


def _text(key: str, value: Any) -> str:
    """An argument as one would write it: by its name, if that says all."""
    kind = kind_of(key)
    name = snake_case(type(value).__name__) if kind is not activations else getattr(value, "__name__", "")
    named = kind is not None and name in kind.TABLE.entries and kind.get(name) == value
    return repr(name if named else value)
