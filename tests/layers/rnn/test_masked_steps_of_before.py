"""What layers over time gave at masked steps in Keras 1 and 2, as files of theirs mean it.

Read in the sources of Keras 1.2.2 to 2.3.1 and of TensorFlow 1.12 to 2.0: `K.rnn` and `Bidirectional.__init__`.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from torch import Tensor

import kerastorch as kt
from kerastorch import layers

B, T, F, U = 4, 5, 2, 3
MASK = torch.tensor([[0, 0, 1, 1, 0], [1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
GENERATOR = torch.Generator().manual_seed(3)
X = torch.randn(B, T, F, generator=GENERATOR)
LAYERS: dict[str, Any] = {
    "LSTM": lambda **options: layers.LSTM(U, **options),
    "LSTM in steps": lambda **options: layers.LSTM(U, recurrent_activation="hard_sigmoid", **options),
    "GRU": lambda **options: layers.GRU(U, reset_after=False, **options),
    "SimpleRNN": lambda **options: layers.SimpleRNN(U, **options),
    "cell": lambda **options: layers.RNN(layers.LSTMCell(U), **options),
    "stack": lambda **options: layers.RNN([layers.LSTMCell(4), layers.GRUCell(U)], **options),
}


def filled(layer: Any) -> Any:
    layer.build((B, T, F))
    rng = np.random.default_rng(5)
    layer.set_weights([rng.normal(0, 0.6, array.shape) for array in layer.get_weights()])
    return layer.eval()


def flat(value: Any) -> list[Tensor]:
    return [part for item in value for part in flat(item)] if isinstance(value, (list, tuple)) else [value]


def starts(layer: Any) -> list[Tensor]:
    sizes = [state.shape for state in flat(layer.get_initial_state(B))]
    return [torch.randn(*size, generator=torch.Generator().manual_seed(9 + at)) for at, size in enumerate(sizes)]


def by_steps(make: Any, states: list[Tensor]) -> list[Tensor]:
    """One step after the other, on steps without a mask; where a step is masked its output is the state."""
    plain = filled(make(return_state=True))
    outputs = []
    for step in range(T):
        out, *new = flat(plain(X[:, step : step + 1], initial_state=states))
        use = MASK[:, step, None]
        shown = states[-1] if states[-1].shape == out.shape and len(states) != 2 else states[0]
        outputs.append(torch.where(use, out, shown))
        states = [torch.where(use, value, old) for value, old in zip(new, states, strict=True)]
    return [torch.stack(outputs, 1), *states]


@pytest.mark.parametrize("name", LAYERS)
def test_the_first_state_shows(name: str) -> None:
    make = LAYERS[name]
    layer = filled(make(return_sequences=True, return_state=True, first_state_shows=True))
    states = starts(layer)
    wanted = by_steps(make, states)
    with torch.no_grad():
        assert_close(flat(layer(X, mask=MASK, initial_state=states)), wanted)
        last = filled(make(return_state=True, first_state_shows=True))
        assert_close(flat(last(X, mask=MASK, initial_state=states)), [wanted[0][:, -1], *wanted[1:]])
        plain = filled(make(return_sequences=True))(X, mask=MASK, initial_state=states)
    begun = (MASK.cumsum(1) > 0).unsqueeze(-1)
    assert_close(plain, wanted[0] * begun)
    assert not torch.equal(plain, wanted[0])


def test_kept_states_show_and_gradients_reach_them() -> None:
    layer = filled(layers.GRU(U, stateful=True, first_state_shows=True))
    (start,) = starts(layer)
    layer.reset_state([start])
    assert torch.equal(layer(X, mask=torch.zeros(B, T, dtype=torch.bool)), start)
    start.requires_grad_()
    layer(X, mask=MASK, initial_state=[start])[2].sum().backward()  # nothing of this row is valid
    grad = start.grad
    assert grad is not None
    assert grad[2].tolist() == [1.0] * U


def test_it_is_kept_in_configs() -> None:
    layer: Any = layers.LSTM(U, first_state_shows=True)
    assert layers.LSTM.from_config(layer.get_config()).first_state_shows
    assert "first_state_shows" not in layers.LSTM(U).get_config()
    both = layers.Bidirectional(layer, forces_zeros=False)
    for made in (both, layers.Bidirectional.from_config(both.get_config())):
        assert [direction.first_state_shows for direction in made._directions] == [True, True]
        assert made.forces_zeros is False
    assert "forces_zeros" not in layers.Bidirectional(layers.LSTM(U)).get_config()


@pytest.mark.parametrize("rows", [1, B])  # one row may run in one call for both directions
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("zeros", [True, False])
def test_bidirectional_leaves_masked_steps_to_what_is_inside(zeros: bool, sequences: bool, rows: int) -> None:
    inside = layers.LSTM(U, return_sequences=sequences, zero_output_for_mask=zeros)
    layer: Any = filled(layers.Bidirectional(inside, forces_zeros=False))
    with torch.no_grad():
        found = layer(X[:rows], mask=MASK[:rows])
        one, two = (direction(X[:rows], mask=MASK[:rows]) for direction in layer._directions)
        assert_close(found, torch.cat([one, two.flip(1) if sequences else two], -1))
        masked = found[~MASK[:rows]] if sequences else found[0, :U]  # the forward layer ends at a masked step
        assert bool((masked == 0).all()) is zeros
        layer.forces_zeros = True
        assert bool((layer(X[:rows], mask=MASK[:rows])[0, 4 if sequences else ...] == 0).all()) is sequences


# ---------------------------------------------------------------------------- files


def config_of(version: str, inside: dict[str, Any], backend: str = "tensorflow", keras1: bool = False) -> str:
    """A Bidirectional behind a Masking, and a stateful SimpleRNN."""
    size = "output_dim" if keras1 else "units"
    inner = {"name": "l", size: U, "return_sequences": True, **inside}
    items = [
        ("Masking", {"name": "m", "mask_value": 0.0, "batch_input_shape": [B, T, F]}),
        (
            "Bidirectional",
            {"name": "both", "merge_mode": "concat", "layer": {"class_name": "SimpleRNN", "config": inner}},
        ),
        (
            "SimpleRNN",
            {"name": "kept", size: U, "stateful": True, "return_sequences": True, "unroll": "unroll" in inside},
        ),
    ]
    config = [{"class_name": name, "config": config} for name, config in items]
    return json.dumps({"class_name": "Sequential", "keras_version": version, "backend": backend, "config": config})


@pytest.mark.parametrize(
    ("version", "backend", "forces", "shows"),
    [
        ("1.2.2", "tensorflow", False, True),
        ("1.2.2", "theano", False, False),
        ("2.0.5", "tensorflow", False, True),
        ("2.2.4", "tensorflow", False, True),
        ("2.2.4", "theano", False, False),
        ("2.2.5", "tensorflow", False, False),
        ("2.3.1", "tensorflow", False, False),
        ("2.1.6-tf", "tensorflow", False, True),
        ("2.2.4-tf", "tensorflow", True, False),
        ("2.3.0-tf", "tensorflow", True, False),
        ("2.15.0", "tensorflow", True, False),
    ],
)
def test_by_the_version(version: str, backend: str, forces: bool, shows: bool) -> None:
    model: Any = kt.model_from_json(config_of(version, {}, backend, keras1=version.startswith("1")))
    both = model.get_layer("both")
    assert both.forces_zeros is forces
    assert both.forward_layer.zero_output_for_mask is forces
    assert model.get_layer("kept").first_state_shows is shows
    assert not both.forward_layer.first_state_shows  # it begins with zeros
    x = X * MASK.unsqueeze(-1)
    out = kt.Model(model.inputs, both.output)(x.float())
    assert bool((out[~MASK] == 0).all()) is forces


def test_steps_that_were_unrolled_repeat_the_output() -> None:
    model: Any = kt.model_from_json(config_of("2.2.4", {"unroll": True}))
    assert not model.get_layer("kept").first_state_shows


def test_states_that_are_given() -> None:
    def node(name: str) -> list[Any]:
        return [name, 0, 0, {}]

    lstm = {"class_name": "LSTM", "config": {"name": "l", "units": U}}
    inputs = [("x", [None, T, F]), *((f"s{at}", [None, U]) for at in range(4))]
    items: list[dict[str, Any]] = [
        {"class_name": "InputLayer", "name": name, "config": {"name": name, "batch_input_shape": size}}
        for name, size in inputs
    ]
    both = {"name": "both", "merge_mode": "sum", "layer": lstm}
    items += [
        {**lstm, "name": "l", "inbound_nodes": [[node("x"), node("s0"), node("s1")]]},
        {"class_name": "Bidirectional", "name": "both", "config": both, "inbound_nodes": [[*map(node, ["x", "s0"])]]},
        {"class_name": "LSTM", "name": "k", "config": {"name": "k", "units": U}, "inbound_nodes": [[node("x")]]},
    ]
    items[-2]["inbound_nodes"] = [[node(name) for name, _ in inputs]]
    for item in items:
        item.setdefault("inbound_nodes", [])
    outputs = [[name, 0, 0] for name in ("l", "both", "k")]
    config = {"name": "n", "layers": items, "input_layers": [[name, 0, 0] for name, _ in inputs]}
    stated = {"class_name": "Model", "keras_version": "2.2.4", "backend": "tensorflow"}
    model: Any = kt.model_from_json(json.dumps({**stated, "config": {**config, "output_layers": outputs}}))
    assert model.get_layer("l").first_state_shows
    assert [direction.first_state_shows for direction in model.get_layer("both")._directions] == [True, True]
    assert not model.get_layer("k").first_state_shows


def test_zeros_behind_a_masked_last_step_in_tensorflow_1_13() -> None:
    """It writes that it forces them; later ones write it only where somebody has asked, and take no notice of it."""
    inside = {"return_sequences": False, "zero_output_for_mask": True, "time_major": False}
    text = config_of("2.2.4-tf", inside)
    config = json.loads(text)
    config["config"].pop()
    model: Any = kt.model_from_json(json.dumps(config))
    out = model(X * MASK.unsqueeze(-1))
    assert (out[:, :U] == 0).all(-1).tolist() == (~MASK[:, -1]).tolist()
    assert (out[:, U:] == 0).all(-1).tolist() == (~MASK[:, 0]).tolist()
    later: Any = kt.model_from_json(json.dumps({**config, "keras_version": "2.3.0-tf"}))
    assert later.get_layer("both").forces_zeros


@pytest.mark.parametrize("dialect", ["keras3", "keras2"])
def test_what_is_said_where_it_is_written(tmp_path: Any, dialect: Any) -> None:
    def texts(**options: Any) -> list[str]:
        inside = layers.LSTM(U, return_sequences=options.pop("sequences", True), zero_output_for_mask=options.pop("z"))
        both = layers.Bidirectional(inside, name="it", **options)
        first = [] if options.get("forces_zeros") is None else [layers.Masking()]
        model = kt.Sequential([kt.Input((T, F)), *first, both])
        report = kt.save_model(model, tmp_path / "m.keras", dialect=dialect)
        back: Any = kt.load_model(tmp_path / "m.keras").get_layer("it")
        assert back.forces_zeros
        return [rule.text for rule in report.rules if "masked" in rule.text]

    assert texts(forces_zeros=False, z=False) == [
        "the output of masked steps is zeros; here, and where the model comes from, it is the output before repeated"
    ]
    assert texts(forces_zeros=False, z=True, sequences=False) == [
        "the output of masked steps is the output before repeated; here, and where the model comes from, it is zeros, "
        "as in TensorFlow 1.13"
    ]
    assert texts(forces_zeros=False, z=True) == texts(forces_zeros=False, z=False, sequences=False) == []
    assert texts(forces_zeros=True, z=False) == texts(z=False) == []
    model = kt.Sequential([kt.Input(batch_shape=(B, T, F)), layers.Masking(), layers.GRU(U, stateful=True)])
    model.layers[-1].first_state_shows = True
    report = kt.save_model(model, tmp_path / "m.keras", dialect=dialect)
    assert [rule.text for rule in report.rules] == [
        "masked steps before the first valid one give zeros; here they give the initial state"
    ]
