"""Where the system forbids to write or to read, the message says what forbids it, whose it is, and what helps."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kerastorch.errors import SaveError, UnreadableFileError
from kerastorch.files import open_archive
from kerastorch.files.permissions import read_advice, write_advice
from kerastorch.files.replacing import replacing

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has other permissions")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)
        Path(made).chmod(0o755)


@contextmanager
def without_rights() -> Iterator[None]:
    """As a user who is not root."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def refused(path: Path) -> str:
    with without_rights(), pytest.raises(SaveError) as caught, replacing(path):
        pass
    return str(caught.value)


def test_a_folder_that_may_not_be_written_to(folder: Path) -> None:
    folder.chmod(0o555)
    owner, place = os.stat(folder).st_uid, re.escape(str(folder))
    pattern = (
        rf"'{place}/m\.h5': cannot be written \(Permission denied\)\. The folder '{place}' "
        rf"has the permissions dr-xr-xr-x and belongs to \w+ \({owner}\); "
        rf"this process runs as .*\({os.geteuid() or 65534}\)\. "
        r"Save to a folder of your own, or ask for the permission\."
    )
    assert re.fullmatch(pattern, refused(folder / "m.h5"))


def test_a_folder_above_that_may_not_be_entered(folder: Path) -> None:
    (folder / "closed/open").mkdir(parents=True)
    (folder / "closed").chmod(0o600)
    try:
        assert re.search(
            rf"\(Permission denied\)\. The folder '{folder}/closed' has the permissions drw-",
            refused(folder / "closed/open/m.h5"),
        )
    finally:
        (folder / "closed").chmod(0o700)


def test_a_file_that_is_protected_is_not_replaced(folder: Path) -> None:
    folder.chmod(0o777)
    (folder / "m.h5").write_bytes(b"kept")
    (folder / "m.h5").chmod(0o444)
    message = refused(folder / "m.h5")
    assert re.search(
        r"this file is protected from being written to\. The file '.*/m.h5' has the permissions -r--r", message
    )
    assert message.endswith("Save under another name, or let it be written to (chmod u+w).")
    assert (folder / "m.h5").read_bytes() == b"kept"


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() != 0, reason="only root can make a file of another user")
def test_a_file_of_another_user_in_a_folder_of_all(folder: Path) -> None:
    folder.chmod(0o1777)
    (folder / "m.h5").write_bytes(b"kept")
    (folder / "m.h5").chmod(0o666)
    message = refused(folder / "m.h5")
    assert re.search(
        r"nothing was changed\. The file .* belongs to .* In this folder only its owner may replace it", message
    )
    assert os.listdir(folder) == ["m.h5"]


def test_a_file_that_may_not_be_read(folder: Path) -> None:
    (folder / "m.h5").write_bytes(b"x")
    (folder / "m.h5").chmod(0o200)
    with without_rights(), pytest.raises(UnreadableFileError) as caught:
        open_archive(folder / "m.h5")
    assert re.search(
        r"cannot be opened \(Permission denied\)\. The file '.*/m.h5' has the permissions --w-.* Ask for the perm",
        str(caught.value),
    )


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EROFS, "can only be read \\(its file system is mounted so\\). Save elsewhere"),
        (errno.ENOSPC, "Make room on the disk, or save elsewhere"),
        (errno.EDQUOT, "Make room on the disk"),
        (errno.EFBIG, "hold no larger file \\(ulimit -f\\): save elsewhere, or raise it"),
        (errno.ENAMETOOLONG, "Give a shorter name"),
        (errno.EPERM, "That allows it: another rule of the system forbids it"),
        (errno.EIO, "Check the path"),
    ],
)
def test_what_else_the_system_says(tmp_path: Path, number: int, advice: str) -> None:
    assert re.search(advice, write_advice(OSError(number, os.strerror(number)), str(tmp_path / "m")))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a/b/m.h5"
    with (
        pytest.raises(SaveError, match=rf"Check that the folder exists: there is no '{tmp_path}/a'\."),
        replacing(path),
    ):
        pass


def test_too_many_open_files(tmp_path: Path) -> None:
    assert "too many files open" in read_advice(OSError(errno.EMFILE, ""), str(tmp_path))
