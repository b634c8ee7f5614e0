"""`plot_model` and `model_to_dot`: pictures of models in files."""

from __future__ import annotations

import os
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base import check
from ..errors import ArgumentError, UnsupportedError, quote
from ..files.replacing import replacing
from ..models.model import Model
from ..packaged import install
from ..paths import AnyPath, text_of
from .diagram import Diagram
from .dot import graphviz, to_dot
from .reading import Shown, read
from .svg import to_svg

_WAYS = ("TB", "LR", "BT", "RL")
_GET_DOT = "apt-get install graphviz, brew install graphviz, conda install graphviz, or https://graphviz.org/download"


@dataclass(frozen=True)
class Picture:
    """A picture that was written to a file; a notebook shows it.

    Attributes:
        path: The file.
        drawn_by: "graphviz", or "kerastorch" where it was drawn without it.
    """

    path: str
    drawn_by: str

    def _repr_svg_(self) -> str | None:
        return Path(self.path).read_text(encoding="utf-8") if _ending(self.path) == "svg" else None

    def _repr_png_(self) -> bytes | None:
        return Path(self.path).read_bytes() if _ending(self.path) == "png" else None


def model_to_dot(
    model: Model,
    show_shapes: bool = True,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = True,
    dpi: int | None = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "spline",
    *,
    show_masks: bool = True,
    layer_range: None = None,
) -> Any:
    """A model as a graph of Graphviz, as `keras.utils.model_to_dot`.

    The names of boxes are numbers; text of the model is escaped wherever it stands.

    Args:
        model: A built model.
        show_shapes: Whether boxes show the shapes of inputs and outputs, None where a size is not known.
        show_dtype: Whether they show the dtypes of outputs.
        show_layer_names: Whether they show names, and not classes alone.
        rankdir: Where edges lead: "TB" down, "LR" to the right, "BT", "RL".
        expand_nested: Whether models in it are shown with their layers, in a frame.
        dpi: Dots per inch of a PNG; Graphviz's own if None.
        subgraph: Return a cluster, to be put into another graph.
        show_layer_activations: Whether boxes show activation functions.
        show_trainable: Whether they show if weights are trained.
        splines: How Graphviz draws edges: "spline", "ortho", "polyline", "line", "curved".
        show_masks: Whether edges that carry a mask are shown as such, and boxes say what happens to it.
        layer_range: Refused unless None, as in Keras 3.

    Returns:
        A `graphviz.Digraph`; Keras returns one of `pydot`. Its `source` is the text.

    Raises:
        NotBuiltError: The model has no shapes yet.
        UnsupportedError: The Python package graphviz is not installed.
    """
    _check("model_to_dot", model, rankdir, dpi, layer_range)
    shown = Shown(
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable, expand_nested, show_masks
    )
    return to_dot(read(model, shown), rankdir, dpi, splines, check.boolean("subgraph", subgraph))


def plot_model(
    model: Model,
    to_file: AnyPath = "model.png",
    show_shapes: bool = True,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = True,
    dpi: int | None = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "spline",
    *,
    show_masks: bool = True,
    layer_range: None = None,
) -> Picture:
    """Draw a model into a file, as `keras.utils.plot_model`.

    Graphviz draws it. Where its program `dot`, or the Python package graphviz, is not there, an `.svg` is drawn without
    it, and a warning says so; other files need both. Keras leaves out shapes, names and what is in models unless it is
    asked for them; here they are left out on request.

    Args:
        model: A built model. One of your own making, without a graph, is shown with its layers in their order, without
            edges; with `expand_nested=False` as one box, as in Keras.
        to_file: What to write: `.svg`, `.png`, `.pdf`, `.dot` (the text for Graphviz), or another of Graphviz's
            formats. Without an ending it is PNG.
        show_shapes: As for `model_to_dot`, and so are the others.
        show_dtype: See there.
        show_layer_names: See there.
        rankdir: See there.
        expand_nested: See there.
        dpi: See there; an SVG has no dots.
        show_layer_activations: See there.
        show_trainable: See there.
        splines: See there; it has no meaning where Graphviz is not there.
        show_masks: See there.
        layer_range: See there.

    Returns:
        A `Picture`, which a notebook shows.

    Raises:
        NotBuiltError: The model has no shapes yet.
        UnsupportedError: The form needs Graphviz, which is not there.
        SaveError: The file cannot be written.
    """
    _check("plot_model", model, rankdir, dpi, layer_range)
    shown = Shown(
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable, expand_nested, show_masks
    )
    path = text_of(to_file, "plot_model: to_file")
    data, drawn_by = _rendered(read(model, shown), path, rankdir, dpi, splines)
    with replacing(path) as made:
        Path(made).write_bytes(data)
    return Picture(path, drawn_by)


def _rendered(diagram: Diagram, path: str, rankdir: str, dpi: int | None, splines: str) -> tuple[bytes, str]:
    """What stands in the file, and who has drawn it."""
    ending = _ending(path)
    if ending in ("dot", "gv"):
        return to_dot(diagram, rankdir, dpi, splines).source.encode(), "graphviz"
    lack = _lack()
    if ending == "svg" and lack:
        warnings.warn(f"{quote(path)} is drawn without Graphviz: {lack}", stacklevel=3)
        return to_svg(diagram, rankdir).encode(), "kerastorch"
    if lack:
        raise UnsupportedError(
            f"{quote(path)}: Graphviz makes .{ending}, and {lack[0].lower()}{lack[1:]} A name that ends in .svg needs "
            "neither; browsers open and print it."
        )
    package = graphviz()
    if ending not in package.FORMATS:
        raise ArgumentError(
            f"plot_model: to_file={quote(path)}: there is no form .{ending}; expected .svg, .png, .pdf or .dot."
        )
    made = to_dot(diagram, rankdir, None if ending == "svg" else dpi, splines)
    try:
        return made.pipe(format=ending), "graphviz"
    except package.CalledProcessError as error:
        raise UnsupportedError(f"{quote(path)}: Graphviz has failed: {quote(str(error), 400)}") from error


def _lack() -> str:
    """What is missing to have Graphviz draw; "" if nothing is."""
    try:
        graphviz()
    except UnsupportedError:
        return f"The Python package graphviz is not installed ({install('plot')})."
    return "" if shutil.which("dot") else f"The program dot is not installed ({_GET_DOT})."


def _ending(path: str) -> str:
    return os.path.splitext(path)[1][1:].lower() or "png"


def _check(what: str, model: Any, rankdir: Any, dpi: Any, layer_range: Any) -> None:
    if not isinstance(model, Model):
        hint = " kt.from_torch(module, example) makes a model of a torch module."
        raise ArgumentError(f"{what}: expected a kerastorch model, got {quote(type(model).__name__)}.{hint}")
    check.one_of(f"{what}: rankdir", rankdir, _WAYS)
    if dpi is not None:
        check.positive(f"{what}: dpi", dpi)
    if layer_range is not None:
        raise UnsupportedError(
            f"{what}: layer_range is not in Keras 3; draw Model(first.input, last.output), which shares the layers."
        )
