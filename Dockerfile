# xonn-run as one static binary in an image with nothing else, for a user that is not root.
#
#   docker build -t xonn-run .
#   docker run --rm -p 7070:7070 --read-only --cap-drop all -v /etc/xonn:/etc/xonn:ro xonn-run \
#       serve /etc/xonn/model.xonn --secret /etc/xonn/model.secret --listen 0.0.0.0:7070 --metrics 0.0.0.0:9464
#
# Port 9464, for /metrics, /ready and /live, is not published: it is for those who watch over the container. There is
# no HEALTHCHECK, since the image has no program to ask with: let the orchestrator ask for /live and /ready.
#
# The secret has to be readable by user 65532 and by nobody else: chown 65532 model.secret; chmod 400 model.secret.
# docs/operations.md has the limits, TLS and what to watch.

# Alpine's own target is musl, and a program that is linked against it is static. gcc is for ring, which TLS uses.
FROM rust:1.89-alpine AS build
RUN apk add --no-cache gcc musl-dev
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY circuits circuits
COPY program program
COPY crypto crypto
COPY protocols protocols
COPY xonn-compile xonn-compile
COPY xonn-run xonn-run
RUN cargo build --release --locked -p xonn-run && strip target/release/xonn-run

FROM scratch
COPY --from=build /src/target/release/xonn-run /usr/bin/xonn-run
COPY LICENSE-MIT LICENSE-APACHE /usr/share/licenses/xonn-run/
USER 65532:65532
EXPOSE 7070 9464
# On SIGTERM `serve` drains for --grace, 30 s; docker waits for 10 before it kills: docker stop -t 40.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/xonn-run"]
CMD ["--help"]
