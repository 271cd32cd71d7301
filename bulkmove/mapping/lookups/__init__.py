"""Look-ups: values of records found in tables, and what becomes of those that no table resolves.

normal.py      one form of a text for all its spellings
keys.py        values and fields of rows as keys
index.py       the rows of one table, found by key
files.py       rows out of CSV and JSON lines
decisions.py   what a person decided on values that no table resolves
deciding.py    decisions.toml, written for that person
collecting.py  values that did not resolve, counted
asking.py      what one record asked for while it was mapped
endings.py     what becomes of a value: decided, found, or as `missing` says
whole.py       a table that was loaded at the start
on_demand.py   a table that is asked for single values, once each
resolver.py    all look-ups of a run
"""
