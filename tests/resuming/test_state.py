"""What a file says of a training, without Keras: round trips, files of somebody else's making, what is not here."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from _close import OUTPUT, assert_close, assert_numbers

import kerastorch as kt
from kerastorch.errors import ArgumentError

RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=(8, 3, 2)).astype("float32"), RNG.normal(size=(8, 2)).astype("float32")


def _model(optimizer: Any = None, loss: Any = "mean_squared_error", **compiled: Any) -> Any:
    x = kt.Input((3, 2))
    model = kt.Model(x, kt.layers.Dense(2, name="out")(kt.layers.GRU(3, name="gru")(x)), name="net")
    if optimizer is not None:
        model.compile(optimizer, loss, **compiled)
        _train(model, 3)
    return model


def _train(model: Any, steps: int) -> list[np.ndarray]:
    for _ in range(steps):
        model.train_on_batch(X, Y)
    return model.get_weights()


def _same(mine: list[np.ndarray], theirs: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "Adam": lambda: kt.optimizers.Adam(0.0078125, amsgrad=True, use_ema=True, ema_momentum=0.5),
    "SGD": lambda: kt.optimizers.SGD(0.0625, momentum=0.5, nesterov=True),
    "RMSprop": lambda: kt.optimizers.RMSprop(0.0078125, momentum=0.5, centered=True, global_clipnorm=0.5),
    "Adagrad": lambda: kt.optimizers.Adagrad(0.0625, weight_decay=0.125),
    "schedule": lambda: kt.optimizers.Adamax(kt.optimizers.schedules.CosineDecay(0.0625, 10)),
    "Ftrl": lambda: kt.optimizers.Ftrl(0.0625),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("dialect", ["keras3", "keras2"])
def test_a_round_trip_changes_nothing(tmp_path: Path, name: str, ending: str, dialect: Any) -> None:
    model = _model(OPTIMIZERS[name]())
    model.save(tmp_path / f"a{ending}", dialect=dialect)
    again = kt.load_model(tmp_path / f"a{ending}")
    assert (again.optimizer.iterations, type(again.optimizer)) == (3, type(model.optimizer))
    assert _same(_train(again, 4), _train(model, 4))
    again.save(tmp_path / f"b{ending}", dialect=dialect)
    assert _same(_train(kt.load_model(tmp_path / f"b{ending}"), 2), _train(model, 2))


def test_gathered_gradients_go_along(tmp_path: Path) -> None:
    model = _model(kt.optimizers.Nadam(0.0078125, gradient_accumulation_steps=4))
    _train(model, 3)  # the second of four
    model.save(tmp_path / "a.keras")
    again = kt.load_model(tmp_path / "a.keras")
    assert again.optimizer.iterations == 1
    # The product of the momenta is float32 in the file, and so is every step of it.
    assert_close(_train(again, 7), _train(model, 7), OUTPUT)


def test_rules_of_before_in_todays_words(tmp_path: Path) -> None:
    """A legacy Adam with decay is an Adam with a schedule in Keras 3: the same path."""
    model = _model(kt.optimizers.legacy.Adam(0.0078125, decay=0.25))
    report = model.save(tmp_path / "a.keras")
    assert any("is the schedule InverseTimeDecay" in rule.text for rule in report.rules)
    again = kt.load_model(tmp_path / "a.keras")
    assert type(again.optimizer) is kt.optimizers.Adam
    assert_close(_train(again, 4), _train(model, 4), OUTPUT)
    report = model.save(tmp_path / "b.keras", dialect="keras2")
    assert "write an .h5 file" in report.rules[-1].text
    model.save(tmp_path / "b.h5", dialect="keras2")
    again = kt.load_model(tmp_path / "b.h5")
    assert type(again.optimizer) is kt.optimizers.legacy.Adam
    assert _same(_train(again, 2), _train(model, 2))


def test_what_is_set_after_the_load_is_written(tmp_path: Path) -> None:
    _model(kt.optimizers.SGD(0.5, momentum=0.5)).save(tmp_path / "a.keras")
    model = kt.load_model(tmp_path / "a.keras")
    model.optimizer.learning_rate = 0.125
    model.save(tmp_path / "b.keras")
    again = kt.load_model(tmp_path / "b.keras")
    assert again.optimizer.learning_rate == 0.125
    assert again.training_config.config["optimizer"]["config"]["learning_rate"] == 0.125
    assert _same(_train(again, 2), _train(model, 2))


def test_a_loaded_model_may_be_compiled_anew(tmp_path: Path) -> None:
    _model("adam").save(tmp_path / "a.keras")
    model = kt.load_model(tmp_path / "a.keras")
    model.compile("sgd", "mae", metrics=["mse"])
    model.save(tmp_path / "b.keras")
    again = kt.load_model(tmp_path / "b.keras")
    assert type(again.optimizer) is kt.optimizers.SGD
    assert sorted(again.evaluate(X, Y, verbose=0, return_dict=True)) == ["loss", "mse"]


def test_without_compile(tmp_path: Path) -> None:
    _model("adam").save(tmp_path / "a.h5")
    model, report = kt.load.load_model_reported(tmp_path / "a.h5", compile=False)
    assert [(item.what.split(" (")[0], item.reason) for item in report.skipped] == [
        ("optimizer 'Adam'", "compile=False")
    ]
    with pytest.raises(ArgumentError, match=r"must be compiled before fit: model.compile\(optimizer, loss\).$"):
        model.fit(X, Y)


# ---------------------------------------------------------------------------- beside weights


def test_beside_weights(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = _model("adam")
    model.save_weights(tmp_path / "a.weights.h5")
    fresh = _model()
    reasons = {item.reason for item in fresh.load_weights(tmp_path / "a.weights.h5").skipped}
    assert reasons == {"the model is not compiled"}
    fresh.compile("adam", "mean_squared_error")
    report = fresh.load_weights(tmp_path / "a.weights.h5")
    assert [item.reason for item in report.skipped] == ["the model's optimizer has done no step"]  # as in Keras
    _train(fresh, 5)
    assert fresh.load_weights(tmp_path / "a.weights.h5").skipped == ()
    assert _same(_train(fresh, 4), _train(model, 4))
    fresh.compile(torch.optim.SGD(fresh.parameters(), 0.1), "mean_squared_error")
    report = fresh.load_weights(tmp_path / "a.weights.h5")
    assert [item.reason for item in report.skipped] == ["the model's optimizer is torch's own"]
    other = _model("sgd")
    with caplog.at_level(logging.WARNING, "kerastorch"):
        other.load_weights(tmp_path / "a.weights.h5")
    assert "it has 12 arrays, and SGD of this model 2" in caplog.text
    assert other.optimizer.iterations == 3


# ---------------------------------------------------------------------------- files of somebody else's making


def _faulty(path: Path, change: Callable[[h5py.Group], None]) -> None:
    with h5py.File(path, "a") as file:
        change(file["optimizer_weights"])


def _replace(name: str, value: Any) -> Callable[[h5py.Group], None]:
    def change(group: h5py.Group) -> None:
        del group[name]
        group[name] = value

    return change


def _without_last(group: h5py.Group) -> None:
    group.attrs["weight_names"] = list(group.attrs["weight_names"])[:-1]


def _with_more(group: h5py.Group) -> None:
    group["more"] = np.float32(1)
    group.attrs["weight_names"] = [*group.attrs["weight_names"], b"more"]


def _huge(group: h5py.Group) -> None:
    del group["adam/out_bias_velocity"]
    group.create_dataset("adam/out_bias_velocity", (2**40,), "f4", chunks=(2**20,))


FAULTS: dict[str, tuple[Callable[[h5py.Group], None], str]] = {
    "missing": (_without_last, "it has 11 arrays, and Adam of this model 12"),
    "extra": (_with_more, "it has 13 arrays, and Adam of this model 12"),
    "shape": (_replace("adam/out_bias_momentum", np.zeros(3, "f4")), "has shape (2,), and"),
    "transposed": (_replace("adam/gru_gru_cell_kernel_velocity", np.zeros((9, 2), "f4")), "has shape (2, 9), and"),
    "huge": (_huge, "(1099511627776,)"),
    "kind": (_replace("adam/out_bias_momentum", np.zeros(2, "i4")), "holds int32, expected float16 or"),
    "steps below 0": (_replace("adam/iteration", np.int64(-1)), "is -1, expected a number of steps"),
    "half a step": (_replace("adam/iteration", np.float32(0.5)), "is 0.5, expected a number of steps"),
    "many steps": (_replace("adam/iteration", np.uint64(2**63)), "expected a number of steps"),
    "rate": (_replace("adam/learning_rate", np.float32("nan")), "is nan, expected a finite number"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_state_that_does_not_fit_is_left_out(tmp_path: Path, fault: str) -> None:
    change, said = FAULTS[fault]
    original = _model("adam")
    original.save(tmp_path / "a.h5")
    _faulty(tmp_path / "a.h5", change)
    with pytest.warns(UserWarning, match="its state is left out, and it begins anew") as caught:
        model = kt.load_model(tmp_path / "a.h5")
    assert said in str(caught[0].message)
    assert _same(model.get_weights(), original.get_weights())
    assert not model.optimizer.built
    _train(model, 1)
    assert model.optimizer.iterations == 1


def test_a_failed_load_leaves_the_optimizer_as_it_was(tmp_path: Path) -> None:
    model = _model("adam")
    model.save_weights(tmp_path / "a.weights.h5")
    _train(model, 2)
    with h5py.File(tmp_path / "a.weights.h5", "a") as file:
        del file["optimizer/vars/11"]
        file["optimizer/vars/11"] = np.zeros(2, "i4")
    before = {
        id(part): {key: value.clone() for key, value in held.items()} for part, held in model.optimizer.state.items()
    }
    report = model.load_weights(tmp_path / "a.weights.h5")
    assert [rule.warns for rule in report.rules] == [True]
    assert model.optimizer.iterations == 5
    for part, held in model.optimizer.state.items():
        assert all(torch.equal(value, before[id(part)][key]) for key, value in held.items())


@pytest.mark.parametrize("settings", [{"beta_1": 1.0}, {"decay": 0.0}, {"decay": 1e-9}, {"beta_1": 2.0}])
def test_many_steps_take_no_time(tmp_path: Path, settings: dict[str, float]) -> None:
    """The product of Nadam's momenta is computed where the file does not hold it."""
    model = _model(kt.optimizers.legacy.Nadam(0.01))
    model.save(tmp_path / "a.h5", dialect="keras2")

    def change(group: h5py.Group) -> None:
        del group["Nadam/iter:0"]
        group["Nadam/iter:0"] = np.int64(2**50)
        names = [name for name in group.attrs["weight_names"] if b"momentum_cache" not in name]
        group.attrs["weight_names"] = names

    _faulty(tmp_path / "a.h5", change)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        config = json.loads(file.attrs["training_config"])
        config["optimizer_config"]["config"] |= settings
        file.attrs["training_config"] = json.dumps(config)
    assert kt.load_model(tmp_path / "a.h5").optimizer.iterations == 2**50


