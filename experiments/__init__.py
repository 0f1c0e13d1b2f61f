"""Where theory and simulation meet: one small module per experiment, grouped by topic.

An experiment is a `Config` (frozen dataclass) and four functions: `simulate(config)`, `predict(config)`,
`checks(data)`, `figure(data)`. What all of them need (store, sweep, checks, report, command line) lives in
`experiments.lab`; nothing that two experiments share lives in a topic folder, and no mathematics lives here.
"""
