"""Loading a Keras file: here, and in Keras on each backend that is installed; writes JSON and a Markdown table.

    python benchmarks/bench_loading.py --rounds 7 --out benchmarks/results/loading
    python benchmarks/bench_loading.py --python jax=/path/to/an/environment/with/keras/and/jax/bin/python

Every number comes from processes of its own. The contestants take turns, so that a busy machine slows down all of them;
each number is a median over the rounds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from _workers import ROOT, Contestant

SMALL = ROOT / "demo" / "tagger.keras"
BACKENDS = ("tensorflow", "torch", "jax")
MIB = 1 << 20
# 500 MB: an embedding, which is copied as it is, and LSTMs, whose kernels torch keeps transposed.
WORDS, EMBEDDED, UNITS, DEPTH = 480_000, 128, 1_100, 7
PARTS = ("import", "start", "warm", "long", "large")
LAYERS = (250, 500, 1000, 2000)

# ---------------------------------------------------------------------------- what the processes run

IMPORT = {"kerastorch": "from kerastorch import load_model", "keras": "from keras.models import load_model"}
PREDICT = """
import sys
{imports}
model = load_model(sys.argv[1])
import numpy
model.predict(numpy.ones((2, 9), "int32"), verbose=0)
"""
IMPORTED = """
{imports}
"""
WARM = """
import json, statistics, sys, time
{imports}
times = []
for _ in range(25):
    start = time.perf_counter()
    load_model(sys.argv[1])
    times.append(time.perf_counter() - start)
