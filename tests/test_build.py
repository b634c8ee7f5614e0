"""Compiling the recurrences when the package is built: what goes where, under which flags and which tag."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import sysconfig
import types
from pathlib import Path
from typing import Any

import pytest
from _needs import needs

ROOT = Path(__file__).resolve().parent.parent
NATIVE = Path("kerastorch", "native")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the build is another on other systems"),
    needs(shutil.which("cc"), "there is no C compiler"),
    pytest.mark.skipif(not (ROOT / "hatch_build.py").is_file(), reason="an installed package has no build script"),
]
NAMES = ["steps-avx2.so", "steps-avx512.so", "steps-default.so"]
x86 = pytest.mark.skipif(not sysconfig.get_platform().endswith("x86_64"), reason="the levels are those of x86-64")


class App:
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def display_warning(self, text: str) -> None:
        self.warnings.append(text)


class Interface:
    """What hatchling gives to a hook, as far as this one uses it."""

    def __init__(self, root: Path, target_name: str) -> None:
        self.root, self.target_name, self.app = str(root), target_name, App()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    name = "hatchling.builders.hooks.plugin.interface"
    stub: Any = types.ModuleType(name)
    stub.BuildHookInterface = Interface
    monkeypatch.setitem(sys.modules, name, stub)
    for parent in ("hatchling", "hatchling.builders", "hatchling.builders.hooks", "hatchling.builders.hooks.plugin"):
        monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """One with libraries that somebody runs: here their contents are told apart easily."""
    (tmp_path / NATIVE).mkdir(parents=True)
    for source in (ROOT / NATIVE).glob("*.[ch]"):
        shutil.copy(source, tmp_path / NATIVE)
    for name in NAMES:
        (tmp_path / NATIVE / name).write_bytes(b"live")
    return tmp_path


def compiler(folder: Path, body: str) -> str:
    file = folder / "some-cc"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return str(file)


# In the place of a real one, which takes seconds: the library says under which flags it was made.
MAKES = r"""given="$*"; while [ "$1" != "-o" ]; do shift; done
printf '\177ELF\0GLIBC_2.2.5\0GLIBC_2.16\0%s' "$given" > "$2" """
OF_OLD = f"""for flag in "$@"; do case "$flag" in
  -march=x86-64-v*|-mprefer-vector-width=*) echo "error: bad value ($flag)" >&2; exit 1;;
esac; done
{MAKES}"""
ONLY_PLAIN = f"""for flag in "$@"; do case "$flag" in -march=*|-m*) echo "unknown: $flag" >&2; exit 1;; esac; done
{MAKES}"""
BROKEN = "echo 'internal error' >&2; exit 1"


def build(script: Any, checkout: Path, version: str = "standard") -> tuple[dict[str, Any], dict[str, bytes], list[str]]:
    """The hook's answer, what it puts into the wheel, and its warnings."""
    hook = script.CompiledRecurrences(checkout, "wheel")
    data: dict[str, Any] = {"artifacts": [], "force_include": {}}
    hook.initialize(version, data)
    packed = {Path(place).name: Path(file).read_bytes() for file, place in data["force_include"].items()}
    assert all(Path(place).parent == NATIVE for place in data["force_include"].values())
    hook.finalize(version, data, "")
    assert not any(Path(file).exists() for file in data["force_include"])
    return data, packed, hook.app.warnings


def live(checkout: Path) -> dict[str, bytes]:
    assert not list((checkout / NATIVE).glob("*.part"))
    return {file.name: file.read_bytes() for file in sorted((checkout / NATIVE).glob("*.so"))}


