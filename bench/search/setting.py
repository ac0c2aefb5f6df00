"""What a run begins with."""

from dataclasses import dataclass

from refclock.policy import Policy, parse_policy

COARSE_S = 59


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run begins with. ``limits`` are lines of TOML for [limits], then [loosened]; ``liars`` of
    the ``servers`` are the attacker's; ``rate_ppt`` is the counter's constant error, ``enrolled_unc_ppt``
    how well an enrolment knew it (0: never enrolled). ``coarse``: a dwell is simulated at a second a
    minute, and none is missed sooner; all else is the profile's."""

    profile: str = "kdc"
    seed: int = 1
    servers: int = 4
    liars: int = 0
    path: str = "wan"
    oscillator: str = "noisy"
    rate_ppt: int = 0
    enrolled_unc_ppt: int = 60_000
    rtc: bool = True
    poll_s: int = 256
    limits: str = ""
    leap_in_s: int = 0
    coarse: bool = False

    @property
    def honest(self) -> bool:
        """Whether the attacker has less than what a quorum needs, and the honest ones enough for one."""
        return self.servers - self.liars >= self.servers // 2 + 1


def policy_of(setting: Setting) -> Policy:
    """The configuration of a run's host. Many runs have the same one, and parsing it takes a while."""
    key = setting.profile, setting.servers, setting.rtc, setting.limits, setting.coarse
    if key not in _POLICIES:
        _POLICIES[key] = _parse(setting)
    return _POLICIES[key]


_POLICIES: dict[tuple[str, int, bool, str, bool], Policy] = {}


def _parse(setting: Setting) -> Policy:
    names = ", ".join(f'"s{number}"' for number in range(setting.servers))
    lines = [f'profile = "{setting.profile}"', "[pps]", 'device = "/dev/pps0"']
    lines += ["[cesium]", 'device = "/dev/pps1"'] * (setting.profile == "kdc-cesium")
    lines += ["[rtc]"] * setting.rtc
    lines += ["[ntp]", f"servers = [{names}]"] if setting.servers else []
    chosen, _, reasons = setting.limits.partition("[loosened]\n")
    if setting.coarse and "missing_after_s" not in chosen:
        chosen += f"missing_after_s = {COARSE_S + 1}\n"
        reasons += 'missing_after_s = "so that a dwell needs few seconds"\n'
    lines += ["[limits]", chosen, "[loosened]", reasons]
    return parse_policy("\n".join(lines) + "\n")
