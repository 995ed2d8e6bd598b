"""Data sets as they are read, and sample inputs of our own drawing."""
