"""The catalogue as the formulas see it: names in a `System` become `Parts` in SI numbers."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cost_models.catalogue import filling, hypothetical, listing, overrides, tiers, userfile
from cost_models.catalogue.figures import Figure, Tree, read
from cost_models.catalogue.filling import si
from cost_models.catalogue.names import distinct
from cost_models.design import Name, Number, System
from cost_models.engine import Engine
from cost_models.errors import InputError
from cost_models.masks import choose, some
from cost_models.parts import Accelerator, Node, Parts, Tier

_FOLDER = Path(__file__).parent


def load_catalogue(scenario: str | None = None, overrides: Mapping[str, Any] | None = None) -> "Catalogue":
    """The shipped catalogue at the prices of a scenario, with figures overridden by dotted path.

    Raises InputError for an unknown scenario or path (naming the closest) and for values that are negative or
    not finite.
    """
    return Catalogue(_shipped(), scenario, overrides or {})


@lru_cache(maxsize=1)
def _shipped() -> Tree:
    root: Tree = {}
    for path in sorted(_FOLDER.glob("*.yaml")):
        for key, value in read(path).items():
            root[key] = value
    return root


class Catalogue:
    """Figures of accelerators, tiers, links, prices, energy and carbon; `parts` turns names into numbers."""

    def __init__(self, root: Tree, scenario: str | None, settings: Mapping[str, Any]):
        self.scenario = self._scenario_name(root, scenario)
        self.overrides = dict(settings)
        scenarios: Any = root["scenario"]
        chosen = {**root, "scenario": {**scenarios, "now": scenarios[self.scenario]}}
        self.root = overrides.apply(chosen, settings)
        self._engine = Engine(**{f.name: self.value("serving", f.name) for f in fields(Engine)})
        self._rows: dict[str, filling.Row] = {}
        self._tiers: dict[tuple[str, str], dict[str, float]] = {}

    @staticmethod
    def _scenario_name(root: Tree, scenario: str | None) -> str:
        known = list(_branch(root, "scenario"))
        name = str(root["default_scenario"]) if scenario is None else scenario.replace("-", "_")
        if name not in known:
            raise InputError(f"scenario must be one of {', '.join(known)}; got {scenario!r}")
        return name

    def accelerators(self) -> list[str]:
        """Names of all accelerators, processors among them."""
        return list(_branch(self.root, "accelerator"))

    def tiers(self, slot: str | None = None) -> list[str]:
        """Names of all memory tiers, or of those for one place of a node (dram, cxl, ssd, remote)."""
        entries = _branch(self.root, "memory")
        return [
            name
            for name, entry in entries.items()
            if slot is None or (isinstance(entry, dict) and entry.get("tier") == slot)
        ]

    def scenarios(self) -> dict[str, dict[str, float]]:
        """Price scenarios: name -> {dram, tlc, qlc, lpddr} in USD/GB."""
        shipped = _branch(_shipped(), "scenario")
        return {
            name: {
                k: float(f.value) for k, f in entry.items() if isinstance(f, Figure) and f.value is not None
            }
            for name, entry in shipped.items()
            if isinstance(entry, dict)
        }

    def figures(self) -> Iterator[tuple[str, Figure]]:
        """Every figure with its dotted name, after scenario and overrides."""
        for path, figure in overrides.leaves(self.root):
            if path[:2] != ("scenario", "now"):
                yield ".".join(path), figure

    def document(self) -> dict[str, Any]:
        """The JSON document of `codesign hardware`: every figure by section and entry."""
        return listing.document(self)

    def text(self) -> str:
        """The tables that `codesign hardware` prints."""
        return listing.text(self)

    def entry(self, section: str, name: str, place: str | None = None) -> Tree:
        """One entry of `accelerator` or `memory`; a name ending in .yaml is read as a user's hardware file.

        place: which memory of a file that has several (dram, cxl, ssd, remote).
        Raises InputError for a name that is not there (with the closest ones).
        """
        found = tiers.entry_of(self.root, section, name)
        if found is not None:
            return found
        if userfile.is_path(name):
            return userfile.read_entry(name, section, place, _branch(self.root, section))
        known = list(_branch(self.root, section))
        close = difflib.get_close_matches(name, known, n=4, cutoff=0.4)
        hint = f"did you mean {', '.join(close)}?" if close else f"known: {', '.join(known)}"
        raise InputError(
            f"unknown {'accelerator' if section == 'accelerator' else 'memory tier'} {name!r}; {hint}"
        )

    def value(self, *path: str) -> float:
        """The SI value of any figure, e.g. value("facility", "pue")."""
        return si(self.root, *path)

    def figure(self, *path: str) -> Figure:
        """Any figure with its unit, source and confidence."""
        node: Any = self.root
        for key in path:
            node = node.get(key) if isinstance(node, dict) else None
        if not isinstance(node, Figure):
            raise InputError(f"the catalogue has no figure {'.'.join(path)}")
        return node

    def price_date(self) -> str:
        """The month that the memory prices of the scenario stand for."""
        date = _branch(_branch(self.root, "scenario"), "now").get("date")
        return date if isinstance(date, str) else ""

    def row(self, name: str) -> filling.Row:
        """The numbers of one accelerator, with the fields that a rule had to fill."""
        row = self._rows.get(name)
        if row is None:
            entry = self.entry("accelerator", name)
            row = filling.accelerator_row(name, entry, self.root, self.value("scenario", "now", "dram"))
            self._rows[name] = row
        return row

    def parts(self, system: System) -> Parts:
        """The parts of one system, or of (designs,) systems where its fields are arrays.

        A processor as accelerator computes in its host's DRAM, or in the most it can hold where none is given.
        Other memory, peak or links than the part is sold with make a hypothetical part, by the rules of
        hypothetical.py.
        """
        names, index = distinct(system.accelerator)
        rows = [self.row(name).values for name in names]
        a: dict[str, Any] = rows[0] if index is None else tiers.stack_rows(rows, filling.FIELDS, index)
        if hypothetical.is_varied(system):
            a = hypothetical.varied(a, system, self.root)
        per_node = system.accelerators / system.nodes
        if some(a["is_cpu"] > 0) and system.hbm_bytes is None:
            a = _with_host_memory(a, system.host.dram_bytes / per_node)
        accelerator = _accelerator(system.accelerator if index is not None else names[0], a)
        cpus, cpu_index = distinct(system.host.cpu)
        cpu_rows = [self.row(name).values for name in cpus]
        c: dict[str, Any] = (
            cpu_rows[0] if cpu_index is None else tiers.stack_rows(cpu_rows, filling.FIELDS, cpu_index)
        )
        is_cpu, node = a["is_cpu"] > 0, self._node_figures
        sockets = np.minimum(node["sockets"], np.ceil(per_node / node["accelerators_per_socket"]))
        sockets = choose(np.greater(system.host.sockets, 0), system.host.sockets, sockets)
        sockets = choose(is_cpu, per_node, sockets)
        channels = sockets * choose(is_cpu, a["channels"], c["channels"])
        h = system.host
        n = system.nodes
        tier = self._tier
        dram = tier("dram", h.dram_tier, h.dram_bytes, channels, per_node, n, 0)
        if some(a["included_memory"] > 0):
            dram = replace(dram, included_bytes=a["included_memory"] * per_node)
        return Parts(
            accelerator=accelerator,
            tiers={
                "hbm": _device_tier(accelerator, a, per_node),
                "dram": dram,
                "cxl": tier("cxl", h.cxl_tier, h.cxl_bytes, channels, per_node, n, 0),
                "ssd": tier("ssd", h.ssd_tier, h.ssd_bytes, channels, per_node, n, h.ssd_drives),
                "remote": tier("remote", h.remote_tier, h.remote_bytes, channels, per_node, n, 0),
            },
            node=self._node(a, c, per_node, sockets),
            engine=self._engines(names, index),
            sources=(
                # a part that is its own host, or is sold with one, has no processors beside it
                *(f"accelerator.{name}" for name in (*names, *(cpus if some(a["hosted"] < 1) else ()))),
                *(
                    f"memory.{name}"
                    for held, wanted in (
                        (h.dram_bytes, h.dram_tier),
                        (h.cxl_bytes, h.cxl_tier),
                        (h.ssd_bytes, h.ssd_tier),
                        (h.remote_bytes, h.remote_tier),
                    )
                    if _is_fitted(held)
                    for name in distinct(wanted)[0]
                ),
                f"scenario.{self.scenario}",
            ),
        )

    def _engines(self, names: list[str], index: NDArray[np.intp] | None) -> Engine:
        """The catalogue's figures of serving, or those of a calibrated host; --set goes before both."""
        each = []
        for name in names:
            own = userfile.serving(name) if userfile.is_path(name) else {}
            known = {f.name for f in fields(Engine)} - {
                key.removeprefix("serving.") for key in self.overrides
            }
            each.append(replace(self._engine, **{key: own[key] for key in known & own.keys()}))
        if index is None or all(one == each[0] for one in each):
            return each[0]
        return Engine(
            **{f.name: np.array([getattr(one, f.name) for one in each])[index] for f in fields(Engine)}
        )

    def _tier(
        self,
        slot: str,
        name: Name,
        capacity: Number,
        channels: Number,
        per_node: Number,
        nodes: Number,
        drives: Number,
    ) -> Tier:
        names, index = distinct(name)
        rows = [self.tier_row(slot, one) for one in names]
        row: dict[str, Any] = rows[0] if index is None else tiers.stack_rows(rows, tiers.COLUMNS, index)
        return tiers.tier(
            name if index is not None else names[0], row, capacity, channels, per_node, nodes, drives
        )

    def tier_row(self, slot: str, name: str) -> dict[str, float]:
        """The SI numbers of one tier entry (tiers.COLUMNS); InputError where it does not fit the place."""
        row = self._tiers.get((slot, name))
        if row is None:
            row = tiers.tier_row(name, self.entry("memory", name, slot), self.root, slot)
            self._tiers[slot, name] = row
        return row

    @cached_property
    def _node_figures(self) -> dict[str, float]:
        return {name: self.value("node", name) for name in _branch(self.root, "node")}

    def _node(self, a: Mapping[str, Any], c: Mapping[str, Any], per_node: Any, sockets: Any) -> Node:
        # A part that is its own host, or is sold with one, brings no second pair of processors; one that is a
        # whole machine brings no chassis or fans either: its price and power are those of the machine.
        around = 1.0 - a["machine"]
        hosts = sockets * (1.0 - a["hosted"])
        node = self._node_figures
        adapters = node["adapter_price"] + node["network_price"]
        nameplate = per_node * a["tdp"] + hosts * c["tdp"]
        return Node(
            cpu_price_usd=hosts * c["socket_price"],
            cpu_w=hosts * c["tdp"],
            cpu_idle_w=hosts * c["idle"],
            chassis_usd=around * (node["chassis_price"] + per_node * adapters),
            chassis_w=around * (per_node * node["adapter_power"] + node["fan_share"] * nameplate),
            network_bandwidth=node["network_bandwidth"],
            embodied_kg=around * node["embodied"],
            numa_nodes=sockets,
            accelerators=per_node,
            cpu_flops=sockets * c["kernel_flops"],
            cpu_j_per_flop=c["core_bf16"],
        )


