"""Every dtype policy of layers, of wrappers and of what they hold, against live Keras: dtypes and numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import OUTPUT
from _keras_worker import KerasWorker
from torch import Tensor
from workers.dtypes import beside, policy_of

import kerastorch as kt
from kerastorch import Input, layers
from kerastorch.errors import ArgumentError

from ._compare import difference
from ._dtype_cases import cases

# One rounding of an output near its largest value is 2**-11 and 2**-8 of it; a recurrence adds a few of them. Keras's
# arrays come in float32.
FLOOR = {"float16": 3 * 2.0**-11, "bfloat16": 3 * 2.0**-8, "float32": OUTPUT, "float64": OUTPUT}
# TensorFlow has no operation in bfloat16 that these need, on this processor.
LACKS = ("ConvLSTM2D",)


def make(class_name: str, config: dict[str, Any], policies: Any, inner: bool = False) -> Any:
    def made(value: Any) -> Any:
        if isinstance(value, dict) and "class_name" in value:
            return make(value["class_name"], value["config"], policies, True)
        return [made(item) for item in value] if isinstance(value, list) else value

    arguments = {key: made(value) for key, value in config.items()}
    return getattr(layers, class_name)(**arguments, dtype=policy_of(policies, inner))


def flat(result: Any) -> list[Any]:
    return [leaf for item in result for leaf in flat(item)] if isinstance(result, (list, tuple)) else [result]


def floor_of(case: dict[str, Any], outputs: list[str]) -> float:
    policies = list(case["policies"]) if isinstance(case["policies"], tuple) else [case["policies"]]
    names = [case["dtype"], *outputs, *((policy or "float32").removeprefix("mixed_") for policy in policies)]
    return max(FLOOR.get(name, 0.0) for name in names)


def compare(case: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    layer = make(case["class_name"], case["config"], case["policies"])
    x: list[Any] = [torch.tensor(one).to(getattr(torch, case["dtype"])) for one in case["inputs"]]
    symbols: list[Any] = [Input(batch_shape=tuple(one.shape), dtype=case["dtype"]) for one in x]

    def call(given: list[Any]) -> list[Any]:
        return flat(layer(*given) if case.get("apart") else layer(given if case.get("several") else given[0]))

    stated = [str(symbol.dtype).removeprefix("torch.") for symbol in call(symbols)]
    layer.set_weights(theirs["weights"])
    layer.eval()
    outputs: list[Tensor] = call(x)
    dtypes = [str(output.dtype).removeprefix("torch.") for output in outputs]
    wanted = [dtype for dtype, _ in theirs["outputs"]]
    found = [] if dtypes == wanted else [f"dtypes {dtypes}, Keras has {wanted}"]
    if stated != dtypes:  # Keras's graph states a wrapper's own dtype, also where the result has another
        found.append(f"the graph says {stated}, the outputs are {dtypes}")
    policy = policy_of(case["policies"], False) or "float32"
    if layer.get_config()["dtype"] != policy:
        found.append(f"the config says {layer.get_config()['dtype']}, not {policy}")
    floor = floor_of(case, wanted)
    for output, (_, array) in zip(outputs, theirs["outputs"], strict=True):
        found += filter(None, [difference(array, output.detach().float().numpy(), floor)])
    return found


def test_dtypes_and_numbers_are_keras(keras_worker: KerasWorker) -> None:
    named = cases()
    names, compared, wrong = list(named), 0, []
    for start in range(0, len(names), 40):
        part = names[start : start + 40]
        for name, theirs in zip(
            part, keras_worker.call("keras3", "dtypes:run_cases", [named[n] for n in part]), strict=True
        ):
            if "error" in theirs:
                assert "bfloat16" in name, (name, theirs["error"])
                assert named[name]["class_name"] in LACKS or "InvalidArgumentError" in theirs["error"], theirs["error"]
                continue
            compared += 1
            wrong += [f"{name}: {text}" for text in compare(named[name], theirs)]
    assert not wrong, "\n".join(wrong)
    assert compared > 0.9 * len(names)


def test_layers_beside_one_that_states_its_dtype(keras_worker: KerasWorker) -> None:
    x = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(2))
    theirs, wrong = keras_worker.call("keras3", "dtypes:run_beside", x.numpy()), []
    for name, model in beside(kt).items():  # type: ignore[arg-type]
        weights, wanted = theirs[name]
        model.set_weights(weights)
        outputs = flat(model.eval()(x.double() if name == "doubles" else x))
        stated = [str(output.dtype).removeprefix("torch.") for output in flat(model.outputs)]
        dtypes = [str(output.dtype).removeprefix("torch.") for output in outputs]
        if not dtypes == stated == [dtype for dtype, _ in wanted]:
            wrong.append(f"{name}: {dtypes}, the graph {stated}, Keras {[dtype for dtype, _ in wanted]}")
        for output, (_, array) in zip(outputs, wanted, strict=True):
            wrong += filter(None, [difference(array, output.detach().float().numpy(), FLOOR["bfloat16"])])
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("outer", [None, "float32"])
def test_only_a_stated_dtype_casts(outer: str | None) -> None:
    x = torch.randn(2, 3, 4, dtype=torch.float64)
    for layer in (layers.Dense(2, dtype=outer), layers.Bidirectional(layers.LSTM(2), dtype=outer)):
        if outer is None:
            with pytest.raises(ArgumentError, match=r"the input is torch.float64, the weights are torch.float32"):
                layer(x)
        else:
            assert layer(x).dtype == torch.float32
