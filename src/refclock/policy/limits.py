"""The limits of each profile, as one table, and the caps that no configuration file can move.

The draft (draft-weber-krb-wg-kerberos-clock-synchronization-01, "Sanity checks on insecure time
sources") recommends no more than 1 % for a KDC and 10 % for an application server, and asks that the
administrator set the factor tightly; the defaults here are four to nine orders of magnitude tighter.
"""

from dataclasses import dataclass

from refclock.policy.table import LIMIT_ROWS
from refclock.units import PPT_PER_PPM

PROFILES = ("appserver", "kdc", "kdc-cesium")

# Draft, requirements 22, 30 and 31: the fastest or slowest that what we feed may ever run against the
# host's own counter. Not configurable.
HARD_CAPS_PPT = {
    "appserver": 100_000 * PPT_PER_PPM,
    "kdc": 10_000 * PPT_PER_PPM,
    "kdc-cesium": 10_000 * PPT_PER_PPM,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit of the vetting, in the core's units. Meanings: refclock.policy.table."""

    mask1_offset_ns: int
    mask1_rate_ppt: int
    mask2_offset_ns: int
    mask2_rate_ppt: int
    gap_budget_ns: int
    latch_after_ns: int
    quorum_error_ns: int
    holdover_rate_ppt: int
    holdover_alarm_ns: int
    receiver_holdover_ns: int
    dwell_cold_ns: int
    dwell_warm_ns: int
    witnesses: int
    missing_after_ns: int
    violation_after_ns: int
    episodes_per_day: int
    edge_window_ns: int
    stamp_unc_ns: int
    proof_ns: int
    proof_spread_ns: int
    warm_quorum_ns: int
    raw_rate_ppt: int
    raw_stability_ppt: int
    rtc_error_ns: int
    rtc_rate_ppt: int
    ntp_delay_ns: int
    ntp_distance_ns: int
    ntp_max_age_ns: int
    gate_tolerance_ns: int
    reanchor_year_ns: int
    position_m: int
    realm_error_ns: int
    system_rate_ppt: int


def profile_limits(profile: str) -> Limits:
    """The defaults of a profile. Raises ValueError for a name that is not in PROFILES."""
    column = PROFILES.index(profile)
    return Limits(**{row.field: row.defaults[column] * row.scale for row in LIMIT_ROWS})
