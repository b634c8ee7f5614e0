"""Compiles kerastorch/native when the package is built; where there is no C compiler, the package does without."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path("kerastorch", "native")
FLAGS = ["-O3", "-std=gnu11", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math"]
# What torch calls the levels of a processor's vector units, and the compiler's flags for each.
LEVELS = {"DEFAULT": []}
if platform.machine().lower() in ("x86_64", "amd64"):
    LEVELS |= {"AVX2": ["-march=x86-64-v3"], "AVX512": ["-march=x86-64-v4", "-mprefer-vector-width=512"]}


class CompiledRecurrences(BuildHookInterface):
    """Puts `steps-avx512.so` and its like beside their sources, and into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        made = [library for level, flags in LEVELS.items() if (library := self._compile(level, flags))]
        if not made:
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform_tag()}"
        build_data["artifacts"] += [library.as_posix() for library in made]

    def _compile(self, level: str, flags: list[str]) -> Path | None:
        """The library of a level, or None where it cannot be made."""
        library = SOURCES / f"steps-{level.lower()}.so"
        Path(self.root, library).unlink(missing_ok=True)  # of other sources, if nothing is made of these
        compiler = shlex.split(os.environ.get("CC", "cc"))
        if sys.platform == "win32" or shutil.which(compiler[0]) is None:
            self.app.display_warning("no C compiler: recurrences run on operations of torch, which is slower")
            return None
        unfinished = Path(self.root, library).with_suffix(".part")
        command = [*compiler, *FLAGS, *flags, "-o", str(unfinished), str(Path(self.root, SOURCES, "steps.c"))]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            self.app.display_warning(f"{shlex.join(command)} failed, and is left out:\n{done.stderr}")
            return None
        unfinished.replace(Path(self.root, library))
        return library


def _platform_tag() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")
