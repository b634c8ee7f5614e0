"""Import lines of Keras code: the command of docs/porting.md, and the modules of older Kerases."""

from __future__ import annotations

import subprocess
import types
from pathlib import Path

import pytest

import kerastorch as kt
from kerastorch import old_paths
from kerastorch.errors import UnsupportedError

PAGE = Path(__file__).parent.parent.parent / "docs" / "porting.md"

LINES = {
    "import keras": "import kerastorch, kerastorch as keras",
    "    import keras": "    import kerastorch, kerastorch as keras",
    "import keras.backend as K": "import kerastorch.backend as K",
    "import keras.callbacks": "import kerastorch.callbacks, kerastorch as keras",
    "import tensorflow.keras as keras": "import kerastorch as keras",
    "import tensorflow.keras.backend as K": "import kerastorch.backend as K",
    "import tf_keras as keras": "import kerastorch as keras",
    "import keras_tuner as kt": "import keras_tuner as kt",
    "from tensorflow import keras": "import kerastorch as keras",
    "from tensorflow.keras import layers, models": "from kerastorch import layers, models",
    "from tensorflow.keras.layers import LSTM": "from kerastorch.layers import LSTM",
    "from tensorflow.python.keras.layers import GRU": "from kerastorch.layers import GRU",
    "from keras.layers.recurrent import GRU": "from kerastorch.layers.recurrent import GRU",
    "from keras import backend as K": "from kerastorch import backend as K",
    "from keras_contrib.layers import CRF": "from keras_contrib.layers import CRF",
    "# keras is imported": "# keras is imported",
    "x = keras.layers.LSTM(3)": "x = keras.layers.LSTM(3)",
}


def test_the_command_of_the_page(tmp_path: Path) -> None:
    command = PAGE.read_text("utf-8").split("```sh\n")[1].split("```")[0]
    script = tmp_path / "script.py"
    script.write_text("\n".join([*LINES, ""]))
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    assert script.read_text().splitlines() == list(LINES.values())


OLD = """
from kerastorch.layers.recurrent import GRU, LSTM, SimpleRNN
from kerastorch.layers.convolutional import Conv2D, MaxPooling2D, ZeroPadding2D, UpSampling2D
from kerastorch.layers.convolutional_recurrent import ConvLSTM2D
from kerastorch.layers.core import Activation, Dense, Dropout, Flatten, Lambda, Masking, RepeatVector
from kerastorch.layers.embeddings import Embedding
from kerastorch.layers.merge import Concatenate, add, concatenate, dot
from kerastorch.layers.normalization import BatchNormalization
from kerastorch.layers.pooling import GlobalMaxPooling1D
from kerastorch.layers.wrappers import Bidirectional, TimeDistributed
from kerastorch.layers.advanced_activations import LeakyReLU, PReLU
from kerastorch.layers.noise import GaussianNoise
from kerastorch.layers.local import LocallyConnected1D
from kerastorch.layers.experimental import preprocessing
from kerastorch.layers.experimental.preprocessing import StringLookup, TextVectorization
from kerastorch.layers import recurrent
from kerastorch.engine import InputSpec, Layer, Model
from kerastorch.engine.topology import Input
from kerastorch.engine.training import Model as AlsoModel
from kerastorch.utils import np_utils
from kerastorch.utils.np_utils import to_categorical
from kerastorch.utils.data_utils import Sequence
from kerastorch.utils.vis_utils import plot_model
from kerastorch.preprocessing import image
from kerastorch.datasets import imdb
from kerastorch.preprocessing.image import ImageDataGenerator
from kerastorch.backend.tensorflow_backend import int_shape
import kerastorch.layers.recurrent as again
"""


def test_modules_of_older_kerases() -> None:
    names: dict[str, object] = {}
    exec(OLD, names)
    for name, value in names.items():
        if hasattr(kt.layers, name) and not isinstance(value, types.ModuleType):
            assert value is getattr(kt.layers, name), name
    assert names["recurrent"] is names["again"]
    assert names["AlsoModel"] is names["Model"] is kt.Model
    assert names["to_categorical"] is kt.utils.to_categorical
    assert names["int_shape"] is kt.backend.int_shape
    with pytest.raises(UnsupportedError, match=r"keras\.preprocessing\.image\.ImageDataGenerator is not in kerastorch"):
        names["ImageDataGenerator"]()  # type: ignore[operator]
    with pytest.raises(UnsupportedError, match=r"datasets\.imdb is not in kerastorch: load the arrays with numpy"):
        names["imdb"].load_data(num_words=100)  # type: ignore[attr-defined]


def test_they_hide_nothing() -> None:
    assert "recurrent" not in dir(kt.layers)
    assert "experimental" not in dir(kt.layers)
    with pytest.raises(AttributeError, match="did you mean 'LSTM'"):
        kt.layers.recurrent.LSTN  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Conv9D'"):
        exec("from kerastorch.layers.convolutional import Conv9D")
    assert old_paths.PATHS["layers.recurrent"] == ("layers",)
