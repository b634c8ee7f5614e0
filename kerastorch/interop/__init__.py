"""From plain torch modules to layers and models with the same numbers, and what helps nn.Sequentials to be one."""

from ..layers._plain import AllSteps as AllSteps
from ..layers._plain import ChannelsFirst as ChannelsFirst
from ..layers._plain import ChannelsLast as ChannelsLast
from ..layers._plain import LastStep as LastStep
from .from_torch import from_torch as from_torch
