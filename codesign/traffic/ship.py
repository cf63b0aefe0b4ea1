"""Make the profiles that come with the package: `python -m codesign.traffic.ship`."""

from pathlib import Path

import cost_models.traffic
from codesign.traffic.measure import profile
from codesign.traffic.source import read

TEXTS = {"bundled-text": ["bundled"], "code": ["stdlib"]}


def main() -> None:
    """Measure and write; the code is that of the interpreter's own library."""
    for name, texts in TEXTS.items():
        source = read(texts)
        about = {
            "name": name,
            "text": source.name,
            "tokens": source.stream.tokens,
            "tokenizer": source.tokenizer,
        }
        path = Path(cost_models.traffic.__file__).parent / "profiles" / f"{name}.profile"
        profile(source.stream, about=about).save(path)
        print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
