"""What is read, written and printed for many models, in full, to be compared with what is kept of it.

Live Keras judges that these outcomes are right; what is kept says of which they are, so that any other is seen without
it. `make_outcomes.py` writes them anew, and names those that change.
"""

from __future__ import annotations

import dataclasses
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from _goldens import expected_files, unpack
from make_goldens import GOLDENS

import kerastorch as kt
from kerastorch.cli import main
from kerastorch.compat import read_config
from kerastorch.compat.training import translate_training
from kerastorch.spec import TrainingConfig, Writer

FOLDER = GOLDENS / "outcomes"
CONFIGS = Path(__file__).parent / "compat"


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {type(value).__name__: {name: item for name, item in fields.items() if item not in (None, "", [], {})}}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape), value.tolist()]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def outcome(make: Callable[[], Any]) -> Any:
    """What comes out, or how it is refused, or how it fails."""
    try:
        return plain(make())
    except Exception as error:  # noqa: BLE001 - one outcome for each, so that all are compared
        return {"refused": f"{type(error).__name__}: {error}"}


# ---------------------------------------------------------------- what configs mean


def configs() -> Iterator[tuple[str, dict[str, Any]]]:
    for framework in ("keras3", "tf_keras"):
        yield from (
            (f"{framework}: {name}", config)
            for name, config in json.loads((CONFIGS / f"configs_{framework}.json").read_text()).items()
        )


@cache
def readings() -> dict[str, Callable[[], Any]]:
    """The spec, the writer and the rules of every config, as the version inside and as another one wrote it."""
    cases: dict[str, Callable[[], Any]] = {}
    for name, config in configs():
        others = ("3.5.0",) if name.startswith("keras3") else ("2.2.4", "2.3.1")
        for version in (config.get("keras_version"), *others):
            cases[f"{name}, {version}"] = lambda config=config, version=version: read_config(
                config, version, config.get("backend"), partly=True
            )
    return cases


# ---------------------------------------------------------------- what is written


@cache
def written() -> dict[str, Callable[[], Any]]:
    """The configs of the same models in both dialects, and what is written of how a model was compiled."""
    cases: dict[str, Callable[[], Any]] = {}
    for name, config in configs():
        for dialect in ("keras3", "keras2"):
            cases[f"{name} in {dialect}"] = lambda config=config, dialect=dialect: json.loads(
                kt.to_json(kt.model_from_json(json.dumps(config)), dialect=dialect)
            )
    for number, config in enumerate(compiled()):
        for era in ("keras1", "keras2", "tf.keras", "keras3"):
            for dialect in ("keras3", "keras2"):
                for form in ("keras", "h5"):
                    outputs = ("a", "b") if isinstance(config["loss"], dict) or number % 2 else ("a",)
                    form_of_file = "keras" if "optimizer" in config else "h5"
                    known = TrainingConfig(json.dumps(config), form_of_file, Writer(era, None))  # type: ignore[arg-type]
                    cases[f"compiled {number}, {era} to {dialect} {form}"] = (
                        lambda known=known, form=form, dialect=dialect, outputs=outputs: translate_training(
                            known, form, dialect, outputs, "net"
                        )
                    )
    return cases


