"""A diagram in Graphviz's language, through the Python package `graphviz`."""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedError
from ..packaged import install
from .diagram import HEADS, MEANING, STROKES, Box, Diagram, Edge, EdgeKind, Group, markup

_FONT = "Helvetica"
_DASHES: dict[EdgeKind, str] = {"data": "solid", "masked": "dashed", "mask": "dotted", "state": "dashed"}


def graphviz() -> Any:
    """The package `graphviz`.

    Raises:
        UnsupportedError: It is not installed.
    """
    try:
        import graphviz as package  # type: ignore[import-not-found]
    except ImportError as error:
        raise UnsupportedError(
            f"This needs the Python package graphviz, which is not installed: {install('plot')}. A picture that ends "
            "in .svg is drawn without it."
        ) from error
    return package


def to_dot(diagram: Diagram, rankdir: str, dpi: int | None, splines: str, subgraph: bool = False) -> Any:
    """A `graphviz.Digraph` of a diagram; of its frame alone, to be put into another graph, with `subgraph`."""
    root = diagram.root
    if subgraph:
        made = graphviz().Digraph(f"cluster_{root.key}")
        _frame(made, root)
    else:
        made = graphviz().Digraph("model", graph_attr={"rankdir": rankdir, "splines": splines, "pad": "0.15"})
        made.attr(fontname=_FONT)
        if dpi is not None:
            made.attr(dpi=str(dpi))
        if below := _below(diagram):
            made.attr(label=below, labelloc="b", labeljust="l")
    made.attr("node", shape="plain", fontname=_FONT)
    _fill(made, root)
    for edge in diagram.edges:
        made.edge(edge.source, edge.target, **_look(edge))
    return made


def _fill(made: Any, group: Group) -> None:
    for item in group.items:
        if isinstance(item, Box):
            made.node(item.key, _label(item))
        else:
            with made.subgraph(name=f"cluster_{item.key}") as inner:
                _frame(inner, item)
                _fill(inner, item)


def _frame(made: Any, group: Group) -> None:
    label = f"<<b>{markup(group.title)}</b>>"
    made.attr(label=label, labelloc="t", labeljust="l", fontname=_FONT, style="dashed,rounded,filled", color="#7b61c4")
    made.attr(fillcolor="#7b61c40f")


def _look(edge: Edge) -> dict[str, str]:
    if edge.kind == "order":
        return {"style": "invis"}
    return {"color": STROKES[edge.kind][0], "style": _DASHES[edge.kind], "penwidth": "1.6"}


def _label(box: Box) -> str:
    """What stands in a box, as a table in Graphviz's markup; text of the model is escaped."""
    bold, plain = box.title
    colour = HEADS[box.family]
    head = f"<b>{markup(bold)}</b>" + (f"  {markup(plain)}" if plain else "")
    rows = [f'<tr><td colspan="2" bgcolor="{colour}"><font color="#ffffff">{head}</font></td></tr>']
    for row in box.rows:
        label = f'<font color="#59626d">{markup(row.label)}</font>' if row.label else " "
        rows.append(f'<tr><td align="left">{label}</td><td align="left">{markup(row.text)}</td></tr>')
    table = f'<table border="1" color="{colour}" bgcolor="#f4f6f8" cellborder="0" cellspacing="0" cellpadding="5"'
    return f'<{table} style="rounded">{"".join(rows)}</table>>'


def _below(diagram: Diagram) -> str:
    """The meaning of edges, and the note, as a label; "" where there is nothing to say."""
    signs: dict[EdgeKind, str] = {"data": "——", "masked": "– – –", "mask": "· · · ·", "state": "– – –"}
    lines = [
        f'<font color="{STROKES[kind][0]}"><b>{signs[kind]}</b></font> {markup(MEANING[kind])}<br align="left"/>'
        for kind in diagram.legend
    ]
    lines += [f'{markup(diagram.note)}<br align="left"/>'] if diagram.note else []
    return f"<{''.join(lines)}>" if lines else ""
