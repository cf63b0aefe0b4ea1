"""Energy counters of this machine, where they can be read: RAPL of the processor packages."""

import time
from dataclasses import dataclass
from pathlib import Path

_POWERCAP = Path("/sys/class/powercap")


@dataclass
class Meter:
    """Joules since it was made; None where nothing can be read, with the reason."""

    reason: str = ""

    def __post_init__(self) -> None:
        self._counters = [
            domain
            for domain in sorted(_POWERCAP.glob("intel-rapl:*"))
            if domain.name.count(":") == 1 and _number(domain / "energy_uj") is not None
        ]
        if not self._counters:
            there = _POWERCAP.exists()
            self.reason = (
                "energy counters may only be read by root"
                if there
                else "this machine shows no energy counters"
            )
        self._started = self._read()
        self._at = time.perf_counter()

    def joules(self) -> float | None:
        """Energy of all packages since the start."""
        if not self._counters:
            return None
        total = 0.0
        for domain, before, now in zip(self._counters, self._started, self._read(), strict=True):
            wrapped = now < before  # the counter starts again at its range
            total += now - before + ((_number(domain / "max_energy_range_uj") or 0.0) if wrapped else 0.0)
        return total * 1e-6

    def watts(self) -> float | None:
        """Mean power since the start."""
        spent = self.joules()
        return None if spent is None else spent / max(time.perf_counter() - self._at, 1e-9)

    def _read(self) -> list[float]:
        return [_number(domain / "energy_uj") or 0.0 for domain in self._counters]


def _number(path: Path) -> float | None:
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return None
