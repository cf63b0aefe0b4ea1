"""Reading texts of every kind, and the document of `codesign traffic`."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from codesign import traffic
from codesign.traffic.measure import profile
from codesign.traffic.replay import stack_distances
from codesign.traffic.report import warnings
from codesign.traffic.rows import shared_reads
from codesign.traffic.sizing import miniature
from codesign.traffic.source import Source, read
from codesign.traffic.statistics import draw_error
from codesign.traffic.stream import ngram_keys, requests
from cost_models.errors import InputError
from cost_models.traffic import Profile

ENTRY = {"layer", "order", "reads", "unique_rows", "unique_fraction", "zipf_exponent", "hit_rate"}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    random = np.random.default_rng(0)
    words = ["".join(chr(97 + c) for c in random.integers(0, 26, 5)) for _ in range(3000)]
    with gzip.open(folder / "logs.jsonl.gz", "wt") as file:
        for _ in range(60):
            file.write(json.dumps({"text": " ".join(random.choice(words, 700))}) + "\n")
    return folder


def test_the_document_has_what_scripts_rely_on(texts: Path, tmp_path: Path) -> None:
    said: list[str] = []
    out = tmp_path / "my-logs.profile"
    answer = traffic.document([texts / "logs.jsonl.gz"], vocab=1000, out=out, progress=said.append)
    assert answer["documents"] == 60
    assert [(row["layer"], row["order"]) for row in answer["layers"]] == [(1, 2), (1, 3), (14, 2), (14, 3)]
    for row in answer["layers"]:
        assert set(row) >= ENTRY
        assert row["reads"] == 8 * answer["tokens"]
        assert 0 < row["unique_rows"] <= row["reads"]
        assert {entry["policy"] for entry in row["hit_rate"]} >= {"lru"}
        assert all(0 <= entry["rate"] <= 1 for entry in row["hit_rate"])
    assert answer["blocks"]["bytes"] == 4096
    assert [row["hit_rate"] for row in answer["sizes"]] == [0.5, 0.7, 0.8, 0.9]
    admission = answer["blocks"]["admission"]["2"]
    assert admission["best"] <= 1.02 * min(admission["none"], admission["all"])
    assert set(answer["blocks"]["order"]["2"]) >= {"as_hashed", "by_frequency", "by_co_access"}
    reads = {row["layout"]: row["reads_per_token"][0] for row in answer["layouts"]}
    assert reads["independent"] == 32
    assert reads["blocked"] == 4
    assert said
    assert any("fewer than 4,000,000" in line for line in answer["warnings"])
    assert Profile.load(out).orders == (2, 3, 4, 5)
    assert "requests until warm" in traffic.text(answer)


def test_filler_is_recognised() -> None:
    page = np.random.default_rng(0).integers(0, 5000, 2000)
    stream = requests([page] * 50)
    filler = Source(stream, "filler", "ids", 5000, 50, 1.0)
    assert any("repeats itself" in line for line in warnings(filler, profile(stream)))


def test_token_arrays_keep_their_documents(tmp_path: Path) -> None:
    ids = np.array([5, 6, 7, 0, 8, 9, 0, 0, 4], dtype=np.uint16)
    np.save(tmp_path / "a.npy", ids)
    ids.tofile(tmp_path / "a.bin")
    for name in ("a.npy", "a.bin"):
        found = read([tmp_path / name], separator=0, keep_order=True)
        pieces = np.split(found.stream.ids, found.stream.starts[1:-1])
        assert [piece.tolist() for piece in pieces] == [[5, 6, 7], [8, 9], [4]]
    assert read([tmp_path / "a.npy"]).stream.requests == 1


def test_a_long_text_is_sampled(texts: Path) -> None:
    found = read([texts / "logs.jsonl.gz"], vocab=1000, max_tokens=10_000)
    assert 5000 < found.stream.tokens <= 10_000
    assert 0.05 < found.share < 0.5


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.txt", b"", "no text in it"),
        ("latin.txt", "caf\xe9 ".encode("latin-1") * 50, "not UTF-8"),
        ("bad.jsonl", b'{"text": "a"}\n{"text"\n', "bad.jsonl:2: not a JSON record"),
        ("none.jsonl", b'{"prompt": "a"}\n', "must have its text under"),
        ("floats.npy", None, "one-dimensional array of token ids"),
    ],
)
def test_faults_are_one_clear_line(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    path = tmp_path / name
    if content is None:
        np.save(path, np.ones(5))
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        read([path])


def test_a_missing_tokenizer_is_one_clear_line(texts: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json: not a tokenizer\.json"):
        read([texts / "logs.jsonl.gz"], tokenizer="nowhere.json")
    with pytest.raises(InputError, match="too short for a traffic profile"):
        profile(requests([np.arange(10)]))


def test_long_documents_are_tokenised_in_pieces_without_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    from codesign.traffic import source

    monkeypatch.setattr(source, "_BATCH_CHARACTERS", 300)
    coder = source.train(["one two three four\n" * 50], 300)
    documents = ["one two\n" * 200, "three", "", "four " * 500, "two"]
    found = list(source._encode(coder, documents, None))
    assert [coder.decode(ids.tolist()) for ids in found] == documents


def test_a_few_unlike_documents_make_a_doubtful_profile() -> None:
    random = np.random.default_rng(0)
    alike = requests([random.integers(0, 300, 2000) for _ in range(40)])
    unlike = requests([random.integers(0, width, 2000) for width in (30, 3000) * 20])
    errors = [
        draw_error(stream, next(keys for _, keys in ngram_keys(stream, (2,)))) for stream in (alike, unlike)
    ]
    assert errors[0] < 0.005 < 0.04 < errors[1]
    # half of the documents hit nearly always, half nearly never: sd 0.5 over the root of 40
    assert errors[1] == pytest.approx(0.5 / 40**0.5, rel=0.25)
    made = profile(unlike)
    assert any(
        "documents differ" in line for line in warnings(Source(unlike, "x", "ids", 3000, 40, 1.0), made)
    )


def test_the_miniature_gives_the_size_that_an_exact_replay_needs(source: Source) -> None:
    columns = [(2, 50_000.0, 4), (3, 50_000.0, 4)]
    found = miniature(source.stream, columns, (0.3, 0.5, 1.0), 1)
    assert found[2] is None, "first reads cannot hit"
    assert found[0] is not None and found[1] is not None
    reads = shared_reads(source.stream, (2, 3), 50_000, 1)[0].ravel()
    distance = stack_distances(reads)[reads.size // 2 :]
    for rows, hits in zip(found[:2], (0.3, 0.5), strict=True):
        assert rows is not None
        assert ((distance > 0) & (distance <= rows / 4)).mean() == pytest.approx(hits, abs=0.02)
