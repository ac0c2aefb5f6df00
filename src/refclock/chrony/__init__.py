"""Reads chrony's configuration and state, and the host's other clock setters, and judges them (`doctor`)."""
