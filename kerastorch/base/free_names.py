"""Public names that kerastorch has and Keras has not: in a person's own layer they are free.

`self.device = "cpu"`, `self.kernel_choice = nn.Parameter(...)` and `add_weight(name="to_torch")` must work as in Keras,
where these names mean nothing. The machinery never reads such a name from a layer: it reads underscored ones, and from
the class the declarations (`CONFIG`, `WEIGHTS`, ...) and public methods. So an instance can use the name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import nn

_HOLDERS = ("_parameters", "_buffers", "_modules")
_PACKAGE = __name__.partition(".")[0]

# What our classes define under names of Keras 3 (of the same class): as in Keras these are not free.
KERAS_NAMES = frozenset(
    [
        "activity_regularizer",
        "add_weight",
        "autocast",
        "build",
        "built",
        "call",
        "compute_dtype",
        "compute_mask",
        "compute_output_shape",
        "count_params",
        "data_format",
        "dtype",
        "dtype_policy",
        "from_config",
        "get_config",
        "get_weights",
        "input",
        "losses",
        "non_trainable_variables",
        "non_trainable_weights",
        "output",
        "set_weights",
        "supports_masking",
        "trainable",
        "trainable_variables",
        "trainable_weights",
        "variables",
        "weights",
        "get_dropout_mask",
        "get_initial_state",
        "get_recurrent_dropout_mask",
        "output_size",
        "reset_dropout_mask",
        "reset_recurrent_dropout_mask",
        "reset_state",
        "reset_states",
        "return_sequences",
        "return_state",
        "state_size",
        "stateful",
        "states",
        "add",
        "get_layer",
        "inputs",
        "layers",
        "load_weights",
        "output_names",
        "outputs",
        "pop",
        "predict",
        "save",
        "save_weights",
        "summary",
        "to_json",
    ]
)


class Yielding:
    """A class attribute that gives way to what an instance keeps under the same name.

    Plain values go into the instance's `__dict__`, which comes first, as this descriptor has no `__set__`. Parameters,
    buffers and modules stand elsewhere. To torch, which asks before it puts one there, the name is free.
    """

    def __init__(self, name: str, own: Any) -> None:
        self.name = name
        self.own = own
        self.__doc__ = getattr(own, "__doc__", None)

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        if instance is not None and self.name in instance.__dict__.get("_taken", ()):
            for kind in _HOLDERS:  # here and not in `__getattr__`, where torch.compile would not look after an error
                held = instance.__dict__[kind]
                if self.name in held:
                    return held[self.name]
            raise AttributeError(self.name)
        if isinstance(self.own, property) and instance is not None and self.own.fget is not None:
            return self.own.fget(instance)  # torch.compile does not look into a property's own `__get__`
        bind = getattr(type(self.own), "__get__", None)
        return self.own if bind is None else bind(self.own, instance, owner)


if TYPE_CHECKING:
    yielding = property
else:

    def yielding(getter: Callable[[Any], Any]) -> Yielding:
        """A property of kerastorch's own, which a person's attribute replaces."""
        return Yielding(getter.__name__, property(getter))


def is_free(cls: type[nn.Module], name: str) -> bool:
    """Whether the class has no attribute of this name, or one that only kerastorch has given a meaning."""
    base = _home(cls, name)
    if base is None or isinstance(base.__dict__[name], Yielding):
        return True
    ours = base is not nn.Module and base.__module__.startswith(f"{_PACKAGE}.")
    return ours and name not in KERAS_NAMES and not name.startswith("_")


def take(module: nn.Module, name: str) -> None:
    """Let a parameter, a buffer or a module have this name, if only kerastorch has given it a meaning."""
    cls = type(module)
    base = _home(cls, name)
    if base is None or not is_free(cls, name):
        return
    own = base.__dict__[name]
    if not isinstance(own, Yielding):
        setattr(cls, name, Yielding(name, own))
    module.__dict__.setdefault("_taken", set()).add(name)


def release(module: nn.Module, name: str) -> None:
    """Give a deleted attribute's name its meaning back."""
    module.__dict__.get("_taken", set()).discard(name)


def _home(cls: type[nn.Module], name: str) -> type[Any] | None:
    """The class that defines the attribute."""
    return next((base for base in cls.__mro__ if name in base.__dict__), None)
