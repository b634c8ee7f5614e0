"""The command line: `kerastorch info|summary|verify FILE`.

Exit status: 0 all right, 1 the numbers differ (`verify`) or the model needs code that is not in the file (`info`),
2 wrong use or a file that cannot be read.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ArgumentError, KerasTorchError, quote

if TYPE_CHECKING:
    from rich.console import Console

    from .compat import Reading
    from .files import Archive
    from .layers import Layer
    from .models import Model

# What "the same numbers" means: float32 sums in another order, over a few hundred steps, stay below this.
TOLERANCE = 1e-5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; `sys.argv` if None.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    message = None
    try:
        try:
            status = options.run(options)
        except KerasTorchError as error:
            status, message = 2, f"kerastorch: {' '.join(str(error).split())}"
        sys.stdout.flush()  # what was printed before an error stands before it
    except BrokenPipeError:
        # The reader (head, less) has gone; Python would complain once more when it closes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if message:
        print(message, file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kerastorch", description="Keras recurrent model files on PyTorch.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    info = commands.add_parser("info", help="what a file holds, and on which kernels it will run")
    info.set_defaults(run=_info)
    summary = commands.add_parser("summary", help="the model as Keras prints it: layers, shapes, counts")
    summary.set_defaults(run=_summary)
    verify = commands.add_parser("verify", help="compare with inputs and outputs recorded from Keras")
    verify.set_defaults(run=_verify)
    verify.add_argument("--golden", required=True, metavar="G.npz", help="arrays x0, x1, ... and y0, y1, ...")
    verify.add_argument(
        "--prefix", metavar="P", help="of the outputs in the golden file: keras3_ or tf_keras_, for example"
    )
    for command in (info, summary, verify):
        command.add_argument("file", metavar="FILE", help=".keras, .h5, .hdf5 or .weights.h5")
    for command in (summary, verify):
        command.add_argument("--arch", metavar="A.json", help="for a file of weights only: the model's to_json() text")
    return parser


class _Version(argparse.Action):
    """--version, which looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *unused: Any) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("kerastorch")
        except PackageNotFoundError:
            found = "(not installed, run from its sources)"
        print(f"kerastorch {found}")
        parser.exit()


# ---------------------------------------------------------------------------- info


def _info(options: argparse.Namespace) -> int:
    from .compat import read_config
    from .files import open_archive

    console = _console()
    with open_archive(options.file) as archive:
        console.print(_shown(options.file))
        console.print(f"  format      {archive.format}")
        if archive.config is None:
            stated = f"Keras {_shown(archive.keras_version)}" if archive.keras_version else "not stated"
            backend = f" ({_shown(archive.backend)})" if archive.backend else ""
            console.print(f"  written by  {stated}{backend}")
            _print_arrays(console, archive)
        else:
            try:
                reading = read_config(archive.config, archive.keras_version, archive.backend, partly=True)
            except KerasTorchError as error:
                raise type(error)(f"{_shown(options.file)}: {error}") from error
            console.print(f"  written by  {reading.writer}")
            for rule in reading.rules:
                console.print(f"  rule        {_shown(rule.layer)}: {_shown(rule.text)}")
            if reading.missing:
                _print_sketch(console, reading, options.file, archive)
                return 1
        skipped = archive.skipped
    if archive.config is not None:
        from . import load_model

        _print_layers(console, load_model(options.file))
    for item in skipped:
        console.print(f"not used: {_shown(item.what)}: {_shown(item.reason)}")
    return 0


def _print_sketch(console: Console, reading: Reading, file: str, archive: Archive) -> None:
    """The layers of a model of which some are missing, and what is to be passed for these."""
    from .missing import explain
    from .models._sketch import sketch

    places = sketch(reading.spec)
    cells = []
    for place in places:
        shapes = ", ".join("?" if shape is None else str(shape) for shape in place.outputs)
        depth = place.path.count("/") if "/" not in place.spec.name else 0
        name = "  " * depth + _shown(place.spec.name)
        cells.append((name, _shown(place.class_name), shapes, "missing" if place.is_missing else ""))
    _print_table(console, ("Layer", "Class", "Output shape", ""), cells)
    console.print(explain(reading.missing, f"kt.load_model({file!r}", places, reading.spec, archive))


