"""Hugging Face configs and presets -> Model, and back.

JSON is YAML, so the same reader names the line and column of every mistake. Fields that have no bearing on
cost (rope_theta, bos_token_id, ...) are passed over; those that look like a table field but are none are not.
"""

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from cost_models import designfields as rules
from cost_models import tables, yamlfile
from cost_models.architecture import parameters
from cost_models.design import Attention, Composition, Engram, MixtureOfExperts, Model
from cost_models.designfields import Rule
from cost_models.errors import InputError
from cost_models.hf_fields import (
    ALIASES,
    ENGRAM,
    EXPERTS_ARE_OPTIONAL,
    FAMILIES,
    LATENT_V41,
    REQUIRED,
    Family,
    Field,
)
from cost_models.hf_ngram import read_longcat, read_qwen4, write_longcat, write_qwen4
from cost_models.hf_released import read_released
from cost_models.yamlfile import Document

PRESETS = Path(__file__).parent / "presets"
_LARGEST_MODEL = 1e15  # parameters: a thousand times the largest that exists
_TORCH_DTYPES = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}
_QUANT_METHODS = {"fp8": "fp8", "mxfp4": "mxfp4", "nvfp4": "nvfp4", "awq": "int4", "gptq": "int4"}
# Fields of hf_ngram.py, and the one that is only checked.
_EXTRA_KEYS = (
    "engram_num_embeddings", "ple_layer_ids", "ple_embed_dim", "ple_conv_kernel_size", "ngram_size",
    "ngram_vocab_size_base", "ngram_vocab_size_ratio", "emb_neighbor_num", "emb_split_num",
)  # fmt: skip
COMPOSITION = (
    "composition"  # the model_type of many whole models behind a router; `expert_config` is one of them
)
_DTYPE_FIELDS = ("weights_dtype", "experts_dtype", "tables_dtype", "kv_dtype")


