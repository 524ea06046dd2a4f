"""The optimisation problem of every auction, and what its optimum says.

`auction.clear` states and solves it. `constraints` are the limits of grids in it, `merit_order` solves cases
without a solver, `solvers` and `warm_start` solve the others. `optimum` has the duals, `pricing` what is
paid, `purposes` why something was bought, `needs` what was served. Look next at `auctions`. A further pricing
rule is a branch in `pricing`.
"""
