"""The state of trust in one receiver, how it is gained, and what of it outlives a restart."""