def test_frozen_since(tmp_path: Path) -> None:
    """The state of all weights, of which some are frozen by the file's own config."""
    model = _model("adam")
    model.save(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        config = json.loads(file.attrs["model_config"])
        next(item for item in config["config"]["layers"] if item["config"]["name"] == "gru")["config"]["trainable"] = (
            False
        )
        file.attrs["model_config"] = json.dumps(config)
    again, report = kt.load.load_model_reported(tmp_path / "a.h5")
    assert any("the state of weights that are frozen is left out" in rule.text for rule in report.rules)
    model.get_layer("gru").trainable = False
    assert _same(_train(again, 3), _train(model, 3))


# ---------------------------------------------------------------------------- what is not here


def _loss(y_true: Any, y_pred: Any) -> Any:
    return ((y_true - y_pred) ** 2).mean(-1)


def _stated(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["training_config"])
        change(config)
        file.attrs["training_config"] = json.dumps(config)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("loss", "mine", "'mine' is not a loss of Keras 3"),
        ("metrics", [["F3Score"]], "'F3Score' is not a metric of Keras 3"),
        ("loss", 5, "5 is none"),
    ],
)
def test_a_loss_that_is_not_here(tmp_path: Path, key: str, value: Any, said: str) -> None:
    original = _model("adam")
    original.save(tmp_path / "a.h5")
    _stated(tmp_path / "a.h5", lambda config: config.update({key: value}))
    model, report = kt.load.load_model_reported(tmp_path / "a.h5")
    assert [item.what for item in report.skipped] == ["compile"]
    assert said in report.skipped[0].reason
    with pytest.raises(ArgumentError, match="What its file says of it cannot be repeated here: ") as caught:
        model.fit(X, Y)
    assert said in str(caught.value)
    model.compile(model.optimizer, "mean_squared_error")
    assert _same(_train(model, 3), _train(original, 3))


