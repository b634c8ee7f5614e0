"""Keras files: one reader per format, from a path to plain values. No torch, no layer."""

from __future__ import annotations

from ._limits import OF_A_CONFIG as OF_A_CONFIG
from ._limits import Limits as Limits
from ._limits import limits_of as limits_of
from ._values import OF_TENSORFLOW as OF_TENSORFLOW
from ._values import Archive as Archive
from ._values import Array as Array
from ._values import Format as Format
from ._values import LegacyLayer as LegacyLayer
from ._values import LegacyWeights as LegacyWeights
from ._values import OptimizerState as OptimizerState
from ._values import Skipped as Skipped
from ._values import TreeObject as TreeObject
from ._values import TreeWeights as TreeWeights
from .archive import open_archive as open_archive
from .opening import checked_sha256 as checked_sha256
from .opening import name_of as name_of
