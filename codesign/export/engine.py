"""serve.sh: the command of vLLM, with SGLang's beside it, that starts what the design says.

Only flags that the engines document: docs.vllm.ai (engine arguments; vllm.config.engram) and docs.sglang.io
(server arguments; advanced_features/engram). What no engine supports upstream is said in words, and the
script then refuses to start something else in silence.
"""

import json

from cost_models.design import Design

# Families with Engram tables that both engines load (docs.vllm.ai, docs.sglang.io).
_ENGRAM_FAMILIES = ("deepseek_v41", "qwen4_exp")
# Types of the design -> the engines' names of a KV cache type; bf16 is their default.
_KV_TYPES = {"fp8": "fp8_e4m3"}
_NAMES = {"cxl": "CXL memory", "ssd": "an SSD", "remote": "another machine's memory"}


def serve_script(design: Design) -> str:
    """The text of serve.sh; runs as `MODEL=folder ./serve.sh`, or with ENGINE=sglang."""
    unsupported = not_supported(design)
    system = design.system
    per_replica = _ranks(design)
    replicas = int(system.accelerators) // per_replica
    title = f"{design.model.name or 'the model'} on {system.accelerators} x {system.accelerator}"
    lines = [
        "#!/usr/bin/env bash",
        f"# {_comment(title)}:",
        f"# {replicas} replica(s) of {per_replica} accelerators. This script starts one; put a load balancer",
        "# in front of several.",
        "#   MODEL   folder with weights, tokenizer and their own config.json; the one beside this script holds",
        "#           what costs depend on, not rope_theta, norm epsilons and the like",
        "#   ENGINE  vllm (default) or sglang",
        "#   PORT    8000",
        "set -euo pipefail",
        'here="$(cd "$(dirname "$0")" && pwd)"',
        'MODEL="${MODEL:-$here}"; ENGINE="${ENGINE:-vllm}"; PORT="${PORT:-8000}"',
        "",
    ]
    lines += [f"# {line}" for line in notes(design)]
    if design.model.medusa_heads:
        lines.append(': "${MEDUSA:?must name the folder with the trained Medusa heads}"')
    for reason in unsupported:
        lines += [f"echo {_quoted(reason)} >&2"]
    if unsupported:
        lines += [
            'if [ "${ANYWAY:-}" != 1 ]; then',
            '  echo "Nothing was started. ANYWAY=1 starts the engine without these parts of the design." >&2',
            "  exit 1",
            "fi",
        ]
    lines += [
        'case "$ENGINE" in',
        "  vllm)",
        *_command('vllm serve "$MODEL"', [*vllm_flags(design), '--port "$PORT"']),
        "    ;;",
        "  sglang)",
        *_command(
            'python3 -m sglang.launch_server --model-path "$MODEL"', [*sglang_flags(design), '--port "$PORT"']
        ),
        "    ;;",
        '  *) echo "ENGINE must be vllm or sglang, got $ENGINE" >&2; exit 2 ;;',
        "esac",
    ]
    return "\n".join(lines) + "\n"


def not_supported(design: Design) -> list[str]:
    """What the design asks for and neither engine does upstream, one sentence each."""
    tables, model = design.serving.tables, design.model
    reasons = []
    if model.engram and model.family not in _ENGRAM_FAMILIES:
        reasons.append(
            "vLLM and SGLang load Engram tables of DeepSeek-V4.1 and Qwen3.8 only; this model needs a plugin "
            "with its model class."
        )
    if model.engram and tables.tier in _NAMES:
        reasons.append(
            f"The design keeps its Engram tables in {_NAMES[str(tables.tier)]}: upstream vLLM and SGLang "
            "keep them in accelerator memory or in host DRAM only, and have no flag for it."
        )
    if model.engram and tables.cache_tier:
        reasons.append(
            f"The design puts a cache of {float(tables.cache_bytes) / 2**30:g} GiB in {tables.cache_tier} in "
            "front of its tables: upstream engines have no such cache."
        )
    if model.composition:
        reasons.append(
            f"The design has {model.composition.experts} whole models behind a router: an engine serves one of them. "
            "vLLM moves its weights to host memory and back (VLLM_SERVER_DEV_MODE=1, --enable-sleep-mode, POST "
            "/sleep?level=1 and /wake_up); the router and the choice of who sleeps are yours."
        )
    if design.serving.kv_budget:
        reasons.append(
            f"The design keeps {design.serving.kv_budget} prompt positions per head (SnapKV): upstream "
            "engines have no flag for it."
        )
    if design.serving.routed_experts_on == "host":
        reasons.append(
            "The design computes its routed experts on the host's processors: that takes SGLang with kt-kernel "
            "(github.com/kvcache-ai/ktransformers) or llama.cpp (--cpu-moe), not the engines started here."
        )
    if design.serving.attention_on == "host":
        reasons.append(
            "The design keeps its KV cache in host memory and decodes attention on the host's processors: "
            "upstream vLLM and SGLang have no flag for it (llama.cpp: --no-kv-offload)."
        )
    return reasons


