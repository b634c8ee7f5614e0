"""More models of series, sounds and images as people write them in torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._patterns import series, words
from ._zoo import BATCH, FEATURES, TIME, WORDS


class CNNLSTM(nn.Module):
    """Frames as rows of a CNN, then an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        self.rnn = nn.LSTM(27, 6, batch_first=True)
        self.fc = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Any:
        b, t, c, h, w = x.shape
        f = self.cnn(x.view(b * t, c, h, w)).view(b, t, -1)
        _, (hn, _) = self.rnn(f)
        return self.fc(hn[-1])


class Chomp1d(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: Tensor) -> Any:
        return x[:, :, : -self.n].contiguous()


class TCN(nn.Module):
    """Causal convolutions, cut at the end."""

    class Block(nn.Module):
        def __init__(self, i: int, o: int, k: int, d: int) -> None:
            super().__init__()
            p = (k - 1) * d
            self.net = nn.Sequential(
                nn.Conv1d(i, o, k, padding=p, dilation=d),
                Chomp1d(p),
                nn.ReLU(),
                nn.Dropout(0.2),
                nn.Conv1d(o, o, k, padding=p, dilation=d),
                Chomp1d(p),
                nn.ReLU(),
                nn.Dropout(0.2),
            )
            self.down = nn.Conv1d(i, o, 1) if i != o else None
            self.relu = nn.ReLU()

        def forward(self, x: Tensor) -> Any:
            r = x if self.down is None else self.down(x)
            return self.relu(self.net(x) + r)

    def __init__(self) -> None:
        super().__init__()
        self.n = nn.Sequential(TCN.Block(4, 6, 2, 1), TCN.Block(6, 6, 2, 2))
        self.l = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Any:
        return self.l(self.n(x)[:, :, -1])


class AudioConvGRU(nn.Module):
    """Sound: strided convolutions, a GRU, the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Sequential(
            nn.Conv1d(1, 4, 5, stride=2),
            nn.BatchNorm1d(4),
            nn.GELU(),
            nn.Conv1d(4, 6, 3, stride=2, padding=1),
            nn.ELU(),
        )
        self.g = nn.GRU(6, 5, 2, bidirectional=True, batch_first=True)
        self.f = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Any:
        o, _ = self.g(self.c(x).transpose(1, 2))
        return F.log_softmax(self.f(o.mean(dim=1)), -1)


class SpectroCRNN(nn.Module):
    """A spectrogram: its frequencies as features."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(1, 3, 3, padding=1)
        self.bn = nn.BatchNorm2d(3)
        self.p = nn.MaxPool2d((2, 1))
        self.g = nn.GRU(12, 5, batch_first=True, bidirectional=True)
        self.f = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Any:
        x = self.p(F.relu(self.bn(self.c(x))))
        x = x.permute(0, 3, 1, 2)
        x = x.reshape(x.size(0), x.size(1), -1)
        _, h = self.g(x)
        h = h.view(1, 2, x.size(0), 5)[-1]
        return torch.sigmoid(self.f(torch.cat([h[0], h[1]], -1)))


class LSTMAutoencoder(nn.Module):
    """The last state, repeated."""

    def __init__(self) -> None:
        super().__init__()
        self.e = nn.LSTM(FEATURES, 5, batch_first=True)
        self.d = nn.LSTM(5, 5, batch_first=True)
        self.o = nn.Linear(5, FEATURES)

    def forward(self, x: Tensor) -> Any:
        _, (h, _) = self.e(x)
        z = h[-1].unsqueeze(1).repeat(1, x.size(1), 1)
        y, _ = self.d(z)
        return self.o(y)


