"""The demo's pages as people meet them: in a real Chromium, against a real server.

Run with `python3 dev.py browser`, which opens the shop; plain `tests` leaves it out.
"""
