"""``python -m tandem_sim`` is the command ``tandem``."""

from tandem_sim.experiments.cli import main

if __name__ == "__main__":
    main()
