"""The machinery that every experiment uses and no experiment changes.

`experiment` one run from configuration to record, `store` results on disk, `sweep` parts on many cores or a cluster,
`checks` predicted against observed, `figures` the house style, `claims_table` hunts, `records` what both leave,
`report` the page over it with `report_claims` and `markup`, `bench` speed ratios, `cli` the command line. Nothing here
knows any topic.
"""
