"""The pure vetting core: events in, decisions out. No clock, no I/O, no randomness, no logging."""
