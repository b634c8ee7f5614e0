"""The command line: what it prints, its exit status, and that errors are sentences."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from _goldens import read_npz, unpack
from _terminal import Terminal
from make_goldens import ROOT

from kerastorch import Input, Model, layers, native
from kerastorch.cli import main

DEMO = ROOT / "demo" / "tagger.keras"
GOLDEN = ROOT / "demo" / "tagger.npz"
# Where the sizes of a call decide; without compiled code an LSTM is torch's at any size.
BY_SIZE = "fused or step loop"
FUSED_LSTM = BY_SIZE if native.available else "fused"


@pytest.fixture(scope="session")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("goldens"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)


def row(text: str, *starts: str) -> list[str]:
    """The cells of the one table row whose first cells are these."""
    rows = [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in text.splitlines() if "│" in line]
    (found,) = [cells for cells in rows if tuple(cells[: len(starts)]) == starts]
    return found


# ---------------------------------------------------------------------------- info


def test_info_of_a_model(run: Terminal) -> None:
    text = run("info", DEMO)
    assert "Keras v3 .keras zip" in text
    assert "Keras 3.15.1" in text
    assert row(text, "embedding")[1:4] == ["Embedding", "(None, None, 12)", "600"]
    assert row(text, "context")[1:5] == ["Bidirectional", "(None, None, 24)", "2,400", FUSED_LSTM]
    assert row(text, "sentence")[1:5] == ["GRU", "(None, 8)", "816", BY_SIZE]
    assert row(text, "tags")[1:5] == ["TimeDistributed", "(None, None, 6)", "150", ""]
    assert "parameters: 3,975 (3,975 trainable, 0 not)" in text


def test_info_says_why_there_is_no_fused_kernel(run: Terminal, goldens: Path) -> None:
    text = run("info", goldens / "keras3" / "recurrent.keras")
    path, why = row(text, "lstm_relu")[4:]
    assert path == "step loop"
    assert "activation tanh" in why
    assert row(text, "gru_before")[4] == "step loop"
    assert "reset_after" in row(text, "gru_before")[5]
    assert row(text, "gru")[4] == BY_SIZE
    assert row(text, "lstm_backwards")[4] == FUSED_LSTM


def test_info_says_what_runs_for_cells_and_convolutions(run: Terminal, tmp_path: Path) -> None:
    images = Input((None, 4, 4, 1))
    steps = layers.Reshape((-1, 18), name="steps")(layers.ConvLSTM2D(2, 2, return_sequences=True, name="conv")(images))
    stack = [layers.GRUCell(3), layers.GRUCell(3, reset_after=False, name="slow")]
    both = layers.Bidirectional(layers.RNN(layers.SimpleRNNCell(3)), name="both")(steps)
    Model(images, [layers.RNN(stack, name="stack")(steps), both]).save(tmp_path / "m.keras")
    text = run("info", tmp_path / "m.keras")
    assert row(text, "conv")[4:] == ["step loop", layers.ConvLSTM2D(2, 2).kernel_choice().reason]
    assert row(text, "stack")[4] == "step loop"
    assert "GRUCell 'slow': torch's GRU kernel has reset_after=True only" in row(text, "stack")[5]
    path, why = row(text, "both")[4:]
    assert path == BY_SIZE
    assert "step loop runs instead where it is faster: on the CPU, in float32 and from" in why


def test_info_reports_the_rules_of_the_version(run: Terminal, goldens: Path) -> None:
    rules = [line for line in run("info", goldens / "tf_keras" / "recurrent.h5").splitlines() if "rule" in line]
    assert any("lstm_relu" in line and "hard_sigmoid" in line for line in rules)
    assert "rule" not in run("info", goldens / "keras3" / "recurrent.keras")


def test_info_shows_nested_models_and_what_does_not_train(run: Terminal, goldens: Path) -> None:
    text = run("info", goldens / "keras3" / "nested.keras")
    inner = next(line for line in text.splitlines() if " gru " in line)
    assert "│   gru " in inner
    # LSTM(4) on 4 features is frozen: 144; BatchNormalization's two moving statistics of 4 values: 8.
    assert re.search(r"parameters: \S+ \(\S+ trainable, 152 not\)", text)


@pytest.mark.parametrize(
    ("packed", "of", "array"),
    [("keras3", "layers/gru/cell", "0"), ("tf_keras", "layers/gru/cell", "0")],
)
def test_info_of_a_file_of_weights(run: Terminal, goldens: Path, packed: str, of: str, array: str) -> None:
    text = run("info", goldens / packed / "recurrent.weights.h5")
    assert "  written by  not stated\n" in text  # such a file names no Keras
    assert row(text, of, array)[2:] == ["(3, 12)", "float32", "36"]
    # 7 layers with 2 kernels and a bias, one of them without a bias.
    assert "arrays: 20," in text
    assert "no architecture" in text


def test_info_of_weights_that_name_their_writer(run: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "w.h5"
    Model(x := Input((3,)), layers.Dense(2)(x)).save_weights(file)
    assert "  written by  Keras 3.15.1 (tensorflow)\n" in run("info", file)


def test_a_pipe_cuts_nothing(goldens: Path) -> None:
    file = goldens / "keras3" / "recurrent.keras"
    command = [sys.executable, "-m", "kerastorch", "info", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "…" not in done.stdout
    assert "\x1b" not in done.stdout
    assert "reset_after" in row(done.stdout, "gru_before")[5]


# ---------------------------------------------------------------------------- summary


def test_summary(run: Terminal) -> None:
    text = run("summary", DEMO)
    for line in ("context (Bidirectional)", "(None, None, 24)", "2,400", "Total params: 3,975"):
        assert line in text


def test_summary_of_weights_with_their_architecture(run: Terminal, goldens: Path, tmp_path: Path) -> None:
    folder = goldens / "keras3"
    text = run(
        "summary", folder / "bidirectional.weights.h5", "--arch", architecture(folder, "bidirectional", tmp_path)
    )
    assert text == run("summary", folder / "bidirectional.keras")


def architecture(folder: Path, name: str, to: Path) -> Path:
    """The config of a .keras file as text, as model.to_json() gives it."""
    with zipfile.ZipFile(folder / f"{name}.keras") as archive:
        path = to / f"{name}.json"
        path.write_bytes(archive.read("config.json"))
    return path


# ---------------------------------------------------------------------------- verify


def save(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def test_verify(run: Terminal) -> None:
    text = run("verify", DEMO, "--golden", GOLDEN)
    for name, shape in (("y0", "(4, 9, 6)"), ("y1", "(4, 1)"), ("my0", "(5, 9, 6)"), ("my1", "(5, 1)")):
        cells = row(text, name)
        assert cells[1] == shape
        largest = float(np.abs(read_npz(GOLDEN)[name]).max())
        assert float(cells[2]) <= float(cells[3]) < largest / 100_000
        assert float(cells[4]) < 32
        assert cells[5] == "same"
    assert "All 4 outputs are" in text


def test_verify_predicts_twice_for_a_stateful_model(run: Terminal, goldens: Path) -> None:
    folder = goldens / "keras3"
    text = run("verify", folder / "stateful.keras", "--golden", folder / "stateful.npz")
    assert row(text, "second_y0")[5] == "same"


def test_verify_of_weights(run: Terminal, goldens: Path, tmp_path: Path) -> None:
    folder = goldens / "keras3"
    arguments = ("verify", folder / "nested.weights.h5", "--golden", folder / "nested.npz")
    run(*arguments, "--arch", architecture(folder, "nested", tmp_path))


@pytest.mark.parametrize("key", ["y0", "y1", "my0", "my1"])
def test_verify_sees_one_wrong_number(run: Terminal, tmp_path: Path, key: str) -> None:
    golden = read_npz(GOLDEN)
    golden[key].flat[-1] += 3e-5
    text = run("verify", DEMO, "--golden", save(tmp_path / "g.npz", golden), status=1)
    assert row(text, key)[5] == "DIFFERS"
    assert "1 of 4 outputs differs" in text


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_verify_is_not_confirmed_by_what_is_not_a_number(run: Terminal, tmp_path: Path, value: float) -> None:
    golden = read_npz(GOLDEN)
    golden["y1"].flat[0] = value
    text = run("verify", DEMO, "--golden", save(tmp_path / "g.npz", golden), status=1)
    assert row(text, "y1")[5] == "DIFFERS: the recorded values are not all finite: they can confirm nothing"


def test_verify_sees_another_shape(run: Terminal, tmp_path: Path) -> None:
    golden = read_npz(GOLDEN)
    golden["y1"] = golden["y1"][:, 0]
    text = run("verify", DEMO, "--golden", save(tmp_path / "g.npz", golden), status=1)
    assert row(text, "y1")[5] == "DIFFERS: expected shape (4,), got (4, 1)"


@pytest.mark.parametrize(
    ("packed", "right", "wrong"), [("keras3", "keras3", "tf_keras"), ("tf_keras", "tf_keras", "keras3")]
)
def test_verify_takes_the_outputs_of_the_writer(
    run: Terminal, goldens: Path, tmp_path: Path, packed: str, right: str, wrong: str
) -> None:
    folder = goldens / packed
    for ending in (".keras", ".h5"):
        golden = read_npz(folder / "encoder_decoder.npz")
        both = {"x0": golden["x0"], f"{right}_y0": golden["y0"], f"{wrong}_y0": golden["y0"] + 1}
        path = save(tmp_path / "both.npz", both)
        file = folder / f"encoder_decoder{ending}"
        assert row(run("verify", file, "--golden", path), f"{right}_y0")
        assert row(run("verify", file, "--golden", path, "--prefix", f"{wrong}_", status=1), f"{wrong}_y0")


# ---------------------------------------------------------------------------- errors


def golden_without(path: Path, *keys: str) -> Path:
    return save(path, {key: array for key, array in read_npz(GOLDEN).items() if key not in keys})


def test_wrong_goldens_are_refused(run: Terminal, tmp_path: Path) -> None:
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, x0=np.array([{}], dtype=object), allow_pickle=True)
    single = tmp_path / "single.npy"
    np.save(single, np.zeros(3))
    text = tmp_path / "text.npz"
    text.write_text("no zip at all")
    cases = {
        tmp_path / "missing.npz": "No such file",
        pickled: "plain arrays",
        single: "expected an .npz file",
        text: "plain arrays",
        golden_without(tmp_path / "1.npz", "y0", "y1", "my0", "my1"): "has no output y0. It holds: 'mx0', 'x0'",
        golden_without(tmp_path / "2.npz", "x0"): "no inputs x0",
        golden_without(tmp_path / "3.npz", "y1"): "The model has 2 outputs, the golden file 1",
    }
    for path, message in cases.items():
        assert message in run("verify", DEMO, "--golden", path, status=2), path.name


def test_a_prefix_that_is_not_there_is_refused(run: Terminal) -> None:
    error = run("verify", DEMO, "--golden", GOLDEN, "--prefix", "keras9_", status=2)
    assert "no output keras9_y0" in error
    assert "'y0'" in error


@pytest.mark.parametrize("command", ["info", "summary"])
def test_files_that_are_no_keras_files(run: Terminal, tmp_path: Path, command: str) -> None:
    text = tmp_path / "model.keras"
    text.write_text("hello")
    assert "model.keras" in run(command, text, status=2)
    assert "missing.h5" in run(command, tmp_path / "missing.h5", status=2)
    cut = tmp_path / "cut.keras"
    cut.write_bytes(DEMO.read_bytes()[:20_000])
    assert "cut.keras" in run(command, cut, status=2)


def test_info_of_a_model_that_needs_code(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    unknown = tmp_path / "unknown.keras"
    with zipfile.ZipFile(DEMO) as source, zipfile.ZipFile(unknown, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(b'"class_name": "GRU"', b'"class_name": "Lambda"'))
    assert main(["info", str(unknown)]) == 1
    out, err = capsys.readouterr()
    assert "Keras v3 .keras zip" in out
    assert row(out, "sentence") == ["sentence", "Lambda", "?", "missing"]
    assert "unknown.keras', replace={'sentence': ...})" in out
    assert err == ""
    assert main(["summary", str(unknown)]) == 2
    err = capsys.readouterr().err
    assert "unknown.keras" in err
    assert "Traceback" not in err


def test_weights_without_an_architecture(run: Terminal, goldens: Path) -> None:
    run("summary", goldens / "keras3" / "nested.weights.h5", status=2)


def test_an_architecture_that_cannot_be_read(run: Terminal, goldens: Path, tmp_path: Path) -> None:
    weights = goldens / "keras3" / "nested.weights.h5"
    assert "--arch" in run("summary", weights, "--arch", tmp_path / "missing.json", status=2)
    no_json = tmp_path / "no.json"
    no_json.write_text("{")
    run("summary", weights, "--arch", no_json, status=2)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code in (0, None)
    assert re.fullmatch(r"kerastorch (\d+\.\d+\.\d+|\(not installed.*\))\n", capsys.readouterr().out)


def test_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["verify"], ["convert", str(DEMO)]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
    capsys.readouterr()


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = [sys.executable, "-m", "kerastorch", "summary", str(DEMO)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        process.wait(timeout=120)


# ---------------------------------------------------------------------------- what next


def test_info_ends_with_what_can_be_done_next(run: Terminal) -> None:
    *_, first, source, onnx, train, save = run("info", DEMO).splitlines()
    assert first.split() == ["kerastorch", "verify", "FILE", "compare", "every", "layer", "with", "real", "Keras"]
    assert "export FILE FOLDER --to source" in source
    assert "export FILE OUT.onnx --to onnx" in onnx
    assert "kt.load_model(FILE), compile, fit" in train
    assert "convert FILE OUT.keras" in save


def test_a_file_of_weights_names_arch_and_what_to_do_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = Input((None,))
    x = layers.Embedding(9, 3)(inputs)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    x = layers.GRU(5, reset_after=False, return_sequences=True)(layers.GRU(5, return_sequences=True)(x))
    x = layers.BatchNormalization()(layers.Conv1D(6, 2)(layers.LayerNormalization()(x)))
    path = tmp_path / "w.weights.h5"
    Model(inputs, layers.Dense(2)(layers.SimpleRNN(3, use_bias=False)(x))).save_weights(path)
    assert main(["summary", str(path)]) == 2
    said = capsys.readouterr().err
    assert "holds weights only" in said
    assert "--arch model.json" in said
    assert "kt.load_weights(model, path)" in said
    skeleton = [line for line in said.splitlines() if line.startswith("  kt.layers.")]  # to be copied, a line each
    assert any(line.startswith("  kt.layers.GRU(5, reset_after=False),  # ") for line in skeleton)
    assert main(["info", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = [line.split(",  #")[0].strip() for line in lines if ",  #" in line]
    assert sorted(found) == sorted(
        [
            "kt.layers.Embedding(9, 3)",
            "kt.layers.Bidirectional(kt.layers.LSTM(4))",
            "kt.layers.GRU(5)",
            "kt.layers.GRU(5, reset_after=False)",
            "kt.layers.LayerNormalization()",
            "kt.layers.Conv1D(6, (2,))",
            "kt.layers.BatchNormalization()",
            "kt.layers.SimpleRNN(3, use_bias=False)",
            "kt.layers.Dense(2)",
        ]
    )
