"""Trimming and training in turns."""
