"""What becomes of the system clock: nothing here has a say in what is fed."""
