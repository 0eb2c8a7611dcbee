"""A promoted loss as a folder that others import: which runs may be exported, what is written.

`module` is what the folder has for code: the same files, with their imports made relative.
"""
