"""Pickled models of Keras: their bytes are read, and nothing is unpickled."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make_goldens import GOLDENS
from make_goldens_tensorflow import files as golden_files

import kerastorch as kt
from kerastorch.errors import LoadError, UnsupportedFileError
from kerastorch.files import open_archive


class Model:
    """Pickles as Keras pickles a model: a function, and the bytes that it shall be called with."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return never, (self.held,)


def never(*_: Any) -> None:
    raise AssertionError("the pickle was loaded")


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    with zipfile.ZipFile(GOLDENS / "tf_keras.zip") as archive:
        keras = archive.read("nested.keras")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in golden_files().items():
            if name.startswith("nested/"):
                member = tarfile.TarInfo(name.removeprefix("nested/"))
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return {"keras": keras, "tar": packed.getvalue()}


def weights_of(content: bytes) -> list[np.ndarray]:
    return kt.load_model(io.BytesIO(content)).get_weights()


def as_array(held: bytes) -> np.ndarray:
    return np.frombuffer(held, np.uint8)


# Python pickles no stream in the protocols 0 and 1.
FORMS = [(form, number) for form in (bytes, io.BytesIO, as_array) for number in range(2 * (form is io.BytesIO), 6)]


@pytest.mark.parametrize("kind", ["keras", "tar"])
@pytest.mark.parametrize(("form", "protocol"), FORMS)
def test_the_bytes_are_read(files: dict[str, bytes], kind: str, form: Callable[[bytes], Any], protocol: int) -> None:
    wanted = weights_of(files["keras"])
    for whole in (Model(form(files[kind])), {"model": Model(form(files[kind])), "x": np.ones(3), "names": ["a", "b"]}):
        found = weights_of(pickle.dumps(whole, protocol))
        assert len(found) == len(wanted)
        for mine, theirs in zip(found, wanted, strict=True):
            assert np.array_equal(mine, theirs)


def test_the_report_and_the_scan_say_what_it_is(files: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Model(files["keras"])))
    with open_archive(path) as archive:
        last = archive.skipped[-1]
    assert (last.what, last.reason) == (
        "the pickle around the model",
        "a pickle runs code when it is loaded: nothing of it was, its bytes were read",
    )
    report = kt.scan(path)
    assert [file.status for file in report.files] == [3]
    assert "which runs code when it is loaded; kerastorch reads the bytes" in str(report)


def test_what_holds_no_model_or_several_is_refused(files: dict[str, bytes]) -> None:
    for whole, says in (
        ({"weights": np.ones(3)}, "this is a pickle, which runs code when it is loaded: it is never loaded here"),
        ([Model(files["keras"]), Model(files["tar"])], "a pickle with 2 models in it"),
        (Model(files["keras"][:-9]), "this is a pickle, and the model in it cannot be read"),
        (Model(files["tar"][: len(files["tar"]) // 2]), "this is a pickle, and the model in it cannot be read"),
        (Model(b"PK\3\4nothing"), "this is a pickle, and the model in it cannot be read"),
    ):
        content = pickle.dumps(whole)
        with pytest.raises(UnsupportedFileError, match=says) as caught:
            kt.load_model(io.BytesIO(content))
        assert caught.value.reason == "runs code"
        assert [file.status for file in kt.scan(io.BytesIO(content)).files] == [3]


def test_a_pickle_that_is_cut_short_is_refused(files: dict[str, bytes]) -> None:
    content = pickle.dumps(Model(files["keras"]))
    for size in range(2, len(content), 997):
        with pytest.raises(LoadError):
            open_archive(io.BytesIO(content[:size]))
