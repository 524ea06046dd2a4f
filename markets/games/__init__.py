"""Markets as games among their sellers, with exact costs: best responses, equilibria, repeated play.

`case_game` is a case as a game, `repeated_market` the same market again and again, `equilibrium` looks for
best responses until nobody gains. Look next at `experiments.market_power`. A further kind of deviation is a
`case_game.Move`.
"""
