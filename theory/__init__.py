"""What should happen: closed forms, ODEs and convex programs, in float64.

Here live statements (`theory.claims`), the functions they are about, and the instances on which they are hunted
(`theory.domains`). Nothing here samples data, trains a network, draws or reads files, and nothing here imports
`toy_tasks` or `experiments`.
"""
