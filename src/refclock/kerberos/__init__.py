"""The Kerberos side: a realm's KDCs and their clocks, and what a server that takes tickets needs of time."""
