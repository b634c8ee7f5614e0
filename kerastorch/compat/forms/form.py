"""What the form of a layer states, and the parts that many forms share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ...spec import Era


@dataclass(frozen=True)
class Form:
    """One layer class: the arguments of its constructor today, and the arguments of its call after the input."""

    keys: frozenset[str]
    required: tuple[str, ...] = ()
    eras: frozenset[Era] = frozenset({"keras2", "tf.keras", "keras3"})
    call: tuple[str, ...] = ()  # in the order of Keras 3's signature
    ignored: frozenset[str] = frozenset()  # read and dropped: they change no number and no shape
    old: frozenset[str] = frozenset()  # keys before Keras 3 that are taken with a harmless value only (UNLESS)
    old_keys: frozenset[str] = frozenset()  # arguments that only the eras before Keras 3 have
    unless: frozenset[str] = frozenset()  # the same, in every era
    today: str = ""  # the class that it is in our table, if that has another name
    keeps_mask: bool = False  # whether Keras 3 hands the mask of the input on as it is
    aliases: Mapping[str, str] = field(default_factory=dict)  # another spelling, older or newer -> the name here
    numbers: frozenset[str] = frozenset()  # arguments that are numbers, or arrays of them in any spelling
    first: str = ""  # the first argument's name, where its mask is an argument too (`query`, `query_mask`)

    @cached_property
    def keys_of_old(self) -> frozenset[str]:
        """The arguments in the eras before Keras 3."""
        return self.keys | self.old_keys

    @cached_property
    def unless_of_old(self) -> frozenset[str]:
        """The keys that are taken with a harmless value only, in the eras before Keras 3."""
        return self.unless | self.old


def keys(*groups: str) -> frozenset[str]:
    return frozenset(" ".join(groups).split())


WEIGHT = "kernel_initializer bias_initializer kernel_regularizer bias_regularizer kernel_constraint bias_constraint"
LORA = "lora_rank lora_alpha quantization_config"
RANDOM = keys("rng_type")  # of every layer of tf.keras that draws numbers
KERAS2: frozenset[Era] = frozenset({"keras2", "tf.keras"})
STANDALONE: frozenset[Era] = frozenset({"keras2"})  # of Keras 1 too, in the spelling of Keras 2
TF_ON: frozenset[Era] = frozenset({"tf.keras", "keras3"})
PLAIN = Form(frozenset())
