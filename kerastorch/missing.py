"""What a file needs and does not hold: the message that says it, and what to pass.

Nothing is guessed: recipes are named where the shapes of the file leave them possible, and which one is right is for
the reader of the message to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import matching, recipes
from .compat import function_name, table_lacks
from .errors import quote
from .files import Archive, LegacyWeights, TreeWeights
from .models.sketch import Place
from .spec import LayerSpec, Missing, ModelSpec

_SHOWN = 20  # missing layers in one message
_ARRAYS = 12  # and arrays of one of them
_RECIPES = 10  # and recipes for one of them
# Layers whose first array is a kernel (input features, ...) -> how many axes their input has, if that is fixed, and
# where the kernel is in a weights tree.
_KERNELS: dict[str, tuple[int | None, str]] = {
    "Dense": (None, ""),
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN"), (3, "/cell")),
    "Bidirectional": (3, "/forward_layer/cell"),
    **dict.fromkeys(("CuDNNLSTM", "CuDNNGRU"), (3, "")),
}


def explain(
    missing: Sequence[Missing],
    call: str,
    places: Sequence[Place] = (),
    spec: Any = None,
    archive: Archive | None = None,
) -> str:
    """The whole message.

    Args:
        missing: What is missing.
        call: The call to repeat, without its closing bracket: `kt.load_model('file.h5'`.
        places: A sketch of the model, as far as there is one.
        spec: The model, likewise.
        archive: The file, whose weights tell more shapes.
    """
    by_path = {place.path: place for place in places}
    lines = [table_lacks(missing)]
    for item in missing[:_SHOWN]:
        arrays = arrays_of(item, spec, archive)
        lines += describe(item, by_path.get(item.path), output_of(item, by_path, spec, archive), arrays)
    if len(missing) > _SHOWN:
        lines.append(f"  ... and {len(missing) - _SHOWN} more")
    lines += ["Pass what is missing, beside what you pass already:", f"  {call}{arguments_for(missing)})"]
    lines.append(
        "custom_objects takes a class with from_config (every kerastorch.layers.Layer), or any class or function that "
        "makes the layer from its config; replace takes a layer, a torch module, or a function on tensors."
    )
    return "\n".join(lines)


def arguments_for(missing: Sequence[Missing]) -> str:
    """The arguments to add to a call."""
    custom: dict[str, None] = {}
    replace: dict[str, None] = {}
    for item in missing:
        function = function_name(item.item)
        if function is not None:
            custom[function.rpartition(">")[2]] = None
        elif item.class_name == "Lambda" or item.note == "an operation":
            replace[item.path] = None
        else:
            custom[item.class_name.rpartition(">")[2]] = None
    text = ""
    for argument, names in (("custom_objects", custom), ("replace", replace)):
        if names:
            shown = [f"{quote(name)}: ..." for name in list(names)[:_SHOWN]]
            text += f", {argument}={{{', '.join([*shown, *(['...'] if len(names) > _SHOWN else [])])}}}"
    return text


def arrays_of(
    item: Missing, spec: ModelSpec | LayerSpec | None, archive: Archive | None
) -> Sequence[tuple[str, tuple[int, ...]]] | None:
    """The names and shapes of the arrays that the file has for a missing layer; None where it is not known."""
    if archive is None or "/" in item.path:
        return None
    if isinstance(archive.weights, LegacyWeights):
        stored = next((layer.weights for layer in archive.weights.layers if layer.name == item.path), None)
        return None if stored is None else [(name, array.shape) for name, array in stored]
    if not isinstance(archive.weights, TreeWeights) or not isinstance(spec, ModelSpec):
        return None
    names = matching.names_in_config(spec, archive.weights)
    home = next((path for path, name in names.items() if name == item.path and path.count("/") == 1), None)
    if home is None:
        return None
    found: list[tuple[str, tuple[int, ...]]] = []
    for path, stored in archive.weights.objects.items():
        if path == home or path.startswith(f"{home}/"):
            keys = stored.keys or tuple(map(str, range(len(stored.arrays))))
            inside = path[len(home) + 1 :]
            found += [
                (f"{inside}/{key}" if inside else key, array.shape)
                for key, array in zip(keys, stored.arrays, strict=True)
            ]
    return found


def describe(
    item: Missing, place: Place | None, output: Any, arrays: Sequence[tuple[str, tuple[int, ...]]] | None = None
) -> list[str]:
    """What is known of one missing layer."""
    known = [
        f"{key} {quote(item.item[key])}" for key in ("module", "registered_name") if item.item.get(key) is not None
    ]
    code = item.class_name == "Lambda" and function_name(item.item) is None
    notes = [*known, *([item.note] if item.note else []), *(["Python code, which is never run"] if code else [])]
    lines = [f"  layer {quote(item.path)} of class {quote(item.class_name)}{_in_brackets(notes)}"]
    inputs = _inputs(item, place)
    if place is not None:
        before = " and ".join(map(quote, place.before)) or "the start"
        behind = " and ".join(map(quote, place.behind)) or "the end"
        lines.append(f"    in model {quote(place.model)}, between {before} and {behind}")
    if inputs is not None or output is not None:
        shown = " and ".join(map(str, inputs)) if inputs else "not known"
        lines.append(f"    input {shown}; output {_pattern_text(output)}")
    config = item.item.get("config")
    if isinstance(config, dict):
        lines.append(f"    config: {quote({key: _short(config[key]) for key in config if key != 'name'}, 400)}")
    if arrays:
        shown = ", ".join(f"{quote(name, 60)} {shape}" for name, shape in arrays[:_ARRAYS])
        more = f" and {len(arrays) - _ARRAYS} more" if len(arrays) > _ARRAYS else ""
        lines.append(f"    its arrays: {shown}{more}")
    shapes = None if arrays is None else [shape for _, shape in arrays]
    for name in recipes.offered(config, shapes) if item.class_name != "Lambda" else ():
        lines.append(
            f"    kt.recipes.{name} takes these arguments and has such arrays; look whether its formula is yours"
        )
    if inputs and output is not None and (item.class_name == "Lambda" or item.note == "an operation"):
        fitting = recipes.fitting(inputs, output)
        if fitting:
            more = f" and {len(fitting) - _RECIPES} more" if len(fitting) > _RECIPES else ""
            named = ", ".join(f"kt.recipes.{recipe!r}" for recipe in fitting[:_RECIPES])
            lines.append(f"    of these shapes are {named}{more}")
    return lines


def _short(value: Any, depth: int = 0) -> Any:
    """A value of a config without its long parts, such as code."""
    if isinstance(value, str):
        return value if len(value) <= 60 else f"{value[:20]}..."
    if isinstance(value, (list, tuple)):
        return [_short(item, depth + 1) for item in value[:8]] if depth < 4 else "..."
    if isinstance(value, dict):
        return {key: _short(item, depth + 1) for key, item in list(value.items())[:16]} if depth < 4 else "..."
    return value


def _in_brackets(notes: Sequence[str]) -> str:
    return f" ({'; '.join(notes)})" if notes else ""


def _pattern_text(output: Any) -> str:
    if output is None:
        return "not known"
    return str(output) if output[0] is not ... else f"(..., {', '.join(map(str, output[1:]))})"


def _inputs(item: Missing, place: Place | None) -> tuple[Any, ...] | None:
    """The shapes of the inputs: from the layers before it, or as Keras 3 noted what the layer was built for."""
    if place is not None and place.inputs and None not in place.inputs:
        return place.inputs
    noted = item.item.get("build_config")
    shape = noted.get("input_shape") if isinstance(noted, dict) else None
    sizes = isinstance(shape, list) and all(size is None or (isinstance(size, int) and size >= 0) for size in shape)
    return (tuple(shape),) if sizes and shape else None


def output_of(
    item: Missing,
    places: dict[str, Place],
    spec: ModelSpec | LayerSpec | None = None,
    archive: Archive | None = None,
) -> tuple[Any, ...] | None:
    """The shape of the output, or what the kernel of a layer behind it says: `(..., 356)`; None if nothing does."""
    place = places.get(item.path)
    if place is None:
        return None
    if len(place.outputs) == 1 and place.outputs[0] is not None:
        return place.outputs[0]
    outer = item.path.rpartition("/")[0]
    for name in place.behind:
        user = places[f"{outer}/{name}" if outer else name]
        found = _needs(user, spec, archive) if len(user.before) == 1 and not outer else None
        if found is not None:
            return found
    return None


def _needs(user: Place, spec: ModelSpec | LayerSpec | None, archive: Archive | None) -> tuple[Any, ...] | None:
    """What the kernel in the file says about the input of a layer."""
    if not isinstance(user.spec, LayerSpec) or user.spec.meaning not in _KERNELS or archive is None:
        return None
    rank, inside = _KERNELS[user.spec.meaning]
    shape: tuple[int, ...] | None = None
    if isinstance(archive.weights, LegacyWeights):
        stored = next((layer.weights for layer in archive.weights.layers if layer.name == user.path), ())
        shape = tuple(stored[0][1].shape) if stored else None
    elif isinstance(archive.weights, TreeWeights) and isinstance(spec, ModelSpec):
        names = matching.names_in_config(spec, archive.weights)
        home = next((path for path, name in names.items() if name == user.path and path.count("/") == 1), "")
        stored = archive.weights.objects.get(f"{home}{inside}")
        shape = tuple(stored.arrays[0].shape) if stored is not None and stored.arrays else None
    if shape is None or len(shape) != 2:
        return None
    return (..., shape[0]) if rank is None else (None,) * (rank - 1) + (shape[0],)
