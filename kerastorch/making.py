"""From the config in a file, or in a text, to a model: how large it is, what it is, and then its layers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, TypeVar

from . import compat, deadline, matching, torch_private
from .base.variables import weights_on
from .errors import (
    ArgumentError,
    KerasTorchError,
    LoadError,
    MissingLayersError,
    UnsupportedFileError,
    placed,
    quote,
)
from .files import OF_A_CONFIG, Archive, Limits, open_archive
from .models import Model, build_model
from .models.provided import Provided
from .models.sketch import sketch
from .paths import AnyPath
from .spec import LayerSpec, ModelSpec
from .weights import weights_within

_T = TypeVar("_T")
_OF_METRICS = 1 << 24  # thresholds, of which each is a number of Python's, of 32 bytes, and cells of matrices


def opened(
    path: AnyPath | BinaryIO,
    limits: Limits | None,
    expected_sha256: str | None,
    isolate: bool,
    *,
    arrays: bool = True,
    state: bool = True,
) -> Archive:
    """The file, opened here or by another process, which need not hand on all values: see `isolation.open_isolated`."""
    if not isinstance(isolate, bool):
        raise ArgumentError(f"isolate: expected True or False, got {quote(isolate)}.")
    if not isolate:
        return open_archive(path, limits, expected_sha256)
    from .isolation import open_isolated  # what starts processes: on use

    return open_isolated(path, limits, expected_sha256, arrays=arrays, state=state)


def room(limits: Limits, of_file: bool = False) -> AbstractContextManager[None]:
    """While a model is made: the values that it may have, which of a file that holds weights are as many as there."""
    of_a_config = OF_A_CONFIG if limits.parameters is None else limits.parameters
    return weights_within(limits.parameters if of_file else of_a_config, of_a_config)


def room_of_metrics(limits: Limits) -> AbstractContextManager[None]:
    """While a model is compiled as a file says: the values that metrics may have."""
    return weights_within(None, _OF_METRICS if limits.parameters is None else limits.parameters)


def warn(texts: Sequence[str], where: str) -> None:
    """Warn the one who has called a function of this package, which has called this."""
    for text in texts:
        warnings.warn(f"{where}: {text}.", stacklevel=3)


def read(
    config: Mapping[str, Any],
    stated: tuple[str | None, str | None],
    given: Provided,
    limits: Limits,
    call: str,
    archive: Archive | None = None,
) -> compat.Reading:
    """The model of a config; where a layer is missing, an error that says all that is known of it.

    Args:
        config: As it stands in the file.
        stated: The version and the backend of the Keras that wrote it.
        given: What the caller gives.
        limits: How large the model may be.
        call: What the caller has called, for advice.
        archive: The file, where there is one with weights: it must hold enough of them.
    """
    check_size(config, given, limits, archive)
    try:
        return compat.read_config(config, *stated, given.offered(), most_layers=limits.layers)
    except MissingLayersError as error:
        from .missing import explain  # only here: recipes and all

        try:
            spec = compat.read_config(config, *stated, given.offered(), partly=True, most_layers=limits.layers).spec
            places = sketch(spec, given)
        except LoadError:  # something else is wrong, too: it comes next
            spec, places = None, []
        deadline.check("what is missing was looked for")
        raise MissingLayersError(explain(error.missing, call, places, spec, archive), error.missing) from None


def check_size(config: Mapping[str, Any], given: Provided, limits: Limits, archive: Archive | None = None) -> None:
    """Raise where a model is larger than it may be, or than the weights in its file: before anything of it is made."""
    look = compat.first_look(config, given.offered(), matching.is_weighted)
    look.refuse_large(limits.layers, limits.depth)
    if archive is not None:
        matching.refuse_few(look, archive.weights, archive.path)


def build(spec: ModelSpec | LayerSpec, given: Provided, device: str | None) -> Model:
    """Make the model; on a device, its own layers alone: what somebody's code makes beside them has values."""
    if device is None:
        try:
            return build_model(spec, given)
        except (MemoryError, RuntimeError) as error:
            if not torch_private.is_out_of_memory(error):
                raise
            raise UnsupportedFileError(
                "The model needs more memory than there is here. Load it where there is more; "
                "limits=kt.Limits(parameters=...) refuses a model of that size before it is made."
            ) from error
    with weights_on(device):
        return build_model(spec, given)


def with_file(name: str, make: Callable[[], _T], kept: type[KerasTorchError] | None = None) -> _T:
    """Run `make`; an error that does not know the file yet gets its name, and is about the file unless `kept`."""
    try:
        return make()
    except LoadError as error:
        if str(error).startswith(name):
            raise
        raise placed(error, name) from error
    except KerasTorchError as error:
        kind = kept if kept is not None and isinstance(error, kept) else UnsupportedFileError
        raise kind(f"{name}: {error}") from error
