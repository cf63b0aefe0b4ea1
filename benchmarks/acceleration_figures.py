"""The figures of docs/medusa.md and docs/snapkv.md, drawn from the cost models.

python -m benchmarks.acceleration_figures        # writes docs/pictures/medusa.svg and docs/pictures/snapkv.svg
"""

from dataclasses import replace

import numpy as np

from benchmarks.traffic_figures import Line, chart, write
from cost_models import Design, Model, Serving, System, evaluate, read_model

VICUNA = "cost_models/references/llama-2-7b.yaml"
A100 = System(accelerator="a100-80-sxm", accelerators=1)
SEQUENCES = np.array([1, 2, 4, 8, 16, 32, 64])
PROMPTS = np.array([2048, 4096, 8192, 16384, 32768, 65536])


def medusa(model: Model) -> str:
    """Speed-up by sequences in flight, a curve per number of heads and guesses."""
    lines = []
    for colour, (heads, guesses) in enumerate(((1, 5), (2, 15), (3, 31), (5, 63))):
        serving = Serving(phase="decode", input_tokens=512, concurrency=SEQUENCES, medusa_tree=guesses)
        plain, guessed = (
            evaluate(Design(replace(model, medusa_heads=count), A100, serving)) for count in (0, heads)
        )
        gain = plain["latency.tpot_s"] / guessed["latency.tpot_s"]
        lines.append(Line(f"heads: {heads}, guesses: {guesses}", SEQUENCES, gain, colour))
    title = "Medusa, 7B model on an A100: tokens a second over plain decoding"
    return chart(title, "sequences in flight", "times as fast", lines)


def snapkv(model: Model) -> str:
    """Decoding speed-up by prompt length, a curve per number of sequences and budget."""
    lines = []
    for colour, sequences in enumerate((1, 2, 8)):
        for budget, style in ((1024, ""), (4096, "5 4")):
            serving = Serving(phase="decode", input_tokens=PROMPTS, concurrency=sequences)
            whole, cut = (
                evaluate(Design(model, A100, replace(serving, kv_budget=kept))) for kept in (0, budget)
            )
            gain = whole["latency.tpot_s"] / cut["latency.tpot_s"]
            lines.append(Line(f"sequences: {sequences}, kept: {budget:,}", PROMPTS, gain, colour, style))
    title = "SnapKV, 7B model on an A100: tokens a second over the whole cache"
    return chart(title, "tokens of the prompt", "times as fast", lines)


def main() -> None:
    """Write both pictures."""
    model = read_model(VICUNA)
    write("medusa", medusa(model))
    write("snapkv", snapkv(model))


if __name__ == "__main__":
    main()
