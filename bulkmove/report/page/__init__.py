"""The report: one HTML file that tells a migration from its ledger. Only `page.py` and what it draws with need matplotlib.

facts.py     all that is told · gathering.py  reads it in one look · document.py  the same as JSON
verdict.py   the sentence on top, and what speaks against signing
page.py      the whole page · writing.py  puts it down, private and whole
records.py   what became of the records · verified.py  the verification · story.py  runs, passes, steps · hosts.py
course.py    the axis of time, and what was counted in even steps · plots.py  drawn · svg.py  as SVG in the page's colours
markup.py    HTML in which every text is escaped · tables.py  tables that a phone shows as cards · moments.py  times in words
"""
