"""JSON has one meaning, a bounded size and a bounded depth."""

from __future__ import annotations

import json
import time

import pytest

from kerastorch.errors import CorruptFileError, LoadError, UnsafeFileError
from kerastorch.files import Limits
from kerastorch.files.strict_json import parse_json


def test_reads_what_keras_writes() -> None:
    config = {
        "class_name": "Sequential",
        "config": {
            "name": "gr\u00fc\u00dfe \U0001f600",
            "layers": [{"units": 5, "rate": 0.25, "x": None, "y": [True, -1e-7]}],
        },
        'brackets "[{" in a string \\': "]}" * 300,
        "big": 2**64 - 1,
    }
    for text in (json.dumps(config), json.dumps(config, ensure_ascii=False, indent=2)):
        assert parse_json(text, "f", Limits()) == config
        assert parse_json(text.encode(), "f", Limits()) == config


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 2}}', UnsafeFileError, "the key 'c' twice in one object"),
        ('{"a": NaN}', UnsafeFileError, "holds NaN, expected finite numbers"),
        ('{"a": -Infinity}', UnsafeFileError, "holds -Infinity"),
        ('{"a": 1e999}', UnsafeFileError, "too large for a float"),
        ('{"a": ' + "9" * 21 + "}", UnsafeFileError, "whole number of 21 digits, the limit is 20"),
        ('{"a": "\\ud800"}', CorruptFileError, "not UTF-8"),
        (b'{"a": "\xff"}', CorruptFileError, "not UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', CorruptFileError, "not JSON"),
        ("[1, 2]", CorruptFileError, "is a list, expected an object"),
        ("null", CorruptFileError, "is a NoneType, expected an object"),
        ("", CorruptFileError, "not JSON"),
        ('{"a": 1} {"b": 2}', CorruptFileError, r"not JSON \(Extra data, line 1, column 10\)"),
        ('{"a": [1, 2', CorruptFileError, "not JSON"),
        ('{"a": "' + '\\"' * 50, CorruptFileError, "not JSON"),
        ('{"a": ' * 201 + "1" + "}" * 201, UnsafeFileError, "nested more than 200 deep"),
        ("[" * 1_000_000, UnsafeFileError, "nested more than 200 deep"),
        ("[{}," + "[],".join("" for _ in range(1_500_000)) + "1]", UnsafeFileError, "more than 1,000,000 values"),
        ('{"a": "' + "x" * (32 << 20) + '"}', UnsafeFileError, "the limit is 33,554,432"),
    ],
    ids=range(18),
)
def test_refuses(text: str | bytes, error: type[LoadError], message: str) -> None:
    start = time.process_time()
    with pytest.raises(error, match=message) as caught:
        parse_json(text, "m.keras: config.json", Limits())
    assert time.process_time() - start < 2
    assert type(caught.value) is error
    assert str(caught.value).startswith("m.keras: config.json: ")
    assert len(str(caught.value)) < 400


def test_unfinished_strings_take_linear_time() -> None:
    start = time.process_time()
    for text in (
        '"' + '\\"' * 3_000_000,
        '"\\' * 3_000_000,
        '"' * 5_000_001,
        '{"' + "\\n" * 10_000_000,
        "{}" * 15_000_000,
    ):
        with pytest.raises(LoadError):
            parse_json(text, "f", Limits())
    assert time.process_time() - start < 4


def test_depth_of_200_is_read() -> None:
    text = '{"a": ' * 200 + "1" + "}" * 200
    assert parse_json(text, "f", Limits())["a"]["a"]
