"""How each family of receivers talks: one file a family, one row each in table.py."""