@x86
@pytest.mark.parametrize("kind", ["of today", "of old"])
def test_a_wheel_has_every_level_and_leaves_the_checkout_alone(
    kind: str, script: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", compiler(checkout, MAKES if kind == "of today" else OF_OLD))
    data, packed, warnings = build(script, checkout)
    assert warnings == []
    assert sorted(packed) == NAMES
    spelling = {"of today": (b"-march=x86-64-v3", b"-march=x86-64-v4"), "of old": (b"-mavx2", b"-mavx512vl")}[kind]
    assert [word in packed[name] for word, name in zip(spelling, NAMES, strict=False)] == [True, True]
    assert b" -m" not in packed["steps-default.so"]
    assert all(content.startswith(b"\x7fELF") for content in packed.values())
    assert data["pure_python"] is False
    assert data["tag"] == "py3-none-manylinux_2_17_x86_64"
    assert live(checkout) == dict.fromkeys(NAMES, b"live")


def test_a_wheel_without_compiled_code_is_for_any_machine(
    script: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERASTORCH_PURE", "1")
    data, packed, warnings = build(script, checkout)
    assert (packed, warnings) == ({}, [])
    assert "tag" not in data
    assert "pure_python" not in data
    assert live(checkout) == dict.fromkeys(NAMES, b"live")


@x86
def test_the_spellings_of_old_make_the_same_code(
    script: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One by one the flags are those that the short ones stand for: as far as the instructions go, all of them."""
    import re
    import subprocess

    def macros(*flags: str) -> set[str]:
        done = subprocess.run(["cc", *flags, "-dM", "-E", "-x", "c", "/dev/null"], capture_output=True, text=True)
        if done.returncode:
            pytest.skip("this compiler knows the spellings of old alone")
        return set(re.findall(r"__(?:AVX|SSE|BMI|FMA|F16C|LZCNT|MOVBE|POPCNT)\w*__", done.stdout))

    for new, old, *_ in script.X86_LEVELS.values():
        assert macros(*new) == macros(*old)


@x86
def test_a_compiler_that_knows_no_vector_units_makes_the_plain_level(
    script: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", compiler(checkout, ONLY_PLAIN))
    data, packed, warnings = build(script, checkout)
    assert sorted(packed) == ["steps-default.so"]
    assert data["tag"].startswith("py3-none-manylinux_2_")
    assert len(warnings) == 2
    for warning, level, flags in zip(warnings, ("AVX2", "AVX512"), ("-march=x86-64-v3", "-mavx512f"), strict=True):
        assert f"The code for {level} is left out." in warning
        assert flags in warning
        assert "unknown: " in warning


@pytest.mark.parametrize("kind", ["none", "broken"])
@pytest.mark.parametrize("version", ["standard", "editable"])
def test_without_a_usable_compiler_nothing_is_deleted(
    kind: str, version: str, script: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "/nowhere/cc" if kind == "none" else compiler(checkout, BROKEN))
    data, packed, warnings = build(script, checkout, version)
    assert packed == {}
    assert live(checkout) == dict.fromkeys(NAMES, b"live")
    assert any("no C compiler" in text or "internal error" in text for text in warnings)
    if version == "standard":
        assert "tag" not in data
        assert "pure_python" not in data


@x86
def test_an_editable_installation_puts_the_libraries_beside_their_sources(
    script: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", compiler(checkout, MAKES))
    held = (checkout / NATIVE / "steps-default.so").open("rb")  # as a process that runs it
    data, packed, warnings = build(script, checkout, "editable")
    assert (packed, warnings) == ({}, [])
    assert sorted(live(checkout)) == NAMES
    assert all(content.startswith(b"\x7fELF") for content in live(checkout).values())
    assert held.read() == b"live"  # another file stands there now
    held.close()
    assert data["force_include"] == {}


def test_a_library_older_than_its_sources_is_told_of(
    script: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.setenv("CC", "/nowhere/cc")
    os.utime(checkout / NATIVE / "steps-default.so", (1, 1))
    _, _, warnings = build(script, checkout, "editable")
    assert sum("is older than its sources, and stays" in text for text in warnings) == 1


def test_a_newer_glibc_is_in_the_tag(script: Any, tmp_path: Path) -> None:
    library = tmp_path / "some.so"
    here = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    processor = here.removeprefix("linux_")
    for names, tag in {
        b"\0GLIBC_2.2.5\0GLIBC_2.16\0libc.so.6\0": f"manylinux_2_17_{processor}",
        b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.4\0": f"manylinux_2_34_{processor}",
        b"\0libc.musl-x86_64.so.1\0": here,
    }.items():
        library.write_bytes(b"\x7fELF" + names)
        assert script._platform_tag([library], processor) == tag


@pytest.mark.parametrize(
    ("platform", "target", "flags", "machine", "tag", "least"),
    [
        ("macosx-10.9-universal2", None, None, "arm64", "macosx_11_0_arm64", "11.0"),
        ("macosx-10.9-universal2", None, None, "x86_64", "macosx_10_9_x86_64", "10.9"),
        ("macosx-11.0-arm64", "13.3", None, "arm64", "macosx_13_0_arm64", "13.0"),
        ("macosx-10.13-universal2", None, "-arch arm64", "x86_64", "macosx_11_0_arm64", "11.0"),
        ("macosx-10.13-universal2", None, "-arch arm64 -arch x86_64", "x86_64", "macosx_10_13_x86_64", "10.13"),
    ],
)
def test_macos_has_a_tag_for_each_processor(
    platform: str,
    target: str | None,
    flags: str | None,
    machine: str,
    tag: str,
    least: str,
    script: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(script.sys, "platform", "darwin")
    monkeypatch.setattr(script.sysconfig, "get_platform", lambda: platform)
    monkeypatch.setattr(script.platform, "machine", lambda: machine)
    for name, value in {"MACOSX_DEPLOYMENT_TARGET": target, "ARCHFLAGS": flags}.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    app = App()
    found = script._machine(app)
    assert script._platform_tag([], found) == tag
    assert script._target_flags(found) == ["-arch", found, f"-mmacosx-version-min={least}"]
    assert len(app.warnings) == (flags is not None and flags.count("-arch") > 1)
