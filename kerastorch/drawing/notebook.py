"""What notebooks show of a model: a table of its layers and a picture, both to be folded; no scripts, no style sheet.

Colours are those of the page, faint or readable on white and on black, so that dark themes need no rules of their own.
"""

from __future__ import annotations

from ..errors import counted
from ..models.model import Model
from ..models.summary_rows import count, rows
from .diagram import Diagram, markup, shown
from .reading import Shown, read
from .svg import PAGE, to_svg

_MOST_LAYERS = 300  # in a table or picture that nobody has asked for
_OPEN = 30  # layers of a model whose picture is unfolded
_CELL = "text-align:{};padding:2px 10px;border:0;background:none;color:inherit;white-space:pre-wrap"
_RULE = "border:0;border-bottom:1px solid #80808066"


def html_of(model: Model) -> str:
    """The table and the picture as HTML."""
    listed = list(rows(model, expand_nested=True))
    trained, fixed = count(model) if model._built else (0, 0)
    head = f"{model.name}"
    total = counted(trained + fixed, "parameter") if model._built else "not built"
    parts = [
        '<div style="color:inherit;font-family:Helvetica,Arial,sans-serif;font-size:13px">',
        f"<details open><summary><b>{markup(shown(head))}</b> ({markup(shown(model._kind))}), "
        f"{counted(len(listed), 'layer')}, {total}</summary>",
        _table(model, listed[:_MOST_LAYERS]),
    ]
    if len(listed) > _MOST_LAYERS:
        parts.append(f"<p>and {counted(len(listed) - _MOST_LAYERS, 'more layer')}; summary() lists them all</p>")
    if model._built:
        parts.append(f"<p>{trained:,} trained, {fixed:,} not</p>")
    parts.append("</details>")
    diagram = _diagram(model)
    if diagram is not None:
        unfolded = " open" if len(listed) <= _OPEN else ""
        picture = to_svg(diagram, ink=PAGE).partition("\n")
        drawn = picture[0].replace("<svg ", '<svg style="max-width:100%;height:auto" ', 1) + picture[2]
        parts.append(f"<details{unfolded}><summary>picture</summary>{drawn}</details>")
    return "\n".join([*parts, "</div>"])


def svg_of(model: Model) -> str | None:
    """The picture on white paper; None where there is none."""
    diagram = _diagram(model)
    return None if diagram is None else to_svg(diagram)


def _diagram(model: Model) -> Diagram | None:
    """What is drawn; nothing of a model without shapes, or of one whose picture nobody would look at."""
    if not model._built or not model.layers or sum(1 for _ in rows(model, expand_nested=True)) > _MOST_LAYERS:
        return None
    return read(model, Shown())


def _table(model: Model, listed: list) -> str:  # type: ignore[type-arg]
    left, right = _CELL.format("left"), _CELL.format("right")
    lines = ['<table style="border-collapse:collapse;margin:6px 0;color:inherit;background:none">']
    cells = zip(("Layer", "Class", "Output shape", "Parameters"), (left, left, left, right), strict=True)
    head = "".join(f'<th style="{style};font-weight:bold">{text}</th>' for text, style in cells)
    lines.append(f'<tr style="background:none;{_RULE}">{head}</tr>')
    for depth, layer, shape, _ in listed:
        name = "\u2003" * depth + shown(layer.name, 80)
        number = f"{sum(count(layer)):,}" if layer._built else "not built"
        texts = zip((name, shown(layer._kind), str(shape), number), (left, left, left, right), strict=True)
        row = "".join(f'<td style="{style}">{markup(text)}</td>' for text, style in texts)
        lines.append(f'<tr style="background:none">{row}</tr>')
    return "".join([*lines, "</table>"])
