"""How a model was compiled, in the words of each Keras: optimizers, losses and metrics as files state them.

`items.py` reads one name of any Keras; `tables.py` has the names and arguments of all, as data; `optimizers.py` and
`configs.py` say it in the words of another. Nothing is made or looked up here: names and plain values go through
tables.
"""

from .configs import losses_and_metrics as losses_and_metrics
from .configs import translate_training as translate_training
from .items import Item as Item
from .items import Untranslatable as Untranslatable
from .items import item_of as item_of
from .items import stated_item as stated_item
from .items import stated_training as stated_training
from .items import training_in as training_in
from .optimizers import Optimizers as Optimizers
