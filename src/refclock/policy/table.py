"""Every configurable limit, one row each: its key and unit, which way is tighter, range, and defaults."""

from dataclasses import dataclass

from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One configurable limit. ``key`` is its name under [limits], whose suffix is its unit; ``scale``
    turns that unit into the core's; ``tighter`` says which way is stricter ("lower" or "higher");
    ``low`` and ``high`` are the range, in the unit of the key; ``defaults`` follow PROFILES."""

    key: str
    field: str
    scale: int
    tighter: str
    low: int
    high: int
    defaults: tuple[int, int, int]
    meaning: str


_HOUR_S = 3600
_LOWER, _HIGHER = "lower", "higher"

# fmt: off
LIMIT_ROWS = (
    LimitRow("mask1_offset_us", "mask1_offset_ns", NS_PER_US, _LOWER, 1, 1_000_000, (50_000, 1_000, 200),
             "offset B of the short drift mask"),
    LimitRow("mask1_rate_ppt", "mask1_rate_ppt", 1, _LOWER, 1, 10**11, (500 * 10**6, 100 * 10**6, 20 * 10**6),
             "rate D of the short drift mask, parts in 10^12"),
    LimitRow("mask2_offset_us", "mask2_offset_ns", NS_PER_US, _LOWER, 1, 1_000_000, (500_000, 50_000, 10),
             "offset B of the long drift mask (in force once the host is enrolled)"),
    LimitRow("mask2_rate_ppt", "mask2_rate_ppt", 1, _LOWER, 1, 10**11, (50 * 10**6, 5 * 10**6, 10),
             "rate D of the long drift mask, parts in 10^12"),
    LimitRow("gap_budget_s", "gap_budget_ns", NS_PER_S, _LOWER, 1, 86_400, (_HOUR_S, _HOUR_S, 600),
             "G: a silence earns drift budget for this long and no longer"),
    LimitRow("latch_after_s", "latch_after_ns", NS_PER_S, _LOWER, 10, 86_400, (900, 900, 300),
             "a rejection that lasts this long locks"),
    LimitRow("quorum_error_us", "quorum_error_ns", NS_PER_US, _LOWER, 100, 2_000_000,
             (500_000, 100_000, 50_000),
             "E_q: the farthest an accepted second may lie from any point of the NTP quorum's interval"),
    LimitRow("holdover_rate_ppt", "holdover_rate_ppt", 1, _HIGHER, 1, 10**10, (50 * 10**6, 5 * 10**6, 10),
             "how fast the error bound grows in holdover, parts in 10^12"),
    LimitRow("holdover_alarm_us", "holdover_alarm_ns", NS_PER_US, _LOWER, 1, 300_000_000,
             (30_000_000, 1_000_000, 1_000), "alarm when the bound in holdover exceeds this"),
    LimitRow("receiver_holdover_s", "receiver_holdover_ns", NS_PER_S, _LOWER, 0, 2_592_000,
             (86_400, 14_400, 14_400), "the receiver may go on without its reference for so long"),
    LimitRow("dwell_cold_s", "dwell_cold_ns", NS_PER_S, _HIGHER, 5, 86_400, (1500, 1800, _HOUR_S),
             "agreement needed before the first feed while leap count or rates are unconfirmed"),
    LimitRow("dwell_warm_s", "dwell_warm_ns", NS_PER_S, _HIGHER, 5, 86_400, (120, 120, 120),
             "the same on an enrolled host whose receiver confirms UTC itself"),
    LimitRow("witnesses", "witnesses", 1, _HIGHER, 1, 8, (1, 2, 3),
             "witnesses besides the receiver that must agree before the first feed"),
    LimitRow("missing_after_s", "missing_after_ns", NS_PER_S, _LOWER, 2, 60, (8, 8, 8),
             "no acceptable second for this long: holdover"),
    LimitRow("violation_after_s", "violation_after_ns", NS_PER_S, _LOWER, 2, 900, (60, 60, 60),
             "a wrong date or leap second that is repeated for this long locks"),
    LimitRow("episodes_per_day", "episodes_per_day", 1, _LOWER, 2, 24, (3, 3, 3),
             "this many separate rejections within 24 h lock"),
    LimitRow("edge_window_us", "edge_window_ns", NS_PER_US, _LOWER, 10, 400_000, (100_000, 10_000, 1_000),
             "half-width of the window around the predicted edge"),
    LimitRow("stamp_unc_us", "stamp_unc_ns", NS_PER_US, _LOWER, 1, 1_000, (20, 20, 20),
             "a stamp whose RAW-REALTIME-RAW half-width exceeds this is refused"),
    LimitRow("proof_s", "proof_ns", NS_PER_S, _HIGHER, 5, 3_600, (30, 30, 30),
             "length of the edge proof: which pulse a label names"),
    LimitRow("proof_spread_ms", "proof_spread_ns", NS_PER_MS, _LOWER, 1, 500, (300, 300, 300),
             "greatest spread of the messages' arrival phase during the edge proof"),
    LimitRow("warm_quorum_ms", "warm_quorum_ns", NS_PER_MS, _LOWER, 1, 250, (250, 250, 250),
             "half-width of the NTP quorum needed for the edge proof and a warm start"),
    LimitRow("raw_rate_ppt", "raw_rate_ppt", 1, _HIGHER, 10**6, 500 * 10**6, (100 * 10**6,) * 3,
             "how far an unenrolled host's counter may be off nominal, parts in 10^12"),
    LimitRow("raw_stability_ppt", "raw_stability_ppt", 1, _HIGHER, 1, 50 * 10**6, (2 * 10**6,) * 3,
             "how far an enrolled host's counter may stray from its enrolled rate, parts in 10^12"),
    LimitRow("rtc_error_ms", "rtc_error_ns", NS_PER_MS, _LOWER, 1, 60_000, (2_000, 2_000, 2_000),
             "how far an RTC that is not enrolled is taken to be off UTC"),
    LimitRow("rtc_rate_ppt", "rtc_rate_ppt", 1, _HIGHER, 10**6, 500 * 10**6, (20 * 10**6,) * 3,
             "how fast the RTC may drift from UTC, parts in 10^12"),
    LimitRow("ntp_delay_ms", "ntp_delay_ns", NS_PER_MS, _LOWER, 1, 2_000, (500, 500, 500),
             "longest round trip of an NTP answer that is considered"),
    LimitRow("ntp_distance_ms", "ntp_distance_ns", NS_PER_MS, _LOWER, 1, 3_000, (500, 250, 100),
             "greatest root distance of an NTP answer that is considered"),
    LimitRow("ntp_max_age_s", "ntp_max_age_ns", NS_PER_S, _LOWER, 16, 86_400, (4_096, 1_024, 1_024),
             "an NTP answer is void after this long"),
    LimitRow("gate_tolerance_ms", "gate_tolerance_ns", NS_PER_MS, _LOWER, 1, 5_000, (1_000, 1_000, 1_000),
             "established: how far the system clock may lie from those that agree"),
    LimitRow("reanchor_year_ms", "reanchor_year_ns", NS_PER_MS, _LOWER, 0, 10_000, (2_000, 2_000, 2_000),
             "ledger of re-anchorings after a long silence, per year"),
    LimitRow("position_m", "position_m", 1, _LOWER, 10, 1_000_000, (2_000, 500, 500),
             "how far a fixed antenna may seem to move from where it was when trust began, metres"),
    LimitRow("realm_error_ms", "realm_error_ns", NS_PER_MS, _LOWER, 1, 60_000, (2_000, 1_000, 1_000),
             "how far another KDC's clock may be off before it counts as astray"),
    LimitRow("system_rate_ppt", "system_rate_ppt", 1, _LOWER, 10**6, 10**11,
             (60_000 * 10**6, 6_000 * 10**6, 200 * 10**6),
             "the fastest or slowest that the system clock may run, parts in 10^12"),
)
# fmt: on
