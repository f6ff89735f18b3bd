"""How programs are judged: two guests of the sandbox that share no process, and we who carry their letters.

`guest_program` holds the program, `guest_tests` the assertions and, in `remote`, what they see of the program; `wire`
(of `kinds`) is the language that they speak, `peer` how they take turns. These are sent into the sandbox and import
nothing but the standard library and each other. `relay` starts the two and carries frames. `program` finds the program
in a response, `suite` reads tests, `cases` and `compare` are the stdin/stdout side.
"""
