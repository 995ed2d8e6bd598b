"""What predictions cost on this machine: bytes, gates and time of the networks in ``models/``.

A measurement of a server under the load of many clients belongs here as well.
"""