print(json.dumps({{"seconds": statistics.median(times[5:])}}))
"""
MEMORY = """
import json, re, sys, time
def memory(what):
    return 1024 * int(re.search(what + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""
LARGE = (
    MEMORY
    + """
{framework}
before = memory("VmRSS")
{imports}
load_model(sys.argv[1])  # what is imported at the first load is not measured here
start = time.perf_counter()
model = load_model(sys.argv[2])
print(json.dumps({{"seconds": time.perf_counter() - start, "bytes": memory("VmHWM") - before}}))
"""
)
READ = (
    MEMORY
    + """
before = memory("VmRSS")
start = time.perf_counter()
with open(sys.argv[2], "rb") as file:
    content = file.read()
print(json.dumps({"seconds": time.perf_counter() - start, "bytes": memory("VmHWM") - before}))
"""
)
LONG = """
import json, sys, time
from kerastorch import load_model
load_model(sys.argv[1])
times = []
for path in sys.argv[2:]:
    start = time.perf_counter()
    load_model(path)
    times.append(time.perf_counter() - start)
print(json.dumps({"seconds": times}))
"""


def run_code(contestant: Contestant, code: str, *arguments: str) -> tuple[float, dict[str, Any]]:
    """Seconds from the start of a process of the contestant's to its end, and what it printed."""
    backend = contestant.backend
    framework = "import torch" if backend in ("", "torch") else f"import {backend}"
    text = code.replace("{imports}", IMPORT["keras" if backend else "kerastorch"]).replace("{framework}", framework)
    text = text.replace("{{", "{").replace("}}", "}")
    start = time.perf_counter()
    done = subprocess.run(
        [contestant.python, "-c", text, *arguments],
        env=contestant.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{contestant.name}: {done.stderr[-2000:]}")
    last = done.stdout.strip().rpartition("\n")[2]
    return seconds, json.loads(last) if last.startswith("{") else {}


# ---------------------------------------------------------------------------- files


def layer(class_name: str, **config: Any) -> dict[str, Any]:
    return {"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None}


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "model", "trainable": True, "layers": list(layers)},
        "registered_name": None,
    }


def write_keras(path: Path, config: dict[str, Any], weights: dict[str, tuple[str, Sequence[np.ndarray]]]) -> Path:
    """A `.keras`: place of an object -> its name, its arrays."""
    tree = path.with_suffix(".weights.h5")
    with h5py.File(tree, "w") as file:
        for place, (name, arrays) in weights.items():
            group = file.create_group(f"{place}/vars")
            group.attrs["name"] = name
            for index, array in enumerate(arrays):
                group[str(index)] = array
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1", "date_saved": "2025-01-01@00:00:00"}))
        archive.writestr("config.json", json.dumps(config))
        archive.write(tree, "model.weights.h5")
    tree.unlink()
    return path


def write_h5(path: Path, config: dict[str, Any], weights: dict[str, tuple[str, Sequence[np.ndarray]]]) -> Path:
    """The same model as an `.h5`."""
    names = ("kernel", "recurrent_kernel", "bias")
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "3.15.1", "tensorflow"
        file.attrs["model_config"] = json.dumps(config)
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [name.encode() for name, _ in weights.values()]
        for name, arrays in weights.values():
            group = root.create_group(name)
            lasts = ("embeddings",) if len(arrays) == 1 else names if len(arrays) == 3 else ("kernel", "bias")
            group.attrs["weight_names"] = [f"{name}/{last}".encode() for last in lasts]
            for last, array in zip(lasts, arrays, strict=True):
                group[f"{name}/{last}"] = array
    return path


def large_model() -> tuple[dict[str, Any], dict[str, tuple[str, Sequence[np.ndarray]]]]:
    rng = np.random.default_rng(0)

    def values(*shape: int) -> np.ndarray:
        return rng.random(shape, dtype="f4") - 0.5

    layers = [
        layer("InputLayer", batch_shape=[None, 20], dtype="int32", name="words"),
        layer("Embedding", name="embedding", input_dim=WORDS, output_dim=EMBEDDED),
    ]
    weights: dict[str, tuple[str, Sequence[np.ndarray]]] = {
        "layers/embedding": ("embedding", [values(WORDS, EMBEDDED)])
    }
    for number in range(DEPTH):
        features = UNITS if number else EMBEDDED
        name = f"lstm_{number}" if number else "lstm"
        layers.append(layer("LSTM", name=name, units=UNITS, return_sequences=number < DEPTH - 1))
        weights[f"layers/{name}/cell"] = (
            name,
            [values(features, 4 * UNITS), values(UNITS, 4 * UNITS), values(4 * UNITS)],
        )
    return sequential(*layers), weights


def long_file(path: Path, count: int) -> Path:
    layers = [layer("Dense", name=f"d{number}", units=4, activation="tanh") for number in range(count)]
    config = sequential(layer("InputLayer", batch_shape=[None, 4], dtype="float32", name="x"), *layers)
    arrays = [np.ones((4, 4), "f4"), np.zeros(4, "f4")]
    return write_keras(
        path,
        config,
        {f"layers/dense{f'_{number}' if number else ''}": (f"d{number}", arrays) for number in range(count)},
    )


# ---------------------------------------------------------------------------- the measurements


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def starts(contestants: list[Contestant], rounds: int, code: str) -> dict[str, float]:
    """Seconds of a process from its start to its end, and of one that only imports torch."""
    bare = Contestant("import torch")
    times: dict[str, list[float]] = {}
    for _ in range(rounds + 1):
        times.setdefault(bare.name, []).append(run_code(bare, "import torch")[0])
        for contestant in contestants:
            times.setdefault(contestant.name, []).append(run_code(contestant, code, str(SMALL))[0])
    return {name: median(seconds[1:]) for name, seconds in times.items()}  # the first round fills the page cache


def warm_load(contestants: list[Contestant], rounds: int) -> dict[str, float]:
    """Seconds of one `load_model` in a process that has loaded the file before."""
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for contestant in contestants:
            times.setdefault(contestant.name, []).append(run_code(contestant, WARM, str(SMALL))[1]["seconds"])
    return {name: median(seconds) for name, seconds in times.items()}


def large_load(contestants: list[Contestant], rounds: int, folder: Path) -> dict[str, dict[str, float]]:
    """Seconds and peak memory of one load of 500 MB, and of reading its bytes. Keras, which takes long, runs once."""
    config, weights = large_model()
    size = sum(array.nbytes for _, arrays in weights.values() for array in arrays)
    files = {
        ".keras": write_keras(folder / "m.keras", config, weights),
        ".h5": write_h5(folder / "m.h5", config, weights),
    }
    del weights
    found: dict[str, list[dict[str, float]]] = {}
    for round_ in range(rounds):
        for ending, path in files.items():
            reader = run_code(contestants[0], READ, str(SMALL), str(path))[1]
            found.setdefault(f"read {ending}", []).append(reader)
            for contestant in contestants if round_ == 0 else contestants[:1]:
                answer = run_code(contestant, LARGE, str(SMALL), str(path))[1]
                found.setdefault(f"{contestant.name} {ending}", []).append(answer)
    return {
        name: {
            "seconds": median([item["seconds"] for item in items]),
            "memory": median([item["bytes"] for item in items]) / size,
            "size": size,
        }
        for name, items in found.items()
    }


def long_load(rounds: int, folder: Path) -> dict[str, Any]:
    """Seconds of models of many layers, and the exponent of the growth (1 is linear)."""
    ours = Contestant("kerastorch")
    paths = [str(long_file(folder / f"long{count}.keras", count)) for count in LAYERS]
    runs = [run_code(ours, LONG, str(SMALL), *paths)[1]["seconds"] for _ in range(rounds)]
    seconds = [min(run[index] for run in runs) for index in range(len(LAYERS))]
    slope = np.polyfit([math.log(count) for count in LAYERS], [math.log(value) for value in seconds], 1)[0]
    return {"seconds": dict(zip(map(str, LAYERS), seconds, strict=True)), "exponent": float(slope)}


# ---------------------------------------------------------------------------- the report


def table(results: dict[str, Any]) -> str:
    start, warm, large, long = (results[key] for key in ("start", "warm", "large", "long"))
    bare = start["import torch"]
    fastest = min((value, name) for name, value in warm.items() if name != "kerastorch") if len(warm) > 1 else None
    imported = results["import"]
    lines = [
        f"# Loading\n\n{results['machine']}; {results['versions']}; medians of {results['rounds']} rounds, every "
        f"number from processes of its own, the contestants in turns. {results['note']}\n",
        "| the start of a process, an import, its end | s | over `import torch` |\n|---|---|---|",
        *(f"| {name} | {value:.2f} | {value - imported['import torch']:+.2f} |" for name, value in imported.items()),
        "\n| from the start of the process to the first prediction | s | over `import torch` |\n|---|---|---|",
        *(f"| {name} | {value:.2f} | {value - bare:+.2f} |" for name, value in start.items()),
        "\n| one more load of the same small file | ms | kerastorch is faster by |\n|---|---|---|",
        *(f"| {name} | {value * 1e3:.1f} | {value / warm['kerastorch']:.1f} x |" for name, value in warm.items()),
        f"\n| a file of {large['read .h5']['size'] / 1e6:.0f} MB | s | of reading its bytes "
        "| peak memory, of its weights |\n|---|---|---|---|",
    ]
    for name, item in large.items():
        ratio = item["seconds"] / large[f"read {name.rpartition(' ')[2]}"]["seconds"]
        lines.append(f"| {name} | {item['seconds']:.2f} | {ratio:.2f} x | {item['memory']:.2f} x |")
    lines += [
        "\n| layers | s |\n|---|---|",
        *(f"| {count} | {value:.3f} |" for count, value in long["seconds"].items()),
    ]
    lines.append(f"\nThe time grows with the number of layers to the power of {long['exponent']:.2f}.\n")
    ours = {ending: large[f"kerastorch {ending}"] for ending in (".keras", ".h5")}
    slowest = max(item["seconds"] / large[f"read {ending}"]["seconds"] for ending, item in ours.items())
    targets = [
        ("first prediction over `import torch`", f"{start['kerastorch'] - bare:.2f} s", "0.5 s"),
        ("warm load, against the fastest Keras", f"{fastest[0] / warm['kerastorch']:.1f} x ({fastest[1]})", "5 x")
        if fastest
        else ("warm load, against the fastest Keras", "no Keras here", "5 x"),
        ("large file, against reading its bytes", f"{slowest:.2f} x", "2 x at most"),
        ("peak memory, of the weights", f"{max(item['memory'] for item in ours.values()):.2f} x", "1.3 x at most"),
        ("growth with layers", f"n^{long['exponent']:.2f}", "n"),
    ]
    lines += ["| aim | measured | wanted |\n|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in targets)]
    return "\n".join(lines) + "\n"


def run(rounds: int, pythons: Mapping[str, str], out: Path | None, note: str, parts: Sequence[str] = PARTS) -> None:
    """Measure, print, and write OUT.json and OUT.md.

    Args:
        pythons: Backend of Keras -> the Python that has it, where that is not this one.
        parts: What is measured; the other parts stay as OUT.json has them.
    """
    contestants = [Contestant("kerastorch")]
    for backend in BACKENDS:
        contestant = Contestant(f"Keras, {backend}", pythons.get(backend, sys.executable), backend=backend)
        if contestant.has("keras", backend):
            contestants.append(contestant)
    results: dict[str, Any] = {}
    if out and set(parts) != set(PARTS):
        results = json.loads(out.with_suffix(".json").read_text())
    results |= {
        "machine": f"{os.cpu_count()}-core {platform.machine().replace('_', '-')} CPU",
        "versions": f"torch {version('torch')}, Keras {version('keras')}, Python {platform.python_version()}",
        "rounds": min(rounds, results.get("rounds", rounds)),
        "note": note,
    }
    few = max(3, rounds // 2)
    with tempfile.TemporaryDirectory() as made:
        measures: dict[str, Callable[[], Any]] = {
            "import": lambda: starts(contestants, rounds, IMPORTED),
            "start": lambda: starts(contestants, rounds, PREDICT),
            "warm": lambda: warm_load(contestants, few),
            "long": lambda: long_load(few, Path(made)),
            "large": lambda: large_load(contestants, few, Path(made)),
        }
        for part in parts:
            results[part] = measures[part]()
    print(table(results))
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
        out.with_suffix(".md").write_text(table(results))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--python", action="append", default=[], metavar="BACKEND=PATH", help="for one backend of Keras"
    )
    parser.add_argument("--out", type=Path, help="writes OUT.json and OUT.md")
    parser.add_argument("--note", default="", help="a sentence about the machine")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what is measured anew")
    options = parser.parse_args()
    run(options.rounds, dict(item.split("=", 1) for item in options.python), options.out, options.note, options.parts)


if __name__ == "__main__":
    main()
