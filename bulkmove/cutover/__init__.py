"""What surrounds a run: looking at hosts before it (doctor.py)."""
