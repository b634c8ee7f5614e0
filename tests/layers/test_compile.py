"""torch.compile, torch.export and torch.func over the layers: eager numbers, or the message in docs/compile.md."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, stack_module_state, vmap

from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import UnsupportedError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch warns of its own torch.jit.script at this import
    import torch._inductor.compile_fx

# Two summation orders of the same float32 products: a few units in the last place, per step.
CLOSE = {"rtol": 1e-5, "atol": 2e-6}

FUSED = [
    ("LSTM", {}),
    ("LSTM", {"return_state": True, "go_backwards": True, "zero_output_for_mask": True, "use_bias": False}),
    ("GRU", {"return_state": True}),
    ("SimpleRNN", {}),
    ("SimpleRNN", {"activation": "relu", "use_bias": False}),
    ("CuDNNLSTM", {}),
    ("CuDNNGRU", {}),
]
LOOPS = [
    ("LSTM", {"activation": "relu", "recurrent_activation": "hard_sigmoid", "return_state": True}),
    ("GRU", {"reset_after": False}),
    ("GRU", {"activation": "relu"}),
    ("SimpleRNN", {"activation": "sigmoid"}),
]
OTHERS = [
    ("LSTM", {"dtype": "mixed_bfloat16"}),
    ("GRU", {"activity_regularizer": "l2"}),
    ("LSTM", {"recurrent_dropout": 0.5}),
]


def ids(cases: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return ["-".join([name, *(f"{key}={value}" for key, value in config.items())]) for name, config in cases]


def every(cases: list[tuple[str, dict[str, Any]]]) -> Any:
    return pytest.mark.parametrize(("name", "config"), cases, ids=ids(cases))


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    logging.getLogger("torch.__trace").propagate = False  # thousands of lines, which pytest would keep
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def make(name: str, config: dict[str, Any], wrap: bool = False) -> Any:
    layer = getattr(layers, name)(5, **{"return_sequences": True, **config})
    layer = layers.Bidirectional(layer) if wrap else layer
    layer.build((None, None, 4))
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return layer.eval()


def data(batch: int = 3, steps: int = 6) -> tuple[Tensor, Tensor]:
    """An input, and a mask with holes, left padding and (in more than one row) a row without any step."""
    mask = torch.rand(batch, steps) > 0.4
    if batch > 1:
        mask[0] = False
    return torch.randn(batch, steps, 4), mask


def flat(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)


def compare(found: Any, expected: Any, **tolerance: float) -> None:
    for one, other in zip(flat(found), flat(expected), strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, **(tolerance or CLOSE))


def gradients(module: nn.Module, result: Any) -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    loss = sum((y * torch.randn(y.shape, generator=generator).to(y)).sum() for y in flat(result))
    assert isinstance(loss, Tensor)
    return list(torch.autograd.grad(loss, list(module.parameters())))


def model_with_masks() -> Model:
    """Embedding's mask through three recurrent layers, to a second input that joins."""
    tokens, extra = Input((None,), dtype="int64"), Input((3,))
    x = layers.Embedding(11, 4, mask_zero=True)(tokens)
    x = layers.LSTM(5, return_sequences=True)(x)
    x = layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode="sum")(x)
    x = layers.SimpleRNN(4)(x)
    return Model([tokens, extra], layers.Dense(2)(layers.Concatenate()([x, extra])))


def tokens(batch: int = 3, steps: int = 6) -> list[Tensor]:
    return [torch.randint(0, 3, (batch, steps)) * 4, torch.randn(batch, 3)]


# ---------------------------------------------------------------- torch.compile


@every(FUSED[:6] + LOOPS[:2] + OTHERS)
def test_compiled_layers_have_eager_outputs_and_gradients(name: str, config: dict[str, Any]) -> None:
    layer = make(name, config)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x, mask = data(steps=3)
    bound = {"rtol": 2e-2, "atol": 2e-2} if "dtype" in config else CLOSE  # bfloat16 has 8 bits
    for options in ({"mask": mask}, {})[: 1 if (name, config) in LOOPS else 2]:
        expected = layer(x, **options)
        found = compiled(x, **options)
        compare(found, expected, **bound)
        wide = {"rtol": 5e-2, "atol": 5e-2} if "dtype" in config else {"rtol": 1e-4, "atol": 1e-5}
        compare(gradients(layer, found), gradients(layer, expected), **wide)


def test_inductor_compiles_a_model_with_masks() -> None:
    model = Sequential([Input((None,)), layers.Embedding(9, 4, mask_zero=True), layers.LSTM(5), layers.Dense(2)])
    compiled = torch.compile(model.eval(), fullgraph=True, backend="inductor")
    given = tokens()[0]
    expected, found = model(given), compiled(given)
    compare(found, expected)
    compare(gradients(model, found), gradients(model, expected), rtol=1e-4, atol=1e-5)


