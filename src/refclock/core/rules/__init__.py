"""The transition table of the modes, the episodes of rejection, and every reason there is."""
