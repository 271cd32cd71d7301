"""What surrounds a run: looking at hosts before it (doctor.py), and at their addresses (addresses.py)."""
