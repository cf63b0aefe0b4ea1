"""The document of `codesign traffic`: how a text reads the tables of a model, and what holds them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign.traffic.layout import blocks, layouts
from codesign.traffic.reuse import reuse_times
from codesign.traffic.rows import head_rows
from codesign.traffic.sizing import sizes
from codesign.traffic.source import Progress, Source
from codesign.traffic.statistics import coverage, distinct_share, growth, skew
from codesign.traffic.stream import ngram_keys
from cost_models import tables
from cost_models.design import Model
from cost_models.replacement import POLICIES
from cost_models.traffic import Profile

ENOUGH_TOKENS = 4_000_000
CHUNK_TOKENS = 8192
CACHE_SHARES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # of the rows of all tables
CACHE_SEQUENCES = (1, 64, 512)
_PINNED_SHARES = (0.001, 0.01, 0.1)
_DRAW_ERROR = 0.007  # of a hit rate; another text of the same kind is then 0.01 away
_REPEATED = 0.25  # distinct 5-grams per token; prose has 0.9, code 0.5, a page said over and over near 0


def document(
    source: Source, profile: Profile, model: Model, placement: bool = True, progress: Progress | None = None
) -> dict[str, Any]:
    """Plain data in the form of `codesign traffic --json`.

    `layers` has one entry per Engram layer and order; `cache_rows` counts rows of one LRU cache that all tables
    of the model share, `rate` the hits per read before deduplication.
    """
    engram = model.engram
    assert engram is not None
    say = progress or (lambda line: None)
    stream = source.stream
    keys = dict(ngram_keys(stream, tables.orders(engram)))
    per_order = {}
    for order, each in keys.items():
        say(f"statistics of {order}-grams")
        _, first = reuse_times(each, np.arange(stream.tokens))
        per_order[order] = {"distinct_ngrams": int(first.size), "growth": growth(first, stream.tokens)}
    caches = _caches(source, profile, model)
    answer: dict[str, Any] = {
        "text": source.name,
        "tokens": stream.tokens,
        "documents": source.documents,
        "requests": stream.requests,
        "share_of_text": source.share,
        "tokenizer": source.tokenizer,
        "canonical_vocab": source.canonical_vocab,
        "model": model.name,
        "warnings": warnings(source, profile),
        "layers": _layers(source, model, caches, per_order, say),
        "caches": caches["all"],
        "sizes": sizes(stream, profile, model, 64 if profile.sequences[-1] >= 64 else 1),
        "blocks": None,
        "layouts": None,
    }
    if placement:
        say("placement of rows in blocks")
        answer["blocks"] = blocks(stream, model)
        answer["layouts"] = layouts(stream, model, profile)
    return answer


def warnings(source: Source, profile: Profile) -> list[str]:
    """Why the figures may not hold; empty for a long natural text."""
    found = []
    stream = source.stream
    if stream.tokens < ENOUGH_TOKENS:
        found.append(
            f"{stream.tokens:,} tokens are fewer than {ENOUGH_TOKENS:,}: hit rates of caches larger than what this "
            "text fills follow an extrapolated tail"
        )
    _, keys = next(ngram_keys(stream, (5,)))
    distinct = reuse_times(keys, np.arange(stream.tokens))[1].size / max(1, stream.tokens)
    if distinct < _REPEATED:
        found.append(
            f"only {distinct:.2f} distinct 5-grams per token: the text repeats itself (filler or duplicates), and "
            "real traffic will hit far less"
        )
    error = max(profile.about.get("draw_error", [0.0]))
    if error > _DRAW_ERROR:
        found.append(
            f"the {source.documents:,} documents differ so much that another draw of as many would move hit rates by "
            f"about {1.4 * error:.3f}; give more documents"
        )
    if profile.sequences[-1] < 512:
        found.append(
            f"{stream.requests} requests: batches beyond {profile.sequences[-1]} sequences are taken as that many"
        )
    return found


def _caches(source: Source, profile: Profile, model: Model) -> dict[str, Any]:
    """Hit rates of shared caches: by (order) for the layers, and as a whole with warm-up and writes."""
    M = tables.rows(model)
    sets, _, heads = M.shape
    columns = [(n, float(M[:, i].mean()), sets * heads) for i, n in enumerate(tables.orders(model.engram))]  # type: ignore[arg-type]
    total = float(M.sum())
    by_order: dict[int, list[dict[str, Any]]] = {order: [] for order, _, _ in columns}
    whole = []
    request = source.stream.tokens / max(1, source.stream.requests)
    policies = POLICIES if profile.s3_fifo else POLICIES[:1]
    for share in CACHE_SHARES:
        rows = int(share * total)
        for sequences in CACHE_SEQUENCES:
            for policy in policies:
                each = 1 - profile.miss_ratio(columns, rows, sequences, policy=policy)
                for order, rate in zip(by_order, each, strict=True):
                    entry = {
                        "cache_rows": rows,
                        "policy": policy,
                        "rate": float(rate),
                        "sequences": sequences,
                    }
                    by_order[order].append(entry)
            miss = profile.miss_ratio(columns, rows, sequences)
            first = profile.miss_ratio(columns, rows, sequences, served=request)
            fill = float(profile.eviction_time(columns, rows, sequences))
            other = profile.miss_ratio(columns, rows, sequences, policy=policies[-1])
            whole.append(
                {
                    "cache_rows": rows, "share_of_rows": share, "sequences": sequences,
                    "hit_rate_warm": float(1 - miss.mean()),
                    "hit_rate_s3_fifo": float(1 - other.mean()) if profile.s3_fifo else None,
                    "hit_rate_first_request": float(1 - first.mean()),
                    "requests_until_warm": fill / request if np.isfinite(fill) else None,
                    "row_writes_per_token": float(miss.mean() * M.size),
                    "write_bytes_per_token": float(miss.mean() * M.size * tables.row_bytes(model)),
                }
            )  # fmt: skip
    return {"by_order": by_order, "all": whole}


def _layers(
    source: Source, model: Model, caches: dict[str, Any], per_order: dict[int, Any], say: Progress
) -> list[dict[str, Any]]:
    engram, stream = model.engram, source.stream
    assert engram is not None
    past, new = stream.held_out(0.3)
    chunk = np.arange(stream.tokens) // CHUNK_TOKENS
    request = np.repeat(np.arange(stream.requests), np.diff(stream.starts))
    found = []
    for layer in range(tables.sets(engram)):
        say(f"rows of Engram layer {layer + 1} of {tables.sets(engram)}")
        slots = tables.slots_per_head(model)
        where = (engram, layer)
        rows = head_rows(stream, *where, 0, source.canonical_vocab, slots)
        old, fresh = (head_rows(part, *where, 0, source.canonical_vocab, slots) for part in (past, new))
        distinct = np.zeros(rows.shape[1], dtype=np.int64)
        for head in range(engram.heads):
            each = rows if head == 0 else head_rows(stream, *where, head, source.canonical_vocab, slots)
            distinct += [_distinct(each[:, i]) for i in range(rows.shape[1])]
        for i, order in enumerate(tables.orders(engram)):
            unique = int(distinct[i])
            table = int(tables.rows(model)[layer, i, 0])
            found.append(
                {
                    "layer": engram.layer_ids[layer] if engram.layer_ids else None,
                    "order": order,
                    "heads": engram.heads,
                    "rows": int(tables.rows(model)[layer, i].sum()),
                    "reads": stream.tokens * engram.heads,
                    "unique_rows": unique,
                    "unique_fraction": unique / (stream.tokens * engram.heads),
                    "unique_fraction_per_chunk": distinct_share(chunk, rows[:, i]),
                    "unique_fraction_per_request": distinct_share(request, rows[:, i]),
                    **skew(rows[:, i]),
                    "pinned": coverage(old[:, i], fresh[:, i], table, _PINNED_SHARES),
                    **per_order[order],
                    "hit_rate": caches["by_order"][order],
                }
            )
    return found


def _distinct(ids: NDArray[np.int64]) -> int:
    ordered = np.sort(ids)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1]) + min(1, ids.size))


def _gb(size: float | None) -> str:
    from codesign.plaintext import number

    return number(None if size is None else size / 1e9)


def text(answer: dict[str, Any], share: Sequence[float] = (0.001, 0.01, 0.1)) -> str:
    """The document in words and tables."""
    from codesign.plaintext import count, number, table

    lines = [
        f"{answer['text']}: {count(answer['tokens'])} tokens in {answer['requests']:,} requests "
        f"({answer['documents']:,} documents), {answer['tokenizer']}, "
        f"{answer['canonical_vocab']:,} canonical ids; tables of {answer['model']}",
        *(f"warning: {line}" for line in answer["warnings"]),
        "",
        "Reads by layer and order (unique: distinct rows per read in the text, a chunk of 8192 tokens, a request; "
        "pinned: hits of the hottest 0.1 %, 1 %, 10 % of rows on documents not counted)",
        table(
            ("layer", "order", "unique", "chunk", "request", "Zipf", "pinned 0.1 %", "1 %", "10 %"),
            [
                (
                    str(row["layer"]), str(row["order"]), number(row["unique_fraction"]),
                    number(row["unique_fraction_per_chunk"]), number(row["unique_fraction_per_request"]),
                    number(row["zipf_exponent"]), *(number(pin["hit_rate"]) for pin in row["pinned"]),
                )
                for row in answer["layers"]
            ],
        ),
        "",
        "Hits of a warm cache that all tables share (first: LRU on the first request after a start)",
        table(
            ("share of rows", "sequences", "rows", "LRU", "S3-FIFO", "first", "requests until warm", "writes a token"),
            [
                (
                    f"{row['share_of_rows']:.1%}", str(row["sequences"]), count(row["cache_rows"]),
                    number(row["hit_rate_warm"]), number(row["hit_rate_s3_fifo"]),
                    number(row["hit_rate_first_request"]), count(row["requests_until_warm"]),
                    number(row["row_writes_per_token"]),
                )
                for row in answer["caches"]
            ],
        ),
    ]  # fmt: skip
    lines += [
        "",
        f"Size of such a cache for a share of hits, {answer['sizes'][0]['sequences']} sequences (miniature: LRU, "
        "replayed on a sample of this text alone, where every first read is a miss)",
        table(
            ("hits", "LRU GB", "S3-FIFO GB", "LRU rows", "miniature"),
            [
                (
                    f"{row['hit_rate']:.0%}", _gb(row["cache_bytes"]), _gb(row["s3_fifo_bytes"]),
                    count(row["cache_rows"]), count(row["miniature_rows"]),
                )
                for row in answer["sizes"]
            ],
        ),
    ]  # fmt: skip
    if answer["blocks"]:
        lines += [
            "",
            f"Useful share of a {answer['blocks']['bytes']:,}-byte block read, on documents not counted",
        ]
        names = ("as_hashed", "by_frequency", "by_first_access", "by_co_access")
        rows = [
            (order, *(number(each[name]) for name in names))
            for order, each in answer["blocks"]["order"].items()
        ]
        lines.append(table(("order", *(name.replace("_", " ") for name in names)), rows))
        lines += [
            "",
            "Block reads per row read behind a cache of 5 % of the rows, rows placed by co-access: none, all, or those "
            "companions admitted that were read more than t times (t by a miniature cache)",
            table(
                ("order", "none", "all", "best", "t"),
                [
                    (
                        order,
                        number(each["none"]),
                        number(each["all"]),
                        number(each["best"]),
                        str(each["threshold"]),
                    )
                    for order, each in answer["blocks"]["admission"].items()
                ],
            ),
        ]
        lines += [
            "",
            "SSD reads per token by layout of the hash, without a cache and with 0.1 %, 1 %, 10 % cached",
        ]
        lines.append(
            table(
                ("layout", "no cache", "0.1 %", "1 %", "10 %"),
                [(row["layout"], *(number(x) for x in row["reads_per_token"])) for row in answer["layouts"]],
            )
        )
    return "\n".join(lines)
