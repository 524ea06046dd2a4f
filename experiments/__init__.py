"""Layer 5, experiments: the command line, runs, sweeps, figures and studies.

`api` is what ``import tandem_sim`` offers, `cli` and `commands` the command line, `runs` makes a run
folder, `run_folder` reads and writes it, `results` and `figures` say what came out, `explain` why; `sweeps`
makes many runs, `market_power` measures strategic bidding, `environments` serve learners, `bench` and
`studies` are measurements. `scenarios`, `cases` and `sweeps` hold the files that travel with Tandem.
"""

if __name__ != "tandem_sim.experiments":
    raise ImportError("Tandem's experiments is imported as tandem_sim.experiments")
