"""A stored proxy brought back to life: its weights, and text that it continues."""

import math
from typing import Any

import numpy as np
import torch

from codesign.proxy.config import ProxyConfig
from codesign.proxy.engram import Addresses
from codesign.proxy.store import Store
from codesign.proxy.transformer import Transformer
from codesign.tokenizer import canonical_ids
from cost_models.design import Engram
from cost_models.errors import InputError


def config_of(document: dict[str, Any]) -> ProxyConfig:
    """The inverse of `ProxyConfig.document`, after JSON."""
    engram = document["engram"]
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
    }
    if engram is not None:
        values["engram"] = Engram(**{**engram, "layer_ids": tuple(engram["layer_ids"])})
    return ProxyConfig(**values)


def load_weights(key: str, store: Store | None = None) -> Transformer:
    """The trained proxy of a stored result, on the CPU, ready to evaluate.

    Raises InputError where its weights were not kept; `measure(..., keep_weights=True)` keeps them.
    """
    from safetensors.torch import load_file

    results = store or Store()
    quality = results.get(key)
    if quality is None or not results.weights(key).exists():
        raise InputError(f"{key}: no weights are stored for this result; measure it again with keep_weights")
    model = Transformer(config_of(quality.details["config"]))
    model.load_state_dict(load_file(str(results.weights(key))))
    return model.eval()


def generate(
    key: str, text: str, tokens: int, store: Store | None = None, seed: int = 0, temperature: float = 0.8
) -> str:
    """`text` continued by up to `tokens` tokens sampled from a stored proxy.

    temperature 0: always the likeliest token. The model was trained on sequences of a few hundred tokens;
    longer contexts are cut to the length it knows.
    """
    from tokenizers import Tokenizer

    results = store or Store()
    model = load_weights(key, results)
    tokenizer = Tokenizer.from_file(str(results.tokenizer(key)))
    canonical, canonical_vocab = canonical_ids(tokenizer)
    quality = results.get(key)
    assert quality is not None
    length = int(quality.details["sequence"])
    addresses = Addresses(model.config, canonical, canonical_vocab)
    ids = [0, *tokenizer.encode(text).ids]
    stream = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        for _ in range(tokens):
            window = np.array([ids[-length:]])
            rows = addresses(window, np.arange(window.shape[1])[None])
            logits = model(torch.from_numpy(window), rows)[0, -1]
            ids.append(_pick(logits, temperature, stream))
    return str(tokenizer.decode(ids[1:]))


def _pick(logits: torch.Tensor, temperature: float, stream: torch.Generator) -> int:
    logits[0] = -math.inf  # a new document would begin
    if temperature == 0:
        return int(logits.argmax())
    return int(torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=stream))
