"""Studies, each run by one command; their pages are in docs/studies.

A folder has the studies of one subject. A new study is a module that writes its tables and figure, and a
page.
"""
