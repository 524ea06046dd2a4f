"""Layer 2, markets: bids, auctions, coordination schemes, prices and payments, as functions of arrays.

`orders` has bids and products, `clearing` the optimisation problem of an auction, `coordination` the
definition of a scheme. `auctions` and `grid_checks` are the blocks of schemes, `schemes` lists all schemes.
`services` are markets beside energy, `settlement` has prices and payments. `cases` clears one market
instance, `games` analyses it as a game.
"""

if __name__ != "tandem_sim.markets":
    raise ImportError("Tandem's markets is imported as tandem_sim.markets")
