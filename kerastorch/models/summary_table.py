"""summary: Keras's table of layers, output shapes and parameter counts."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..base import check
from ..base.layer import Layer
from ..errors import ArgumentError, UnsupportedError, quote
from ..structure import map_shapes
from .graph import Graph
from .model import Model
from .summary_columns import TITLES, bias_note, checked, column_of, table_of_torchinfo
from .summary_rows import count, rows, totals
from .table_text import blocks, fits, least_widths, rendered

_NUMBERS = ("Param #", "Memory", "Mult-adds", "In torch")


@dataclass(frozen=True)
class Table:
    """How the table looks; see `Runs.summary`."""

    line_length: int | None = None
    positions: Sequence[float] | None = None
    expand_nested: bool = False
    show_trainable: bool = False
    layer_range: Sequence[str] | None = None
    columns: Sequence[str] = ()
    width: int | None = None

    def __post_init__(self) -> None:
        if callable(self.line_length):
            raise ArgumentError(
                "summary: line_length: expected an integer, got a function; the order of the arguments is Keras's: "
                "summary(print_fn=...)."
            )
        if self.line_length is not None:
            check.positive("summary: line_length", self.line_length)
        if self.width is not None:
            check.positive("summary: width", self.width)
        if checked(self.columns) and (self.line_length is not None or self.positions is not None):
            raise ArgumentError("summary: columns go with width=, not with line_length= or positions=.")
        for name in ("expand_nested", "show_trainable"):
            check.boolean(f"summary: {name}", getattr(self, name))


def summary(
    model: Model, print_fn: Callable[[str], Any], table: Sequence[Any], style: str, options: dict[str, Any]
) -> None:
    """See `Runs.summary`; `table` are the fields of `Table`."""
    wanted = Table(*table)
    if check.one_of("style", style, ("keras", "torch")) == "torch":
        print_fn(_torch_summary(model, options))
        return
    if options:
        raise ArgumentError(f"summary: {sorted(options)} go with style='torch' only.")
    print_fn(_keras_summary(model, wanted))


def _keras_summary(model: Model, wanted: Table) -> str:
    """The table as text."""
    graph = isinstance(model._graph, Graph) and (wanted.positions is None or len(wanted.positions) > 3)
    headings = ["Layer (type)", "Output Shape", "Param #", *(["Connected to"] if graph else [])]
    stated = [*headings, *(["Trainable"] if wanted.show_trainable else [])]
    widths = _widths(wanted, stated, graph)
    names = (*(["trainable"] if wanted.show_trainable else []), *wanted.columns)
    further = [column_of(model, name) for name in names]
    headings += [title for name in names for title in TITLES[name]]
    cells = []
    for depth, layer, shape, before in _within(wanted, rows(model, wanted.expand_nested)):
        numbers = f"{sum(count(layer)):,}" if layer._built else "0 (unbuilt)"
        line = ["  " * depth + f"{layer.name} ({layer._kind})", str(shape), numbers]
        line += [", ".join(before) or "-"] if graph else []
        cells.append([*line, *(text for column in further for text in column(layer))])
    trainable, other = totals(model)
    footer = [
        f" Total params: {trainable + other:,}",
        f" Trainable params: {trainable:,}",
        f" Non-trainable params: {other:,}",
    ]
    if "torch" in wanted.columns and model._built and (note := bias_note(model, trainable + other)):
        footer += textwrap.wrap(note, wanted.width or 10_000, initial_indent=" ", subsequent_indent=" ")
    return _text(model, headings, cells, wanted, widths) + "\n" + "\n".join(footer)


def _text(
    model: Model, headings: list[str], cells: list[list[str]], wanted: Table, widths: Sequence[int | None]
) -> str:
    """The table: in the widths that are stated, else as wide as its texts, and where they do not fit, folded."""
    from rich import box
    from rich.table import Table as RichTable

    title = f'Model: "{model.name}"'
    stated = any(width is not None for width in widths)
    width = None if stated else wanted.width
    if width is not None and not fits(headings, cells, width):
        return f"{title}\n\n{blocks(headings, cells, width)}\n"
    # What does not fit into a stated width goes on in the next line.
    table = RichTable(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    least = least_widths(headings, cells)
    for place, heading in enumerate(headings):
        column = widths[place] if place < len(widths) else None
        justify = "right" if heading in _NUMBERS else "center" if heading == "Trainable" else "left"
        whole = column is None and width is None
        narrow = None if column else least[place]
        table.add_column(heading, justify=justify, no_wrap=whole, width=column, min_width=narrow, overflow="fold")
    for line in cells:
        table.add_row(*line)
    return rendered(table, width)


def _widths(wanted: Table, headings: Sequence[str], graph: bool) -> list[int | None]:
    """How many characters each column has, out of a line of a stated length; None where its texts decide."""
    if wanted.line_length is None and wanted.positions is None:
        return [None] * len(headings)
    length = wanted.line_length or (108 if graph else 88) + 12 * wanted.show_trainable
    ends = list(wanted.positions or ((0.3, 0.56, 0.74, 1.0) if graph else (0.45, 0.80, 1.0)))
    if len(ends) < len(headings) - wanted.show_trainable or list(ends) != sorted(ends) or not ends[0] > 0:
        columns = ", ".join(headings[: len(headings) - wanted.show_trainable])
        raise ArgumentError(
            f"summary: positions: expected rising numbers, one for each of {columns}, got {quote(wanted.positions)}."
        )
    if ends[-1] > 1:  # places in the line, as in Keras 2
        places = [int(end) for end in ends] + [int(ends[-1]) + 12] * wanted.show_trainable
    else:
        parts = [end * 0.9 for end in ends] + [1.0] if wanted.show_trainable else ends
        places = [int(part * length) for part in parts]
    # Around the text of a column stands a space on each side, and one more between columns and at the edge.
    spans = [end - start for start, end in zip([0, *places], places, strict=False)][: len(headings)]
    widths = [span - (3 if place else 4) for place, span in enumerate(spans)]
    if min(widths) < 1:
        raise ArgumentError(
            f"summary: columns of {spans} characters are too narrow, each needs 5; give a larger line_length."
        )
    return list(widths)


Row = tuple[int, Layer, Any, list[str]]


def _within(wanted: Table, found: Iterator[Row]) -> list[Row]:
    """The rows from the first layer of `layer_range` to the last one, with those inside them."""
    listed = list(found)
    if wanted.layer_range is None:
        return listed
    names = wanted.layer_range
    if isinstance(names, str) or len(names) != 2 or not all(isinstance(name, str) for name in names):
        raise ArgumentError(f"summary: layer_range: expected two names of layers, got {quote(names)}.")
    outer = [row for row in listed if row[0] == 0]
    places = [[place for place, row in enumerate(outer) if re.match(name, row[1].name)] for name in names]
    if not all(places):
        raise ArgumentError(
            f"summary: layer_range: no layer is called {quote(names[0] if not places[0] else names[1])}; the layers "
            f"are {[row[1].name for row in outer]}."
        )
    first, last = min(places[0]), max(places[1])
    if first > last:
        first, last = min(places[1]), max(places[0])
    starts = [place for place, row in enumerate(listed) if row[0] == 0] + [len(listed)]
    return listed[starts[first] : starts[last + 1]]


def _torch_summary(model: Model, options: dict[str, Any]) -> str:
    """torchinfo's table, on an input of ones of the model's shapes (1 row, unknown sizes 1)."""
    if not model._built:
        raise model._not_built("shapes")
    if "input_data" not in options and "input_size" not in options:
        data: list[Any] = []
        map_shapes(
            lambda shape: data.append(torch.ones([size or 1 for size in shape], dtype=model.dtype)), model._in_shape
        )
        options["input_data"] = [data if len(data) > 1 else data[0]]
    if options.pop("verbose", 0):
        raise UnsupportedError("summary: verbose is not taken; the text goes to print_fn.")
    return table_of_torchinfo(model, options)
