"""Inputs of text: torch has none, so a model takes what the layer behind such an input makes of it, word ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..errors import UnsupportedError, quote
from ..spec import LayerSpec, ModelSpec, refs_of

_TEXT = "string"
Stated = tuple[tuple[int | None, ...], str]  # the shape, with the batch axis, and the dtype


def without_texts(spec: ModelSpec, takes_text: Callable[[LayerSpec], bool] = lambda layer: False) -> ModelSpec:
    """The same model with numbers in the place of each input of text: word ids as `TextVectorization` makes them.

    Args:
        spec: The model.
        takes_text: Whether what is made for a layer takes texts: then its inputs stay what they are.
    """
    texts = [
        layer
        for layer in spec.layers
        if isinstance(layer, LayerSpec) and _is_text(layer) and not _stays(spec, layer.name, takes_text)
    ]
    if not texts:
        return spec
    numbers = {layer.name: _numbers_for(spec, layer) for layer in texts}
    layers = [_stating(layer, numbers[layer.name]) if layer.name in numbers else layer for layer in spec.layers]
    return replace(spec, layers=tuple(layers))


def _stays(spec: ModelSpec, name: str, takes_text: Callable[[LayerSpec], bool]) -> bool:
    """Whether a layer behind an input, perhaps inside of a model, takes texts."""
    for user, place in _users(spec, name):
        if isinstance(user, ModelSpec):
            inputs = _input_names(user)
            if place < len(inputs) and _stays(user, inputs[place], takes_text):
                return True
        elif takes_text(user):
            return True
    return False


def _is_text(layer: LayerSpec) -> bool:
    return layer.class_name == "InputLayer" and layer.config.get("dtype") == _TEXT


def vectorized(config: Mapping[str, Any], batch: int | None) -> Stated:
    """What a `TextVectorization` with this config makes."""
    if config.get("output_mode", "int") == "int":
        return (batch, _size(config.get("output_sequence_length"))), "int64"
    padded = config.get("pad_to_max_tokens")
    return (batch, _size(config.get("max_tokens" if padded else "vocabulary_size"))), "float32"


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _stating(layer: Any, numbers: Stated) -> LayerSpec:
    return replace(layer, config={**layer.config, "batch_shape": numbers[0], "dtype": numbers[1]})


def _numbers_for(spec: ModelSpec, text: LayerSpec) -> Stated:
    own = tuple(text.config["batch_shape"])
    found = set()
    for user, place in _users(spec, text.name):
        if isinstance(user, ModelSpec):
            inner = [layer for layer in without_texts(user).layers if layer.name in _input_names(user)]
            made = inner[place] if place < len(inner) else None
            found.add(
                (tuple(made.config["batch_shape"]), made.config["dtype"]) if isinstance(made, LayerSpec) else None
            )
        elif user.class_name == "TextVectorization":
            found.add(vectorized(user.config, own[0]))
        else:
            found.add((own, "int64"))
    kinds = [one for one in found if one is not None]
    if len(kinds) > 1:
        raise UnsupportedError(
            f"the input {quote(text.name)} is text and goes into layers that make {sorted(map(str, kinds))} of it: no "
            "one array can stand for it. Build the model behind these layers, and load the weights by name."
        )
    return kinds[0] if kinds else (own, "int64")


def _input_names(spec: ModelSpec) -> list[str]:
    if spec.kind == "Sequential":
        return [layer.name for layer in spec.layers[:1]]
    return [ref.layer for ref in refs_of(spec.inputs)]


def _users(spec: ModelSpec, name: str) -> Iterator[tuple[LayerSpec | ModelSpec, int]]:
    """The layers that take an input, each with its place among their tensors."""
    if spec.kind == "Sequential":
        yield from ((layer, 0) for layer in spec.layers[1:2])
        return
    for layer in spec.layers:
        for call in layer.calls:
            for place, ref in enumerate(refs_of([list(call.args), dict(call.kwargs)])):
                if ref.layer == name:
                    yield layer, place
