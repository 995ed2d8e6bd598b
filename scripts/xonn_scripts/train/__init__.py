"""Training: digits, photographs and cells, medical tables; and the export as Keras files."""
