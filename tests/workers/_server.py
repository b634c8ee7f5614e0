"""The loop of the Keras process: read a call, run it, send the result back.

Started by `tests/_keras_worker.py` as a script with one argument, the descriptor of its end of a pipe.
"""

from __future__ import annotations

import functools
import gc
import importlib
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType


@functools.cache
def _framework(name: str) -> ModuleType:
    if name == "keras3":
        import keras as k
    else:
        import tf_keras as k

        importlib.import_module("workers._graphics").leave_out()
    gc.collect()
    gc.freeze()  # half a million objects, through which each `clear_session` would look
    return k


def main(descriptor: int) -> None:
    """Answer `(framework, target, args, kwargs)` with `("ok", value)` or `("error", traceback)` until the pipe ends."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    connection = Connection(descriptor)
    import tensorflow as tf

    # The tests run one such process for each pytest worker.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    connection.send(("ok", None))
    while True:
        try:
            framework, target, args, kwargs = connection.recv()
        except EOFError:
            return
        try:
            module, function = target.split(":")
            answer = getattr(importlib.import_module(f"workers.{module}"), function)(
                _framework(framework), *args, **kwargs
            )
            if "torch" in sys.modules:
                raise RuntimeError("the Keras process has imported torch")
            reply = ("ok", answer)
        except BaseException as error:  # the other process must see it, whatever it is
            reply = ("error", traceback.format_exc())
            if isinstance(error, KeyboardInterrupt | SystemExit):
                connection.send(reply)
                raise
        try:
            connection.send(reply)
        except (TypeError, AttributeError, ValueError) as error:
            connection.send(("error", f"{target} returned what cannot be pickled: {error}"))


if __name__ == "__main__":
    main(int(sys.argv[1]))
