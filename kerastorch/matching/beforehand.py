"""A model's config against a file of weights before anything is made of it: whether the weights can fit at all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from ..base.layer import REGISTRY
from ..compat import MADE_ANYWAY, FirstLook
from ..errors import MismatchError, counted, quote
from ..files import LegacyWeights, TreeWeights
from ..weights import always

# Classes whose weights are those of layers inside them, which they make whatever their arguments are.
_MADE_OF_OTHERS = frozenset({"MultiHeadAttention", "GroupQueryAttention"})
# Classes that have weights unless each of these arguments is False.
_UNLESS = {"LayerNormalization": ("center", "scale"), "GroupNormalization": ("center", "scale")}


@cache
def _always_weighted() -> frozenset[str]:
    declared = {
        name for name, cls in REGISTRY.items() if any(var.when is always for var in getattr(cls, "WEIGHTS", ()))
    }
    return frozenset(declared | _MADE_OF_OTHERS)


def is_weighted(class_name: str, config: Mapping[str, Any]) -> bool:
    """Whether a layer of Keras's own has weights whatever its input is; False where that cannot be told."""
    if class_name in _UNLESS:
        return any(config.get(key, True) is True for key in _UNLESS[class_name])
    return class_name in _always_weighted()


def refuse_few(look: FirstLook, weights: LegacyWeights | TreeWeights | None, where: str) -> None:
    """Raise where far more layers must have weights than the file holds arrays.

    Raises:
        MismatchError: They cannot fit; no layer has been made.
    """
    if weights is None or look.weighted <= MADE_ANYWAY:
        return
    held = len(weights.arrays)
    if look.weighted > held + MADE_ANYWAY:
        shown = ", ".join(map(quote, look.names))
        raise MismatchError(
            f"{where}: the weights do not fit the model, nothing was changed: at least {look.weighted:,} of its layers "
            f"have weights ({shown}, ...), and the file holds {counted(held, 'array')}. Find the file of weights "
            "that belongs "
            "to this config."
        )
