"""Markets as games among their sellers, with exact costs: best responses, equilibria, repeated play.

`case_game` is a case as a game, `repeated_market` clears the same market for other bids, `equilibrium`
iterates best responses until no player gains. Look next at `experiments.market_power`. A further kind of
deviation is a `case_game.Move`.
"""