def test_an_optimizer_that_is_not_here(tmp_path: Path) -> None:
    _model("adam").save(tmp_path / "a.h5")
    _stated(tmp_path / "a.h5", lambda config: config["optimizer_config"].update(class_name="MultiOptimizer"))
    model, report = kt.load.load_model_reported(tmp_path / "a.h5")
    assert "'MultiOptimizer' is not supported" in report.skipped[0].reason
    with pytest.raises(ArgumentError, match="'MultiOptimizer' is not supported"):
        model.fit(X, Y)


def test_a_loss_of_ones_own(tmp_path: Path) -> None:
    model = _model("adam", _loss, metrics=[_loss])
    for ending in (".keras", ".h5"):
        report = model.save(tmp_path / f"a{ending}")
        assert any("'_loss', which is not Keras's: it needs custom_objects" in rule.text for rule in report.rules)
        with pytest.raises(ArgumentError, match="'_loss'"):
            kt.load_model(tmp_path / f"a{ending}").fit(X, Y)
        again = kt.load_model(tmp_path / f"a{ending}", {"_loss": _loss})
        assert sorted(again.evaluate(X, Y, verbose=0, return_dict=True)) == ["_loss", "loss"]
        assert _same(_train(again, 1), _train(kt.load_model(tmp_path / f"a{ending}", {"_loss": _loss}), 1))


