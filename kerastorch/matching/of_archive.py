"""The weights of any file against a model: in the way of the format, and as the Keras meant them that wrote it."""

from __future__ import annotations

from .. import compat
from ..errors import UnsupportedFileError
from ..files import OF_TENSORFLOW, Archive, LegacyWeights
from ..models import Model
from ..spec import ModelSpec, Writer
from ._match import Match, strange_layouts
from .convert import named_by_theano
from .legacy import Options, legacy_pairs
from .names_alone import names_alone_pairs
from .tree import names_in_config, tree_pairs


def writer_of(archive: Archive) -> Writer:
    """Which Keras wrote a file, also one of weights alone: of a container of TensorFlow it is tf.keras."""
    if archive.config is None and archive.format in OF_TENSORFLOW:
        return Writer("tf.keras", None, archive.backend)
    return compat.detect_writer(archive.config or {}, archive.keras_version, archive.backend)


def match_archive(
    model: Model, archive: Archive, *, full_model: bool = False, by_name: bool = False, sum_biases: bool = False
) -> Match:
    """Which array of the file each variable of the model takes."""
    where = archive.path
    if archive.weights is None:
        raise UnsupportedFileError(f"{where}: this file holds no weights ({archive.format}).")
    if isinstance(archive.weights, LegacyWeights):
        if any(variable.var.convolved for variable in model.variables):
            _refuse_theano(archive, archive.weights)
        in_place = not (archive.keras_version or "").startswith("3.")
        options = Options(full_model, by_name, archive.of_keras1, in_place, sum_biases)
        if archive.format == "TensorFlow checkpoint" and not archive.weights.as_made:
            return names_alone_pairs(model, archive.weights)
        match = legacy_pairs(model, archive.weights, options)
    else:
        names = None
        if by_name and archive.config is not None:
            spec = compat.read_config(archive.config, archive.keras_version, archive.backend, partly=True).spec
            names = names_in_config(spec, archive.weights) if isinstance(spec, ModelSpec) else None
        match = tree_pairs(model, archive.weights, full_model=full_model, by_name=by_name, names=names)
    match.problems += strange_layouts(match)
    return match


def _refuse_theano(archive: Archive, weights: LegacyWeights) -> None:
    """Raise if Theano wrote the file: it kept the kernels of convolutions rotated."""
    unsaid = archive.backend is None and named_by_theano(weights)
    if archive.backend == "theano" or unsaid:
        raise UnsupportedFileError(
            f"{archive.path}: Theano wrote this file{' (its names have no :0)' if unsaid else ''}, which rotated the "
            "kernels of convolutions; that is not supported. Load it in Keras 2 on TensorFlow and save it there."
        )
