"""What the networks are: shapes and recipes as plain data, and the builders of Keras models."""
