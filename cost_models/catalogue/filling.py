"""From an accelerator's catalogue entry to the numbers that formulas read.

A rule stands in for a figure that was not found. It reads its constant from estimates.yaml and is reported by
name, so that a filled figure is never taken for a sourced one.
"""

from dataclasses import dataclass, field

from cost_models import constants
from cost_models.catalogue.figures import Figure, Tree
from cost_models.errors import InputError

# The order of the columns of a packed table of accelerators (resolve.py).
FIELDS = (
    "peak_bf16", "peak_fp8", "peak_fp4", "memory", "memory_bandwidth", "host_link", "zero_copy",
    "host_read_latency", "scale_up", "scale_up_group", "tdp", "idle", "price", "core_bf16",
    "core_fp8", "core_fp4", "memory_energy", "embodied", "unified", "is_cpu", "kernel_flops", "fitted",
    "hosted", "machine", "memory_price", "memory_embodied", "memory_static", "included_memory", "channels",
    "socket_price", "hbm_latency", "hbm_random_share", "die_area", "wafer_price", "defects",
)  # fmt: skip


@dataclass
class Row:
    """One accelerator in SI numbers, and which of them were filled: field -> the rule used."""

    name: str
    values: dict[str, float] = field(default_factory=dict)
    filled: dict[str, str] = field(default_factory=dict)


class Reader:
    """Reads figures of one entry as SI numbers and remembers what had to be filled."""

    def __init__(self, name: str, entry: Tree, root: Tree):
        self.name, self.entry, self.root = name, entry, root
        self.filled: dict[str, str] = {}

    def figure(self, key: str) -> float | None:
        """The SI value of a figure of the entry, or None where it is absent or null."""
        found = self.entry.get(key)
        return found.si if isinstance(found, Figure) else None

    def need(self, key: str) -> float:
        """As `figure`, but an absent one is an InputError: no rule can fill it."""
        value = self.figure(key)
        if value is None:
            found = self.entry.get(key)
            place = found.place if isinstance(found, Figure) and found.place else self.name
            raise InputError(f"{place}: {key} must be given: nothing can stand in for it")
        return value

    def text(self, key: str) -> str:
        value = self.entry.get(key, "")
        return value if isinstance(value, str) else ""

    def flag(self, key: str) -> bool:
        return self.entry.get(key) is True

    def fill(self, key: str, value: float, rule: str) -> float:
        """Use `value` for a figure that was not found, and remember the rule."""
        self.filled[key] = rule
        return value

    def common(self, *path: str) -> float:
        """The SI value of a figure elsewhere in the catalogue."""
        return si(self.root, *path)


def si(root: Tree, *path: str) -> float:
    """The SI value of the figure at a path of the whole catalogue; InputError where it is null."""
    node: object = root
    for key in path:
        node = node[key] if isinstance(node, dict) else None
    if not isinstance(node, Figure) or node.si is None:
        raise InputError(f"the catalogue has no number at {'.'.join(path)}; set it with --set")
    return node.si


def accelerator_row(name: str, entry: Tree, root: Tree, dram_price: float) -> Row:
    """All columns of FIELDS for one accelerator; dram_price (USD/byte) charges a processor's own memory."""
    r = Reader(name, entry, root)
    is_cpu, unified = r.text("kind") == "cpu", r.text("kind") in ("cpu", "unified")
    memory_type = r.text("memory_type")
    v: dict[str, float] = {"is_cpu": is_cpu, "unified": unified, "fitted": constants.is_fitted(name)}
    kernels = constants.of(constants.key(name))["experts_bf16"] if is_cpu else {"compute": 0.0}
    v["machine"] = r.text("price_includes") == "machine"
    v["hosted"] = is_cpu or v["machine"] or r.text("price_includes") == "host"
    v["included_memory"] = r.figure("included_memory") or 0.0
    _peaks(r, v)
    v["kernel_flops"] = kernels["compute"] * v["peak_bf16"]
    v["memory"] = r.need("memory")
    v["memory_bandwidth"] = r.need("memory_bandwidth")
    v["memory_energy"] = r.common("energy", "device_memory", memory_type)
    _power(r, v, is_cpu)
    _links(r, v, unified)
    on_package = memory_type.startswith("hbm")
    v["memory_price"] = dram_price if is_cpu else _memory_price(r, memory_type, on_package, dram_price)
    v["memory_embodied"] = r.common("embodied", "hbm" if on_package else "ddr4_10nm")
    v["memory_static"] = r.common("technology", "ddr5", "static_power") if is_cpu else 0.0
    v["channels"] = r.figure("memory_channels") or 12.0
    _price(r, v, is_cpu)
    embodied = r.figure("embodied")
    if embodied is None:
        embodied = r.fill("embodied", v["tdp"] * r.common("estimate", "embodied_per_tdp"), "silicon by TDP")
    v["embodied"] = embodied + (0.0 if is_cpu else v["memory"] * v["memory_embodied"])
    _die(r, v)
    v["hbm_latency"] = r.common("estimate", "hbm_latency")
    v["hbm_random_share"] = r.common("estimate", "hbm_random_share")
    return Row(name, {key: float(v[key]) for key in FIELDS}, r.filled)


