"""Tokens: exact, cached by content, compressed to canonical ids as published."""

from pathlib import Path

import numpy as np
import pytest

from codesign import corpus, tokenizer
from cost_models.errors import InputError

TEXTS = [
    "The café of THE Cafe.\n\nThe cafe, the  end. ",
    "ÉTÉ été ete ½ ﬁne fine 東京 \U0001f600",
    "the the the cafe cafe " * 40,
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODESIGN_CACHE", str(tmp_path / "cache"))
    place = tmp_path / "text"
    place.mkdir()
    for number, text in enumerate(TEXTS):
        (place / f"{number}.txt").write_text(text, encoding="utf-8")
    return place


def test_text_comes_back_exactly_and_bytes_add_up(folder: Path) -> None:
    tokens = tokenizer.encode(folder, 300)
    assert isinstance(tokens.ids, np.memmap) and tokens.ids.dtype == np.uint16
    for number, text in enumerate(TEXTS):
        ids = tokens.ids[tokens.starts[number] : tokens.starts[number + 1]]
        assert ids[0] == 0 and tokens.tokenizer.decode(ids[1:].tolist()) == text
        assert tokens.token_bytes[ids].sum() == len(text.encode())
    assert tokens.positions().tolist() == [i for n in np.diff(tokens.starts) for i in range(n)]


def test_the_cache_follows_the_content(folder: Path) -> None:
    first = tokenizer.encode(folder, 300)
    cached = sorted((folder.parent / "cache").rglob("*.*"))
    tokenizer._encode.cache_clear()
    assert tokenizer.encode(folder, 300).key == first.key
    assert sorted((folder.parent / "cache").rglob("*.*")) == cached
    (folder / "3.txt").write_text("something new")
    assert tokenizer.encode(folder, 300).key != first.key


def test_canonical_ids_join_what_the_paper_joins() -> None:
    words = tokenizer.train(
        [text.replace(" ", " the The THE café Cafe cafe ﬁne fine ") for text in TEXTS] * 50, 600
    )
    canonical, count = tokenizer.canonical_ids(words)
    vocabulary = words.get_vocab()
    same = [vocabulary[form] for form in ("Ġthe", "ĠThe", "ĠTHE") if form in vocabulary]
    assert len(same) >= 2 and len({canonical[token] for token in same}) == 1
    accented = [words.encode(" " + form).ids for form in ("café", "cafe", "Cafe")]
    assert all(len(ids) == 1 for ids in accented) and len({canonical[ids[0]] for ids in accented}) == 1
    assert canonical[vocabulary["a"]] == canonical[vocabulary["A"]] != canonical[vocabulary["b"]]
    assert canonical[vocabulary["Ġ"]] == canonical[vocabulary["Ċ"]]  # a blank and a line end are white space
    assert canonical[0] == 0 and (canonical == 0).sum() == 1
    assert count == len(set(canonical.tolist())) == canonical.max() + 1


def test_bytes_that_are_no_characters_stay_apart() -> None:
    words = tokenizer.train(["plain text"], 257)
    canonical, _ = tokenizer.canonical_ids(words)
    high = [token for name, token in words.get_vocab().items() if len(name) == 1 and ord(name) >= 0xC0]
    assert len(high) > 30
    lone = [t for t in high if "\ufffd" in words.decode([t])]
    assert len({canonical[t] for t in lone}) == len(lone) > 30


def test_a_vocabulary_must_hold_every_byte() -> None:
    with pytest.raises(InputError, match="at least 257"):
        tokenizer.train(["x"], 100)


def test_the_bundled_text_is_split_in_few_bytes_a_token() -> None:
    trained = tokenizer.train(list(corpus.iter_documents())[40:44], 2048)
    text = next(iter(corpus.iter_documents()))
    assert 2.0 < len(text.encode()) / len(trained.encode(text).ids) < 4.5
