# What CI runs.
check:
    bash .ci/run

# The main job.
run *ARGS:
    cargo harness run {{ARGS}}

# Accept changed payload snapshots after reading them.
accept:
    cargo harness run --accept
