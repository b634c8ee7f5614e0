"""How the original of a model was compiled, in the words of the Keras and the format that are written.

Nothing is made or looked up here: names and plain values go through tables. What the tables do not have is left out,
and the report names it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ...errors import quote
from ...spec import Era, Rule, TrainingConfig, Writer
from .. import snake
from . import tables
from .items import Item, Untranslatable, item_of, stated_item, tag
from .optimizers import Optimizers

Form = Literal["keras", "h5"]
_ERA: Mapping[str, Era] = {"keras3": "keras3", "keras2": "tf.keras"}  # a dialect -> who writes it
# What else `compile` takes -> what a value of it is.
_OPTIONS: Mapping[str, type] = {"run_eagerly": bool, "steps_per_execution": int, "jit_compile": bool}


def translate_training(
    known: TrainingConfig | None,
    form: Form,
    dialect: str,
    outputs: Sequence[str],
    model: str,
    offered: Collection[str] = (),
    optimizer: tuple[Any, Writer] | None = None,
) -> tuple[dict[str, Any] | None, list[Rule]]:
    """What to write into a file for how its model was compiled.

    Args:
        known: What the model's own file said; None if it has none.
        form: The kind of file: "keras" for `compile_config`, "h5" for `training_config`.
        dialect: Which Keras shall read it.
        outputs: The names of the model's outputs.
        model: The name of the model, for the report.
        offered: Names of somebody's own that mean something to the reader; they stay.
        optimizer: The optimizer in the place of the file's, in the words of this Keras.

    Returns:
        The config, as the file said it where the same Keras and format are written; None where there is none, or none
        of it can be said. What was changed and left out.
    """
    if known is None:
        return None, []
    if known.form == form and known.writer.era == _ERA[dialect] and optimizer is None:
        config = known.config
        notes = _openable(config) if form == "h5" and dialect == "keras3" else []
        return config, [Rule(model, text) for text in (*notes, *_own_notes(config))]
    translation = _Translation(known, form, _ERA[dialect], outputs, frozenset(offered), optimizer)
    config = translation.run()
    notes = [*translation.notes, *_own_notes(config)] if config else translation.notes
    return config, [Rule(model, text) for text in notes]


def losses_and_metrics(
    known: TrainingConfig, outputs: Sequence[str], offered: Collection[str]
) -> tuple[dict[str, Any], list[str]]:
    """`loss`, `loss_weights`, `metrics`, `weighted_metrics` in the words of Keras 3, and what could not be said so."""
    if known.form == "keras" and known.writer.era == "keras3":
        return {key: known.config.get(key) for key in ("loss", "loss_weights", "metrics", "weighted_metrics")}, []
    translation = _Translation(known, "keras", "keras3", outputs, frozenset(offered))
    return translation.without_optimizer(), translation.notes


@dataclass
class _Translation:
    """One config on its way."""

    known: TrainingConfig
    form: Form
    era: Era
    outputs: Sequence[str]
    offered: frozenset[str] = frozenset()
    optimizer: tuple[Any, Writer] | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source = self.known.writer
        # Standalone Keras before 2.3 had fewer losses; a name of a later one was a function of the user's own.
        early = self.source.era == "keras1" or (
            self.source.era == "keras2" and not (self.source.version or "2.0").startswith("2.3")
        )
        self.losses = tables.OLD_LOSSES if early else tables.LOSSES
        self.metrics = tables.OLD_METRICS if early else tables.METRICS
        self.early = early

    def _lacks(self, kind: str, name: str) -> Untranslatable:
        return Untranslatable(f"{quote(name)} is not a {kind} of {'Keras 3' if self.era == 'keras3' else 'tf-keras'}")

    @property
    def changes_era(self) -> bool:
        return (self.source.era == "keras3") != (self.era == "keras3")

    @property
    def to_keras3(self) -> bool:
        return self.changes_era and self.era == "keras3"

    def run(self) -> dict[str, Any] | None:
        known = self.known.config
        stated, writer = self.optimizer or (known.get("optimizer_config", known.get("optimizer")), self.source)
        optimizers = Optimizers(writer, self.form, self.era, self.notes)
        try:
            optimizer = optimizers.write(stated)
        except Untranslatable as error:
            self.notes.append(f"how the model was compiled is left out: {error}")
            return None
        made = self.without_optimizer()
        return {"optimizer": optimizer, **made} if self.form == "keras" else {**made, "optimizer_config": optimizer}

    def without_optimizer(self) -> dict[str, Any]:
        """The rest: losses, metrics and options."""
        known = self.known.config
        stated: dict[str, Any] = {key: known.get(key) for key in ("loss", "loss_weights", "metrics")}
        stated["weighted_metrics"] = known.get("weighted_metrics")
        if self.to_keras3:
            stated = self._per_output(stated)
        made: dict[str, Any] = {"loss": self._mapped(stated["loss"], "loss")}
        if made["loss"] == [None] * len(self.outputs):
            made["loss"] = None
        made["loss_weights"] = self._weights(stated["loss_weights"])
        for key in ("metrics", "weighted_metrics"):
            made[key] = self._mapped(stated[key], "metric")
        made |= {key: known[key] for key, kind in _OPTIONS.items() if isinstance(known.get(key), kind)}
        if known.get("sample_weight_mode") is not None:
            mode = json.dumps(known["sample_weight_mode"])
            self.notes.append(f"sample_weight_mode {quote(mode)} is left out: the shape of the weights says it now")
        return made

    # ------------------------------------------------------------------ one entry for each output

    def _per_output(self, stated: dict[str, Any]) -> dict[str, Any]:
        """Keras 1 and 2 took one loss and one list of metrics for all outputs; Keras 3 wants an entry for each."""
        number = len(self.outputs)
        loss, weights = stated["loss"], stated["loss_weights"]
        weighs = isinstance(weights, (list, dict)) and bool(weights)
        if number == 1:
            loss = _only(loss, self.outputs)
            stated = {**stated, "loss_weights": weights if weighs or isinstance(weights, float) else None}
            if isinstance(weights, dict):
                stated["loss_weights"] = [weights.get(self.outputs[0], 1.0)] if weights else None
            return {**stated, "loss": loss, **{key: self._one(stated[key]) for key in ("metrics", "weighted_metrics")}}
        if isinstance(loss, dict) and not stated_item(loss):
            loss = [loss.get(name) for name in self.outputs]
        elif stated_item(loss):
            loss = [loss] * number
        if isinstance(weights, dict):
            weights = [weights.get(name, 1.0) for name in self.outputs] if weights else None
        found = {"loss": loss, "loss_weights": weights if weighs else None}
        for key in ("metrics", "weighted_metrics"):
            found[key] = self._many(stated[key], number)
        return found

    def _one(self, value: Any) -> Any:
        """The metrics of the only output: a flat list."""
        if isinstance(value, dict) and not stated_item(value):
            value = value.get(self.outputs[0])
        flat: list[Any] = []
        stack = [value]
        while stack:
            item = stack.pop()
            if isinstance(item, list):
                stack += reversed(item)
            elif item is not None:
                flat.append(item)
        return flat if flat or isinstance(value, list) else None

    def _many(self, value: Any, number: int) -> Any:
        if value is None or value == []:
            return None
        if isinstance(value, dict) and not stated_item(value):
            return [_listed(value.get(name)) for name in self.outputs]
        items = _listed(value)
        if any(isinstance(item, list) for item in items):
            return [_listed(item) for item in items]
        return [list(items) for _ in range(number)]

    # ------------------------------------------------------------------ losses and metrics

    def _mapped(self, value: Any, kind: Literal["loss", "metric"], output: str | None = None) -> Any:
        """Every loss or metric in nested lists and dicts, in the other words."""
        if stated_item(value):
            try:
                item = item_of(value)
                return self._own(value, item) if item.name in self.offered else self._leaf(item, kind, output)
            except Untranslatable as error:
                where = f" of output {quote(output)}" if output else ""
                self.notes.append(f"a {kind}{where} is left out: {error}")
                return None
        if isinstance(value, dict):
            return {key: self._mapped(item, kind, key) for key, item in value.items()}
        if isinstance(value, list):
            named = len(value) == len(self.outputs) > 1 and output is None
            made = [
                self._mapped(item, kind, self.outputs[index] if named else output) for index, item in enumerate(value)
            ]
            if kind == "metric":
                # In a list of one entry for each output, an entry may be none; in the list of one output's, none may.
                return made if named else [item for item in made if item is not None]
            return made
        if value is not None:
            self.notes.append(f"a {kind} is left out: {quote(value)} is none")
        return None

    def _weights(self, value: Any) -> Any:
        numbers = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        plain = all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in numbers)
        if value is None or plain:
            return value
        self.notes.append("loss_weights are left out: they are not plain numbers")
        return None

    def _own(self, value: Any, item: Item) -> Any:
        """An item of the reader's own, by its name."""
        if self.form == "h5":
            return item.name if item.config is None else tag("", item.name, item.config, "h5")
        if isinstance(value, str):
            return {"module": "builtins", "class_name": "function", "config": value, "registered_name": "function"}
        return value

    def _leaf(self, item: Item, kind: Literal["loss", "metric"], output: str | None) -> Any:
        if item.own:
            raise self._lacks(kind, item.name)
        if kind == "loss":
            return self._loss_class(item) if item.config is not None else self._loss_function(item)
        if item.config is None:
            return self._metric_name(item)
        return self._metric_class(item, output)

    def _loss_function(self, item: Item) -> Any:
        name = item.name
        classes = (*tables.LOSS_CLASSES, *tables.KERAS3_LOSS_CLASSES)
        if self.source.era == "keras3":
            known = {**{key: key for key in tables.KERAS3_LOSSES}, **tables.LOSSES}
            allowed = known if self.era == "keras3" else tables.LOSSES
            if name in allowed:
                return self._spelled(name)
        elif name in self.losses:
            new = self.losses[name]
            if new == "cosine_similarity" and self.source.era == "keras1":
                self.notes.append(f"loss {quote(name)} is the mean of products in Keras 1 and their sum in later Keras")
            return self._spelled(new)
        if name in classes and not self.early:
            return name
        raise self._lacks("loss", name)

    def _spelled(self, loss: str) -> str:
        long = self.form == "h5" or self.era != "keras3"  # tf-keras has fewer short ones
        return tables.LONG_NAMES.get(loss, loss) if long else loss

    def _loss_class(self, item: Item) -> Any:
        name, config = item.name, item.config or {}
        if name == "LossFunctionWrapper" and isinstance(config.get("fn"), str):
            return self._loss_function(Item(config["fn"], None))
        if self.changes_era:
            if name not in tables.LOSS_CLASSES:
                raise self._lacks("loss", name)
            reduction = config.get("reduction", "sum_over_batch_size")
            if not (reduction is None or isinstance(reduction, str)) or reduction not in tables.REDUCTIONS:
                raise Untranslatable(f"{quote(name)} has the reduction {quote(reduction)}, which the other has not")
            config = self._arguments(name, config, ("name", *tables.LOSS_CLASSES[name]), ("fn", "reduction", "dtype"))
            config["reduction"] = tables.REDUCTIONS[reduction]
        elif name not in (*tables.LOSS_CLASSES, *tables.KERAS3_LOSS_CLASSES):
            raise self._lacks("loss", name)
        return tag("keras.losses", name, config, self.form)

    def _metric_name(self, item: Item) -> Any:
        name = item.name
        if name in tables.SPECIAL_METRICS:
            return name
        if name in tables.METRIC_CLASSES or (name in tables.KERAS3_METRIC_CLASSES and self.era == "keras3"):
            if self.early:
                raise self._lacks("metric", name)
            return name
        if self.source.era == "keras3":
            names = {snake(cls): cls for cls in (*tables.METRIC_CLASSES, *tables.KERAS3_METRIC_CLASSES)}
            cls = names.get(name, tables.METRICS.get(name))
            if cls in tables.METRIC_CLASSES or (cls is not None and self.era == "keras3"):
                if self.era == "keras3":
                    return name
                return _in_tf_keras(name) if name in tables.METRICS else cls
        elif name in self.metrics:
            if self.early and self.metrics[name] == "CosineSimilarity":
                self.notes.append(f"metric {quote(name)} was the negative of what later Keras reports")
            if not self.to_keras3:
                return _in_tf_keras(name)
            short = name in tables.LONG_NAMES and name.lower() != "kld"  # which Keras 3 has for the loss alone
            return name if short else snake(self.metrics[name])
        raise self._lacks("metric", name)

    def _metric_class(self, item: Item, output: str | None) -> Any:
        name, config = item.name, item.config or {}
        wrapped = name == "MeanMetricWrapper"
        if wrapped:
            function = item_of(config.get("fn")) if stated_item(config.get("fn")) else Item("?", None)
            if function.own or function.name not in self.metrics:
                raise self._lacks("metric", function.name)
            name = self.metrics[function.name]
        elif name not in (*tables.METRIC_CLASSES, *tables.KERAS3_METRIC_CLASSES):
            raise self._lacks("metric", name)
        if self.changes_era or wrapped:
            if name not in tables.METRIC_CLASSES:
                raise self._lacks("metric", name)
            config = self._arguments(name, config, ("name", "dtype", *tables.METRIC_CLASSES[name]), ("fn",))
            if not isinstance(config.get("dtype"), str):
                config.pop("dtype", None)
        # tf.keras puts the output's name in front, and so does Keras 3 when it prints.
        own = config.get("name")
        if self.to_keras3 and output and len(self.outputs) > 1 and isinstance(own, str):
            config = {**config, "name": own.removeprefix(f"{output}_")}
        return tag("keras.metrics", name, config, self.form)

    def _arguments(
        self, name: str, config: Mapping[str, Any], known: Sequence[str], dropped: Sequence[str]
    ) -> dict[str, Any]:
        """The arguments that both have; others are named unless they say nothing."""
        left = [key for key in config if key not in known and key not in dropped and config[key] is not None]
        if left:
            self.notes.append(f"{name}: {', '.join(map(quote, left))} is left out, which the other Keras does not have")
        return {key: config[key] for key in config if key in known}


