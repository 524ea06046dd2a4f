"""Layer 2, markets: bids, auctions, coordination schemes, prices and payments, as functions of arrays.

`orders` is what is offered, `clearing` the optimisation problem, `coordination` what a scheme is,
`auctions` and `grid_checks` its blocks, `schemes` the list of them; `services` are markets beside energy,
`settlement` says who pays; `cases` clears one market instance, `games` plays it.
"""

if __name__ != "tandem_sim.markets":
    raise ImportError("Tandem's markets is imported as tandem_sim.markets")
