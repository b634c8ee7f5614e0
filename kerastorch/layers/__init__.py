"""The layers, under Keras's names.

In shapes, here and in all docstrings, `B` is the batch, `T` time, `F` features, `U` units, `C` channels, `G` the gates
of a recurrent layer, and `...` any axes.
"""

from collections.abc import Callable as _Callable
from typing import TYPE_CHECKING
from typing import Any as _Any

from ..base.inner_layers import deserialize as deserialize
from ..base.inner_layers import serialize as serialize
from ..base.input_spec import InputSpec as InputSpec
from ..base.layer import Layer as Layer
from ..namespaces import Namespace as _Namespace
from .activations.relu import ELU as ELU
from .activations.relu import LeakyReLU as LeakyReLU
from .activations.relu import PReLU as PReLU
from .activations.relu import ReLU as ReLU
from .activations.relu import ThresholdedReLU as ThresholdedReLU
from .activations.softmax import Softmax as Softmax
from .attention.attention import AdditiveAttention as AdditiveAttention
from .attention.attention import Attention as Attention
from .attention.group_query_attention import GroupQueryAttention as GroupQueryAttention
from .attention.multi_head_attention import MultiHeadAttention as MultiHeadAttention
from .convolutional.convolution import Conv1D as Conv1D
from .convolutional.convolution import Conv2D as Conv2D
from .convolutional.convolution import Conv3D as Conv3D
from .convolutional.convolution import Convolution1D as Convolution1D
from .convolutional.convolution import Convolution2D as Convolution2D
from .convolutional.convolution import Convolution3D as Convolution3D
from .convolutional.depthwise_convolution import DepthwiseConv1D as DepthwiseConv1D
from .convolutional.depthwise_convolution import DepthwiseConv2D as DepthwiseConv2D
from .convolutional.local import LocallyConnected1D as LocallyConnected1D
from .convolutional.local import LocallyConnected2D as LocallyConnected2D
from .convolutional.separable_convolution import SeparableConv1D as SeparableConv1D
from .convolutional.separable_convolution import SeparableConv2D as SeparableConv2D
from .convolutional.separable_convolution import SeparableConvolution1D as SeparableConvolution1D
from .convolutional.separable_convolution import SeparableConvolution2D as SeparableConvolution2D
from .convolutional.transposed_convolution import Conv1DTranspose as Conv1DTranspose
from .convolutional.transposed_convolution import Conv2DTranspose as Conv2DTranspose
from .convolutional.transposed_convolution import Conv3DTranspose as Conv3DTranspose
from .convolutional.transposed_convolution import Convolution1DTranspose as Convolution1DTranspose
from .convolutional.transposed_convolution import Convolution2DTranspose as Convolution2DTranspose
from .convolutional.transposed_convolution import Convolution3DTranspose as Convolution3DTranspose
from .core.activation import Activation as Activation
from .core.activation import Identity as Identity
from .core.dense import Dense as Dense
from .core.einsum_dense import EinsumDense as EinsumDense
from .core.embedding import Embedding as Embedding
from .core.keras1 import Highway as Highway
from .core.keras1 import MaxoutDense as MaxoutDense
from .core.masking import Masking as Masking
from .core.operation import Operation as Operation
from .core.wrapped import Lambda as Lambda
from .core.wrapped import TorchModuleWrapper as TorchModuleWrapper
from .core.wrapper import Wrapper as Wrapper
from .elsewhere import ELSEWHERE as _ELSEWHERE
from .merging.dot import Dot as Dot
from .merging.functions import add as add
from .merging.functions import average as average
from .merging.functions import concatenate as concatenate
from .merging.functions import dot as dot
from .merging.functions import maximum as maximum
from .merging.functions import minimum as minimum
from .merging.functions import multiply as multiply
from .merging.functions import subtract as subtract
from .merging.merging import Add as Add
from .merging.merging import Average as Average
from .merging.merging import Concatenate as Concatenate
from .merging.merging import Maximum as Maximum
from .merging.merging import Minimum as Minimum
from .merging.merging import Multiply as Multiply
from .merging.merging import Subtract as Subtract
from .normalization.batch_normalization import BatchNormalization as BatchNormalization
from .normalization.group_normalization import GroupNormalization as GroupNormalization
from .normalization.layer_normalization import LayerNormalization as LayerNormalization
from .normalization.layer_normalization import RMSNormalization as RMSNormalization
from .normalization.spectral_normalization import SpectralNormalization as SpectralNormalization
from .normalization.unit_normalization import UnitNormalization as UnitNormalization
from .pooling.adaptive_pooling import AdaptiveAveragePooling1D as AdaptiveAveragePooling1D
from .pooling.adaptive_pooling import AdaptiveAveragePooling2D as AdaptiveAveragePooling2D
from .pooling.adaptive_pooling import AdaptiveAveragePooling3D as AdaptiveAveragePooling3D
from .pooling.adaptive_pooling import AdaptiveMaxPooling1D as AdaptiveMaxPooling1D
from .pooling.adaptive_pooling import AdaptiveMaxPooling2D as AdaptiveMaxPooling2D
from .pooling.adaptive_pooling import AdaptiveMaxPooling3D as AdaptiveMaxPooling3D
from .pooling.global_pooling import GlobalAveragePooling1D as GlobalAveragePooling1D
from .pooling.global_pooling import GlobalAveragePooling2D as GlobalAveragePooling2D
from .pooling.global_pooling import GlobalAveragePooling3D as GlobalAveragePooling3D
from .pooling.global_pooling import GlobalAvgPool1D as GlobalAvgPool1D
from .pooling.global_pooling import GlobalAvgPool2D as GlobalAvgPool2D
from .pooling.global_pooling import GlobalAvgPool3D as GlobalAvgPool3D
from .pooling.global_pooling import GlobalMaxPool1D as GlobalMaxPool1D
from .pooling.global_pooling import GlobalMaxPool2D as GlobalMaxPool2D
from .pooling.global_pooling import GlobalMaxPool3D as GlobalMaxPool3D
from .pooling.global_pooling import GlobalMaxPooling1D as GlobalMaxPooling1D
from .pooling.global_pooling import GlobalMaxPooling2D as GlobalMaxPooling2D
from .pooling.global_pooling import GlobalMaxPooling3D as GlobalMaxPooling3D
from .pooling.pooling import AveragePooling1D as AveragePooling1D
from .pooling.pooling import AveragePooling2D as AveragePooling2D
from .pooling.pooling import AveragePooling3D as AveragePooling3D
from .pooling.pooling import AvgPool1D as AvgPool1D
from .pooling.pooling import AvgPool2D as AvgPool2D
from .pooling.pooling import AvgPool3D as AvgPool3D
from .pooling.pooling import MaxPool1D as MaxPool1D
from .pooling.pooling import MaxPool2D as MaxPool2D
from .pooling.pooling import MaxPool3D as MaxPool3D
from .pooling.pooling import MaxPooling1D as MaxPooling1D
from .pooling.pooling import MaxPooling2D as MaxPooling2D
from .pooling.pooling import MaxPooling3D as MaxPooling3D
from .preprocessing.categories import CategoryEncoding as CategoryEncoding
from .preprocessing.categories import Discretization as Discretization
from .preprocessing.categories import Hashing as Hashing
from .preprocessing.lookups import IntegerLookup as IntegerLookup
from .preprocessing.lookups import StringLookup as StringLookup
from .preprocessing.normalization import Normalization as Normalization
from .preprocessing.rescaling import Rescaling as Rescaling
from .preprocessing.text_vectorization import TextVectorization as TextVectorization
from .regularization.dropout import ActivityRegularization as ActivityRegularization
from .regularization.dropout import Dropout as Dropout
from .regularization.dropout import SpatialDropout1D as SpatialDropout1D
from .regularization.dropout import SpatialDropout2D as SpatialDropout2D
from .regularization.dropout import SpatialDropout3D as SpatialDropout3D
from .regularization.noise import AlphaDropout as AlphaDropout
from .regularization.noise import GaussianDropout as GaussianDropout
from .regularization.noise import GaussianNoise as GaussianNoise
from .reshaping.padding import Cropping1D as Cropping1D
from .reshaping.padding import Cropping2D as Cropping2D
from .reshaping.padding import Cropping3D as Cropping3D
from .reshaping.padding import ZeroPadding1D as ZeroPadding1D
from .reshaping.padding import ZeroPadding2D as ZeroPadding2D
from .reshaping.padding import ZeroPadding3D as ZeroPadding3D
from .reshaping.reshape import Flatten as Flatten
from .reshaping.reshape import Permute as Permute
from .reshaping.reshape import RepeatVector as RepeatVector
from .reshaping.reshape import Reshape as Reshape
from .reshaping.up_sampling import UpSampling1D as UpSampling1D
from .reshaping.up_sampling import UpSampling2D as UpSampling2D
from .reshaping.up_sampling import UpSampling3D as UpSampling3D
from .rnn.abstract_rnn_cell import AbstractRNNCell as AbstractRNNCell
from .rnn.bidirectional import Bidirectional as Bidirectional
from .rnn.conv_lstm import ConvLSTM1D as ConvLSTM1D
from .rnn.conv_lstm import ConvLSTM2D as ConvLSTM2D
from .rnn.conv_lstm import ConvLSTM3D as ConvLSTM3D
from .rnn.gru import GRU as GRU
from .rnn.gru import CuDNNGRU as CuDNNGRU
from .rnn.gru import GRUCell as GRUCell
from .rnn.lstm import LSTM as LSTM
from .rnn.lstm import CuDNNLSTM as CuDNNLSTM
from .rnn.lstm import LSTMCell as LSTMCell
from .rnn.rnn import RNN as RNN
from .rnn.simple_rnn import SimpleRNN as SimpleRNN
from .rnn.simple_rnn import SimpleRNNCell as SimpleRNNCell
from .rnn.stacked_rnn_cells import StackedRNNCells as StackedRNNCells
from .rnn.time_distributed import TimeDistributed as TimeDistributed

_namespace = _Namespace(__name__, globals(), absent=_ELSEWHERE)


if TYPE_CHECKING:
    Input: _Callable[..., _Any]
    InputLayer: type[Layer]
else:  # a type checker would take every name for one that is there

    def __getattr__(name: str) -> _Any:
        return _namespace.get(name)


def __dir__() -> list[str]:
    return _namespace.names()
