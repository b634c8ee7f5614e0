"""`kerastorch scan PATH...`: what files would do to a program that loads them, without loading one."""

from __future__ import annotations

import argparse
from typing import Any

from ._json import as_text
from ._loading import add_limit, by_option, limits_of


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser(
        "scan",
        help="whether files are safe to load: nothing of them is run",
        description="Look at files of models, and at all in folders, without loading one.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a folder with all that is in it")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--strict", action="store_true", help="count code of one's own as unsafe")
    parser.add_argument("--quick", action="store_true", help="do not try whether arrays fit: that alone needs torch")
    add_limit(parser)


def run(options: argparse.Namespace) -> int:
    from ..scanning import scan

    report = scan(*options.paths, strict=options.strict, fit=not options.quick, limits=limits_of(options))
    if options.json:
        print(as_text("scan", report.status, report.to_dict()))
    else:
        print(by_option(str(report)))
    return report.status
