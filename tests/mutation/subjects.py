"""Which modules are mutated, and which test files are theirs."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .operators import OPERATORS, Site, is_program, sites

# Subject -> (patterns of modules below kerastorch/, patterns of the test files that are about them, below tests/).
SUBJECTS: dict[str, tuple[str, str]] = {
    "sequence layers": (
        "kernels/fused.py kernels/step_loop.py kernels/step_engine.py kernels/equations.py kernels/export_scan.py "
        "kernels/input_product.py kernels/recurrent_product.py kernels/conv_lstm.py kernels/compiled.py "
        "kernels/attention.py layers/rnn/sequence.py layers/rnn/recurrent.py layers/rnn/kernel_choice.py "
        "layers/rnn/gated_cell.py layers/rnn/cell_protocol.py layers/rnn/conv_lstm_base.py layers/rnn/conv_lstm.py "
        "layers/rnn/lstm.py layers/rnn/gru.py layers/rnn/simple_rnn.py layers/rnn/rnn.py "
        "layers/rnn/stacked_rnn_cells.py layers/rnn/both_directions.py layers/core/masking.py "
        "layers/core/embedding.py layers/attention/*.py",
        "layers/**/test_*.py test_layouts*.py test_regularizers.py parity/test_kept.py",
    ),
    "wrappers": (
        "layers/rnn/bidirectional.py layers/rnn/time_distributed.py base/inner_layers.py layers/core/wrapped.py "
        "base/tracking.py layers/rnn/abstract_rnn_cell.py",
        "layers/**/test_*.py test_custom_objects.py test_layouts*.py parity/test_kept.py",
    ),
    "saving": ("saving/*.py", "saving/test_*.py test_layouts.py cli/test_*.py"),
    "compat": ("compat/*.py compat/*/*.py", "compat/test_*.py test_keras1*.py test_load*.py parity/test_operations.py"),
    "convert": ("convert/*.py", "test_convert*.py test_layouts*.py cli/test_*.py"),
    "matching": ("matching/*.py", "test_load*.py test_version_goldens.py test_goldens.py files/test_*.py"),
    "summary": (
        "models/summary_table.py models/summary_rows.py models/sketch.py models/_order.py cli/summary.py cli/info.py",
        "models/test_*.py test_cli.py",
    ),
}
# Tests that say nothing of a mutant, or too dearly: what torch's compiler, a fresh interpreter, Keras, a notebook, a
# benchmark or a damaged file of many megabytes takes seconds for, or what tries thousands of names. Left out, they
# can only make the result worse.
LEFT_OUT = (
    "test_imports.py test_benchmarks.py test_notebooks.py test_install.py test_docs.py test_keras_worker.py "
    "test_load_memory.py test_load_long.py test_user_script.py layers/**/test_compile*.py "
    "layers/**/test_engine_memory.py layers/**/test_free_names.py "
    "files/test_write.py saving/test_corpus_saved.py saving/test_keras2_corpus.py "
    "check_parity/test_child.py check_parity/test_commands.py check_parity/test_pytest_plugin.py mutation/*.py "
    "test_levels.py test_gpu_check.py test_torch_private.py test_unsafe_code.py test_tolerances.py test_user_types.py "
    "test_native_files.py test_needs.py training/test_backup.py "
    "models/test_torch_compile_stays.py files/test_hostile_files.py **/test_*_live.py"
)
# Modules without a computation of their own.
NOT_MUTATED = {"__init__.py"}


@dataclass(frozen=True)
class Mutant:
    subject: str
    module: str  # relative to the root, with "/"
    site: Site
    nth: int = 1  # of the places in the function where the same text becomes the same

    @property
    def key(self) -> str:
        """What stays when lines move."""
        text = f"{self.module} | {self.site.function} | {self.site.before} | {self.site.after}"
        return text if self.nth == 1 else f"{text} | {self.nth}"


def mutants_of(subject: str, module: str, text: str) -> list[Mutant]:
    """Every fault that can be planted in a module, in the order of its lines."""
    seen: dict[str, int] = {}
    made = []
    for site in sorted(sites(text), key=lambda site: (site.start, site.end)):
        first = Mutant(subject, module, site).key
        seen[first] = seen.get(first, 0) + 1
        made.append(Mutant(subject, module, site, seen[first]))
    return made


def matches(root: Path, patterns: str) -> list[Path]:
    """The files that some pattern means, each once, in order."""
    return list(dict.fromkeys(path for pattern in patterns.split() for path in sorted(root.glob(pattern))))


def modules(root: Path, subject: str) -> list[Path]:
    found = matches(root / "kerastorch", SUBJECTS[subject][0])
    return [path for path in found if path.name not in NOT_MUTATED]


def files_of_tests(root: Path, subject: str | None = None) -> list[str]:
    """The test files of a subject, or all, without those that are left out; relative to the root."""
    tests = root / "tests"
    out = set(matches(tests, LEFT_OUT))
    found = matches(tests, "**/test_*.py" if subject is None else SUBJECTS[subject][1])
    return [str(path.relative_to(root)) for path in found if path not in out]


def draw(root: Path, count: int, seed: int, only: Iterable[str] = SUBJECTS) -> list[Mutant]:
    """Draw mutants: the subjects in turn, in each an operator and then a place, so that no kind crowds out others."""
    rng = random.Random(seed)
    texts = {}
    pools: dict[str, dict[str, list[Mutant]]] = {}
    for subject in only:
        pools[subject] = {name: [] for name in OPERATORS}
        for path in modules(root, subject):
            module = path.relative_to(root).as_posix()
            texts[module] = path.read_text()
            for mutant in mutants_of(subject, module, texts[module]):
                pools[subject][mutant.site.operator].append(mutant)
    drawn: list[Mutant] = []
    while len(drawn) < count and any(any(pool.values()) for pool in pools.values()):
        for pool in pools.values():
            operators = [name for name, places in pool.items() if places]
            if not operators or len(drawn) == count:
                continue
            places = pool[rng.choice(operators)]
            mutant = places.pop(rng.randrange(len(places)))
            if is_program(mutant.site, texts[mutant.module]):
                drawn.append(mutant)
    return drawn
