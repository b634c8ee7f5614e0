"""More models of words as people write them in torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ._zoo import BATCH, FEATURES, TIME, WORDS


def words(steps: int = TIME) -> Tensor:
    return torch.randint(1, WORDS, (BATCH, steps))


def series(steps: int = TIME) -> Tensor:
    return torch.randn(BATCH, steps, FEATURES)


class LSTMClassifierPacked(nn.Module):
    """Words of several lengths, packed; the last states of both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(WORDS, 5, padding_idx=0)
        self.rnn = nn.LSTM(5, 6, 2, batch_first=True, bidirectional=True, dropout=0.2)
        self.fc = nn.Linear(12, 2)
        self.drop = nn.Dropout(0.3)

    def forward(self, text: Tensor, lens: Tensor) -> Any:
        e = self.drop(self.emb(text))
        p = pack_padded_sequence(e, lens.cpu(), batch_first=True, enforce_sorted=False)
        _, (h, _) = self.rnn(p)
        h = self.drop(torch.cat((h[-2, :, :], h[-1, :, :]), dim=1))
        return self.fc(h)


class BahdanauSeq2Seq(nn.Module):
    """A decoder in a loop that is fed the target, with additive attention."""

    def __init__(self) -> None:
        super().__init__()
        self.e1 = nn.Embedding(WORDS, 5)
        self.e2 = nn.Embedding(WORDS, 5)
        self.enc = nn.GRU(5, 6, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(12, 6)
        self.attn = nn.Linear(18, 6)
        self.v = nn.Linear(6, 1, bias=False)
        self.dec = nn.GRU(17, 6, batch_first=True)
        self.out = nn.Linear(23, WORDS)

    def attention(self, h: Tensor, enc: Tensor) -> Any:
        h = h.unsqueeze(1).repeat(1, enc.shape[1], 1)
        e = torch.tanh(self.attn(torch.cat((h, enc), dim=2)))
        return F.softmax(self.v(e).squeeze(2), dim=1)

    def forward(self, src: Tensor, trg: Tensor) -> Any:
        enc, h = self.enc(self.e1(src))
        h = torch.tanh(self.fc(torch.cat((h[-2], h[-1]), dim=1)))
        rows, steps = trg.shape
        outs = torch.zeros(rows, steps, WORDS)
        x = trg[:, 0]
        for t in range(1, steps):
            emb = self.e2(x).unsqueeze(1)
            a = self.attention(h, enc).unsqueeze(1)
            w = torch.bmm(a, enc)
            o, hh = self.dec(torch.cat((emb, w), dim=2), h.unsqueeze(0))
            h = hh.squeeze(0)
            pred = self.out(torch.cat((o.squeeze(1), w.squeeze(1), emb.squeeze(1)), dim=1))
            outs[:, t] = pred
            x = trg[:, t]
        return outs


class GreedyDecoder(nn.Module):
    """A decoder that is fed what it has said."""

    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Embedding(WORDS, 5)
        self.enc = nn.LSTM(5, 6, batch_first=True)
        self.cell = nn.LSTMCell(5, 6)
        self.out = nn.Linear(6, WORDS)

    def forward(self, src: Tensor) -> Any:
        _, (h, c) = self.enc(self.e(src))
        h, c = h[0], c[0]
        x = torch.ones(src.size(0), dtype=torch.long)
        res = []
        for _ in range(4):
            h, c = self.cell(self.e(x), (h, c))
            o = self.out(h)
            x = o.argmax(1)
            res.append(o)
        return torch.stack(res, 1)


class SequenceVAE(nn.Module):
    """Noise from outside; a divergence of each row."""

    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Embedding(WORDS, 5)
        self.enc = nn.GRU(5, 6, batch_first=True)
        self.mu = nn.Linear(6, 3)
        self.lv = nn.Linear(6, 3)
        self.h = nn.Linear(3, 6)
        self.dec = nn.GRU(5, 6, batch_first=True)
        self.o = nn.Linear(6, WORDS)

    def forward(self, x: Tensor, eps: Tensor) -> Any:
        e = self.e(x)
        _, h = self.enc(e)
        h = h.squeeze(0)
        mu, lv = self.mu(h), self.lv(h)
        z = mu + eps * torch.exp(0.5 * lv)
        d, _ = self.dec(e, torch.tanh(self.h(z)).unsqueeze(0))
        kl = -0.5 * torch.sum(1 + lv - mu.pow(2) - lv.exp(), dim=1)
        return self.o(d), mu, lv, kl


class BiLSTMLastStates(nn.Module):
    """The last step forwards, the first backwards."""

    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Embedding(WORDS, 5, padding_idx=0)
        self.r = nn.LSTM(5, 6, bidirectional=True, batch_first=True)
        self.f = nn.Linear(12, 1)

    def forward(self, x: Tensor) -> Any:
        o, _ = self.r(self.e(x))
        f = o[:, -1, :6]
        b = o[:, 0, 6:]
        return torch.sigmoid(self.f(torch.cat((f, b), 1))).squeeze(1)


class HAN(nn.Module):
    """A context vector."""

    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Embedding(WORDS, 5)
        self.g = nn.GRU(5, 4, bidirectional=True, batch_first=True)
        self.W = nn.Linear(8, 8)
        self.u = nn.Parameter(torch.randn(8, 1))
        self.f = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Any:
        o, _ = self.g(self.e(x))
        a = F.softmax(torch.matmul(torch.tanh(self.W(o)), self.u), dim=1)
        return self.f((o * a).sum(1)), a.squeeze(-1)


class Siamese(nn.Module):
    """One encoder twice; Manhattan distance."""

    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Embedding(WORDS, 5)
        self.l = nn.LSTM(5, 6, batch_first=True)

    def enc(self, x: Tensor) -> Any:
        return self.l(self.e(x))[1][0].squeeze(0)

    def forward(self, a: Tensor, b: Tensor) -> Any:
        a, b = self.enc(a), self.enc(b)
        return torch.exp(-torch.norm(a - b, p=1, dim=1)), F.cosine_similarity(a, b)


class Transformer(nn.Module):
    """A causal encoder with positions."""

    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Embedding(WORDS, 8)
        self.t = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False
        )
        self.f = nn.Linear(8, WORDS)
        pe = torch.zeros(20, 8)
        pos = torch.arange(20).unsqueeze(1)
        d = torch.exp(torch.arange(0, 8, 2) * (-9.2 / 8))
        pe[:, 0::2] = torch.sin(pos * d)
        pe[:, 1::2] = torch.cos(pos * d)
        self.register_buffer("pe", pe.unsqueeze(0))

    def forward(self, x: Tensor) -> Any:
        m = torch.triu(torch.full((x.size(1), x.size(1)), float("-inf")), 1)
        return self.f(self.t(self.e(x) * 8**0.5 + self.pe[:, : x.size(1)], mask=m))


