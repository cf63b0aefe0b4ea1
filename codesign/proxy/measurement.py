"""From a full-size model to its quality: scale, look into the store, train if new."""

import json
import math
import platform
from functools import lru_cache
from pathlib import Path

import torch

from codesign import corpus as corpora
from codesign import tokenizer
from codesign.proxy import batches, device, scale, training
from codesign.proxy import noise as noises
from codesign.proxy.checkpoint import Checkpoint
from codesign.proxy.config import ProxyConfig
from codesign.proxy.fidelity import Fidelity, load
from codesign.proxy.quality import Quality
from codesign.proxy.store import Store, key_of
from codesign.proxy.transformer import Transformer
from cost_models.design import Model

VERSION = 1  # counts up whenever the same key would give another result


def measure(
    model: Model,
    fidelity: str | Path | Fidelity = "demo",
    seed: int = 0,
    corpus: corpora.Spec = None,
    store: Store | None = None,
    progress: training.Progress | None = None,
    keep_weights: bool = False,
) -> Quality:
    """The quality of `model` by a proxy: the stored result, or a training now.

    fidelity: a recipe's name, file or value. corpus: see `codesign.corpus`. progress: called with (step,
    steps, loss) now and then. keep_weights: keep the trained weights, for `load_weights`. Raises InputError
    for a model that cannot be scaled, TrainingError for too little text.
    """
    recipe = load(fidelity)
    results = store or Store()
    tokens, split = _data(corpus, recipe.vocab, corpora.fingerprint(corpus))
    config = scale.scale(model, recipe, tokens.canonical_vocab)
    where = device.choose(recipe.device, recipe.dtype, recipe.expert_kernel, recipe.compile, recipe.steps)
    key = _key(config, recipe, seed, tokens, where)
    with results.training(key):
        known = results.get(key)
        if known is not None and not (
            keep_weights and not known.reason and not results.weights(key).exists()
        ):
            return known
        checkpoint = Checkpoint(results.checkpoint(key))
        run = training.train(config, recipe, tokens, split, seed, where, progress, checkpoint)
        quality = _quality(run, key, config, recipe, seed, corpus, where, model.name, results)
        if keep_weights and not run.reason:
            _save_weights(results, key, run.model, tokens)
        results.put(quality)
        checkpoint.remove()
        return quality


@lru_cache(maxsize=4)
def _data(corpus: corpora.Spec, vocab: int, fingerprint: str) -> tuple[tokenizer.Tokens, batches.Split]:
    """Tokens and split of a corpus; `fingerprint` is what tells a changed file from the cached one."""
    tokens = tokenizer.encode(corpus, vocab)
    return tokens, batches.split(tokens)


def _key(
    config: ProxyConfig, recipe: Fidelity, seed: int, tokens: tokenizer.Tokens, where: device.Device
) -> str:
    return key_of(
        {
            **({"compiled": True} if where.compiled else {}),
            "version": VERSION,
            "config": config.document(),
            "recipe": recipe.determines(),
            "seed": seed,
            "tokens": tokens.key,
            "device": where.type,
            "dtype": str(where.dtype),
            "experts": where.experts,
            "torch": torch.__version__,
            "machine": platform.machine(),
        }
    )


def _quality(
    run: training.Run,
    key: str,
    config: ProxyConfig,
    recipe: Fidelity,
    seed: int,
    corpus: corpora.Spec,
    where: device.Device,
    name: str,
    store: Store,
) -> Quality:
    noise = noises.find(store, recipe, corpus)
    bits = run.block_nats / run.block_bytes / math.log(2)
    return Quality(
        bits_per_byte=run.bits_per_byte,
        standard_error=recipe.noise if noise is None else noise.standard_error,
        fidelity=recipe.name,
        seconds=run.seconds,
        tokens=recipe.tokens,
        curve=run.curve,
        key=key,
        reason=run.reason,
        block_bits=tuple(round(float(value), 6) for value in bits),
        details={
            "model": name,
            "seed": seed,
            "sequence": recipe.sequence,
            "corpus": corpora.describe(corpus),
            "config": json.loads(json.dumps(config.document())),  # as it will be read back
            "parameters": config.parameters(),
            "engram_share": config.share(),
            "flops_per_token": config.flops_per_token(recipe.sequence / 2),
            "cpu_seconds": run.cpu_seconds,
            "device": where.reason,
            "experts": where.experts,
            "torch": torch.__version__,
        },
    )


def _save_weights(store: Store, key: str, model: Transformer, tokens: tokenizer.Tokens) -> None:
    from safetensors.torch import save_file

    from codesign import cache

    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    cache.write_atomically(store.tokenizer(key), lambda path: tokens.tokenizer.save(str(path)))
    cache.write_atomically(store.weights(key), lambda path: save_file(state, str(path)))
