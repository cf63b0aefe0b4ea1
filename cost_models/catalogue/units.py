"""The units a catalogue figure may carry, and their SI factors."""

GIGA = 1e9

# unit as written -> (factor, SI unit). Energy per bit becomes energy per byte.
UNITS: dict[str, tuple[float, str]] = {
    "FLOP/s": (1.0, "FLOP/s"), "GFLOP/s": (1e9, "FLOP/s"), "TFLOP/s": (1e12, "FLOP/s"), "PFLOP/s": (1e15, "FLOP/s"),
    "B": (1.0, "B"), "KiB": (2.0**10, "B"), "MB": (1e6, "B"), "GB": (1e9, "B"), "TB": (1e12, "B"), "PB": (1e15, "B"),
    "MiB": (2.0**20, "B"), "GiB": (2.0**30, "B"), "TiB": (2.0**40, "B"),
    "B/s": (1.0, "B/s"), "MB/s": (1e6, "B/s"), "GB/s": (1e9, "B/s"), "TB/s": (1e12, "B/s"), "GiB/s": (2.0**30, "B/s"),
    "Gb/s": (1e9 / 8, "B/s"), "TB/day": (1e12 / 86400, "B/s"), "GT/s": (1e9, "1/s"),
    "s": (1.0, "s"), "ms": (1e-3, "s"), "us": (1e-6, "s"), "ns": (1e-9, "s"),
    "h": (3600.0, "s"), "day": (86400.0, "s"), "year": (365.25 * 86400, "s"),
    "1/s": (1.0, "1/s"), "IOPS": (1.0, "1/s"), "M/s": (1e6, "1/s"), "M rows/s": (1e6, "1/s"), "DWPD": (1.0, "DWPD"),
    "W": (1.0, "W"), "kW": (1e3, "W"), "W/GB": (1e-9, "W/B"), "W/B": (1.0, "W/B"),
    "J": (1.0, "J"), "uJ": (1e-6, "J"), "J/B": (1.0, "J/B"), "pJ/B": (1e-12, "J/B"), "pJ/bit": (8e-12, "J/B"),
    "J/FLOP": (1.0, "J/FLOP"), "pJ/FLOP": (1e-12, "J/FLOP"), "IOPS/W": (1.0, "1/J"), "MB/s/W": (1e6, "B/J"),
    "USD": (1.0, "USD"), "USD/GB": (1e-9, "USD/B"), "USD/B": (1.0, "USD/B"), "USD/h": (1 / 3600.0, "USD/s"),
    "USD/kWh": (1 / 3.6e6, "USD/J"), "USD/J": (1.0, "USD/J"), "USD/W": (1.0, "USD/W"),
    "USD/kW/month": (1e-3 * 12 / (365.25 * 86400), "USD/W/s"), "USD/TFLOP/s": (1e-12, "USD/(FLOP/s)"),
    "W/TFLOP/s": (1e-12, "J/FLOP"), "kg/W": (1.0, "kg/W"),
    "kg": (1.0, "kg"), "g": (1e-3, "kg"), "g/GB": (1e-12, "kg/B"), "kg/B": (1.0, "kg/B"), "g/kWh": (1e-3 / 3.6e6, "kg/J"),
    "kg/J": (1.0, "kg/J"), "g/EFLOP": (1e-21, "kg/FLOP"), "mm2": (1e-6, "m2"),
    "fraction": (1.0, "1"), "ratio": (1.0, "1"), "count": (1.0, "1"), "reads": (1.0, "1"), "G": (1e9, "1"), "T": (1e12, "1"),
    "text": (1.0, "text"),
}  # fmt: skip

# The last words of an override's path -> the unit they name, e.g. memory.dram.usd_per_gb, accelerator.X.price_usd.
SUFFIXES: dict[str, str] = {
    "usd_per_gb": "USD/GB", "usd_per_byte": "USD/B", "usd_per_kwh": "USD/kWh", "usd": "USD", "usd_per_hour": "USD/h",
    "g_per_kwh": "g/kWh", "g_per_gb": "g/GB", "kg": "kg",
    "ns": "ns", "us": "us", "ms": "ms", "s": "s", "years": "year", "days": "day",
    "w": "W", "kw": "kW", "w_per_gb": "W/GB", "pj_per_bit": "pJ/bit", "pj_per_flop": "pJ/FLOP", "j_per_byte": "J/B", "uj": "uJ",
    "gb": "GB", "gib": "GiB", "tb": "TB", "bytes": "B", "gb_per_s": "GB/s", "tb_per_s": "TB/s", "bytes_per_s": "B/s",
    "tflops": "TFLOP/s", "flops": "FLOP/s", "iops": "IOPS", "per_s": "1/s", "dwpd": "DWPD",
}  # fmt: skip
