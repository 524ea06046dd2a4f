"""The optimisation problem behind every auction, and what its optimum says.

`auction.clear` states and solves it, `constraints` are the limits of grids in it, `merit_order` answers the
cases that need no solver, `solvers` and `warm_start` solve the others, `pricing` says what is paid,
`purposes` why something was bought. Look next at `auctions`. A further pricing rule is a function in
`pricing`.
"""
