"""What stands for an input of text."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

import kerastorch as kt
from kerastorch.errors import UnsupportedFileError


def text_of(*layers: tuple[str, dict[str, Any]]) -> str:
    """A model of one text that goes into each of these layers; all are its outputs."""
    named = [
        {
            "class_name": cls,
            "name": f"l{i}",
            "config": {"name": f"l{i}", **config},
            "inbound_nodes": [[["text", 0, 0, {}]]],
        }
        for i, (cls, config) in enumerate(layers)
    ]
    start = {"name": "text", "batch_input_shape": [None, 4], "dtype": "string"}
    source = {"class_name": "InputLayer", "name": "text", "config": start, "inbound_nodes": []}
    outputs = [[item["name"], 0, 0] for item in named]
    config = {"name": "m", "layers": [source, *named], "input_layers": [["text", 0, 0]], "output_layers": outputs}
    return json.dumps(
        {"class_name": "Functional", "config": config, "keras_version": "2.15.0", "backend": "tensorflow"}
    )


def made(*layers: tuple[str, dict[str, Any]]) -> Any:
    same = kt.recipes.identity()
    return kt.model_from_json(text_of(*layers), replace={f"l{i}": same for i in range(len(layers))})


def test_the_layer_behind_it_says_what_it_becomes() -> None:
    length = {"output_sequence_length": 7, "dtype": "string"}
    for layers, shape, dtype in [
        ([("TextVectorization", {})], (None, None), torch.int64),
        ([("TextVectorization", length)], (None, 7), torch.int64),
        ([("TextVectorization", {"output_mode": "tf-idf", "vocabulary_size": 5})], (None, 5), torch.float32),
        ([("StringLookup", {})], (None, 4), torch.int64),
        ([("StringLookup", {}), ("Hashing", {})], (None, 4), torch.int64),
    ]:
        model = made(*layers)
        assert (model.inputs[0].shape, model.inputs[0].dtype) == (shape, dtype)


def test_layers_that_disagree_are_told() -> None:
    with pytest.raises(UnsupportedFileError, match=r"the input 'text' is text and goes into layers that make .* of it"):
        made(("TextVectorization", {"output_sequence_length": 7}), ("StringLookup", {}))


def test_no_layer_of_the_table_has_the_dtype_of_text() -> None:
    text = json.loads(text_of(("Dense", {"units": 2, "dtype": "string"})))
    with pytest.raises(UnsupportedFileError, match="expected a dtype such as 'float32', got 'string'"):
        kt.model_from_json(json.dumps(text))
