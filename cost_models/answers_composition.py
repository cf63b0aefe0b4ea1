"""What a composition of experts keeps hot, who waits for an expert, and what sharing no step costs, in words."""

from dataclasses import replace

import numpy as np

from cost_models.catalogue import Catalogue
from cost_models.design import GIB, Design
from cost_models.document import Result
from cost_models.evaluation import evaluate


def experts(design: Design, result: Result, catalogue: Catalogue) -> str:
    """Hot experts, hit rate, switch time, share of requests that wait, and the price against one expert alone."""
    own, found, serving = design.model.composition, result.composition, design.serving
    assert own is not None and found is not None
    hot, hits, switch, wait, distinct, group = (
        float(np.asarray(getattr(found, name)))
        for name in ("hot_experts", "hit_rate", "switch_s", "wait_s", "distinct_experts", "group")
    )
    size, tier = found.expert_bytes / GIB, str(serving.composition_tier)
    said = f"{hot:,.0f} of {own.experts:,} experts stay in accelerator memory ({size:,.1f} GiB each)"
    if hot >= own.experts:
        said += ": no request waits for one."
    else:
        said += f", all in {tier}. {100 * hits:.0f} % of requests find theirs hot"
        if serving.phase != "decode":
            ahead = " (some of it beside the answers before)" if serving.composition_prefetch else ""
            said += f"; the other {100 * (1 - hits):.0f} % wait {1e3 * switch:.3g} ms for it{ahead}"
            said += f", {1e3 * wait:.3g} ms on average"
        said += f" (popularity ~ rank^-{float(np.asarray(serving.composition_popularity)):g})."
    alone = replace(design, model=replace(design.model, composition=None))
    gain = evaluate(alone, catalogue)["latency.output_tokens_per_s"] / result.latency.output_tokens_per_s
    return (
        f"{said} The {float(np.asarray(result.memory.concurrency)):,.0f} sequences in flight ask for {distinct:.1f} "
        f"experts, so {group:.1f} share a step: one such expert alone would give {float(np.asarray(gain)):.1f} times "
        "the tokens."
    )
