"""Judge files: by what the loader decides, and by what their configs name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from .. import compat, deadline
from ..errors import (
    ArgumentError,
    KerasTorchError,
    LoadError,
    MissingFileError,
    MissingLayersError,
    UnsafeFileError,
    UnsupportedFileError,
    quote,
)
from ..files import Archive, Limits, TreeWeights, limits_of, open_archive
from ..files.architectures import is_json, parse_json_text, parse_yaml_text
from ..files.contents import (
    configs_in,
    foreign_parts,
    is_pickle,
    kind_of,
    members,
    name_of,
    open_bytes,
    read_stream,
)
from ..files.opening import NamedBytes, missing_advice
from ..files.tensorflow import place_of
from ..files.tfjs import is_layers_model
from ..paths import AnyPath, is_path
from ..registered import OF_KERASTORCH
from ..spec import Offered
from .folders import Walk, may_be_model
from .other_files import has_model, in_folder, in_json, in_packed, in_yaml, reason, refused
from .references import Reference, references
from .report import LOADS, OWN_CODE, REFUSED, UNSAFE, Finding, ScannedFile, ScanReport

# Parts of a config that a model computes the same without: a loss of one's own keeps no model from loading.
_BESIDE = ("compile_config", "build_config", "training_config")
_OF_KERASTORCH = Offered(dict.fromkeys(OF_KERASTORCH))  # as the loader has them


def scan(
    *paths: AnyPath | BinaryIO, strict: bool = False, fit: bool = True, limits: Limits | None = None
) -> ScanReport:
    """Look at files of models without loading them: what each would do to a program that runs what it says.

    Nothing of a file is run, imported, opened or fetched, whatever it names. A file that nothing speaks against is
    matched with its own config as `load_model` would do it, on torch's `meta` device, where no weight is kept: what is
    said to load does load.

    Args:
        paths: Files, folders, which are searched through and through, or binary streams. Links to folders are not
            followed; of the files of a folder, those are looked at that may be models.
        strict: Count a file that needs code of one's own as unsafe.
        fit: Whether to try, of a model that nothing else speaks against, whether its arrays fit its config. It needs
            torch, which nothing else here does.
        limits: How much a file may ask of this process; see `load_model`.

    Returns:
        The report. Its `status` is the exit status of `kerastorch scan`: 0 all load as they are, 1 some need code of
        one's own (`custom_objects=`, `replace=`), 2 there is none that may be a model, 3 some are unsafe, 4 some are
        damaged or not supported; the highest counts. Of one file, 3 counts more than 4.

    Raises:
        MissingFileError: There is nothing at a path.
        ArgumentError: A path is none, nothing is given, or `limits` is none.
    """
    for key, value in (("strict", strict), ("fit", fit)):
        if not isinstance(value, bool):
            raise ArgumentError(f"scan: {key}: expected True or False, got {quote(value)}.")
    if not paths:
        raise ArgumentError("scan: expected one path or more: files, folders or binary streams.")
    for path in paths:
        _check(path)
    files: list[ScannedFile] = []
    walk, others, how = Walk(), 0, _How(limits_of(limits), fit)
    for path in paths:
        for found in _scanned(path, walk, how):
            others += found is None
            files += [] if found is None else [found]
    for folder, why in walk.unreadable:
        files.append(ScannedFile(folder, "folder", (Finding(REFUSED, "folder", "", f"it cannot be listed ({why})"),)))
    return ScanReport(tuple(files), tuple(walk.passed_over), others, strict)


@dataclass(frozen=True)
class _How:
    """How files are looked at: within which limits, and whether their arrays are tried on their model."""

    limits: Limits
    fit: bool


def _check(path: AnyPath | BinaryIO) -> None:
    if not is_path(path):
        if hasattr(path, "read"):
            return
        raise ArgumentError(f"scan: a path or a binary stream is needed, got {type(path).__name__}.")
    try:
        there = os.path.lexists(path) or place_of(os.fsdecode(path)) is not None  # the prefix of a checkpoint
    except ValueError:  # a NUL
        there = False
    if not there:
        advice = missing_advice(os.fsdecode(path))
        raise MissingFileError(f"{name_of(path)}: there is no such file or folder. {advice}")


def _scanned(path: AnyPath | BinaryIO, walk: Walk, how: _How) -> Iterator[ScannedFile | None]:
    """Every file at a path; None for one of a folder that is no model."""
    if not is_path(path):
        with deadline.within(how.limits.seconds, name_of(path)):
            content = bytes(read_stream(path, how.limits))
        yield _judged(name_of(path), content, how)
        return
    shown = os.fsdecode(path)
    if not os.path.isdir(shown):
        yield _judged(shown, shown, how)
        return
    for found, whole in walk.files(shown):
        yield _folder(found, how) if whole else _in_folder(found, how)


def _in_folder(path: str, how: _How) -> ScannedFile | None:
    try:
        with open_bytes(path) as data:
            head, kind = bytes(data.read(0, min(data.size, 4096))), kind_of(data)
    except LoadError:
        head, kind = b"", ""
    if not may_be_model(path, head, kind, is_pickle(head, path)):
        return None
    if kind == "tar" and not _packs_model(path, how.limits):
        return None
    found = _judged(path, path, how)
    # Text is of any kind, and arrays are of any use; they are a model where they say so.
    text = path.lower().endswith((".json", ".yaml", ".yml")) or "." not in os.path.basename(path)
    return None if found.status == REFUSED and ((text and not found.format) or found.format == "numpy") else found


def _packs_model(path: str, limits: Limits) -> bool:
    with open_bytes(path) as data:
        return has_model(data, path, limits)


def _folder(path: str, how: _How) -> ScannedFile:
    """A folder that is one model."""
    form, findings = "folder", list(in_folder(path, how.limits))
    try:
        with deadline.within(how.limits.seconds, name_of(path)), open_archive(path, how.limits) as archive:
            form = archive.format
            findings += _judge_archive(archive, lambda: path, how, bool(findings))
    except LoadError as error:
        findings.append(refused(error, path, "folder"))
    return _made(path, form, findings)


def _made(path: str, form: str, findings: Iterable[Finding]) -> ScannedFile:
    """The file with its findings, the worst first: unsafe, refused, own code, notes."""
    order = (UNSAFE, REFUSED, OWN_CODE, LOADS)
    kept = dict.fromkeys(findings)
    return ScannedFile(path, form, tuple(sorted(kept, key=lambda finding: order.index(finding.status))))


def _judged(name: str, source: str | bytes, how: _How) -> ScannedFile:
    """One file: its path or its content."""
    limits = how.limits

    def stream() -> Any:
        return source if isinstance(source, str) else NamedBytes(source, name)

    try:
        with deadline.within(limits.seconds, name), open_archive(stream(), limits) as archive:
            findings = list(_beside(source, name, limits))
            findings += _judge_archive(archive, stream, how, bool(findings))
            return _made(name, archive.format, findings)
    except UnsupportedFileError as error:
        if error.reason == "runs code":
            return _made(name, "", [Finding(UNSAFE, error.kind, "", reason(error, name))])
        return _judge_text(name, source, how, error)
    except UnsafeFileError as error:
        said = [Finding(UNSAFE, "file", "", reason(error, name))]
        return _made(name, "", [*_beside(source, name, limits), *_in_configs(source, name, limits), *said])
    except LoadError as error:
        return _judge_text(name, source, how, error)


def _beside(source: str | bytes, name: str, limits: Limits) -> Iterator[Finding]:
    """What stands in an archive beside what is read."""
    try:
        with open_bytes(source) as data:
            files = members(data, name, limits)
            for what, where, why in foreign_parts(data, name, limits, files):
                yield Finding(UNSAFE, what, where, why)
            yield from in_packed(files, limits)
    except LoadError:
        return  # said by who opens it


def _in_configs(source: str | bytes, name: str, limits: Limits) -> list[Finding]:
    """What is not safe in the configs of a file that the loader does not open."""
    found: list[Finding] = []
    try:
        with open_bytes(source) as data:
            for where, text in configs_in(data, name, limits):
                found += in_json(text, where, limits)
    except LoadError:
        pass  # said by who opens it
    return found


def _judge_archive(archive: Archive, stream: Any, how: _How, judged: bool) -> Iterator[Finding]:
    """A file that the loader opens; `judged`: something speaks against it already, so it need not be tried."""
    where = "config.json" if isinstance(archive.weights, TreeWeights) else "model_config"
    if archive.config is None:
        yield from _judge_arrays(archive)
        return
    stated = (archive.keras_version, archive.backend)
    named = [*references(archive.config, where)]
    if archive.training_config is not None:
        named += references(archive.training_config, "training_config")
    found = list(_judge_config(archive.config, stated, named, how, archive))
    yield from found
    if how.fit and not judged and not any(finding.status for finding in found):
        limits = how.limits
        yield from _tried(archive.path, lambda load: load.load_model_reported(stream(), device="meta", limits=limits))


def _judge_arrays(archive: Archive) -> Iterator[Finding]:
    """A file of weights: whether every array can be read."""
    try:
        for array in [] if archive.weights is None else archive.weights.arrays:
            if not array.in_rows:  # packed: whether it can be unpacked shows when it is read
                array.read()
        archive.check_unchanged()
    except LoadError as error:
        status = UNSAFE if isinstance(error, UnsafeFileError) else REFUSED
        yield Finding(status, "array", "", reason(error, archive.path))


def _judge_config(
    config: Mapping[str, Any],
    stated: tuple[str | None, str | None],
    named: list[Reference],
    how: _How,
    archive: Archive | None = None,
) -> Iterator[Finding]:
    """A config: what it names, and what the loader would ask for."""
    unsafe = [found for found in named if not found.own]
    yield from (found.finding for found in unsafe)
    owners = {found.owner for found in unsafe}
    asked: set[int] = set()
    status = LOADS
    try:
        _check_size(config, how, archive)
        compat.read_config(config, *stated, _OF_KERASTORCH, most_layers=how.limits.layers)
    except MissingLayersError as error:
        status = OWN_CODE
        for item in error.missing:
            asked.add(id(item.item))
            if id(item.item) not in owners:  # its code was named already
                yield Finding(OWN_CODE, item.class_name, _layer(item.path), _why_missing(item.note, item.class_name))
    except UnsupportedFileError as error:
        status = OWN_CODE if error.reason == "own code" else REFUSED
        if not unsafe or status == REFUSED:
            yield Finding(status, _class_of(config), "", reason(error, ""))
    except UnsafeFileError as error:
        yield Finding(UNSAFE, _class_of(config), "", reason(error, ""))
        return
    except KerasTorchError as error:
        yield Finding(REFUSED, _class_of(config), "", reason(error, ""))
        return
    for found in named:
        if found.own and found.owner not in asked | owners:
            beside = any(f": {part}" in found.finding.where for part in _BESIDE)
            level = LOADS if beside or status != OWN_CODE else OWN_CODE
            note = f"{found.finding.why}; the model loads without it" if level == LOADS else found.finding.why
            yield Finding(level, found.finding.what, found.finding.where, note)


def _class_of(config: Mapping[str, Any]) -> str:
    name = config.get("class_name")
    return name if isinstance(name, str) else "config"


def _layer(path: str) -> str:
    return f"layer {quote(path)}" if path else "the model"


def _why_missing(note: str, class_name: str) -> str:
    if class_name == "Lambda":
        return "a function of one's own, by its name; pass it in custom_objects="
    return f"{note or 'a class that kerastorch does not have'}; pass it in custom_objects= or replace="


def _check_size(config: Mapping[str, Any], how: _How, archive: Archive | None) -> None:
    """`making.check_size`, which needs torch where the weights may be far too few."""
    look = compat.first_look(config, _OF_KERASTORCH, lambda *layer: True)
    look.refuse_large(how.limits.layers, how.limits.depth)
    if how.fit and archive is not None and look.weighted > compat.MADE_ANYWAY:
        from .. import making
        from ..models.provided import NOTHING

        making.check_size(config, NOTHING, how.limits, archive)


def _tried(name: str, load: Any) -> Iterator[Finding]:
    """What the loader says to a file that nothing else speaks against."""
    from .. import load as loader  # only where a file comes so far

    try:
        load(loader)
    except UnsupportedFileError as error:
        status = {"own code": OWN_CODE, "runs code": UNSAFE}.get(error.reason, REFUSED)
        yield Finding(status, "model", "", reason(error, name))
    except UnsafeFileError as error:
        yield Finding(UNSAFE, "model", "", reason(error, name))
    except KerasTorchError as error:
        yield Finding(REFUSED, "model", "", reason(error, name))


def _judge_text(name: str, source: str | bytes, how: _How, error: LoadError) -> ScannedFile:
    """A file that is neither a zip archive nor HDF5: an architecture, or nothing that is read."""
    limits = how.limits
    try:
        with open_bytes(source) as data:
            kind = kind_of(data)
            text = b"" if kind else bytes(data.read(0, min(data.size, limits.json_bytes + 1)))
    except LoadError:
        kind, text = "", b""
    if not kind and is_json(text):
        return _judge_json(name, text, how, error)
    form = error.kind
    if form == "YAML":
        return _judge_yaml(name, text, how)
    findings = [*_beside(source, name, limits), *_in_configs(source, name, limits)] if kind else []
    findings += in_yaml(text) if b"!!python/" in text else []
    return _made(name, form, [*findings, refused(error, name, form or "file")])


def _judge_json(name: str, text: bytes, how: _How, error: LoadError) -> ScannedFile:
    """JSON text: an architecture, a model of TensorFlow.js, or something else."""
    limits = how.limits
    if is_layers_model(text):
        return _made(name, "TensorFlow.js", [*in_json(text, "JSON", limits), refused(error, name, "TensorFlow.js")])
    try:
        config, _ = parse_json_text(text, name, limits)
    except UnsafeFileError as problem:
        return _made(name, "JSON", [Finding(UNSAFE, "JSON", "", reason(problem, name))])
    except LoadError as problem:
        return _made(name, "", [refused(problem, name, "JSON")])
    if not isinstance(config.get("class_name"), str) or "config" not in config:
        return _made(name, "", [*in_json(text, "JSON", limits), refused(error, name, "JSON")])
    return _judge_architecture(name, "JSON", config, text, how)


def _judge_yaml(name: str, text: bytes, how: _How) -> ScannedFile:
    """YAML text: an architecture, or something else."""
    try:
        config, _ = parse_yaml_text(text, name, how.limits)
    except LoadError as problem:
        unsafe = isinstance(problem, UnsafeFileError) or getattr(problem, "reason", "") == "runs code"
        said = Finding(UNSAFE if unsafe else REFUSED, "YAML", "", reason(problem, name))
        return _made(name, "YAML", [*in_yaml(text), said])
    return _judge_architecture(name, "YAML", config, text, how, in_yaml(text))


def _judge_architecture(
    name: str, kind: str, config: dict[str, Any], text: bytes, how: _How, known: Iterable[Finding] = ()
) -> ScannedFile:
    """The config of a model that stands in a text, of which something is `known`."""
    version, backend = config.get("keras_version"), config.get("backend")
    stated = (version if isinstance(version, str) else None, backend if isinstance(backend, str) else None)
    found = [*known, *_judge_config(config, stated, list(references(config, kind)), how)]
    if how.fit and not any(finding.status for finding in found):
        what = f"model_from_{kind.lower()}"
        found += _tried(what, lambda load: _model_of(text, what, how.limits))
    return _made(name, f"architecture as {kind}", found)


def _model_of(text: bytes, what: str, limits: Limits) -> None:
    from ..architectures import model_from_json_reported
    from ..base.variables import weights_on
    from ..weights import as_drawn

    with weights_on("meta"), as_drawn():
        model_from_json_reported(text.decode("utf-8"), limits=limits, what=what)