class CellLoop(nn.Module):
    """Two cells over the parts of x.split(1)."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.LSTMCell(FEATURES, 5)
        self.b = nn.LSTMCell(5, 5)
        self.l = nn.Linear(5, 1)
        self.future = 3

    def forward(self, x: Tensor) -> Any:
        n = x.size(0)
        h = torch.zeros(n, 5, dtype=x.dtype)
        c = torch.zeros(n, 5, dtype=x.dtype)
        h2 = torch.zeros(n, 5)
        c2 = torch.zeros(n, 5)
        o = []
        for xt in x.split(1, dim=1):
            h, c = self.a(xt.squeeze(1), (h, c))
            h2, c2 = self.b(h, (h2, c2))
            o.append(self.l(h2))
        return torch.cat(o, dim=1)


class LSTNet(nn.Module):
    """A convolution, a GRU, and a linear part by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(1, 5, (3, FEATURES))
        self.g = nn.GRU(5, 6)
        self.skip = nn.GRU(5, 3)
        self.l = nn.Linear(6, FEATURES)
        self.hw = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Any:
        c = F.relu(self.c(x.unsqueeze(1))).squeeze(3)
        r = c.permute(2, 0, 1).contiguous()
        _, r = self.g(r)
        r = r.squeeze(0)
        res = self.l(r)
        z = x[:, -3:, :].permute(0, 2, 1).contiguous().view(-1, 3)
        z = self.hw(z).view(-1, FEATURES)
        return torch.tanh(res + z)


class Unfold(nn.Module):
    """Windows of steps."""

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.LSTM(12, 5, batch_first=True)

    def forward(self, x: Tensor) -> Any:
        w = x.unfold(1, 3, 1)
        return self.l(w.flatten(2))[0]


class ScatterAdd(nn.Module):
    """Attention summed up by word."""

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.GRU(FEATURES, 5, batch_first=True)
        self.a = nn.Linear(5, 1)

    def forward(self, x: Tensor, ids: Tensor) -> Any:
        o, _ = self.l(x)
        a = F.softmax(self.a(o).squeeze(-1), 1)
        return torch.zeros(x.size(0), WORDS).scatter_add(1, ids, a)


class ScatterAddInPlace(nn.Module):
    """A pointer-generator: attention is added to words."""

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.GRU(FEATURES, 5, batch_first=True)
        self.a = nn.Linear(5, 1)
        self.g = nn.Linear(5, WORDS)

    def forward(self, x: Tensor, ids: Tensor) -> Any:
        o, _ = self.l(x)
        a = F.softmax(self.a(o).squeeze(-1), 1)
        p = F.softmax(self.g(o[:, -1]), -1) * 0.5
        p.scatter_add_(1, ids, a * 0.5)
        return torch.log(p + 1e-9)


class DeepAR(nn.Module):
    """One LSTM over the past, then over the future."""

    def __init__(self) -> None:
        super().__init__()
        self.r = nn.LSTM(FEATURES, 6, 2, batch_first=True)
        self.mu = nn.Linear(6, 1)
        self.sig = nn.Linear(6, 1)

    def forward(self, x: Tensor, f: Tensor) -> Any:
        _, (h, c) = self.r(x)
        d, _ = self.r(F.pad(f, (0, 2)), (h, c))
        return self.mu(d).squeeze(-1), F.softplus(self.sig(d)).squeeze(-1) + 1e-6


SIGNALS_IN: Mapping[str, tuple[Callable[[], nn.Module], Callable[[], Any]]] = {
    "frames": (CNNLSTM, lambda: torch.randn(BATCH, 5, 1, 8, 8)),
    "tcn": (TCN, lambda: torch.randn(BATCH, FEATURES, TIME)),
    "audio": (AudioConvGRU, lambda: torch.randn(BATCH, 1, 32)),
    "spectrogram": (SpectroCRNN, lambda: torch.randn(BATCH, 1, 8, 12)),
    "autoencoder": (LSTMAutoencoder, lambda: series()),
    "cells": (CellLoop, lambda: series()),
    "lstnet": (LSTNet, lambda: series()),
    "windows": (Unfold, lambda: series(8)),
    "counted": (ScatterAdd, lambda: (series(), words())),
    "copying": (ScatterAddInPlace, lambda: (series(), words())),
    "forecast": (DeepAR, lambda: (series(), torch.randn(BATCH, 5, 2))),
}
