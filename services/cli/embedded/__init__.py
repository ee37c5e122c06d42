"""The parts that `perdure up` brings along from PyPI wheels, where the environment names no others."""