def _in_tf_keras(metric: str) -> str:
    """The name of a function in tf-keras."""
    name = tables.LOSSES.get(metric, metric)
    return tables.LONG_NAMES.get(name, name)


def _openable(config: dict[str, Any]) -> list[str]:
    """Spell short names of losses out: Keras 3.15 writes them into .h5 files, which it does not open then."""
    notes: list[str] = []

    def spelled(value: Any) -> Any:
        if isinstance(value, str) and value in tables.LONG_NAMES:
            notes.append(f"loss {quote(value)} is spelled out, since Keras 3 does not open an .h5 file with it")
            return tables.LONG_NAMES[value]
        if isinstance(value, list):
            return [spelled(item) for item in value]
        if isinstance(value, dict) and not stated_item(value):
            return {key: spelled(item) for key, item in value.items()}
        return value

    config["loss"] = spelled(config.get("loss"))
    return notes


_KNOWN_NAMES = {
    *tables.OPTIMIZER_NAMES.values(),
    *("Lamb", "MultiOptimizer", "LossScaleOptimizerV1"),
    *(*tables.LOSSES, *tables.KERAS3_LOSSES, *tables.LOSS_CLASSES, *tables.KERAS3_LOSS_CLASSES, "LossFunctionWrapper"),
    *(*tables.METRICS, *tables.METRIC_CLASSES, *tables.KERAS3_METRIC_CLASSES, *tables.SPECIAL_METRICS),
    *("MeanMetricWrapper", "SumOverBatchSizeMetricWrapper", "Mean", "Sum", "MeanTensor", "MeanRelativeError"),
}
_KNOWN_LOWER = {name.lower() for name in _KNOWN_NAMES} | {snake(name) for name in _KNOWN_NAMES}


def _own_notes(config: Mapping[str, Any]) -> list[str]:
    own = [f"compiled with {quote(name)}" for name in _own_names(config)]
    return [f"{text}, which is not Keras's: it needs custom_objects to open the file" for text in own]


def _own_names(config: Mapping[str, Any]) -> list[str]:
    """The optimizer, losses and metrics that are the user's own, as far as the file tells."""
    found: dict[str, None] = {}
    stack = [config.get(key) for key in ("optimizer", "optimizer_config", "loss", "metrics", "weighted_metrics")]
    while stack:
        value = stack.pop(0)
        if stated_item(value):
            item = item_of(value)
            if item.own or item.name.lower() not in _KNOWN_LOWER:
                found[item.name] = None
            if item.name == "MeanMetricWrapper":
                stack.append((item.config or {}).get("fn"))
        elif isinstance(value, (list, dict)):
            stack += list(value.values()) if isinstance(value, dict) else value
    return list(found)


def _only(value: Any, outputs: Sequence[str]) -> Any:
    """The loss of the only output."""
    if isinstance(value, dict) and not stated_item(value):
        value = value.get(outputs[0])
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
