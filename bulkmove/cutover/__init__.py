"""What surrounds a run: looking at hosts before it (doctor), and at their addresses (addresses.py)."""
