# One image for the broker, the sidecar and secretref: docker build -t secretref .
ARG RUST_IMAGE=rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=debian:12-slim

FROM ${RUST_IMAGE} AS build
# A folder of the context with binaries that are built already, for where no crates can be had.
ARG BINARIES=
WORKDIR /src
COPY . .
RUN mkdir /out && if [ -n "$BINARIES" ]; then cp "$BINARIES"/* /out/; else \
        cargo build --release --locked --bin secretref --bin secretref-broker \
            --bin secretref-sidecar && \
        cp target/release/secretref target/release/secretref-broker \
            target/release/secretref-sidecar /out/; \
    fi

FROM ${RUNTIME_IMAGE}
# A folder that a volume is mounted over gives the volume its owner and mode: those of the broker,
# of a sidecar, of the agent's files, and of the join token of each of these agents.
ARG AGENTS=
RUN umask 077 && mkdir /data /state /tokens && mkdir -m 0750 /run/secretref && \
    for agent in $AGENTS; do mkdir "/tokens/$agent"; done && \
    chown -R 10001:10001 /data /state /tokens /run/secretref
COPY --from=build /out/ /usr/local/bin/
USER 10001:10001
CMD ["secretref", "--help"]
