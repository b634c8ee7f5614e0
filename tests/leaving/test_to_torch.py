"""`model.to_torch()`, and the code that `to_source` writes: outputs and gradients are those of the model."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from _close import GRADIENT, apart, scale_beside
from safetensors.torch import load_file
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import SaveError, UnsupportedError
from kerastorch.leaving import helpers, to_source, to_torch
from kerastorch.leaving.example import recorded_example
from kerastorch.leaving.helpers import gates as helper_gates
from kerastorch.structure import leaves

from ._cases import example_models, golden_models

KEPT = Path(__file__).parent / "refused.json"
FILES = ["example.safetensors", "model.py", "model.safetensors", "test_model.py"]


class Case(NamedTuple):
    label: str
    model: Model
    module: nn.Module
    inputs: list[Tensor]


class Cases(NamedTuple):
    made: list[Case]
    refused: dict[str, str]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    made: list[Case] = []
    refused: dict[str, str] = {}

    def every() -> Iterator[tuple[str, Model]]:
        yield from golden_models(tmp_path_factory.mktemp("goldens"))
        yield from example_models()

    for label, model in every():
        try:
            module = to_torch(model)
        except UnsupportedError as error:
            refused[label] = str(error).split(" cannot become ")[1].split(": ", 1)[1].split(". It")[0]
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about even kernels
            inputs, _ = recorded_example(model)
        made.append(Case(label, model, module, inputs))
    return Cases(made, refused)


def floats(values: Any) -> list[Tensor]:
    return [value for value in leaves(values) if isinstance(value, Tensor) and value.is_floating_point()]


def run(model: nn.Module, inputs: list[Tensor], count: int | None = None) -> tuple[list[Tensor], dict[Any, Tensor]]:
    """Outputs, and the gradients of inputs and parameters, by number and by name."""
    inputs = [x.clone().requires_grad_(x.is_floating_point()) for x in inputs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outputs = floats(model(*inputs))[:count]
    loss: Any = sum((out * torch.linspace(-1, 2, out.numel()).view(out.shape)).sum() for out in outputs)
    sources: dict[Any, Tensor] = {n: x for n, x in enumerate(inputs) if x.requires_grad}
    sources |= {name: value for name, value in model.named_parameters() if value.requires_grad}
    found: Any = ()
    if sources and isinstance(loss, Tensor) and loss.requires_grad:
        found = torch.autograd.grad(loss, list(sources.values()), allow_unused=True)
    grads = {key: grad for key, grad in zip(sources, found, strict=False) if grad is not None}
    return [out.detach() for out in outputs], grads


def differences(ours: dict[Any, Tensor], theirs: dict[Any, Tensor]) -> list[str]:
    """What separates two sets of gradients by the same keys."""
    found = [] if ours.keys() == theirs.keys() else [f"other gradients: {ours.keys() ^ theirs.keys()}"]
    for key in ours.keys() & theirs.keys():
        scale = scale_beside(theirs[key], list(theirs.values()))
        gap = apart(ours[key], theirs[key], GRADIENT, scale=scale)
        found += [f"gradient of {key}: {gap}"] if gap else []
    return found


def by_value(model: nn.Module, gradients: dict[Any, Tensor]) -> dict[Any, Tensor]:
    """Gradients of parameters by their values, in the order of these, which are distinct: names and layouts differ."""
    made = {}
    parameters = dict(model.named_parameters())
    for key, gradient in gradients.items():
        if key in parameters:
            values = parameters[key].detach().flatten()
            order = values.argsort()
            made[values[order].numpy().tobytes()] = gradient.flatten()[order]
        else:
            made[key] = gradient
    return made


def test_live_modules_compute_what_the_model_computes(cases: Cases) -> None:
    assert len(cases.made) > 170
    wrong: list[str] = []
    for label, model, module, inputs in cases.made:
        model.reset_states() if model.stateful else None
        outputs, gradients = run(model, inputs)
        made, its_gradients = run(module, inputs, len(outputs))
        gaps = [apart(mine, theirs) for mine, theirs in zip(made, outputs, strict=True)]
        gaps += differences(by_value(module, its_gradients), by_value(model, gradients))
        wrong += [f"{label}: {gap}" for gap in gaps if gap]
        if any(isinstance(part, kt.Layer) for part in module.modules()):
            wrong.append(f"{label}: a layer of kerastorch is inside")
    assert wrong == []


# Parts that TorchScript does not take, as the page on source says.
UNSCRIPTED = (helpers.DroppedGates, helpers.DroppedSteps, helpers.DropoutConvLSTM)
UNSCRIPTED += (helpers.FixedMode, helpers.SpectralNorm, helpers.BatchRenorm)


def test_scripts_of_what_has_helpers_compute_the_same(cases: Cases) -> None:
    """One case for each helper: a script is long in the making."""
    wrong: list[str] = []
    seen: set[Any] = set()
    for label, _, module, inputs in cases.made:
        called = {node.target for node in module.graph.nodes if node.op == "call_function"}  # type: ignore[union-attr]
        parts = called | {type(part) for part in module.modules()}
        new = {part for part in parts if getattr(part, "__module__", "").startswith(helpers.__name__)} - seen
        if not new or any(isinstance(part, UNSCRIPTED) for part in module.modules()):
            continue
        seen |= new
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of torch about its own TorchScript
            found = leaves(torch.jit.script(module)(*inputs))
            expected = leaves(module(*inputs))
        gaps = [apart(mine, theirs) for mine, theirs in zip(found, expected, strict=True)]
        wrong += [f"{label}: {gap}" for gap in gaps if gap]
    assert wrong == []
    assert len(seen) > 20


def test_what_is_refused_is_kept(cases: Cases) -> None:
    """`python -m leaving.test_to_torch` in `tests` writes the list anew; it may only get shorter."""
    assert cases.refused == json.loads(KEPT.read_text())


RUNNER = """
import importlib.abc, importlib.util, json, pathlib, sys
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("kerastorch", "keras", "tensorflow", "tf_keras", "h5py"):
            raise ImportError(name + " is not here")
