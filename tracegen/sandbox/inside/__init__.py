"""What runs on the far side of the walls: trusted code that starts a program, watches it and says how it ended.

Nothing but the standard library may be imported here, and nothing from outside this package: it is all that the
sandboxed interpreter is given of tracegen.
"""
