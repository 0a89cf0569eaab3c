"""What may go wrong, done on purpose: real processes, real SIGKILL, and the mail server's own log as the judge.

Run with `python3 dev.py faults`; plain `tests` leaves it out.
"""