def _branch(root: Tree, key: str) -> Tree:
    branch = root[key]
    assert isinstance(branch, dict)
    return branch


def _is_fitted(held: Number) -> bool:
    return bool(held.any()) if isinstance(held, np.ndarray) else held > 0


def _with_host_memory(a: Mapping[str, Any], held: Number) -> dict[str, Any]:
    """Processors whose memory is the DRAM of their host, which the dram tier pays and powers."""
    own = (np.asarray(a["is_cpu"]) > 0) & (np.asarray(held) > 0)
    return {
        **a,
        "memory": np.where(own, held, a["memory"]),
        "price": np.where(own, a["socket_price"], a["price"]),
        "memory_static": np.where(own, 0.0, a["memory_static"]),
    }


def _accelerator(name: Name, a: Mapping[str, Any]) -> Accelerator:
    return Accelerator(
        name=name,
        peak_flops={"bf16": a["peak_bf16"], "fp8": a["peak_fp8"], "fp4": a["peak_fp4"]},
        memory_bytes=a["memory"],
        memory_bandwidth=a["memory_bandwidth"],
        host_link_bandwidth=a["host_link"],
        zero_copy_bandwidth=a["zero_copy"],
        scale_up_bandwidth=a["scale_up"],
        scale_up_group=a["scale_up_group"],
        tdp_w=a["tdp"],
        idle_w=a["idle"],
        price_usd=a["price"],
        compute_j_per_flop={"bf16": a["core_bf16"], "fp8": a["core_fp8"], "fp4": a["core_fp4"]},
        memory_j_per_byte=a["memory_energy"],
        embodied_kg=a["embodied"],
        unified_memory=a["unified"] > 0,
        is_cpu=a["is_cpu"] > 0,
        fitted=a["fitted"] > 0,
        host_read_latency_s=a["host_read_latency"],
    )


def _device_tier(accelerator: Accelerator, a: Mapping[str, Any], per_node: Any) -> Tier:
    """The accelerators' own memory as a tier of the node; money and static power are the accelerator's."""
    return Tier(
        name="hbm",
        latency_s=a["hbm_latency"],
        bandwidth=a["hbm_random_share"] * accelerator.memory_bandwidth * per_node,
        reads_per_s=float("inf"),
        page_bytes=32.0,
        j_per_byte=accelerator.memory_j_per_byte,
        j_per_read=0.0,
        static_w_per_byte=a["memory_static"],
        usd_per_byte=0.0,
        fixed_usd=0.0,
        fixed_w=0.0,
        embodied_kg_per_byte=0.0,
        capacity_bytes=accelerator.memory_bytes * per_node,
        on_package=True,
    )