class WaveNetish(nn.Module):
    """Gated causal convolutions with skips."""

    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Embedding(WORDS, 4)
        self.cs = nn.ModuleList([nn.Conv1d(4, 8, 2, dilation=d) for d in (1, 2)])
        self.rs = nn.ModuleList([nn.Conv1d(4, 4, 1) for _ in range(2)])
        self.o = nn.Conv1d(4, WORDS, 1)

    def forward(self, x: Tensor) -> Any:
        h = self.e(x).transpose(1, 2)
        skip = 0
        for i, (c, r) in enumerate(zip(self.cs, self.rs, strict=True)):
            a = c(F.pad(h, (2**i, 0)))
            t, g = a.chunk(2, 1)
            z = r(torch.tanh(t) * torch.sigmoid(g))
            skip = skip + z
            h = h + z
        return self.o(F.relu(skip)).transpose(1, 2)


class SortedPacked(nn.Module):
    """Rows sorted by length, and put back."""

    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Embedding(WORDS, 5)
        self.r = nn.GRU(5, 6, batch_first=True)
        self.f = nn.Linear(6, 3)

    def forward(self, x: Tensor, n: Tensor) -> Any:
        n, idx = n.sort(0, descending=True)
        _, un = idx.sort(0)
        x = x[idx]
        p = pack_padded_sequence(self.e(x), n.cpu(), batch_first=True)
        _, h = self.r(p)
        h = h[-1]
        return self.f(h[un])


class SortedPackedIndexSelect(nn.Module):
    """The same with index_select and argsort."""

    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Embedding(WORDS, 5)
        self.r = nn.LSTM(5, 6, batch_first=True)
        self.f = nn.Linear(6, 3)

    def forward(self, x: Tensor, n: Tensor) -> Any:
        sl, idx = torch.sort(n, descending=True)
        x = x.index_select(0, idx)
        p = pack_padded_sequence(self.e(x), sl.cpu(), batch_first=True)
        o, (h, _) = self.r(p)
        o, _ = pad_packed_sequence(o, batch_first=True, total_length=7)
        un = torch.argsort(idx)
        return self.f(o.index_select(0, un)), h[-1][un]


class DataShare(nn.Module):
    """`.data =` of another module's weight."""

    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Embedding(WORDS, 6)
        self.r = nn.LSTM(6, 6, batch_first=True)
        self.o = nn.Linear(6, WORDS)
        self.o.weight.data = self.e.weight.data

    def forward(self, x: Tensor) -> Any:
        return self.o(self.r(self.e(x))[0])


class PointerNet(nn.Module):
    """Scores of a decoder over an encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Embedding(WORDS, 5)
        self.enc = nn.LSTM(5, 6, batch_first=True)
        self.dec = nn.LSTM(5, 6, batch_first=True)
        self.w1 = nn.Linear(6, 6, bias=False)
        self.w2 = nn.Linear(6, 6, bias=False)
        self.v = nn.Linear(6, 1, bias=False)

    def forward(self, x: Tensor, y: Tensor) -> Any:
        e, hc = self.enc(self.e(x))
        d, _ = self.dec(self.e(y), hc)
        sc = self.v(torch.tanh(self.w1(e).unsqueeze(1) + self.w2(d).unsqueeze(2))).squeeze(-1)
        sc = sc.masked_fill((x == 0).unsqueeze(1), -1e9)
        return sc.log_softmax(-1)


WORDS_IN: Mapping[str, tuple[Callable[[], nn.Module], Callable[[], Any]]] = {
    "packed classifier": (LSTMClassifierPacked, lambda: (words(), torch.tensor([7, 5, 3]))),
    "teacher forcing": (BahdanauSeq2Seq, lambda: (words(), words(5))),
    "greedy decoder": (GreedyDecoder, lambda: words()),
    "vae": (SequenceVAE, lambda: (words(), torch.randn(BATCH, 3))),
    "both ends": (BiLSTMLastStates, lambda: words()),
    "attention of words": (HAN, lambda: words()),
    "siamese": (Siamese, lambda: (words(), words())),
    "language model": (Transformer, lambda: words()),
    "wavenet": (WaveNetish, lambda: words()),
    "sorted rows": (SortedPacked, lambda: (words(), torch.tensor([5, 7, 3]))),
    "sorted by index_select": (SortedPackedIndexSelect, lambda: (words(), torch.tensor([5, 7, 3]))),
    "shared data": (DataShare, lambda: words()),
    "pointers": (PointerNet, lambda: (words(), words(4))),
}