def _peaks(r: Reader, v: dict[str, float]) -> None:
    bf16, fp8, fp4 = r.figure("peak_bf16"), r.figure("peak_fp8"), r.figure("peak_fp4")
    if bf16 is None:
        if fp8 is None:
            raise InputError(f"{r.name}: peak_bf16 or peak_fp8 must be given")
        bf16 = r.fill("peak_bf16", fp8 / 2, "half of the fp8 peak")
    # A narrower type that the part does not have computes at the rate of the next wider one.
    v["peak_bf16"], v["peak_fp8"] = bf16, fp8 or bf16
    v["peak_fp4"] = fp4 or v["peak_fp8"]


def _power(r: Reader, v: dict[str, float], is_cpu: bool) -> None:
    tdp = r.figure("tdp") or r.figure("node_power_per_socket")
    if tdp is None:
        tdp = r.fill("tdp", v["peak_bf16"] * r.common("estimate", "tdp_per_peak"), "W per dense bf16 peak")
    idle = r.figure("idle_power")
    if idle is None:
        idle = r.fill("idle_power", tdp * r.common("estimate", "idle_share"), "share of TDP")
    with_context = r.figure("idle_power_with_context")
    if with_context is None:
        # Only GPUs: a compute context keeps clocks and memory awake whatever is loaded.
        extra = r.common("estimate", "context_power") if r.text("kind") == "gpu" else 0.0
        with_context = min(idle + extra, tdp)
    v["tdp"], v["idle"] = tdp, with_context
    share = r.common("estimate", "core_share")
    for kind in ("bf16", "fp8", "fp4"):
        core = r.figure(f"core_energy_{kind}") or r.figure("core_energy_bf16")
        v[f"core_{kind}"] = (
            core * v["peak_bf16"] / v[f"peak_{kind}"] if core is not None else share * tdp / v[f"peak_{kind}"]
        )


def _links(r: Reader, v: dict[str, float], unified: bool) -> None:
    if unified:
        # Host memory is the accelerator's own memory: nothing crosses a link.
        stream = r.common("technology", "ddr5", "stream_efficiency")
        achievable = r.figure("memory_bandwidth_achievable")
        v["host_link"] = v["zero_copy"] = achievable or stream * v["memory_bandwidth"]
        v["host_read_latency"] = 0.0
    else:
        kind = "c2c" if r.text("host_link_type") == "c2c" else "pcie"
        raw = r.figure("host_link")
        if raw is None:
            raw = r.fill("host_link", r.common("estimate", "host_link"), "PCIe 5.0 x16")
        copy, zero = r.figure("host_link_copy"), r.figure("host_link_zero_copy")
        v["host_link"] = copy if copy is not None else raw * r.common("estimate", f"{kind}_copy_share")
        zero = zero if zero is not None else raw * r.common("estimate", f"{kind}_zero_copy_share")
        v["zero_copy"] = zero * r.common("estimate", "random_read_share")
        v["host_read_latency"] = r.common("estimate", f"{kind}_read_latency")
    scale_up = r.figure("scale_up")
    if scale_up is None:
        scale_up = r.fill("scale_up", v["host_link"], "no scale-up network: the host link")
    v["scale_up"], v["scale_up_group"] = scale_up, r.figure("scale_up_group") or 1.0


def _die(r: Reader, v: dict[str, float]) -> None:
    """What a die of another size would cost: area, wafer and defects of the part's process."""
    area, process = r.figure("die_area"), r.text("process")
    if area is None:
        area = r.fill("die_area", v["tdp"] / r.common("estimate", "power_density"), "by TDP")
    if not process:
        process = "5nm"
        r.filled["process"] = "5 nm"
    v["die_area"] = area
    v["wafer_price"], v["defects"] = (
        r.common("wafer", process, "price"),
        r.common("wafer", process, "defects"),
    )


def _memory_price(r: Reader, memory_type: str, on_package: bool, dram_price: float) -> float:
    """USD per byte that more device memory adds to the price of the part."""
    cost = r.common("technology", "hbm", memory_type, "price") if on_package else dram_price
    return cost * r.common("estimate", "price_markup")


def _price(r: Reader, v: dict[str, float], is_cpu: bool) -> None:
    price = r.figure("price")
    low, high = r.figure("price_low"), r.figure("price_high")
    if price is None and low is not None and high is not None:
        price = (low + high) / 2
    if price is None:
        # Geometric mean of a price by compute and one by memory: parts differ in which of them they sell.
        by_peak = v["peak_bf16"] * r.common("estimate", "price_per_peak")
        by_memory = v["memory"] * r.common("estimate", "price_per_memory")
        price = r.fill("price", (by_peak * by_memory) ** 0.5, "by peak and memory")
    v["socket_price"] = price
    # A processor is sold without memory: what it holds is charged at the DRAM price of the scenario.
    v["price"] = price + (v["memory"] * v["memory_price"] if is_cpu else 0.0)
