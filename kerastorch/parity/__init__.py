"""Whether a model computes what its original in Keras computes: recorded there, measured here.

`recorder/`: what runs where Keras is, one script for every Python and Keras, and what it writes: a recording.
`reading.py`: recordings that come from elsewhere, checked. `child.py`: the recorder in a process of its own, with an
end. `safety.py`: what a file would make Keras run. `references.py`: what computes a reference in this process.
`needs.py`: what the inputs of a model must hold. `running.py`: a model of ours on the same inputs, layer by layer,
also in float64 and moved by one unit in the last place; `states.py`: states that are no outputs, and those to begin
with. `measuring.py`: how far two arrays are apart, in multiples of what rounding does. `layers.py`: the layers of both
beside each other; `gradients.py`: gradients, `layer_gradients.py`: of each layer alone, `kinks.py`: where a function
has two slopes; `training.py`: a training, step by step, `training_rows.py`: its arrays, `compiling.py`: models
compiled for it. `compare.py`: all probes. `alterations.py`: ways in which layers differ; `explaining.py`: which of
them explains a difference, and which would have been noticed; `explaining_gradients.py`, `explaining_training.py`,
`explaining_random.py`: the same of gradients, of a training, of what is drawn at random; `piece.py`: the smallest
piece that differs. `plain_arithmetic.py`: float32 without TF32. `report.py`: what is found;
`tables.py`, `text.py`, and `page.py` with `pictures.py`: how it is shown. `golden.py`: outputs that somebody else has
recorded. `check.py`: `check_parity`, which does all this; `asserting.py`: the same as an assertion. What a recording
says is in `recorded.py`.
"""

from .asserting import assert_keras_parity as assert_keras_parity
from .check import check_parity as check_parity
from .child import record as record
from .compare import compare as compare
from .reading import read_recording as read_recording
from .recorded import Recording as Recording
from .recorder import script as recorder_script
from .report import ParityReport as ParityReport
from .report import show_as as _show_as
from .safety import load_checked as load_checked
from .text import as_text as _as_text


def _as_html(report: ParityReport) -> str:
    from .page import as_html  # on use: pictures and all

    return as_html(report)


_show_as("text", _as_text)
_show_as("page", _as_html)

__all__ = [
    "ParityReport",
    "Recording",
    "assert_keras_parity",
    "check_parity",
    "compare",
    "load_checked",
    "read_recording",
    "record",
    "recorder_script",
]