def notes(design: Design) -> list[str]:
    """What the engines do in another way than the cost model assumes, one line each."""
    serving, lines = design.serving, []
    nodes = _nodes_per_replica(design)
    if nodes > 1:
        lines.append(
            f"One replica spans {nodes} nodes: start vLLM inside a Ray cluster over them, or SGLang once a "
            "node with --nnodes, --node-rank and --dist-init-addr added."
        )
    group = int(serving.tensor_parallel) * int(serving.data_parallel)
    if serving.expert_parallel not in (1, group):
        lines.append(
            f"The design divides experts over {serving.expert_parallel} ranks; vLLM's expert parallelism "
            f"spans all {group} ranks of a replica."
        )
    if design.model.engram and serving.tables.tier == "dram" and not serving.tables.prefetch:
        lines.append("The design reads its tables without prefetching; the engines prefetch.")
    if design.system.hbm_bytes is not None:
        lines.append(
            f"The design assumes accelerators with {float(design.system.hbm_bytes) / 2**30:g} GiB of memory."
        )
    if design.model.medusa_heads:
        lines.append("SGLang has no Medusa heads and runs without speculation.")
    return lines


def vllm_flags(design: Design) -> list[str]:
    """Arguments of `vllm serve`."""
    serving, model = design.serving, design.model
    flags = [f"--tensor-parallel-size {serving.tensor_parallel}"]
    if serving.pipeline_parallel != 1:
        flags.append(f"--pipeline-parallel-size {serving.pipeline_parallel}")
    if serving.data_parallel != 1:
        flags.append(f"--data-parallel-size {serving.data_parallel}")
    if model.moe and serving.expert_parallel != 1:
        flags.append("--enable-expert-parallel")
    flags.append(f"--max-model-len {_context(design)}")
    if serving.concurrency and not serving.request_rate:
        # vLLM counts sequences per data-parallel rank
        flags.append(f"--max-num-seqs {-(-int(serving.concurrency) // int(serving.data_parallel))}")
    # vLLM refuses fewer tokens a step than sequences
    flags.append(f"--max-num-batched-tokens {max(int(serving.prefill_chunk), int(serving.concurrency))}")
    if model.dtype("kv") in _KV_TYPES:
        flags.append(f"--kv-cache-dtype {_KV_TYPES[model.dtype('kv')]}")
    if model.family in _ENGRAM_FAMILIES and model.engram:
        tables: dict[str, bool] = {"cpu_offload": serving.tables.tier == "dram"}
        if tables["cpu_offload"] and serving.data_parallel != 1:
            tables["dp_shared_memory"] = serving.tables.sharing != "rank"
        flags.append(f"--engram-config '{json.dumps(tables)}'")
    if model.medusa_heads:
        medusa = {"method": "medusa", "model": "${MEDUSA}", "num_speculative_tokens": model.medusa_heads}
        escaped = json.dumps(medusa).replace('"', '\\"')
        flags.append(f'--speculative-config "{escaped}"')
    return flags


def sglang_flags(design: Design) -> list[str]:
    """Arguments of `sglang.launch_server`; its --tp-size counts the ranks of data-parallel attention too."""
    serving, model = design.serving, design.model
    flags = [f"--tp-size {int(serving.tensor_parallel) * int(serving.data_parallel)}"]
    if serving.pipeline_parallel != 1:
        flags.append(f"--pp-size {serving.pipeline_parallel}")
    if serving.data_parallel != 1:
        flags += [f"--dp-size {serving.data_parallel}", "--enable-dp-attention"]
    if model.moe and serving.expert_parallel != 1:
        flags.append(f"--ep-size {serving.expert_parallel}")
    flags.append(f"--context-length {_context(design)}")
    if serving.concurrency and not serving.request_rate:
        flags.append(f"--max-running-requests {serving.concurrency}")
    flags.append(f"--chunked-prefill-size {serving.prefill_chunk}")
    if model.dtype("kv") in _KV_TYPES:
        flags.append(f"--kv-cache-dtype {_KV_TYPES[model.dtype('kv')]}")
    if model.family in _ENGRAM_FAMILIES and model.engram:
        in_host = serving.tables.tier == "dram"
        tables = {"placement": "cpu" if in_host else "gpu"}
        if in_host:
            tables["replication"] = "none" if serving.tables.sharing == "rank" else "per_node"
        flags.append(f"--engram-config '{json.dumps(tables)}'")
    return flags


def _command(start: str, flags: list[str]) -> list[str]:
    lines = [f"    exec {start}", *(f"      {flag}" for flag in flags)]
    return [line + (" \\" if index < len(lines) - 1 else "") for index, line in enumerate(lines)]


def _context(design: Design) -> int:
    return int(design.serving.input_tokens) + int(design.serving.output_tokens)


def _ranks(design: Design) -> int:
    serving = design.serving
    return int(serving.tensor_parallel) * int(serving.data_parallel) * int(serving.pipeline_parallel)


def _nodes_per_replica(design: Design) -> int:
    per_node = max(1, int(design.system.accelerators) // int(design.system.nodes))
    return -(-_ranks(design) // per_node)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _comment(text: str) -> str:
    """A name as part of a comment: one line whatever it holds."""
    return "".join(c if c.isprintable() else " " for c in text)
