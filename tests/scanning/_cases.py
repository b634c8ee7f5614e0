"""Every hostile, foreign and damaged file of the tests of `kerastorch scan`, with what is expected of each."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from _hostile import (
    CODE,
    LAMBDA,
    OS_SYSTEM,
    array,
    arrays,
    changed,
    compiled,
    dense,
    layer,
    legacy,
    linked,
    members,
    old_lambda,
    packed,
    pickled,
    with_layer,
    zipped_link,
)


class Case(NamedTuple):
    """A file: its name, its content, the status, and a part of what the worst finding says."""

    name: str
    make: Callable[[Path], bytes]
    status: int
    says: str


def _function(module: str | None, name: str) -> dict[str, str | None]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def _keras(name: str, content: Callable[[], bytes], status: int, says: str) -> Case:
    return Case(f"{name}.keras", lambda path: content(), status, says)


def _old(name: str, says: str, status: int = 3, **config: object) -> Case:
    return Case(f"{name}.h5", lambda path: legacy(old_lambda(**config), path), status, says)


_NESTED = layer("TimeDistributed", layer=layer("Lambda", function=LAMBDA))


def with_layer_text() -> bytes:
    """The config of a model with a Lambda."""
    with zipfile.ZipFile(io.BytesIO(with_layer(layer("Lambda", function=LAMBDA)))) as archive:
        return archive.read("config.json")


def bad_legacy(path: Path) -> bytes:
    """A full-model .h5 file with a Lambda, of which the weights are not there."""
    legacy(old_lambda(function=[CODE], function_type="lambda"), path)
    with h5py.File(path, "a") as file:
        file["model_weights"].attrs["layer_names"] = [b"gone"]
    return path.read_bytes()


def _own_input(config: dict[str, Any]) -> None:
    layers = config["config"]["layers"]
    layers[0]["module"], layers[0]["config"]["batch_shape"] = "lab", [[], 3]
    layers.append(layer("Capsule", "lab", "Capsule"))


def _own_and_damaged(config: dict[str, Any]) -> None:
    layers = config["config"]["layers"]
    layers[-1]["config"]["units"] = "two"
    layers.append(layer("Capsule", "lab", "Capsule"))


_MODEL = layer("Sequential", "keras", layers=[layer("Dense", units=2, kernel_initializer=LAMBDA)])
_PY_FUNC = {"name": "evil", "op": "PyFunc", "input": ["x"], "attr": {}}

CODE_IN_CONFIGS = [
    _keras("lambda", lambda: with_layer(layer("Lambda", function=LAMBDA)), 3, "Python code"),
    _keras("lambda list", lambda: with_layer(layer("Lambda", function=[CODE, None, None])), 3, "Python code"),
    _keras("lambda in a wrapper", lambda: with_layer(_NESTED), 3, "Python code"),
    _keras("lambda in a model", lambda: with_layer(_MODEL), 3, "Python code"),
    *(
        _keras(f"lambda as {key}", lambda key=key: dense(**{key: LAMBDA}), 3, "Python code")
        for key in ("activation", "kernel_initializer", "bias_regularizer", "kernel_constraint", "dtype", "units")
    ),
    _keras("lambda of tf-keras", lambda: dense(activation={"value": [CODE, None, None]}), 3, "Python code"),
    _keras("two lambdas", lambda: dense(activation={"value": [CODE]}, bias_initializer={"value": [CODE]}), 3, "code"),
    _keras("bare code", lambda: compiled(loss=["4wEAAAAAAAAAAAAAAAEAAAATAAAA8wYAAACXAHwAUwCp"]), 3, "Python code"),
    _keras("lambda as a loss", lambda: compiled(loss=LAMBDA), 3, "Python code"),
    _keras("lambda as a metric", lambda: compiled(metrics=[["mae", LAMBDA]]), 3, "Python code"),
    _keras(
        "lambda that splits text",
        lambda: with_layer(layer("TextVectorization", standardize=LAMBDA, vocabulary=["a"])),
        3,
        "Python code",
    ),
    _keras("lambda of another module", lambda: with_layer(layer("Lambda", "x", function=[CODE])), 3, "Python code"),
    _old("old lambda", "Python code", function=[CODE, None, None], function_type="lambda"),
    _old("keras 1 lambda", "Python code", function=CODE, function_type="lambda"),
    _old("old lambda of a shape", "Python code", function="f", output_shape=[CODE], output_shape_type="lambda"),
    _old("old lambda of a mask", "Python code", function="f", mask=[CODE, None, None], mask_type="lambda"),
]
REFERENCES = [
    _keras("os.system", lambda: dense(activation=OS_SYSTEM), 3, "os is no part of Keras"),
    _keras("eval", lambda: dense(activation=_function("builtins", "eval")), 3, "builtin of Python"),
    _keras("exec", lambda: dense(kernel_regularizer=_function("builtins", "exec")), 3, "builtin of Python"),
    _keras("a class", lambda: with_layer(layer("Popen", "subprocess", args="id")), 3, "subprocess is no part"),
    _keras("numpy", lambda: dense(bias_constraint=_function("numpy", "fromfile")), 3, "numpy is no part"),
    _keras("tensorflow", lambda: dense(activation=_function("tensorflow.io", "read_file")), 3, "tensorflow is no part"),
    _keras("a dtype", lambda: dense(dtype=layer("run", "runpy", path_name="x")), 3, "runpy is no part"),
    _keras("a dotted class", lambda: with_layer(layer("os.system", None)), 3, "os is no part"),
    _keras("a registered name", lambda: with_layer(layer("A", "b", "posix.system")), 3, "posix is no part"),
    _keras(
        "a dotted function", lambda: dense(activation=_function("keras", "utils.get_file")), 3, "a utility of Keras"
    ),
    _keras("a dotted builtin", lambda: dense(activation=_function("builtins", "os.system")), 3, "os is no part"),
    _keras("keras around os", lambda: dense(activation=_function("keras.layers", "os.system")), 3, "os is no part"),
    _keras("an old module", lambda: with_layer(layer("A", "telnetlib")), 3, "telnetlib is no part"),
    _keras("a dotted activation", lambda: dense(activation="os.system"), 3, "os is no part"),
    _keras("a dotted loss", lambda: compiled(loss={"d": "os.system"}), 3, "os is no part"),
    _keras("a dotted metric", lambda: compiled(metrics=[["mae", "keras.utils.get_file"]]), 3, "a utility of Keras"),
    _keras("a path", lambda: with_layer(layer("A", "../evil")), 3, "its module is a path"),
    _keras("a loss", lambda: compiled(loss=OS_SYSTEM), 3, "os is no part"),
    _keras("a metric", lambda: compiled(metrics=[OS_SYSTEM]), 3, "os is no part"),
    _keras("an optimizer", lambda: compiled(optimizer=layer("system", "os")), 3, "os is no part"),
    _keras(
        "a wrapped function",
        lambda: compiled(loss=layer("LossFunctionWrapper", "keras.losses", fn="shutil.rmtree")),
        3,
        "shutil is no part",
    ),
    _keras("build_config", lambda: changed(lambda c: c.update(build_config={"f": OS_SYSTEM})), 3, "os is no part"),
    _keras(
        "get_file",
        lambda: with_layer(layer("Lambda", function=_function("keras.utils", "get_file"), arguments={"fname": "x"})),
        3,
        "a utility of Keras",
    ),
    _keras(
        "the switch",
        lambda: with_layer(layer("Lambda", function=_function("keras.config", "enable_unsafe_deserialization"))),
        3,
        "a utility of Keras",
    ),
    _keras("a loader", lambda: dense(activation=_function("keras.models", "load_model")), 3, "a utility of Keras"),
    _keras("a type", lambda: dense(units={"class_name": "__typespec__", "module": "os", "spec_name": "x"}), 3, "os is"),
    _old("a function of os", "os is no part", function="system", function_type="function", module="os"),
    _old(
        "a shape of os",
        "os is no",
        function="f",
        output_shape="x",
        output_shape_type="function",
        output_shape_module="os",
    ),
    _keras("a torch module", lambda: with_layer(layer("TorchModuleWrapper", module=CODE)), 3, "unpickles a torch"),
    _keras("a saved model", lambda: with_layer(layer("TFSMLayer", filepath="/tmp/x")), 3, "SavedModel from a path"),
    _keras("jax", lambda: with_layer(layer("JaxLayer", call_fn="x")), 3, "the code of a function"),
    _keras(
        "a function of TensorFlow", lambda: with_layer(layer("TFOpLambda", function="io.write_file")), 3, "reads, w"
    ),
    _keras("an operation", lambda: with_layer(layer("TensorFlowOpLayer", node_def=_PY_FUNC)), 3, "runs Python"),
]
PATHS = [
    _keras("words", lambda: with_layer(layer("StringLookup", vocabulary="/etc/passwd")), 3, "vocabulary is a path"),
    _keras("whole words", lambda: with_layer(layer("IntegerLookup", vocabulary="../x")), 3, "vocabulary is a path"),
    _keras("text", lambda: with_layer(layer("TextVectorization", idf_weights="/etc/x")), 3, "idf_weights is a path"),
    _keras("a name", lambda: dense(name="../../x"), 3, "a name that is a path"),
    _keras("an absolute name", lambda: with_layer(layer("Dense", name="/tmp/x", units=1)), 3, "a name that is a path"),
    _keras("a URL", lambda: with_layer(layer("StringLookup", vocabulary="http://a.b/c")), 3, "a URL"),
    _keras("a bucket", lambda: dense(units="gs://a/b"), 3, "a URL"),
    _keras("a URL of one's own", lambda: with_layer(layer("KerasLayer", "hub", handle="https://a.b/c")), 3, "a URL"),
]
FILES = [
    _keras("no weights", lambda: packed({"config.json": with_layer_text()}), 3, "Python code"),
    _keras(
        "bad weights",
        lambda: packed({**members(), "model.weights.h5": b"x", "config.json": with_layer_text()}),
        3,
        "Python code",
    ),
    Case("bad weights.h5", bad_legacy, 3, "Python code"),
    Case("link.keras", lambda path: zipped_link(), 3, "is a link or a device"),
    Case("up.keras", lambda path: packed({**members(), "../x": b"x"}), 3, "a member is called '../x'"),
    Case("absolute.keras", lambda path: packed({**members(), "/x": b"x"}), 3, "a member is called '/x'"),
    Case("asset.keras", lambda path: packed({**members(), "assets/d/x.bin": pickled(4)}), 3, "a pickle"),
    Case("named.keras", lambda path: packed({**members(), "assets/words.pkl": b"x"}), 3, "a pickle"),
    Case(
        "npz.keras", lambda path: packed({"config.json": b"{}", "model.weights.npz": b"PK"}), 3, "weights are pickled"
    ),
    *(
        Case(f"{kind}.weights.h5", lambda path, kind=kind: linked(kind, path), 3, says)
        for kind, says in (
            ("external link", "is a link to another file"),
            ("soft link", "is a soft link"),
            ("external storage", "in another file"),
            ("virtual", "virtual"),
            ("far link", "is a link to another file"),
        )
    ),
    *(Case(f"{protocol}.pkl", lambda path, n=protocol: pickled(n), 3, "a pickle") for protocol in range(6)),
    *(Case(f"{protocol}.bin", lambda path, n=protocol: pickled(n), 3, "a pickle") for protocol in (0, 2, 4)),
    Case("packed.joblib", lambda path: b"x\x9c" + bytes(20), 3, "by its name"),
    Case("packed.pkl.gz", lambda path: b"\x1f\x8b\x08" + bytes(20), 3, "packed with gzip"),
    Case("objects.npy", lambda path: array(np.array([{}], dtype=object)), 3, "are pickled"),
    Case("objects.npz", lambda path: arrays(a=np.zeros(3), b=np.array([{}], dtype=object)), 3, "'b.npy' holds Python"),
    Case("state.pt", lambda path: packed({"state/data.pkl": pickled(2)}), 3, "PyTorch file"),
    Case("renamed.zip", lambda path: packed({"weights": pickled(2), "a/": b""}), 3, "a pickle in it ('weights')"),
    Case("bundle.zip", lambda path: packed({"model.pickle": pickled(2)}), 3, "a pickle in it"),
    Case(
        "index.weights.json",
        lambda path: json.dumps(
            {"metadata": {"total_size": 8.0}, "weight_map": {"/d/vars": "../x.weights.h5"}}
        ).encode(),
        3,
        "no names of shards",
    ),
    Case("python.yaml", lambda path: b"class_name: !!python/object/apply:os.system ['id']\n", 3, "runs code"),
    Case("lambda.yaml", lambda path: b"class_name: Sequential\nconfig:\n- class_name: Lambda\n", 3, "Python code"),
    Case(
        "model.json",
        lambda path: json.dumps({"modelTopology": {"model_config": old_lambda(function=[CODE])}}).encode(),
        3,
        "Python code",
    ),
    Case("arch.json", lambda path: json.dumps(old_lambda(function=[CODE], function_type="lambda")).encode(), 3, "code"),
]
OWN = [
    _keras("own layer", lambda: with_layer(layer("Capsule", "lab.layers", "Capsule")), 1, "a class of one's own"),
    _keras("registered", lambda: with_layer(layer("Capsule", None, "lab>Capsule")), 1, "a class of one's own"),
    _keras("own activation", lambda: dense(activation=_function("builtins", "my_act")), 1, "my_act"),
    _keras("own initializer", lambda: dense(kernel_initializer=layer("Mine", "lab", "lab>Mine")), 1, "not Keras's own"),
    _keras("own model", lambda: changed(lambda c: c.update(class_name="Tagger", module="lab")), 1, "of class 'Tagger'"),
    _keras("not here", lambda: with_layer(layer("RandomFlip")), 1, "does not have"),
    _old("own function", "function of one's own", 1, function="norm", function_type="function", module="__main__"),
    Case(
        "own.h5",
        lambda path: legacy({"class_name": "Sequential", "config": [{"class_name": "Mine", "config": {}}]}, path),
        1,
        "does not have",
    ),
    Case("own.json", lambda path: json.dumps(old_lambda(function="f", function_type="function")).encode(), 1, "own"),
]
REFUSED = [
    _keras("cut", lambda: dense()[:-40], 4, "directory is missing"),
    _keras("empty", lambda: b"", 4, "the file is empty"),
    _keras("no json", lambda: packed({**members(), "config.json": b"{"}), 4, "not JSON"),
    _keras("other shape", lambda: dense(units=5), 4, "(3, 5)"),
    _keras("a name that is none", lambda: dense(name={"a": 1}), 4, "expected a name"),
    _keras("own input", lambda: changed(_own_input), 1, "a class of one's own"),
    _keras("own and damaged", lambda: changed(_own_and_damaged), 1, "a class of one's own"),
    _keras("unknown argument", lambda: dense(sparkle=1), 4, "sparkle"),
    _keras("a number", lambda: dense(units="two"), 4, "whole number"),
    _keras("quantized", lambda: dense(dtype=layer("QuantizedDTypePolicy", "keras", mode="int8")), 4, "quantized"),
    Case("data.h5", lambda path: b"\x89HDF\r\n\x1a\n" + bytes(90), 4, ""),
    Case("m.tflite", lambda path: b"\x1c\x00\x00\x00TFL3", 4, "TensorFlow Lite"),
    Case("m.yaml", lambda path: b"backend: tensorflow\nclass_name: Sequential\n", 4, "expected a list"),
    Case("v.index", lambda path: bytes(90), 4, "checkpoint"),
    Case("tfjs.json", lambda path: b'{"format": "layers-model", "modelTopology": {}}', 4, "TensorFlow.js"),
    Case("words.txt", lambda path: b"cat\ndog\npig\n", 4, "not a Keras file"),
    Case("plain.npy", lambda path: array(np.zeros(3)), 4, "numpy array"),
]
LOADING = [
    _keras("plain", dense, 0, ""),
    _keras("own loss", lambda: compiled(loss=_function("lab", "my_loss"), optimizer="adam"), 0, "loads without it"),
    _keras("asset", lambda: packed({**members(), "assets/words.txt": b"cat\ndog\npig\n"}), 0, ""),
]
CASES = [*CODE_IN_CONFIGS, *REFERENCES, *PATHS, *FILES, *OWN, *REFUSED, *LOADING]
