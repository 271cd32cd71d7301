"""What happened, for people.

standing.py   what a run's events add up to, and how fast it goes
progress.py   the Observer of a run: none, bars on a terminal, or lines
bars.py       the picture that a terminal shows · lines.py  the lines that anything else gets
summary.py    how it ended: a table, notes, and what to do next · telling.py  all of it on stdout, as text or JSON
prose.py      sentences on a terminal
amounts.py    numbers and durations in words
"""
