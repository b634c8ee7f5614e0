"""What TensorFlow writes, read without TensorFlow: SavedModel folders and checkpoints.

Both keep their arrays in a bundle: an index, which is a sorted table of names, and files of raw bytes. Which variable
belongs to which attribute of which layer stands in a graph of objects, that is one of the entries. A SavedModel has the
config of each layer beside it. In the order in which to read:

- `_crc32c.py`, `_wire.py`: the checksum, and the fields of protocol buffers;
- `_table.py`, `bundle.py`: the table, and the arrays that it lists;
- `objects.py`: the graph of objects;
- `saved_model.py`, `checkpoint.py`: each container as an `Archive`, whose weights are listed as those of an `.h5` file;
- `writing.py`: a checkpoint from a graph of objects.
"""

from __future__ import annotations

from .checkpoint import Contents as Contents
from .opening import Place as Place
from .opening import open_tensorflow as open_tensorflow
from .opening import place_of as place_of
from .opening import read_folder as read_folder
from .packed import files_in_tar as files_in_tar
from .packed import in_tar as in_tar
from .packed import in_zip as in_zip
from .packed import is_packed_tar as is_packed_tar
from .packed import is_plain_tar as is_plain_tar
from .packed import is_tar as is_tar
from .writing import Object as Object
from .writing import write_checkpoint as write_checkpoint
