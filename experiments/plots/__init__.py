"""``tandem plot``: figures of finished runs, of one run or of several.

`draw` carries the command out: `runs` reads the runs, `choices` names the kinds of figures, `kinds` draws
them, `several` draws several runs on common axes with a panel of differences (`series`: of what), and `fit`
gives a figure another width. Figures that a run writes by itself are those of `experiments.figures`, drawn by
the same functions. A further kind is a name in `choices`, an entry in `kinds` and, for several runs,
one in `series`. Look next at `experiments.results.run_data`.
"""
