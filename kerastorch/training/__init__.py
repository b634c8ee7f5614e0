"""Keras's training loop: `compile`, `fit`, `evaluate` and their kin, on torch's own engine.

`compiled.py`: what a model was compiled with, and the loss of one batch; `measured.py`: its metrics. `data.py`: where
batches come from: arrays, loaders, generators; splits, weights, order; `rows.py`: the rows of one array. `loop.py`: the
epochs. `Model` has the methods; it does not know this package, which `kerastorch/__init__.py` hands in. A loop of one's
own needs none of it: `kt.optimizers`, `kt.losses` and `kt.metrics` work alone.
"""

from .compiled import compile_model, get_metrics_result, metrics_names, metrics_of, reset_metrics
from .loop import compute_loss, compute_metrics, evaluate, fit, test_on_batch, test_step, train_on_batch, train_step

# What the methods of `Model` of these names do; each is called with the model first.
METHODS = {
    "compile": compile_model,
    "compute_loss": compute_loss,
    "compute_metrics": compute_metrics,
    "evaluate": evaluate,
    "fit": fit,
    "get_metrics_result": get_metrics_result,
    "metrics": metrics_of,
    "metrics_names": metrics_names,
    "reset_metrics": reset_metrics,
    "test_on_batch": test_on_batch,
    "test_step": test_step,
    "train_on_batch": train_on_batch,
    "train_step": train_step,
}
