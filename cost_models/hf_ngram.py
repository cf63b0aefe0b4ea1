"""The N-gram fields of Qwen3.8-Flash-Next and of LongCat-Flash, in and out of an Engram record.

Qwen3.8: `ple_layer_ids` counted from 1; `ple_embed_dim` is the row width over all orders and heads.
LongCat: tables for orders 2..emb_neighbor_num, emb_split_num of each, ngram_vocab_size_ratio x vocabulary
rows, added at the input; a layer is two attention and two dense blocks, with one mixture of experts beside
the second.
"""

from collections.abc import Callable
from typing import Any

from cost_models import designfields as rules
from cost_models.design import Model
from cost_models.designfields import Rule
from cost_models.yamlfile import Document

Values = dict[str, dict[str, Any]]
Number = Callable[..., Any]


def read_qwen4(document: Document, data: dict[str, Any], values: Values, number: Number) -> None:
    """Fill values["engram"] from the fields of qwen4_exp, where it has any."""
    if "ple_layer_ids" not in data:
        return
    layer_ids = number(document, data, "ple_layer_ids", Rule("integers", 1, 4096))
    max_order = number(document, data, "ngram_size", rules.ENGRAM["max_order"])
    heads = number(document, data, "heads_per_ngram", rules.ENGRAM["heads"])
    width = number(document, data, "ple_embed_dim", Rule("integer", 1, 1e7))
    if width % ((max_order - 1) * heads):
        raise document.error(
            ("ple_embed_dim",),
            f"must be a multiple of the {(max_order - 1) * heads} tables of a layer, got {width}",
        )
    end = data.get("eos_token_id")  # stands before the start of a text; the first where there are several
    if isinstance(end, list) and end:
        data = data | {"eos_token_id": end[0]}
    values["engram"] = {
        "layer_ids": tuple(layer - 1 for layer in layer_ids),
        "max_order": max_order,
        "heads": heads,
        "head_dim": width // ((max_order - 1) * heads),
        "vocab_size": number(document, data, "ngram_vocab_size_base", rules.ENGRAM["vocab_size"]),
        "kernel_size": number(document, data, "ple_conv_kernel_size", rules.ENGRAM["kernel_size"], 0),
        "row_rule": "base_up",
        "pad_token_id": number(document, data, "eos_token_id", rules.ENGRAM["pad_token_id"], 2),
        "rows_multiple_of": number(
            document, data, "make_ngram_vocab_size_divisible_by", rules.ENGRAM["rows_multiple_of"], 1
        ),
    }


def write_qwen4(model: Model, config: dict[str, Any]) -> None:
    """The way back of read_qwen4."""
    engram = model.engram
    assert engram is not None
    config |= {
        "ple_layer_ids": [layer + 1 for layer in engram.layer_ids],
        "ngram_size": engram.max_order,
        "heads_per_ngram": engram.heads,
        "ple_embed_dim": (engram.max_order - 1) * engram.heads * engram.head_dim,
        "ngram_vocab_size_base": engram.vocab_size,
        "ple_conv_kernel_size": engram.kernel_size,
        "eos_token_id": engram.pad_token_id,
        "make_ngram_vocab_size_divisible_by": engram.rows_multiple_of,
    }


def read_longcat(document: Document, data: dict[str, Any], values: Values, number: Number) -> None:
    """Two of our layers for each of LongCat's; its dense blocks beside the experts become a shared expert."""
    model, moe = values[""], values["moe"]
    model["layers"] *= 2
    idle = number(document, data, "zero_expert_num", Rule("integer", 0, 1e6), 0)
    # A token's choices fall on experts that do nothing as often as their share of all experts.
    active = moe["active_experts"] * moe["routed_experts"] / (moe["routed_experts"] + idle)
    moe |= {
        "active_experts": max(1, round(active)),
        "shared_experts": 1,
        "shared_expert_width": model["dense_width"],
        "layer_step": 2,
    }
    if "ngram_vocab_size_ratio" not in data:
        return
    ratio = number(document, data, "ngram_vocab_size_ratio", Rule("number", 0, 1e6, above=0))
    max_order = number(document, data, "emb_neighbor_num", rules.ENGRAM["max_order"])
    heads = number(document, data, "emb_split_num", rules.ENGRAM["heads"])
    tables_in_all = (max_order - 1) * heads
    if model["hidden"] % tables_in_all:
        raise document.error(
            ("emb_split_num",),
            f"must cut hidden_size ({model['hidden']}) into equal tables, got {tables_in_all}",
        )
    values["engram"] = {
        "layer_ids": (0,),
        "max_order": max_order,
        "heads": heads,
        "head_dim": model["hidden"] // tables_in_all,
        "vocab_size": round(ratio * model["vocab"]),
        "kernel_size": 0,
        "gated": False,
        "row_rule": "exact",
        "input_only": True,
    }


def write_longcat(model: Model, config: dict[str, Any]) -> None:
    """The way back of read_longcat's tables."""
    engram = model.engram
    assert engram is not None
    config |= {
        "ngram_vocab_size_ratio": engram.vocab_size / model.vocab,
        "emb_neighbor_num": engram.max_order,
        "emb_split_num": engram.heads,
    }
