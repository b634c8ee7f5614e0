"""Whole scripts, run with real Keras: their numbers, and the weights that their models had when they were compiled."""

from __future__ import annotations

import contextlib
import io
import os
import types
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np


def run(k: ModuleType, path: str, folder: str) -> dict[str, Any]:
    """Run a script in a folder of its own, without shuffling, each model in eager mode."""
    base, weights, histories = k.Model, [], []
    compile_, fit = base.compile, base.fit

    def compiling(self: Any, *args: Any, **options: Any) -> Any:
        weights.append([np.array(weight) for weight in self.get_weights()])
        return compile_(self, *args, **{**options, "run_eagerly": True})

    def fitting(self: Any, *args: Any, **options: Any) -> Any:
        history = fit(self, *args, **{**options, "shuffle": False, "verbose": 0})
        histories.append({name: [float(value) for value in values] for name, values in history.history.items()})
        return history

    here = os.getcwd()
    k.utils.set_random_seed(1)
    text = Path(path).read_text("utf-8")
    if k.__name__ != "keras":  # a script of Keras 2 says keras, and means what is tf_keras today
        text = text.replace("from keras", "from tf_keras").replace("import keras\n", "import tf_keras as keras\n")
    names = types.ModuleType("script").__dict__
    try:
        base.compile, base.fit = compiling, fitting
        os.chdir(folder)
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, path, "exec"), names)
    finally:
        base.compile, base.fit = compile_, fit
        os.chdir(here)
    return {"weights": weights, "histories": histories, "result": np.array(names["RESULT"])}
