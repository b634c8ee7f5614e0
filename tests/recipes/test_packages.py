"""Layers of other packages: against what their own code computed, and random fields against all paths."""

from __future__ import annotations

import io
import itertools
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from make_goldens_packages import TO

import kerastorch as kt
from kerastorch.errors import ArgumentError, KerasTorchError, MissingLayersError

CASES = {
    "additive": "SeqSelfAttention",
    "additive-plain": "SeqSelfAttention",
    "multiplicative": "SeqSelfAttention",
    "history": "SeqSelfAttention",
    "history-width": "SeqSelfAttention",
    "weighted": "SeqWeightedAttention",
    "weighted-plain": "SeqWeightedAttention",
    "addons": "AddonsCRF",
    "addons-plain": "AddonsCRF",
    "tutorial": "Attention",
    "tutorial-plain": "Attention",
    "context": "AttentionWithContext",
    "softmax": "SoftmaxAttention",
    "decoder": "AttentionLayer",
}
# What the file calls them, where that is another name.
IN_FILES = {"AddonsCRF": "Addons>CRF"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("packages")
    with zipfile.ZipFile(TO) as archive:
        archive.extractall(to)
    return to


def given(name: str) -> dict[str, Any]:
    cls = getattr(kt.recipes, CASES[name])
    return {IN_FILES.get(CASES[name], CASES[name]): cls}


@pytest.mark.parametrize("name", CASES)
def test_a_layer_computes_what_its_package_computes(folder: Path, tmp_path: Path, name: str) -> None:
    model = kt.load_model(folder / f"{name}.h5", custom_objects=given(name))
    golden = np.load(io.BytesIO((folder / f"{name}.npz").read_bytes()))
    inputs = [golden[key] for key in sorted(golden.files) if key.startswith("x")]
    found = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    wanted = [golden[key] for key in sorted(golden.files) if key.startswith("y")]
    for mine, theirs in zip(found if isinstance(found, list) else [found], wanted, strict=True):
        assert mine.shape == theirs.shape
        if theirs.dtype.kind == "i":
            assert np.array_equal(mine, theirs)
        else:
            assert_close(mine, theirs)
    for ending in (".keras", ".h5"):
        model.save(tmp_path / f"m{ending}")
        own = {**given(name), CASES[name]: getattr(kt.recipes, CASES[name])}
        again = kt.load_model(tmp_path / f"m{ending}", custom_objects=own)
        for mine, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
            assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("tutorial")])
def test_a_layer_is_offered_for_its_arguments_and_arrays(folder: Path, name: str) -> None:
    with pytest.raises(MissingLayersError, match=rf"kt\.recipes\.{CASES[name]} takes these arguments"):
        kt.load_model(folder / f"{name}.h5")
    others = {"SoftmaxAttention", "Attention"} if "plain" in name else set()
    with pytest.raises(MissingLayersError) as caught:
        kt.load_model(folder / f"{name}.h5")
    named = {
        line.split("kt.recipes.")[1].split()[0] for line in str(caught.value).splitlines() if " takes these" in line
    }
    assert named - others <= {CASES[name]}
    assert "its arrays: '" in str(caught.value)


def test_older_masks(folder: Path) -> None:
    """A step that is masked counts for none: what the others are does not hang on it."""
    layer = kt.recipes.SeqSelfAttention(3, older=True)
    x = torch.randn(2, 5, 4)
    mask = torch.tensor([[True, True, True, False, False], [True, False, True, True, True]])
    first = layer(x, mask=mask)
    other = x.clone()
    other[~mask] = 7.0
    assert_close(layer(other, mask=mask)[mask], first[mask])
    assert not first[~mask].any()
    assert layer.get_config()["older"] is True


def test_nothing_is_offered_for_what_fits_nothing() -> None:
    offered = kt.recipes.offered
    assert offered({"units": 3, "name": "x"}, [(4, 3)]) == []
    assert offered({"mine": 1}, [(4,), (6,)]) == []
    assert offered({}, None) == []
    assert offered([], [(4,), (6,)]) == []
    assert offered({}, [(4,), (6,)]) == ["Attention"]
    assert offered({"W_regularizer": None}, [(4, 4), (4,), (4,)]) == ["AttentionWithContext"]
    assert offered({}, [(4, 1), (6, 1)]) == ["SoftmaxAttention"]
    assert offered({}, [(4, 4), (3, 4), (4, 1)]) == ["AttentionLayer"]
    assert offered({"units": 2, "learn_mode": "join"}, None) == ["CRF"]


