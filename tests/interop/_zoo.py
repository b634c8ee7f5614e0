"""Models as people write them in torch, each with an example."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BATCH, TIME, FEATURES, WORDS = 3, 7, 4, 11


class Classifier(nn.Module):
    """Words, a bidirectional LSTM of two layers, its last states."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 6, padding_idx=0)
        self.lstm = nn.LSTM(6, 5, num_layers=2, bidirectional=True, batch_first=True, dropout=0.3)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(10, 3)

    def forward(self, text: Tensor) -> Tensor:
        embedded = self.dropout(self.embedding(text))
        _, (hidden, _) = self.lstm(embedded)
        hidden = torch.cat([hidden[-2], hidden[-1]], dim=1)
        return self.fc(self.dropout(hidden))


class LastOutput(nn.Module):
    """A price of tomorrow: states made of zeros, the last step's output."""

    def __init__(self) -> None:
        super().__init__()
        self.layers, self.units = 2, 5
        self.lstm = nn.LSTM(FEATURES, self.units, self.layers, batch_first=True)
        self.fc = nn.Linear(self.units, 1)

    def forward(self, x: Tensor) -> Tensor:
        h0 = torch.zeros(self.layers, x.size(0), self.units, dtype=x.dtype).to(x.device).requires_grad_()
        c0 = x.new_zeros(self.layers, x.shape[0], self.units)
        out, _ = self.lstm(x, (h0.detach(), c0))
        return self.fc(out[:, -1, :])


class Seq2Seq(nn.Module):
    """An encoder hands its states to a decoder, which is fed the target."""

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(WORDS, 4)
            self.rnn = nn.LSTM(4, 5, num_layers=2, batch_first=True)

        def forward(self, src: Tensor) -> tuple[Tensor, Tensor]:
            _, (hidden, cell) = self.rnn(self.embedding(src))
            return hidden, cell

    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(WORDS, 4)
            self.rnn = nn.LSTM(4, 5, num_layers=2, batch_first=True)
            self.out = nn.Linear(5, WORDS)

        def forward(self, trg: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Any]:
            output, states = self.rnn(self.embedding(trg), (hidden, cell))
            return self.out(output), states

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = self.Encoder(), self.Decoder()

    def forward(self, src: Tensor, trg: Tensor) -> tuple[Tensor, Any]:
        hidden, cell = self.encoder(src)
        return self.decoder(trg, hidden, cell)


class CRNN(nn.Module):
    """Text in an image: convolutions, the width as time, a bidirectional GRU with the time first."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, stride=(2, 1), padding=1),
            nn.LeakyReLU(0.1, inplace=True),
        )
        self.rnn = nn.GRU(12, 5, bidirectional=True)
        self.fc = nn.Linear(10, WORDS)

    def forward(self, image: Tensor) -> Tensor:
        conv = self.cnn(image)
        b, c, h, w = conv.size()
        conv = conv.view(b, c * h, w).permute(2, 0, 1)
        out, _ = self.rnn(conv)
        return F.log_softmax(self.fc(out), dim=2)


class AttentionPooling(nn.Module):
    """Steps weighed by a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(FEATURES, 5, batch_first=True)
        self.score = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1, bias=False))
        self.fc = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        out, _ = self.gru(x)
        weights = torch.softmax(self.score(out).squeeze(-1), dim=1)
        context = torch.bmm(weights.unsqueeze(1), out).squeeze(1)
        return self.fc(context), weights


