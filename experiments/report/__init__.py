"""The command ``tandem report``: one HTML file about one run, or several side by side, that opens offline.

`write` is the command, `page` puts the file together. `parts` read the runs and make its contents, `bids`
those about bids; ``assets`` are the style, the scripts and uPlot, which draws series. Nothing is simulated.
Look next at `experiments.run_folder`, which reads the folders.
"""
