"""torch.compile and torch.export over the layers: eager numbers, or the message in docs/compile.md."""

from __future__ import annotations

import io
import warnings
from typing import Any

import pytest
import torch
from _close import BFLOAT16, GRADIENT, TF32
from _transformed import (
    FUSED,
    LOOPS,
    OTHERS,
    compare,
    data,
    every,
    flat,
    gradients,
    make,
    model_with_masks,
    tokens,
)
from torch import Tensor, nn

from kerastorch import Input, Sequential, layers

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch warns of its own torch.jit.script at this import
    import torch._inductor.compile_fx


pytestmark = pytest.mark.usefixtures("fresh_compiler")


# ---------------------------------------------------------------- torch.compile


@every(FUSED[:6] + LOOPS[:2] + OTHERS)
def test_compiled_layers_have_eager_outputs_and_gradients(name: str, config: dict[str, Any]) -> None:
    layer = make(name, config)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x, mask = data(steps=3)
    half = "dtype" in config
    for options in ({"mask": mask}, {})[: 1 if (name, config) in LOOPS else 2]:
        expected = layer(x, **options)
        found = compiled(x, **options)
        compare(found, expected)
        compare(gradients(layer, found), gradients(layer, expected), BFLOAT16 if half else GRADIENT)


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() == "DEFAULT",
    reason="inductor writes vectors into its C++ that it does not declare without vector units (torch 2.13)",
)
def test_inductor_compiles_a_model_with_masks() -> None:
    model = Sequential([Input((None,)), layers.Embedding(9, 4, mask_zero=True), layers.LSTM(5), layers.Dense(2)])
    compiled = torch.compile(model.eval(), fullgraph=True, backend="inductor")
    given = tokens()[0]
    expected, found = model(given), compiled(given)
    compare(found, expected)
    compare(gradients(model, found), gradients(model, expected), GRADIENT)


def test_a_model_with_masks_is_compiled() -> None:
    model = model_with_masks().eval()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    given = tokens()
    expected, found = model(given), compiled(given)
    compare(found, expected)
    compare(gradients(model, found), gradients(model, expected), GRADIENT)


def test_one_graph_serves_every_mask() -> None:
    layer = make("LSTM", {"return_state": True})
    counter = torch._dynamo.testing.CompileCounter()
    compiled = torch.compile(layer, fullgraph=True, backend=counter)
    x, holes = data()
    results = []
    for mask in (holes, ~holes, torch.ones_like(holes), torch.zeros_like(holes)):
        results.append(compiled(x, mask=mask))
        compare(results[-1], layer(x, mask=mask))
    assert counter.frame_count == 1
    assert not torch.equal(results[0][0], results[1][0])


def test_a_stateful_layer_keeps_its_states_while_compiled() -> None:
    layer = layers.GRU(5, stateful=True)
    layer.build((3, None, 4))
    x, mask = data()
    expected = [layer(x), layer(x, mask=mask)]
    layer.reset_state()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    found = [compiled(x), compiled(x, mask=mask)]
    compare(found, expected)
    assert not torch.equal(found[0], layer(x))


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores")  # inductor's advice on speed
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_inductor_compiles_a_model_with_masks_on_cuda() -> None:
    model = model_with_masks().eval().cuda()
    compiled = torch.compile(model, fullgraph=True, backend="inductor")
    given = [value.cuda() for value in tokens()]
    expected, found = model(given), compiled(given)
    compare(found, expected, TF32)
    model.train()  # cuDNN has gradients in training mode only
    compare(gradients(model, compiled(given)), gradients(model, model(given)), 4 * TF32)


# ---------------------------------------------------------------- the operators

OPERATORS = {"lstm": (4, 2), "gru": (3, 1), "rnn_tanh": (1, 1), "rnn_relu": (1, 1)}


def operator_arguments(name: str, bias: bool, dtype: torch.dtype) -> list[Tensor | None]:
    gates, count = OPERATORS[name]
    shapes: list[Any] = [(2, 3, 4), *[(2, 5)] * count, (gates * 5, 4), (gates * 5, 5)]
    biases = [(gates * 5,)] * 2 if bias else [None, None]
    return [None if s is None else torch.randn(*s, dtype=dtype).requires_grad_() for s in (*shapes, *biases)]


@pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf"
)  # opcheck of torch 2.14 reads it
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", OPERATORS)
def test_operators_state_their_shapes_and_gradients_truly(name: str, bias: bool) -> None:
    operator = getattr(torch.ops.kerastorch, name).default
    result = torch.library.opcheck(operator, operator_arguments(name, bias, torch.float32), raise_exception=False)
    assert set(result.values()) == {"SUCCESS"}, result
    assert torch.autograd.gradcheck(operator, operator_arguments(name, bias, torch.float64))


