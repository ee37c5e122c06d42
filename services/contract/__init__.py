"""The public REST contract as pydantic models, a file per resource.

Bodies ignore fields that they do not know. Answers print every key, null when empty, in the order in which the fields
are declared: programs depend on both.
"""
