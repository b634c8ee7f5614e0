"""A training that goes on: what files say of it, read into a model, and written for Keras to go on with.

`forms.py` says, as data, in which order each Keras lists the state of each optimizer, and makes of it the list of
places that a model's optimizer has. `state.py` reads arrays into those places and writes them; `compiling.py` makes of
a file's words what `Model.compile` takes, `stating.py` words of what it was given; `resume.py` does both for a model.
`torch_state.py` fills the optimizers of `torch.optim`; `variables.py` lists the state of one that lives; `trees.py` has
the whole state of a model, and how it is compiled, for its methods. Read in this order. Nothing here reads or writes a
file itself.
"""

from .compiling import Uncompilable as Uncompilable
from .compiling import make_optimizer as make_optimizer
from .forms import Kind as Kind
from .forms import Place as Place
from .forms import places as places
from .forms import rule_of as rule_of
from .resume import Resumed as Resumed
from .resume import resume as resume
from .resume import resume_state as resume_state
from .state import written_state as written_state
from .stating import Stated as Stated
from .stating import state_compiled as state_compiled
from .torch_state import StateReport as StateReport
from .torch_state import load_keras_state as load_keras_state
from .trees import compile_config as compile_config
from .trees import compile_from_config as compile_from_config
from .trees import set_state_tree as set_state_tree
from .trees import state_tree as state_tree
from .variables import OptimizerVariable as OptimizerVariable
from .variables import optimizer_variables as optimizer_variables
from .variables import set_optimizer_variables as set_optimizer_variables
