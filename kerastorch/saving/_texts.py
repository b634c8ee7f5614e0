"""Layers of text and of categories in the words of Keras, which has them among its own; what they know stands in the
config.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..base.weighted import repr_of
from ..errors import SaveError, quote
from ..layers.preprocessing.index_lookup import IndexLookup
from ..registered import own_name

# Arguments that tf-keras and the first Kerases 3 do not take -> values with which they say nothing.
_LATE: Mapping[str, tuple[Any, ...]] = {"oov_method": ("floormod",), "salt": (None,)}

_STATE_DTYPE = ("CategoryEncoding", "Hashing")  # those of which tf-keras takes the dtype of what comes out


def is_of_text(form: Mapping[str, Any]) -> bool:
    """Whether a form is that of a layer of text or of categories, as `of_text` makes it."""
    return form.get("module") is not None and own_name(form["class_name"]) is not None


def of_text(form: Mapping[str, Any]) -> dict[str, Any]:
    """What Keras writes for a layer of text or of categories."""
    left = ("trainable",) if form["class_name"] == "Discretization" else ()  # Keras 3 does not take it there
    config = {
        key: value
        for key, value in form["config"].items()
        if key not in left and not (key in _LATE and value in _LATE[key])
    }
    return {"module": "keras.layers", "class_name": form["class_name"], "config": config, "registered_name": None}


def in_keras2(form: Mapping[str, Any]) -> dict[str, Any]:
    """The same for tf-keras, where the dtype of words and indices follows from the rest.

    It keeps numbers from which it finds the boundaries of a Discretization: those that were found are given ones to it.

    Raises:
        SaveError: It has an argument that only Keras 3 takes.
    """
    left = () if form["class_name"] in _STATE_DTYPE else ("dtype",)
    if form["class_name"] == "Discretization" and form["config"].get("bin_boundaries") is not None:
        left = (*left, "num_bins")
    config = {key: value for key, value in form["config"].items() if key not in left}
    for key in () if form["class_name"] in _STATE_DTYPE else _LATE.keys() & config.keys():
        raise SaveError(
            f"{form['class_name']} {quote(config.get('name'))}: tf-keras has no argument {key} for it: "
            'dialect="keras3".'
        )
    return {**form, "config": config}


def refuse_counts(model: nn.Module) -> None:
    """Refuse what an .h5 of tf-keras has no place for: it looks for what words count among the arrays, unnamed.

    Raises:
        SaveError: A layer has output_mode "tf_idf".
    """
    for module in model.modules():
        if isinstance(module, IndexLookup) and module.output_mode == "tf_idf":
            raise SaveError(
                f"{repr_of(module)}: tf-keras reads no .h5 with output_mode 'tf_idf' whose vocabulary is in the "
                "config: write a .keras file."
            )
