"""Everybody besides the receiver who knows something of the time, and what they say together."""
