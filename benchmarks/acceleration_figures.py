"""The figures of the pages about other systems, drawn from the cost models.

python -m benchmarks.acceleration_figures        # writes medusa, snapkv, composition, host-experts, training-state.svg
"""

from dataclasses import replace

import numpy as np

from benchmarks.traffic_figures import Line, chart, write
from cost_models import Design, Model, Serving, System, evaluate, load_catalogue, read_model
from cost_models.design import GIB, Composition, Host
from cost_models.training import Batch, train

VICUNA = "cost_models/references/llama-2-7b.yaml"
A100 = System(accelerator="a100-80-sxm", accelerators=1)
SEQUENCES = np.array([1, 2, 4, 8, 16, 32, 64])
EXPERTS = (10, 20, 30, 40, 50, 75, 100, 150, 300, 600, 850)
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


def host_experts(model: Model) -> str:
    """USD per million tokens by sequences, a curve per place of the experts of a 671-billion model, each that fits."""
    xeons = Host(dram_bytes=1024 * GIB, sockets=2, cpu="generic-xeon-6980p", dram_tier="mrdimm-8800")
    small = replace(model, weights_dtype="int4", experts_dtype="nvfp4")
    free = load_catalogue(None, {"serving.host_handover": 0.0})
    serving = Serving(input_tokens=1024, output_tokens=512, concurrency=SEQUENCES)
    moved = replace(serving, routed_experts_on="host")
    cases = (
        ("4090, experts on two Xeons", System("rtx-4090", 1, host=xeons), moved, None),
        ("the same without handover", System("rtx-4090", 1, host=xeons), moved, free),
        ("8 H100, all on them", System("h100-sxm", 8), replace(serving, tensor_parallel=8), None),
    )
    lines = []
    for colour, (name, system, served, catalogue) in enumerate(cases):
        found = evaluate(Design(small, system, served), catalogue)
        fits = np.broadcast_to(found.feasible, SEQUENCES.shape)
        lines.append(Line(name, SEQUENCES[fits], found["cost.usd_per_mtok"][fits], colour))
    return chart(
        "DeepSeek-V3 in 4 bits: cost per million tokens", "sequences in flight", "USD", lines, log_y=True
    )


def training_state(model: Model) -> str:
    """Seconds per thousand tokens by sequences of an optimizer step, a curve per place of the state."""
    host = Host(dram_bytes=512e9, ssd_bytes=4e12, ssd_drives=2, ssd_tier="pslc-aidaptiv")
    design = Design(model, System("rtx-6000-ada", 4, host=host))
    steps = np.array([8, 16, 32, 64, 128, 256, 512])
    found = [train(design, Batch(int(count)), load_catalogue()) for count in steps]
    lines: list[Line] = []
    for place in np.flatnonzero(found[0].fits):
        name = f"weights in {found[0].weights[place]}"
        if str(found[0].activations[place]) == "hbm":
            took = np.array([1e3 / one.tokens_per_s[place] for one in found])
            lines.append(Line(name, steps, took, len(lines)))
    return chart(
        "Fine-tuning 70B on four cards: time of a thousand tokens", "sequences of a step", "s", lines
    )


def composition() -> str:
    """Time of a short request by number of experts, a curve per machine and links that load an expert."""
    machines = (
        ("SN40L, its own DDR", System("sn40l", 8, host=_host("ddr5-sn40l")), 0),
        ("DGX H100, 8 links", System("h100-sxm", 8, host=_host()), 0),
        ("DGX H100, 1 link", System("h100-sxm", 8, host=_host()), 1),
        ("DGX A100, 8 links", System("a100-80-sxm", 8, host=_host()), 0),
        ("DGX A100, 1 link", System("a100-80-sxm", 8, host=_host()), 1),
    )
    lines, expert = [], read_model("samba-coe")
    for label, system, links in machines:
        serving = Serving(
            tensor_parallel=8, concurrency=1, input_tokens=1024, output_tokens=20, composition_popularity=0.0,
            composition_links=links,
        )  # fmt: skip
        each = [
            evaluate(Design(replace(expert, composition=Composition(n)), system, serving)) for n in EXPERTS
        ]
        times = np.array([e["latency.ttft_s"] + 19 * e["latency.tpot_s"] for e in each])
        colour = {"sn40l": 1, "h100-sxm": 0, "a100-80-sxm": 2}[str(system.accelerator)]
        lines.append(Line(label, np.array(EXPERTS), times, colour, "5 4" if links else ""))
    title = "Experts of 7B, all alike: a request of 1,024 + 20 tokens"
    return chart(title, "experts", "seconds", lines)


def _host(tier: str = "ddr5-rdimm") -> Host:
    """12 TiB, so that the largest composition fits any of the machines."""
    return Host(dram_bytes=12 * 2.0**40, dram_tier=tier)


def main() -> None:
    """Write the pictures."""
    model = read_model(VICUNA)
    write("medusa", medusa(model))
    write("snapkv", snapkv(model))
    write("composition", composition())
    write("host-experts", host_experts(read_model("deepseek-v3")))
    write("training-state", training_state(read_model("llama-3.1-70b")))


if __name__ == "__main__":
    main()
