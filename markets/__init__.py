"""Markets: bids, auctions, coordination schemes, prices and the ledger."""

if __name__ != "tandem_sim.markets":
    raise ImportError("Tandem's markets is imported as tandem_sim.markets")
