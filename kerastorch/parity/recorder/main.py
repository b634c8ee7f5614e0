"""The command line of the recorder. It is run by the Python that has Keras; kerastorch never imports it."""

from __future__ import division, print_function

import argparse
import json
import os
import runpy
import sys
import threading
import traceback
import zipfile

import numpy as np

from .capture import is_eager, version_of
from .memory import is_memory
from .recording import Recorder, Refused
from .storing import hash_of_file

# Exit statuses: there is no Keras; it does not open the model; the memory is full. 2: something else is refused.
NO_KERAS, UNREADABLE, NO_MEMORY = 4, 5, 6


class NoKeras(Refused):
    """There is no Keras here, or none with the backend that is asked for."""


class Unreadable(Refused):
    """Keras does not open the model file."""


def parser():
    made = argparse.ArgumentParser(description="Record what a Keras model computes, layer by layer.")
    made.add_argument("model", help="a model file of Keras; of weights only, with --arch")
    made.add_argument("recording", help="where to write, NAME.npz")
    made.add_argument("--arch", metavar="A.json", help="for a file of weights: the model's to_json() text")
    made.add_argument("--keras", choices=["auto", "keras", "tf_keras", "tensorflow"], default="auto",
                      help="which Keras; that of the file's own era if it is there")  # fmt: skip
    made.add_argument("--backend", metavar="B", help="of Keras 3: tensorflow, jax or torch; the one that is set up")
    made.add_argument("--custom", metavar="M.py", action="append", default=[],
                      help="run this file; its classes and functions are the model's custom objects")  # fmt: skip
    made.add_argument("--trust", action="store_true", help="let Keras run code that stands in the file (Lambda)")
    made.add_argument("--inputs", metavar="X.npz", help="arrays x0, x1, ... in the place of made ones")
    made.add_argument("--outputs-only", action="store_true", help="leave the layers out")
    made.add_argument("--no-gradients", action="store_true", help="leave gradients out")
    made.add_argument("--steps", type=int, default=5, help="of a training that is recorded; 0 for none")
    made.add_argument("--optimizer", metavar="JSON", help="for the training: a name, or class_name and config")
    made.add_argument("--loss", metavar="JSON", help="for the training: a name, or a list of names")
    made.add_argument("--seed", type=int, default=0, help="of the random inputs")
    made.add_argument("--max-mb", type=int, default=256, help="arrays that are kept, in MB; layers beyond are left out")
    made.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)
    return made


def is_of_keras3(path):
    """Whether a file was written by Keras 3."""
    version = ""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if "metadata.json" in archive.namelist():
                version = json.loads(archive.read("metadata.json").decode("utf-8")).get("keras_version", "")
    else:
        import h5py

        with h5py.File(path, "r") as store:
            version = store.attrs.get("keras_version", "")
            if not version and "model_weights" in store:
                version = store["model_weights"].attrs.get("keras_version", "")
    text = version.decode("utf-8") if isinstance(version, bytes) else str(version)
    return text.startswith("3")


def find_keras(wanted, keras3, backend=None):
    """The Keras to use: the wanted one, else that of the file's era, else any that is here. With a backend, Keras 3."""
    order = ["keras", "tf_keras", "tensorflow"] if keras3 else ["tf_keras", "keras", "tensorflow"]
    if backend:
        wanted = "keras" if wanted == "auto" else wanted
    found = []
    for name in order if wanted == "auto" else [wanted]:
        try:
            if name == "keras":
                import keras
            elif name == "tf_keras":
                import tf_keras as keras
            else:
                from tensorflow import keras  # pyright: ignore[reportMissingModuleSource]
        except ImportError as error:
            found.append("%s: %s" % (name, error))
            continue
        if backend and (version_of(keras) < (3, 0) or keras.backend.backend() != backend):
            found.append("%s %s has another" % (name, keras.__version__))
            continue
        if wanted != "auto" or (version_of(keras) >= (3, 0)) == keras3:
            return keras
        found.append(keras)
    there = [keras for keras in found if not isinstance(keras, str)]
    if not there:
        kind = "Keras with the backend %s" % backend if backend else "Keras"
        raise NoKeras("there is no %s in %s: %s" % (kind, sys.executable, "; ".join(found)))
    return there[0]


def custom_objects(paths):
    """The classes and functions of somebody's own files, by name."""
    found = {}
    for path in paths:
        names = runpy.run_path(path)
        found.update((name, value) for name, value in names.items() if callable(value) and not name.startswith("__"))
    return found


