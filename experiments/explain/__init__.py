"""Why a bid of a finished run was called, limited, not called or not paid, in sentences.

`explain` writes the text, `markets` and `money` collect the results of the bid from the tables, `reasons`
finds why it was not called. See also `experiments.run_folder`.
"""
