"""Ready code for what files name and do not hold: functions for Lambda layers, and layers of other packages.

    kt.load_model(path, replace={"lambda_1": kt.recipes.last_step()})
    kt.load_model(path, custom_objects={"CRF": kt.recipes.CRF})

Each function recipe returns a function on one tensor `(B, ...)`, or on a list of them; it can be copied and pickled.
Axes count the batch as axis 0, as in `keras.backend` and `keras.ops`; negative ones count from the end. The layers take
the arguments that stand in the files of the packages that they are from, and have their arrays in the same order. No
recipe knows what a Lambda, or a class of a file, did: which one is right is for you to say.
"""

from __future__ import annotations

from ..namespaces import Namespace
from .attention import Attention as Attention
from .attention import AttentionWithContext as AttentionWithContext
from .attention import SoftmaxAttention as SoftmaxAttention
from .chains import CRF as CRF
from .chains import AddonsCRF as AddonsCRF
from .fitting import fitting as fitting
from .functions import Recipe as Recipe
from .functions import absolute_difference as absolute_difference
from .functions import add as add
from .functions import argmax as argmax
from .functions import cast as cast
from .functions import concat as concat
from .functions import expand_dims as expand_dims
from .functions import identity as identity
from .functions import l2_normalize as l2_normalize
from .functions import last_step as last_step
from .functions import matmul as matmul
from .functions import max_over as max_over
from .functions import mean_over as mean_over
from .functions import min_over as min_over
from .functions import multiply as multiply
from .functions import one_hot as one_hot
from .functions import permute as permute
from .functions import pick as pick
from .functions import repeat_elements as repeat_elements
from .functions import reshape as reshape
from .functions import reverse as reverse
from .functions import scale as scale
from .functions import slice_of as slice_of
from .functions import softmax as softmax
from .functions import squeeze as squeeze
from .functions import stack as stack
from .functions import step as step
from .functions import sum_over as sum_over
from .offering import offered as offered
from .sequence_attention import AttentionLayer as AttentionLayer
from .sequence_attention import SeqSelfAttention as SeqSelfAttention
from .sequence_attention import SeqWeightedAttention as SeqWeightedAttention

_PARTS = ("attention", "chains", "fitting", "functions", "offering", "sequence_attention")
_namespace = Namespace(__name__, globals(), homes=tuple(f"recipes.{part}" for part in _PARTS))


def __dir__() -> list[str]:
    return _namespace.names()
