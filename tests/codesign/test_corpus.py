"""Corpora in every form that is read, and what is wrong with those that are not."""

import gzip
import json
import lzma
from pathlib import Path

import pytest
import yaml

from codesign import corpus
from cost_models.errors import InputError


def test_the_bundled_text_is_what_its_sources_say() -> None:
    import hashlib

    sources = yaml.safe_load((corpus.BUNDLED / "sources.yaml").read_text())["files"]
    assert sorted(sources) == sorted(corpus.BUNDLED_FILES)
    documents = list(corpus.iter_documents())
    assert len(documents) == len(set(documents)) == sum(entry["documents"] for entry in sources.values())
    assert sum(len(text.encode()) for text in documents) == sum(
        entry["text_bytes"] for entry in sources.values()
    )
    for name, entry in sources.items():
        assert hashlib.sha256((corpus.BUNDLED / name).read_bytes()).hexdigest() == entry["sha256"]
    assert any("Elsinore" in text for text in documents) and any(
        "Fellow-Citizens" in text for text in documents
    )


def test_every_form_gives_the_same_documents(tmp_path: Path) -> None:
    texts = ["first text", "second täxt\nwith two lines", "third"]
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()
    (tmp_path / "folder").mkdir()
    for number, text in enumerate(texts):
        (tmp_path / "folder" / f"{number}.txt").write_text(text, encoding="utf-8")
    (tmp_path / "a.jsonl").write_bytes(lines)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "a.jsonl.xz").write_bytes(lzma.compress(lines))
    (tmp_path / "a.txt").write_text(corpus.RECORD_SEPARATOR.join(texts), encoding="utf-8")
    for name in ("folder", "a.jsonl", "a.jsonl.gz", "a.jsonl.xz", "a.txt"):
        assert list(corpus.iter_documents(tmp_path / name)) == texts, name


def test_duplicates_and_empty_documents_are_left_out() -> None:
    assert list(corpus.drop_duplicates(["a", "", "b", "a", " \n", "b", "c"])) == ["a", "b", "c"]


def test_the_fingerprint_follows_content_not_place(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text("the same text")
    assert corpus.fingerprint(tmp_path / "one") == corpus.fingerprint(tmp_path / "two")
    (tmp_path / "two" / "a.txt").write_text("another text!")
    assert corpus.fingerprint(tmp_path / "one") != corpus.fingerprint(tmp_path / "two")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"body": "y"}\n', "a.jsonl:2: a record must have its text under 'text'"),
        ("a.jsonl", b'{"text": "x"}\n{"tex', "a.jsonl:2: not a JSON record"),
        ("a.txt", b"caf\xe9", "a.txt: not UTF-8 text .byte 3"),
        ("a.txt", b" \n ", "no text in it"),
        ("a.txt.xz", b"no archive", "a.txt.xz: cannot be read"),
    ],
)
def test_mistakes(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(corpus.iter_documents(tmp_path / name))


def test_missing_and_empty_places(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such text file or folder"):
        list(corpus.iter_documents(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"no \.txt, \.jsonl or \.parquet file"):
        list(corpus.iter_documents(tmp_path))
