"""Compiles kerastorch/native when the package is built; where there is no C compiler, the package does without."""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path("kerastorch", "native")
FLAGS = ["-O3", "-std=gnu11", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math"]
# The instructions of x86-64-v3 and of x86-64-v4, one by one: GCC before 11 and clang before 12 know no other spelling.
_V3 = ["-msse4.2", "-mpopcnt", "-mcx16", "-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mf16c", "-mlzcnt", "-mmovbe"]
_V4 = [*_V3, *(f"-mavx512{part}" for part in ("f", "bw", "cd", "dq", "vl"))]
_WIDE = ["-mprefer-vector-width=512"]  # unknown to GCC before 8, which does so by itself
# What torch calls the levels of a processor's vector units, and the compiler's flags for each, newest spelling first.
LEVELS: dict[str, list[list[str]]] = {"DEFAULT": [[]]}
X86_LEVELS = {
    "AVX2": [["-march=x86-64-v3"], _V3],
    "AVX512": [["-march=x86-64-v4", *_WIDE], [*_V4, *_WIDE], _V4],
}
LEAST_GLIBC = (2, 17)  # manylinux2014: no torch runs on an older one


class CompiledRecurrences(BuildHookInterface):
    """Puts `steps-avx512.so` and its like beside their sources, or into the wheel.

    What is made for a wheel stays out of the checkout, whose own libraries an editable installation may be running.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        folder = Path(tempfile.mkdtemp(prefix="kerastorch-"))
        self.__folder = folder
        machine = _machine(self.app)
        levels = LEVELS | (X86_LEVELS if machine in ("x86_64", "amd64") else {})
        made = self._compile_all(levels, folder, machine)
        if version == "editable":
            for library in made:
                self._put(library)
            made = [Path(self.root, SOURCES, name) for name in self._names(levels) if self._is_there(name)]
        if made:
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{_platform_tag(made, machine)}"
        if version != "editable":
            build_data["force_include"] |= {str(library): (SOURCES / library.name).as_posix() for library in made}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self.target_name == "wheel":
            shutil.rmtree(self.__folder, ignore_errors=True)

    @staticmethod
    def _names(levels: dict[str, Any]) -> list[str]:
        return [f"steps-{level.lower()}.so" for level in levels]

    def _compile_all(self, levels: dict[str, list[list[str]]], folder: Path, machine: str) -> list[Path]:
        if os.environ.get("KERASTORCH_PURE") == "1":
            return []  # a wheel for any machine; an editable installation keeps what it has
        compiler = shlex.split(os.environ.get("CC") or "cc")
        if sys.platform == "win32" or shutil.which(compiler[0]) is None:
            self.app.display_warning("no C compiler: recurrences run on operations of torch, which is slower")
            return []
        command = [*compiler, *FLAGS, *_target_flags(machine)]
        found = (self._compile(command, level, spellings, folder) for level, spellings in levels.items())
        return [library for library in found if library is not None]

    def _compile(self, command: list[str], level: str, spellings: list[list[str]], folder: Path) -> Path | None:
        """The library of a level, with the first flags that the compiler knows; None where it knows none."""
        library = folder / f"steps-{level.lower()}.so"
        source = Path(self.root, SOURCES, "steps.c")
        failures: list[str] = []
        for flags in spellings:
            full = [*command, *flags, "-o", str(library), str(source)]
            done = subprocess.run(full, capture_output=True, text=True)
            if done.returncode == 0 and library.is_file():
                return library
            failures.append(f"{shlex.join(full)} failed:\n{done.stderr}")
        library.unlink(missing_ok=True)
        self.app.display_warning("\n".join([*failures, f"The code for {level} is left out."]))
        return None

    def _put(self, library: Path) -> None:
        """A library to its place in the checkout, at once: another process may be loading the one that is there."""
        place = Path(self.root, SOURCES, library.name)
        unfinished = place.with_suffix(".part")
        shutil.copy2(library, unfinished)
        unfinished.replace(place)

    def _is_there(self, name: str) -> bool:
        """Whether the checkout has a library of this name, made now or before; told of where its sources are newer."""
        place = Path(self.root, SOURCES, name)
        if not place.is_file():
            return False
        newest = max(source.stat().st_mtime for source in Path(self.root, SOURCES).glob("*.[ch]"))
        if place.stat().st_mtime < newest:
            self.app.display_warning(f"{place} is older than its sources, and stays: it could not be compiled anew.")
        return True


def _machine(app: Any) -> str:
    """The processor that the wheel is for: this one, or on macOS the one that ARCHFLAGS names."""
    named = re.findall(r"-arch\s+(\S+)", os.environ.get("ARCHFLAGS", "")) if sys.platform == "darwin" else []
    if len(named) == 1:
        return named[0].lower()
    if named:
        app.display_warning(f"ARCHFLAGS names {named}: a wheel is for one processor, and this is for this machine's.")
    return platform.machine().lower()


def _mac_version(machine: str) -> tuple[int, int]:
    """The oldest macOS that the library is for."""
    stated = os.environ.get("MACOSX_DEPLOYMENT_TARGET") or sysconfig.get_platform().split("-")[1]
    major, minor = (*map(int, stated.split(".")[:2]), 0)[:2]
    least = (11, 0) if machine == "arm64" else (10, 9)
    found = max((major, minor), least)
    return found if found[0] == 10 else (found[0], 0)


def _target_flags(machine: str) -> list[str]:
    if sys.platform != "darwin":
        return []
    major, minor = _mac_version(machine)
    return ["-arch", machine, f"-mmacosx-version-min={major}.{minor}"]


def _platform_tag(libraries: list[Path], machine: str) -> str:
    """Where the libraries run, in the words of wheels."""
    if sys.platform == "darwin":
        major, minor = _mac_version(machine)
        return f"macosx_{major}_{minor}_{machine}"
    here = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    glibc = [_glibc(library) for library in libraries]
    if not here.startswith("linux_") or None in glibc:
        return here
    major, minor = max(LEAST_GLIBC, *(version for version in glibc if version is not None))
    return f"manylinux_{major}_{minor}_{here.removeprefix('linux_')}"


def _glibc(library: Path) -> tuple[int, int] | None:
    """The oldest glibc that a library runs with, by the versions of the names that it uses; None: another C library."""
    versions = re.findall(rb"\0GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)", library.read_bytes())
    return max(((int(major), int(minor)) for major, minor in versions), default=None)