def test_a_model_with_masks_is_compiled() -> None:
    model = model_with_masks().eval()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    given = tokens()
    expected, found = model(given), compiled(given)
    compare(found, expected)
    compare(gradients(model, found), gradients(model, expected), rtol=1e-4, atol=1e-5)


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
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_inductor_compiles_a_model_with_masks_on_cuda() -> None:
    model = model_with_masks().eval().cuda()
    compiled = torch.compile(model, fullgraph=True, backend="inductor")
    given = [value.cuda() for value in tokens()]
    expected, found = model(given), compiled(given)
    compare(found, expected, rtol=1e-3, atol=1e-3)  # cuDNN may use TF32
    model.train()  # cuDNN has gradients in training mode only
    compare(gradients(model, compiled(given)), gradients(model, model(given)), rtol=1e-2, atol=1e-3)


# ---------------------------------------------------------------- the operators

OPERATORS = {"lstm": (4, 2), "gru": (3, 1), "rnn_tanh": (1, 1), "rnn_relu": (1, 1)}


def operator_arguments(name: str, bias: bool, dtype: torch.dtype) -> list[Tensor | None]:
    gates, count = OPERATORS[name]
    shapes: list[Any] = [(2, 3, 4), *[(2, 5)] * count, (gates * 5, 4), (gates * 5, 5)]
    biases = [(gates * 5,)] * 2 if bias else [None, None]
    return [None if s is None else torch.randn(*s, dtype=dtype).requires_grad_() for s in (*shapes, *biases)]


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
    tolerance = {"rtol": 2e-2, "atol": 2e-2} if "dtype" in config else CLOSE
    x, mask = data()
    for example in (None, mask):
        program = exported(layer, x, example).module()
        for batch, steps in ((2, 9), (1, 1)):
            other, its_mask = data(batch, steps)
            options = {} if example is None else {"mask": its_mask}
            with torch.no_grad():
                compare(program(other, **options), layer(other, **options), **tolerance)


@every(LOOPS[:2])
def test_export_of_a_step_loop_with_any_number_of_steps(name: str, config: dict[str, Any]) -> None:
    layer = make(name, config)
    program = exported(layer, *data()).module()
    x, mask = data(4, 5)
    with torch.no_grad():
        compare(program(x, mask=mask), layer(x, mask=mask))
        assert (flat(program(x, mask=mask))[0] - flat(layer(x))[0])[1:].abs().max() > 1e-2


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
    program = torch.export.export(model, tuple(tokens()), dynamic_shapes={"inputs": ({0: batch, 1: time}, {0: batch})})
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own writer
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


# ---------------------------------------------------------------- torch.func


@every([*FUSED[:5], *LOOPS])
def test_functional_call_and_grad(name: str, config: dict[str, Any]) -> None:
    layer = make(name, config)
    x, mask = data()
    others = {key: torch.randn_like(value) * 0.3 for key, value in layer.named_parameters()}

    def loss(parameters: dict[str, Tensor]) -> Tensor:
        return sum(y.square().sum() for y in flat(functional_call(layer, parameters, (x,), {"mask": mask})))  # type: ignore[return-value]

    found = grad(loss)(others)
    twin = make(name, config)
    twin.load_state_dict({**layer.state_dict(), **others})
    sum(y.square().sum() for y in flat(twin(x, mask=mask))).backward()
    for key, parameter in twin.named_parameters():
        torch.testing.assert_close(found[key], parameter.grad, rtol=1e-4, atol=1e-5)


@every([*FUSED[:5], *LOOPS])
def test_vmap_over_inputs_and_masks(name: str, config: dict[str, Any]) -> None:
    layer = make(name, config)
    pairs = [data() for _ in range(4)]
    xs, masks = (torch.stack(parts) for parts in zip(*pairs, strict=True))
    found = vmap(lambda x, mask: layer(x, mask=mask))(xs, masks)
    for index, (x, mask) in enumerate(pairs):
        compare([part[index] for part in flat(found)], layer(x, mask=mask))


def test_gradients_for_each_sample() -> None:
    layer = make("LSTM", {})
    state = dict(layer.named_parameters())
    xs, masks = data(5)

    def loss(parameters: dict[str, Tensor], x: Tensor, mask: Tensor) -> Tensor:
        return functional_call(layer, parameters, (x[None],), {"mask": mask[None]}).square().sum()

    found = vmap(grad(loss), in_dims=(None, 0, 0))(state, xs, masks)
    for index in range(5):
        alone = grad(loss)(state, xs[index], masks[index])
        for key, value in alone.items():
            torch.testing.assert_close(found[key][index], value, rtol=1e-4, atol=1e-5)


