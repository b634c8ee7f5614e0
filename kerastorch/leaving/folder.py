"""The folder that `to_source` writes: the model's code, its weights, a recorded example, and a test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..errors import ArgumentError, SaveError, quote
from ..files.permissions import write_advice
from ..files.unfinished import unfinished
from ..paths import AnyPath, text_of
from ..structure import leaves
from .building import to_torch
from .example import recorded_example
from .module_text import ModuleText, draws_in_evaluation

if TYPE_CHECKING:
    from ..models import Model

MODEL, WEIGHTS, EXAMPLE, TEST = "model.py", "model.safetensors", "example.safetensors", "test_model.py"


def to_source(
    model: Model,
    folder: AnyPath,
    *,
    class_name: str | None = None,
    origin: str | None = None,
    shapes: bool = True,
    inference: bool = False,
    import_helpers: bool = False,
    overwrite: bool = False,
) -> tuple[str, ...]:
    """Write a model as Python code that needs torch and safetensors only.

    The folder gets `model.py`, a class of torch's own modules by the names of the layers, and `load()`, which makes the
    model with its weights; `model.safetensors`, the weights; `example.safetensors`, inputs and what the model makes of
    them, which `python model.py` replays; and `test_model.py`, which tests that. The same model gives the same bytes.

    Args:
        model: A built model.
        folder: The folder; it is made.
        class_name: The name of the class; made of the model's name if None.
        origin: A sentence for the head of the file: where the model comes from.
        shapes: Whether the shapes of values stand behind the lines as comments.
        inference: Whether dropout and noise are left out of the code.
        import_helpers: Whether the code imports what torch lacks from kerastorch, and has no copies of it.
        overwrite: Whether the four files are replaced where they stand.

    Returns:
        The paths of the files.

    Raises:
        UnsupportedError: A layer, or a use of it, has no translation; nothing is written.
        SaveError: The folder cannot be written, or has these files and `overwrite` is False.
    """
    if class_name is not None and not class_name.isidentifier():
        raise ArgumentError(f"class_name {quote(class_name)}: expected a name of Python, such as Tagger.")
    given = text_of(folder, "to_source")
    if "\0" in given:
        raise SaveError(f"{quote(given)}: cannot be written (a path holds no null bytes). Check the path.")
    target = Path(os.path.realpath(given))
    names = (MODEL, WEIGHTS, EXAMPLE, TEST)
    there = [name for name in names if os.path.lexists(target / name)]
    if there and not overwrite:
        raise SaveError(f"{quote(str(target))} has {', '.join(there)} already; overwrite=True (--force) replaces them.")
    if os.path.lexists(target) and not target.is_dir():
        raise SaveError(f"{quote(str(target))}: this is no folder; give another name.")
    module = to_torch(model, inference)
    inputs, outputs = recorded_example(model)
    if draws_in_evaluation(module):
        outputs = _drawn(module, inputs, len(outputs))
    text = ModuleText(module, class_name or module.__class__.__name__, origin, shapes, import_helpers)
    files = {
        MODEL: text.model().encode(),
        TEST: text.test().encode(),
        WEIGHTS: _packed(dict(module.state_dict())),
        EXAMPLE: _packed({**_numbered("input", inputs), **_numbered("output", outputs)}),
    }
    _write(target, files)
    return tuple(str(target / name) for name in names)


def _drawn(module: nn.Module, inputs: list[Tensor], count: int) -> list[Tensor]:
    """What the module makes of the inputs with the seed that the code sets: it draws as the code does."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        return [out.contiguous() for out in leaves(module.eval()(*inputs))[:count]]


def _numbered(stem: str, tensors: list[Tensor]) -> dict[str, Tensor]:
    return {f"{stem}_{index}": tensor for index, tensor in enumerate(tensors)}


def _packed(tensors: dict[str, Tensor]) -> bytes:
    from safetensors.torch import save

    return save({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()})


def _write(target: Path, files: dict[str, bytes]) -> None:
    """Write all files or none: into a new folder beside the target, which then takes its place."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(str(target), is_folder=True) as made:
            temporary = Path(made.path)
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o777 & ~mask)
            for name, content in files.items():
                (temporary / name).write_bytes(content)
            if target.is_dir():
                for name in files:
                    os.replace(temporary / name, target / name)
            else:
                made.move_to(str(target))
    except OSError as error:
        reason = error.strerror or error
        raise SaveError(
            f"{quote(str(target))}: cannot be written ({reason}). {write_advice(error, str(target))}"
        ) from error
