"""Which Keras wrote a config, and what it meant by what it did not write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import CorruptFileError, UnsupportedFileError, quote
from ..spec import Era, Given, Offered, Rule, Writer
from . import forms, tables
from ._values import is_own
from .tables import Profile

_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})(?:\.(\d{1,4}))?(.*)", re.DOTALL)
_PREFERENCE: tuple[Era, ...] = ("keras3", "keras2", "tf.keras", "keras1")
_RESAVE = "Load it in the Keras that wrote it and save it with Keras 2 or 3"


def detect_writer(
    config: Mapping[str, Any], keras_version: str | None, backend: str | None, own: bool = False
) -> Writer:
    """Return which Keras wrote a config.

    Args:
        config: The parsed `model_config`, `config.json` or `to_json()` text.
        keras_version: As the file states it beside the config; None to take it from the config, or from its form.
        backend: Likewise.
        own: Whether it may be a config of ours.

    Raises:
        UnsupportedFileError: The version is not one that is known, or the form is that of two eras at once.
    """
    version = keras_version if keras_version is not None else config.get("keras_version")
    backend = backend if backend is not None else config.get("backend")
    if version is not None and not isinstance(version, str):
        raise CorruptFileError(f"keras_version is {quote(version)}, expected text such as '2.15.0'.")
    if backend is not None and not isinstance(backend, str):
        raise CorruptFileError(f"backend is {quote(backend)}, expected text such as 'tensorflow'.")
    if version is not None:
        return Writer(_stated_era(version), version, backend)
    eras = _eras_of(config, own)
    return Writer(next(era for era in _PREFERENCE if era in eras), None, backend)


def _parts(version: str) -> tuple[int, int, str]:
    match = _VERSION.fullmatch(version.strip())
    if match is None:
        raise UnsupportedFileError(
            f"keras_version is {quote(version)}, expected one such as '2.15.0': state what wrote the file."
        )
    return int(match[1]), int(match[2]), match[4]


def states_were_reversed(version: str) -> bool:
    """Whether StackedRNNCells may have had its states in the reverse order: before Keras 2.2.4, TensorFlow 1.13."""
    return () < _numbers(version) < (2, 2, 4)


def lists_state_by_names(writer: Writer) -> bool:
    """Whether the state of an optimizer stands in the order of the names of the weights: before Keras 2.0.6."""
    return writer.version is not None and _numbers(writer.version) < (2, 0, 6)


def forces_no_zeros(writer: Writer) -> bool:
    """Whether its Bidirectional left masked steps as they are: Keras 1 and 2, and tf.keras before TensorFlow 1.13."""
    before = writer.version is not None and _numbers(writer.version) < (2, 2, 4)
    return writer.era in ("keras1", "keras2") or (writer.era == "tf.keras" and before)


def shows_first_states(writer: Writer) -> bool:
    """Whether masked steps gave the state, not the output before: on TensorFlow, before Keras 2.2.5 and TF 1.13."""
    if writer.version is None or writer.era == "keras3" or writer.backend != "tensorflow":
        return False
    return _numbers(writer.version) < ((2, 2, 4) if writer.era == "tf.keras" else (2, 2, 5))


def is_tf_keras_since(writer: Writer, minor: int) -> bool:
    """Whether it was tf.keras 2.`minor` or later; one that states no version counts as the newest."""
    return writer.era == "tf.keras" and (writer.version is None or _numbers(writer.version) >= (2, minor))


def newer_than_tested(writer: Writer) -> str | None:
    """What is to be said of a file of a Keras that is newer than the newest one whose files are tested; else None."""
    newest = tables.NEWEST.get(writer.era)
    if writer.version is None or newest is None or _numbers(writer.version) <= _numbers(newest):
        return None
    name = "Keras" if writer.era == "keras3" else "tf-keras"
    return (
        f"the file was written by {name} {writer.version}, and kerastorch is tested up to {newest}: it is read by the "
        f"rules of {newest}, and what {name} changed after it is not known. Compare the outputs with {name}'s, or look "
        "for a newer kerastorch"
    )


def _numbers(version: str) -> tuple[int, ...]:
    match = _VERSION.fullmatch(version.strip())
    return () if match is None else tuple(int(part or 0) for part in match.groups()[:3])


def _stated_era(version: str) -> Era:
    major, minor, rest = _parts(version)
    if major <= 1:
        return "keras1"
    if major == 2:  # standalone Keras ended with 2.3; from 2.4 on the name stands for tf.keras
        return "tf.keras" if "tf" in rest or minor >= 4 else "keras2"
    if major == 3:
        return "keras3"
    raise UnsupportedFileError(f"The file was written by Keras {quote(version)}; versions 1 to 3 are read. {_RESAVE}.")


def _eras_of(config: Mapping[str, Any], own: bool) -> frozenset[Era]:
    """The eras that may have written a config; one of ours is in the form of Keras 3, whatever classes it holds."""
    if own:
        eras = _eras_of_form(config, by_layers=False)
        if "keras3" in eras and "keras2" not in eras:
            return eras
    return _eras_of_form(config)


def _eras_of_form(config: Mapping[str, Any], by_layers: bool = True) -> frozenset[Era]:
    """The eras that write what stands in the config; iterative, since nobody has checked its depth.

    Args:
        config: The config.
        by_layers: Whether layers count that Keras 3 does not have.
    """
    eras: frozenset[Era] = frozenset(_PREFERENCE)
    stack: list[Any] = [config]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
            continue
        if not isinstance(item, dict):
            continue
        name = item.get("class_name")
        name = name if isinstance(name, str) else None
        if not by_layers and name is not None and name in forms.LAYERS and "keras3" not in forms.LAYERS[name].eras:
            continue
        found = [tables.KEY_ERAS[key] for key in item if key in tables.KEY_ERAS]
        inner = item.get("config")
        own = name is None or (name in _KNOWN and is_own(item))
        if name is not None:
            found.append(tables.CLASS_ERAS.get(name, eras))
            if own and isinstance(inner, dict) and "output_dim" in inner and name != "Embedding":
                found.append(frozenset({"keras1"}))
        for few in found:
            if not eras & few:
                raise UnsupportedFileError(
                    "The config does not state keras_version, and it mixes what different Keras versions write "
                    f"({_names(eras)} so far, then {quote(name or 'a key')} of {_names(few)}): add keras_version to it."
                )
            eras &= few
        # The names of the arguments of a class of one's own say nothing about Keras.
        stack.extend(value for key, value in item.items() if own or key != "config")
        if not own and isinstance(inner, dict):
            stack.extend(inner.values())
    return eras if len(eras) == 1 else eras - {"keras1"}


# Every class name of Keras's own in a config.
_KNOWN = frozenset(forms.LAYERS) | tables.MODELS | frozenset(tables.CLASS_ERAS)
_KNOWN |= frozenset(spelling for kind in tables.KINDS.values() for spelling in kind.spellings)


def _names(eras: frozenset[Era]) -> str:
    return " or ".join(sorted(eras))


def profiles_of(writer: Writer, config: Mapping[str, Any], own: bool = False) -> tuple[Profile, ...]:
    """Every generation of Keras that may have written the config."""
    if writer.version is None:
        eras = _eras_of(config, own)
        return tuple(profile for profile in tables.PROFILES if profile.era in eras)
    if writer.era in ("keras1", "keras3"):
        return (tables.KERAS_1 if writer.era == "keras1" else tables.KERAS_3,)
    _, minor, _ = _parts(writer.version)
    if writer.era == "keras2":
        return (tables.KERAS_23,) if minor >= 3 else (tables.KERAS_2,)
    if minor >= 3:
        return (tables.TF_2,)
    if minor == 2:  # 2.2.4-tf is TensorFlow 1.13 to 2.1
        return (tables.TF_1, tables.TF_2)
    return (tables.TF_1,)


@dataclass
class Context:
    """One conversion: who wrote the config, and what is found on the way."""

    writer: Writer
    profiles: tuple[Profile, ...]
    own: bool = False  # the config is one of ours: in the spelling of Keras 3, and every mask is where it says
    shared: Mapping[int, int] = field(default_factory=dict)  # see `_shared.shared_layers`
    rules: list[Rule] = field(default_factory=list)
    unknown_keys: list[str] = field(default_factory=list)
    offered: Offered = field(default_factory=Offered)
    given: dict[int, Given] = field(default_factory=dict)  # `id` of a layer's config -> what stands for it

    @property
    def old(self) -> bool:
        """Whether a Keras before 3 wrote it."""
        return self.writer.era != "keras3"

    def is_keras3_from(self, major: int, minor: int) -> bool:
        """Whether Keras 3 wrote it, and of this version or later, as far as it is known."""
        if self.old or self.own:
            return False
        return self.writer.version is None or _parts(self.writer.version)[:2] >= (major, minor)

    def is_tf_keras_before(self, major: int, minor: int) -> bool:
        """Whether a tf.keras wrote it that states an earlier version than this."""
        known = self.writer.era == "tf.keras" and self.writer.version is not None
        return known and _parts(self.writer.version or "")[:2] < (major, minor)

    @property
    def eras(self) -> frozenset[Era]:
        return frozenset(profile.era for profile in self.profiles)

    def meant(self, field_name: str, layer: str, key: str) -> Any:
        """What all candidates for the writer agree on; refused if they do not."""
        values = {profile.title: getattr(profile, field_name) for profile in self.profiles}
        if len(set(values.values())) > 1:
            said = ", ".join(f"{value!r} in {title}" for title, value in values.items())
            raise UnsupportedFileError(
                f"Layer {quote(layer)}: {key} means {said}, and the file does not tell which wrote it "
                f"({self.writer}): add keras_version to the config, or write out the argument."
            )
        return next(iter(values.values()))

    def rule(self, layer: str, text: str) -> None:
        """Report that something was changed or supplied."""
        self.rules.append(Rule(layer, text))
