"""`keras.dtype_policies`: what layers keep their weights in, and what they compute in."""

from __future__ import annotations

from typing import Any

from .dtypes import DTypePolicy as DTypePolicy
from .dtypes import policy_of as _policy_of
from .namespaces import Namespace as _Namespace

FloatDTypePolicy = DTypePolicy

_QUANTIZED = "use torch.ao.quantization on the model."
_MAPS = "give each layer its dtype."
_namespace = _Namespace(
    __name__,
    globals(),
    homes=("dtypes", "dtype_policies"),
    absent={
        **dict.fromkeys(("QuantizedDTypePolicy", "QuantizedFloat8DTypePolicy", "GPTQDTypePolicy"), _QUANTIZED),
        **dict.fromkeys(("AWQDTypePolicy", "Int4DTypePolicy"), _QUANTIZED),
        "DTypePolicyMap": _MAPS,
    },
)


def get(identifier: Any) -> DTypePolicy:
    """The policy of a name, a config, a torch dtype or a policy; torch's default dtype for None."""
    return _policy_of(identifier)


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """A policy as Keras writes it into configs."""
    config = dtype_policy.get_config()
    return {"module": "keras", "class_name": "DTypePolicy", "config": config, "registered_name": None}


def deserialize(config: Any, custom_objects: Any = None) -> DTypePolicy:
    """Make a policy from `serialize`'s result."""
    return _policy_of(config)


def __getattr__(name: str) -> Any:
    return _namespace.get(name)


def __dir__() -> list[str]:
    return _namespace.names()
