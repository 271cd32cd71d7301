"""Looking at a migration's hosts before anything is moved, by few and read-only calls: what is there, and what is assumed.

examining.py     each host and file of a migration, one report each
uses.py          the streams that are in use · streams.py  one of them · listing.py  its list: pages, order, filter
surroundings.py  clock, latency, rate, paths · directory.py  a host of files
witness.py       a transport that is looked at · finding.py  what is found, and the exit code that it comes to
"""

from bulkmove.cutover.doctor.examining import HostReport, examine_host, examine_hosts, exit_code_of

__all__ = ["HostReport", "examine_host", "examine_hosts", "exit_code_of"]
