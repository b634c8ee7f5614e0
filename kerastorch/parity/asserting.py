"""check_parity as an assertion, for the tests of other projects."""

from __future__ import annotations

from typing import Any

from torch import nn

from .check import check_parity
from .report import ParityReport


def assert_keras_parity(reference: Any, model: nn.Module | None = None, **options: Any) -> ParityReport:
    """Fail unless a model computes what its original in Keras computes.

    Args:
        reference: A model file of Keras, a recording, a live model of Keras, or a function; see `check_parity`.
        model: The model here; read from the file if None.
        **options: Those of `check_parity`.

    Returns:
        The report, which has passed.

    Raises:
        AssertionError: There is no parity, or nothing could be judged; the message is the whole report.
        MissingKerasError: There is no Keras to compute the reference. pytest skips the
            test then.
    """
    __tracebackhide__ = True  # pytest shows the line that calls this one
    report = check_parity(reference, model, **options)
    if not report.passed:
        raise AssertionError(str(report))
    return report
