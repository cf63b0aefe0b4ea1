"""Released configs as they lie on Hugging Face, put into the fields that hf_fields knows.

Models that also see keep their language part in `text_config` and their encoder in `vision_config`; the tables of a
release carry scales that follow from its quantisation; some fields are products of others.
"""

from typing import Any

from cost_models.yamlfile import Document

_MOST_WIDTH = 1_000_000  # of an encoder's fields; wider is a slip, and is left to be refused as a size


def read_released(document: Document) -> Document:
    """The same config with the fields of its language part at the top, where errors still find their lines."""
    data: dict[str, Any] = document.data
    inner = data.get("text_config")
    if isinstance(inner, dict):
        outer = {key: value for key, value in data.items() if key != "text_config"}
        places = document.places | {
            path[1:]: place
            for path, place in document.places.items()
            if path[:1] == ("text_config",) and path[1:]
        }
        data = outer | inner
        document = Document(data, document.file, places)
    kind = str(data.get("model_type", "")).removesuffix("_text")
    if kind == "deepseek_v41" and "compress_ratios" in data:
        return Document(_deepseek_v41(data), document.file, document.places)
    return document


def _deepseek_v41(data: dict[str, Any]) -> dict[str, Any]:
    """Defaults that the release implies: see the comments."""
    found: dict[str, Any] = {}
    blocks, size = data.get("candidate_topk_blocks"), data.get("candidate_block_size")
    if isinstance(blocks, int) and isinstance(size, int):
        found["candidate_positions"] = blocks * size
    if isinstance(data.get("candidate_source_layer_id"), int):
        # a causal encoder-decoder: prompts run through the layers below the first source of the decoder
        found["prefill_layers"] = max(0, data["candidate_source_layer_id"])
    if isinstance(data.get("engram_head_dim"), int) and isinstance(data.get("quantization_config"), dict):
        # tables in fp8 with a scale byte per 32 values, vLLM's cache in fp8 (attention.py: "auto" is fp8_ds_mla)
        found |= {"tables_dtype": "fp8", "engram_scale_bytes_per_row": data["engram_head_dim"] / 32}
    if isinstance(data.get("quantization_config"), dict):
        found["kv_dtype"] = "fp8"
    if isinstance(data.get("vision_config"), dict):
        found["encoder_parameters"] = _encoder(data["vision_config"], data.get("hidden_size"))
    return found | data


def _encoder(vision: dict[str, Any], hidden: Any) -> int:
    """Weights of DeepSeek-V4.1's encoder and of the two products behind it, from the shapes of the checkpoint."""
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "patch_size", "downsample_ratio")
    given = [vision.get(name) for name in names] + [hidden]
    if not all(isinstance(value, int) and 0 < value < _MOST_WIDTH for value in given):
        return 0
    width, inner, layers, patch, ratio, out = (int(value) for value in given if value is not None)
    block = (3 * width * width + 3 * width) + (width * width + width) + 3 * inner * width + 2 * width
    patches = 3 * width * patch * patch + width
    aligner = out * width * ratio * ratio + out + out * out + out
    marks = 3 * out  # where an image starts, ends, and breaks its lines
    return layers * block + patches + width + aligner + marks
