"""The optimizer that a model was compiled with, in the words of another Keras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ...errors import quote
from ...spec import Era, Writer
from .._writer import is_tf_keras_since
from . import tables
from .items import Item, Untranslatable, item_of, stated_item, tag

_CLIPS = ("global_clipnorm", "clipnorm", "clipvalue")
_EPSILON = 1e-7  # of keras.backend: what `epsilon: null` stands for
_ONLY_IN_FILES = ("jit_compile", "is_legacy_optimizer")
_DROPPED = (*_ONLY_IN_FILES, "name", "learning_rate")


@dataclass
class Optimizers:
    """Writes optimizers of one Keras for another.

    Attributes:
        source: Who wrote the config.
        form: The kind of file that is written.
        era: For whom.
        notes: What was changed or left out is added here.
    """

    source: Writer
    form: Literal["keras", "h5"]
    era: Era
    notes: list[str]

    def write(self, stated: Any, form: Literal["keras", "h5"] | None = None) -> Any:
        """The optimizer as the other file says it.

        Raises:
            Untranslatable: It is none that the other Keras has.
        """
        if not stated_item(stated):
            raise Untranslatable("the file does not say which optimizer it was")
        form = form or self.form
        item = item_of(stated)
        name = tables.OPTIMIZER_NAMES.get(item.name.lower())
        too_new = name in tables.KERAS_FILE_OPTIMIZERS and self.source.era in ("keras1", "keras2")  # so it was another
        if item.own or name is None or too_new:
            raise Untranslatable(f"{quote(item.name)} is not an optimizer of {self._title}")
        if form == "h5" and name in tables.NOT_IN_H5.get(self.era, ()):
            raise Untranslatable(f"{self._title} opens no .h5 file that was compiled with {quote(name)}")
        old, new = self.source.era != "keras3", self.era == "keras3"
        if name in tables.KERAS3_OPTIMIZERS and not (new and not old):
            if name == "LossScaleOptimizer" and new:
                return self._loss_scale(item, form)
            raise Untranslatable(f"{quote(name)} is not an optimizer of {self._title}")
        if item.config is None:  # the name alone: all arguments are the defaults, which are the same
            return name.lower() if form == "keras" else tag("", name, {}, form)
        config = dict(item.config)
        legacy = old and self._is_legacy(item) and name not in tables.KERAS_FILE_OPTIMIZERS
        if legacy:
            config = self._in_words_of_tf_keras(name, config)
        if old and new:
            config = self._for_keras3(name, config, legacy)
        elif not old and not new:
            config = self._for_keras2(name, config)
        module = "keras.optimizers.legacy" if legacy and not new else "keras.optimizers"
        return tag(module, name, config, form)

    def read(self, stated: Any) -> tuple[str, dict[str, Any], bool]:
        """The name and the arguments of the optimizer, and whether it is one of those before tf.keras 2.11.

        Raises:
            Untranslatable: It is none of Keras's own, or the file does not say which.
        """
        if not stated_item(stated):
            raise Untranslatable("the file does not say which optimizer it was")
        item = item_of(stated)
        name = tables.OPTIMIZER_NAMES.get(item.name.lower())
        if item.own or name is None:
            raise Untranslatable(f"{quote(item.name)} is not an optimizer of Keras's own")
        config = {key: value for key, value in (item.config or {}).items() if key not in _ONLY_IN_FILES}
        legacy = self.source.era != "keras3" and self._is_legacy(item)
        return name, self._in_words_of_tf_keras(name, config) if legacy else config, legacy

    @property
    def _title(self) -> str:
        return "Keras 3" if self.era == "keras3" else "tf-keras"

    def _is_legacy(self, item: Item) -> bool:
        """Whether it is one of those before tf.keras 2.11, which took `decay`."""
        if self.source.era != "tf.keras" or item.module.endswith(".legacy"):
            return True
        if item.config is None:  # the name alone, which means what that version makes of it
            return not is_tf_keras_since(self.source, 11)
        return bool((item.config or {}).get("is_legacy_optimizer", True))

    # ------------------------------------------------------------------ into the words of tf.keras

    def _in_words_of_tf_keras(self, name: str, config: dict[str, Any]) -> dict[str, Any]:
        """Keras 1 and 2 wrote `lr`, and meant some arguments otherwise."""
        if "lr" in config:
            config = {"learning_rate": config["lr"], **{key: value for key, value in config.items() if key != "lr"}}
        if config.get("epsilon", 0) is None:
            config["epsilon"] = _EPSILON
        if self.source.era == "tf.keras":
            return config
        for key in _CLIPS:
            if not config.get(key, 1.0):
                del config[key]  # 0 clipped nothing
        if "clipnorm" in config:
            self.notes.append("optimizer: clipnorm, which was the norm of all gradients together, is global_clipnorm")
            config["global_clipnorm"] = config.pop("clipnorm")
        if name == "Adagrad":
            config.setdefault("initial_accumulator_value", 0.0)
        return config

    # ------------------------------------------------------------------ into Keras 3

    def _for_keras3(self, name: str, config: dict[str, Any], legacy: bool) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if isinstance(config.get("name"), str):
            made["name"] = config["name"]
        made["learning_rate"] = rate = self._rate(config.get("learning_rate"))
        decay = config.pop("decay", config.pop("schedule_decay", 0.0))
        if legacy and name != "Nadam" and decay:
            if isinstance(rate, dict):
                self.notes.append(f"optimizer: decay {quote(decay)} is left out: Keras 3 has it or a schedule")
            else:
                made["learning_rate"] = self._decayed(rate, decay)
                self.notes.append(
                    f"optimizer: lr {rate:.6g} / (1 + {decay:.6g} * step), its decay, is the schedule InverseTimeDecay"
                )
        if legacy and name in tables.TRAINS_OTHERWISE:
            self.notes.append(f"optimizer: {name} {tables.TRAINS_OTHERWISE[name]}")
        if config.get("use_ema"):
            self.notes.append(
                "optimizer: use_ema: the averages begin with the weights after the first step in Keras 3, not before"
            )
        known = (*tables.COMMON, *_arguments(name))
        made |= self._plain(name, config, known)
        clips = [key for key in _CLIPS if made.get(key) is not None]
        for key in clips[1:]:
            self.notes.append(f"optimizer: {key} {made.pop(key)} is left out: Keras 3 clips in one way, {clips[0]}")
        return made

    def _rate(self, rate: Any) -> Any:
        if stated_item(rate) and isinstance(rate, dict):
            schedule = item_of(rate)
            if schedule.own or schedule.name not in tables.SCHEDULES:
                raise Untranslatable(f"{quote(schedule.name)} is not a schedule of {self._title}")
            known = ("name", *tables.SCHEDULES[schedule.name])
            stated = (schedule.config or {}).items()
            config = {key: value for key, value in stated if key in known and value is not None}
            return tag("keras.optimizers.schedules", schedule.name, config, "keras")
        if not _is_number(rate):
            raise Untranslatable(f"its learning rate is {quote(rate)}, expected a number or a schedule")
        return rate

    def _decayed(self, rate: Any, decay: Any) -> dict[str, Any]:
        if not _is_number(decay):
            raise Untranslatable(f"its decay is {quote(decay)}, expected a number")
        config = {"initial_learning_rate": rate, "decay_steps": 1, "decay_rate": decay, "staircase": False}
        return tag("keras.optimizers.schedules", "InverseTimeDecay", config, "keras")

    def _loss_scale(self, item: Item, form: Literal["keras", "h5"]) -> Any:
        """An optimizer that scales the loss: a fixed scale is an argument of the inner one in Keras 3."""
        config = item.config or {}
        inner = self.write(config.get("inner_optimizer"), "keras")
        if isinstance(inner, str):
            inner = tag("keras.optimizers", tables.OPTIMIZER_NAMES[inner], {}, "keras")
        scale = config.get("initial_scale")
        if config.get("dynamic") is False:
            arguments = {**inner["config"], "loss_scale_factor": scale} if _is_number(scale) else inner["config"]
            return tag("keras.optimizers", inner["class_name"], arguments, form)
        made: dict[str, Any] = {"inner_optimizer": inner}
        made |= {key: config[key] for key in ("initial_scale", "dynamic_growth_steps") if _is_number(config.get(key))}
        return tag("keras.optimizers", "LossScaleOptimizer", made, form)

    # ------------------------------------------------------------------ into tf-keras

    def _for_keras2(self, name: str, config: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {"name": config["name"]} if isinstance(config.get("name"), str) else {}
        made["learning_rate"] = self._rate(config.get("learning_rate"))
        made |= self._plain(name, config, (*tables.COMMON, *_arguments(name)))
        return {**made, "jit_compile": False, "is_legacy_optimizer": False}

    def _plain(self, name: str, config: Mapping[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
        """The arguments that both have; others are named unless they say nothing."""
        left = [key for key in config if key not in known and key not in _DROPPED and config[key] not in (None, False)]
        if left:
            self.notes.append(f"optimizer: {', '.join(map(quote, left))} is left out, which the other {name} has not")
        made = {key: config[key] for key in config if key in known}
        for key, value in made.items():
            if value is not None and not isinstance(value, (bool, int, float)):
                raise Untranslatable(f"its {key} is {quote(value)}, expected a number")
        return made


def _arguments(name: str) -> tuple[str, ...]:
    """The arguments of an optimizer of both, beyond the common ones."""
    return tables.OPTIMIZERS[name] if name in tables.OPTIMIZERS else tables.KERAS_FILE_OPTIMIZERS[name]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
