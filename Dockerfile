# docker build -t doctyped . && docker run -p 8000:8000 -v doctyped:/data doctyped
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake clang make && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo build --locked --profile dist && cp target/dist/doctyped /doctyped && mkdir -p /data/doctypes

# No shell, no package manager; the user is 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /doctyped /usr/bin/doctyped
COPY --from=build --chown=nonroot:nonroot /data /data
WORKDIR /data
ENV DOCTYPED_LISTEN=0.0.0.0:8000 \
    DOCTYPED_DATABASE_URL=sqlite:///data/site.db \
    DOCTYPED_SECRET_KEY_FILE=/data/site.key \
    DOCTYPED_FILES=/data/files
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["/usr/bin/doctyped", "health"]
ENTRYPOINT ["/usr/bin/doctyped"]
CMD ["serve"]
