"""`tracegen view RUN`: a local web page over the files of a run, which are read and never changed.

    server     the process: port, token, browser, the index's process
    app        the addresses, and what is behind each
    guard      who is answered: method, host, token; the headers of every answer
    index      an index of the run below `<run>/.view/`, made by a process of its own
    pieces     the parts of the index that are kept: problems, verdicts, the first words of each trace
    load       these parts as tables
    join       they become one table, a row a trace, in the order of the plan
    summary    the figures above the list
    money      what the run and its traces cost
    state      where the index lies, and what it was made of
    shelf      its newest version, as pages read it
    query      filters, order and pages of that table
    pages      rows of it, with their first words
    search     words in the texts
    excerpts   what a list shows of a text
    whole      one trace, one problem, with their texts
    live       what is new while the run goes on
    static/    the page

Only the rows of the index are read for a list; a text is read when it is shown, or when words are looked for.
Limits: everybody who may read the run may see all of it; there are no accounts.
"""
