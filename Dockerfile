# Prokura in a container: built on the Debian release it runs on, and run without privileges. See deploy/README.md.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package prokura \
    && install -m 0755 target/release/prokura /usr/local/bin/prokura

FROM debian:bookworm-slim
# Outgoing TLS trusts the certificate authorities of the system.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --home-dir /var/lib/prokura --create-home --shell /usr/sbin/nologin prokura \
    && chmod 0700 /var/lib/prokura
COPY --from=build /usr/local/bin/prokura /usr/local/bin/prokura
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/prokura/

# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/prokura
VOLUME /var/lib/prokura
EXPOSE 8400 8401
STOPSIGNAL SIGTERM

# Asks the running server itself whether it is ready. A second process must not open the embedded database, and a program
# that fetches pages would be one more thing to keep up to date.
ENV PROKURA_HEALTH_PORT=8400
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/$PROKURA_HEALTH_PORT && printf 'GET /readyz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [[ $status == 200 ]]"]

ENTRYPOINT ["prokura"]
CMD ["serve", "--config", "/etc/prokura/prokura.toml"]
