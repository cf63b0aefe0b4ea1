"""SnapKV: after the prompt, each KV head keeps only the positions that the last queries looked at.

Source: arXiv 2404.14469, listing 1. Attention of the last `window` queries over the prompt, summed over them, is
pooled (a maximum over `pooling` neighbours, so that what surrounds an important token stays too); the highest
positions are kept, and the window itself. Query heads that share a KV head vote together, so grouping keeps its
saving; the released code repeats the keys first and loses it.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from codesign.proxy.kv import Cache, Past
from cost_models.errors import InputError


def compress(cache: Cache, budget: int, window: int = 32, pooling: int = 7) -> None:
    """Cut every layer of a cache to `budget` positions a head; a prompt of no more stays whole.

    The cache must have been made with observe=window. Raises InputError for a window that fills the budget, and
    for an even pooling, which has no middle.
    """
    if not 0 < window < budget:
        raise InputError(f"kv_budget must be above the window ({window}), got {budget}")
    if pooling < 1 or pooling % 2 == 0:
        raise InputError(f"kv_pooling must be an odd number of positions, got {pooling}")
    for past in cache.layers:
        if past.keys is None or past.values is None or past.keys.shape[2] <= budget:
            continue
        kept = _chosen(past, budget - window, window, pooling)
        places = kept.unsqueeze(-1).expand(-1, -1, -1, past.keys.shape[3])
        past.keys, past.values = past.keys.gather(2, places), past.values.gather(2, places)


def recent(cache: Cache, budget: int) -> None:
    """The baseline without selection: cut every layer to its last `budget` positions."""
    for past in cache.layers:
        if past.keys is not None and past.values is not None:
            past.keys, past.values = past.keys[:, :, -budget:], past.values[:, :, -budget:]


def votes(past: Past, window: int) -> Tensor:
    """Attention that the last `window` queries pay to each earlier position: (sequences, kv_heads, earlier)."""
    assert past.keys is not None and past.queries is not None
    queries, keys = past.queries[:, :, -window:], past.keys
    sequences, heads, seen, width = queries.shape
    kv_heads, length = keys.shape[1], keys.shape[2]
    queries = queries.reshape(sequences, kv_heads, heads // kv_heads * seen, width)
    scores = (queries @ keys.transpose(2, 3) / math.sqrt(width)).view(sequences, kv_heads, -1, seen, length)
    ahead = torch.ones(seen, seen, dtype=torch.bool).triu(1)
    scores[..., length - seen :].masked_fill_(ahead, -math.inf)
    return torch.softmax(scores, dim=-1)[..., : length - seen].sum(dim=(2, 3))


def _chosen(past: Past, count: int, window: int, pooling: int) -> Tensor:
    """(sequences, kv_heads, count + window) positions to keep, in their order."""
    pooled = functional.max_pool1d(votes(past, window), pooling, stride=1, padding=pooling // 2)
    best = pooled.topk(count, dim=-1).indices.sort(dim=-1).values
    earlier = pooled.shape[-1]
    last = torch.arange(earlier, earlier + window).expand(*best.shape[:2], -1)
    return torch.cat((best, last), dim=-1)
