"""Continues a text with the trained proxy, or describes the full size: needs torch, safetensors, tokenizers.

python generate.py "To be, or not" --tokens 60
python generate.py --full
"""

import argparse
import math

import torch
from model import HERE, Model, load, shape  # type: ignore[import-not-found]
from torch import Tensor


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", nargs="?", default="The ", help="what to continue")
    parser.add_argument("--tokens", type=int, default=60)
    parser.add_argument("--temperature", type=float, default=0.8, help="0: always the likeliest token")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--full", action="store_true", help="instantiate the full size on the meta device")
    options = parser.parse_args()
    if options.full and not (HERE / "full.json").exists():
        parser.exit(1, "model.py lacks a form of this design; it builds the proxy only\n")
    elif options.full:
        model = Model(shape("full.json"), device="meta")
        print(f"{sum(p.numel() for p in model.parameters()):,} parameters in {len(model.blocks)} layers")
    elif not (HERE / "weights.safetensors").exists():
        parser.exit(1, "this folder has no trained proxy: export with `--weights train`\n")
    else:
        print(generate(load(), options.text, options.tokens, options.temperature, options.seed))


def generate(model: Model, text: str, tokens: int, temperature: float = 0.8, seed: int = 0) -> str:
    """`text` continued by `tokens` tokens; the context is cut to the length the proxy was trained on."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(HERE / "tokenizer.json"))
    ids, length = [0, *tokenizer.encode(text).ids], model.shape["sequence"]
    stream = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        for _ in range(tokens):
            ids.append(pick(model(torch.tensor([ids[-length:]]))[0, -1], temperature, stream))
    return str(tokenizer.decode(ids[1:]))


def pick(logits: Tensor, temperature: float, stream: torch.Generator) -> int:
    logits[0] = -math.inf  # token 0 begins a new document
    if temperature == 0:
        return int(logits.argmax())
    return int(torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=stream))


if __name__ == "__main__":
    main()