def _print_layers(console: Console, model: Model) -> None:
    from .models import Model
    from .models._masks import mask_events
    from .models._summary import count, rows

    cells = []
    for depth, layer, shape, _ in rows(model, expand_nested=True):
        path, reason = ("", "") if isinstance(layer, Model) else _kernels(layer)
        name = "  " * depth + _shown(layer.name)
        cells.append((name, layer.kind, str(shape), f"{sum(count(layer)):,}", path, reason))
    _print_table(console, ("Layer", "Class", "Output shape", "Params", "Kernel", "Why"), cells, right=(3,))
    trained, fixed = count(model)
    console.print(f"parameters: {trained + fixed:,} ({trained:,} trainable, {fixed:,} not)")
    wording = {"made": "is made by", "used": "is used by", "lost": "is lost at"}
    for layer, class_name, what in mask_events(model):
        console.print(f"mask: {wording[what]} {_shown(layer)} ({class_name})")


def _kernels(layer: Layer) -> tuple[str, str]:
    """Which kernel a recurrent layer, or the ones inside a wrapper, will run on, and why; empty for other layers."""
    from .layers._recurrent import Recurrent

    found: dict[tuple[str, str], None] = {}
    for module in layer.modules():
        if isinstance(module, Recurrent):
            choice = module.kernel_choice(training=False)
            reason = choice.reason
            while_training = module.kernel_choice(training=True)
            if while_training != choice:
                reason += f"; while training: {while_training.path}, because {while_training.reason}"
            found[choice.path, reason] = None  # the two directions of a Bidirectional mostly say the same
    return "; ".join(path for path, _ in found), "; ".join(reason for _, reason in found)


def _print_arrays(console: Console, archive: Archive) -> None:
    """The arrays of a file of weights only."""
    from .files import LegacyWeights

    rows: list[tuple[str, ...]] = []
    total = 0
    if isinstance(archive.weights, LegacyWeights):
        layers = [(layer.name, layer.weights) for layer in archive.weights.layers]
        layers += [("(top level)", archive.weights.top_level)] if archive.weights.top_level else []
        found = [(owner, name, array) for owner, weights in layers for name, array in weights]
    elif archive.weights is not None:
        objects = archive.weights.objects.items()
        found = [(path, str(i), array) for path, item in objects for i, array in enumerate(item.arrays)]
    else:
        found = []
    for owner, name, array in found:
        total += math.prod(array.shape)
        rows.append((_shown(owner), _shown(name), str(tuple(array.shape)), array.dtype, f"{math.prod(array.shape):,}"))
    _print_table(console, ("Of", "Array", "Shape", "Dtype", "Values"), rows, right=(4,))
    console.print(f"arrays: {len(rows)}, values: {total:,}. There is no architecture in this file.")


# ---------------------------------------------------------------------------- summary


def _summary(options: argparse.Namespace) -> int:
    _load(options).summary()
    return 0


def _load(options: argparse.Namespace) -> Model:
    from . import load_model, load_weights, model_from_json

    if options.arch is None:
        return load_model(options.file)
    try:
        with open(options.arch, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"--arch {quote(options.arch)} cannot be read as text: {error}") from error
    model = model_from_json(text)
    load_weights(model, options.file)
    return model


# ---------------------------------------------------------------------------- verify


@dataclass(frozen=True)
class Comparison:
    """One output beside its golden."""

    name: str
    ours: np.ndarray
    golden: np.ndarray

    @property
    def difference(self) -> float:
        """The largest absolute difference; infinite where the shapes differ, nan where a value is nan."""
        if self.ours.shape != self.golden.shape:
            return math.inf
        return float(np.abs(self.ours.astype("float64") - self.golden).max(initial=0.0))

    @property
    def bound(self) -> float:
        """Relative to the largest golden value, absolute where all are below 1."""
        return TOLERANCE * max(1.0, float(np.abs(self.golden.astype("float64")).max(initial=0.0)))

    @property
    def verdict(self) -> str:
        if self.ours.shape != self.golden.shape:
            return f"DIFFERS: expected shape {self.golden.shape}, got {self.ours.shape}"
        # A golden that is not finite has an infinite bound or none: it can confirm nothing.
        return "same" if math.isfinite(self.bound) and self.difference <= self.bound else "DIFFERS"


