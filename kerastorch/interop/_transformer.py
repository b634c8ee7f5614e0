"""nn.TransformerEncoderLayer, nn.TransformerDecoderLayer and their stacks: the layers that they consist of.

torch's own forward takes another way in inference, a single function that no layer is like.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import nn

from ..errors import UnsupportedError
from ..torch_private import has_hooks
from ._convert import HOOKS
from ._pointwise import FUNCTIONS as _POINTWISE
from ._value import Value

if TYPE_CHECKING:
    from ._protocol import Tracer

Leaf = Callable[..., Any]


class Transformers:
    """What translates these modules.

    Args:
        leaf_of: What translates each part of them.
    """

    def __init__(self, leaf_of: Callable[[nn.Module], Leaf | None]) -> None:
        self.leaf_of = leaf_of
        self.leaves: dict[type[nn.Module], Leaf] = {
            nn.TransformerEncoderLayer: self.encoder_layer,
            nn.TransformerDecoderLayer: self.decoder_layer,
            nn.TransformerEncoder: self.encoder,
            nn.TransformerDecoder: self.decoder,
        }

    def encoder_layer(
        self,
        tracer: Tracer,
        module: Any,
        src: Value,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Value:
        _without_hooks(module)
        attended = self._attention(tracer, module.self_attn, src, src, src_key_padding_mask, src_mask)
        made = self._beside(tracer, module.norm_first, module.norm1, module.dropout1, src, attended)
        return self._beside(tracer, module.norm_first, module.norm2, module.dropout2, made, self._feed(tracer, module))

    def decoder_layer(
        self,
        tracer: Tracer,
        module: Any,
        tgt: Value,
        memory: Value,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Value:
        _without_hooks(module)
        first = module.norm_first
        own = self._attention(tracer, module.self_attn, tgt, None, tgt_key_padding_mask, tgt_mask)
        other = self._attention(tracer, module.multihead_attn, tgt, memory, memory_key_padding_mask, memory_mask)
        made = self._beside(tracer, first, module.norm1, module.dropout1, tgt, own)
        made = self._beside(tracer, first, module.norm2, module.dropout2, made, other)
        return self._beside(tracer, first, module.norm3, module.dropout3, made, self._feed(tracer, module))

    def encoder(
        self,
        tracer: Tracer,
        module: Any,
        src: Value,
        mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool | None = None,
    ) -> Value:
        _without_hooks(module)
        for layer in module.layers:
            src = self._part(tracer, layer, src, mask, src_key_padding_mask)
        return src if module.norm is None else self._part(tracer, module.norm, src)

    def decoder(
        self,
        tracer: Tracer,
        module: Any,
        tgt: Value,
        memory: Value,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Value:
        _without_hooks(module)
        masks = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        for layer in module.layers:
            tgt = self._part(tracer, layer, tgt, memory, *masks)
        return tgt if module.norm is None else self._part(tracer, module.norm, tgt)

    # ------------------------------------------------------------------ parts

    def _part(self, tracer: Tracer, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        leaf = self.leaf_of(module)
        if leaf is None:
            raise UnsupportedError(f"a part of the class {type(module).__name__}, whose forward is not followed here")
        return leaf(tracer, module, *args, **kwargs)

    def _beside(
        self, tracer: Tracer, norm_first: bool, norm: nn.Module, dropout: nn.Module, x: Value, block: Leaf
    ) -> Value:
        """The input and what a block makes of it, normalized before or after."""
        made = block(self._part(tracer, norm, x) if norm_first else x)
        total = _POINTWISE["add"](tracer, x, self._part(tracer, dropout, made))
        return total if norm_first else self._part(tracer, norm, total)

    def _attention(
        self, tracer: Tracer, module: nn.Module, x: Value, memory: Value | None, padding: Any, mask: Any
    ) -> Leaf:
        def block(query: Value) -> Value:
            other = query if memory is None or memory is x else memory
            options = {"key_padding_mask": padding, "need_weights": False, "attn_mask": mask}
            return self._part(tracer, module, query, other, other, **options)[0]

        return block

    def _feed(self, tracer: Tracer, module: Any) -> Leaf:
        def block(value: Value) -> Value:
            inner = self._activated(tracer, module.activation, self._part(tracer, module.linear1, value))
            return self._part(tracer, module.linear2, self._part(tracer, module.dropout, inner))

        return block

    def _activated(self, tracer: Tracer, activation: Any, value: Value) -> Value:
        if isinstance(activation, nn.Module):
            return self._part(tracer, activation, value)
        name = getattr(activation, "__name__", "")
        if name not in _POINTWISE:
            raise UnsupportedError(f"the activation {name or activation!r}: pass a module or a function of torch")
        return _POINTWISE[name](tracer, value)


def _without_hooks(module: nn.Module) -> None:
    if has_hooks(module):
        raise UnsupportedError(HOOKS)
