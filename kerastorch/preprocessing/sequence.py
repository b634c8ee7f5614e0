"""`keras.preprocessing.sequence`."""

from ..utils.sequences import make_sampling_table as make_sampling_table
from ..utils.sequences import pad_sequences as pad_sequences
from ..utils.sequences import skipgrams as skipgrams
from ..utils.windows import TimeseriesGenerator as TimeseriesGenerator
