"""Models: Input, Model, Sequential, and how they are made from specs."""

from .build import build_model as build_model
from .clone import clone_model as clone_model
from .input import Input as Input
from .input import InputLayer as InputLayer
from .model import Model as Model
from .sequential import Sequential as Sequential
