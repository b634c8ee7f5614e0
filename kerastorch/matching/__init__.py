"""Plan, match, assign: every variable of a model against every array of a file, completely, before anything is set.

`legacy` and `tree` say which array each variable would take, `settle` decides whether the match is
accepted, `assign` reads and sets.
"""

from __future__ import annotations

from ._match import Match as Match
from ._match import Pair as Pair
from ._match import Settled as Settled
from ._match import names_in_file as names_in_file
from ._match import settle as settle
from ._match import strange_layouts as strange_layouts
from ._owners import inner_modules as inner_modules
from .assign import assign as assign
from .assign import materialize_fillers as materialize_fillers
from .assign import verify as verify
from .attributes import is_own as is_own
from .beforehand import is_weighted as is_weighted
from .beforehand import refuse_few as refuse_few
from .convert import named_by_theano as named_by_theano
from .finite import Remarkable as Remarkable
from .legacy import Options as Options
from .legacy import legacy_order as legacy_order
from .legacy import legacy_pairs as legacy_pairs
from .of_archive import match_archive as match_archive
from .of_archive import writer_of as writer_of
from .own import own_loaded as own_loaded
from .tree import Placing as Placing
from .tree import names_in_config as names_in_config
from .tree import tree_pairs as tree_pairs
from .tree import tree_places as tree_places
