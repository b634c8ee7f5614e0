"""Draws docs/training.svg: eight models trained in Keras and here, from the same weights on the same batches.

    make curves        (Keras, TensorFlow and matplotlib)

The trainings are those of `training/test_fit_live.py`. Lines are Keras's numbers, circles ours. Above each model stands
how far any number of its history lies from Keras's, as a part of Keras's; beyond 1e-4 nothing is drawn.
"""

from __future__ import annotations

import copy
import sys
import tempfile
from pathlib import Path

from _keras_worker import KerasWorker
from training.test_fit_live import CASES, _keras, _ours

PAGE = Path(__file__).parents[1] / "docs" / "training.svg"
COLORS = {"loss": "C0", "val_loss": "C1"}
MOST = 1e-4
EPOCHS = 5  # at least

History = dict[str, list[float]]


def histories() -> dict[str, tuple[History, History]]:
    """Case -> the history of Keras, and ours."""
    found = {}
    worker = KerasWorker(call_timeout=900.0)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for case, (model, compiled, fitted) in list(CASES.items()):
                longer = {**fitted, "epochs": max(EPOCHS, fitted["epochs"])}
                CASES[case] = model, compiled, longer
                path = Path(folder) / "fresh.keras"
                theirs = _keras(worker, case, path)
                found[case] = (theirs["history"], _ours(path, compiled, copy.deepcopy(longer))["history"])
    finally:
        worker.close()
    return found


def apart(theirs: History, ours: History) -> float:
    """The largest difference of all numbers of a history, each as a part of Keras's."""
    assert theirs.keys() == ours.keys()
    pairs = [pair for name, values in theirs.items() for pair in zip(values, ours[name], strict=True)]
    return max(abs(mine - keras) / abs(keras) if keras else abs(mine) for keras, mine in pairs)


def draw(found: dict[str, tuple[History, History]], path: Path) -> None:
    """All models as one picture, the same bytes for the same numbers."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "kerastorch", "svg.fonttype": "none", "font.size": 8})
    from matplotlib import pyplot
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    figure, panels = pyplot.subplots(2, 4, figsize=(11, 5.2), layout="constrained")
    for panel, (case, (theirs, ours)) in zip(panels.flat, found.items(), strict=True):
        for name in (name for name in COLORS if name in theirs):
            epochs = range(1, len(theirs[name]) + 1)
            panel.plot(epochs, theirs[name], color=COLORS[name], linewidth=1)
            panel.plot(epochs, ours[name], "o", color=COLORS[name], markersize=5, markerfacecolor="none")
        title = case.replace(", and the", ",\nand the")
        panel.set_title(f"{title}\n{len(theirs)} numbers an epoch, {apart(theirs, ours):.0e} apart", fontsize=8)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    for panel in panels[-1]:
        panel.set_xlabel("epoch")
    names = [
        Line2D([], [], color="black", linewidth=1, label="Keras 3.15.1"),
        Line2D([], [], color="black", linestyle="", marker="o", markerfacecolor="none", label="kerastorch"),
        *(Line2D([], [], color=color, linewidth=4, label=name) for name, color in COLORS.items()),
    ]
    figure.legend(handles=names, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def main() -> int:
    found = histories()
    for case, pair in found.items():
        print(f"{apart(*pair):.1e} {case}")
    if max(apart(*pair) for pair in found.values()) > MOST:
        print("nothing is drawn: the curves differ")
        return 1
    draw(found, PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