# ---------------------------------------------------------------------------------------------- random fields


def field(rng: np.random.Generator, steps: int, **options: Any) -> tuple[kt.recipes.CRF, torch.Tensor]:
    layer = kt.recipes.CRF(3, dtype="float64", **options)
    layer.build((None, steps, 2))
    layer.set_weights([rng.normal(size=array.shape) for array in layer.get_weights()])
    return layer.eval(), torch.from_numpy(rng.normal(size=(2, steps, 2)))


def brute(layer: kt.recipes.CRF, x: torch.Tensor, mask: np.ndarray | None) -> tuple[Any, Any, Any]:
    """Of one row, with all paths: the energy of each, and the parts of the marginals; as the docstring says them."""
    names = ["kernel", "chain", "bias", "left", "right"]
    held = dict(zip(names, layer.get_weights(), strict=True))
    energies = x.numpy() @ held["kernel"] + held["bias"]
    steps = len(energies)
    there = np.ones(steps, bool) if mask is None else mask
    first = int(there.argmax())
    energies[first] += held["left"]
    if mask is None:
        energies[-1] += held["right"]
    chain, masked = held["chain"], np.where(there[:, None], energies, 0)
    pairs = [bool(there[at] and there[at + 1]) for at in range(steps - 1)]

    def energy(path: tuple[int, ...], closed: bool) -> float:
        total = sum(masked[at, state] for at, state in enumerate(path))
        total += sum(chain[path[at], path[at + 1]] for at in range(steps - 1) if pairs[at])
        return total + (chain[path[-1], 0] if closed and mask is None else 0.0)

    paths = list(itertools.product(range(3), repeat=steps))
    closed = {path: energy(path, True) for path in paths}
    margins = np.zeros((steps, 3))
    for at in range(steps):
        for state in range(3):
            before = sum(
                np.exp(
                    -sum(masked[k, s] for k, s in enumerate(head))
                    - sum(chain[a, b] for k, (a, b) in enumerate(itertools.pairwise((*head, state))) if pairs[k])
                )
                for head in itertools.product(range(3), repeat=at)
            )
            behind = sum(
                np.exp(
                    -sum(masked[at + 1 + k, s] for k, s in enumerate(tail))
                    - sum(chain[b, a] for k, (a, b) in enumerate(itertools.pairwise((state, *tail))) if pairs[at + k])
                )
                for tail in itertools.product(range(3), repeat=steps - 1 - at)
            )
            margins[at, state] = np.exp(-masked[at, state]) / (before * behind)
    return closed, margins / margins.sum(1, keepdims=True), energy


MASKS: list[Any] = [None, [1, 1, 1, 0], [1, 0, 0, 0], [0, 1, 1, 1], [0, 1, 1, 0]]


@pytest.mark.parametrize("mask", MASKS, ids=str)
def test_crf_against_all_paths(rng: np.random.Generator, mask: Any) -> None:
    layer, x = field(rng, 4)
    there = None if mask is None else np.array(mask, bool)
    given_mask = None if there is None else torch.from_numpy(np.stack([there, there]))
    targets = rng.integers(0, 3, (2, 4))
    onehot = torch.nn.functional.one_hot(torch.from_numpy(targets), 3)
    path, margins = layer.decode(x, given_mask), layer.marginals(x, given_mask)
    loss = layer.negative_log_likelihood(x, onehot, given_mask)
    for row in range(2):
        closed, wanted, energy = brute(layer, x[row], there)
        best = min(closed, key=lambda key: closed[key])
        counted = range(4) if there is None else np.flatnonzero(there)
        assert [path[row, at].item() for at in counted] == [best[at] for at in counted]
        assert_close(margins[row], wanted)
        values = np.array([*closed.values()])
        # masked steps are counted once for each class, in the sum as in the code
        partition = np.log(np.exp(-values).sum())
        steps = 4 if there is None else there.sum()
        assert_close(loss[row], np.asarray((partition + energy(tuple(targets[row]), False)) / steps))


def test_the_gradients_of_the_loss_of_crf(rng: np.random.Generator) -> None:
    layer, x = field(rng, 3)
    targets = torch.nn.functional.one_hot(torch.from_numpy(rng.integers(0, 3, (2, 3))), 3)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: layer.negative_log_likelihood(x, targets, mask), (x,))
    layer.negative_log_likelihood(x, targets).sum().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())


