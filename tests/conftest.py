"""What several rooms' tests share: random whole designs."""

import pytest
from hypothesis import strategies as st

from cost_models.design import (
    DTYPE_BYTES,
    GIB,
    TIERS,
    Attention,
    Composition,
    Design,
    Engram,
    Host,
    Limits,
    MixtureOfExperts,
    Model,
    Serving,
    System,
    TablePlacement,
)

_DTYPES = st.sampled_from(list(DTYPE_BYTES))
_DTYPES_OR_NONE = st.sampled_from(["", *DTYPE_BYTES])
_SIZE = st.one_of(st.just(0.0), st.floats(0.001, 4096).map(lambda gib: gib * GIB))
_LIMIT = st.one_of(st.none(), st.floats(1e-6, 1e9))


@st.composite
def _models(draw: st.DrawFn) -> Model:
    layers = draw(st.integers(1, 80))
    kv_heads = draw(st.sampled_from([1, 2, 4, 8]))
    heads = kv_heads * draw(st.integers(1, 8))
    mla = draw(st.booleans())
    ranks = {
        "kv_lora_rank": 512,
        "q_lora_rank": 1536,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
    }
    attention = Attention(
        kind="mla" if mla else "gqa",
        heads=heads,
        kv_heads=heads if mla else kv_heads,
        head_dim=192 if mla else draw(st.sampled_from([64, 96, 128])),
        qk_norm=not mla and draw(st.booleans()),
        bias=draw(st.booleans()),
        **(ranks if mla else {}),
    )
    routed = draw(st.integers(1, 256))
    moe = MixtureOfExperts(
        routed_experts=routed,
        active_experts=draw(st.integers(1, min(routed, 8))),
        shared_experts=draw(st.integers(0, 2)),
        expert_width=draw(st.integers(1, 48)) * 64,
        leading_dense_layers=draw(st.integers(0, min(3, layers))),
    )
    engram = Engram(
        layer_ids=tuple(sorted(draw(st.sets(st.integers(0, layers - 1), min_size=1, max_size=3)))),
        max_order=draw(st.integers(2, 4)),
        heads=draw(st.sampled_from([1, 2, 4, 8])),
        head_dim=draw(st.sampled_from([16, 64, 160, 256])),
        vocab_size=draw(st.integers(1000, 3_000_000)),
        compressed_vocab_size=draw(st.integers(0, 99_092)),
        kernel_size=draw(st.sampled_from([0, 4])),
        gated=draw(st.booleans()),
        scale_bytes_per_row=draw(st.sampled_from([0.0, 8.0])),
    )
    tables = draw(st.sampled_from([None, engram]))
    composition = Composition(draw(st.integers(1, 500)), draw(st.sampled_from([0.0, 0.25, 1.0])))
    return Model(
        name=draw(st.text(max_size=12)),
        layers=layers,
        hidden=draw(st.integers(1, 64)) * 128,
        vocab=draw(st.integers(256, 200_000)),
        attention=attention,
        dense_width=draw(st.integers(1, 160)) * 128,
        moe=draw(st.sampled_from([None, moe])),
        engram=tables,
        composition=None if tables else draw(st.sampled_from([None, composition])),
        tied_embeddings=draw(st.booleans()),
        hyper_connections=draw(st.sampled_from([1, 4])),
        weights_dtype=draw(_DTYPES),
        experts_dtype=draw(_DTYPES_OR_NONE),
        tables_dtype=draw(_DTYPES_OR_NONE),
        kv_dtype=draw(st.sampled_from(["", "bf16", "fp8"])),
    )


@st.composite
def _designs(draw: st.DrawFn) -> Design:
    nodes = draw(st.integers(1, 4))
    cache_tier = draw(st.sampled_from(["", "hbm", "dram"]))
    return Design(
        model=draw(_models()),
        system=System(
            accelerator=draw(st.sampled_from(["h100-sxm", "h200-sxm", "b200-sxm", "mi355x", "a100-80-sxm"])),
            accelerators=nodes * draw(st.sampled_from([1, 2, 4, 8])),
            nodes=nodes,
            host=Host(
                dram_bytes=draw(_SIZE),
                cxl_bytes=draw(_SIZE),
                ssd_bytes=draw(_SIZE),
                ssd_drives=draw(st.integers(0, 16)),
            ),
            hbm_bytes=draw(st.one_of(st.none(), st.floats(16, 512).map(lambda gib: gib * GIB))),
        ),
        serving=Serving(
            tensor_parallel=draw(st.sampled_from([1, 2, 4, 8])),
            expert_parallel=draw(st.sampled_from([1, 2, 4, 8])),
            data_parallel=draw(st.sampled_from([1, 2])),
            pipeline_parallel=draw(st.sampled_from([1, 2])),
            phase=draw(st.sampled_from(["", "prefill", "decode"])),
            input_tokens=draw(st.integers(1, 200_000)),
            output_tokens=draw(st.integers(1, 8192)),
            concurrency=draw(st.integers(1, 1024)),
            prefill_chunk=draw(st.sampled_from([2048, 8192])),
            tables=TablePlacement(
                tier=draw(st.sampled_from(TIERS)),
                prefetch=draw(st.booleans()),
                cache_tier=cache_tier,
                cache_bytes=draw(_SIZE) if cache_tier else 0.0,
                sharing=draw(st.sampled_from(["rank", "numa", "node"])),
            ),
            kv_budget=draw(st.sampled_from([0, 1024, 4096])),
            composition_tier=draw(st.sampled_from(TIERS)),
            composition_hot=draw(st.sampled_from([0, 4])),
            composition_popularity=draw(st.sampled_from([0.0, 1.0])),
            composition_prefetch=draw(st.booleans()),
            utilisation=draw(st.one_of(st.none(), st.floats(0.01, 1.0))),
        ),
        limits=Limits(ttft_s=draw(_LIMIT), power_w=draw(_LIMIT), bits_per_byte=draw(_LIMIT)),
    )


@pytest.fixture(scope="session")
def designs() -> st.SearchStrategy[Design]:
    """Whole designs over every field a file can hold; many fit no machine, and none is impossible to read."""
    return _designs()
