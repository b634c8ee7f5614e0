"""Write notebooks/data/ with real Keras: `PYTHONPATH=.:tests python tests/make_notebook_data.py`.

Notebooks run without Keras. What they compare with is computed here, by tf-keras and Keras 3.
"""

from __future__ import annotations

from pathlib import Path

from _keras_worker import KerasWorker

FOLDER = Path(__file__).parents[1] / "notebooks" / "data"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    worker = KerasWorker(call_timeout=600.0)
    try:
        worker.call("keras2", "notebooks:tagger", str(FOLDER))
        worker.call("keras3", "notebooks:trainings", str(FOLDER))
    finally:
        worker.close()
    for path in sorted(FOLDER.iterdir()):
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
