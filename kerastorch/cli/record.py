"""`kerastorch record`: write down what Keras computes, here or where kerastorch is not."""

from __future__ import annotations

import argparse
import os
import shlex
from typing import Any

from ..errors import ArgumentError, counted, quote
from ._json import add_json, only_json, write_json
from ._keras import add_keras, keras_options, show_progress
from ._loading import add_arch
from ._printing import make_console, shown


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser("record", help="write down what Keras computes for a file, to compare with later")
    parser.set_defaults(run=run)
    parser.add_argument("file", metavar="FILE", nargs="?", help="a model file of Keras")
    parser.add_argument("--script", action="store_true", help="print the recorder, one file for any Python and Keras")
    parser.add_argument("--out", metavar="R.npz", help="where to write; FILE.recording.npz if left out")
    parser.add_argument("--max-mb", metavar="N", type=int, default=256, help="arrays that are kept, in MB")
    parser.add_argument("--outputs-only", action="store_true", help="leave the layers out")
    add_json(parser)
    add_arch(parser)
    add_keras(parser)


def run(options: argparse.Namespace) -> int:
    from ..parity import load_checked, record, recorder_script

    if options.script:
        if options.file is not None or options.json is not None:
            raise ArgumentError("record: --script prints the recorder; it takes no FILE and no --json.")
        print(recorder_script(), end="")
        return 0
    if options.file is None:
        raise ArgumentError("record: give a FILE, or --script.")
    if not options.trust:
        load_checked(options.file, options.arch, trust=False)
    recording = record(
        options.file,
        options.out or f"{options.file}.recording.npz",
        arch=options.arch,
        layers=not options.outputs_only,
        max_mb=options.max_mb,
        progress=show_progress(),
        **keras_options(options),
    )
    console = make_console(quiet=only_json(options))
    console.print(
        f"{shown(recording.path)}: {counted(len(recording.probes), 'probe')}, "
        f"{counted(len(recording.layers), 'layer')}, by"
    )
    console.print(f"{shown(recording.reference)}.")
    if not recording.complete:
        console.print("Some layers had no room; --max-mb makes more.")
    command = ["kerastorch", "verify", options.file, *(["--arch", options.arch] if options.arch else [])]
    command = shlex.join([*command, "--recording", os.fspath(recording.path)])
    console.print(f"Compare: {command if command.isprintable() else quote(command)}", soft_wrap=True)
    said = {
        "file": options.file,
        "out": os.fspath(recording.path),
        "reference": recording.reference,
        "probes": len(recording.probes),
        "layers": len(recording.layers),
        "complete": recording.complete,
        "compare": command,
    }
    write_json(options, 0, said)
    return 0