sys.meta_path.insert(0, Blocked())
import torch, warnings
from safetensors.torch import load_file, save_file
warnings.simplefilter("ignore")
torch.set_num_threads(1)
def leaves(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    return [leaf for part in value for leaf in leaves(part)]
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    spec = importlib.util.spec_from_file_location(folder.name, folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[folder.name] = module
    spec.loader.exec_module(module)
    outputs = {f"output_{n}": computed.contiguous().clone() for n, (computed, _) in enumerate(module.replay())}
    model, example = module.load(), load_file(folder / "example.safetensors")
    inputs = [example[f"input_{n}"] for n in range(sum(key.startswith("input_") for key in example))]
    outs = [out for out in leaves(model(*inputs)) if out.is_floating_point()][: len(outputs)]
    loss = sum((out * torch.linspace(-1, 2, out.numel()).view(out.shape)).sum() for out in outs)
    sources = {name: value for name, value in model.named_parameters() if value.requires_grad}
    if sources and loss.requires_grad:
        found = torch.autograd.grad(loss, list(sources.values()), allow_unused=True)
        outputs |= {f"gradient {k}": g.contiguous() for k, g in zip(sources, found) if g is not None}
    save_file(outputs, str(folder / "found.safetensors"))
"""


def test_generated_code_computes_what_the_model_computes_without_kerastorch(cases: Cases, tmp_path: Path) -> None:
    for number, (_, model, _, _) in enumerate(cases.made):
        to_source(model, tmp_path / f"case_{number:03}")
    runner = tmp_path.parent / "runner.py"
    runner.write_text(RUNNER)
    done = subprocess.run(
        [sys.executable, "-I", str(runner), str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    wrong: list[str] = []
    for number, (label, _, module, inputs) in enumerate(cases.made):
        folder = tmp_path / f"case_{number:03}"
        found, example = load_file(folder / "found.safetensors"), load_file(folder / "example.safetensors")
        expected = {key: value for key, value in example.items() if key.startswith("output_")}
        gaps = [apart(found[key], value) for key, value in expected.items()]
        _, gradients = run(module, inputs, len(floats(list(expected.values()))))
        theirs = {f"gradient {key}": value for key, value in gradients.items() if isinstance(key, str)}
        gaps += differences({key: value for key, value in found.items() if key.startswith("gradient")}, theirs)
        wrong += [f"{label}: {gap}" for gap in gaps if gap]
    assert wrong == []
    everything = [str(folder / "model.py") for folder in sorted(tmp_path.iterdir())]
    for command in (["check", "-q"], ["format", "-q", "--check", "--line-length", "120"]):
        lint = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", *everything], capture_output=True, text=True
        )
        assert lint.returncode == 0, lint.stdout + lint.stderr


def small() -> Sequential:
    model = Sequential(
        [Input((None,)), layers.Embedding(9, 4, mask_zero=True), layers.LSTM(3, activation="relu"), layers.Dense(2)],
        name="my model",
    )
    return model.eval()


def test_a_folder_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    paths = to_source(small(), tmp_path / "new" / "folder", class_name="Small")
    assert sorted(Path(path).name for path in paths) == sorted(p.name for p in (tmp_path / "new/folder").iterdir())
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == FILES
    with pytest.raises(SaveError, match=r"has model.py, model.safetensors, .* already; overwrite=True"):
        to_source(small(), tmp_path / "new" / "folder")
    (tmp_path / "new" / "folder" / "mine.txt").write_text("mine")
    to_source(small(), tmp_path / "new" / "folder", class_name="Other", overwrite=True)
    assert "class Other(nn.Module):" in (tmp_path / "new" / "folder" / "model.py").read_text()
    assert (tmp_path / "new" / "folder" / "mine.txt").read_text() == "mine"
    refused = Sequential([Input((None, 3)), layers.RNN(layers.StackedRNNCells([OwnCell()]))])
    with pytest.raises(UnsupportedError, match=r"RNN 'rnn.*' cannot become plain torch: its cell is OwnCell"):
        to_source(refused, tmp_path / "refused")
    assert not (tmp_path / "refused").exists()
    assert list(tmp_path.glob(".*")) == []
    with pytest.raises(kt.KerasTorchError, match="class_name 'a b': expected a name of Python"):
        to_source(small(), tmp_path / "other", class_name="a b")


class OwnCell(layers.SimpleRNNCell):
    def __init__(self) -> None:
        super().__init__(2)


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    model = small()
    for name in ("one", "two"):
        to_source(model, tmp_path / name)
    assert [(tmp_path / "one" / name).read_bytes() for name in FILES] == [
        (tmp_path / "two" / name).read_bytes() for name in FILES
    ]


def test_it_trains_as_the_model_does() -> None:
    """Frozen weights stay, the one bias of an LSTM moves once, and dropout acts while training."""
    model = Sequential(
        [
            Input((5, 3)),
            layers.Dropout(0.5),
            layers.LSTM(4, name="lstm"),
            layers.Dense(2, trainable=False, name="dense"),
        ]
    )
    module = to_torch(model)
    assert module.training
    assert [name for name, value in module.named_parameters() if not value.requires_grad] == [
        "lstm.bias_hh_l0",
        "dense.weight",
        "dense.bias",
    ]
    x = torch.randn(2, 5, 3)
    assert not torch.equal(module(x), module(x))
    assert torch.equal(module.eval()(x), module(x))


@pytest.mark.parametrize(
    "make",
    [
        lambda **rates: layers.LSTM(4, **rates),
        lambda **rates: layers.LSTM(4, activation="relu", recurrent_activation="hard_sigmoid", **rates),
        lambda **rates: layers.SimpleRNN(4, return_sequences=True, **rates),
        lambda **rates: layers.SimpleRNN(4, activation="elu", **rates),
        lambda **rates: layers.GRU(4, **rates),
        lambda **rates: layers.GRU(4, activation="relu", **rates),
        lambda **rates: layers.GRU(4, reset_after=False, recurrent_activation="hard_sigmoid", **rates),
    ],
)
def test_dropout_of_gates_is_that_of_the_model(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """From one seed both draw the same masks, where a GRU's are put in the order of gates that it has there."""

    def drawn(like: Tensor, gates: int, p: float) -> Tensor:
        masks = torch.nn.functional.dropout(like.new_ones(gates, *like.shape), p)
        return masks[[1, 0, 2]] if gates == 3 else masks

    monkeypatch.setattr(helper_gates, "gate_masks", drawn)
    model = Sequential([Input((5, 3)), make(dropout=0.3, recurrent_dropout=0.4)]).train()
    module = to_torch(model).train()
    x = torch.randn(3, 5, 3)
    found = []
    for part in (module, model):
        torch.manual_seed(4)
        found.append(run(part, [x]))
    (outputs, gradients), (expected, expected_gradients) = found
    assert apart(outputs[0], expected[0]) is None
    assert differences(by_value(module, gradients), by_value(model, expected_gradients)) == []
    assert apart(run(module.eval(), [x])[0][0], outputs[0]) is not None


def test_values_go_into_a_layer_in_its_dtype() -> None:
    model = Sequential([Input((5, 3)), layers.LSTM(4, dtype="float64"), layers.Dense(2)]).eval()
    x = torch.randn(2, 5, 3)
    made = to_torch(model)(x)
    assert made.dtype == torch.float32
    assert apart(made, model(x)) is None


def test_weights_are_copies() -> None:
    model = small()
    module = model.to_torch()
    before = module(torch.ones(1, 4, dtype=torch.int64))
    with torch.no_grad():
        for value in model.parameters():
            value.zero_()
    assert torch.equal(module(torch.ones(1, 4, dtype=torch.int64)), before)


def test_states_go_in_and_come_out() -> None:
    model = Sequential([Input(batch_shape=(2, 3, 4)), layers.GRU(3, stateful=True), layers.Dense(1)]).eval()
    module = to_torch(model)
    x = torch.randn(2, 3, 4)
    state = None
    for _ in range(2):
        out, state = module(x, state)
        assert apart(out, model(x)) is None
    assert state.shape == (1, 2, 3)


def write_refused() -> None:
    import tempfile

    refused: dict[str, str] = {}
    for label, model in [*golden_models(Path(tempfile.mkdtemp())), *example_models()]:
        try:
            to_torch(model)
        except UnsupportedError as error:
            refused[label] = str(error).split(" cannot become ")[1].split(": ", 1)[1].split(". It")[0]
    KEPT.write_text(json.dumps(refused, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write_refused()
