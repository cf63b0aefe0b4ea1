"""The shape of one proxy: what the transformer is built from, with its exact parameters and FLOPs."""

from dataclasses import asdict, dataclass
from typing import Any

from cost_models import tables
from cost_models.design import Engram, Model


@dataclass(frozen=True)
class ProxyConfig:
    """A small decoder transformer: GQA attention, SwiGLU, mixture of experts, Engram tables.

    experts: routed experts of each layer, 0 where the layer has a dense feed-forward of `dense_width`.
    shared_width: total inner width of the shared experts of a layer with routed ones, by layer (0: none).
    engram: table shape; its layer_ids count the layers of this proxy. None: no tables.
    """

    vocab: int
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    dense_width: tuple[int, ...]
    experts: tuple[int, ...]
    active_experts: int
    expert_width: int
    shared_width: tuple[int, ...]
    engram: Engram | None
    branches: int = 1
    tied_embeddings: bool = False

    @property
    def memory_width(self) -> int:
        """Width of the memory vector of one layer, orders x heads x head_dim; 0 without tables."""
        engram = self.engram
        return 0 if engram is None else (engram.max_order - 1) * engram.heads * engram.head_dim

    def table_parameters(self) -> int:
        """Values in all Engram tables."""
        if self.engram is None:
            return 0
        return int(tables.rows(self.as_model()).sum()) * self.engram.head_dim

    def routed_parameters(self) -> int:
        """Values in all routed experts (SwiGLU: three matrices each)."""
        return sum(self.experts) * 3 * self.hidden * self.expert_width

    def inactive_parameters(self) -> int:
        """Sparse parameters in the sense of arXiv 2601.07372: those that one token does not use."""
        moe_layers = sum(1 for count in self.experts if count)
        active = moe_layers * self.active_experts * 3 * self.hidden * self.expert_width
        rows_read = 0 if self.engram is None else self.memory_width * tables.sets(self.engram)
        return self.routed_parameters() - active + self.table_parameters() - rows_read

    def share(self) -> float:
        """Part of the sparse parameters that lies in tables, as it came out after rounding."""
        read = 0 if self.engram is None else self.memory_width * tables.sets(self.engram)
        sparse = self.inactive_parameters()
        return (self.table_parameters() - read) / sparse if sparse else 0.0

    def parameters(self) -> int:
        """All matrix and table values; norms, biases and the short convolution (under 0.5 %) are left out."""
        d = self.hidden
        attention = d * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        router = sum(self.experts) * d
        dense = 3 * d * (sum(self.dense_width) + sum(self.shared_width))
        embeddings = self.vocab * d * (1 if self.tied_embeddings else 2)
        projections = self.engram_matrix_parameters()
        return (
            self.layers * attention + router + dense + embeddings + projections
            + self.routed_parameters() + self.table_parameters()
        )  # fmt: skip

    def engram_matrix_parameters(self) -> int:
        """W_V, and W_K once per residual branch where the tables are gated."""
        if self.engram is None:
            return 0
        matrices = 1 + (self.branches if self.engram.gated and not self.engram.input_only else 0)
        return tables.sets(self.engram) * matrices * self.memory_width * self.hidden

    def active_parameters(self) -> int:
        """Matrix values that one token is multiplied with: router and output head included, tables and input
        embedding (reads, not products) left out."""
        d = self.hidden
        attention = self.layers * d * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        moe_layers = sum(1 for count in self.experts if count)
        experts = moe_layers * self.active_experts * 3 * d * self.expert_width
        dense = 3 * d * (sum(self.dense_width) + sum(self.shared_width))
        return (
            attention
            + sum(self.experts) * d
            + experts
            + dense
            + self.vocab * d
            + self.engram_matrix_parameters()
        )

    def flops_per_token(self, context: float) -> float:
        """Forward FLOPs of one token: two per active parameter, and attention over `context` positions."""
        return 2.0 * self.active_parameters() + 4.0 * self.layers * self.heads * self.head_dim * context

    def as_model(self) -> Model:
        """A `Model` with this proxy's tables, for the functions of `cost_models.tables`. Values are fp32."""
        from cost_models.design import Attention

        attention = Attention("gqa", self.heads, self.kv_heads, self.head_dim)
        return Model(
            "proxy", self.layers, self.hidden, self.vocab, attention, max(self.dense_width, default=0),
            engram=self.engram, weights_dtype="fp32", hyper_connections=self.branches,
        )  # fmt: skip

    def document(self) -> dict[str, Any]:
        """Plain values for JSON and for the key of a stored result."""
        return asdict(self)