def _from_json(text):
    """A value of the command line; a plain name need not be quoted."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def keep_what_loops_compute(keras):
    """In graphs of TensorFlow 2 a loop over time keeps nothing for gradients that are asked for when it has run."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or is_eager(keras):
        return
    experimental = getattr(getattr(getattr(tensorflow, "compat", None), "v1", None), "experimental", None)
    switch = getattr(experimental, "output_all_intermediates", None)
    if switch is not None:
        switch(True)


def load(options, keras):
    """The model, compiled as its file says where it is to be trained and that can be had."""
    custom = custom_objects(options.custom)
    keep_what_loops_compute(keras)
    if options.arch:
        with open(options.arch) as stream:
            model = keras.models.model_from_json(stream.read(), custom_objects=custom)
        model.load_weights(options.model)
        return model
    extra = {}
    if version_of(keras) >= (3, 0) and options.trust:
        extra["safe_mode"] = False
    if options.steps and options.optimizer is None:
        try:
            return keras.models.load_model(options.model, custom_objects=custom, **extra)
        except Exception as error:  # noqa: BLE001 - the model itself may be read none the less
            say("the model is read without how it was compiled: %s" % " ".join(str(error).split())[:300])
    try:
        return keras.models.load_model(options.model, custom_objects=custom, compile=False, **extra)
    except TypeError as error:
        if "compile" not in str(error):
            raise
    return keras.models.load_model(options.model, custom_objects=custom)  # Keras 1 compiles always


def opened(options, keras):
    """What `load` gives. Where Keras fails its traceback is printed, and one line says what has become of the file."""
    try:
        return load(options, keras)
    except Exception as error:  # noqa: BLE001 - a file may raise anything
        if is_memory(error):
            raise
        traceback.print_exc()
        said = "%s: %s" % (type(error).__name__, " ".join(str(error).split())[:160])
        name = os.path.basename(options.model)
        unread = Unreadable("%s %s does not open %s: %s" % (keras.__name__, keras.__version__, name, said))
    raise unread


def end_with_parent():
    """End this process when the one that started it is gone: it holds the other end of our standard input."""

    def watch():
        sys.stdin.read()
        os._exit(3)

    thread = threading.Thread(target=watch)
    thread.daemon = True
    thread.start()


def say(text):
    print("recorder: " + text)
    sys.stdout.flush()


def main(arguments=None):
    options = parser().parse_args(arguments)
    if options.with_parent:
        end_with_parent()
    usual = (("TF_CPP_MIN_LOG_LEVEL", "3"), ("TF_ENABLE_ONEDNN_OPTS", "0"), ("NVIDIA_TF32_OVERRIDE", "0"))
    for name, value in usual:
        os.environ.setdefault(name, value)
    if options.backend:
        os.environ["KERAS_BACKEND"] = options.backend
    try:
        say("looking for Keras")
        keras = find_keras(options.keras, options.arch is None and is_of_keras3(options.model), options.backend)
        if not is_eager(keras):
            # Inference; eager models are told by the call.
            keras.backend.set_learning_phase(0)  # pyright: ignore[reportAttributeAccessIssue]
        say("reading the model with %s %s" % (keras.__name__, keras.__version__))
        recorder = Recorder(opened(options, keras), keras, options.seed, options.max_mb << 20,
                            not options.outputs_only, say, not options.no_gradients, options.steps,
                            _from_json(options.optimizer), _from_json(options.loss))  # fmt: skip
        given = None
        if options.inputs:
            with np.load(options.inputs, allow_pickle=False) as stored:
                given = [stored["x%d" % number] for number in range(len(recorder.specs))]
        said = recorder.record(given)
        said["source"] = {"name": os.path.basename(options.model), "sha256": hash_of_file(options.model)}
        recorder.store.write(options.recording, said)
    except Refused as error:
        say("error: %s" % error)
        return NO_KERAS if isinstance(error, NoKeras) else UNREADABLE if isinstance(error, Unreadable) else 2
    except Exception as error:  # noqa: BLE001 - whatever the memory was full in
        if not is_memory(error):
            raise
        traceback.print_exc()
        say("error: the memory is full: %s" % (" ".join(str(error).split())[:300] or type(error).__name__))
        return NO_MEMORY
    say("written: %s" % options.recording)
    return 0


if __name__ == "__main__":
    sys.exit(main())
