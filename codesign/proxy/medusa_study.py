"""Medusa heads of one stored proxy: acceptance by head and rank, and tokens per step as expected and as decoded.

    python -m codesign.proxy.medusa_study KEY --out heads.yaml      # KEY: of a training with kept weights

The file is what `serving.medusa_acceptance` takes. A proxy's heads say how two models compare; the accuracy
of a full-size model's heads is another, so the published tables stay the default.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from codesign import corpus as corpora
from codesign import tokenizer
from codesign.proxy import batches, generation, medusa
from codesign.proxy.engram import Addresses
from codesign.proxy.store import Store
from codesign.proxy.training import Progress
from cost_models import speculation
from cost_models.errors import InputError

_SIZES = (3, 7, 15, 31, 63)


@dataclass(frozen=True)
class Study:
    """correct: (heads, ranks) shares against the held-out text; own: against what the model itself says there.

    rows: of each tree size the tokens per step that either table expects, and what decoding gave.
    """

    key: str
    parameters: int
    judged: int
    correct: list[list[float]]
    own: list[list[float]]
    rows: list[dict[str, float]]

    def acceptance(self) -> str:
        """The text of an acceptance file, of the shares against the text."""
        entry = {
            "parameters": float(self.parameters),
            "source": f"heads on proxy {self.key}, {self.judged:,} held-out tokens; a figure to compare models by",
            "correct": [[round(share, 5) for share in row] for row in self.correct],
        }
        return yaml.safe_dump(
            {"tables": {f"proxy-{self.key[:8]}": entry}}, sort_keys=False, default_flow_style=None
        )


def study(
    key: str,
    heads: int = 5,
    steps: int = 400,
    prompts: int = 8,
    corpus: Any = None,
    store: Store | None = None,
    progress: Progress | None = None,
) -> Study:
    """Train heads on a stored proxy, judge them on held-out text, and decode `prompts` continuations.

    Raises InputError where the proxy has no weights, or the text is not the one it was trained on.
    """
    results = store or Store()
    quality, model = results.get(key), generation.load_weights(key, results)
    assert quality is not None
    if quality.details["corpus"] != corpora.describe(corpus):
        raise InputError(f"{key}: was trained on another text; name it with --text")
    tokens = tokenizer.encode(corpus, model.config.vocab)
    split, length = batches.split(tokens), int(quality.details["sequence"])
    addresses = Addresses(model.config, tokens.canonical, tokens.canonical_vocab)
    train = batches.Windows(split.train, split.train_positions, length, addresses)
    held_out = batches.Windows(split.held_out, split.held_out_positions, length, addresses)
    steps = min(steps, train.count // 4)
    trained = medusa.train(model, train, heads, steps, progress=progress)
    correct, judged = medusa.acceptance(model, trained, held_out)
    own, _ = medusa.acceptance(model, trained, held_out, own=True)
    text_table, own_table = _table(correct), _table(own)
    starts = held_out.batch(held_out.spread(prompts)).ids[:, : length // 4].numpy()
    rows = []
    for size in _SIZES:
        tree = speculation.tree(own_table, size)
        deepest = max(len(path) for path in tree)
        ahead = length - starts.shape[1] - deepest - 1
        decoded = [medusa.decode(model, addresses, start.tolist(), ahead, trained, tree) for start in starts]
        rows.append({
            "guesses": len(tree), "expected_on_text": speculation.expected_tokens(text_table, tree),
            "expected_on_own": speculation.expected_tokens(own_table, tree),
            "decoded": sum(len(d.ids) for d in decoded) / sum(d.steps for d in decoded),
        })  # fmt: skip
    return Study(key, model.config.parameters(), judged, correct.tolist(), own.tolist(), rows)


def _table(correct: NDArray[np.float64]) -> speculation.Acceptance:
    guesses = tuple(tuple(float(x) for x in np.diff([0.0, *row])) for row in correct)
    return speculation.Acceptance("measured", "", 1.0, guesses)


def main() -> None:
    """Print the shares and the table of tree sizes; write the acceptance file where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("key", help="of a stored training with weights")
    parser.add_argument("--heads", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400, help="of training the heads")
    parser.add_argument("--text", metavar="PATH", help="the text that the proxy was trained on")
    parser.add_argument("--out", type=Path, help="acceptance file for serving.medusa_acceptance")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = study(options.key, options.heads, options.steps, corpus=options.text)
    print("head  right among the first 1 / 2 / 3 / 5 / 10 guesses, of the text (of the model's own tokens)")
    for head, (text, own) in enumerate(zip(found.correct, found.own, strict=True)):
        said = " ".join(f"{text[rank - 1]:.3f} ({own[rank - 1]:.3f})" for rank in (1, 2, 3, 5, 10))
        print(f"{head:4}  {said}")
    print("guesses  tokens per step: expected on text, on own tokens, decoded")
    for row in found.rows:
        print(
            f"{row['guesses']:7.0f}  {row['expected_on_text']:.2f}  {row['expected_on_own']:.2f}  {row['decoded']:.2f}"
        )
    if options.out:
        options.out.write_text(found.acceptance(), encoding="utf-8")


if __name__ == "__main__":
    main()
