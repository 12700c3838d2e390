"""Estimates as text."""

from rtickets.costs.runs import Estimate


def as_text(estimates: list[Estimate], rate: float, devices: int) -> str:
    """Return estimates as lines, a paragraph per kind of run and a total.

    Args:
        rate: floating point operations per second of this machine.
    """
    lines = []
    for one in estimates:
        lines.append(one.name + (f" ({one.times:,} times)" if one.times > 1 else ""))
        lines += [f"  {line}" for line in one.about]
        if one.operations:
            memory = sum(one.memory.values())
            parts = ", ".join(f"{name} {_bytes(size)}" for name, size in one.memory.items())
            lines.append(f"  memory of each of {devices} devices about {_bytes(memory)}: {parts}")
            lines.append(f"  {one.operations:.3g} FLOP, about {_time(one.operations / rate)}")
    total = sum(one.operations * one.times for one in estimates)
    lines.append(
        f"in all {total:.3g} FLOP, about {_time(total / rate)} at {rate / 1e9:,.0f} GFLOP/s, which "
        "this machine reaches in a convolution; without compiling, decoding and saving"
    )
    lines.append("nothing was trained")
    return "\n".join(lines)


def _bytes(size: float) -> str:
    return f"{size / 2**30:.2f} GiB" if size >= 2**29 else f"{size / 2**20:.1f} MiB"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"
