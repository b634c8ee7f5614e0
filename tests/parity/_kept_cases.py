"""The part of the parity suite that is judged by kept replies: which cases, and who compares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from zlib import crc32

from . import _attention_cases, _cases, _compare, test_attention_live, test_cells_live, test_conv_lstm_live

Judge = Callable[[Any, str, Any], Any]
# Kind -> who compares, the cases, and of how many one is kept.
KINDS: dict[str, tuple[Judge, Sequence[Any], int]] = {
    "recurrent": (_compare.assert_parity, _cases.RECURRENT_CASES, 1),
    "bidirectional": (_compare.assert_parity, _cases.BIDIRECTIONAL_CASES, 1),
    "time_distributed": (_compare.assert_parity, _cases.TIME_DISTRIBUTED_CASES, 1),
    "core": (_compare.assert_parity, _cases.CORE_CASES, 1),
    "conv_lstm": (test_conv_lstm_live.assert_parity, test_conv_lstm_live.CASES, 2),
    "attention": (test_attention_live.compare, _attention_cases.ATTENTION_CASES, 2),
    "multi_head": (test_attention_live.compare, _attention_cases.MULTI_HEAD_CASES, 1),
    "group_query": (test_attention_live.compare, _attention_cases.GROUP_CASES, 1),
    "cells": (test_cells_live.assert_parity, test_cells_live.OVER_TIME, 1),
    "steps": (test_cells_live.assert_parity, test_cells_live.STEPS, 1),
}


def kept_cases(kind: str) -> Iterator[tuple[str, str, Any]]:
    """Name, framework and case; of a case that both frameworks have, one of the two."""
    _, cases, of = KINDS[kind]
    for case in cases:
        number = crc32(case.id.encode())
        if number % of == 0:
            framework = case.frameworks[(number // of) % len(case.frameworks)]
            yield f"{framework} {case.id}", framework, case
