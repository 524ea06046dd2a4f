"""Layer 5, experiments: the command line, runs, sweeps, figures and studies.

`api` is the public interface of ``import tandem_sim``, `cli` and `commands` are the command line. `runs`
simulates a scenario into a run folder, `run_folder` reads and writes it, `results` and `figures` evaluate it,
`comparing` compares runs, `explain` explains single bids. `sweeps` makes many runs, `market_power` measures
strategic bidding, `environments` are for reinforcement learning, `bench` and `studies` are measurements.
`scenarios`, `cases` and `sweeps` hold the bundled files.
"""

if __name__ != "tandem_sim.experiments":
    raise ImportError("Tandem's experiments is imported as tandem_sim.experiments")
