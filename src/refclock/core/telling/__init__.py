"""What people are shown: the last refusals, the witnesses row by row, the status."""
