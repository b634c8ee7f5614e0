"""`kerastorch self-check`: whether the layers compute on this machine what they shall."""

from __future__ import annotations

import argparse
from typing import Any

from ._json import add_json, show_report
from ._keras import show_progress


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser("self-check", help="every layer on this machine, beside values that ship with it")
    parser.set_defaults(run=run)
    parser.add_argument("--device", metavar="D", default="cpu", help="cpu, cuda, cuda:1, mps; cpu if left out")
    parser.add_argument(
        "--dtype", metavar="T", default="float32", help="float32 (without TF32), float64, bfloat16, float16"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    from ..self_check import self_check

    report = self_check(options.device, options.dtype, show_progress())
    return show_report(options, report)