# ---------------------------------------------------------------- torch.export


def exported(layer: nn.Module, x: Tensor, mask: Tensor | None, strict: bool = False) -> Any:
    batch, time = torch.export.Dim("batch"), torch.export.Dim("time")
    options = {} if mask is None else {"mask": mask}
    shapes = {key: {0: batch, 1: time} for key in ("x", *options)}
    return torch.export.export(layer, (x,), options, dynamic_shapes=shapes, strict=strict)


@pytest.mark.parametrize(
    ("name", "config", "wrap"),
    [*((*case, False) for case in [*FUSED, *OTHERS[:2]]), ("LSTM", {}, True), ("GRU", {"return_state": True}, True)],
)
def test_export_with_any_batch_and_any_number_of_steps(name: str, config: dict[str, Any], wrap: bool) -> None:
    layer = make(name, config, wrap)
    x, mask = data()
    for example in (None, mask):
        program = exported(layer, x, example).module()
        for batch, steps in ((2, 9), (1, 1)):
            other, its_mask = data(batch, steps)
            options = {} if example is None else {"mask": its_mask}
            with torch.no_grad():
                compare(program(other, **options), layer(other, **options))


@every(LOOPS[:2])
def test_export_of_a_step_loop_with_any_number_of_steps(name: str, config: dict[str, Any]) -> None:
    layer = make(name, config)
    program = exported(layer, *data()).module()
    x, mask = data(4, 5)
    with torch.no_grad():
        compare(program(x, mask=mask), layer(x, mask=mask))
        assert (flat(program(x, mask=mask))[0] - flat(layer(x))[0])[1:].abs().max() > 1e-2


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_export_of_a_conv_lstm_with_any_number_of_steps(data_format: str) -> None:
    layer = layers.ConvLSTM1D(2, 3, return_sequences=True, data_format=data_format).eval()
    layer.build((None, None, 5, 5))
    mask = torch.tensor([[1, 0, 1], [0, 1, 1]], dtype=torch.bool)
    batch, time = torch.export.Dim("batch"), torch.export.Dim("time")
    dynamic = {"x": {0: batch, 1: time}, "mask": {0: batch, 1: time}}
    program = torch.export.export(layer, (torch.randn(2, 3, 5, 5), mask), dynamic_shapes=dynamic).module()
    other, its_mask = torch.randn(4, 7, 5, 5), torch.rand(4, 7) < 0.7
    with torch.no_grad():
        compare(program(other, its_mask), layer(other, its_mask))


def test_a_program_holds_one_node_for_the_kernel_and_does_use_the_mask() -> None:
    layer = make("LSTM", {})
    x, mask = data()
    program = exported(layer, x, mask, strict=True)
    called = [node.target for node in program.graph.nodes if node.op == "call_function"]
    assert called.count(torch.ops.kerastorch.lstm.default) == 1
    with torch.no_grad():
        compare(program.module()(x, mask=mask), layer(x, mask=mask))
        assert (program.module()(x, mask=mask) - layer(x)).abs().max() > 1e-2


def test_a_model_with_masks_is_exported_saved_and_loaded() -> None:
    model = model_with_masks().eval()
    batch, time = torch.export.Dim("batch"), torch.export.Dim("time")
    program = torch.export.export(model, tuple(tokens()), dynamic_shapes=({0: batch, 1: time}, {0: batch}))
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own writer and reader
        torch.export.save(program, file)
        file.seek(0)
        loaded = torch.export.load(file).module()
    given = tokens(4, 9)
    with torch.no_grad():
        compare(loaded(*given), model(given))


def test_an_exported_stateful_layer_keeps_its_states() -> None:
    layer = layers.LSTM(5, stateful=True)
    layer.build((3, None, 4))
    layer.reset_state([torch.zeros(3, 5)] * 2)  # the states must be there: a program has a fixed set of buffers
    x, _ = data()
    program = torch.export.export(layer, (x,), dynamic_shapes={"x": {1: torch.export.Dim("time")}}).module()
    with torch.no_grad():
        found = [program(x), program(x)]
        layer.reset_state()
        compare(found, [layer(x), layer(x)])
    assert not torch.equal(found[0], found[1])


# ---------------------------------------------------------------- what does not work, as docs/compile.md says


def test_an_unbuilt_layer_is_not_exported() -> None:
    with pytest.raises(Exception, match=r"[Bb]uil[dt]"):
        torch.export.export(layers.LSTM(5), (torch.randn(3, 6, 4),))
