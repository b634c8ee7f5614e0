"""Files into models: load_model, load_weights."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, BinaryIO

import torch

from . import compat, deadline, making, matching
from ._differences import differences_from
from .base.layer import Layer
from .compat.training import stated_training
from .errors import ArgumentError, UnsupportedFileError, quote
from .files import Archive, LegacyWeights, Limits, Skipped, limits_of, name_of
from .load_report import LoadReport
from .models import Model
from .models.provided import provided
from .paths import AnyPath
from .resuming import Resumed, resume, resume_state
from .spec import ModelSpec, Rule, Writer

_log = logging.getLogger("kerastorch")
_STATED = ("keras_version", "backend")


def load_model(
    filepath: AnyPath | BinaryIO,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    *,
    replace: Mapping[str, Any] | None = None,
    device: torch.device | str | None = None,
    limits: Limits | None = None,
    expected_sha256: str | None = None,
    isolate: bool = False,
) -> Model:
    """Read a Keras model file and return a model that computes the same numbers.

    The kind of file is told by its content: `.keras` zips, full-model `.h5`/`.hdf5`, of Keras 2, tf.keras and Keras 3.
    Nothing named in the file is imported, looked up outside kerastorch's own table, or run. A report of the load goes
    to the logger `kerastorch`. A file of a Keras newer than the newest one that kerastorch is tested with is read by
    that one's rules, with a warning.

    Args:
        filepath: The file, or a binary stream.
        custom_objects: For classes and functions of your own that the file names, under `Name` or `package>Name`: a
            class with `from_config` (every `layers.Layer`), which gets the config in the file; any other class or
            function that makes the layer, cell, initializer, ... from the config by name; a function that the file
            names as an activation, initializer, regularizer or constraint. Entries may override Keras's own classes.
        compile: Compile the model as the file says, and give its optimizer the state that the file holds: `fit` goes
            on as the Keras that wrote it would have. Where a loss or the like is not here, the model is not compiled:
            the report, and `fit`, say why. False: leave that alone.
        safe_mode: Accepted as in Keras. Nothing in a file is ever run, also if it is False.
        replace: For layers by their name, or by `outer/inner` where that is not unique: a layer, a torch module, or a
            function on tensors that stands for the layer. Weights of the file go into it if they fit.
        device: Where the weights go; torch's default device if None.
        limits: How much the file may ask of this process; `kt.Limits` says what that is by default.
        expected_sha256: The SHA-256 that the file, or what is left of the stream, must have, as 64 hexadecimal digits.
            Nothing is read of another file, and a file that is changed while it is read is refused.
        isolate: Whether another process reads the file, within the `memory` and `seconds` of `limits`, and hands its
            values over: what takes that process down is an error here. The model is made here, of the same values.

    Returns:
        The model, in evaluation mode (as `predict` runs it); `model.train()` switches dropout and the like on.

    Raises:
        LoadError: The file cannot be read (`CorruptFileError`), is not safe, has another SHA-256 or asks for more than
            `limits` allow (`UnsafeFileError`; `TimeLimitError`), needs what kerastorch does not have
            (`UnsupportedFileError`; `MissingLayersError` where you can give it), its arrays do not fit its own config
            (`MismatchError`), or the process that read it died (`ReaderProcessError`).
        ArgumentError: What you give is none of the above, or names a layer that is not there.
    """
    for key, value in (("compile", compile), ("safe_mode", safe_mode)):
        if not isinstance(value, bool):
            raise ArgumentError(f"load_model: {key}: expected True or False, got {quote(value)}.")
    model, report = load_model_reported(
        filepath,
        custom_objects,
        compile,
        replace=replace,
        device=device,
        limits=limits,
        expected_sha256=expected_sha256,
        isolate=isolate,
    )
    making.warn([rule.text for rule in report.rules if rule.warns], report.path)
    making.warn([f"not loaded: {item.what} ({item.reason})" for item in report.skipped if item.warns], report.path)
    return model


def load_model_reported(
    path: AnyPath | BinaryIO,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    *,
    replace: Mapping[str, Any] | None = None,
    device: torch.device | str | None = None,
    limits: Limits | None = None,
    expected_sha256: str | None = None,
    isolate: bool = False,
) -> tuple[Model, LoadReport]:
    """`load_model`, and what it did."""
    limits = limits_of(limits)
    target = torch.get_default_device() if device is None else torch.device(device)
    given = provided(custom_objects, replace, target)
    with (
        deadline.within(limits.seconds, name_of(path)),
        making.opened(path, limits, expected_sha256, isolate, state=compile) as archive,
    ):
        name = archive.path
        config = archive.config
        if config is None:
            raise UnsupportedFileError(
                f"{name}: {archive.without_model} Build the model (or read it with model_from_json) and use "
                "load_weights(model, path)."
            )
        call = f"kt.load_model({name!r}"
        stated = (archive.keras_version, archive.backend)
        reading = making.with_file(
            name, lambda: making.read(config, stated, given, limits, call, archive), ArgumentError
        )
        with making.room(limits, of_file=True):
            model = making.with_file(name, lambda: making.build(reading.spec, given, "meta"))
        # The constructor of somebody's class gives its layers names of their own.
        match = matching.match_archive(model, archive, full_model=isinstance(reading.spec, ModelSpec))
        settled = matching.settle(match, name)
        matching.verify(settled.pairs, name)
        not_finite = matching.Remarkable()
        with matching.own_loaded(settled.own, name, not_finite):
            matching.assign(settled.pairs, archive.check_unchanged, not_finite, target)
        matching.materialize_fillers(model, target)
        if custom_objects or replace:
            model.to(target)  # what the caller gave may be elsewhere
        model.training_config = stated_training(config, archive.training_config, reading.writer)
        resumed = Resumed(skipped=_unused(archive, "compile=False"))
        if compile:
            names = None
            if isinstance(archive.weights, LegacyWeights) and compat.lists_state_by_names(reading.writer):
                names = matching.names_in_file(settled.pairs, archive.weights)
            with making.room_of_metrics(limits):
                resumed = resume(model, model.training_config, archive.optimizer, custom_objects, names)
        rules = (*reading.rules, *match.rules, *not_finite.rules(model.name))
        report = _report(archive, reading.writer, rules, settled, resumed)
        deadline.check("the model was finished")
    _log.info("%s", report)
    return model.eval(), report


def load_weights(
    model: Model,
    filepath: AnyPath | BinaryIO,
    *,
    by_name: bool = False,
    strict: bool = True,
    skip_mismatch: bool = False,
    sum_biases: bool = False,
    limits: Limits | None = None,
    expected_sha256: str | None = None,
    isolate: bool = False,
) -> LoadReport:
    """Read the weights of a Keras file into a model that is built already.

    Every array of the file must be used and every variable of the model set; otherwise the model stays as it was.
    Device, dtype and frozen weights of the model stay as they are. Layers are matched by their order (`.h5`) or by
    class and order (`.keras`, `.weights.h5`), so that names need not agree; a model around all others, which only one
    side has, does not matter. A `.weights.h5` file, or a checkpoint, may hold the state of an optimizer: as in Keras it
    is taken if the model's has done a step, and left alone otherwise.

    Args:
        model: The model; its input shapes must be known.
        filepath: A weights or full-model file of any Keras version, an index of sharded weights (`name.weights.json`),
            or a binary stream.
        by_name: Match layers by their names instead. Files of Keras before 3.6 that hold a tree of weights only do not
            say any.
        strict: False, only together with `by_name`: load the layers that both sides have, and leave the others as they
            are. They are listed in the report and logged as a warning.
        skip_mismatch: Leave layers whose arrays have another shape, number or dtype as they are, instead of refusing
            the file. They are listed and logged in the same way.
        sum_biases: Load the sum of a CuDNNLSTM's two biases into an LSTM, which has one, as Keras 2 does: the outputs
            are the same, but in training the sum takes half the step, and the two cannot be told apart again.
        limits: See `load_model`.
        expected_sha256: See `load_model`; an index of sharded weights, of which it says nothing, is refused with it.
        isolate: See `load_model`.

    Returns:
        What was loaded, what was converted, and what in the file or in the model was left out.

    Raises:
        LoadError: See `load_model`; `MismatchError` lists all that is missing, left over or misshapen.
        NotBuiltError: The model has no weights yet.
    """
    if not isinstance(model, Layer):
        raise ArgumentError(
            f"load_weights: expected a kerastorch model, got {quote(type(model).__name__)}; load_weights(model, path)."
        )
    options = {"by_name": by_name, "strict": strict, "skip_mismatch": skip_mismatch, "sum_biases": sum_biases}
    for key, value in options.items():
        if not isinstance(value, bool):
            raise ArgumentError(f"load_weights: {key}: expected True or False, got {quote(value)}.")
    if not strict and not by_name:
        raise ArgumentError(
            "load_weights: strict=False needs by_name=True: by order alone nobody can say which layers a file leaves "
            "out. To leave out layers that do not fit, pass skip_mismatch=True."
        )
    model._built_variables()  # raises where a layer is not built
    limits = limits_of(limits)
    with (
        deadline.within(limits.seconds, name_of(filepath)),
        making.opened(filepath, limits, expected_sha256, isolate) as archive,
    ):
        writer = matching.writer_of(archive)
        match = matching.match_archive(model, archive, by_name=by_name, sum_biases=sum_biases)
        settled = matching.settle(match, archive.path, strict=strict, skip_mismatch=skip_mismatch)
        matching.verify(settled.pairs, archive.path)
        other = differences_from(model, archive, writer, settled, match.from_cudnn, by_name=by_name)
        not_finite = matching.Remarkable()
        with matching.own_loaded(settled.own, archive.path, not_finite):
            matching.assign(settled.pairs, archive.check_unchanged, not_finite)
        deadline.lift()  # nothing that fails now would leave the model as it was
        resumed = Resumed(skipped=_unused(archive, "load_weights reads the weights of this kind of file alone"))
        of_tensorflow = archive.format == "TensorFlow checkpoint"
        if archive.optimizer is not None and (of_tensorflow or not isinstance(archive.weights, LegacyWeights)):
            resumed = resume_state(model, archive.optimizer, of_tensorflow)
        unlike_numbers = not_finite.rules(model.name)
        report = _report(archive, writer, (*match.rules, *unlike_numbers), settled, resumed)
        report = replace(report, differences=tuple(other))
    worth = settled.unset or settled.unused or other or any(rule.warns for rule in report.rules)
    _log.log(logging.WARNING if worth else logging.INFO, "%s", report)
    making.warn([rule.text for rule in unlike_numbers], report.path)
    return report


def _unused(archive: Archive, why: str) -> tuple[Skipped, ...]:
    """The state of the optimizer, as what was left out."""
    return () if archive.optimizer is None else (Skipped(archive.optimizer.what, why),)


def _report(
    archive: Archive, writer: Writer, rules: tuple[Rule, ...], settled: matching.Settled, resumed: Resumed
) -> LoadReport:
    assigned = [(pair.slot.label, pair.array) for pair in settled.pairs]
    assigned += [(f"{part.label}: {name}", array) for part in settled.own for name, array in part.arrays.items()]
    return LoadReport(
        archive.path,
        archive.format,
        str(writer),
        (*rules, *resumed.rules),
        tuple((label, array.where) for label, array in assigned),
        sum(math.prod(array.shape) for _, array in assigned),
        (*archive.skipped, *resumed.skipped),
        settled.unset,
        settled.unused,
        optimizer=resumed.optimizer,
    )
