"""Corpora in every form that is read, and what is wrong with those that are not."""

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pyarrow
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest
import yaml
import zstandard

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
    (tmp_path / "a.jsonl.bz2").write_bytes(bz2.compress(lines))
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(lines))
    (tmp_path / "a.txt.zst").write_bytes(zstandard.compress(corpus.RECORD_SEPARATOR.join(texts).encode()))
    table = pyarrow.table({"id": [1, 2, 3, 4], "content": [*texts, None]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    pyarrow.feather.write_feather(table, tmp_path / "feather.arrow", compression="uncompressed")
    for name in (
        "folder", "a.jsonl", "a.jsonl.gz", "a.jsonl.xz", "a.jsonl.bz2", "a.jsonl.zst", "a.txt", "a.txt.zst",
        "a.parquet", "feather.arrow",
    ):  # fmt: skip
        assert list(corpus.iter_documents(tmp_path / name)) == texts, name


def saved_dataset(folder: Path, texts: list[str], shards: int) -> None:
    """A folder as `Dataset.save_to_disk` of datasets 2 to 4 leaves it: Arrow streams and two descriptions."""
    folder.mkdir(parents=True)
    names = [f"data-{shard:05}-of-{shards:05}.arrow" for shard in range(shards)]
    for shard, name in enumerate(names):
        table = pyarrow.table({"text": texts[shard::shards]})
        with pyarrow.ipc.new_stream(folder / name, table.schema) as stream:
            stream.write_table(table)
    state = {"_data_files": [{"filename": name} for name in names], "_split": "train"}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": {"text": {"dtype": "string"}}}))


def test_a_saved_dataset_needs_pyarrow_alone(tmp_path: Path) -> None:
    saved_dataset(tmp_path / "one", ["a", "b", "c"], 2)
    (tmp_path / "one" / "cache-1234.arrow").write_bytes(b"left over by a map")
    assert list(corpus.iter_documents(tmp_path / "one")) == ["a", "c", "b"]
    for split in ("train", "test"):
        saved_dataset(tmp_path / "both" / split, [f"{split} text"], 1)
    (tmp_path / "both" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert list(corpus.iter_documents(tmp_path / "both")) == ["test text", "train text"]
    assert corpus.fingerprint(tmp_path / "both") != corpus.fingerprint(tmp_path / "one")
    (tmp_path / "one" / "state.json").write_text("[]")
    with pytest.raises(InputError, match=r"state\.json: not the state of a saved dataset"):
        list(corpus.iter_documents(tmp_path / "one"))


def test_the_page_beside_a_downloaded_data_set_is_no_text_of_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "README.md").write_text("# a data set")
    assert list(corpus.iter_documents(tmp_path)) == ["# a data set"]
    pyarrow.parquet.write_table(pyarrow.table({"text": ["x"]}), tmp_path / "data" / "train-00000.parquet")
    assert list(corpus.iter_documents(tmp_path)) == ["x"]


def test_columns_that_hold_no_text(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"prompt": ["x"]}), tmp_path / "a.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"text": [1]}), tmp_path / "b.parquet")
    for name, message in (
        ("a", "must have a column 'text' or 'content', has prompt"),
        ("b", "must hold text, got int"),
    ):
        with pytest.raises(InputError, match=message):
            list(corpus.iter_documents(tmp_path / f"{name}.parquet"))


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
        ("a.txt.bz2", b"no archive", "a.txt.bz2: cannot be read"),
        ("a.txt.zst", b"no archive", "a.txt.zst: cannot be read"),
        ("a.parquet", b"no columns", "a.parquet: cannot be read"),
        ("a.arrow", b"no columns", "a.arrow: cannot be read"),
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
