"""What is learned, and how: data-generating processes with their exact population quantities, and a simulator.

Tasks sample keyed data for many replicas at once and know nothing of training; `toy_tasks.simulator` trains anything on
any task. Needs torch and numpy only, so that a bare GPU machine can run it. Nothing here imports `theory` or
`experiments`. Axes in tensor code: r replica, b batch, t token, h head, d model, v vocabulary, k recorded step.
"""
