"""Private names of torch stand in kerastorch/torch_private.py alone, and a torch without them is still right."""

from __future__ import annotations

import ast
import sys

import pytest
import torch
from _close import GRADIENT, assert_close
from test_imports import PACKAGE, python

from kerastorch import layers, torch_private
from kerastorch.errors import UnsupportedError

HOME = PACKAGE / "torch_private.py"
MODULES = {"torch", "nn", "F", "forward_ad"}  # the names under which modules of torch are imported
OF_MODULES = {"_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"}
OF_MODULES |= {"_non_persistent_buffers_set"}


def private_names(source: str) -> list[str]:
    """The private names of torch in a module."""
    found = []
    for node in ast.walk(ast.parse(source)):
        text = ""
        if isinstance(node, ast.Attribute):
            text = ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found += [name for name in (f"{node.module}.{alias.name}" for alias in node.names) if _is_private(name)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if _is_private(alias.name)]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr") and len(node.args) > 1:
            name = node.args[1]
            if isinstance(name, ast.Constant):
                text = f"{ast.unparse(node.args[0])}.{name.value}"
        if _is_private(text) or text.rpartition(".")[2] in OF_MODULES or text.startswith("torch.ops.mkldnn"):
            found.append(text)
    return found


def _is_private(name: str) -> bool:
    first, *parts = name.split(".")
    return first in MODULES and any(part.startswith("_") and not part.startswith("__") for part in parts)


def test_private_names_of_torch_stand_in_one_module() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if path != HOME]
    found = {str(path.relative_to(PACKAGE)): private_names(path.read_text("utf-8")) for path in files}
    assert {name: names for name, names in found.items() if names} == {}
    assert private_names(HOME.read_text("utf-8"))


@pytest.mark.parametrize(
    "code",
    [
        "torch._VF.lstm(x)",
        "torch._C._is_tracing()",
        "from torch.nn.modules.module import _has_any_global_hook",
        "import torch._dynamo",
        "from torch._higher_order_ops.scan import scan",
        "forward_ad._current_level",
        "getattr(torch.ops.mkldnn, '_linear_pointwise')",
        "torch.ops.mkldnn",
        "module._forward_hooks",
        "hasattr(torch, '_inductor')",
    ],
)
def test_a_planted_private_name_is_seen(code: str) -> None:
    assert private_names(code)


NAMES = {
    "_has_any_global_hook": "torch.nn.modules.module",
    "_linear_pointwise": "torch.ops.mkldnn",
    "_reorder_linear_weight": "torch.ops.mkldnn",
}
CODE = """
import torch, torch.autograd.forward_ad, torch.nn.modules.module
names = {names!r}
places = [(home, name) for home in (torch._C, torch.nn.modules.module) for name in names if hasattr(home, name)]
kept = [(home, name, getattr(home, name)) for home, name in places]
for home, name in places:
    delattr(home, name)
class Lacking:
    def __getattr__(self, name):
        if name in names:
            raise AttributeError(name)
        return getattr(onednn, name)
onednn, torch.ops.mkldnn = torch.ops.mkldnn, Lacking()
from kerastorch import layers, torch_private
for place in kept:
    setattr(*place)  # torch itself needs them
torch.manual_seed(0)
layer = layers.Bidirectional(layers.LSTM(3, return_sequences=True))
x = torch.randn(2, 5, 4)
mask = torch.tensor([[1, 1, 1, 0, 0], [0, 1, 0, 1, 1]]).bool()
layer.build((None, None, 4))
for weight in layer.parameters():
    torch.nn.init.normal_(weight)
print("missing:", *torch_private.missing())
print([[round(value, 4) for value in out.flatten().tolist()] for out in (layer(x), layer(x, mask=mask))])
"""


@pytest.mark.parametrize("names", [*([name] for name in NAMES), list(NAMES)], ids=lambda names: "+".join(names))
def test_a_torch_without_the_names_gives_the_same_numbers(names: list[str]) -> None:
    _, whole = python(CODE.format(names=[])).split("\n")
    missing, lacking = python(CODE.format(names=names)).split("\n")
    assert lacking == whole  # rounded to four places: another way sums in another order
    if not torch.backends.mkldnn.is_available():
        names = [name for name in names if NAMES[name] != "torch.ops.mkldnn"]
    assert set(names) <= set(missing.split())


# ---------------------------------------------------------------- the answers of a torch that does not say


@pytest.mark.parametrize("name", ["_transforms_active", "_count_modes", "_has_global_hook"])
def test_what_torch_does_not_say_hides_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer = layers.GRU(3, return_sequences=True, activation="relu")
    x = torch.randn(2, 5, 4, requires_grad=True)
    mask = torch.tensor([[1, 1, 1, 0, 0], [0, 1, 0, 1, 1]]).bool()
    layer.build((None, None, 4))
    weights = [torch.nn.init.normal_(weight) for weight in layer.parameters()]
    outputs = [layer(x, mask=mask)]
    gradients = torch.autograd.grad(outputs[0].square().sum(), [x, *weights])
    monkeypatch.setattr(torch_private, name, None)
    outputs.append(layer(x, mask=mask))
    again = torch.autograd.grad(outputs[1].square().sum(), [x, *weights])
    assert torch_private.transforms_active() or name != "_transforms_active"
    assert torch_private.is_watched() or name != "_count_modes"
    for one, other in zip((outputs[0], *gradients), (outputs[1], *again), strict=True):
        assert_close(one, other, GRADIENT)


def test_global_hooks_are_read_from_their_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_private, "_has_global_hook", None)
    assert not torch_private.has_global_hooks()
    handle = torch.nn.modules.module.register_module_forward_hook(lambda *given: None)
    assert torch_private.has_global_hooks()
    handle.remove()
    assert not torch_private.has_global_hooks()


def test_hooks_of_a_module_without_tables_are_assumed() -> None:
    class Bare:
        pass

    assert torch_private.has_hooks(Bare())  # type: ignore[arg-type]
    assert not torch_private.has_hooks(torch.nn.Identity())


def test_exporting_without_the_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: False)  # it reads the flag itself
    monkeypatch.delattr(torch.compiler, "_is_exporting_flag")
    assert "_is_exporting_flag" in torch_private.missing()
    assert not torch_private.is_exporting()


def test_forward_mode_is_assumed_where_its_level_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not torch_private.forward_mode_active()
    monkeypatch.delattr(torch.autograd.forward_ad, "_current_level")
    assert torch_private.forward_mode_active()
    assert "_current_level" in torch_private.missing()


def test_persistence_by_the_state_dict(monkeypatch: pytest.MonkeyPatch) -> None:
    module = torch.nn.BatchNorm1d(2)
    module.register_buffer("scratch", torch.zeros(1), persistent=False)
    said = {name: torch_private.is_persistent(module, name) for name in ("weight", "running_mean", "scratch")}
    assert said == {"weight": True, "running_mean": True, "scratch": False}
    monkeypatch.setattr(torch_private, "getattr", lambda home, name, other: other, raising=False)
    assert {name: torch_private.is_persistent(module, name) for name in said} == said


def test_no_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch._higher_order_ops.scan", None)
    with pytest.raises(UnsupportedError, match=r"a step loop cannot be exported with torch .* which has no scan"):
        torch_private.scan(lambda carry, step: (carry, step[0]), (), (torch.zeros(1),))
