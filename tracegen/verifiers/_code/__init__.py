"""How programs are judged: program and tests share no process, and we carry their letters.

`guest_program` holds the program, `guest_tests` the assertions and, in `remote`, what they see of the program; `wire`
(of `kinds`) is the language that they speak, `peer` how they take turns. These are sent into the sandbox and import
nothing but the standard library and each other. `relay` starts the two and carries frames; what is `plain` enough is
compared here instead. `program` finds the program in a response, `suite` reads tests, `cases` and `compare` are the
stdin/stdout side, and `telling` is what is said of a failure.
"""
