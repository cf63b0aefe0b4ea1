"""What a space file may say.

A field is either a fixed value, or free: `{choices: [..]}`, `{low: .., high: .., step: .., log: ..}`; a set
of layers is `{subsets: [[1], [1, 14]]}` or `{of: [1, 7, 14], min: 1, max: 2}`. A free field may carry
`when: {serving.tables.tier: [dram, cxl]}` or `when: {system.host.ssd_gib: {above: 0}}`.
Layers are counted from 0; GiB and token counts carry their unit in the name, everything else is SI.
"""

from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeAlias, TypeVar, Union

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from cost_models.design import DTYPE_BYTES, ENGINES, PROCESSORS, TIERS
from cost_models.replacement import POLICIES
from cost_models.speculation import MOST_NODES, PUBLISHED

T = TypeVar("T")

Count = Annotated[int, Field(strict=True, ge=1)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Share = Annotated[float, Field(strict=True, ge=0, lt=1)]
Amount = Annotated[float, Field(strict=True, ge=0)]
Positive = Annotated[float, Field(strict=True, gt=0)]


class Strict(BaseModel):
    """A mapping with known fields only."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Above(Strict):
    """Where the other parameter is greater than this."""

    above: float


When = dict[str, Above | list[bool | int | float | str]]


class Choices(Strict, Generic[T]):
    """A list of values, without an order."""

    choices: Annotated[list[T], Field(min_length=1)]
    when: When = {}

    @field_validator("choices")
    @classmethod
    def _distinct(cls, choices: list[T]) -> list[T]:
        return _distinct(choices)


class Range(Strict, Generic[T]):
    """Numbers between two bounds, both included."""

    low: T
    high: T
    step: Positive | None = None
    log: bool = False
    points: Annotated[int, Field(strict=True, ge=2, le=1000)] = 9
    when: When = {}

    @model_validator(mode="after")
    def _ordered(self) -> "Range[T]":
        if self.low >= self.high:  # type: ignore[operator]
            raise _rule("low", f"must be less than high ({self.high}), got {self.low}")
        if self.log and self.low <= 0:  # type: ignore[operator]
            raise _rule("low", f"must be > 0 where log is true, got {self.low}")
        if self.log and self.step:
            raise _rule("step", "cannot be combined with log: true; leave one out")
        if isinstance(self.low, int) and isinstance(self.high, int) and self.step and self.step % 1:
            raise _rule("step", f"must be a whole number, got {self.step}")
        return self


class Subsets(Strict):
    """A list of sets of layers."""

    subsets: Annotated[list[list[Whole]], Field(min_length=1)]
    when: When = {}

    @field_validator("subsets")
    @classmethod
    def _sets(cls, subsets: list[list[int]]) -> list[list[int]]:
        return _distinct([sorted(set(subset)) for subset in subsets])


class SubsetOf(Strict):
    """All sets of min to max of the given layers."""

    of: Annotated[list[Whole], Field(min_length=1, max_length=24)]
    min: Count = 1
    max: Count | None = None
    when: When = {}

    @model_validator(mode="after")
    def _sizes(self) -> "SubsetOf":
        if self.min > (self.max or len(self.of)) or (self.max or 1) > len(self.of):
            raise _rule("max", f"must lie between min ({self.min}) and {len(self.of)}, got {self.max}")
        return self


def _form(value: Any) -> str:
    if not isinstance(value, dict):
        return "<value>"
    return "<range>" if {"low", "high", "step", "log", "points"} & set(value) else "<choices>"


def _set_form(value: Any) -> str:
    if not isinstance(value, dict):
        return "<value>"
    return "<of>" if {"of", "min", "max"} & set(value) else "<subsets>"


# The tags in <> are dropped from the places of errors. Pydantic puts a type into a generic class only where it is
# named outright, hence the classes in place of aliases.
if TYPE_CHECKING:
    Free: TypeAlias = Union[T, Choices[T], Range[T]]  # noqa: UP007
    Named: TypeAlias = Union[T, Choices[T]]  # noqa: UP007
    Dtype = str
    Tier = str
    Policy = str
    Processor = str
    Engine = str
else:

    class Free:
        """A value, choices or a range."""

        def __class_getitem__(cls, kind: Any) -> Any:
            value, range_ = Annotated[kind, Tag("<value>")], Annotated[Range[kind], Tag("<range>")]
            return Annotated[
                value | Annotated[Choices[kind], Tag("<choices>")] | range_, Discriminator(_form)
            ]

    class Named:
        """A value or choices."""

        def __class_getitem__(cls, kind: Any) -> Any:
            value = Annotated[kind, Tag("<value>")]
            return Annotated[value | Annotated[Choices[kind], Tag("<choices>")], Discriminator(_form)]

    Dtype = Literal[tuple(DTYPE_BYTES)]
    Tier = Literal[TIERS]
    Policy = Literal[POLICIES]
    Processor = Literal[PROCESSORS]
    Engine = Literal[("", *ENGINES)]

LayerSet = Annotated[
    Annotated[list[Whole], Field(min_length=1), Tag("<value>")]
    | Annotated[Subsets, Tag("<subsets>")]
    | Annotated[SubsetOf, Tag("<of>")],
    Discriminator(_set_form),
]


class ModelSpec(Strict):
    """The model: a base, and what of it may vary.

    engram_share: Engram share of the sparse parameters at the base's active parameters and its total, or
        `total_parameters`; routed experts and table rows follow.
    attention, feed_forward: the kind of every layer's two parts, at the base's active parameters (blocks.py).
    engram_rows: rows of one table beside a fixed backbone; the share follows. Only one of the two.
    composition_experts: so many whole models of the base behind a router, composition_router_scale its size relative
        to one of them.
    With several presets nothing is trained, and what does not fit each of them says so with `when`.
    """

    preset: Named[str] | None = None
    config: str | None = None
    total_parameters: Free[Positive] | None = None
    engram_share: Free[Share] | None = None
    engram_rows: Free[Whole] | None = None
    engram_layers: LayerSet | None = None
    engram_max_order: Free[Annotated[int, Field(strict=True, ge=2, le=8)]] | None = None
    engram_heads: Free[Count] | None = None
    engram_head_dim: Free[Count] | None = None
    engram_hash_layout: Named[Literal["independent", "blocked"]] | None = None
    active_experts: Free[Count] | None = None
    attention: Named[Literal["mha", "gqa", "mqa", "mla"]] | None = None
    feed_forward: Named[Literal["dense", "experts"]] | None = None
    composition_experts: Free[Count] | None = None
    composition_router_scale: Free[Amount] | None = None
    medusa_heads: Free[Whole] | None = None
    weights_dtype: Named[Dtype] | None = None
    experts_dtype: Named[Dtype] | None = None
    tables_dtype: Named[Dtype] | None = None
    kv_dtype: Named[Dtype] | None = None

    @model_validator(mode="after")
    def _one_base_one_rule(self) -> "ModelSpec":
        if (self.preset is None) == (self.config is None):
            raise _rule(
                "preset",
                "or config must be given, and not both: the name of a preset, or a Hugging Face config",
            )
        if self.engram_share is not None and self.engram_rows is not None:
            raise _rule(
                "engram_rows",
                "and engram_share cannot both be given: a share fixes the total and the rows follow, rows leave "
                "the backbone fixed and the share follows; leave one out",
            )
        if self.total_parameters is not None and self.engram_share is None:
            raise _rule(
                "total_parameters", "needs engram_share: it says how experts and tables divide the total"
            )
        return self


class HostSpec(Strict):
    """Memory of one node beside its accelerators."""

    dram_gib: Free[Amount] = 0.0
    cxl_gib: Free[Amount] = 0.0
    ssd_gib: Free[Amount] = 0.0
    ssd_drives: Free[Whole] = 0
    sockets: Free[Whole] = 0
    cpu: Named[str] | None = None
    dram_tier: Named[str] | None = None
    cxl_tier: Named[str] | None = None
    ssd_tier: Named[str] | None = None
    remote_tier: Named[str] | None = None


class SystemSpec(Strict):
    """Accelerators and hosts; hbm_gib null: as sold."""

    accelerator: Named[str]
    accelerators: Free[Count] = 8
    nodes: Free[Count] = 1
    hbm_gib: Free[Positive] | None = None
    host: HostSpec = HostSpec()


class CacheSpec(Strict):
    """A cache in front of the tables."""

    tier: Named[Literal["", "hbm", "dram", "cxl"]] = "dram"
    gib: Free[Amount] = 0.0
    policy: Named[Policy] = "lru"


class TablesSpec(Strict):
    """Where the Engram tables lie. traffic: a shipped traffic profile, or a profile file beside the space file."""

    tier: Named[Tier] = "hbm"
    prefetch: Named[bool] = True
    sharing: Named[Literal["rank", "numa", "node"]] = "node"
    traffic: str = "bundled-text"
    cache: CacheSpec | None = None


class ServingSpec(Strict):
    """How the model is served; phase null: a whole request mix."""

    tensor_parallel: Free[Count] = 1
    expert_parallel: Free[Count] = 1
    data_parallel: Free[Count] = 1
    pipeline_parallel: Free[Count] = 1
    phase: Literal["prefill", "decode"] | None = None
    input_tokens: Free[Count] = 4096
    output_tokens: Free[Count] = 512
    concurrency: Free[Count] = 8
    request_rate: Free[Amount] = 0.0
    output_spread: Free[Amount] = 0.0
    engine: Named[Engine] = ""
    routed_experts_on: Named[Processor] = "accelerator"
    attention_on: Named[Processor] = "accelerator"
    kv_budget: Free[Whole] = 0
    kv_window: Free[Count] = 32
    kv_pooling: Free[Count] = 7
    medusa_tree: Free[Annotated[int, Field(strict=True, ge=0, le=MOST_NODES)]] = 63
    medusa_acceptance: str = PUBLISHED
    composition_tier: Named[Tier] = "dram"
    composition_hot: Free[Whole] = 0
    composition_popularity: Free[Amount] = 1.0
    composition_links: Free[Whole] = 0
    composition_prefetch: Named[bool] = False
    tables: TablesSpec = TablesSpec()


class TrainingSpec(Strict):
    """Training every candidate from scratch, for the objectives training_usd and training_days; nothing here is free.

    tokens null: tokens_per_parameter for each active parameter. tables null: hbm or dram, whichever is faster.
    """

    accelerator: str = "h100-sxm"
    accelerators: Count = 64
    nodes: Count = 8
    dram_gib: Amount = 2048.0
    ssd_gib: Amount = 0.0
    ssd_drives: Whole = 0
    tokens: Positive | None = None
    tokens_per_parameter: Positive = 20.0
    sequences: Count = 1024
    length: Count = 4096
    dtype: Literal["bf16", "fp8"] = "bf16"
    tables: Literal["hbm", "dram"] | None = None
    nodes_per_token: Whole = 0

    @model_validator(mode="after")
    def _divides(self) -> "TrainingSpec":
        if self.sequences % self.accelerators:
            raise _rule(
                "sequences",
                f"must be a multiple of the {self.accelerators} accelerators, got {self.sequences}",
            )
        return self


class ConstraintsSpec(Strict):
    """Limits that a feasible design keeps to."""

    ttft_s: Positive | None = None
    tpot_s: Positive | None = None
    power_w: Positive | None = None
    capex_usd: Positive | None = None
    usd_per_mtok: Positive | None = None
    bits_per_byte: Positive | None = None


class QualitySpec(Strict):
    """How the quality of a model is measured: by a proxy training of this fidelity and seed.

    fidelity: in a file also a list, cheapest first: the last one judges, the `shorter` ones help to choose
        what it is spent on.
    mode: the training alone, the published laws alone (prior), or both weighted by their precision.
    """

    fidelity: str
    shorter: tuple[str, ...] = ()
    seed: Whole = 0
    corpus: str | None = None
    mode: Literal["proxy", "prior", "both"] = "proxy"

    @property
    def fidelities(self) -> tuple[str, ...]:
        """All of them, cheapest first."""
        return (*self.shorter, self.fidelity)

    @model_validator(mode="before")
    @classmethod
    def _several(cls, data: Any) -> Any:
        named = data.get("fidelity") if isinstance(data, dict) else None
        if isinstance(named, list) and named:
            return data | {"fidelity": named[-1], "shorter": _distinct(named)[:-1]}
        return data


class SpaceFile(Strict):
    """A whole space file; without `quality` nothing is trained."""

    name: str | None = None
    description: str = ""
    model: ModelSpec
    system: SystemSpec
    serving: ServingSpec = ServingSpec()
    training: TrainingSpec | None = None
    objectives: Annotated[list[str], Field(min_length=1)] | None = None
    constraints: ConstraintsSpec = ConstraintsSpec()
    quality: QualitySpec | None = None

    @field_validator("objectives")
    @classmethod
    def _objectives(cls, objectives: list[str] | None) -> list[str] | None:
        return None if objectives is None else _distinct(objectives)


def _distinct(values: list[T]) -> list[T]:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise PydanticCustomError(
                "rule", "{text}", {"text": f"has {value!r} twice; keep one", "field": None}
            )
    return values


def _rule(field: str, text: str) -> PydanticCustomError:
    """A broken rule about one field of a mapping; `load` adds the field to the place."""
    return PydanticCustomError("rule", "{text}", {"text": text, "field": field})
