"""Tests of the scripts, for which Python's own library is enough, but for the readers of data sets."""
