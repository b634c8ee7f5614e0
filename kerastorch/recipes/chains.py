"""Linear chain conditional random fields: keras_contrib's `CRF`, and that of TensorFlow Addons.

keras_contrib counts energies, of which the least is best; Addons counts scores, of which the greatest is. What the code
of keras_contrib computes is computed here as well, where it differs from the formula in its own docstring:

- without a mask the last step has one more term, as if a step of class 0 followed;
- with a mask the right boundary is never used;
- the marginals are divided by the sums over the paths before and behind a step, not multiplied, and the chain is used
  backwards as it is, not transposed.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import activations, constraints, regularizers
from ..errors import ArgumentError, quote
from ..layers import Dense
from .attention import ForeignLayer, three_axes

_MODES = ("join", "marginal")
_RULES = ("initializer", "regularizer", "constraint")
_TESTS = ("viterbi", "marginal")


def _begins(mask: Tensor) -> Tensor:
    """Where a step counts and the one before does not."""
    return mask & ~F.pad(mask[:, :-1], (1, 0))


def _after(x: Tensor) -> Tensor:
    """The next step in the place of each, zeros behind the last."""
    return F.pad(x[:, 1:], (0, 0, 0, 1))


def _before(x: Tensor) -> Tensor:
    return F.pad(x[:, :-1], (0, 0, 1, 0))


def _best_path(tables: list[Tensor], last: Tensor) -> Tensor:
    """The classes that lead to `last` by the best class before each: `(B, T)`."""
    path = [last]
    for table in reversed(tables):
        path.append(table.gather(1, path[-1].unsqueeze(1)).squeeze(1))
    return torch.stack(path[:0:-1], 1) if tables else last.new_empty((last.shape[0], 0))


class _Chain(ForeignLayer):
    """What both have in common: their arguments and weights."""

    def _rules(self, part: str, options: dict[str, Any]) -> dict[str, Any]:
        return {
            "initializer": options[f"{part}_initializer"],
            "regularizer": regularizers.get(options[f"{part}_regularizer"]),
            "constraint": constraints.get(options[f"{part}_constraint"]),
        }

    def _add_boundaries(self, rules: dict[str, Any]) -> None:
        units: int = self.units  # type: ignore[assignment]
        self.left_boundary = self.add_weight(shape=(units,), name="left_boundary", **rules)
        self.right_boundary = self.add_weight(shape=(units,), name="right_boundary", **rules)


class CRF(_Chain):
    """keras_contrib 2.0.8's `CRF`: the classes of the best path, or marginal probabilities, for each step.

    Args:
        units: Classes.
        learn_mode: "join" or "marginal": what it was trained for. In training, "join" returns zeros, as there: the loss
            is `negative_log_likelihood`, which needs the inputs.
        test_mode: "viterbi": the best path, one-hot; "marginal": probabilities. None: the first with "join".
        sparse_target: Whether targets are numbers of classes instead of one-hot.
        use_boundary: Whether the first and the last step have energies of their own.
        use_bias: Whether there is a bias.
        activation: Of the energies.
        kernel_initializer: How the kernel starts.
        chain_initializer: How the chain starts.
        bias_initializer: How the bias starts.
        boundary_initializer: How the boundaries start.
        kernel_regularizer: Penalty on the kernel.
        chain_regularizer: Penalty on the chain.
        boundary_regularizer: Penalty on the boundaries.
        bias_regularizer: Penalty on the bias.
        kernel_constraint: What the kernel is brought to after an update.
        chain_constraint: What the chain is brought to after an update.
        boundary_constraint: What the boundaries are brought to after an update.
        bias_constraint: What the bias is brought to after an update.
        input_dim: Features of the input, as files state them.
        unroll: No number hangs on it.

    Variables:
        kernel: `(F, units)`; chain_kernel: `(units, units)`, from a class to the next; bias, left_boundary,
        right_boundary: `(units,)`.
    """

    def __init__(
        self,
        units: int,
        learn_mode: Literal["join", "marginal"] = "join",
        test_mode: Literal["viterbi", "marginal"] | None = None,
        sparse_target: bool = False,
        use_boundary: bool = True,
        use_bias: bool = True,
        activation: Any = "linear",
        kernel_initializer: Any = "glorot_uniform",
        chain_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        boundary_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        chain_regularizer: Any = None,
        boundary_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        chain_constraint: Any = None,
        boundary_constraint: Any = None,
        bias_constraint: Any = None,
        input_dim: int | None = None,
        unroll: bool = False,
        **options: Any,
    ) -> None:
        given = {key: value for key, value in locals().items() if key not in ("self", "options", "__class__")}
        super().__init__(**options)
        if learn_mode not in _MODES:
            raise ArgumentError(f"learn_mode: expected one of {list(_MODES)}, got {quote(learn_mode)}.")
        if test_mode not in (None, *_TESTS):
            raise ArgumentError(f"test_mode: expected None or one of {list(_TESTS)}, got {quote(test_mode)}.")
        self.supports_masking = True
        self.units, self.learn_mode, self.sparse_target = units, learn_mode, bool(sparse_target)
        self.test_mode = test_mode or ("viterbi" if learn_mode == "join" else "marginal")
        self.use_boundary, self.use_bias = bool(use_boundary), bool(use_bias)
        self.activation: Any = activations.get(activation)
        self._options = given
        self._keep(**{**given, "test_mode": self.test_mode})

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs `(B, T, F)`."""
        features = three_axes(self, input_shape)[2]
        self.kernel = self.add_weight(
            shape=(features, self.units), name="kernel", **self._rules("kernel", self._options)
        )
        chain = self._rules("chain", self._options)
        self.chain_kernel = self.add_weight(shape=(self.units, self.units), name="chain_kernel", **chain)
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.units,), name="bias", **self._rules("bias", self._options))
        if self.use_boundary:
            self._add_boundaries(self._rules("boundary", self._options))
        super().build(input_shape)

    def call(self, inputs: Tensor, mask: Tensor | None = None, training: bool | None = None) -> Tensor:
        """`(B, T, F)` -> `(B, T, units)`."""
        training = self.training if training is None else training
        if training and self.learn_mode == "join":
            return torch.zeros_like(inputs @ self.kernel)
        if self.test_mode == "viterbi" and not training:
            return F.one_hot(self.decode(inputs, mask), self.units).to(inputs.dtype)
        return self.marginals(inputs, mask)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`(B, T, units)`."""
        batch, steps, _ = three_axes(self, input_shape)
        return (batch, steps, self.units)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """That of the input; with "join" one value for each row, as there."""
        return mask.any(1) if mask is not None and self.learn_mode == "join" else mask

    def decode(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """The classes of the best path: `(B, T)` of int64."""
        energies, chains = self._energies(inputs, mask)
        best, tables = torch.zeros_like(energies[:, 0]), []
        for step, chain in zip(energies.unbind(1), chains, strict=True):
            found = (chain + (step + best).unsqueeze(2)).min(1)
            best, table = found.values, found.indices
            tables.append(table)
        return _best_path(tables, tables[-1].new_zeros(inputs.shape[0]))

    def marginals(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """The probability of each class at each step: `(B, T, units)`."""
        energies, chains = self._energies(inputs, mask)
        forward = torch.stack(self._recursion(energies, chains), 1)
        turned = None if mask is None else mask.flip(1)
        found = self._recursion(energies.flip(1), self._chains(energies, turned))
        backward = torch.stack(found, 1).flip(1)
        return torch.softmax(-(_before(forward) + energies + _after(backward)), -1)

    def negative_log_likelihood(self, inputs: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
        """The loss of "join" (`crf_nll`): for each row, divided by the number of its steps.

        Args:
            inputs: What the layer is called with, `(B, T, F)`.
            targets: One-hot classes `(B, T, units)`; with `sparse_target` numbers, `(B, T, 1)`.
            mask: `(B, T)`.
        """
        if self.sparse_target:
            targets = F.one_hot(targets[:, :, 0].long(), self.units)
        targets = targets.to(inputs.dtype)
        energies, chains = self._energies(inputs, mask)
        partition = self._recursion(energies, chains)[-1][:, 0]
        own = (energies * targets).sum(2)
        between = ((targets[:, :-1] @ self.chain_kernel) * targets[:, 1:]).sum(2)
        if mask is None:
            return (partition + own.sum(1) + between.sum(1)) / inputs.shape[1]
        there = mask.to(inputs.dtype)
        return (partition + own.sum(1) + (between * there[:, :-1] * there[:, 1:]).sum(1)) / there.sum(1)

    def _energies(self, inputs: Tensor, mask: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """Of each step `(B, T, units)`, 0 where it is masked; and of what follows each, `(1 or B, units, units)`."""
        energies = inputs @ self.kernel
        energies = self.activation(energies + self.bias if self.use_bias else energies)
        if self.use_boundary and mask is None:
            first, last = (torch.zeros_like(energies[:1, :, :1]) for _ in range(2))
            first[:, 0], last[:, -1] = 1, 1
            energies = energies + first * self.left_boundary + last * self.right_boundary
        elif self.use_boundary and mask is not None:
            energies = energies + _begins(mask.bool()).unsqueeze(-1).to(energies.dtype) * self.left_boundary
        if mask is not None:
            energies = energies * mask.to(energies.dtype).unsqueeze(-1)
        return energies, self._chains(energies, mask)

    def _chains(self, energies: Tensor, mask: Tensor | None) -> list[Tensor]:
        chain: Tensor = self.chain_kernel.unsqueeze(0)
        if mask is None:
            return [chain] * energies.shape[1]
        there = mask.to(energies.dtype)
        both = there * F.pad(there[:, 1:], (0, 1))
        return [chain * each.reshape(-1, 1, 1) for each in both.unbind(1)]

    @staticmethod
    def _recursion(energies: Tensor, chains: list[Tensor]) -> list[Tensor]:
        """After each step the logarithms of the sums of all paths, by the next class."""
        before, found = torch.zeros_like(energies[:, 0]), []
        for step, chain in zip(energies.unbind(1), chains, strict=True):
            before = torch.logsumexp(-(chain + (step - before).unsqueeze(2)), 1)
            found.append(before)
        return found


class AddonsCRF(_Chain):
    """TensorFlow Addons' `CRF`: returns the best path, the scores of the classes, the lengths and the chain.

    Args:
        units: Classes.
        chain_initializer: How the chain starts.
        boundary_initializer: How the boundaries start.
        kernel_initializer: How the kernel starts.
        bias_initializer: How the bias starts.
        chain_regularizer: Penalty on the chain.
        boundary_regularizer: Penalty on the boundaries.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        chain_constraint: What the chain is brought to after an update.
        boundary_constraint: What the boundaries are brought to after an update.
        kernel_constraint: What the kernel is brought to after an update.
        bias_constraint: What the bias is brought to after an update.
        use_boundary: Whether the first and the last step have scores of their own.
        use_kernel: Whether scores are made of the inputs, by a Dense layer; else they are the inputs.
        use_bias: Whether that has a bias.
        activation: Of the scores.

    Variables:
        chain_kernel: `(units, units)`, from a class to the next; left_boundary, right_boundary: `(units,)`; kernel
        `(F, units)` and bias `(units,)` of the Dense layer.
    """

    def __init__(
        self,
        units: int,
        chain_initializer: Any = "orthogonal",
        chain_regularizer: Any = None,
        chain_constraint: Any = None,
        use_boundary: bool = True,
        boundary_initializer: Any = "zeros",
        boundary_regularizer: Any = None,
        boundary_constraint: Any = None,
        use_kernel: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        kernel_constraint: Any = None,
        use_bias: bool = True,
        bias_initializer: Any = "zeros",
        bias_regularizer: Any = None,
        bias_constraint: Any = None,
        activation: Any = "linear",
        **options: Any,
    ) -> None:
        given = {key: value for key, value in locals().items() if key not in ("self", "options", "__class__")}
        super().__init__(**options)
        self.supports_masking = True
        self.units, self.use_boundary, self.use_kernel = units, bool(use_boundary), bool(use_kernel)
        self._options = given
        self._keep(**given)
        if self.use_kernel:
            parts = ("kernel", "bias")
            rules = {
                f"{part}_{rule}": given[f"{part}_{rule}"] for part in parts for rule in ("regularizer", "constraint")
            }
            self._dense_layer = Dense(
                units,
                activation,
                use_bias,
                kernel_initializer=kernel_initializer,
                bias_initializer=bias_initializer,
                dtype=options.get("dtype"),
                **rules,
            )

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs `(B, T, F)`."""
        shape = three_axes(self, input_shape)
        chain = self._rules("chain", self._options)
        self.chain_kernel = self.add_weight(shape=(self.units, self.units), name="chain_kernel", **chain)
        if self.use_boundary:
            self._add_boundaries(self._rules("boundary", self._options))
        if self.use_kernel:
            self._dense_layer.build(shape)
        super().build(input_shape)

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        """`(B, T, F)` -> best path `(B, T)`, scores `(B, T, units)`, lengths `(B,)`, chain `(units, units)`."""
        scores = self._dense_layer(inputs) if self.use_kernel else inputs
        there = torch.ones(inputs.shape[:2], dtype=torch.bool, device=inputs.device) if mask is None else mask.bool()
        lengths = there.sum(1)
        if self.use_boundary:
            ends = there & ~F.pad(there[:, 1:], (0, 1))
            first, last = (place.unsqueeze(-1).to(scores.dtype) for place in (_begins(there), ends))
            scores = scores + first * self.left_boundary + last * self.right_boundary
        return [self._decoded(scores, lengths).to(torch.int32), scores, lengths, self.chain_kernel + 0]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Those of the four outputs."""
        batch, steps, _ = three_axes(self, input_shape)
        return [(batch, steps), (batch, steps, self.units), (batch,), (self.units, self.units)]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """That of the input, on the path and the scores."""
        return [mask, mask, None, None]

    def log_likelihood(self, scores: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
        """Addons' `crf_log_likelihood` of each row.

        Args:
            scores: The second output.
            targets: Numbers of classes, `(B, T)`.
            lengths: The third output.
        """
        targets, steps = targets.long(), torch.arange(scores.shape[1], device=scores.device)
        there = steps < lengths.unsqueeze(1)
        own = scores.gather(2, targets.unsqueeze(2)).squeeze(2)
        between = self.chain_kernel[targets[:, :-1], targets[:, 1:]] * there[:, 1:]
        total = scores[:, 0]
        for at in range(1, scores.shape[1]):
            more = torch.logsumexp(total.unsqueeze(2) + self.chain_kernel, 1) + scores[:, at]
            total = torch.where(there[:, at].unsqueeze(1), more, total)
        return (own * there).sum(1) + between.sum(1) - torch.logsumexp(total, 1)

    def _decoded(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """The best path; behind the end of a row zeros."""
        there = torch.arange(scores.shape[1], device=scores.device) < lengths.unsqueeze(1)
        same = torch.arange(self.units, device=scores.device).expand(scores.shape[0], -1)
        best, tables = scores[:, 0], []
        for at in range(1, scores.shape[1]):
            found = (best.unsqueeze(2) + self.chain_kernel).max(1)
            more = there[:, at].unsqueeze(1)
            best = torch.where(more, found.values + scores[:, at], best)
            tables.append(torch.where(more, found.indices, same))
        last = best.argmax(1)
        path = torch.cat([_best_path(tables, last), last.unsqueeze(1)], 1)
        return path * there
