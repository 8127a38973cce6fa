# The helper alone: one static program.
FROM scratch
COPY helper/ /
ENTRYPOINT ["/windlass-helper"]