def presets() -> tuple[str, ...]:
    """Names of the models that ship with the project."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def read_model(path_or_preset: str | Path) -> Model:
    """The model of a config.json, of a folder that holds one, or of a preset.

    Raises InputError, naming file, line, column, field and what is allowed, for whatever is wrong.
    """
    name = str(path_or_preset)
    if name in presets():
        return read_config(_read(PRESETS / f"{name}.yaml"), name)
    path = Path(path_or_preset)
    if "\0" in name:
        raise InputError(f"{name!r}: not a path")
    if path.is_dir():
        path = path / "config.json"
    if not path.exists() and path.suffix not in (".json", ".yaml", ".yml"):
        close = get_close_matches(name, presets(), 1)
        hint = f"did you mean {close[0]}?" if close else f"presets are {', '.join(presets())}"
        raise InputError(f"{name}: neither a config.json nor a preset; {hint}")
    stem = path.resolve().parent.name if path.stem == "config" else path.stem
    return read_config(_read(path), stem)


def read_config(document: Document, name: str) -> Model:
    """The model of a config that has been parsed; `name` where the config does not give one."""
    if not isinstance(document.data, dict):
        raise document.error((), "must be a mapping of fields")
    document = read_released(document)
    data = {key: value for key, value in document.data.items() if value is not None}
    family_name = data.get("model_type")
    if family_name == COMPOSITION:
        return _composition(document, data, name)
    known = (*FAMILIES, *ALIASES, COMPOSITION)
    if family_name not in known:
        close = get_close_matches(str(family_name), known, 1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
        raise document.error(("model_type",), f"must be a known architecture, got {family_name!r}; {hint}")
    family_name = ALIASES.get(family_name, family_name)
    family = _family(family_name, "kv_lora_rank" in data)
    values = _values(document, data, family, family_name)
    attention = _attention(document, data, values)
    _layer_types(document, data, attention, values[""]["layers"])
    moe = MixtureOfExperts(**values["moe"]) if values.get("moe") else None
    model = Model(
        name=str(data.get("_name_or_path", name)),
        **values[""],
        attention=Attention(**attention),
        moe=moe,
        engram=Engram(**values["engram"]) if values.get("engram") else None,
        family=family_name,
        **_dtypes(document, data),
    )
    _check(document, data, model, family)
    return model


def _composition(document: Document, data: dict[str, Any], name: str) -> Model:
    places = {path[1:]: at for path, at in document.places.items() if path[:1] == ("expert_config",)}
    expert = read_config(Document(data.get("expert_config"), document.file, places), name)
    if expert.engram or expert.composition:
        rule = "must be a model without Engram tables that is no composition itself"
        raise document.error(("expert_config",), rule)
    values = {
        field: _number(document, data, key, rules.COMPOSITION[field], default)
        for field, key, default in (
            ("experts", "num_experts", REQUIRED),
            ("router_scale", "router_scale", 1.0),
        )
    }
    own = str(data.get("_name_or_path", name))
    return replace(expert, name=own, composition=Composition(**values))


def _family(name: str, latent: bool) -> Family:
    return FAMILIES[LATENT_V41 if name == "deepseek_v41" and latent else name]


def write_config(model: Model) -> dict[str, Any]:
    """The Hugging Face config of a model; reading it back gives an equal Model.

    A model that its own family cannot express (a Llama with experts, say) becomes `engram` or `engram_gqa`,
    whose configs hold every field of a Model. A composition holds the config of one expert.
    """
    if model.composition:
        return {
            "_name_or_path": model.name, "model_type": COMPOSITION, "num_experts": model.composition.experts,
            "router_scale": model.composition.router_scale,
            "expert_config": write_config(replace(model, composition=None)),
        }  # fmt: skip
    general = "engram" if model.attention.kind == "mla" else "engram_gqa"
    for family_name in dict.fromkeys((model.family, general)):
        if family_name not in FAMILIES:
            continue
        config = _write(model, family_name)
        try:
            again = read_config(Document(config, "config.json"), model.name)
        except InputError:
            continue
        if again == model or (family_name == general and _same_but_family(again, model)):
            return config
    raise InputError(f"model {model.name}: cannot be written as a Hugging Face config; its fields contradict")


def _same_but_family(one: Model, other: Model) -> bool:
    return {**vars(one), "family": ""} == {**vars(other), "family": ""}


def _read(path: Path) -> Document:
    if path.suffix != ".json":
        return yamlfile.read(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return yamlfile.read(path)  # raises the error with its reason
    return yamlfile.parse(text.replace("\t", " "), str(path))  # JSON may indent with tabs, YAML may not


def _values(document: Document, data: dict[str, Any], family: Family, name: str) -> dict[str, dict[str, Any]]:
    """Values by record: {"": Model's, "attention": ..., "moe": ..., "engram": ...}."""
    values: dict[str, dict[str, Any]] = {"": {}, "attention": {}, "moe": {}, "engram": {}}
    for target, value in family.constant.items():
        record, _, attribute = target.rpartition(".")
        values[record][attribute] = value
    expert_fields = [field for field in family.fields if field.target.startswith("moe.")]
    counted = next((field.key for field in expert_fields if field.target == "moe.routed_experts"), "")
    experts = bool(expert_fields) and (name not in EXPERTS_ARE_OPTIONAL or bool(data.get(counted)))
    for field in family.fields:
        if experts or field not in expert_fields:
            _store(document, data, field, values)
    if experts:
        moe = values["moe"]
        if name == "mixtral":
            moe["expert_width"] = values[""]["dense_width"]
        if name in ("qwen3_moe", "mixtral"):
            moe["shared_experts"] = 0
        if name == "qwen4_exp":
            moe["shared_experts"] = 1 if moe["shared_expert_width"] else 0
    for reader, of in ((read_qwen4, "qwen4_exp"), (read_longcat, "longcat_flash")):
        if name == of:
            reader(document, data, values, _number)
    if "engram_layer_ids" in data:
        for field in ENGRAM:
            _store(document, data, field, values)
        if values["engram"]["kernel_size"] is None:
            values["engram"]["kernel_size"] = family.engram_kernel_size
    _refuse_slips(document, data, family)
    return values


def _store(document: Document, data: dict[str, Any], field: Field, values: dict[str, dict[str, Any]]) -> None:
    record, _, name = field.target.rpartition(".")
    if field.key not in data:
        if field.default is REQUIRED:
            raise document.error((field.key,), f"is missing; it {field.rule.sentence()}")
        values[record][name] = field.default
        return
    values[record][name] = checked(document, field.key, field.rule, data[field.key])


def checked(document: Document, key: str, rule: Rule, value: Any) -> Any:
    """A value that keeps to its rule. Raises InputError."""
    if rule.kind == "integers":
        one = Rule("integer", rule.low, rule.high)
        good = isinstance(value, list) and 0 < len(value) <= 4096
        if good:
            return tuple(checked(document, key, one, item) for item in value)
    elif rule.kind == "flag":
        good = isinstance(value, bool)
    elif rule.kind == "text":
        good = isinstance(value, str) and (value in rule.choices if rule.choices else len(value) <= 4096)
    else:
        if rule.kind == "integer" and isinstance(value, float) and value.is_integer():
            value = int(value)
        kinds = (int,) if rule.kind == "integer" else (int, float)
        good = isinstance(value, kinds) and not isinstance(value, bool)
        good = good and rule.low <= value <= rule.high and value > rule.above
    if not good:
        shown = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}..."
        raise document.error((key,), f"{rule.sentence()}, got {shown}")
    return float(value) if rule.kind == "number" else value


