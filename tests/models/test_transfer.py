"""The way of batches to a GPU, on stand-ins: which device is in force, which streams wait, what is looked at first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import ArgumentError
from kerastorch.models import _transfer
from kerastorch.models.ids import check_ids
from kerastorch.training import loop

GPU = torch.device("cuda", 1)


class Stand:
    """What `torch.cuda` is asked for, and when."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log
        self.current = 0
        self.Event = lambda: type("Event", (), {"synchronize": lambda _: None, "record": lambda _, stream: None})()

    def Stream(self, device: torch.device) -> Any:
        log = self.log
        return type("Stream", (), {"wait_stream": lambda _, other: log.append(("wait", other))})()

    def current_stream(self, device: torch.device) -> str:
        return f"stream of {device}"

    @contextmanager
    def device(self, device: torch.device) -> Iterator[None]:
        self.current = device.index
        yield
        self.current = 0

    @contextmanager
    def stream(self, stream: Any) -> Iterator[None]:
        yield


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []
    stand = Stand(found)
    for name in ("Event", "Stream", "current_stream", "device", "stream"):
        monkeypatch.setattr(torch.cuda, name, getattr(stand, name))
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: found.append(("pin", stand.current)) or tensor)
    monkeypatch.setattr(_transfer.Ahead, "_moved", lambda self, part, **options: part)
    return found


def ahead(*batches: Any, check: Any = lambda batch: None) -> _transfer.Ahead:
    return _transfer.Ahead(iter(batches), GPU, None, check)


def test_memory_is_pinned_where_the_model_is(log: list[Any]) -> None:
    ahead(np.zeros((2, 3))).next()
    assert log == [("pin", 1)]


@pytest.fixture
def on_gpus() -> list[Tensor]:
    with FakeTensorMode():
        return [torch.empty(2, 3, device=device) for device in ("cuda:0", "cuda:1", "cpu")]


def test_what_another_gpu_writes_is_waited_for_there(on_gpus: list[Tensor], log: list[Any]) -> None:
    ahead(on_gpus).next()
    assert sorted(log) == [("pin", 1), ("wait", "stream of cuda:0"), ("wait", "stream of cuda:1")]


@pytest.mark.usefixtures("log")
def test_a_batch_is_looked_at_before_it_goes() -> None:
    seen: list[Any] = []
    transfer = ahead(np.zeros((2, 3)), np.ones((2, 3)), check=seen.append)
    while transfer.next() is not None:
        pass
    assert [float(batch.sum()) for batch in seen] == [0, 6]


# ---------------------------------------------------------------------------- indices


def text(**options: Any) -> Any:
    return layers.Embedding(5, 2, name="words", **options)


def two_inputs(name: str = "ids") -> Any:
    x, ids = Input((4, 3), name="x"), Input((4,), dtype="int32", name=name)
    return Model([x, ids], layers.Concatenate()([x, text()(ids)]))


def around(model: Any) -> Any:
    ids = Input((4,), dtype="int32")
    return Model(ids, layers.Dense(2)(model(ids)))


MODELS: dict[str, Any] = {
    "first of a chain": lambda: Sequential([Input((4,)), text(), layers.LSTM(3)]),
    "chain without an input": lambda: Sequential([text(), layers.LSTM(3)]),
    "graph": lambda: around(text()),
    "chain in a graph": lambda: around(Sequential([Input((4,)), text()])),
    "graph in a chain": lambda: Sequential([around(text())]),
    "around one layer": lambda: Sequential([Input((4, 1)), layers.TimeDistributed(text())]),
}
WRONG = np.array([[0, 1, 2, 3], [4, 0, 5, 1]])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["int64", ">i4", "float32", "tensor"])
def test_an_index_that_no_table_has(name: str, kind: str) -> None:
    model = MODELS[name]()
    wrong = torch.from_numpy(WRONG) if kind == "tensor" else WRONG.astype(kind)
    wrong = wrong[..., None] if name == "around one layer" else wrong
    with pytest.raises(ArgumentError, match=r"words'.*from 0 to 5, input_dim=5 allows 0 to 4"):
        check_ids(model, wrong)
    with pytest.raises(ArgumentError, match="from -1 to 4"):
        check_ids(model, wrong - 1)
    check_ids(model, wrong % 5)
    check_ids(model, wrong[:0])


@pytest.mark.parametrize("order", [list, lambda pair: {"x": pair[0], "ids": pair[1]}])
def test_the_input_that_a_table_has(order: Any) -> None:
    model, x = two_inputs(), np.full((2, 4, 3), 9.0)
    with pytest.raises(ArgumentError, match="from 0 to 5"):
        check_ids(model, order([x, WRONG]))
    check_ids(model, order([x, WRONG % 5]))


def test_what_is_on_a_device_is_not_read() -> None:
    check_ids(MODELS["graph"](), torch.from_numpy(WRONG).to("meta"))


def test_masks_are_no_indices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_transfer, "Plain", _transfer.Ahead)
    monkeypatch.setattr(_transfer.Ahead, "__init__", _transfer.Transfer.__init__)
    model, mask = MODELS["graph"](), np.ones((2, 4), bool)
    for batch, has_masks in ((WRONG, False), ([WRONG, [mask]], True)):
        with pytest.raises(ArgumentError, match="from 0 to 5"):
            _transfer.transfer_to(model, iter([]), has_masks).check(batch)
    _transfer.transfer_to(model, iter([]), True).check([WRONG % 5, [mask]])


@pytest.mark.parametrize("what", ["fit", "evaluate", "train_on_batch"])
def test_a_training_looks_too(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Sequential([Input((4,)), text(), layers.LSTM(3)])
    model.compile("sgd", "mse")
    monkeypatch.setattr(loop, "_device_of", lambda model: torch.device("meta"))
    with pytest.raises(ArgumentError, match="from 0 to 5"):
        getattr(model, what)(WRONG, np.zeros((2, 3)), **({} if what == "train_on_batch" else {"verbose": 0}))
