"""`kerastorch convert IN OUT`: an old file into one that today's Keras opens, or into a state dict."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, counted, plural, quote
from ._json import add_json, left_out, only_json, parameters, rules, write_json
from ._loading import add_arch, add_bounds, load_reported
from ._places import refuse_place
from ._printing import make_console, print_table, shown

if TYPE_CHECKING:
    from ..files import Skipped
    from ..load import LoadReport
    from ..models import Model
    from ..parity.golden import Comparison
    from ..spec import Rule

# A kind of output -> the endings of its files.
KINDS = {
    "keras3": (".keras", ".h5", ".hdf5"),
    "keras2": (".keras", ".h5", ".hdf5"),
    "torch": (".pt", ".pth"),
    "safetensors": (".safetensors",),
}
_DEFAULT = {ending: kind for kind in ("keras3", "torch", "safetensors") for ending in KINDS[kind]}

_DESCRIPTION = """\
Write a Keras file of any version into another one, without Keras.

  keras3       OUT.keras or OUT.h5, which Keras 3.15 opens and which gives the numbers of the original there
  keras2       the same for tf-keras
  torch        OUT.pt or OUT.pth: model.state_dict(), plain tensors only; torch.load(OUT, weights_only=True) reads it
  safetensors  OUT.safetensors: the same, with the names of the layers and the Keras version in its metadata

As plain PyTorch code, for ONNX or as a program of torch.export: kerastorch export. Into a torch module of your own:
kt.copy_weights(IN, module). docs/leave.md has all ways, with limits.

What was changed so that the numbers stay is listed. What the target cannot express is refused by name, and nothing is
written. OUT stays what it was until the new file is whole. A file that stands there is replaced only with --force, and
IN is never overwritten.
"""


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser(
        "convert",
        help="write it for today's Keras, or as a state dict",
        description=_DESCRIPTION,
    )
    parser.set_defaults(run=run)
    parser.add_argument("file", metavar="IN", help=".keras, .h5, .hdf5 or .weights.h5 of any Keras")
    parser.add_argument("out", metavar="OUT", help="the new file; its ending says its kind where --to does not")
    parser.add_argument("--to", choices=[*KINDS], help="what to write; keras3 for .keras and .h5 if not given")
    parser.add_argument("--force", action="store_true", help="replace OUT if it is there")
    parser.add_argument("--check", action="store_true", help="read OUT again and compare outputs on random inputs")
    add_json(parser)
    add_arch(parser)
    add_bounds(parser)


def run(options: argparse.Namespace) -> int:
    """Convert; the exit status."""
    from ..files import Skipped

    kind = _kind(options.out, options.to)
    refuse_place(options.out, (options.file, options.arch), options.force)
    if kind == "torch" and options.check:
        raise ArgumentError(
            "--check reads the new file, and a .pt file is a pickle, which kerastorch never opens: write .safetensors."
        )
    begin = time.monotonic()
    with _progress() as stage:
        stage("reading", None)
        model, read = load_reported(options)
        total = sum(variable.value.numel() for variable in model.variables)
        wrote = stage("writing", total)
        written: Sequence[Rule] = ()
        if kind in ("torch", "safetensors"):
            from ._state_dict import write_state_dict

            write_state_dict(model, options.out, kind, read.writer, wrote)
        else:
            from ..saving.save import save_model_watched

            written = save_model_watched(model, options.out, kind, wrote).rules  # type: ignore[arg-type]
        comparisons = None
        if options.check:
            from ._checking import compare_file

            stage("checking", None)
            comparisons = compare_file(model, options.out)
    skipped = list(read.skipped)
    if model._compiled_as is not None and kind in ("torch", "safetensors"):
        skipped.append(Skipped(model.name, "how the model was compiled: a state dict holds tensors only"))
    _print(options, model, read, written, skipped, time.monotonic() - begin)
    status = 0 if comparisons is None else _print_check(options, comparisons)
    said = {
        "file": options.file,
        "format": read.format,
        "written_by": read.writer,
        "out": options.out,
        "to": kind,
        "bytes": {"file": os.path.getsize(options.file), "out": os.path.getsize(options.out)},
        "read": rules(read.rules),
        "written": rules(written),
        "left_out": left_out(skipped),
        "layers": len(model.layers),
        "arrays": len(model.variables),
        "parameters": parameters(model),
        "check": None if comparisons is None else [item.to_dict() for item in comparisons],
    }
    write_json(options, status, said)
    return status


def _kind(out: str, stated: str | None) -> str:
    """What to write, by --to or by the ending of OUT."""
    ending = os.path.splitext(out)[1].lower()
    if stated is None:
        if ending not in _DEFAULT or out.lower().endswith(".weights.h5"):
            raise ArgumentError(
                f"OUT {quote(out)}: expected an ending of {', '.join(_DEFAULT)}, got {quote(ending)}; weights alone "
                "are written as .safetensors or .pt."
            )
        return _DEFAULT[ending]
    if ending not in KINDS[stated]:
        raise ArgumentError(f"OUT {quote(out)}: --to {stated} writes {' or '.join(KINDS[stated])}.")
    return stated


# ---------------------------------------------------------------------------- printing

Stage = Callable[[str, "int | None"], Callable[[int], None]]


@contextmanager
def _progress() -> Iterator[Stage]:
    """A bar on a terminal, on stderr; nothing elsewhere. A stage begins with its name and its size, None if unknown."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, force_jupyter=False)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def stage(name: str, total: int | None) -> Callable[[int], None]:
            bar.reset(task, description=name, total=total)
            return lambda done: bar.advance(task, done)

        yield stage


def _print(
    options: argparse.Namespace,
    model: Model,
    read: LoadReport,
    written: Sequence[Rule],
    skipped: Sequence[Skipped],
    seconds: float,
) -> None:
    from ..models.summary_rows import count

    console = make_console(quiet=only_json(options))
    console.print(f"{shown(options.file)} ({_size(options.file)}; {read.format}, {shown(read.writer)})")
    console.print(f"-> {shown(options.out)} ({_size(options.out)})")
    rows = [("read", shown(rule.layer), shown(rule.text)) for rule in read.rules]
    rows += [("written", shown(rule.layer), shown(rule.text)) for rule in written]
    rows += [("left out", shown(item.what), shown(item.reason)) for item in skipped]
    if rows:
        print_table(console, ("", "Layer", "What was changed"), rows)
    else:
        console.print("Nothing was changed.")
    trained, fixed = count(model)
    console.print(
        f"{counted(len(model.layers), 'layer')}, {counted(len(model.variables), 'array')}, "
        f"{counted(trained + fixed, 'parameter')} ({trained:,} trainable), {seconds:.1f} s"
    )


def _print_check(options: argparse.Namespace, comparisons: Sequence[Comparison]) -> int:
    """The outputs of the new file beside those of the old one; the exit status."""
    from ..parity.golden import TITLES

    console = make_console(quiet=only_json(options))
    print_table(console, TITLES, [item.cells for item in comparisons], right=(2, 3, 4))
    wrong = sum(item.verdict != "same" for item in comparisons)
    console.print(
        f"{wrong} of {counted(len(comparisons), 'output')} of the new file {plural(wrong, 'differs', 'differ')}."
        if wrong
        else "The new file gives the same numbers."
    )
    return 1 if wrong else 0


def _size(path: str) -> str:
    size = float(os.path.getsize(path))
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
