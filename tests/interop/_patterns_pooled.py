"""Models that pool what a recurrent layer says, or hand it on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._patterns import series, words
from ._zoo import BATCH, FEATURES, TIME, WORDS


class CharacterTagger(nn.Module):
    """Characters of each word through a convolution, beside the word; scores of pairs of tags as a CRF takes them."""

    def __init__(self) -> None:
        super().__init__()
        self.characters, self.words = nn.Embedding(9, 4), nn.Embedding(WORDS, 5, padding_idx=0)
        self.conv = nn.Conv1d(4, 6, 3, padding=1)
        self.rnn = nn.LSTM(11, 4, batch_first=True, bidirectional=True)
        self.tags = nn.Linear(8, 3)
        self.pairs = nn.Parameter(torch.randn(3, 3))

    def forward(self, text: Tensor, spelled: Tensor) -> Any:
        rows, steps, length = spelled.shape
        x = self.characters(spelled.view(rows * steps, length)).transpose(1, 2)
        x = F.max_pool1d(F.relu(self.conv(x)), length).squeeze(2).view(rows, steps, -1)
        o = self.tags(self.rnn(torch.cat([self.words(text), x], -1))[0])
        o = o * (text != 0).unsqueeze(-1).to(o.dtype)
        return o, o.unsqueeze(2) + self.pairs


class Heads(nn.Module):
    """Self-attentive sentences: several weighted means, and the mean and the greatest of the steps that count."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 5, padding_idx=0)
        self.rnn = nn.GRU(5, 4, batch_first=True, bidirectional=True)
        self.first, self.second = nn.Linear(8, 5, bias=False), nn.Linear(5, 3, bias=False)
        self.out = nn.Linear(40, 2)

    def forward(self, text: Tensor) -> Any:
        o, _ = self.rnn(self.words(text))
        counts = (text != 0).unsqueeze(-1)
        heads = F.softmax(self.second(torch.tanh(self.first(o))), dim=1).transpose(1, 2)
        mean = (o * counts).sum(1) / counts.sum(1).clamp(min=1)
        most = o.masked_fill(~counts, float("-inf")).max(1).values
        return self.out(torch.cat([(heads @ o).reshape(o.size(0), -1), mean, most], 1)), heads


class Bridge(nn.Module):
    """The states of both directions of two layers, joined for a decoder, which says the parts of a mixture."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.GRU(FEATURES, 4, 2, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(8, 5)
        self.decoder = nn.GRU(FEATURES, 5, 2, batch_first=True)
        self.out = nn.Linear(5, 15)

    def forward(self, x: Tensor, y: Tensor) -> Any:
        _, h = self.encoder(x)
        h = h.view(2, 2, x.size(0), 4)
        o, _ = self.decoder(y, torch.tanh(self.bridge(torch.cat([h[:, 0], h[:, 1]], dim=2))))
        shares, means, widths = torch.split(self.out(o), [3, 6, 6], -1)
        return (
            F.softmax(shares, -1),
            means.view(*means.shape[:2], 3, 2),
            F.softplus(widths).view(*widths.shape[:-1], 3, 2),
        )


POOLED_IN: Mapping[str, tuple[Callable[[], nn.Module], Callable[[], Any]]] = {
    "characters": (CharacterTagger, lambda: (words(), torch.randint(0, 9, (BATCH, TIME, 5)))),
    "heads": (Heads, lambda: words()),
    "bridge": (Bridge, lambda: (series(), series(5))),
}
