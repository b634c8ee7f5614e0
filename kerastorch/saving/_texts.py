"""Layers of text in the words of Keras, which has them among its own; their words stand in the config."""

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


def is_of_text(form: Mapping[str, Any]) -> bool:
    """Whether a form is that of a layer of text, as `of_text` makes it."""
    return form.get("module") is not None and own_name(form["class_name"]) is not None


def of_text(form: Mapping[str, Any]) -> dict[str, Any]:
    """What Keras writes for a layer of text."""
    config = {key: value for key, value in form["config"].items() if not (key in _LATE and value in _LATE[key])}
    return {"module": "keras.layers", "class_name": form["class_name"], "config": config, "registered_name": None}


def in_keras2(form: Mapping[str, Any]) -> dict[str, Any]:
    """The same for tf-keras, where the dtype is that of the words or of the indices, and follows from the rest.

    Raises:
        SaveError: It has an argument that only Keras 3 takes.
    """
    config = {key: value for key, value in form["config"].items() if key != "dtype"}
    for key in _LATE.keys() & config.keys():
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
