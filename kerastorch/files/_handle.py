"""The files behind an archive, and the archive that is made of what was read of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from kerastorch.errors import LoadError

from ._bytes import OnDisk, OpenFile
from ._hdf5 import Dataset
from ._limits import Limits
from ._values import Archive, Array, Format, LegacyWeights, OptimizerState, Skipped, TreeWeights
from .opening import check_size, open_file


class Handle:
    """The files behind an archive, until it is closed."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self.files: list[OpenFile] = []
        self._open = True
        self._limits = limits

    def open(self, path: str, follow: bool = True) -> OnDisk:
        file = open_file(path, follow)
        self.files.append(file)
        check_size(sum(file.size for file in self.files), self.name or file.name, self._limits)
        return OnDisk(file, 0, file.size)

    def make(self, dataset: Dataset, dtype: str = "", shard: str = "") -> Array:
        def checked(array: np.ndarray) -> np.ndarray:
            array.flags.writeable = False
            return array

        def read() -> np.ndarray:
            self.check_open()
            return checked(dataset.read())

        def read_rows(at: int, end: int) -> np.ndarray:
            self.check_open()
            return checked(dataset.read_rows(at, end))

        where = f"{shard}: {dataset.path}" if shard else dataset.path
        rows = read_rows if dataset.in_one_piece else None
        return Array(where, dataset.shape, dtype or dataset.dtype, read, rows, lambda: dataset.unwritten)

    def archive(
        self,
        path: str,
        form: Format,
        weights: LegacyWeights | TreeWeights | None,
        skipped: Iterable[Skipped],
        *,
        versions: tuple[str | None, str | None] = (None, None),
        config: dict[str, Any] | None = None,
        training: dict[str, Any] | None = None,
        state: OptimizerState | None = None,
    ) -> Archive:
        """What was read of the files."""
        return Archive(
            path=path,
            format=form,
            keras_version=versions[0],
            backend=versions[1],
            config=config,
            weights=weights,
            training_config=training,
            skipped=tuple(skipped),
            _close=self.close,
            optimizer=state,
            check_unchanged=self.check_unchanged,
        )

    def check_open(self) -> None:
        if not self._open:
            raise LoadError(f"{self.name}: the archive is closed; read its arrays before that.")

    def check_unchanged(self) -> None:
        for file in self.files:
            file.check_unchanged()

    def close(self) -> None:
        self._open = False
        for file in self.files:
            file.close()
