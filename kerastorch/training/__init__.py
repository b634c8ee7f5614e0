"""Keras's training loop: `compile`, `fit`, `evaluate` and their kin, on torch's own engine.

`compiled.py`: what a model was compiled with, and the loss and the metrics of one batch. `data.py`: where batches come
from: arrays, loaders, generators; splits, weights, order. `loop.py`: the epochs. `Model` has the methods; it does not
know this package, which `kerastorch/__init__.py` hands in. A loop of one's own needs none of it: `kt.optimizers`,
`kt.losses` and `kt.metrics` work alone.
"""

from .compiled import compile_model
from .loop import compute_loss, evaluate, fit, test_on_batch, test_step, train_on_batch, train_step

# What the methods of `Model` of these names do; each is called with the model first.
METHODS = {
    "compile": compile_model,
    "compute_loss": compute_loss,
    "evaluate": evaluate,
    "fit": fit,
    "test_on_batch": test_on_batch,
    "test_step": test_step,
    "train_on_batch": train_on_batch,
    "train_step": train_step,
}