def test_what_crf_returns_in_training_and_elsewhere(rng: np.random.Generator) -> None:
    layer, x = field(rng, 4)
    assert torch.equal(layer(x).sum(-1), torch.ones(2, 4, dtype=torch.float64))
    assert torch.equal(layer(x, training=True), torch.zeros(2, 4, 3, dtype=torch.float64))
    layer, x = field(rng, 4, learn_mode="marginal")
    assert_close(layer(x, training=True), layer.marginals(x))
    layer, x = field(rng, 4, learn_mode="marginal", test_mode="viterbi", use_boundary=True)
    assert_close(layer(x, training=True), layer.marginals(x))
    sparse, _ = field(rng, 4, sparse_target=True)
    sparse.set_weights(layer.get_weights())
    numbers = torch.from_numpy(rng.integers(0, 3, (2, 4, 1)))
    whole = torch.nn.functional.one_hot(numbers[:, :, 0], 3)
    assert_close(sparse.negative_log_likelihood(x, numbers), layer.negative_log_likelihood(x, whole))


def test_crf_in_a_model_that_is_saved_and_read(rng: np.random.Generator, tmp_path: Path) -> None:
    crf = kt.recipes.CRF(3, name="crf", sparse_target=True)
    model = kt.Sequential([kt.Input((5,)), kt.layers.Embedding(9, 4, mask_zero=True), crf]).eval()
    model.set_weights([rng.normal(size=array.shape).astype("f4") for array in model.get_weights()])
    x = rng.integers(0, 9, (4, 5))
    model.save(tmp_path / "m.h5")
    with pytest.raises(MissingLayersError, match=r"kt\.recipes\.CRF takes these arguments"):
        kt.load_model(tmp_path / "m.h5")
    again = kt.load_model(tmp_path / "m.h5", custom_objects={"CRF": kt.recipes.CRF})
    assert np.array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))


def test_log_likelihood_of_addons_against_all_paths(rng: np.random.Generator) -> None:
    layer = kt.recipes.AddonsCRF(3, dtype="float64")
    layer.build((None, 4, 2))
    layer.set_weights([rng.normal(size=array.shape) for array in layer.get_weights()])
    x, mask = torch.from_numpy(rng.normal(size=(2, 4, 2))), torch.tensor([[True] * 4, [True, True, False, False]])
    path, scores, lengths, chain = layer(x, mask=mask)
    targets = torch.from_numpy(rng.integers(0, 3, (2, 4)))
    found = layer.log_likelihood(scores, targets, lengths)
    for row, count in enumerate((4, 2)):

        def score(states: Any, row: int = row, count: int = count) -> float:
            own = sum(scores[row, at, states[at]].item() for at in range(count))
            return own + sum(chain[states[at], states[at + 1]].item() for at in range(count - 1))

        paths = {states: score(states) for states in itertools.product(range(3), repeat=count)}
        wanted = score(targets[row].tolist()) - np.log(sum(map(np.exp, paths.values())))
        assert_close(found[row], np.asarray(wanted))
        assert tuple(path[row, :count].tolist()) == max(paths, key=lambda key: paths[key])
        assert not path[row, count:].any()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: kt.recipes.CRF(3, learn_mode="x"), "learn_mode: expected one of"),  # type: ignore[arg-type]
        (lambda: kt.recipes.CRF(3, test_mode="x"), "test_mode: expected None or one of"),  # type: ignore[arg-type]
        (lambda: kt.recipes.SeqSelfAttention(attention_type="x"), "attention_type: expected"),  # type: ignore[arg-type]
        (lambda: kt.recipes.SoftmaxAttention(1), "expected True or False"),  # type: ignore[arg-type]
        (lambda: kt.recipes.Attention().build((None, None, 3)), "the number of steps must be known"),
        (lambda: kt.recipes.SoftmaxAttention().build((None, None, 3)), "the number of steps must be known"),
        (lambda: kt.recipes.CRF(3).build((None, 3)), r"expected an input \(batch, timesteps, features\)"),
    ],
)
def test_wrong_arguments(make: Any, says: str) -> None:
    with pytest.raises((ArgumentError, KerasTorchError), match=says):
        make()