def compare_golden(model: Model, golden: Mapping[str, np.ndarray], prefix: str = "") -> list[Comparison]:
    """Run `model` on recorded inputs and put each output beside the recorded one.

    Args:
        model: The model under test.
        golden: Inputs `x0, x1, ...` with outputs `<prefix>y0, ...`; `mx0, ...` with `<prefix>my0, ...`: a second case
            whose inputs hold masked steps; `<prefix>second_y0, ...`: predict once more on `x0, ...`, states kept.
        prefix: What the names of the outputs start with.

    Raises:
        ArgumentError: The golden file has no such case, or another number of inputs or outputs than the model.
    """
    comparisons: list[Comparison] = []
    for inputs, outputs in (("x", "y"), ("x", "second_y"), ("mx", "my")):
        recorded = _numbered(golden, prefix + outputs)
        if not recorded:
            continue
        fed = _numbered(golden, inputs)
        if not fed:
            raise ArgumentError(f"The golden file has outputs {prefix}{outputs}0, ... but no inputs {inputs}0, ...")
        # All rows in one batch: a stateful model takes no other size.
        computed = model.predict(fed if len(fed) > 1 else fed[0], batch_size=len(fed[0]))
        results = _flat(computed)
        if len(results) != len(recorded):
            raise ArgumentError(
                f"The model has {len(results)} output(s), the golden file {len(recorded)} ({prefix}{outputs}0, ...): "
                "it was recorded from another model."
            )
        pairs = zip(results, recorded, strict=True)
        comparisons += [Comparison(f"{prefix}{outputs}{i}", ours, golden) for i, (ours, golden) in enumerate(pairs)]
    if not comparisons:
        held = ", ".join(map(quote, sorted(golden))) or "nothing"
        raise ArgumentError(f"The golden file has no output {prefix}y0. It holds: {held}. Choose one with --prefix.")
    return comparisons


def _numbered(arrays: Mapping[str, np.ndarray], stem: str) -> list[np.ndarray]:
    """`stem0`, `stem1`, ... as far as they go."""
    found: list[np.ndarray] = []
    while (key := f"{stem}{len(found)}") in arrays:
        found.append(arrays[key])
    return found


def _flat(outputs: Any) -> list[np.ndarray]:
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    return [array for item in outputs for array in _flat(item)] if isinstance(outputs, (list, tuple)) else [outputs]


def _verify(options: argparse.Namespace) -> int:
    golden = _read_golden(options.golden)
    prefix = options.prefix if options.prefix is not None else _prefix_of_writer(options.file, golden)
    comparisons = compare_golden(_load(options), golden, prefix)
    console = _console()
    rows = [
        (item.name, str(item.golden.shape), f"{item.difference:.2e}", f"{item.bound:.2e}", item.verdict)
        for item in comparisons
    ]
    _print_table(console, ("Output", "Shape", "Max |difference|", "Bound", "Verdict"), rows, right=(2, 3))
    wrong = sum(item.verdict != "same" for item in comparisons)
    source = f"{_shown(options.golden)}"
    if wrong:
        console.print(f"{wrong} of {len(comparisons)} outputs differ from {source}.")
        return 1
    console.print(f"All {len(comparisons)} outputs are what {source} recorded.")
    return 0


def _read_golden(path: str) -> dict[str, np.ndarray]:
    where = f"--golden {quote(path)}"
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.ndarray):
            with file:
                return {key: file[key] for key in file.files if key != "info"}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise ArgumentError(f"{where} cannot be read as an .npz file of plain arrays: {error}") from error
    raise ArgumentError(f"{where}: expected an .npz file (named arrays), got a single array.")


def _prefix_of_writer(path: str, golden: Mapping[str, np.ndarray]) -> str:
    """The outputs of the Keras that gives the file its meaning; plain `y0` where the golden file has only these."""
    from .compat import detect_writer
    from .files import open_archive

    with open_archive(path) as archive:
        if archive.config is not None:
            keras3 = detect_writer(archive.config, archive.keras_version, archive.backend).era == "keras3"
        else:
            keras3 = (archive.keras_version or "").startswith("3")
    prefix = "keras3_" if keras3 else "tf_keras_"
    return prefix if f"{prefix}y0" in golden else ""


# ---------------------------------------------------------------------------- printing


def _console() -> Console:
    from rich.console import Console

    # A pipe has no width: nothing is cut or wrapped there. Text of files is never read as rich's markup.
    # In a notebook rich would send HTML past sys.stdout.
    width = None if sys.stdout.isatty() else 1000
    return Console(width=width, markup=False, highlight=False, emoji=False, soft_wrap=True, force_jupyter=False)


def _print_table(
    console: Console, titles: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> None:
    from rich.table import Table

    table = Table()
    for index, title in enumerate(titles):
        table.add_column(title, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table, soft_wrap=False)


def _shown(text: object) -> str:
    """Text of a file as it may be printed: as it is where that is harmless."""
    text = str(text)
    return text if text.isprintable() and len(text) <= 200 else quote(text)
