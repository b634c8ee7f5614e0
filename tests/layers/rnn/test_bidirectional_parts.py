"""What a Bidirectional makes of its two layers, and what it says of the computation that runs."""

from __future__ import annotations

import torch

from kerastorch import layers


def test_each_direction_comes_from_its_own_layer() -> None:
    forward = layers.LSTM(3, name="a", return_sequences=True)
    backward = layers.GRU(2, go_backwards=True, name="b", return_sequences=True)
    both = layers.Bidirectional(forward, backward_layer=backward, merge_mode=None, name="both")
    assert (both.forward_layer.name, both.backward_layer.name) == ("forward_a", "b")
    assert [type(layer) for layer in (both.forward_layer, both.backward_layer)] == [layers.LSTM, layers.GRU]
    x = torch.randn(2, 5, 4)
    assert [tuple(out.shape) for out in both(x)] == [(2, 5, 3), (2, 5, 2)]
    alone = layers.Bidirectional(layers.LSTM(3, name="forward_a"))
    assert (alone.forward_layer.name, alone.backward_layer.name) == ("forward_a", "backward_a")
    assert alone.backward_layer.go_backwards is True


def test_the_choice_is_that_of_the_forward_layer_in_this_mode() -> None:
    both = layers.Bidirectional(layers.LSTM(3, recurrent_dropout=0.5))
    x, mask = torch.randn(2, 5, 4), torch.ones(2, 5, dtype=torch.bool)
    both(x)
    choices = set()
    for training in (True, False):
        for given in (None, mask):
            found = both.kernel_choice(x, given, training)
            wanted = both.forward_layer.kernel_choice(x, given, training)
            assert found.path == wanted.path
            assert found.reason.removesuffix("; both directions in one call") == wanted.reason
            choices.add((found.path, wanted.reason))
    assert len(choices) > 1  # it is another one while the weights are dropped


def test_a_stated_output_shape_goes_with_the_batch_of_the_first_input() -> None:
    made = layers.Lambda(lambda tensors: tensors[0][:, :2], output_shape=(2,))
    assert made.compute_output_shape([(3, 4), (None, 5)]) == (3, 2)
