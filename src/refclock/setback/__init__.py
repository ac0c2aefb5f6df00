"""The guided procedure for a clock that is ahead: what is looked at, what is told, what is remembered.

Nothing in here sets a clock, stops a service, changes a key or removes a file. Each of that is a command that
is printed; a person runs it, and what came of it is verified (docs/adr/0054).
"""