def _number(document: Document, data: dict[str, Any], key: str, rule: Rule, default: Any = REQUIRED) -> Any:
    """A field outside the tables of hf_fields."""
    if key not in data:
        if default is REQUIRED:
            raise document.error((key,), f"is missing; it {rule.sentence()}")
        return default
    return checked(document, key, rule, data[key])


def _refuse_slips(document: Document, data: dict[str, Any], family: Family) -> None:
    known = {field.key for field in (*family.fields, *ENGRAM)} | set(_EXTRA_KEYS)
    for key in data:
        if str(key).startswith(family.prefixes) and key not in known:
            close = get_close_matches(str(key), known, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise document.error((key,), f"is not a known field{hint}")
    if "engram_layer_ids" not in data:
        stray = next((key for key in data if str(key).startswith("engram_")), None)
        if stray:
            raise document.error(
                (stray,), "needs engram_layer_ids beside it, a list of layers counted from 0"
            )


def _attention(document: Document, data: dict[str, Any], values: dict[str, dict[str, Any]]) -> dict[str, Any]:
    a = values["attention"]
    if a["kind"] == "csa":
        return _compressed(document, data, a, values[""]["layers"])
    if a["kind"] == "mla":
        a |= {"kv_heads": a["heads"], "head_dim": a["qk_nope_head_dim"] + a["qk_rope_head_dim"]}
        for key in ("kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"):
            if a[key] < 1:
                raise document.error((key,), "must be a whole number >= 1, got 0")
        return a
    a["kv_heads"] = a["heads"] if a["kv_heads"] is None else a["kv_heads"]
    if a["heads"] % a["kv_heads"]:
        raise document.error(
            ("num_key_value_heads",), f"must divide num_attention_heads ({a['heads']}), got {a['kv_heads']}"
        )
    if a["head_dim"] is None:
        hidden = values[""]["hidden"]
        if hidden % a["heads"]:
            raise document.error(
                ("num_attention_heads",),
                f"must divide hidden_size ({hidden}) where head_dim is not given, got {a['heads']}",
            )
        a["head_dim"] = hidden // a["heads"]
    return a


def _compressed(document: Document, data: dict[str, Any], a: dict[str, Any], layers: int) -> dict[str, Any]:
    """The attention of DeepSeek-V4.1: one ratio a layer, and sources among the layers that have one."""
    if a["kv_heads"] != 1:
        raise document.error(
            ("num_key_value_heads",), f"must be 1, one latent for all heads, got {a['kv_heads']}"
        )
    if a["heads"] * a["head_dim"] % a["o_groups"] or a["qk_rope_head_dim"] > a["head_dim"]:
        raise document.error(
            ("o_groups",), f"must divide num_attention_heads x head_dim = {a['heads'] * a['head_dim']}"
        )
    ratios = a["compress_ratios"]
    if len(ratios) < layers:
        raise document.error(
            ("compress_ratios",), f"must give a ratio for each of the {layers} layers, got {len(ratios)}"
        )
    for key in ("kv_source_layer_ids", "index_source_layer_ids"):
        if not all(layer < layers and ratios[layer] for layer in data[key]):
            raise document.error((key,), f"must name layers with a ratio above 0, got {data[key]}")
    return a


def _layer_types(document: Document, data: dict[str, Any], attention: dict[str, Any], layers: int) -> None:
    """Sliding windows: `layer_types` names each layer's kind; without it all layers have the window."""
    if attention["kind"] == "csa":
        return
    if attention.get("linear_value_heads"):
        attention["full_attention_layers"] = _softmax_layers(document, data, layers)
        return
    if "sliding_window" not in data or data.get("use_sliding_window") is False:
        return
    attention["sliding_window"] = checked(
        document, "sliding_window", rules.ATTENTION["sliding_window"], data["sliding_window"]
    )
    types = data.get("layer_types")
    if types is None:
        return
    known = ("full_attention", "sliding_attention")
    if not isinstance(types, list) or len(types) != layers or not set(map(str, types)) <= set(known):
        raise document.error(
            ("layer_types",), f"must name each of the {layers} layers as one of {', '.join(known)}"
        )
    attention["full_attention_layers"] = tuple(i for i, kind in enumerate(types) if kind == "full_attention")


def _softmax_layers(document: Document, data: dict[str, Any], layers: int) -> tuple[int, ...]:
    """Layers of a hybrid model that are not linear: by `layer_types`, or every full_attention_interval-th one."""
    types = data.get("layer_types")
    if types is None:
        rule = Rule("integer", 1, 4096)
        step = _number(document, data, "full_attention_interval", rule, 4)
        return tuple(range(step - 1, layers, step))
    known = ("linear_attention", "full_attention", "qwen_sparse_attention")
    if not isinstance(types, list) or len(types) != layers or not set(map(str, types)) <= set(known):
        raise document.error(
            ("layer_types",), f"must name each of the {layers} layers as one of {', '.join(known)}"
        )
    return tuple(i for i, kind in enumerate(types) if kind != "linear_attention")


def _dtypes(document: Document, data: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    torch_dtype = data.get("dtype", data.get("torch_dtype", "bfloat16"))
    result["weights_dtype"] = _TORCH_DTYPES.get(str(torch_dtype), "bf16")
    quantisation = data.get("quantization_config")
    if isinstance(quantisation, dict):
        method = str(quantisation.get("quant_method", "")).lower()
        if method == "mxfp4":
            result["experts_dtype"] = "mxfp4"  # only experts are stored so (openai/gpt-oss)
        elif method in _QUANT_METHODS:
            result["weights_dtype"] = _QUANT_METHODS[method]
        if quantisation.get("expert_dtype") == "fp4":
            result["experts_dtype"] = "mxfp4"  # one scale per 32 values (DeepSeek-V4.1)
    for key in _DTYPE_FIELDS:
        if key in data:
            result[key] = checked(document, key, rules.MODEL[key], data[key])
    return result


def _check(document: Document, data: dict[str, Any], model: Model, family: Family) -> None:
    """Refuse a model that cannot exist."""
    key_of = {field.target: field.key for field in (*family.fields, *ENGRAM)}
    moe, engram = model.moe, model.engram
    if moe and moe.active_experts > moe.routed_experts:
        raise document.error(
            (key_of["moe.active_experts"],),
            f"must be <= the {moe.routed_experts} experts, got {moe.active_experts}",
        )
    if moe and moe.leading_dense_layers > model.layers:
        raise document.error(
            (key_of["moe.leading_dense_layers"],),
            f"must be <= the {model.layers} layers, got {moe.leading_dense_layers}",
        )
    if model.dense_width == 0 and (moe is None or moe.leading_dense_layers or moe.layer_step > 1):
        raise document.error((key_of["dense_width"],), "must be >= 1 where a layer is dense, got 0")
    if engram and not engram.input_only:
        ids = engram.layer_ids
        if len(set(ids)) < len(ids) or max(ids) >= model.layers:
            key = "ple_layer_ids" if "ple_layer_ids" in data else "engram_layer_ids"
            raise document.error((key,), f"must be different layers of the {model.layers}, got {data[key]}")
    expected = data.get("engram_num_embeddings")
    if engram and expected is not None:
        rows = tables.rows(model).sum(axis=(1, 2)).tolist()
        if expected != rows:
            raise document.error(
                ("engram_num_embeddings",), f"must be the sums of the table rows, {rows}, got {expected}"
            )
    total = parameters(model).total
    if total > _LARGEST_MODEL:
        raise document.error(
            (), f"describes {total:.3g} parameters; the most that is allowed is {_LARGEST_MODEL:g}"
        )


def _write(model: Model, family_name: str) -> dict[str, Any]:
    family = _family(family_name, model.attention.kind == "mla")
    config: dict[str, Any] = {
        "_name_or_path": model.name, "model_type": family_name, "architectures": [family.architecture],
    }  # fmt: skip
    for field in family.fields:
        record, _, name = field.target.rpartition(".")
        owner = getattr(model, record) if record else model
        if owner is not None:
            config[field.key] = getattr(owner, name)
    if model.engram:
        if family_name == "qwen4_exp":
            write_qwen4(model, config)
        elif model.engram.input_only and family_name == "longcat_flash":
            write_longcat(model, config)
        else:
            config |= {field.key: getattr(model.engram, field.target.split(".")[1]) for field in ENGRAM}
            config["engram_num_embeddings"] = tables.rows(model).sum(axis=(1, 2)).tolist()
    if family_name == "longcat_flash":
        config["num_layers"] = model.layers // 2
    a = model.attention
    if a.kind == "mla":
        config["num_key_value_heads"] = a.heads
    if a.linear_value_heads:
        full = set(a.full_attention_layers)
        config["layer_types"] = [
            "full_attention" if layer in full else "linear_attention" for layer in range(model.layers)
        ]
    if a.sliding_window and a.kind != "csa":
        full = set(a.full_attention_layers)
        config["sliding_window"] = a.sliding_window
        config["layer_types"] = [
            "full_attention" if layer in full else "sliding_attention" for layer in range(model.layers)
        ]
    config |= {key: getattr(model, key) for key in _DTYPE_FIELDS if getattr(model, key)}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in config.items()}
