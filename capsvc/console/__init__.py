"""The console: pages for people, under ``/`` (design section 9's presentation done for a browser).

Only :mod:`capsvc.http.app` imports it, to put its routes beside those of the API.
"""
