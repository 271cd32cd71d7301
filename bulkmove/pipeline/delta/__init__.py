"""A delta: what is new, changed or gone at the sources since the last pass over them.

performing.py  a whole delta, from settings to summary
runner.py   all routes, each once those before it are done · route.py  one route: what is open first, then its pass
newer.py    new records by their dates · scanning.py  the list at its least, held against the ledger
listed.py   lists that have no dates or versions · found.py  what a scan found, read whole and worked
changed.py  a record that changed becomes changes of its rows · departed.py  what is gone, named
deletions.py  the rows of what is gone, deleted where that is asked for
work.py     what all of these share · sources.py  a source with its requests counted, and a stretch of it
"""
