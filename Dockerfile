# The service, for any container engine:
#
#     docker build -t interactions .
#     docker run -p 50051:50051 -v interactions:/var/lib/interactions interactions
#
# It runs as an unprivileged user and keeps an SQLite file in its volume, unless
# INTERACTIONS_DATABASE_URL names a PostgreSQL database. Other commands of the program run the same
# way: `docker run --rm -v interactions:/var/lib/interactions interactions namespace list`.

ARG BUILD_IMAGE=rust:1-bookworm
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY . .
RUN cargo build --release --locked --bin interactions

FROM ${BASE_IMAGE}
# Clients of a service behind TLS verify its certificate by these.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /build/target/release/interactions /usr/local/bin/
RUN install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/interactions
# In a container everything comes from outside, and a proxy or a mesh adds TLS. Whoever mounts
# certificates and names them with INTERACTIONS_TLS_CERT and INTERACTIONS_TLS_KEY gets it without.
ENV INTERACTIONS_LISTEN=0.0.0.0:50051 \
    INTERACTIONS_INSECURE=true \
    INTERACTIONS_DATABASE_URL=sqlite:/var/lib/interactions/interactions.sqlite3
USER 10001:10001
VOLUME /var/lib/interactions
EXPOSE 50051
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
    CMD ["interactions", "health", "--addr", "127.0.0.1:50051"]
ENTRYPOINT ["interactions"]
CMD ["serve"]