def _of(name: str, module: str = "keras.optimizers", /, **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


SCHEDULE = _of("ExponentialDecay", "keras.optimizers.schedules", initial_learning_rate=0.1, decay_steps=7, name=None)
OPTIMIZERS = [
    _of("Adam", lr=0.01, beta_1=0.8, beta_2=0.99, decay=0.25, epsilon=None),
    _of("SGD", lr=0.5, decay=0.0, momentum=0.25, nesterov=True, clipnorm=2.0, clipvalue=0.0),
    _of("RMSprop", learning_rate=0.5, rho=0.7, clipnorm=0.0, clipvalue=0.5, centered=False),
    _of("Adagrad", lr=0.5, epsilon=1e-6),
    _of("Nadam", lr=0.5, schedule_decay=0.004, name="n"),
    _of("Adam", "keras.optimizers.legacy", learning_rate=SCHEDULE, decay=0.5, amsgrad=True, is_legacy_optimizer=True),
    _of("Adamax", learning_rate=0.1, is_legacy_optimizer=False, jit_compile=True, weight_decay=0.004, use_ema=True),
    _of("Lion", learning_rate=0.1, beta_1=0.8, gradient_accumulation_steps=2, loss_scale_factor=4.0),
    _of("LossScaleOptimizer", inner_optimizer=_of("Adam", learning_rate=0.1), dynamic=False, initial_scale=8.0),
    _of("LossScaleOptimizer", inner_optimizer="sgd", dynamic=True, initial_scale=8.0, dynamic_growth_steps=9),
    _of("Ftrl", learning_rate=_of("Mine", "keras.optimizers.schedules")),
    _of("Adadelta", learning_rate=0.1, rho=[1]),
    "adam",
    _of("Mine", lr=1),
    None,
]
LOSSES = [
    "mse",
    {"a": "kld", "b": "mine"},
    _of("Huber", "keras.losses", delta=2.0, reduction="auto", name="h", fn="huber"),
    {"a": "cosine_proximity", "b": _of("Dice", "keras.losses", reduction="sum")},
    _of("LossFunctionWrapper", "keras.losses", fn="log_cosh", reduction="none"),
    "categorical_crossentropy",
    {"b": "mae"},
    ["mine"],
    _of("CategoricalFocalCrossentropy", "keras.losses", alpha=0.5, from_logits=True, more=1, reduction="none"),
]
METRICS = [
    ["acc", "mae", "r2"],
    {"b": ["mse", "cosine_proximity"], "a": "kld"},
    [["acc"], [_of("MeanMetricWrapper", "keras.metrics", name="b_right", fn="binary_accuracy", dtype="float32")]],
    _of("AUC", "keras.metrics", num_thresholds=7, name="auc", dtype=_of("DTypePolicy", "keras", name="float32")),
    None,
    ["r2"],
    [_of("F1Score", "keras.metrics", average="macro", name=None), "crossentropy", "auc"],
]
WEIGHTS = [None, {"b": 2.0}, [0.5, 2.0], 0.5, {}, {"a": "x"}]


def compiled() -> list[dict[str, Any]]:
    """How models may have been compiled: each optimizer, loss, list of metrics and kind of weights in turn."""
    found = []
    for number in range(48):
        optimizer = OPTIMIZERS[number % len(OPTIMIZERS)]
        found.append(
            {
                "optimizer" if number % 3 == 0 else "optimizer_config": optimizer,
                "loss": LOSSES[number % len(LOSSES)],
                "loss_weights": WEIGHTS[number % len(WEIGHTS)],
                "metrics": METRICS[(number // 2) % len(METRICS)],
                "weighted_metrics": METRICS[(number // 3 + 1) % len(METRICS)],
                "sample_weight_mode": "temporal" if number % 7 == 0 else None,
                "run_eagerly": number % 2 == 0,
                "jit_compile": "auto" if number % 5 == 0 else True,
                "steps_per_execution": number,
            }
        )
    return found


@cache
def stored() -> dict[str, Callable[[], Any]]:
    """The places, names, attributes and shapes in files of weights of the same models, in both dialects and layouts."""

    return {
        f"{name} in {dialect}{ending}": lambda config=config, dialect=dialect, ending=ending: places(
            kt.model_from_json(json.dumps(config)), dialect, ending
        )
        for name, config in configs()
        for dialect in ("keras3", "keras2")
        for ending in (".weights.h5", ".h5")
    }


def places(model: Any, dialect: Any, ending: str) -> Any:
    """What stands where in a file of weights."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"m{ending}"
        kt.save_weights(model, path, dialect=dialect)
        found = {}
        with h5py.File(path) as file:
            items = [("", file)]
            file.visititems(lambda name, item: items.append((name, item)))
            for name, item in items:
                attributes = {key: text_of(value) for key, value in sorted(item.attrs.items())}
                found[name] = [attributes, list(getattr(item, "shape", ())), str(getattr(item, "dtype", ""))]
    return found


def text_of(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [text_of(item) for item in value.tolist()]
    return value.decode() if isinstance(value, bytes) else str(value)


# ---------------------------------------------------------------- what is printed


def printed(folder: Path) -> dict[str, Callable[[], Any]]:
    """What `kerastorch info` and `summary` say of every golden file."""

    def cells(line: str) -> list[str]:
        """The cells of a table's row, but for the kernel and its reason, which are another machine's own."""
        return [cell.strip(" ─━┏┓┗┛└┘┡┩├┤┳┴╇┼") for cell in re.split("[│┃]", line)][:5]

    def run(command: str, packed: str, file: str) -> Any:
        with redirect_stdout(io.StringIO()) as text:
            status = main([command, str(folder / packed / file)])
        return [status, *map(cells, text.getvalue().replace(str(folder), "").splitlines())]

    unpack(folder)
    return {
        f"{command} {packed}/{name}{ending}": lambda command=command, packed=packed, file=f"{name}{ending}": run(
            command, packed, file
        )
        for packed, name, ending in expected_files()
        for command in ("info", "summary")
        if command == "info" or ending == ".keras"
    }


def differences(
    cases: Mapping[str, Callable[[], Any]], name: str, part: slice, *, complete: bool = True
) -> dict[str, tuple[Any, Any]]:
    """Case -> what is kept and what comes out now, where they are not the same.

    Args:
        cases: All cases of the set.
        name: Of the set.
        part: Which of them.
        complete: Whether each must be kept; where cases come from the table of layers, a new layer has none yet.
    """
    wanted = kept(name)
    assert list(cases) == list(wanted) if complete else set(wanted) <= set(cases)
    found = {case: json.loads(json.dumps(outcome(cases[case]))) for case in list(wanted)[part]}
    return {case: (wanted[case], value) for case, value in found.items() if value != wanted[case]}


@cache
def kept(name: str) -> dict[str, Any]:
    with zipfile.ZipFile(FOLDER / f"{name}.zip") as archive:
        return json.loads(archive.read("outcomes.json"))
