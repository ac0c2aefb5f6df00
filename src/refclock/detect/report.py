"""Findings as one JSON object (docs/detect.md)."""

from collections.abc import Sequence

from refclock.detect.examine import Finding, configuration

VERSION = 1


def document(findings: Sequence[Finding]) -> dict[str, object]:
    """The object; what is not known is null."""
    return {"refclock_detect": VERSION, "lines": [_line(finding) for finding in findings]}


def _line(finding: Finding) -> dict[str, object]:
    line, heard, found, setting = finding.line, finding.heard, finding.found, finding.setting
    label = heard.label
    told = {"device": line.node, "stable": line.stable, "vendor": line.vendor, "model": line.model,
            "serial": line.serial, "driver": line.driver, "usb": line.ids, "path": line.port,
            "interface": line.interface}  # fmt: skip
    return {
        **{key: value or None for key, value in told.items()},
        "held_by": list(line.held),
        "pulses": list(line.pulses),
        "bridge": line.bridge,
        "outcome": finding.outcome,
        "why": finding.why or None,
        "family": finding.family or None,
        "families": list(heard.families),
        "baud": setting.baud if setting else None,
        "framing": setting.framing if setting else None,
        "bytes": heard.size,
        "label": label and {
            "message": label.message, "utc_s": label.utc_s, "valid": label.valid,
            "utc_valid": label.utc_valid, "leap_s": label.leap_s,
        },
        "asked": found and {
            "model": found.answer.model or None, "serial": found.answer.serial or None,
            "firmware": found.answer.firmware or None, "confirmed": found.confirmed,
        },
        "advice": finding.advice or None,
        "configuration": configuration(finding) or None,
    }  # fmt: skip
