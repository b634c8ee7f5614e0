"""Models in pickles, of which none is ever loaded.

`embedded.py` finds the file of Keras that newer Keras puts into a pickle, as bytes. Older ones hold dicts, lists, texts
and arrays: `machine.py` follows the opcodes of a pickle and makes those alone, by a closed table; every other class or
function that it names is noted and never looked up. `models.py` finds in what was made a model as Keras 2.2.3 to 2.3.1
pickled it, or a config beside a list of arrays, or arrays alone. `unpacked.py` undoes what joblib packs pickles with.
"""

from __future__ import annotations

from .embedded import AROUND as AROUND
from .embedded import embedded as embedded
from .machine import read_pickle as read_pickle
from .models import PickledModel as PickledModel
from .models import model_in as model_in
from .unpacked import unpacked as unpacked
