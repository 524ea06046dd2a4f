"""Studies, each run by one command; their pages stand in docs/studies.

A folder holds studies of one subject. A further study is a module that writes its tables and figure, and a
page.
"""
