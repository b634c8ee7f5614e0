"""Models into files: save_model, save_weights. What stands here goes the way of `load` back."""

from .save import SaveReport as SaveReport
from .save import save_model as save_model
from .save import save_weights as save_weights
from .save import to_json as to_json
