"""What torch lacks of what Keras models compute, in torch alone: generated code holds copies of the parts that it uses.

Nothing here is imported from kerastorch, and each class and function is written as it shall stand in a model's file.
Weights are named and laid out as in nn.LSTM, nn.GRU and nn.RNN; states have their shape, `(1, B, U)`, too.
"""

from . import activations, attention, dropout, gates, images, local, masks, modes, places, statistics, steps
from .activations import divide_or_zero as divide_or_zero
from .activations import hard_shrink as hard_shrink
from .activations import hard_sigmoid as hard_sigmoid
from .activations import hard_sigmoid_fifth as hard_sigmoid_fifth
from .activations import hard_silu as hard_silu
from .activations import identity as identity
from .activations import relu_between as relu_between
from .activations import selu as selu
from .activations import soft_shrink as soft_shrink
from .activations import sparse_plus as sparse_plus
from .activations import sparse_sigmoid as sparse_sigmoid
from .activations import sparsemax as sparsemax
from .activations import squareplus as squareplus
from .attention import GroupedAttention as GroupedAttention
from .attention import MultiHeadAttention as MultiHeadAttention
from .attention import causal_mask as causal_mask
from .attention import window_mask as window_mask
from .dropout import AlphaDropout as AlphaDropout
from .dropout import GaussianDropout as GaussianDropout
from .dropout import GaussianNoise as GaussianNoise
from .dropout import SharedDropout as SharedDropout
from .gates import DropoutGRU as DropoutGRU
from .gates import DropoutLSTM as DropoutLSTM
from .gates import DropoutResetBeforeGRU as DropoutResetBeforeGRU
from .gates import DropoutRNN as DropoutRNN
from .gates import DropoutStepGRU as DropoutStepGRU
from .gates import DropoutStepLSTM as DropoutStepLSTM
from .gates import DropoutStepRNN as DropoutStepRNN
from .gates import DroppedGates as DroppedGates
from .gates import DroppedSteps as DroppedSteps
from .gates import dropped_linear as dropped_linear
from .gates import gate_masks as gate_masks
from .images import ConvLSTM as ConvLSTM
from .images import DropoutConvLSTM as DropoutConvLSTM
from .local import scattered as scattered
from .local import windows_of as windows_of
from .masks import back_in_place as back_in_place
from .masks import last_used as last_used
from .masks import pack_used as pack_used
from .masks import show_first_image as show_first_image
from .masks import show_first_output as show_first_output
from .masks import show_first_state as show_first_state
from .masks import state_behind as state_behind
from .masks import states_behind as states_behind
from .masks import unpack as unpack
from .masks import used_first as used_first
from .modes import ComputesIn as ComputesIn
from .modes import FixedMode as FixedMode
from .modes import SpectralNorm as SpectralNorm
from .modes import in_mode as in_mode
from .places import mirrored as mirrored
from .places import sizes_of as sizes_of
from .places import steps_back as steps_back
from .places import take_in_rows as take_in_rows
from .statistics import BatchNorm as BatchNorm
from .statistics import BatchRenorm as BatchRenorm
from .statistics import MaskedGroupNorm as MaskedGroupNorm
from .statistics import average_same as average_same
from .statistics import pad_same as pad_same
from .steps import ResetBeforeGRU as ResetBeforeGRU
from .steps import StepGRU as StepGRU
from .steps import StepLoop as StepLoop
from .steps import StepLSTM as StepLSTM
from .steps import StepRNN as StepRNN

# In the order in which their parts are written.
MODULES = (activations, dropout, statistics, masks, steps, gates, images, local, places, attention, modes)