def test_vmap_over_the_weights_of_an_ensemble() -> None:
    ensemble = [make("GRU", {}) for _ in range(3)]
    parameters, buffers = stack_module_state(ensemble)  # type: ignore[arg-type]
    x, _ = data()
    found = vmap(lambda p, b: functional_call(ensemble[0], (p, b), (x,)))(parameters, buffers)
    compare(list(found), [member(x) for member in ensemble])
    assert not torch.equal(found[0], found[1])


def test_jacobian() -> None:
    layer = make("LSTM", {"return_sequences": False})
    x, _ = data(2, 3)
    expected = torch.autograd.functional.jacobian(layer, x)
    torch.testing.assert_close(jacrev(layer)(x), expected, rtol=1e-4, atol=1e-5)  # type: ignore[arg-type]


def test_functional_call_on_a_model() -> None:
    model = Sequential([Input((None, 4)), layers.Masking(), layers.LSTM(5), layers.Dense(2)])
    x, mask = data()
    x = x * mask.unsqueeze(-1)
    other = {key: torch.randn_like(value) for key, value in model.named_parameters()}
    found = functional_call(model, other, (x,))
    assert not torch.allclose(found, model(x))
    model.load_state_dict(other, strict=False)
    compare(found, model(x))


def test_vmap_inside_a_compiled_function() -> None:
    layer = make("LSTM", {})
    xs = torch.randn(2, 3, 6, 4)
    found = torch.compile(lambda a: vmap(layer)(a), fullgraph=True, backend="eager")(xs)
    compare(list(found), [layer(x) for x in xs])


# ---------------------------------------------------------------- what does not work, as docs/compile.md says


def test_forward_mode_is_refused() -> None:
    x, _ = data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.func.jvp loads torch.jit, which warns of itself
        with pytest.raises(NotImplementedError, match="must implement the jvp function"):
            torch.func.jvp(make("LSTM", {}), (x,), (x,))


def test_gradients_of_gradients_are_refused_and_not_zero() -> None:
    layer = make("LSTM", {})
    x, _ = data()

    def inner(a: Tensor) -> Tensor:
        return grad(lambda b: layer(b).sum())(a).square().sum()

    with pytest.raises(UnsupportedError, match=r"kerastorch::lstm: gradients of gradients .* call the layer in eager"):
        grad(inner)(x)
    x.requires_grad_()
    (first,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    assert second.abs().max() > 1e-4


def test_grad_inside_a_compiled_function_is_refused() -> None:
    layer = make("LSTM", {})
    x, _ = data()
    function = torch.compile(grad(lambda a: layer(a).sum()), fullgraph=True, backend="eager")
    with pytest.raises(torch._dynamo.exc.TorchRuntimeError, match="must override the setup_context staticmethod"):
        function(x)


def test_an_exported_conv_lstm_has_a_fixed_number_of_steps() -> None:
    layer = layers.ConvLSTM1D(2, 3).eval()
    layer.build((None, 3, 5, 2))
    x = torch.randn(2, 3, 5, 2)
    batch, time = torch.export.Dim("batch"), torch.export.Dim("time")
    with pytest.raises(torch._dynamo.exc.UserError, match="specialized it to be a constant"):
        torch.export.export(layer, (x,), dynamic_shapes=({0: batch, 1: time},))
    program = torch.export.export(layer, (x,), dynamic_shapes=({0: batch},)).module()
    other = torch.randn(4, 3, 5, 2)
    with torch.no_grad():
        compare(program(other), layer(other))


def test_dropout_under_vmap_needs_a_choice() -> None:
    layer = make("LSTM", {"dropout": 0.5}).train()
    xs = torch.randn(2, 3, 6, 4)
    with pytest.raises(RuntimeError, match="randomness error mode"):
        vmap(layer)(xs)
    assert vmap(layer, randomness="different")(xs).shape == (2, 3, 6, 5)


def test_a_stateful_layer_under_a_transform_is_refused() -> None:
    layer = layers.LSTM(5, stateful=True, name="kept")
    layer.build((3, None, 4))
    with pytest.raises(UnsupportedError, match=r"LSTM 'kept' is stateful: .* Make it with stateful=False"):
        vmap(layer)(torch.randn(2, 3, 6, 4))
    assert layer.states is None


def test_an_unbuilt_layer_is_not_exported() -> None:
    with pytest.raises(Exception, match=r"[Bb]uil[dt]"):
        torch.export.export(layers.LSTM(5), (torch.randn(3, 6, 4),))
