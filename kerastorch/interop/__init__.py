"""From plain torch modules to layers and models with the same numbers, and what helps nn.Sequentials to be one."""

from ..base.to_torch import AllSteps as AllSteps
from ..base.to_torch import ChannelsFirst as ChannelsFirst
from ..base.to_torch import ChannelsLast as ChannelsLast
from ..base.to_torch import LastStep as LastStep
from .from_torch import from_torch as from_torch
