"""Devices that a forecast can be made for: memory and peak, from the makers' data sheets.

A data sheet's gigabytes are read as 10^9 bytes. Prices differ by provider and by month, so they are asked for.
"""

from dataclasses import dataclass

from planners.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Device:
    """One accelerator."""

    name: str
    """How it is asked for, in lower case; the name that its driver reports contains it."""
    memory: float
    """Bytes."""
    peak_bf16: float
    """Dense peak of bf16 matrix products with fp32 sums, FLOP/s; what MFU refers to."""
    source: str
    """Where the two numbers are printed."""


DEVICES: dict[str, Device] = {
    device.name: device
    for device in (
        Device(name="b200", memory=180e9, peak_bf16=2250e12, source="NVIDIA DGX B200 data sheet, one of eight, dense"),
        Device(name="h200", memory=141e9, peak_bf16=989e12, source="NVIDIA H200 data sheet, SXM, dense"),
        Device(name="h100", memory=80e9, peak_bf16=989e12, source="NVIDIA H100 data sheet, SXM5, dense"),
        Device(name="a100-40", memory=40e9, peak_bf16=312e12, source="NVIDIA A100 data sheet, 40 GB, dense"),
        Device(name="a100", memory=80e9, peak_bf16=312e12, source="NVIDIA A100 data sheet, 80 GB, dense"),
        Device(name="l40s", memory=48e9, peak_bf16=362e12, source="NVIDIA L40S data sheet, dense"),
        Device(name="a10g", memory=24e9, peak_bf16=70e12, source="NVIDIA A10G data sheet, dense"),
        Device(name="mi300x", memory=192e9, peak_bf16=1307e12, source="AMD Instinct MI300X data sheet, dense"),
    )
}


def device(name: str) -> Device:
    """Return the device called `name`. Raises UsageError that lists the known ones."""
    if name.lower() not in DEVICES:
        raise UsageError(f"device {name!r} is not one of {', '.join(DEVICES)}")
    return DEVICES[name.lower()]
