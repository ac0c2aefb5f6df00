"""The simulated world played in real time, with the real daemon and a real ``chronyd -x`` in it."""
