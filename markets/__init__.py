"""Markets: bids, auctions, coordination schemes, prices and the ledger."""
