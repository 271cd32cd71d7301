"""What happened, for people.

standing.py   what a run's events add up to, and how fast it goes
bars.py       the picture that a terminal shows · lines.py  the lines that anything else gets
summary.py    how it ended: a table, notes, and what to do next · telling.py  all of it on stdout, as text or JSON
prose.py      sentences on a terminal
bench.py      what a bench found · bench_json.py · bench_plot.py · bench_compare.py
amounts.py    numbers and durations in words
"""
