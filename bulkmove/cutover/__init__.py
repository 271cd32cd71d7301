"""What surrounds a run, from the first look at its hosts to the last word on them.

before:  addresses.py  addresses that say a path twice · doctor/  what is there, and what is assumed of it
         bench/  how fast the hosts can be asked, and how long the whole takes then
after:   verify/  the targets held against their sources, and mended · undo/  what was written, taken back
all of it in order: sequence/  a full run, deltas, the freeze, the last delta, verification, go or no-go
"""
