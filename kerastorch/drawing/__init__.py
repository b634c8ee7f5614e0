"""Pictures of models: `plot_model`, `model_to_dot`, and what a notebook shows.

Read `diagram.py` first (what a picture consists of), then `reading.py` (a model becomes one), `dot.py` (for Graphviz),
`layout.py` with `_order.py` and `_places.py` (where boxes stand without Graphviz), `svg.py`, `plotting.py` and
`notebook.py`.
"""

from .notebook import html_of as html_of
from .notebook import svg_of as svg_of
from .plotting import Picture as Picture
from .plotting import model_to_dot as model_to_dot
from .plotting import plot_model as plot_model