class LearnedQuery(nn.Module):
    """Attention with a trained vector, scaled."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(FEATURES, 5, bidirectional=True, batch_first=True)
        self.w = nn.Parameter(torch.zeros(10))
        self.scale = nn.Parameter(torch.ones(1))
        self.fc = nn.Linear(10, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.rnn(x)[0]
        alpha = F.softmax(torch.matmul(torch.tanh(h), self.w), dim=1).unsqueeze(-1)
        return torch.sigmoid(self.fc(F.relu((h * alpha).sum(1))) * self.scale)


class ResidualLSTM(nn.Module):
    """Blocks of LSTM, normalization and a shortcut."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(FEATURES)
            self.lstm = nn.LSTM(FEATURES, FEATURES, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            out, _ = self.lstm(self.norm(x))
            return x + F.dropout(out, 0.2, training=self.training)

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([self.Block() for _ in range(3)])
        self.head = nn.Linear(FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(dim=1))


class Tagger(nn.Module):
    """A tag for every word."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 5)
        self.shapes = nn.Embedding(4, 3)
        self.lstm = nn.LSTM(8, 4, batch_first=True, bidirectional=True)
        self.tags = nn.Linear(8, 6)

    def forward(self, words: Tensor, shapes: Tensor) -> Tensor:
        x = torch.cat((self.words(words), self.shapes(shapes)), dim=-1)
        out, _ = self.lstm(x)
        return F.log_softmax(self.tags(out), dim=-1)


class Autoencoder(nn.Module):
    """The last state repeated, and decoded."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.LSTM(FEATURES, 5, batch_first=True)
        self.decoder = nn.LSTM(5, 5, batch_first=True)
        self.output = nn.Linear(5, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        _, (hidden, _) = self.encoder(x)
        code = hidden[-1].unsqueeze(1).repeat(1, x.size(1), 1)
        out, _ = self.decoder(code)
        return self.output(out)


class StackedRelu(nn.Module):
    """nn.RNN of three layers with relu; the mean and the maximum over time."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(FEATURES, 5, 3, nonlinearity="relu", batch_first=True, dropout=0.1)
        self.fc = nn.Linear(10, 2)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.rnn(x)
        mean, (most, _) = out.mean(1), out.max(dim=1)
        return self.fc(torch.cat([mean, most], 1))


class TimeFirst(nn.Module):
    """Everything with the time first, outputs and states."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(FEATURES, 5, 2, bidirectional=True)
        self.fc = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Any:
        out, (h, c) = self.lstm(x)
        return self.fc(out), h, c


class Turned(nn.Module):
    """The batch first outside, the time first inside."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(FEATURES, 5, 2)
        self.fc = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        out, h = self.gru(x.transpose(0, 1))
        return self.fc(out.transpose(0, 1).contiguous()), h.permute(1, 0, 2)


class ConvLSTM(nn.Module):
    """Frames through one CNN, then an LSTM over them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.lstm = nn.LSTM(3, 5, batch_first=True)
        self.fc = nn.Linear(5, 2)

    def forward(self, video: Tensor) -> Tensor:
        batch, frames, c, h, w = video.shape
        x = F.relu(self.conv(video.view(batch * frames, c, h, w)))
        x = self.pool(x).view(batch, frames, -1)
        _, (hn, _) = self.lstm(x)
        return self.fc(hn[-1])


class Speech(nn.Module):
    """1D convolutions over time with strides, a GRU, its last output of both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(FEATURES, 6, 5, stride=2, padding=2), nn.BatchNorm1d(6), nn.GELU(), nn.GroupNorm(2, 6)
        )
        self.gru = nn.GRU(6, 5, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x.transpose(1, 2)).transpose(1, 2)
        out, h = self.gru(x)
        return self.fc(torch.cat((h[0], h[1]), dim=-1)) + out[:, 0, :3]


class Decoder(nn.Module):
    """A loop over the steps with a cell, which starts at states that are trained."""

    def __init__(self) -> None:
        super().__init__()
        self.h0, self.c0 = nn.Parameter(torch.zeros(1, 5)), nn.Parameter(torch.zeros(1, 5))
        self.cell = nn.LSTMCell(FEATURES, 5)
        self.out = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        h, c = self.h0.expand(x.size(0), -1), self.c0.expand(x.size(0), 5)
        steps = []
        for t in range(x.size(1)):
            h, c = self.cell(x[:, t], (h, c))
            steps.append(self.out(h))
        return torch.stack(steps, dim=1)


class GatedTCN(nn.Module):
    """Gates from the halves of a convolution; a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(FEATURES, 2 * FEATURES, 3, padding=2, dilation=2)
        self.skip = nn.Conv1d(FEATURES, FEATURES, 1)
        self.lstm = nn.LSTM(FEATURES, 5, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        x = x.permute(0, 2, 1)
        a, b = self.conv(x).chunk(2, dim=1)
        x = torch.tanh(a) * torch.sigmoid(b) + self.skip(x)
        out, (h, c) = self.lstm(x.permute(0, 2, 1))
        return out, (h, c)


class TwoInputs(nn.Module):
    """A series and what does not change, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(FEATURES, 5, batch_first=True)
        self.static = nn.Linear(3, 5)
        self.fc = nn.Linear(10, 1)

    def forward(self, series: Tensor, static: Tensor, hidden: Tensor | None = None) -> dict[str, Tensor]:
        h0 = torch.tanh(self.static(static)).unsqueeze(0)
        out, _ = self.gru(series, h0 if hidden is None else hidden)
        last = out[:, -1]
        joined = torch.cat([last, last - out.mean(dim=1)], dim=1)
        return {"price": self.fc(joined).squeeze(1), "spread": out.std(dim=1, correction=0)}


class SelfAttention(nn.Module):
    """An LSTM, heads over its outputs, a norm, the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(FEATURES, 6, batch_first=True)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.norm = nn.LayerNorm(6)
        self.fc = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.lstm(x)
        attended, _ = self.attention(out, out, out, need_weights=False)
        return self.fc(self.norm(out + attended).mean(1))


class Luong(nn.Module):
    """Scores between a decoder and an encoder, masked where words are padding; positions are added."""

    positions: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 5)
        self.register_buffer("positions", torch.linspace(-1, 1, TIME * 5).view(1, TIME, 5))
        self.encoder = nn.GRU(5, 5, batch_first=True)
        self.decoder = nn.GRU(FEATURES, 5, batch_first=True)
        self.general = nn.Linear(5, 5, bias=False)

    def forward(self, words: Tensor, x: Tensor) -> Tensor:
        memory, state = self.encoder(self.words(words) + self.positions[:, : words.size(1)])
        out, _ = self.decoder(x, state)
        scores = torch.bmm(out, self.general(memory).transpose(1, 2)) / 5**0.5
        scores = scores.masked_fill(words.eq(0).unsqueeze(1), -1e9)
        context = scores.softmax(-1) @ memory
        return torch.einsum("btf,bsf->bts", context, memory)


def series(*more: int) -> Tensor:
    return torch.randn(BATCH, TIME, *(more or (FEATURES,)))


def words(most: int = WORDS, time: int = TIME) -> Tensor:
    return torch.randint(0, most, (BATCH, time))


# Name -> module, example, options of from_torch.
ZOO: Mapping[str, tuple[Callable[[], nn.Module], Callable[[], Any], Mapping[str, Any]]] = {
    "classifier": (Classifier, lambda: words().clamp(min=1), {}),  # torch does not train the row of 0
    "last output": (LastOutput, series, {}),
    "seq2seq": (Seq2Seq, lambda: (words(), words(time=5)), {}),
    "crnn": (CRNN, lambda: torch.randn(BATCH, 1, 8, 10), {}),
    "attention pooling": (AttentionPooling, series, {}),
    "learned query": (LearnedQuery, series, {}),
    "residual lstm": (ResidualLSTM, series, {}),
    "tagger": (Tagger, lambda: (words(), words(4)), {}),
    "autoencoder": (Autoencoder, series, {}),
    "stacked relu": (StackedRelu, series, {}),
    "time first": (TimeFirst, lambda: torch.randn(TIME, BATCH, FEATURES), {"batch_axis": 1}),
    "turned": (Turned, series, {}),
    "conv lstm": (ConvLSTM, lambda: torch.randn(BATCH, 4, 2, 6, 5), {}),
    "speech": (Speech, series, {}),
    "decoder": (Decoder, series, {}),
    "gated tcn": (GatedTCN, series, {}),
    "two inputs": (TwoInputs, lambda: {"series": series(), "static": torch.randn(BATCH, 3)}, {}),
    "self attention": (SelfAttention, series, {}),
    "luong": (Luong, lambda: (words(), series(FEATURES)), {}),
    "bare lstm": (lambda: nn.LSTM(FEATURES, 5, 2, bidirectional=True, batch_first=True), series, {}),
    "bare gru with states": (
        lambda: nn.GRU(FEATURES, 5, 2, bidirectional=True),
        lambda: (torch.randn(TIME, BATCH, FEATURES), torch.randn(4, BATCH, 5)),
        {"batch_axis": 1},
    ),
    "sequential": (
        lambda: nn.Sequential(nn.Conv1d(FEATURES, 5, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(10, 2)),
        lambda: torch.randn(BATCH, FEATURES, TIME),
        {},
    ),
}
