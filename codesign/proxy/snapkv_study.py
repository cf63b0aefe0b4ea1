"""What cutting the KV cache costs a proxy, where it can cost anything: a check first, then a table.

    python -m codesign.proxy.snapkv_study --out cost_models/snapkv_measured.yaml

A proxy that predicts as well from the last few tokens as from all of them says nothing of a cut cache, so `check`
comes first: the whole cache must beat the last `budget` positions alone by three standard errors. Proxies on
ordinary text fail it (and the published table is the only source then); the copying proxy passes.
"""

import argparse
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from codesign.proxy import copying, snapkv
from codesign.proxy.engram import Addresses
from codesign.proxy.generation import Reader
from codesign.proxy.kv import Cache
from codesign.proxy.transformer import Transformer

Ids = NDArray[np.int64]
Cut = Callable[[Cache], None]

ERRORS = 3.0  # standard errors that the whole cache must be better by
_BUDGETS, _WINDOWS, _POOLINGS = (32, 64, 128), (8, 16), (1, 3, 5, 7, 9, 13)
_RECENT = 32


@dataclass(frozen=True)
class Check:
    """Bits per token of the answers with the whole cache and with the last positions alone.

    standard_error: of their difference, over sequences.
    """

    whole: float
    recent: float
    standard_error: float

    @property
    def passed(self) -> bool:
        """Whether the proxy uses what stands far back."""
        return self.recent - self.whole > ERRORS * self.standard_error


class Exam:
    """Prompts that are read once, and their answers, judged token by token with caches cut in different ways."""

    def __init__(
        self, model: Transformer, addresses: Addresses, prompts: Ids, answers: Ids, observe: int = 32
    ) -> None:
        self.model, self.answers = model, answers
        self._reader = Reader(model, addresses, observe)
        self._last = self._reader.read(prompts)[:, -1:]

    def bits(self, cut: Cut | None = None) -> NDArray[np.float64]:
        """Bits of each answer token, (sequences, tokens), after the prompt's cache was cut."""
        reader = copy.copy(self._reader)
        reader.cache = copy.deepcopy(self._reader.cache)
        if cut is not None:
            cut(reader.cache)
        states = torch.cat((self._last, reader.read(self.answers[:, :-1])), dim=1)
        with torch.no_grad():
            shares = torch.log_softmax(self.model.logits(states), dim=-1)
        nats = -shares.gather(-1, torch.from_numpy(self.answers).unsqueeze(-1)).squeeze(-1)
        return np.asarray(nats.double().numpy() / np.log(2.0))


def check(exam: Exam, budget: int = _RECENT) -> Check:
    """Whether the last `budget` positions alone are clearly worse than all of them."""
    whole, recent = exam.bits(), exam.bits(lambda cache: snapkv.recent(cache, budget))
    each = (recent - whole).mean(axis=1)
    return Check(float(whole.mean()), float(recent.mean()), float(each.std(ddof=1) / np.sqrt(len(each))))


def table(exams: Sequence[Exam], length: int) -> list[dict[str, Any]]:
    """Bits per answer token that each cut adds, over all exams (one a model): mean and standard error."""
    whole = [exam.bits() for exam in exams]
    rows = []
    for budget in _BUDGETS:
        for window in _WINDOWS:
            for pooling in _POOLINGS:

                def cut(
                    cache: Cache, budget: int = budget, window: int = window, pooling: int = pooling
                ) -> None:
                    snapkv.compress(cache, budget, window, pooling)

                more = [(exam.bits(cut) - full).mean(axis=1) for exam, full in zip(exams, whole, strict=True)]
                each = np.concatenate(more)
                rows.append({
                    "budget": budget, "prompt": length, "window": window, "pooling": pooling,
                    "extra_bits": round(float(each.mean()), 3),
                    "standard_error": round(float(each.std(ddof=1) / np.sqrt(len(each))), 3),
                })  # fmt: skip
    return rows


def copying_exam(recipe: copying.Recipe, seed: int, sequences: int) -> Exam:
    """A freshly trained copying proxy and its exams: spans that began at least 96 tokens before the end."""
    model = copying.train(recipe, seed)
    vocab = model.config.vocab
    prompts, answers = copying.exam(recipe, sequences, 96, np.random.default_rng([seed, 3]))
    return Exam(model, Addresses(model.config, np.arange(vocab), vocab), prompts, answers)


def text_exam(key: str, sequences: int, answer: int = 16) -> Exam:
    """A stored proxy of ordinary text: the end of held-out windows after their beginning."""
    from codesign import corpus, tokenizer
    from codesign.proxy import batches, generation
    from codesign.proxy.store import Store

    store = Store()
    quality, model = store.get(key), generation.load_weights(key, store)
    assert quality is not None
    tokens = tokenizer.encode(None, model.config.vocab)
    split, length = batches.split(tokens), int(quality.details["sequence"])
    addresses = Addresses(model.config, tokens.canonical, tokens.canonical_vocab)
    windows = batches.Windows(split.held_out, split.held_out_positions, length, addresses)
    ids = windows.batch(windows.spread(sequences)).ids.numpy()
    assert quality.details["corpus"] == corpus.describe(None), "only proxies of the bundled text"
    return Exam(model, addresses, ids[:, :-answer], ids[:, -answer:])


def main() -> None:
    """Print the check, and write the table where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1, help="copying proxies to train")
    parser.add_argument("--sequences", type=int, default=128, help="exams of each")
    parser.add_argument("--text", metavar="KEY", help="check a stored proxy of ordinary text instead")
    parser.add_argument("--out", type=Path, help="file of the table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.text:
        exams = [text_exam(options.text, options.sequences)]
    else:
        recipe = copying.Recipe()
        exams = [copying_exam(recipe, seed, options.sequences) for seed in range(options.seeds)]
    checks = [check(exam) for exam in exams]
    for found in checks:
        print(
            f"whole cache {found.whole:.3f}, last {_RECENT} positions {found.recent:.3f} +- "
            f"{found.standard_error:.3f} bits per token: {'passed' if found.passed else 'failed'}"
        )
    if options.out and all(found.passed for found in checks):
        rows = table(exams, recipe.length)
        head = (
            "# Extra bits per symbol that a cut KV cache costs a proxy which must copy spans from far back: the worst\n"
            "# case, since every answer stands in the prompt. Written by python -m codesign.proxy.snapkv_study\n"
            f"# --seeds {options.seeds} --sequences {options.sequences} --out FILE\n"
        )
        body = yaml.safe_dump(
            {"check": [vars(found) for found in checks], "rows": rows},
            sort_keys=False,
            default_flow_style=None,
        )
        options.out.write_text(head + body, encoding="utf-8")


if __name__ == "__main__":
    main()
