"""The worst that was found, as captures of the whole world, bytes and pulses: what a test replays."""

from pathlib import Path

from refclock.capture import CaptureWriter
from refclock.units import NS_PER_S
from refclock.world import World, WorldArguments

# Name, profile, seed, seconds, attacks, and what a replay must find.
GOLDEN: tuple[tuple[str, str, int, int, tuple[str, ...], dict[str, object]], ...] = (
    (
        # As fast as mask 1 lets it, up to what the quorum lets it: the most in the least time.
        "kdc-ramp-below-mask", "kdc", 5, 1_000, ("step:+900us@150s", "ramp:+60ppm@160s"),
        {"published": True, "within_bound": True, "max_error_ns": 51_400_000, "mode": "degraded"},
    ),
    (
        # A silence earns budget: the greatest jump that half an hour buys.
        "kdc-gap-jump", "kdc", 6, 2_200, ("gap-jump:30m,+55ms@200s",),
        {"published": True, "within_bound": True, "max_error_ns": 55_100_000, "mode": "degraded"},
    ),
    (
        # More than it buys.
        "kdc-gap-jump-too-far", "kdc", 6, 2_200, ("gap-jump:30m,+61ms@200s",),
        {"published": True, "max_error_ns": 100_000, "mode": "locked", "withheld": ["drift-mask"]},
    ),
    (
        # A silence that outgrew the gate; the return is refused by the quorum and must not re-anchor: what
        # follows is judged by the gate of before.
        "kdc-reanchor-refused", "kdc", 7, 7_500, ("gap-jump:2h,+119ms@200s",),
        {"published": True, "max_error_ns": 100_000, "withheld": ["drift-mask"], "mode": "locked"},
    ),
    (
        # Receiver and one of four servers off alike from the start: the first bound must cover it.
        "kdc-liar-at-the-edge", "kdc", 8, 400, ("step:+1500us@0", "ntp-liar:+1500us@0"),
        {"published": True, "within_bound": True, "mode": "vetted"},
    ),
    (
        # Receiver and all servers together: the counter's bound alone holds.
        "kdc-collusion", "kdc", 9, 900, ("collude:+90ppm@150s",),
        {"published": True, "within_bound": True},
    ),
    (
        # Probing: swings of four fifths of mask 1, for an hour.
        "kdc-saw", "kdc", 10, 900, ("saw:800us,300s@150s",),
        {"published": True, "within_bound": True, "max_error_ns": 820_000, "mode": "vetted"},
    ),
    (
        "appserver-gap-jump", "appserver", 11, 2_200, ("gap-jump:30m,+390ms@200s",),
        {"published": True, "within_bound": True, "max_error_ns": 391_000_000, "mode": "vetted"},
    ),
    (
        # What an appserver shrugs at, a cesium notices within seconds.
        "kdc-cesium-creep", "kdc-cesium", 12, 640, ("ramp:+1ppm@300s",),
        {"published": True, "within_bound": True, "max_error_ns": 30_000, "withheld": ["drift-mask"]},
    ),
)  # fmt: skip


def write_golden(folder: Path) -> list[Path]:
    """Write them all; equal arguments give equal files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, profile, seed, seconds, attacks, expect in GOLDEN:
        receiver = "ubx" if seed % 2 else "nmea"
        world = World(
            WorldArguments(
                profile=profile, receiver=receiver, seed=seed, duration_ns=seconds * NS_PER_S, attacks=attacks
            )
        )
        path = folder / f"adversary-{name}.jsonl.xz"
        with CaptureWriter(str(path), {**world.header(), "expect": expect}) as capture:
            for event in world.events():
                capture.write(event)
        paths.append(path)
    return paths
