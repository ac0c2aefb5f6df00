"""From reports and edges to candidate seconds: pairing, dates, leap seconds, intervals of time."""