def test_what_no_file_can_name(tmp_path: Path) -> None:
    model = _model("adam", torch.nn.MSELoss())
    report = model.save(tmp_path / "a.keras")
    assert "'MSELoss' is left out of how the model was compiled" in report.rules[0].text
    model.compile(torch.optim.Adam(model.parameters()), "mse")
    report = model.save(tmp_path / "b.keras")
    assert "its optimizer is 'Adam', none of Keras's" in report.rules[0].text
    assert kt.load_model(tmp_path / "b.keras").training_config is None


class _Slow(kt.optimizers.SGD):
    pass


def test_an_optimizer_of_ones_own(tmp_path: Path) -> None:
    report = _model(_Slow(0.1)).save(tmp_path / "a.keras")
    assert "its optimizer is '_Slow', none of Keras's" in report.rules[0].text
    with kt.saving.custom_object_scope({"_Slow": _Slow}):
        report = _model(_Slow(0.1)).save(tmp_path / "a.keras")
    assert any("'_Slow' is not an optimizer of Keras 3" in rule.text or "_Slow" in rule.text for rule in report.rules)


def test_a_model_that_moves_keeps_its_state(tmp_path: Path) -> None:
    _model("adam").save(tmp_path / "a.keras")
    model = kt.load_model(tmp_path / "a.keras").double()
    _train(model, 1)
    held = [value.dtype for state in model.optimizer.state.values() for value in state.values()]
    assert set(held) == {torch.float64}
    assert len(held) == 2 * len(list(model.parameters()))


def test_losses_of_before_keep_their_mean_over_masks(tmp_path: Path) -> None:
    x = kt.Input((3,), dtype="int32")
    model = kt.Model(x, kt.layers.Dense(2)(kt.layers.Embedding(5, 3, mask_zero=True)(x)))
    model.compile("sgd", "mean_squared_error")
    model.save(tmp_path / "a.h5", dialect="keras2")
    ids, targets = np.array([[1, 2, 0], [3, 0, 0]]), np.ones((2, 3, 2), "float32")
    means = {}
    for version in ("2.21.0", "2.10.0", "2.9.0", "2.4.0", "2.2.4-tf"):
        with h5py.File(tmp_path / "a.h5", "a") as file:
            file.attrs["keras_version"] = version
            file["model_weights"].attrs["keras_version"] = version
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            means[version] = kt.load_model(tmp_path / "a.h5").evaluate(ids, targets, verbose=0)
    assert means["2.21.0"] == means["2.10.0"]
    assert means["2.9.0"] == means["2.4.0"] == means["2.2.4-tf"]
    assert_numbers(means["2.9.0"], means["2.21.0"] * 3 / 6)  # three of six steps are valid


def test_an_optimizer_that_has_done_no_step(tmp_path: Path) -> None:
    """Keras writes its count, and nothing of the weights; a count without the rest is not taken."""
    model = _model()
    model.compile(OPTIMIZERS["Adam"](), "mean_squared_error")
    model.save(tmp_path / "a.keras")
    _model("adam").save(tmp_path / "a.h5")

    def change(group: h5py.Group) -> None:
        group.attrs["weight_names"] = list(group.attrs["weight_names"])[:2]

    _faulty(tmp_path / "a.h5", change)
    with pytest.warns(UserWarning, match="it has 2 arrays, and Adam of this model 12"):
        kt.load_model(tmp_path / "a.h5")
    _faulty(tmp_path / "a.h5", _replace("adam/iteration", np.int64(0)))
    assert kt.load_model(tmp_path / "a.h5").optimizer.iterations == 0
