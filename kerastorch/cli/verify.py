"""`kerastorch verify FILE`: compare with what Keras computes, now or recorded before."""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ArgumentError, counted, plural, quote
from ._json import add_json, only_json, show_report, write_json
from ._keras import add_custom_here, add_keras, custom_objects, keras_options, show_progress
from ._loading import add_arch, add_bounds, add_file, bounded, bounds, load, opened
from ._printing import make_console, print_table, shown


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
    add_json(parser)
    parser.add_argument("--html", metavar="PATH", help="write the report as one HTML page too")
    parser.add_argument(
        "--what", metavar="W,W", help="of outputs, layers, states, gradients, training; all of them if left out"
    )
    parser.add_argument("--steps", metavar="N", type=int, help="of the training; 5 if left out")
    add_file(parser)
    add_arch(parser)
    add_bounds(parser)
    add_keras(parser)
    add_custom_here(parser)


def run(options: argparse.Namespace) -> int:
    if options.golden is None:
        return _run_parity(options)
    if any(getattr(options, name) is not None for name in ("recording", "html", "what", "steps")):
        raise ArgumentError("verify: --golden stands alone: --recording, --what, --steps and --html do not go with it.")
    return _run_golden(options)


def _run_parity(options: argparse.Namespace) -> int:
    """The comparison layer by layer; 1 where it fails."""
    from ..parity import check_parity, compare, read_recording

    if options.prefix is not None:
        raise ArgumentError("verify: --prefix belongs to --golden.")
    own = custom_objects(options.custom_here)
    chosen: dict[str, Any] = {}
    if options.what is not None:
        chosen["what"] = tuple(options.what.split(","))
    if options.steps is not None:
        chosen["steps"] = options.steps
    if options.recording is not None:
        if chosen:
            raise ArgumentError("verify: a recording holds what was compared: leave out --what and --steps.")
        report = compare(read_recording(options.recording), load(options, own))
    else:
        again: dict[str, Any] = {**chosen, "arch": options.arch, "progress": show_progress(), **keras_options(options)}
        report = check_parity(
            options.file, custom_objects=own, reading=bounds(options) if bounded(options) else None, **again
        )
    return show_report(options, report, options.html)


def _run_golden(options: argparse.Namespace) -> int:
    from ..parity.golden import TITLES, compare_golden

    golden = _read_golden(options.golden)
    prefix = options.prefix if options.prefix is not None else _prefix_of_writer(options, golden)
    own = custom_objects(options.custom_here)
    comparisons = compare_golden(load(options, own), golden, prefix)
    console = make_console(quiet=only_json(options))
    print_table(console, TITLES, [item.cells for item in comparisons], right=(2, 3, 4))
    wrong = sum(item.verdict != "same" for item in comparisons)
    source = f"{shown(options.golden)}"
    said = {"passed": not wrong, "golden": options.golden, "outputs": [item.to_dict() for item in comparisons]}
    write_json(options, 1 if wrong else 0, said)
    if wrong:
        console.print(
            f"{wrong} of {counted(len(comparisons), 'output')} {plural(wrong, 'differs', 'differ')} from {source}."
        )
        return 1
    judged = plural(len(comparisons), "The output is", f"All {counted(len(comparisons), 'output')} are")
    console.print(f"{judged} what {source} recorded.")
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


def _prefix_of_writer(options: argparse.Namespace, golden: Mapping[str, np.ndarray]) -> str:
    """The outputs of the Keras that gives the file its meaning; plain `y0` where the golden file has only these."""
    from ..compat import detect_writer

    with opened(options) as archive:
        if archive.config is not None:
            keras3 = detect_writer(archive.config, archive.keras_version, archive.backend).era == "keras3"
        else:
            keras3 = (archive.keras_version or "").startswith("3")
    prefix = "keras3_" if keras3 else "tf_keras_"
    return prefix if f"{prefix}y0" in golden else ""
