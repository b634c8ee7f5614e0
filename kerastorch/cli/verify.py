"""`kerastorch verify FILE`: compare with what Keras computes, now or recorded before."""

from __future__ import annotations

import argparse
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, quote
from ._keras import add_keras, keras_options, show_progress
from ._loading import add_arch, add_file, load
from ._printing import make_console, print_table, shown

if TYPE_CHECKING:
    from ..models import Model

# What "the same numbers" means: float32 sums in another order, over a few hundred steps, stay below this.
TOLERANCE = 1e-5


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser("verify", help="compare with what Keras computes, layer by layer")
    parser.set_defaults(run=run)
    parser.add_argument(
        "--recording", metavar="R.npz", help="what `kerastorch record` or its script wrote; no Keras runs"
    )
    parser.add_argument(
        "--golden", metavar="G.npz", help="inputs x0, x1, ... and outputs y0, y1, ... of anyone's making"
    )
    parser.add_argument("--prefix", metavar="P", help="of the outputs in the golden file: keras3_ or tf_keras_, say")
    parser.add_argument("--json", metavar="PATH", help="write the report as JSON too; - prints that alone")
    add_file(parser)
    add_arch(parser)
    add_keras(parser)


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
        results = flat(computed)
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


def flat(outputs: Any) -> list[np.ndarray]:
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    return [array for item in outputs for array in flat(item)] if isinstance(outputs, (list, tuple)) else [outputs]


def run(options: argparse.Namespace) -> int:
    if options.golden is None:
        return _run_parity(options)
    if options.recording is not None or options.json is not None:
        raise ArgumentError("verify: --golden stands alone: neither --recording nor --json goes with it.")
    return _run_golden(options)


def _run_parity(options: argparse.Namespace) -> int:
    """The comparison layer by layer; 1 where it fails."""
    from ..parity import check_parity, compare, read_recording

    if options.prefix is not None:
        raise ArgumentError("verify: --prefix belongs to --golden.")
    if options.recording is not None:
        report = compare(read_recording(options.recording), load(options))
    else:
        report = check_parity(options.file, arch=options.arch, progress=show_progress(), **keras_options(options))
    if options.json is not None:
        text = json.dumps(report.to_dict(), indent=1)
        if options.json == "-":
            print(text)
        else:
            try:
                Path(options.json).write_text(text + "\n", encoding="utf-8")
            except OSError as error:
                raise ArgumentError(f"--json {quote(options.json)} cannot be written: {error}") from error
    if options.json != "-":
        make_console().print(str(report))
    return 0 if report.passed else 1


def _run_golden(options: argparse.Namespace) -> int:
    golden = _read_golden(options.golden)
    prefix = options.prefix if options.prefix is not None else _prefix_of_writer(options.file, golden)
    comparisons = compare_golden(load(options), golden, prefix)
    console = make_console()
    rows = [
        (item.name, str(item.golden.shape), f"{item.difference:.2e}", f"{item.bound:.2e}", item.verdict)
        for item in comparisons
    ]
    print_table(console, ("Output", "Shape", "Max |difference|", "Bound", "Verdict"), rows, right=(2, 3))
    wrong = sum(item.verdict != "same" for item in comparisons)
    source = f"{shown(options.golden)}"
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
    from ..compat import detect_writer
    from ..files import open_archive

    with open_archive(path) as archive:
        if archive.config is not None:
            keras3 = detect_writer(archive.config, archive.keras_version, archive.backend).era == "keras3"
        else:
            keras3 = (archive.keras_version or "").startswith("3")
    prefix = "keras3_" if keras3 else "tf_keras_"
    return prefix if f"{prefix}y0" in golden else ""
